"""Container: sick by the engine's own word, for as long as the trigger says.

The engine tells since when: when a container ended, when its probes failed. What it
does not tell from something that a person did, such as a stop, is never a breach. As
for a value, it is one and the same container that must be sick for so long.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from watchdog.facts.container import (
    NOT_RUN,
    Container,
    Containers,
    End,
    Health,
    Probe,
)
from watchdog.facts.problem import Fault
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trial import Trial
from watchdog.facts.trigger import Missing, Sick, Sickness, Trigger
from watchdog.facts.verdict import Breached, Clear, Pending, Verdict
from watchdog.judge.words import age, spell

# It restarts again and again if it ended so often by itself,
_LEAST_ENDS = 3
# and was never up for longer than this, or than the trigger's time if that is more:
# the engine waits a minute at most before it starts it again.
_UP_AGAIN = timedelta(minutes=2)
# A deployment takes the old containers away, which takes its time.
_JUST_BEFORE = timedelta(minutes=5)
_DOWN = ("exited", "dead")
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Held:
    """One container that is sick, from *since* to *until*, as the engine tells."""

    container: Container
    since: datetime
    until: datetime
    words: str

    def time(self, armed_from: datetime) -> timedelta:
        """Give how long of it the release is charged with."""
        return self.until - max(self.since, armed_from)


def judge_sick(
    trigger: Trigger, kind: Sick, reading: Containers, armed_from: datetime
) -> Verdict:
    """Judge the containers as the engine showed them at ``reading.at``."""
    seen, at = reading.seen, reading.at
    if not seen:
        words = "no container is there to look at"
        hint = "with `executor: git` or `swarm` nothing runs in containers that we see"
        return Blind(Cause.NO_SERIES, words, hint)
    found = [
        held
        for one in seen
        for of in kind.of
        if (held := _held(of, one, at, trigger.window)) is not None
    ]
    found = [held for held in found if held.time(armed_from) > timedelta()]
    if found:
        worst = max(found, key=lambda held: held.time(armed_from))
        return _weighed(trigger, reading, found, worst, armed_from)
    for one in seen:
        if unsure := _unsure(trigger, kind, one, at, armed_from):
            return unsure
    for one in seen:
        if unseen := _unseen(kind, one, at):
            return unseen
    return Clear(_all_well(seen))


def was_sick(seen: Iterable[Container], at: datetime) -> tuple[str, ...]:
    """Say of each container what was wrong when it was last seen, before *at*."""
    return tuple(
        f"{one.service}: {words}" for one in seen for words in [_was(one, at)] if words
    )


def _weighed(
    trigger: Trigger,
    reading: Containers,
    found: Sequence[_Held],
    worst: _Held,
    armed_from: datetime,
) -> Verdict:
    number = len({held.container.id for held in found})
    time, needed = worst.time(armed_from) // _SECOND * _SECOND, trigger.window
    said = (
        f"{number} of {len(reading.seen)} containers: {worst.container.name} "
        f"{worst.words}, for {spell(time)}"
    )
    if time < needed:
        young = reading.at - needed < armed_from
        since = f"; {age(trigger, _whole(reading.at), armed_from)}" if young else ""
        return Pending(f"suspected: {said} of {spell(needed)}{since}")
    return Breached(
        said,
        value=time.total_seconds(),
        bound=needed.total_seconds(),
        elsewhere=_elsewhere(trigger, reading, worst.container.service),
        onset=max(worst.since, armed_from),
    )


def _elsewhere(trigger: Trigger, reading: Containers, service: str) -> str:
    """Say why it is not this release's doing; empty if it is."""
    if reading.before is None:
        if trigger.baseline.missing is Missing.IGNORE:
            return ""
        return "nothing to compare with: nobody looked at the containers before it"
    for said in reading.before:
        whose, _, words = said.partition(": ")
        if whose == service:
            return f"{service} was sick before it started: {words}"
    return ""


# -- what the engine says of one ---------------------------------------------------


def _held(
    of: Sickness, one: Container, at: datetime, window: timedelta
) -> _Held | None:
    match of:
        case Sickness.UNHEALTHY:
            return _unhealthy(one, at)
        case Sickness.RESTARTING:
            return _restarting(one, at, window)
        case Sickness.EXITED:
            return _exited(one, at)
        case Sickness.OOM:
            return _out_of_memory(one, at, window)


