"""Ratio and latency: bad events out of all events, block by block.

The rule is one table, read from the top; the first line that fits decides.
Research: a bound on a ratio alone fires on one failed request in an idle hour.

A gap never stands in for what was fine: its events are read from the counters on
both of its sides, and count. So losing samples may delay a breach, never make one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from watchdog.facts.reading import Blind, Cause, Look
from watchdog.facts.trigger import Latency, Trigger
from watchdog.facts.verdict import Breached, Clear, Pending, Verdict
from watchdog.judge.batches import in_batches
from watchdog.judge.blocks import (
    Counted,
    Parts,
    blocks_in_window,
    counted,
    not_numbers,
    too_many,
)
from watchdog.judge.tail import lower_bound, upper_tail
from watchdog.judge.words import age, exact_percent, percent

# Rates are extrapolated, so two counters of one event may differ by this much.
_SLACK_SHARE = 0.02
_SLACK_EVENTS = 1.0
# A million a second for ten days; weighing more would take seconds.
MOST_EVENTS = 1e12
# Half an event in a block is none: a neutral block, neither over nor a dip.
_IDLE_BELOW = 0.5


@dataclass(frozen=True, slots=True)
class Tally:
    """What the measured blocks add up to, in whole events.

    Rates bring 4.9 for 5: Prometheus extrapolates less near a counter's zero.
    """

    bad: int
    every: int
    bound: float
    how: str = "bad"

    @property
    def is_over(self) -> bool:
        """True when the share is past the bound, sure or not."""
        return self.bad > self.bound * self.every

    @property
    def words(self) -> str:
        """Say the counts and their share."""
        share = self.bad / self.every
        return f"{self.bad} of {self.every} ({percent(share)}) were {self.how}"

    @property
    def limit(self) -> str:
        """Say the bound."""
        return f"bound {exact_percent(self.bound)}"


def judge_counts(
    trigger: Trigger, look: Look, armed_from: datetime, batch: float = 1.0
) -> Verdict:
    """Judge bad events of all events as of ``look.at``.

    ``bad`` missing beside ``all`` is no bad event: a series is born with its
    first. ``all`` missing is a gap, and a gap is neither over nor clear.
    *batch* is how many bad events come at a time; a batch proves as much as one.
    """
    window = counted(trigger, look, armed_from, blocks_in_window(trigger))
    if isinstance(window, Blind):
        return window
    blocks = window.blocks
    known = _known(window)
    fault = not_numbers(known) or too_many(known, MOST_EVENTS) or _nonsense(known)
    if fault:
        return fault
    if not blocks[-1]:
        return Blind(Cause.STALE, "the newest block was not measured")
    bound = bound_of(trigger)
    tally = _tally(known, bound, _how(trigger))
    if fault := _too_few(trigger, tally, window, look.at, armed_from):
        return fault
    newest_over = _over(blocks[-1], bound)
    recovered = trigger.sustained and not newest_over and not _idle(blocks[-1])
    if not tally.is_over and trigger.sustained and newest_over:
        return Pending(
            f"{tally.words} in the window; {tally.limit}, "
            f"but the newest block is over: {_block_words(blocks[-1])}"
        )
    if not tally.is_over or recovered:
        return _inside(trigger, tally, window, look.at, armed_from)
    if why_not := _not_yet(trigger, tally, window, look.at, armed_from):
        return why_not
    bad, every = in_batches(tally.bad, tally.every, batch)
    said = tally.words
    if batch > 1:
        said += f" in batches of about {batch:.2g}, so they weigh as {bad} of {every}"
    sure = f"{exact_percent(trigger.confidence)} confidence"
    if upper_tail(bad, every, tally.bound) >= 1 - trigger.confidence:
        return Pending(
            f"suspected: {said}; {tally.limit}; too few to be sure with {sure}"
        )
    least = percent(lower_bound(bad, every, trigger.confidence))
    return Breached(
        f"{said}; with {sure} at least {least}; {tally.limit}",
        value=tally.bad / tally.every,
        bound=bound,
    )


def tally(trigger: Trigger, look: Look, armed_from: datetime) -> Tally:
    """Add up what is charged to the release in *look*, its gaps included."""
    window = counted(trigger, look, armed_from, blocks_in_window(trigger))
    blocks = () if isinstance(window, Blind) else _known(window)
    return _tally(blocks, bound_of(trigger), _how(trigger))


def _inside(
    trigger: Trigger,
    tally: Tally,
    window: Counted,
    at: datetime,
    armed_from: datetime,
) -> Verdict:
    """Clear, if enough of the window was measured to say so."""
    measured = _measured(window)
    if measured < trigger.coverage * window.asked:
        what = f"{tally.words}, but only {measured} of {window.asked} blocks measured"
        if window.is_young:
            what += f": {age(trigger, at, armed_from)}"
        return Blind(Cause.TOO_FEW_SAMPLES, what)
    if tally.is_over:
        newest = _block_words(window.blocks[-1])
        return Clear(f"recovered: {newest} in the newest block; {tally.limit}")
    return Clear(f"{tally.words}; {tally.limit}")


def _not_yet(
    trigger: Trigger,
    tally: Tally,
    window: Counted,
    at: datetime,
    armed_from: datetime,
) -> Verdict | None:
    """Say why a window over the bound is not a breach, or nothing if it is one."""
    blocks = window.blocks
    so_far = f"suspected: {tally.words}; {tally.limit}"
    if tally.bad < trigger.min_events:
        return Pending(f"{so_far}; fewer than {trigger.min_events} bad events")
    if trigger.sustained and window.is_young:
        return Pending(f"{so_far}; {age(trigger, at, armed_from)}")
    measured = _measured(window)
    if measured < trigger.coverage * len(blocks):
        return Blind(
            Cause.TOO_FEW_SAMPLES,
            f"only {measured} of {len(blocks)} blocks measured, "
            f"{exact_percent(trigger.coverage)} needed; {tally.words}",
        )
    if unbridged := _unbridged(trigger, tally, window):
        return unbridged
    busy = [parts for parts in _known(window) if parts and not _idle(parts)]
    needed = min(trigger.min_blocks_hit, window.asked)
    if trigger.sustained:
        over = sum(_over(parts, tally.bound) for parts in busy)
        if over < len(busy):
            return Pending(f"{so_far}; only {over} of {len(busy)} blocks over")
        over = sum(_over(parts, tally.bound) for parts in blocks)
        if over < needed:
            return Pending(f"{so_far}; only {over} blocks over, {needed} needed")
    else:
        hit = sum(_bad(parts) >= _IDLE_BELOW for parts in blocks)
        if hit < needed:
            return Pending(
                f"{so_far}; bad events in only {hit} blocks, {needed} needed"
            )
    return None


def _unbridged(trigger: Trigger, tally: Tally, window: Counted) -> Blind | None:
    """Blind for a gap of which nobody can say what happened in it.

    With ``for`` every block must be over, and a gap of several has one count.
    """
    for gap in window.gaps:
        if gap.leads:
            why = "the window begins with a gap"
        elif not gap.parts:
            why = "the counters do not tell what happened in a gap of the window"
        elif trigger.sustained and gap.blocks > 1:
            why = f"a gap of {gap.blocks} blocks in a row, 1 can be bridged"
        else:
            continue
        return Blind(Cause.TOO_FEW_SAMPLES, f"{why}; {tally.words}")
    return None


def _too_few(
    trigger: Trigger,
    tally: Tally,
    window: Counted,
    at: datetime,
    armed_from: datetime,
) -> Blind | None:
    """Blind while there is less traffic than any verdict needs."""
    if tally.every >= max(1, trigger.min_samples):
        return None
    young = f"; {age(trigger, at, armed_from)}" if window.is_young else ""
    if tally.every == 0:
        cause = Cause.TOO_FEW_SAMPLES if window.is_young else Cause.NO_TRAFFIC
        return Blind(cause, f"no events in {_measured(window)} measured blocks{young}")
    return Blind(
        Cause.TOO_FEW_SAMPLES,
        f"{tally.words}, {trigger.min_samples} events needed{young}",
    )


def _nonsense(blocks: Sequence[Parts]) -> Blind | None:
    for parts in blocks:
        if parts and "all" not in parts:
            return Blind(Cause.NONSENSE, f"{_bad(parts):g} bad events without a total")
        for name, value in parts.items():
            if value < -_slack(parts["all"]):
                return Blind(Cause.NONSENSE, f'"{name}" was {value:g}, below zero')
    bad, every = sum(map(_bad, blocks)), sum(map(_all, blocks))
    if bad > every + _slack(every):
        return Blind(Cause.NONSENSE, f"{bad:g} bad events of {every:g}")
    return None


def _known(window: Counted) -> tuple[Parts, ...]:
    """Give all that was counted, in blocks and in gaps; gaps first, no matter where."""
    return (*(gap.parts for gap in window.gaps), *window.blocks)


def _how(trigger: Trigger) -> str:
    return trigger.kind.words if isinstance(trigger.kind, Latency) else "bad"


def _tally(blocks: Sequence[Parts], bound: float, how: str) -> Tally:
    bad = math.floor(sum(map(_bad, blocks)) + 0.5)
    every = math.floor(sum(map(_all, blocks)) + 0.5)
    if every > 0:
        # Latency and ratio alike: within the slack, the extra bad ones are noise.
        return Tally(min(bad, every), every, bound, how)
    return Tally(0, 0, bound, how)


def bound_of(trigger: Trigger) -> float:
    """Give the share of bad events that is not yet too many."""
    if trigger.above is not None:
        return trigger.above
    if isinstance(trigger.kind, Latency):
        return 1 - trigger.kind.quantile
    raise ValueError(f"{trigger.name} counts events but has no bound `above`")


def _block_words(parts: Parts) -> str:
    return f"{_bad(parts):.0f} of {_all(parts):.0f}"


def _measured(window: Counted) -> int:
    return sum(map(bool, window.blocks))


def _bad(parts: Parts) -> float:
    return max(0.0, parts.get("bad", 0.0))


def _all(parts: Parts) -> float:
    return max(0.0, parts.get("all", 0.0))


def _idle(parts: Parts) -> bool:
    return _all(parts) < _IDLE_BELOW


def _over(parts: Parts, bound: float) -> bool:
    return not _idle(parts) and _bad(parts) > bound * _all(parts)


def _slack(every: float) -> float:
    return _SLACK_SHARE * abs(every) + _SLACK_EVENTS
