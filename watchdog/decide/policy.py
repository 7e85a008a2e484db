"""One standing and one turn's verdicts into one decision with its reason."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from watchdog.decide.approval import weigh
from watchdog.decide.measured import too_soon
from watchdog.decide.one_way import one_way_between, unseen_between
from watchdog.decide.standing import Incident, KnownPair, Standing
from watchdog.facts.decision import Ask, Decision, Hold, Refuse, RollBack
from watchdog.facts.event import BreachConfirmed
from watchdog.facts.pair import Pair, release_of
from watchdog.facts.reading import Blind
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Action, Release
from watchdog.facts.verdict import Clear, Verdict

_DAY = timedelta(days=1)
_NONE: Mapping[str, Verdict] = MappingProxyType({})


def decide(
    s: Standing,
    release: Release | None,
    rules: Rules,
    at: datetime,
    verdicts: Mapping[str, Verdict] = _NONE,
) -> Decision:
    """Weigh the open incident as of *at*; without one there is nothing to do.

    Breaches are read from the standing, where they are latched: a later good
    sample does not erase them. *verdicts* are this turn's; they tell whether a
    breach still stands when a promised fix is due.
    """
    incident, running = s.incident, s.running_pair
    if s.claimed:
        return Hold(s.claimed.words)
    if incident is None or running is None:
        return Hold("watching: nothing is confirmed")
    if incident.ended or incident.rolled_back_at:
        return Hold(incident.ended or "rolled back; waiting for the trigger to clear")
    if incident.refused:
        return Hold(incident.refused)
    if rules.observe_only:
        return Hold("mode is observe: nothing is asked, and nothing is done")
    if not incident.charged:
        first = incident.breaches[0]
        return Refuse(
            incident.id,
            f"not this release: {first.elsewhere}; {first.trigger}: {first.words}",
        )
    urgent = next((b for b in incident.charged if b.action == Action.ROLLBACK), None)
    target = choose_target(s, release)
    if isinstance(target, str):
        return Refuse(incident.id, target)
    unseen = unseen_between(s, target)
    question = s.question
    if s.hold:
        if question and not question.closed:
            return Hold(s.hold.words)
        return Refuse(incident.id, s.hold.words)
    if urgent and release is not None:
        obstacle = _only_a_person(s, incident, release, rules, at) or unseen
        if not obstacle:
            return RollBack(
                incident=incident.id,
                to=target.pair,
                record=target.record,
                cause=f"{urgent.trigger}: {urgent.words}",
                approved_by=release.approved_by,
                automatic=True,
                question=question.asked.question if question else "",
            )
        if question is None:
            return Ask(incident.id, target.pair, f"{urgent.words}; {obstacle}")
    if question is None:
        first = incident.charged[0]
        return Ask(incident.id, target.pair, f"{first.trigger}: {first.words}")
    silence = "there is no release file"
    if release is not None:
        silence = _only_a_person(s, incident, release, rules, at) or unseen
    return weigh(
        incident,
        question,
        target,
        at,
        release=release,
        silence=silence,
        verdicts=verdicts,
    )


def not_by_silence(s: Standing, release: Release, rules: Rules, at: datetime) -> str:
    """Say why no rollback begins once a question's time is over; empty if one does."""
    target = choose_target(s, release)
    if s.incident is None:
        return "no incident is open"
    if release.on_no_answer == "hold":
        return "silence is not a yes"
    if rules.observe_only:
        return "mode is observe"
    if s.hold:
        return s.hold.words
    if isinstance(target, str):
        return target
    unseen = unseen_between(s, target)
    return _only_a_person(s, s.incident, release, rules, at) or unseen


def choose_target(s: Standing, release: Release | None) -> KnownPair | str:
    """Choose the pair to go back to, or say in words why there is none.

    The newest known-good pair that was deployed before the running one, by the
    order of deployment and never by version string; ``rollback_to`` narrows it.
    """
    for words in forbidden(s, release).values():
        return words
    target = newest_good(s, release)
    if isinstance(target, str):
        return target
    return one_way_between(s, target) or target


def forbidden(s: Standing, release: Release | None) -> dict[str, str]:
    """Say what only a person may do, by the name of the flag with which they do."""
    found: dict[str, str] = {}
    if s.running is None:
        return found
    version = s.running.pair.version
    if s.running.by and s.running.by not in s.repairs:
        found["result-of-a-rollback"] = (
            f"{version} is itself the result of a rollback: "
            "never rolling back a rollback"
        )
    known = s.running_pair
    unfiled = release is None or release.is_default
    said_so = unfiled and known is not None and known.one_way
    if said_so or (release is not None and not release.rollback_safe):
        found["not-rollback-safe"] = (
            f"{version} says rollback_safe: false (a one-way change): "
            "only a person may roll it back"
        )
    return found


def newest_good(s: Standing, release: Release | None) -> KnownPair | str:
    """Choose as ``choose_target`` does, whatever is forbidden."""
    running = s.running_pair
    if running is None:
        return "what runs is not known"
    wanted = release.rollback_to if release else ""
    same = [known for known in s.pairs.values() if known.pair.version == wanted]
    if same and not any(differ(known.pair, running.pair) for known in same):
        return (
            f"no target: {wanted} has the image and the manifests of what runs, "
            f"{running.pair.words}"
        )
    older = [
        known
        for known in s.pairs.values()
        if known.order < running.order
        and differ(known.pair, running.pair)
        and (not wanted or known.pair.version == wanted)
    ]
    good = [known for known in older if _is_eligible(known)]
    if good:
        return max(good, key=lambda known: known.order)
    which = f"rollback_to {wanted}" if wanted else "a known-good pair"
    if not older:
        return f"no target: {which} never ran here before {running.pair.version}"
    newest = max(older, key=lambda known: known.order)
    why = (
        newest.quarantined
        or newest.taken_down
        or "it is a candidate: neither baked nor vouched for"
    )
    return f"no target: {newest.pair.version} is not known to be good ({why})"