def _unhealthy(one: Container, at: datetime) -> _Held | None:
    """Tell since when its probes have failed too often, without a hole.

    One that is paused, or was, is called unhealthy though no probe failed. The engine
    keeps five probes: of those before it is known only how many failed, and where
    nobody looked then, that each took its time.
    """
    health = one.health
    if one.state != "running" or health is None or not _failed(health):
        return None
    if at - health.probes[-1].end > health.longest:
        return None  # not asked any more: it was paused, or all of it slept
    streak: list[Probe] = []
    for probe in reversed(health.probes):
        hole = bool(streak) and streak[-1].begin - probe.end > health.longest
        if hole or not probe.failed:
            break
        streak.append(probe)
    streak.reverse()
    if health.since and len(streak) in (health.streak, len(health.probes)):
        since = health.since
        words = f"is unhealthy: {health.streak} probes failed in a row"
        return _Held(one, since, at, words)
    first = health.streak - len(streak) + 1  # its number among those that failed
    past = max(1, health.retries) - first
    if 0 <= past < len(streak):
        since = streak[past].end
    else:
        earlier = -past if len(streak) == len(health.probes) else 0
        since = streak[0].end - earlier * health.every
    return _Held(
        one, since, at, f"is unhealthy: {health.streak} probes failed in a row"
    )


def _failed(health: Health) -> bool:
    """Tell a check that failed too often from one that is only not run."""
    return (
        health.word == "unhealthy"
        and health.streak >= max(1, health.retries)
        and bool(health.probes)
        and health.probes[-1].failed
    )


def _exited(one: Container, at: datetime) -> _Held | None:
    if one.state not in _DOWN or not one.ends or one.ends[-1].by != "":
        return None
    last = one.ends[-1]
    return _Held(one, last.at, at, f"{_ended(last)} by itself")


def _restarting(one: Container, at: datetime, window: timedelta) -> _Held | None:
    """Tell since when it has ended again and again, and never stayed up.

    Until now while the engine waits to start it again, else until its last end: one
    that stays up is not sick any more.
    """
    run = _run(one, max(window, _UP_AGAIN))
    if len(run) < _LEAST_ENDS or one.restarts < _LEAST_ENDS:
        return None
    up_again = max(window, _UP_AGAIN)
    if one.state == "running" and one.started and at - one.started > up_again:
        return None
    until = at if one.state == "restarting" else run[-1].at
    words = f"restarts again and again: {len(run)} times it {_ended(run[-1])} by itself"
    return _Held(one, run[0].at, until, words)


def _run(one: Container, longest: timedelta) -> list[End]:
    """Give its newest ends by itself, none longer than *longest* after the other."""
    run: list[End] = []
    for end in reversed(one.ends):
        if end.by != "" or (run and run[-1].at - end.at > longest):
            break
        run.append(end)
    run.reverse()
    return run


def _out_of_memory(one: Container, at: datetime, window: timedelta) -> _Held | None:
    if not one.ends or not one.ends[-1].out_of_memory:
        return None
    held = _exited(one, at) or _restarting(one, at, window)
    if held is None:
        return None
    since = held.since
    for end in reversed(one.ends):
        if not end.out_of_memory:
            break
        since = max(held.since, end.at)
    return _Held(one, since, held.until, "ran out of memory")


def _ended(end: End) -> str:
    code = "" if end.code is None else f" with {end.code}"
    return f"exited{code} at {end.at:%H:%M:%S} UTC"


# -- what is neither sick nor well -------------------------------------------------


def _unsure(
    trigger: Trigger, kind: Sick, one: Container, at: datetime, armed_from: datetime
) -> Pending | None:
    """Say what points to it, and is not enough."""
    if not one.ends:
        return None
    last = one.ends[-1]
    ends = {Sickness.EXITED, Sickness.RESTARTING, Sickness.OOM} & {*kind.of}
    if not ends or last.by:
        return None
    what = f"suspected: {one.name} {_ended(last)}"
    if one.state in _DOWN and last.by is None:
        why = one.untold or "the engine does not tell"
        return Pending(f"{what}, and whether somebody stopped it is not known: {why}")
    young = last.at > armed_from and at - last.at <= max(trigger.window, _UP_AGAIN)
    if one.state == "restarting" or (one.restarts and young):
        return Pending(f"{what}, and was started again {one.restarts} times")
    return None


