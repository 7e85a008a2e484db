"""Releases that never were: what is scraped of them, and what Prometheus makes of it.

Events come by chance (Poisson), failures singly, in batches of geometric size, or
half and half. Each replica is scraped at its own phase, and some scrapes are missing.
"""

import math
import random
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from watchdog.facts.reading import Before, Block, Look, Measured
from watchdog.facts.trigger import Trigger

HOUR, DAY = 3600.0, 86_400.0
START = datetime(2026, 3, 11, tzinfo=UTC)
SECOND = timedelta(seconds=1)
# A scrape may be under way for so long, and is left to the next poll.
SEEN_AFTER = 1.0
# So far back goes the sample before a block.
REACH = 300.0
POLL = 5


@dataclass(frozen=True)
class Case:
    """One way in which a release may go; times in seconds from its start.

    *usual* is the share that fails always, *ill* that from *onset* until *ends*.
    *batch* is the mean size of batches, *mixed* if half of the failures are single.
    """

    trigger: Trigger
    per_minute: float
    usual: float
    ill: float = 0.0
    onset: float = math.inf
    ends: float = math.inf
    lasts: float = DAY
    batch: int = 1
    mixed: bool = False
    scrape: int = 15
    replicas: int = 1
    missing: float = 0.0
    births: bool = False

    @property
    def coming(self) -> str:
        """Say how failures come."""
        if self.batch == 1:
            return "singly"
        return f"half x{self.batch}" if self.mixed else f"x{self.batch}"

    @property
    def scraped(self) -> str:
        """Say how it is scraped."""
        more = f", {self.replicas} replicas" if self.replicas > 1 else ""
        lost = f", {self.missing:.0%} missing" if self.missing else ""
        return f"{self.scrape} s{more}{lost}"


def poisson(rng: random.Random, mean: float) -> int:
    """Draw how many come when *mean* come on average."""
    if mean <= 0:
        return 0
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def failures(rng: random.Random, case: Case, expected: float) -> int:
    """Draw how many fail when so many are expected."""
    if case.batch == 1:
        return poisson(rng, expected)
    alone = poisson(rng, expected / 2) if case.mixed else 0
    batches = poisson(rng, expected / case.batch / (2 if case.mixed else 1))
    less = math.log(1 - 1 / case.batch)
    return alone + sum(
        1 + int(math.log(1 - rng.random()) / less) for _ in range(batches)
    )


@dataclass
class Replica:
    """What one replica's counters said, scrape by scrape, from its start on."""

    times: list[float] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)
    every: list[int] = field(default_factory=list)

    def rate(self, end: float, over: float, until: float) -> tuple[float, float]:
        """Give what a rate over so long makes of it, a second; nan with one sample.

        Extrapolated as Prometheus does, which is less near a counter's zero.
        """
        last = bisect_right(self.times, min(end, until)) - 1
        first = bisect_right(self.times, end - over)
        if last <= first:
            return math.nan, math.nan
        sampled = self.times[last] - self.times[first]
        apart = sampled / (last - first)
        after = end - self.times[last]
        after = after if after < 1.1 * apart else apart / 2

        def grew(counter: list[int]) -> float:
            more, before = counter[last] - counter[first], self.times[first]
            before -= end - over
            if more:
                before = min(before, sampled * counter[first] / more)
            before = before if before < 1.1 * apart else apart / 2
            return more * (sampled + before + after) / sampled / over

        return grew(self.bad), grew(self.every)

    def grew(self, end: float, width: float) -> tuple[int, int] | None:
        """Give what the counters grew by since the last sample before a block.

        None without a sample in it, or without one before.
        """
        last = bisect_right(self.times, end) - 1
        before = bisect_right(self.times, end - width) - 1
        if last <= before or before < 0 or self.times[before] <= end - width - REACH:
            return None
        return (
            self.bad[last] - self.bad[before],
            self.every[last] - self.every[before],
        )


