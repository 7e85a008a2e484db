"""What somebody did to the stack while a plan was under way; nothing is guessed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from watchdog.decide.one_release import is_one_release
from watchdog.facts.pair import Pair, Part
from watchdog.facts.plan import Do, Plan, Step, Swap, Which
from watchdog.facts.spec import mark_of

_UP = ("running", "restarting", "paused")
NEVER_RAN = "created"
_LONGEST = timedelta(minutes=5)  # of a stop that is waited for; one may be for ever


class Seen(StrEnum):
    """What a plan finds of others when it looks."""

    NOTHING = "nothing"
    DEPLOYED = "deployed"  # containers of somebody else's are one whole pair
    TARGET = "target"  # they are the very pair that we were putting up
    UNSETTLED = "unsettled"  # they are there, and are no whole pair (yet)
    DOWN = "down"  # nothing is left, neither of what ran nor of ours


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What was seen, in words too; *begun* once one of theirs was ever started.

    *places* are theirs by service and number; *beside* when ours run there too.
    *theirs* are what is no whole pair; *stops* is how long the stop of what they take
    over from may have taken.
    """

    seen: Seen
    words: str = ""
    version: str = ""
    begun: bool = False
    beside: bool = False
    places: tuple[tuple[str, int], ...] = ()
    theirs: tuple[Part, ...] = ()
    stops: timedelta = timedelta()

    def has(self, swap: Swap) -> bool:
        """Tell whether one of theirs is in the place of *swap*."""
        return any(
            swap.service == service and swap.number in (0, number)
            for service, number in self.places
        )


def meanwhile(
    plan: Plan,
    parts: Sequence[Part],
    services: tuple[str, ...],
    target: Pair,
    before: Pair | None = None,
    *,
    done: Collection[str] = (),
) -> Meanwhile:
    """Hold the containers of the stack against those that *plan* is about.

    Its own are those that ran when it was made, by their ids, and those that carry
    its operation. What a rollback put aside is nobody's deployment. *before* is the
    pair that its way back puts up, once that is taken. Jobs serve nobody, and whoever
    runs one is no deployment. *done* are the steps that were, in their words.
    """
    if plan.writes:
        return _written_over(plan, parts, services, done, back=before is not None)
    if not plan.swaps:
        return Meanwhile(Seen.NOTHING)  # a work tree has no containers
    jobs = {service for part in parts for service in part.jobs}
    jobs |= {swap.service for swap in plan.swaps if swap.job}
    parts = [part for part in parts if part.service not in jobs]
    services = tuple(service for service in services if service not in jobs)
    olds = {swap.old_id for swap in plan.swaps}
    mine = [p for p in parts if p.op == plan.op or p.container in olds]
    theirs = [p for p in parts if p not in mine and not p.aside]
    if any(step.do is Do.UP for step in plan.steps):
        # Compose makes them without a mark of ours.
        put_up = [target, *([before] if before else [])]
        theirs = [p for p in theirs if not any(_holds(p, pair) for pair in put_up)]
    if not theirs:
        gone = not mine and not [p for p in parts if not p.aside]
        words = "somebody took the stack down: none of its containers is left"
        return Meanwhile(Seen.DOWN, words) if gone else Meanwhile(Seen.NOTHING)
    begun = any(part.state != NEVER_RAN for part in theirs)
    names = ", ".join(f"{part.name} ({part.version})" for part in theirs)
    # What was started and ended is a deployment too, whatever it came to.
    serving = [p for p in parts if p.state in _UP and not p.aside]
    serving += [p for p in theirs if p.state not in (*_UP, NEVER_RAN)]
    places = tuple(_place(part) for part in theirs)
    ours = [p for p in serving if p.op == plan.op and _place(p) in places]
    whole = [part for part in serving if part not in ours]
    if _is_whole(whole, services):
        version, beside = whole[0].version, bool(ours)
        words = f"{version} was deployed meanwhile: {names}"
        is_it = all(_holds(part, target) for part in whole)
        seen = Seen.TARGET if is_it else Seen.DEPLOYED
        return Meanwhile(seen, words, version, begun, beside, places)
    words = f"somebody is deploying: {names}; what runs is no whole pair"
    stops = _stops([part for part in theirs if part.state == NEVER_RAN])
    return Meanwhile(
        Seen.UNSETTLED, words, begun=begun, theirs=tuple(theirs), stops=stops
    )


