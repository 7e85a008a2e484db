"""What a trigger would have said over a period of the past."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watchdog.facts.trigger import Release, Trigger
from watchdog.facts.verdict import Breached

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

    @property
    def firings(self) -> tuple[Stretch, ...]:
        """Give each incident once: breaches less than a window apart are one.

        As of its first word, until its last, and with its worst value.
        """
        falls, merged = self.trigger.below is not None, list[Stretch]()
        for one in self.of("breached"):
            last = merged[-1] if merged else None
            apart = one.since - last.until if last else timedelta()
            if last is None or apart >= self.trigger.window:
                merged.append(one)
                continue
            worse = one.value is not None and (
                last.value is None
                or (one.value < last.value if falls else one.value > last.value)
            )
            worst = one if worse else last
            # What is the release's doing at any time is its doing.
            whose = one if last.elsewhere and not one.elsewhere else last
            merged[-1] = replace(
                worst,
                since=last.since,
                until=one.until,
                cause=whose.cause,
                elsewhere=whose.elsewhere,
            )
        return tuple(merged)

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
class Fired:
    """What would have been confirmed first of a release that *started* then.

    *verdict* is that of *trigger* at *at*; *elsewhere* of it says why it is not the
    release's doing.
    """

    started: datetime
    at: datetime
    trigger: Trigger
    verdict: Breached


@dataclass(frozen=True, slots=True)
class Starts:
    """Releases that *began* at random moments, each with its whole watch.

    *fired* are those of which something would have been confirmed.
    """

    began: tuple[datetime, ...]
    watched: timedelta
    fired: tuple[Fired, ...]


@dataclass(frozen=True, slots=True)
class Injected:
    """How soon *trigger* would have found that *share* of all events failed more.

    One delay for each release that started so; None: not found within *limit*.
    """

    trigger: Trigger
    share: float
    limit: timedelta
    delays: tuple[timedelta | None, ...]


@dataclass(frozen=True, slots=True)
class Backtest:
    """A release file over a period; *started* is None for "long before it"."""

    release: Release
    since: datetime
    until: datetime
    tracks: Sequence[Track]
    started: datetime | None = None
    starts: Starts | None = None
    injected: Sequence[Injected] = ()
