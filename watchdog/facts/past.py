"""What a trigger would have said over a period of the past."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchdog.facts.trigger import Release, Trigger

ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Stretch:
    """One word and one cause, from *since* until just before *until*.

    *cause* is that of a blindness, ``elsewhere`` for a breach that is not the
    release's doing, else empty. *words* are the verdict's: its first, or where it
    was worst if it breached. *value* is then the worst one, and *bound* what it
    was held against; *elsewhere* says why it is not the release's doing.
    """

    kind: str
    since: datetime
    until: datetime
    words: str
    cause: str = ""
    value: float | None = None
    bound: float | None = None
    elsewhere: str = ""

    @property
    def length(self) -> timedelta:
        """How long it was said."""
        return self.until - self.since


@dataclass(frozen=True, slots=True)
class Band:
    """The lowest and highest the metric was in one column of a plot."""

    since: datetime
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Track:
    """One trigger over the period: its stretches tile the time that was judged.

    *step* is how far apart it was judged. *bands* leave out what was not measured.
    """

    trigger: Trigger
    step: timedelta
    stretches: tuple[Stretch, ...]
    bands: tuple[Band, ...]
    judged: int
    queries: tuple[str, ...] = ()

    def of(self, kind: str) -> tuple[Stretch, ...]:
        """Give the stretches of one word, oldest first."""
        return tuple(one for one in self.stretches if one.kind == kind)

    def time(self, kind: str) -> timedelta:
        """Add up how long one word was said."""
        return sum((one.length for one in self.of(kind)), timedelta())

    @property
    def measured(self) -> float:
        """The share of the judged time in which it was not blind; 0 without any."""
        whole = sum((one.length for one in self.stretches), timedelta())
        return 1 - self.time("blind") / whole if whole else 0.0


@dataclass(frozen=True, slots=True)
class Sampled:
    """A track with the period that it was asked for, from *since* until *until*."""

    since: datetime
    until: datetime
    track: Track


@dataclass(frozen=True, slots=True)
class Backtest:
    """A release file over a period; *started* is None for "long before it"."""

    release: Release
    since: datetime
    until: datetime
    tracks: Sequence[Track]
    started: datetime | None = None
