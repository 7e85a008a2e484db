"""Hundreds of healthy days a line, at half the bound: python -m bench.days.

Each day is drawn scrape by scrape, taken by the product's own odds, and judged by the
product's own judge wherever those could make it say so: the same words as if it were
asked at each scrape (tests/judge/test_days.py). Beside `bench.confidence` it leaves out
polls, settling and the time before a release, which lets some off, and takes a tenth
of a second a day. The same seed gives the same table.

`--only TEXT` draws the lines that have it, as in `--only "15 s | 20 | 5.0%"`.
"""

import argparse
import math
import multiprocessing
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache, partial
from itertools import accumulate
from typing import NamedTuple

from bench.confidence import SUSTAINED, awb, http
from bench.watches import START, Case
from watchdog.facts.reading import Block, Look
from watchdog.facts.trigger import Trigger
from watchdog.facts.verdict import Breached
from watchdog.judge.counts import bound_of, judge_counts
from watchdog.judge.odds import Bound, Odds, weighed
from watchdog.judge.tail import upper_tail

SURE = 0.05
_BATCHES = ("x4", "x8")
_ALL = ("singly", *_BATCHES, "half x4", "half x8")
# As the odds go through them.
WAYS = ("singly", "x2", "x4", "x8", "half x4", "half x8")


class Lines(NamedTuple):
    """Days of one trigger: at each traffic of *a minute* failures of each *coming*.

    *days* of each line, at *of* its bound. *scrape* in seconds.
    """

    trigger: Trigger
    days: int
    minutes: Sequence[int]
    comings: Sequence[str]
    of: float = 0.5


def _at(bound: float, scrape: int = 15) -> Trigger:
    return replace(awb(scrape), above=bound)


_GROUPS = (
    Lines(_at(0.01), 400, (6, 20, 60), _ALL),
    Lines(_at(0.01), 400, (120,), ("x4",)),
    Lines(_at(0.01), 200, (120,), ("x8",)),
    Lines(_at(0.01), 200, (600,), (*_BATCHES, "half x8")),
    Lines(_at(0.01), 100, (6000,), ("x8",)),
    Lines(_at(0.01), 200, (20, 60), ("x4",), of=0.2),
    Lines(http(), 200, (6, 12, 30, 60, 120), ("x4", "half x8")),
    Lines(http(), 200, (30, 60), ("x8",)),
    Lines(http(), 200, (12,), ("singly",)),
    Lines(_at(0.05), 200, (6, 12, 20), ("x4", "half x8")),
    Lines(_at(0.05), 200, (60,), ("x4",)),
    Lines(_at(0.01, 30), 200, (120,), _BATCHES),
    Lines(_at(0.01, 30), 200, (600,), ("x4",)),
    Lines(_at(0.01, 60), 200, (12,), ("singly",)),
    Lines(_at(0.01, 60), 200, (6, 20, 120, 600), ("x4",)),
    Lines(_at(0.01, 60), 200, (120,), ("x8",)),
    Lines(_at(0.01, 5), 100, (12,), ("singly",)),
    Lines(_at(0.01, 5), 100, (120,), ("x4",)),
    Lines(_at(0.1), 200, (1,), ("x4",)),
    Lines(_at(0.1), 60, (3, 6, 12, 20, 30, 40, 60), ("x4",)),
    *(Lines(_at(one), 60, (3, 12), ("x4",)) for one in (0.2, 0.3, 0.5)),
)


class OneWay(Odds):
    """The odds against failures at the bound that come in one way alone."""

    def __init__(self, bound: Bound, coming: str) -> None:
        super().__init__(bound)
        several = len(self._states) // len(WAYS)
        first = WAYS.index(coming) * several
        self._own = slice(first, first + several)
        self._caps, self._states = self._caps[self._own], self._states[self._own]

    def take(self, bad: int, every: int) -> None:
        """Weigh one scrape, as all ways do."""
        if every <= 0:
            return
        firsts, times = weighed(self._bound, min(bad, every), every)
        self._states = [
            min(first + before * more, cap)
            for before, first, more, cap in zip(
                self._states,
                firsts[self._own],
                times[self._own],
                self._caps,
                strict=True,
            )
        ]


def cases() -> list[tuple[Case, int]]:
    """Give each line, and how many days of it there are."""
    return [
        (
            Case(
                lines.trigger,
                per_minute,
                bound_of(lines.trigger) * lines.of,
                batch=1 if comes == "singly" else int(comes[-1]),
                mixed=comes.startswith("half"),
                scrape=lines.trigger.block // timedelta(seconds=1),
            ),
            lines.days,
        )
        for lines in _GROUPS
        for per_minute in lines.minutes
        for comes in lines.comings
    ]


