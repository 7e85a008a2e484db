"""Tells in a microsecond that a window cannot be anything but clear.

Never the other way round: what is not surely clear goes to the judge. So a replay
of a quiet month asks the judge a few hundred times instead of a hundred thousand.
"""

import math
from dataclasses import dataclass

from watchdog.facts.trigger import Queue, Trigger, Value
from watchdog.judge.blocks import Parts

_COUNTS = ({"bad", "all"}, {"all"})
_FLOW = {"floor", "in", "out"}
_POINT = {"worst"}
# The judge rounds to whole events; a whole one more is beyond all rounding.
_MARGIN = 1.0
_SURELY_NONE = 0.25
# Of a block; what is more goes to the judge, and the sums stay exact.
_MOST = 1e9


@dataclass(frozen=True, slots=True)
class Quiet:
    """Knows one trigger; *share* is its bound if it counts, else 0."""

    trigger: Trigger
    share: float

    def is_sound(self, parts: Parts) -> bool:
        """Tell a block that is measured whole, finite and no nonsense."""
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

    def is_clear(self, newest: Parts, before: Parts, bad: float, every: float) -> bool:
        """Tell that a window of sound blocks, none of them too early, is surely clear.

        *newest* and *before* are its last two blocks; *bad* and *every* the sums
        of what is counted.
        """
        match self.trigger.kind:
            case Value():
                return True
            case Queue():
                return newest["floor"] <= before["floor"]
            case _:
                if every - _MARGIN < max(1, self.trigger.min_samples):
                    return False
                return self.is_under(bad, every)

    def is_under(self, bad: float, every: float) -> bool:
        """Tell that a window is surely not over the bound, if it counts."""
        if not self.trigger.counts:
            return False
        return bad < _SURELY_NONE or bad + _MARGIN <= self.share * (every - _MARGIN)

    def _is_past(self, value: float) -> bool:
        if self.trigger.above is not None:
            return value > self.trigger.above
        return self.trigger.below is None or value < self.trigger.below
