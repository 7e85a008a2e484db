"""Tells in a microsecond that a window cannot be anything but clear.

Never the other way round: what is not surely clear goes to the judge. So a replay
of a quiet month asks the judge a few hundred times instead of a hundred thousand.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from watchdog.facts.reading import Blind
from watchdog.facts.trigger import Queue, Trigger, Value
from watchdog.judge.blocks import Parts
from watchdog.judge.scrapes import MOST_EVENTS

_COUNTS = ({"bad", "all"}, {"all"})
_FLOW = {"floor", "in", "out"}
_POINT = {"worst"}
# The judge rounds to whole events; a whole one more is beyond all rounding.
_MARGIN = 1.0
_SURELY_NONE = 0.25
# Of a block; what is more goes to the judge, and the sums stay exact.
_MOST = 1e9
_NOTHING: Parts = {}

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Run:
    """Points in a row, and of each: is its window surely *clear*, and its *value*.

    The value is what a person would plot of it; not a number where there is none.
    """

    clear: list[bool]
    value: list[float]


@dataclass
class Quiet:
    """Follows the points of one trigger; *share* is its bound if it counts, else 0.

    A window is so many *stride* points apart.
    """

    trigger: Trigger
    share: float
    window: int
    stride: int = 1
    # Sums since the first point, of each one's own phase: sound ones, bad events, all.
    _sound: list[int] = field(default_factory=list)
    _bad: list[float] = field(default_factory=list)
    _every: list[float] = field(default_factory=list)
    _floors: list[float] = field(default_factory=list)

    def take(self, points: Sequence[Parts | Blind]) -> Run:
        """Take the next points, oldest first."""
        sound = [self.is_sound(one) for one in points]
        runs = self._in_windows(self._sound, list(map(int, sound)))
        whole = [run == self.window for run in runs]
        match self.trigger.kind:
            case Value():
                return Run(whole, _of(points, "worst"))
            case Queue():
                floors = _of(points, "floor")
                befores = [*(self._floors or [math.nan] * self.stride), *floors]
                self._floors = befores[-self.stride :]
                falls = [
                    now <= before for now, before in zip(floors, befores, strict=False)
                ]
                return Run(list(map(all, zip(whole, falls, strict=True))), floors)
            case _:
                return self._counted(whole, sound, points)

    def _counted(
        self, whole: list[bool], sound: list[bool], points: Sequence[Parts | Blind]
    ) -> Run:
        known = [
            one if is_sound and not isinstance(one, Blind) else _NOTHING
            for one, is_sound in zip(points, sound, strict=True)
        ]
        bad = self._in_windows(self._bad, [one.get("bad", 0.0) for one in known])
        every = self._in_windows(self._every, [one.get("all", 0.0) for one in known])
        least, share = max(1, self.trigger.min_samples) + _MARGIN, self.share
        clear = [
            is_whole
            and of >= least
            and (some < _SURELY_NONE or some + _MARGIN <= share * (of - _MARGIN))
            for is_whole, some, of in zip(whole, bad, every, strict=True)
        ]
        return Run(clear, list(map(share_of, bad, every)))

    def _in_windows(self, sums: list[_Number], values: list[_Number]) -> list[_Number]:
        """Give what each point's window adds up to; *sums* is kept for the next."""
        stride, span = self.stride, self.stride * self.window
        before = len(sums)
        sums += values
        for place in range(max(stride, before), len(sums)):
            sums[place] += sums[place - stride]
        found = sums[before:span]
        found += [
            now - then
            for now, then in zip(
                sums[max(before, span) :], sums[max(0, before - span) :], strict=False
            )
        ]
        del sums[:-span]
        return found

    def is_sound(self, parts: Parts | Blind) -> bool:
        """Tell a block that is measured whole, finite and no nonsense."""
        if isinstance(parts, Blind):
            return False
        match self.trigger.kind:
            case Value():
                worst = parts.get("worst", math.nan)
                return (
                    parts.keys() == _POINT
                    and math.isfinite(worst)
                    and not self._is_past(worst)
                )
            case Queue():
                return parts.keys() == _FLOW and all(
                    0 <= value < _MOST for value in parts.values()
                )
            case _:
                every = parts.get("all", math.nan)
                bad = parts.get("bad", 0.0)
                return parts.keys() in _COUNTS and 0 <= bad <= every < _MOST

    def is_under(self, window: Sequence[Parts | Blind]) -> bool:
        """Tell that a window, sound or not, is surely not over the bound."""
        if not self.trigger.counts:
            return False
        bad, every = counts_of(window)
        return bad < _SURELY_NONE or bad + _MARGIN <= self.share * (every - _MARGIN)

    def _is_past(self, value: float) -> bool:
        if self.trigger.above is not None:
            return value > self.trigger.above
        return self.trigger.below is None or value < self.trigger.below


def counts_of(window: Sequence[Parts | Blind]) -> tuple[float, float]:
    """Add up what a window counted: the bad ones, and all."""
    bad = every = 0.0
    for parts in window:
        if isinstance(parts, Blind) or "all" not in parts:
            continue
        some, of = parts.get("bad", 0.0), parts["all"]
        if abs(some) < MOST_EVENTS and abs(of) < MOST_EVENTS:
            bad, every = bad + some, every + of
    return bad, every


def share_of(bad: float, every: float) -> float:
    """Give the share that a person would plot; not a number of less than one event."""
    return max(0.0, bad) / every if every >= 1 else math.nan


def _of(points: Sequence[Parts | Blind], part: str) -> list[float]:
    return [
        math.nan if isinstance(one, Blind) else one.get(part, math.nan)
        for one in points
    ]