def _stops(made: Sequence[Part]) -> timedelta:
    """Give how long Compose may have waited for what it takes over from to end.

    That is gone by then, and had the same file's grace as what was *made* for it.
    """
    none, graces = timedelta(), [part.grace for part in made]
    # Less than nothing is for ever.
    return max(
        (min(g, _LONGEST) if g >= none else _LONGEST for g in graces), default=none
    )


def _written_over(
    plan: Plan,
    parts: Sequence[Part],
    services: tuple[str, ...],
    done: Collection[str],
    *,
    back: bool,
) -> Meanwhile:
    """Hold the specs of a swarm's services against the four that *plan* knows of each.

    What ran before is somebody's own once we had written over it: a deployment of the
    bad pair leaves the very spec that the plan was made for. So is the target once the
    way *back* had written over that.
    """
    if not parts:
        return Meanwhile(Seen.DOWN, "somebody removed the stack: no service is left")
    theirs = [part for part in parts if not _is_ours(plan, part, done, back=back)]
    gone = sorted(set(services) - {part.service for part in parts})
    if not theirs and not gone:
        return Meanwhile(Seen.NOTHING)
    names = [f"{part.name} ({part.version})" for part in theirs]
    words = ", ".join([*names, *(f"{service} is gone" for service in gone)])
    if _is_whole(parts, services):
        version = parts[0].version
        said = f"{version} was deployed meanwhile: {words}"
        return Meanwhile(Seen.DEPLOYED, said, version, begun=True)
    said = f"somebody is deploying: {words}; what the swarm is told is no whole pair"
    return Meanwhile(Seen.UNSETTLED, said, begun=True, theirs=tuple(theirs))


def _is_ours(plan: Plan, part: Part, done: Collection[str], *, back: bool) -> bool:
    for one in plan.writes:
        if one.service != part.service:
            continue
        old, new = (
            Step(Do.START, one.service, w).words for w in (Which.OLD, Which.NEW)
        )
        if part.mark in {mark_of(one.home), mark_of(one.carrier)}:
            is_same = mark_of(one.home) == mark_of(one.before)
            return is_same or not (back and old in done)
        if part.mark == mark_of(one.back):
            return True
        if part.mark != mark_of(one.before):
            return False
        return back or not (new in done or part.was == plan.op)
    return False


def left_over(plan: Plan, found: Meanwhile, by: datetime) -> dict[Part, Swap]:
    """Give what Compose made and never started, all of it before *by*, in our places.

    Whoever is at work starts what was made within seconds, once what it takes over
    from has ended; Compose that failed over a name does not come back for it. Its own
    containers are not ours to judge.
    """
    if found.seen is not Seen.UNSETTLED or found.begun:
        return {}
    if any(p.made is None or p.made > by - found.stops for p in found.theirs):
        return {}
    return {
        part: swap
        for part in found.theirs
        for swap in plan.swaps
        if swap.new and swap.service == part.service and swap.number in (0, part.number)
    }


def _place(part: Part) -> tuple[str, int]:
    return part.service, part.number


def _is_whole(parts: Sequence[Part], services: tuple[str, ...]) -> bool:
    """Tell whether *parts* are one pair, each service and number once."""
    places = [_place(part) for part in parts]
    if len(places) != len(set(places)) or {s for s, _ in places} != set(services):
        return False
    held = {(m.tenant, m.sha256) for part in parts for m in part.manifests}
    one_each = len({tenant for tenant, _ in held}) == len(held)
    return is_one_release(parts) and one_each


def _holds(part: Part, pair: Pair) -> bool:
    meant = dict(pair.manifests)
    held = all(meant.get(m.tenant, m.sha256) == m.sha256 for m in part.manifests)
    return part.image == pair.image_of(part.service) and held
