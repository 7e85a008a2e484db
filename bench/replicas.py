"""How often `any: true` is wrong, and how soon it is right: python -m bench.replicas.

A service of some replicas is watched for 24 h at scrapes of 15 s, at half its bound,
by the judge's own odds and its rule that scrapes apart must agree: by the whole alone,
and by the whole or any one of the replicas, each by as much surer as the judge asks.
Then one replica fails. Nothing is measured in time; the same seed gives the same table.
"""

import argparse
import math
import multiprocessing
import random
import statistics
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bench.confidence import awb
from watchdog.facts.reading import Block, Look
from watchdog.facts.verdict import Breached
from watchdog.judge.counts import judge_counts
from watchdog.judge.odds import Bound, Odds

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_SCRAPE, _HOUR, _DAY = 15, 3600, 86_400
_BOUND = 0.01
_PERHAPS = 0.9


class Case(NamedTuple):
    """So many *replicas* with a *rate* a minute together, failing in batches of *size*.

    From *onset* on, in seconds, *share* of the first one's events fail; else half the
    bound of each.
    """

    replicas: int
    rate: float
    size: int
    share: float = 0.0
    onset: int = _DAY


class Followed:
    """One replica, or the whole: its odds, and its last scrapes."""

    def __init__(self, among: int) -> None:
        self.among = among
        self.limit = Bound(_BOUND, timedelta(seconds=_SCRAPE), among)
        self.odds = Odds(self.limit)
        self.blocks: list[Block] = []

    def takes(self, at: int, bad: int, every: int) -> bool:
        """Take a scrape, and tell whether the judge says that it is over."""
        self.odds.take(bad, every)
        end = _BEGIN + timedelta(seconds=at)
        self.blocks.append(Block(end, {"bad": bad, "all": every}))
        if self.odds.value < _PERHAPS * self.limit.needed:
            return False
        look = Look(end, tuple(self.blocks[-240:]))
        return isinstance(judge_counts(awb(), look, _BEGIN, self.among), Breached)


def play(job: tuple[Case, int]) -> tuple[int | None, int | None]:
    """Say when the whole alone would be over, and when it or any one replica."""
    case, seed = job
    chance = random.Random(f"{case} {seed}")
    whole = Followed(1)
    each = [Followed(2 * case.replicas) for _ in range(case.replicas)]
    alone: int | None = None
    either: int | None = None
    fails = case.onset < _DAY
    begin = case.onset - _HOUR if fails else 0
    for at in range(begin, case.onset + _HOUR if fails else _DAY, _SCRAPE):
        counts = [_scrape(chance, case, n, at) for n in range(case.replicas)]
        bad, every = (sum(some) for some in zip(*counts, strict=True))
        over = whole.takes(at, bad, every)
        each_over = [f.takes(at, *c) for f, c in zip(each, counts, strict=True)]
        one = any(each_over)
        since = at - case.onset if fails else at
        alone = since if over and alone is None else alone
        either = since if (over or one) and either is None else either
        if alone is not None and either is not None:
            break
    return alone, either


def main() -> None:
    """Play the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    with multiprocessing.Pool(2) as pool:
        for replicas in (3, 10):
            for rate, size in ((60, 1), (60, 4), (60, 8), (600, 1), (600, 4), (600, 8)):
                case = Case(replicas, rate, size)
                found = pool.map(play, [(case, n) for n in range(runs)], 4)
                alone = sum(one is not None for one, _ in found)
                either = sum(one is not None for _, one in found)
                words = f"{replicas} replicas, {rate}/min, batches of {size}"
                print(
                    f"{words}, a day at half the bound: of {runs} rolled back "
                    f"{alone} by the whole, {either} by it or any",
                    flush=True,
                )
        for rate in (60, 600):
            for share in (1.0, 0.1, 0.025):
                case = Case(3, rate, 1, share, 2 * _HOUR)
                found = pool.map(play, [(case, n) for n in range(runs)], 4)
                whole = _said([one for one, _ in found])
                either_ = _said([one for _, one in found])
                print(
                    f"one of three fails {100 * share:g}%, {rate}/min: found by the "
                    f"whole {whole}, by it or any {either_}",
                    flush=True,
                )


def _scrape(
    chance: random.Random, case: Case, replica: int, at: int
) -> tuple[int, int]:
    """Give (bad, all) of one scrape of one replica."""
    every = _poisson(chance, case.rate / case.replicas * _SCRAPE / 60)
    if replica == 0 and at >= case.onset:
        return sum(chance.random() < case.share for _ in range(every)), every
    bad = 0
    for _ in range(_poisson(chance, every * _BOUND / 2 / case.size)):
        bad += 1
        while chance.random() < 1 - 1 / case.size:
            bad += 1
    return bad, max(bad, every)


def _poisson(chance: random.Random, mean: float) -> int:
    limit, count, product = math.exp(-mean), 0, chance.random()
    while product > limit:
        count += 1
        product *= chance.random()
    return count


def _said(found: list[int | None]) -> str:
    known = [one for one in found if one is not None and one >= 0]
    if not known:
        return "never in an hour"
    median = statistics.median(known)
    return f"{median:.0f} s after it in {100 * len(known) / len(found):.0f}%"


if __name__ == "__main__":
    main()