def _is_eligible(known: KnownPair) -> bool:
    """Tell whether it may be gone back to by itself.

    Not to what was rolled back here, though it was good: a person saw what no trigger
    did, and nobody has put it up again or vouched for it since.
    """
    return bool(known.good) and not (known.quarantined or known.taken_down)


def _only_a_person(
    s: Standing, incident: Incident, release: Release, rules: Rules, at: datetime
) -> str:
    """Say why this immediate rollback may not start by itself, or nothing."""
    if incident.held:
        return "a hold kept it from starting when it was confirmed; it may be over"
    if release.is_default:
        return "this version has no release file, so nobody approved it before"
    if release.approved_by in release.unlisted:
        return f"{release.approved_by}, who agreed to it, is not in the roster"
    if any(is_of(release, version) for version in s.automatic):
        return f"{release.version} was rolled back automatically once already"
    recent = [done for done in s.by_itself if at - done < _DAY]
    if len(recent) >= rules.daily_limit:
        return f"{len(recent)} rollbacks by themselves in 24 h reach daily_limit"
    return ""


def recovered(
    s: Standing,
    release: Release | None,
    rules: Rules,
    verdicts: Mapping[str, Verdict],
    at: datetime,
) -> tuple[bool, str] | None:
    """After a proved rollback: (True, words) clear again, (False, words) too late.

    None while there is time left. A trigger that the target's own release file
    does not have can't be judged there, and is not taken for clear.
    """
    incident = s.incident
    if incident is None or incident.rolled_back_at is None or incident.ended:
        return None
    waiting: list[str] = []
    for breach in incident.charged:
        verdict = verdicts.get(breach.trigger)
        match verdict:
            case Clear():
                pass
            case None:
                waiting.append(f"{breach.trigger} is not judged on the running release")
            case Blind(cause=cause):
                waiting.append(f"{breach.trigger} cannot be seen ({cause})")
            case _:
                waiting.append(f"{breach.trigger}: {verdict.words}")
    if not waiting:
        names = ", ".join(breach.trigger for breach in incident.charged)
        return True, f"{names} clear again on {_version(s)}"
    deadline = recovers_until(incident, release, rules)
    if deadline is not None and at >= deadline:
        return False, (
            f"the rollback did not help: it is not this release ({'; '.join(waiting)})"
        )
    return None


def recovers_until(
    incident: Incident, release: Release | None, rules: Rules
) -> datetime | None:
    """Say until when its triggers may take to clear; None before it was rolled back."""
    ended = incident.rolled_back_at
    if ended is None:
        return None
    waits = [_patience(breach, release, rules) for breach in incident.charged]
    return ended + max(waits, default=timedelta())


def _patience(
    breach: BreachConfirmed, release: Release | None, rules: Rules
) -> timedelta:
    if rules.recover_within is not None:
        return rules.recover_within
    triggers = release.triggers if release else ()
    windows = [t.window for t in triggers if t.name == breach.trigger]
    return max(windows, default=timedelta()) + timedelta(minutes=5)


def _version(s: Standing) -> str:
    return s.running.pair.version if s.running else "what runs"


def baked(
    s: Standing,
    release: Release | None,
    rules: Rules,
    verdicts: Mapping[str, Verdict],
    at: datetime,
) -> str:
    """Say why the running pair is known to be good from now on, or nothing.

    Only what was measured counts: every trigger clear now, and nothing that spoke
    against it for the whole bake time. Being blind speaks against it.
    """
    known = s.running_pair
    if known is None or s.running is None or s.unproven_since is None:
        return ""
    if known.good or known.quarantined or s.incident or s.unclear or release is None:
        return ""
    judged = [verdicts.get(t.name) for t in release.triggers if not t.observe_only]
    if not judged or not all(isinstance(verdict, Clear) for verdict in judged):
        return ""
    asked = [t for t in release.triggers if not t.observe_only]
    said = [s.verdicts.get(t.name) for t in asked]
    if any(seen and seen.changed.kind != "clear" for seen in said):
        return ""  # one that comes and goes: clear is not believed yet
    if any(t.name in s.unproven or too_soon(s, t, rules, at) for t in asked):
        return ""  # a clear that rests on less than its whole window
    quiet = at - max(s.unproven_since, s.running.since + s.stepped)
    if quiet < rules.bake_time:
        return ""
    return (
        f"{known.pair.version} ran {int(quiet.total_seconds())} s with all "
        f"{len(judged)} triggers measured and clear"
    )


def differ(one: Pair, other: Pair) -> bool:
    """Tell whether the two can't be one: another image, or a manifest changed.

    A tenant that only one of them was read with tells nothing.
    """
    theirs = dict(other.manifests)
    changed = [t for t, sha in one.manifests if theirs.get(t, sha) != sha]
    return one.image != other.image or bool(changed)


def is_meant(version: str, release: Release | None, other: str) -> bool:
    """Tell whether who says *version* may mean *other*: by a release, all its builds.

    Who names one build means no other build of that release. *release* is the file in
    force for *version*.
    """
    if release is None or release.version != version:
        return other == version
    return other == version or is_of(release, other)


def is_of(release: Release, version: str) -> bool:
    """Tell whether *version* is *release*: itself, or a build of it by git sha."""
    if release.is_default:
        return False
    return release.version in (version, release_of(version))