def drawn(case: Case, chance: random.Random) -> list[tuple[int, int]]:
    """Draw what each scrape of a day counted: the bad ones, and all."""
    mean = case.per_minute * case.scrape / 60
    expected = mean * case.usual
    many = int(case.lasts) // case.scrape
    good = poissons(chance, mean - expected, many)
    if case.batch == 1:
        alone, batches = poissons(chance, expected, many), [0] * many
    else:
        part = 2 if case.mixed else 1
        alone = poissons(chance, expected / 2, many) if case.mixed else [0] * many
        batches = poissons(chance, expected / case.batch / part, many)
    less = math.log(1 - 1 / case.batch) if case.batch > 1 else -1.0
    bad = [
        one + sum(1 + int(math.log(1 - chance.random()) / less) for _ in range(count))
        for one, count in zip(alone, batches, strict=True)
    ]
    return [(b, b + other) for b, other in zip(bad, good, strict=True)]


def poissons(chance: random.Random, mean: float, many: int) -> list[int]:
    """Draw so many Poisson numbers."""
    first, below = _table(mean)
    return [first + bisect_right(below, chance.random()) for _ in range(many)]


@lru_cache(maxsize=64)
def _table(mean: float) -> tuple[int, list[float]]:
    """Give the chances of no more than each number, from *first* on."""
    width = 9 * math.sqrt(mean) + 20
    first = max(0, int(mean - width))
    ones = [
        math.exp(n * math.log(mean) - mean - math.lgamma(n + 1))
        for n in range(first, int(mean + width) + 1)
    ]
    return first, list(accumulate(ones))


def called(case: Case, scrapes: Sequence[tuple[int, int]]) -> int | None:
    """Say at which of *scrapes* the judge first calls it failing, if at any.

    The odds of a longer past are never less than those of the hour that the judge
    looks at, and a scrape without any bad never convicts: it need not be asked there.
    """
    trigger = case.trigger
    limit = Bound(bound_of(trigger), trigger.block)
    needed = (SUSTAINED if trigger.sustained else 1) * limit.needed
    if not _reached(limit, needed, scrapes, case.coming):
        return None
    odds, reach = Odds(limit), trigger.reach // trigger.block
    for place, (bad, every) in enumerate(scrapes):
        odds.take(bad, every)
        perhaps = bad and odds.value >= needed
        if perhaps and _says(trigger, scrapes, place, reach):
            return place
    return None


def _reached(
    limit: Bound, needed: float, scrapes: Sequence[tuple[int, int]], coming: str
) -> bool:
    """Tell whether the odds against failures that come so are ever as much.

    Those of all ways are the lowest of each, so no day is lost that they call failing.
    """
    odds = OneWay(limit, coming)
    for bad, every in scrapes:
        odds.take(bad, every)
        if bad and odds.value >= needed:
            return True
    return False


def _says(
    trigger: Trigger, scrapes: Sequence[tuple[int, int]], place: int, reach: int
) -> bool:
    first = max(0, place + 1 - reach)
    blocks = tuple(
        Block(
            START + (number + 1) * trigger.block,
            {"bad": float(scrapes[number][0]), "all": float(scrapes[number][1])},
        )
        for number in range(first, place + 1)
    )
    look = Look(blocks[-1].end, blocks)
    return isinstance(judge_counts(trigger, look, START - timedelta(days=1)), Breached)


def at_most(count: int, of_all: int) -> float:
    """Give what the share is not above, at 95 % (Clopper and Pearson, one-sided)."""
    if count >= of_all:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        fewer = 1 - upper_tail(count + 1, of_all, middle)
        low, high = (middle, high) if fewer > SURE else (low, middle)
    return high


def _day(case: Case, seed: str) -> bool:
    return called(case, drawn(case, random.Random(seed))) is not None


def main() -> None:
    """Draw each line and print it."""
    usage = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    usage.add_argument("--runs", type=int, help="so many days of each line")
    usage.add_argument("--only", default="", help="only lines that have this")
    usage.add_argument("--seed", type=int, default=20261123)
    usage.add_argument("--jobs", type=int, default=1, help="processes; 1")
    given = usage.parse_args()
    print("| trigger | scrape | per minute | fails | comes | called failing |")
    print("|---------|--------|------------|-------|-------|----------------|")
    with multiprocessing.Pool(given.jobs) as pool:
        for case, days in cases():
            how = "for" if case.trigger.sustained else "window"
            head = f"| {bound_of(case.trigger):.0%}, `{how}: 5m` | {case.scraped} |"
            head += f" {case.per_minute:,g} | {case.usual:.1%} | {case.coming} |"
            if given.only not in head:
                continue
            runs = given.runs or days
            seeds = [f"{given.seed} {head} {number}" for number in range(runs)]
            count = sum(pool.imap_unordered(partial(_day, case), seeds, 8))
            most = at_most(count, runs)
            print(f"{head} {count} of {runs:,} (at most {most:.1%}) |", flush=True)


if __name__ == "__main__":
    main()
