"""Whole watches laid over a past that is kept: many starts, and what would have failed.

What was counted is kept in two arrays, scrape by scrape, and nothing is asked again.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from watchdog.facts.reading import Before, Blind, Block, Look, Measured
from watchdog.facts.trigger import Trigger
from watchdog.facts.verdict import Breached, Verdict
from watchdog.judge.attribution import elsewhere
from watchdog.judge.blocks import Parts, blocks_in
from watchdog.judge.breach import judge
from watchdog.judge.counts import bound_of

# As the live reading: two scrapes on either side of a start belong to neither, ten
# minutes are lately, and a day is looked at where an hour held little.
_SCRAPES_OF_A_START = 2
_LATELY = timedelta(minutes=10)
_A_DAY = timedelta(days=1)
_ENOUGH = 1000
# A counter tells after a gap of so long what came in it.
_TOLD_LATER = timedelta(minutes=5)
_FEW = 60


class Chance(Protocol):
    """Draws numbers; the same each time from the same seed."""

    def random(self) -> float:
        """Draw one from 0 to 1."""
        ...

    def gauss(self, mu: float, sigma: float) -> float:
        """Draw one of a normal distribution."""
        ...


@dataclass
class Past:
    """What *trigger* counted in each block, the first of which ends at *first*.

    A block that was not measured is not a number. *exact*: the block after a gap
    holds what came in it. It is judged *lag* after its end.
    """

    trigger: Trigger
    first: datetime
    exact: bool
    lag: timedelta = timedelta()
    bad: "array[float]" = field(default_factory=lambda: array("d"))
    every: "array[float]" = field(default_factory=lambda: array("d"))

    def take(self, points: Sequence[Parts | Blind]) -> None:
        """Keep the next blocks."""
        for parts in points:
            if isinstance(parts, Blind) or "all" not in parts or "fell" in parts:
                self.bad.append(math.nan)
                self.every.append(math.nan)
            else:
                self.bad.append(parts.get("bad", 0.0))
                self.every.append(parts["all"])

    def end(self, place: int) -> datetime:
        """Say when a block ended."""
        return self.first + place * self.trigger.block

    def places(self, since: datetime, until: datetime) -> range:
        """Give the blocks that lie between two instants as a whole."""
        block = self.trigger.block
        low = max(0, -((self.first - block - since) // block))
        high = min(len(self.every), (until - self.first) // block + 1)
        return range(low, max(low, high))

    def look(self, low: int, place: int) -> Look:
        """Lay out the blocks from *low* to *place*, as they would have been read."""
        blocks, gaps = list[Block](), dict[datetime, Parts]()
        last = None
        for one in range(low, place + 1):
            every, end = self.every[one], self.end(one)
            if math.isnan(every):
                blocks.append(Block(end, {}))
                continue
            blocks.append(Block(end, {"bad": self.bad[one], "all": every}))
            missing = one - last - 1 if last is not None else 0
            told = (missing + 1) * self.trigger.block <= _TOLD_LATER
            if missing and self.exact and told:
                gaps[self.end(one - 1)] = {"bad": 0.0, "all": 0.0}
            last = one
        return Look(self.end(place), tuple(blocks), gaps)

    def before(self, started: datetime) -> Before:
        """Add up the time before a start, as the live reading does."""
        until = started - _SCRAPES_OF_A_START * self.trigger.block
        since = until - self.trigger.baseline.window
        whole = self._sum(since, until)
        if whole.get("all", 0.0) < _ENOUGH:
            since = until - _A_DAY
            whole = self._sum(since, until)
        return Before(since, until, whole, self._sum(until - _LATELY, until))

    def _sum(self, since: datetime, until: datetime) -> dict[str, float]:
        there = [n for n in self.places(since, until) if self.every[n] == self.every[n]]
        if not there:
            return {}
        return {
            "bad": sum(self.bad[n] for n in there),
            "all": sum(self.every[n] for n in there),
            "seconds": len(there) * self.trigger.block.total_seconds(),
        }


class Laid:
    """Lays starts over *past*, each charged from *settle* after it on."""

    def __init__(self, past: Past, settle: timedelta) -> None:
        self._past = past
        self._settle = settle
        trigger = past.trigger
        self._window = blocks_in(trigger, trigger.window)
        self._reach = blocks_in(trigger, trigger.reach)
        self._suspect = list(self._suspects(range(len(past.every)), self._window))
        # What was said of a look that reaches back as far as one can.
        self._said: dict[int, Breached | None] = {}

    def first(
        self, started: datetime, watched: timedelta
    ) -> Iterator[tuple[datetime, Breached]]:
        """Give what would have been confirmed of a release that started then."""
        past, armed = self._past, started + self._settle
        places = past.places(armed, started + watched)
        if not places:
            return
        before: Before | None = None
        young = range(places.start, min(places.stop, places.start + self._window))
        rest = bisect_left(self._suspect, young.stop)
        last = bisect_left(self._suspect, places.stop)
        for place in (
            *self._suspects(young, len(young), places.start),
            *self._suspect[rest:last],
        ):
            low = max(places.start, place - self._reach + 1)
            known = self._long_ago(low, place) if low > places.start else None
            if low > places.start and known is None:
                continue
            before = before or past.before(started)
            verdict = self._verdict(low, place, before, armed, known)
            if isinstance(verdict, Breached):
                yield past.end(place) + past.lag, verdict

    def _verdict(
        self,
        low: int,
        place: int,
        before: Before,
        armed: datetime,
        known: Breached | None,
    ) -> Verdict:
        """Judge one look; of what is *known* of it, only whose doing it is."""
        if known is not None:  # whose doing it is, the window alone says
            low = max(low, place - 2 * self._window)
        look = self._past.look(low, place)
        reading = Measured((look,), before=before)
        if known is None:
            return judge(self._past.trigger, reading, armed)
        whose = elsewhere(self._past.trigger, reading, look, armed)
        return whose if isinstance(whose, Blind) else replace(known, elsewhere=whose)

    def _long_ago(self, low: int, place: int) -> Breached | None:
        """Say what is said of a look of a release of long ago, if that is a breach.

        It is the same for each start; whose doing it is differs.
        """
        if place not in self._said:
            past = self._past
            reading = Measured((past.look(low, place),))
            verdict = judge(past.trigger, reading, past.first - _A_DAY)
            self._said[place] = verdict if isinstance(verdict, Breached) else None
        return self._said[place]

    def _suspects(self, places: range, window: int, begin: int = 0) -> Iterator[int]:
        """Give the blocks whose newest is bad and whose window is over."""
        past, bound = self._past, bound_of(self._past.trigger)
        least = past.trigger.min_events
        bad = every = 0.0
        for place in range(max(begin, places.start - window + 1), places.stop):
            if past.every[place] == past.every[place]:
                bad += past.bad[place]
                every += past.every[place]
            old = place - window
            if old >= begin and past.every[old] == past.every[old]:
                bad -= past.bad[old]
                every -= past.every[old]
            if place < places.start or not past.bad[place] > 0:
                continue
            if bad + 0.5 >= least and bad + 1 > bound * (every - 1):
                yield place


def found_after(
    past: Past,
    started: datetime,
    share: float,
    within: tuple[timedelta, timedelta],
    chance: Chance,
) -> timedelta | None:
    """Say how soon it is found that *share* of what went well fails from a start on.

    *within* is from when until when after the start it is charged.
    """
    trigger, (settle, limit) = past.trigger, within
    places = past.places(started, started + limit)
    # A copy of what is needed: the arrays hold a month.
    low, high = places.start, places.stop
    worse = replace(
        past, first=past.end(low), bad=past.bad[low:high], every=past.every[low:high]
    )
    for place in range(high - low):
        if worse.every[place] == worse.every[place]:
            good = max(0, round(worse.every[place] - worse.bad[place]))
            worse.bad[place] += _drawn(chance, good, share)
    before, armed = past.before(started), started + settle
    charged = worse.places(armed, started + limit)
    for place in charged:
        if not worse.bad[place] > 0:
            continue
        reading = Measured((worse.look(charged.start, place),), before=before)
        verdict = judge(trigger, reading, armed)
        if isinstance(verdict, Breached) and not verdict.elsewhere:
            return worse.end(place) + past.lag - started
    return None


def _drawn(chance: Chance, many: int, share: float) -> int:
    """Draw how many of *many* fail."""
    if many > _FEW:
        middle, spread = many * share, math.sqrt(many * share * (1 - share))
        return min(many, max(0, round(chance.gauss(middle, spread))))
    return sum(chance.random() < share for _ in range(many))
