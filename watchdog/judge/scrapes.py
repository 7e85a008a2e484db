"""What each scrape of a release counted, without a hole since the last one.

A look's blocks are one scrape long. What the counters grew by in a gap came with the
scrape after it, and counts as one; a gap of which nobody can tell what happened in it
begins the story anew: losing samples may delay a breach.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from watchdog.facts.reading import Blind, Cause, Look
from watchdog.facts.trigger import Trigger
from watchdog.judge.blocks import (
    Counted,
    Parts,
    blocks_in,
    counted,
    not_numbers,
    too_many,
)

# Rates are extrapolated, so two counters of one event may differ by this much.
_SLACK_SHARE = 0.02
_SLACK_EVENTS = 1.0
# A million a second for ten days.
MOST_EVENTS = 1e12
# A scrape that is missed leaves two blocks without a rate; a third is not scraped.
_MAY_COME_YET = 2


class Scrape(NamedTuple):
    """What was counted in the time from *begin* to *end*, in whole events.

    A tuple, since an hour of them is made at each look at what is over.
    """

    begin: datetime
    end: datetime
    bad: int
    every: int


@dataclass(frozen=True, slots=True)
class Scrapes:
    """Those since the release or the last hole, oldest first; some in the window.

    *bad* and *every* are what the window counted, holes or not. *measured* of the
    *asked* blocks of the window are known, with *holes* between them or not; the
    release is *young* while some of them lie before it.
    """

    all: tuple[Scrape, ...]
    window: tuple[Scrape, ...]
    bad: int
    every: int
    measured: int
    asked: int
    young: bool
    holes: bool


def scrapes_of(
    trigger: Trigger, look: Look, armed_from: datetime, *, older: bool = True
) -> Scrapes | Blind:
    """Lay out what *look* counted since *armed_from*, or say why it cannot be told.

    Without the *older* ones only those of the window, which is quick.

    ``bad`` missing beside ``all`` is no bad event: a series is born with its first.
    ``all`` missing is a gap.
    """
    asked = blocks_in(trigger, trigger.window)
    reach = blocks_in(trigger, trigger.reach) if older else asked
    known = counted(trigger, look, armed_from, reach)
    if isinstance(known, Blind):
        return known
    lost = _trailing(known)
    young = len(known.blocks) < asked
    stretches = _stretches(trigger, look, known)
    begin = look.at - asked * trigger.block
    ours = [(one, parts) for one, parts in stretches if one[1] > begin]
    weighed = [parts for _, parts in ours if parts is not None]
    if not _is_plain(weighed):
        fault = not_numbers(weighed) or too_many(weighed, MOST_EVENTS) or _odd(weighed)
        if fault:
            return fault
    if lost > _MAY_COME_YET:
        return Blind(Cause.STALE, "the newest scrapes were not measured")
    measured = sum(
        (min(span[1], look.at) - max(span[0], begin)) // trigger.block
        for span, parts in ours
        if parts is not None
    )
    scrapes = _whole(stretches)
    window = tuple(one for one in scrapes if one.end > begin)
    bad, every = _sum(weighed, "bad"), _sum(weighed, "all")
    few, many = math.floor(bad + 0.5), math.floor(every + 0.5)
    holes = not all(known.blocks[: len(known.blocks) - lost])
    return Scrapes(
        scrapes, window, min(few, many), many, measured + lost, asked, young, holes
    )


def _trailing(known: Counted) -> int:
    """Count the newest blocks that are not measured: their scrape may come yet."""
    lost = 0
    for parts in reversed(known.blocks):
        if parts:
            break
        lost += 1
    return lost


_Span = tuple[datetime, datetime]


def _stretches(
    trigger: Trigger, look: Look, known: Counted
) -> list[tuple[_Span, Parts | None]]:
    """Give each measured block and each gap between two, None if it is not known."""
    found: list[tuple[_Span, Parts | None]] = []
    gaps = iter(known.gaps)
    left = len(known.blocks)
    length = 0
    for parts in known.blocks:
        left -= 1
        end = look.at - left * trigger.block
        if not parts:
            length += 1
            continue
        if length:
            gap, begin = next(gaps), end - (length + 1) * trigger.block
            if not gap.leads:
                found.append(((begin, end - trigger.block), gap.parts or None))
            length = 0
        found.append(((end - trigger.block, end), parts))
    return found


def _whole(stretches: Sequence[tuple[_Span, Parts | None]]) -> tuple[Scrape, ...]:
    """Count in whole events, none lost by rounding: what is over goes to the next.

    A hole, and what is no count, forget what was before.
    """
    scrapes: list[Scrape] = []
    bad = every = 0.0
    taken_bad = taken = 0
    for (begin, end), parts in stretches:
        if parts is None or not _is_sound(parts):
            scrapes.clear()
            continue
        bad += max(0.0, parts.get("bad", 0.0))
        every += max(0.0, parts["all"])
        now = math.floor(every + 0.5) - taken
        failed = min(now, math.floor(bad + 0.5) - taken_bad)
        taken, taken_bad = taken + now, taken_bad + failed
        scrapes.append(Scrape(begin, end, failed, now))
    return tuple(scrapes)


def _is_sound(parts: Parts) -> bool:
    return "all" in parts and all(
        -MOST_EVENTS <= value <= MOST_EVENTS for value in parts.values()
    )


def _is_plain(blocks: Sequence[Parts]) -> bool:
    """Tell at a glance that nothing is wrong with *blocks*; what is not plain may be.

    Each turn weighs what hardly ever is odd.
    """
    total = 0.0
    for parts in blocks:
        every = parts.get("all", math.nan)
        if not 0 <= parts.get("bad", 0.0) <= every or len(parts) > 1 + ("bad" in parts):
            return False
        total += every
    return total <= MOST_EVENTS


def _odd(blocks: Sequence[Parts]) -> Blind | None:
    for parts in blocks:
        bad = max(0.0, parts.get("bad", 0.0))
        if "all" not in parts:
            return Blind(Cause.NONSENSE, f"{bad:g} bad events without a total")
        for name, value in parts.items():
            if value < -_slack(parts["all"]):
                return Blind(Cause.NONSENSE, f'"{name}" was {value:g}, below zero')
    bad, every = _sum(blocks, "bad"), _sum(blocks, "all")
    if bad > every + _slack(every):
        return Blind(Cause.NONSENSE, f"{bad:g} bad events of {every:g}")
    return None


def _sum(blocks: Sequence[Parts], part: str) -> float:
    values = [parts.get(part, 0.0) for parts in blocks]
    return sum([value for value in values if value > 0])


def _slack(every: float) -> float:
    return _SLACK_SHARE * abs(every) + _SLACK_EVENTS
