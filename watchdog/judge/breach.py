"""The one door: a trigger and its reading in, a verdict out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile
from typing import assert_never

from watchdog.facts.reading import (
    Blind,
    Cause,
    Look,
    Measured,
    Reading,
    unforeseen,
)
from watchdog.facts.trigger import Latency, Queue, Ratio, RatioQuery, Trigger, Value
from watchdog.facts.verdict import Breached, Clear, Pending, Verdict
from watchdog.judge.attribution import elsewhere
from watchdog.judge.batches import batch_of
from watchdog.judge.counts import judge_counts
from watchdog.judge.groups import evidence
from watchdog.judge.growth import judge_growth
from watchdog.judge.value import judge_value


def judge(trigger: Trigger, reading: Reading, armed_from: datetime) -> Verdict:
    """Say what *reading* means, for a release that is charged from *armed_from*.

    *armed_from* is the start of the running pair plus its time to settle; what
    begins before it is never counted. Each look is judged alone and by its own
    ``at``; the reading is breached only if every look is, ``confirm_polls`` of
    them. A breach then says whether it is the release's doing. The verdict depends
    on nothing else: no clock, no earlier call.

    It does not raise: numbers that cannot be weighed blind this trigger alone.
    """
    if isinstance(reading, Blind):
        return reading
    try:
        return _weighed(trigger, reading, armed_from)
    except Exception as error:  # noqa: BLE001 - the others must be judged
        return unforeseen(error)


def _weighed(trigger: Trigger, reading: Measured, armed_from: datetime) -> Verdict:
    needed = max(1, trigger.confirm_polls)
    batch = batch_of(trigger, reading.before)
    verdicts = [
        _judge_look(trigger, look, armed_from, batch) for look in reading.looks[:needed]
    ]
    if not verdicts:
        return Blind(Cause.PARTIAL, "the reading holds no look at the window")
    verdict = _confirmed(verdicts, needed)
    if isinstance(verdict, Breached):
        whose = elsewhere(trigger, reading, reading.looks[0], armed_from, batch)
        if isinstance(whose, Blind):
            return whose
        onset = _onset(trigger, reading.looks[needed - 1], armed_from)
        verdict = replace(verdict, elsewhere=whose, onset=onset)
    said = evidence(trigger, reading.groups, verdict)
    if said:
        verdict = replace(verdict, words=f"{verdict.words}; {said}")
    return _of_the_whole(reading, verdict)


def _of_the_whole(reading: Measured, verdict: Verdict) -> Verdict:
    """Let nothing be clear that was measured in part; what is over stays over."""
    if reading.renamed and isinstance(verdict, Clear):
        return Blind(Cause.NO_SERIES, f"{reading.renamed}; {verdict.words}")
    if reading.measured_on is None or isinstance(verdict, Blind):
        return verdict
    some, all_ = reading.measured_on
    said = f"measured on {some} of {all_} containers"
    if isinstance(verdict, Clear):
        return Blind(Cause.PARTIAL, f"{said}; {verdict.words}")
    return replace(verdict, words=f"{verdict.words}; {said}")


def _confirmed(verdicts: Sequence[Verdict], needed: int) -> Verdict:
    """Take the newest verdict; a breach only if every poll asked for says so."""
    newest = verdicts[0]
    if not isinstance(newest, Breached):
        return newest
    held = len(list(takewhile(lambda verdict: isinstance(verdict, Breached), verdicts)))
    if held < needed:
        polls = "1 poll" if held == 1 else f"{held} polls"
        return Pending(f"suspected: {polls} of {needed}; {newest.words}")
    return newest


def _onset(trigger: Trigger, look: Look, armed_from: datetime) -> datetime:
    """Say when what *look* confirms began: the clock of the MTTR runs from there.

    Sustained, it lasted for the whole window. Else it began with the first block
    that has a bad event.
    """
    began = look.at - trigger.window
    if not trigger.sustained and isinstance(trigger.kind, Ratio | RatioQuery | Latency):
        bad = (b.end for b in look.blocks if b.parts.get("bad", 0.0) > 0)
        charged = [end - trigger.block for end in bad if end > armed_from]
        began = min(charged, default=began)
    return max(began, armed_from)


def _judge_look(
    trigger: Trigger, look: Look, armed_from: datetime, batch: float
) -> Verdict:
    match trigger.kind:
        case Ratio() | RatioQuery() | Latency():
            return judge_counts(trigger, look, armed_from, batch)
        case Queue():
            return judge_growth(trigger, look, armed_from)
        case Value():
            return judge_value(trigger, look, armed_from)
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)