class Watch:
    """One release that is watched, from its start on, or from an hour into it."""

    def __init__(self, case: Case, rng: random.Random) -> None:
        self.case = case
        self.turns_at = rng.uniform(0, POLL)
        self.before = self._before(rng)
        self.replicas: list[Replica] = []
        # What came with each scrape of all replicas together.
        self.steps: list[tuple[float, int, int]] = []
        played = [self._scraped(rng) for _ in range(case.replicas)]
        for number in range(min(map(len, played))):
            ones = [one[number] for one in played]
            self.steps.append(
                (
                    max(t for t, *_ in ones),
                    sum(b for _, b, _ in ones),
                    sum(n for *_, n in ones),
                )
            )

    def _scraped(self, rng: random.Random) -> list[tuple[float, int, int]]:
        case, replica = self.case, Replica()
        share = case.per_minute / 60 / case.replicas
        at = rng.uniform(0, case.scrape)
        begin, bad, every = 0.0, 0, 0
        steps = []
        if case.births:
            # A zero that stands close before the first sample.
            replica.times.append(1e-3)
            replica.bad.append(0)
            replica.every.append(0)
        while at < case.lasts:
            ill = max(0.0, min(at, case.ends) - max(begin, case.onset))
            expected = share * (case.usual * (at - begin - ill) + case.ill * ill)
            failed = failures(rng, case, expected)
            good = poisson(rng, max(0.0, share * (at - begin) - expected))
            bad, every = bad + failed, every + failed + good
            steps.append((at, failed, failed + good))
            if rng.random() >= case.missing:
                replica.times.append(at)
                replica.bad.append(bad)
                replica.every.append(every)
            begin, at = at, at + case.scrape
        self.replicas.append(replica)
        return steps

    def _before(self, rng: random.Random) -> Before:
        """Measure the hour before the release."""
        case = self.case
        minutes: list[tuple[int, int]] = []
        for _ in range(60):
            bad = failures(rng, case, case.per_minute * case.usual)
            minutes.append((bad, bad + poisson(rng, case.per_minute)))
        self.bad_each = tuple(float(bad) for bad, _ in minutes)
        bad, every = map(sum, zip(*minutes, strict=True))
        late_bad, late = map(sum, zip(*minutes[-10:], strict=True))
        return Before(
            since=START - HOUR * SECOND,
            until=START,
            whole={"bad": bad, "all": every, "seconds": HOUR},
            last={"bad": late_bad, "all": late, "seconds": 600.0},
        )

    def rated(self, end: float, width: float) -> dict[str, float]:
        """Count a block by rates, as the first build did."""
        rates = [one.rate(end, width + self.case.scrape, end) for one in self.replicas]
        known = [pair for pair in rates if not math.isnan(pair[0])]
        if not known:
            return {}
        return {
            "bad": sum(bad for bad, _ in known) * width,
            "all": sum(every for _, every in known) * width,
        }

    def counted(self, end: float, width: float) -> dict[str, float]:
        """Count a block as the product's query does."""
        known = [grew for one in self.replicas if (grew := one.grew(end, width))]
        if not known:
            return {}
        bad, every = map(sum, zip(*known, strict=True))
        return {"bad": float(bad), "all": float(every)}

    def reading(self, turn: float) -> Measured:
        """Read what the product reads in the turn at *turn*: blocks of a scrape."""
        trigger = self.case.trigger
        width = trigger.block.total_seconds()
        newest = math.floor(turn - SEEN_AFTER)
        ends = [
            newest - back * width
            for back in reversed(range(-(-trigger.reach // trigger.block)))
        ]
        blocks = [self.counted(end, width) for end in ends]
        gaps: dict[datetime, dict[str, float]] = {}
        last = None
        for place, parts in enumerate(blocks):
            if not parts:
                continue
            if last is not None and place - last > 1:
                # What came meanwhile is in the block after it.
                gaps[START + ends[place - 1] * SECOND] = {"bad": 0.0, "all": 0.0}
            last = place
        at = START + newest * SECOND
        look = Look(
            at,
            tuple(
                Block(START + end * SECOND, parts)
                for end, parts in zip(ends, blocks, strict=True)
            ),
            gaps,
        )
        return Measured((look,), before=self.before)
