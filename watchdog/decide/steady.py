"""What comes and goes: worse is said at once, better once it may last.

A verdict, a far end or a turn that flaps at each poll would be 17,280 events a day.
What matters of it is that it got worse, and whether it is well again for a while.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

FREE = 6
"""Changes, each within an hour of the one before, that are all said at once."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_CALM = timedelta(hours=1)
_FIRST, _MOST = timedelta(minutes=1), timedelta(minutes=30)
# What is worse than what; of equals, another cause is no worse.
_RANKS = {"clear": 0, "pending": 1, "blind": 2, "breached": 3}


@dataclass(frozen=True, slots=True)
class Flow:
    """How often something changed of late: *count* times, the last time *at*."""

    count: int = 0
    at: datetime = _NEVER

    def changed(self, at: datetime) -> "Flow":
        """Count one more change; after a calm hour it is the first."""
        calm = abs(at - self.at) >= _CALM
        return Flow(1 if calm else self.count + 1, at)

    @property
    def comes_and_goes(self) -> bool:
        """So often of late that better is not believed at once."""
        return self.count >= FREE

    @property
    def wait(self) -> timedelta:
        """How long it must be since the last change before better is believed."""
        if not self.comes_and_goes:
            return timedelta()
        doubled: timedelta = _FIRST * 2 ** min(self.count - FREE, 10)
        return min(_MOST, doubled)

    def may_be_better(self, at: datetime) -> bool:
        """Tell whether what is better, or only other, is said now."""
        return not timedelta() <= at - self.at < self.wait


STILL = Flow()


def is_worse(kind: str, before: str) -> bool:
    """Tell whether a verdict's *kind* is worse than the one before."""
    return _RANKS.get(kind, 3) > _RANKS.get(before, 3)
