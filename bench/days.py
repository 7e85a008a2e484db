"""Thousands of healthy days a line, at half the bound: python -m bench.days.

Each day is drawn scrape by scrape, taken by the product's own odds, and judged by the
product's own judge wherever those could make it say so: the same words as if it were
asked at each scrape (tests/judge/test_days.py). Beside `bench.confidence` it leaves out
polls, settling and the time before a release, which lets some off, and takes a tenth
of a second a day. The same seed gives the same table.

`--only TEXT` draws the lines that have it, as in `--only "| 10% | 15 s | 20 |"`.
"""

import argparse
import multiprocessing
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from bench.confidence import awb
from bench.watches import START, Case, failures, poisson
from watchdog.facts.reading import Block, Look
from watchdog.facts.trigger import Trigger
from watchdog.facts.verdict import Breached
from watchdog.judge.counts import bound_of, judge_counts
from watchdog.judge.odds import Bound, Odds
from watchdog.judge.tail import upper_tail

SURE = 0.05
# (bound, scrape, how many days, what a minute brings, the batches)
_GROUPS: tuple[tuple[float, int, int, Sequence[tuple[float, str]]], ...] = (
    (0.01, 15, 2000, [(60, "x4"), (60, "x8"), (120, "x4"), (120, "x8"), (600, "x4")]),
    (0.01, 15, 2000, [(600, "x8"), (600, "half x8"), (6000, "x8")]),
    (0.01, 30, 2000, [(120, "x4"), (120, "x8"), (600, "x4")]),
    (0.01, 60, 2000, [(6, "x4"), (12, "singly"), (20, "x4"), (120, "x4")]),
    (0.01, 60, 2000, [(120, "x8"), (600, "x4")]),
    *(
        (bound, 15, 1500, [(n, size) for n in (1, 3, 6, 12, 20) for size in sizes])
        for bound in (0.1, 0.2, 0.3, 0.5)
        for sizes in (("x4", "x8"),)
    ),
    (0.1, 15, 1500, [(n, size) for n in (30, 40, 60) for size in ("x4", "x8")]),
)


def cases() -> list[tuple[Case, int]]:
    """Give each line, and how many days of it there are."""
    return [
        (
            Case(
                replace(awb(scrape), above=bound),
                per_minute,
                bound / 2,
                batch=1 if comes == "singly" else int(comes[-1]),
                mixed=comes.startswith("half"),
                scrape=scrape,
            ),
            days,
        )
        for bound, scrape, days, lines in _GROUPS
        for per_minute, comes in lines
    ]


def drawn(case: Case, chance: random.Random) -> list[tuple[int, int]]:
    """Draw what each scrape of a day counted: the bad ones, and all."""
    mean = case.per_minute * case.scrape / 60
    expected = mean * case.usual
    scrapes = []
    for _ in range(int(case.lasts) // case.scrape):
        bad = failures(chance, case, expected)
        scrapes.append((bad, bad + poisson(chance, mean - expected)))
    return scrapes


def called(trigger: Trigger, scrapes: Sequence[tuple[int, int]]) -> int | None:
    """Say at which of *scrapes* the judge first calls it failing, if at any.

    The odds of a longer past are never less than those of the hour that the judge
    looks at, and a scrape without any bad never convicts: it need not be asked there.
    """
    limit = Bound(bound_of(trigger), trigger.block)
    odds, reach = Odds(limit), trigger.reach // trigger.block
    for place, (bad, every) in enumerate(scrapes):
        odds.take(bad, every)
        perhaps = bad and odds.value >= limit.needed
        if perhaps and _says(trigger, scrapes, place, reach):
            return place
    return None


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
    return called(case.trigger, drawn(case, random.Random(seed))) is not None


def main() -> None:
    """Draw each line and print it."""
    usage = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    usage.add_argument("--runs", type=int, help="so many days of each line")
    usage.add_argument("--only", default="", help="only lines that have this")
    usage.add_argument("--seed", type=int, default=20261123)
    usage.add_argument("--jobs", type=int, default=1, help="processes; 1")
    given = usage.parse_args()
    print("| bound | scrape | per minute | comes | called failing |")
    print("|-------|--------|------------|-------|----------------|")
    with multiprocessing.Pool(given.jobs) as pool:
        for case, days in cases():
            bound = bound_of(case.trigger)
            head = f"| {bound:.0%} | {case.scraped} | {case.per_minute:,g} |"
            head += f" {case.coming} |"
            if given.only not in head:
                continue
            runs = given.runs or days
            seeds = [f"{given.seed} {head} {number}" for number in range(runs)]
            count = sum(pool.imap_unordered(partial(_day, case), seeds, 8))
            most = at_most(count, runs)
            print(f"{head} {count} of {runs:,} (at most {most:.1%}) |", flush=True)


if __name__ == "__main__":
    main()
