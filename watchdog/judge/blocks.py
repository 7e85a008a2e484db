"""Which blocks of a look count, and what is plainly wrong with them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from watchdog.facts.reading import Blind, Cause, Look
from watchdog.facts.trigger import Trigger
from watchdog.judge.words import age, spell

Parts: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Gap:
    """So many blocks in a row that were not measured.

    *parts* is what the counters grew by from one side of it to the other; empty
    when that is not known, and always when it *leads*: it has one side only.
    """

    blocks: int
    parts: Parts
    leads: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """The blocks that begin at or after the release, oldest first.

    A block that was not measured is an empty mapping. *asked* is how many blocks
    the window has; fewer are counted while the release is younger. *gaps* leaves
    out the one that the newest block is a part of.
    """

    blocks: tuple[Parts, ...]
    asked: int
    gaps: tuple[Gap, ...] = ()

    @property
    def is_young(self) -> bool:
        """True while some of the window lies before the release."""
        return len(self.blocks) < self.asked


def blocks_in(trigger: Trigger, time: timedelta) -> int:
    """Give how many blocks a time holds; a part of one is a whole one."""
    return max(1, -(-time // trigger.block))


def counted(
    trigger: Trigger, look: Look, armed_from: datetime, asked: int
) -> Counted | Blind:
    """Lay the look's blocks on the grid that ends at ``look.at``.

    What is not on the grid is not counted; a place without a block is a gap. If
    no place holds a measurement the answer is a blindness with its cause.
    """
    begin = look.at - asked * trigger.block
    found: dict[datetime, Parts] = {}
    for block in reversed(look.blocks):
        if block.end <= begin:
            break
        found[block.end] = block.parts
    ends = [look.at - place * trigger.block for place in reversed(range(asked))]
    charged = [end for end in ends if end - trigger.block >= armed_from]
    parts = tuple(found.get(end, {}) for end in charged)
    blocks = Counted(parts, asked, tuple(_gaps(parts, charged, look)))
    if any(blocks.blocks):
        return blocks
    young = len(charged) < blocks_in(trigger, trigger.window)
    return nothing_measured(trigger, look.at, armed_from, young=young)


def _gaps(
    blocks: Sequence[Parts], ends: Sequence[datetime], look: Look
) -> Iterator[Gap]:
    length = 0
    for place, parts in enumerate(blocks):
        if not parts:
            length += 1
        elif length:
            leads = length == place
            known = {} if leads else look.gaps.get(ends[place - 1], {})
            yield Gap(length, known, leads)
            length = 0


def nothing_measured(
    trigger: Trigger, at: datetime, armed_from: datetime, *, young: bool
) -> Blind:
    """Name the cause when not one block or point of the window was measured."""
    if young:
        why = f"nothing measured yet: {age(trigger, at, armed_from)}"
        return Blind(Cause.TOO_FEW_SAMPLES, why)
    window = spell(trigger.window)
    return Blind(Cause.NO_SERIES, f"no series in the whole window of {window}")


def too_many(blocks: Sequence[Parts], most: float) -> Blind | None:
    """Blind if there is more of anything than *most*, or all of it together is.

    No counter comes so far, and beyond it nothing can be weighed exactly.
    """
    total: dict[str, float] = {}
    for parts in blocks:
        for name, value in parts.items():
            total[name] = total.get(name, 0.0) + abs(value)
    for name, value in total.items():
        if value > most:
            return Blind(
                Cause.NONSENSE, f'"{name}" was {value:g}, more than can be counted'
            )
    return None


def not_numbers(blocks: Sequence[Parts]) -> Blind | None:
    """Blind if any part is not a finite number: parsers let NaN and Inf pass."""
    for parts in blocks:
        for name, value in parts.items():
            if not math.isfinite(value):
                return Blind(Cause.NOT_A_NUMBER, f'"{name}" was {value}')
    return None
