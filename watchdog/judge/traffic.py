"""Traffic: fewer events came than a share of what came in the same time before.

Before the release, and at this hour yesterday and a week ago, as far as that is known:
it must be too few beside all of them, for traffic has its hours. And never so few in
any such time, with a chance of one in a million even where events come in clusters: a
day has thousands of looks.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from watchdog.facts.reading import Blind, Block, Cause, Look, Measured, Pace
from watchdog.facts.trigger import Traffic, Trigger
from watchdog.facts.verdict import Breached, Clear, Pending, Verdict
from watchdog.judge.blocks import not_numbers, nothing_measured, too_many
from watchdog.judge.scrapes import MOST_EVENTS
from watchdog.judge.words import age, exact_percent, percent, spell

# A comparison holds so many of the trigger's times.
_LEAST_TIMES = 4
_QUARTERS = 4
# One in a million, by H. Chernoff's bound (1952) on a Poisson number.
_SURE = math.log(1e6)
# Events come in clusters of two at the least; of more, where the past says so.
_CLUSTERED = 2.0
_PASSES = frozenset({Cause.UNREACHABLE, Cause.TIMEOUT, Cause.PARTIAL})
_MAY_COME_YET = 2
BEFORE = "before the release"


@dataclass(frozen=True, slots=True)
class _Beside:
    """What came in a trigger's time *when*: on average, at the least, and at last."""

    when: str
    mean: float
    least: float
    last: float
    clustered: float


