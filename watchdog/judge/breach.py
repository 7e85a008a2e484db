"""The one door: a trigger and its reading in, a verdict out."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from watchdog.facts.container import Containers
from watchdog.facts.reading import (
    Blind,
    Cause,
    Groups,
    Look,
    Measured,
    Reading,
    unforeseen,
)
from watchdog.facts.trigger import (
    Latency,
    Queue,
    Ratio,
    RatioQuery,
    Sick,
    Traffic,
    Trigger,
    Value,
)
from watchdog.facts.verdict import Breached, Clear, Verdict
from watchdog.judge.attribution import elsewhere
from watchdog.judge.counts import judge_counts
from watchdog.judge.groups import any_of, evidence, sick_before
from watchdog.judge.growth import judge_growth
from watchdog.judge.in_turn import in_turn
from watchdog.judge.sick import judge_sick
from watchdog.judge.traffic import judge_traffic
from watchdog.judge.value import judge_value


def judge(trigger: Trigger, reading: Reading, armed_from: datetime) -> Verdict:
    """Say what *reading* means, for a release that is charged from *armed_from*.

    *armed_from* is the start of the running pair plus its time to settle; what
    begins before it is never counted. A breach then says since when, and whether it
    is the release's doing. The verdict depends on nothing else: no clock, no earlier
    call.

    It does not raise: numbers that cannot be weighed blind this trigger alone.
    """
    if isinstance(reading, Blind):
        return reading
    try:
        if isinstance(trigger.kind, Sick) or isinstance(reading, Containers):
            return _by_the_engine(trigger, reading, armed_from)
        return _weighed(trigger, reading, armed_from)
    except Exception as error:  # noqa: BLE001 - the others must be judged
        return unforeseen(error)


def _by_the_engine(
    trigger: Trigger, reading: Measured | Containers, armed_from: datetime
) -> Verdict:
    if isinstance(trigger.kind, Sick) and isinstance(reading, Containers):
        return judge_sick(trigger, trigger.kind, reading, armed_from)
    words = "the engine is asked of containers only, and Prometheus of all else"
    return Blind(Cause.NONSENSE, words)


def _weighed(trigger: Trigger, reading: Measured, armed_from: datetime) -> Verdict:
    if not reading.looks:
        return Blind(Cause.PARTIAL, "the reading holds no look at the window")
    look = reading.looks[0]
    if odd := in_turn(trigger, look, armed_from):
        return odd
    if isinstance(trigger.kind, Traffic):
        verdict = judge_traffic(trigger, trigger.kind, reading, armed_from)
    else:
        verdict = _judge_look(trigger, look, armed_from)
    one = _one_alone(trigger, reading, verdict, armed_from)
    if isinstance(one, Blind):
        return one
    alone = ""
    if one is not None and isinstance(reading.groups, Groups):
        _, look, verdict = one
        alone = sick_before(trigger, reading.groups)
    if isinstance(verdict, Breached):
        whose = elsewhere(trigger, reading, look, armed_from)
        if isinstance(whose, Blind):
            return whose
        onset = max(verdict.onset or look.at - trigger.window, armed_from)
        verdict = replace(
            verdict, elsewhere=whose or alone or verdict.elsewhere, onset=onset
        )
    said = evidence(trigger, reading.groups, verdict)
    if said:
        verdict = replace(verdict, words=f"{verdict.words}; {said}")
    return _of_the_whole(trigger, reading, verdict)


def _one_alone(
    trigger: Trigger, reading: Measured, verdict: Verdict, armed_from: datetime
) -> tuple[str, Look, Verdict] | Blind | None:
    """Give the one group that says more than the whole, where one alone counts.

    Blind where the whole is well and the groups are not seen: one may be over.
    """
    groups = reading.groups
    if not trigger.any or isinstance(verdict, Breached):
        return None
    if isinstance(groups, Blind):
        words = f"not measured by {trigger.by}: {groups.words}"
        is_clear = isinstance(verdict, Clear)
        return replace(groups, words=words) if is_clear else None
    if groups is None:
        return None
    found = any_of(trigger, groups, armed_from)
    if found is None or isinstance(found[2], Breached):
        return found
    return found if isinstance(verdict, Clear) else None


def _of_the_whole(trigger: Trigger, reading: Measured, verdict: Verdict) -> Verdict:
    """Let nothing be clear that was measured in part; what is over stays over.

    But of traffic, which looks less then.
    """
    if reading.renamed and isinstance(verdict, Clear):
        return Blind(Cause.NO_SERIES, f"{reading.renamed}; {verdict.words}")
    if isinstance(verdict, Blind):
        return verdict
    less = isinstance(verdict, Clear) or isinstance(trigger.kind, Traffic)
    why = reading.uncounted
    if why is not None and less:
        said = f"whether it is measured on all containers is not known: {why.words}"
        return replace(why, words=f"{said}; {verdict.words}")
    if reading.measured_on is None:
        return verdict
    some, all_ = reading.measured_on
    said = f"measured on {some} of {all_} containers"
    if less:
        return Blind(Cause.PARTIAL, f"{said}; {verdict.words}")
    return replace(verdict, words=f"{verdict.words}; {said}")


def _judge_look(trigger: Trigger, look: Look, armed_from: datetime) -> Verdict:
    match trigger.kind:
        case Ratio() | RatioQuery() | Latency():
            return judge_counts(trigger, look, armed_from)
        case Queue():
            return judge_growth(trigger, look, armed_from)
        case Value():
            return judge_value(trigger, look, armed_from)
        case Traffic() | Sick():
            return Blind(Cause.NONSENSE, "it is judged by more than one look")
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)