def _unseen(kind: Sick, one: Container, at: datetime) -> Blind | None:
    """Say why it cannot be called well."""
    name, last = one.name, one.ends[-1] if one.ends else None
    if one.state in _DOWN and last is not None and last.by:
        words = f"{name} {_ended(last)}: {last.by}; it is not the release's doing"
        return Blind(Cause.PARTIAL, words, "start it again, or deploy")
    if one.state != "running":
        words = f"{name} is {one.state}: it serves nobody, and nothing is said of it"
        hint = "unpause it" if one.state == "paused" else "start it, or deploy"
        return Blind(Cause.PARTIAL, words, hint)
    if Sickness.UNHEALTHY not in kind.of or one.health is None:
        return None
    if words := one.health.unasked(at):
        return Blind(Cause.STALE, f"{name} is {words}", NOT_RUN)
    match one.health.word:
        case "healthy" | "none" | "":
            return None
        case "starting":
            words = f"{name} is starting: its health check has not answered yet"
            return Blind(Cause.TOO_FEW_SAMPLES, words)
        case word:
            words = f"{name} is called {word}, but no probe of it failed just now"
            return Blind(Cause.STALE, words, "its next probe tells; was it paused?")


def _all_well(seen: Sequence[Container]) -> str:
    checked = sum(one.health is not None for one in seen)
    many = f"{len(seen)} container{'s run' if len(seen) > 1 else ' runs'}"
    if not checked:
        return f"{many}, none with a health check"
    return f"{many}, {checked} healthy by {'their' if checked > 1 else 'its'} check"


def _was(one: Container, at: datetime) -> str:
    """Say what was wrong; that a deployment then stopped it makes it no better."""
    if one.health and _failed(one.health):
        return "unhealthy"
    if one.state in _DOWN and one.ends and not one.ends[-1].by:
        return _ended(one.ends[-1])
    ends = list(one.ends)
    while ends and ends[-1].by:
        ends.pop()
    asked = Container(one.service, one.name, one.id, "restarting", None, ends=(*ends,))
    run = _run(asked, _UP_AGAIN)
    is_loop = len(run) >= _LEAST_ENDS and (
        one.state == "restarting" or at - run[-1].at <= _JUST_BEFORE
    )
    return "restarting again and again" if is_loop else ""


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def tried(trigger: Trigger, kind: Sick, reading: Containers) -> Trial:
    """Try *trigger* on the containers that are there: can the engine tell it at all."""
    long_ago = datetime.fromtimestamp(0, UTC)
    verdict = judge_sick(trigger, kind, reading, long_ago)
    seen, faults = reading.seen, []
    if not seen and isinstance(verdict, Blind):
        faults.append(Fault("container", verdict.words, verdict.hint))
    bare = [one.name for one in seen if one.health is None]
    if seen and len(bare) == len(seen) and {*kind.of} == {Sickness.UNHEALTHY}:
        words = f"{_and(bare)} has no health check: it is never unhealthy"
        faults.append(Fault("container", words, "add a `healthcheck` to the service"))
    doubts = () if faults else tuple(_doubts(kind, seen))
    return Trial(trigger.name, len(seen), verdict, (), tuple(faults), doubts)


def _doubts(kind: Sick, seen: Sequence[Container]) -> Iterator[Fault]:
    bare = [one.name for one in seen if one.health is None]
    if Sickness.UNHEALTHY in kind.of and bare:
        words = f"{_and(bare)} has no health check: it is never unhealthy"
        yield Fault("container", words, "add a `healthcheck` to the service")
    left = [one.name for one in seen if not one.is_restarted]
    if Sickness.RESTARTING in kind.of and Sickness.EXITED not in kind.of and left:
        words = f"{_and(left)} is not restarted by the engine: it only exits"
        yield Fault("container", words, "add `exited`, or give it a `restart` policy")
    untold = next((one.untold for one in seen if one.untold), "")
    if untold and {Sickness.EXITED, Sickness.OOM} & {*kind.of}:
        words = f"who stopped a container is not known, and that is no breach: {untold}"
        yield Fault("container", words, "let the socket proxy pass `GET /events`")


def _and(names: Sequence[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last