def judge_traffic(
    trigger: Trigger, kind: Traffic, reading: Measured, armed_from: datetime
) -> Verdict:
    """Judge how many events came in the time up to the newest scrape."""
    look = reading.looks[0]
    asked = max(1, trigger.window // trigger.block)
    ours = [b for b in look.blocks if b.end - trigger.block >= armed_from]
    fault = _unfit(trigger, look, ours, armed_from)
    if fault:
        return fault
    while not ours[-1].parts:
        ours.pop()
    window = ours[-asked:]
    young = f"; {age(trigger, look.at, armed_from)}"
    if len(window) < asked:
        words = f"{_sum(window):.0f} events so far{young}"
        return Blind(Cause.TOO_FEW_SAMPLES, words)
    there = sum(bool(block.parts) for block in window)
    if there < trigger.coverage * asked:
        words = f"only {there} of {asked} scrapes measured"
        return Blind(Cause.TOO_FEW_SAMPLES, words)
    beside = list(_known(reading.paces))
    for pace in reading.paces.values():
        if isinstance(pace, Blind) and pace.cause in _PASSES:
            words = f"what came before is not seen: {pace.words}"
            return Blind(pace.cause, words, pace.hint)
    too_old = ""
    if look.at - armed_from > kind.of:
        too_old = f"the release is older than {spell(kind.of)}"
    return _weighed(trigger, beside, ours, window, too_old)


def _weighed(
    trigger: Trigger,
    beside: Sequence[_Beside],
    ours: Sequence[Block],
    window: Sequence[Block],
    too_old: str,
) -> Verdict:
    share, now = _share(trigger), _sum(window)
    if not beside:
        words = f"{now:.0f} events in {spell(trigger.window)}, and nothing to compare"
        return Blind(Cause.TOO_FEW_SAMPLES, words)
    lowest = min(beside, key=lambda one: one.mean)
    said = (
        f"{now:.0f} events in {spell(trigger.window)}, {lowest.mean:.0f} {lowest.when}"
    )
    thin = lowest.mean < trigger.min_samples
    for one in beside:
        if one.mean >= trigger.min_samples and now >= share * one.mean:
            words = (
                f"{now:.0f} events in {spell(trigger.window)}, "
                f"{percent(now / one.mean)} of the {one.mean:.0f} {one.when}"
            )
            return Clear(f"{words}; bound {exact_percent(share)}")
    if thin:
        words = f"{said}: too little to compare, {trigger.min_samples} needed"
        return Blind(Cause.TOO_FEW_SAMPLES, words)
    said += f" ({percent(now / lowest.mean)}); bound {exact_percent(share)}"
    if too_old and all(one.when == BEFORE for one in beside):
        words = f"{said}; but {too_old}, and this hour yesterday is not known"
        return Blind(Cause.TOO_FEW_SAMPLES, words)
    if why_not := _why_not(trigger, beside, window, lowest.mean):
        return Pending(f"suspected: {said}; {why_not}")
    return Breached(
        said,
        value=now / lowest.mean,
        bound=share,
        onset=_onset(trigger, ours, window, lowest.mean),
        elsewhere=_fell_before(share, beside),
    )


def _unfit(
    trigger: Trigger, look: Look, ours: Sequence[Block], armed_from: datetime
) -> Blind | None:
    """Say why what was scraped cannot be told; unscraped is not zero."""
    if not any(block.parts for block in ours):
        young = look.at - trigger.window < armed_from
        return nothing_measured(trigger, look.at, armed_from, young=young)
    lost = next(n for n, block in enumerate(reversed(ours)) if block.parts)
    if lost > _MAY_COME_YET:
        return Blind(Cause.STALE, "the newest scrapes were not measured")
    parts = [block.parts for block in ours if block.parts]
    return not_numbers(parts) or too_many(parts, MOST_EVENTS)


def _known(paces: Mapping[str, Pace | Blind]) -> Iterator[_Beside]:
    for when, pace in paces.items():
        if isinstance(pace, Blind) or len(pace.counts) < _LEAST_TIMES:
            continue
        if not all(map(math.isfinite, pace.counts)):
            continue
        mean = sum(pace.counts) / len(pace.counts)
        spread = sum((count - mean) ** 2 for count in pace.counts) / (
            len(pace.counts) - 1
        )
        clustered = spread / mean if mean > 0 else 0.0
        yield _Beside(
            when,
            mean,
            min(pace.counts),
            pace.counts[-1],
            max(_CLUSTERED, clustered),
        )


def _why_not(
    trigger: Trigger, beside: Sequence[_Beside], window: Sequence[Block], mean: float
) -> str:
    """Say why it is not sure that fewer came, for all of the time; empty if it is."""
    share, now = _share(trigger), _sum(window)
    for one in beside:
        if now >= one.least:
            return f"{one.least:.0f} came in such a time {one.when}, too"
    # Each part of the time, and its two ends: else it fell for less than all of it.
    size = max(1, len(window) // _QUARTERS)
    parts = [window[:1], window[-1:]]
    parts += [window[at : at + size] for at in range(0, len(window), size)]
    if any(_sum(part) >= share * mean * len(part) / len(window) for part in parts):
        return f"not for all of {spell(trigger.window)}"
    clustered = max(one.clustered for one in beside)
    expected, seen = mean / clustered, now / clustered
    sure = expected - seen + (seen * math.log(seen / expected) if seen else 0.0)
    if sure < _SURE:
        return f"that may be chance, as events come in clusters of {clustered:.1f}"
    return ""


def _fell_before(share: float, beside: Sequence[_Beside]) -> str:
    for one in beside:
        if one.when == BEFORE and one.last < share * one.mean:
            return (
                f"it had fallen before it started: {one.last:.0f} in the last such "
                f"time, {one.mean:.0f} on average"
            )
    return ""


def _onset(
    trigger: Trigger, ours: Sequence[Block], window: Sequence[Block], mean: float
) -> datetime:
    """Go back from the window for as long as fewer came than the bound has."""
    begin = window[0].end - trigger.block
    few = _share(trigger) * mean / len(window)
    for block in reversed(ours[: len(ours) - len(window)]):
        if block.parts.get("all", few) >= few:
            break
        begin = block.end - trigger.block
    return begin


def _share(trigger: Trigger) -> float:
    if trigger.below is None:
        raise ValueError(f"{trigger.name} counts traffic and has no bound `below`")
    return trigger.below


def _sum(blocks: Sequence[Block]) -> float:
    return sum(max(0.0, block.parts.get("all", 0.0)) for block in blocks)
