"""Healthy hours of several processes on one target: python -m bench.in_turn.

Each serves its share of the traffic at half the bound, failures singly, and each scrape
is answered by one of them at random. Counted as if one process began anew whenever a
counter falls, how many are called failing, and of these how many before counters had
fallen so often that the product calls them nobody's count
(watchdog/judge/in_turn.py)? The same seed gives the same table.
"""

import argparse
import random
from dataclasses import dataclass, replace
from datetime import timedelta

from bench.confidence import awb
from bench.days import called, poissons
from bench.watches import START, Case
from watchdog.facts.reading import Block, Look
from watchdog.judge.in_turn import in_turn

SCRAPE, BOUND = 15, 0.01
_HOURS = 2


@dataclass
class Day:
    """What was counted at each scrape, and at which of them something fell.

    *older*: at which an older process answered than at the one before.
    """

    counted: list[tuple[int, int]]
    fell: list[bool]
    older: list[bool]


def drawn(case: Case, many: int, chance: random.Random) -> Day:
    """Draw a time of *many* processes, and count it as a scraper does."""
    day = Day([], [], [])
    workers = [[0, 0] for _ in range(many)]
    last, before = [0, 0], 0
    mean = case.per_minute * case.scrape / 60 / many
    means = (mean * (1 - case.usual), mean * case.usual)
    for _ in range(int(case.lasts) // case.scrape):
        for worker in workers:
            for what, of in enumerate(means):
                worker[what] += poissons(chance, of, 1)[0]
        who = chance.randrange(many)
        now = list(workers[who])
        grew = [
            is_now - was if is_now >= was else is_now
            for is_now, was in zip(now, last, strict=True)
        ]
        day.counted.append((grew[1], sum(grew)))
        day.fell.append(any(one < was for one, was in zip(now, last, strict=True)))
        day.older.append(who < before)
        last, before = now, who
    return day


def is_known(case: Case, fell: list[bool]) -> bool:
    """Tell whether the product calls what was counted nonsense at the last of these."""
    block = case.trigger.block
    blocks = tuple(
        Block(START + (number + 1) * block, {"fell": 1.0} if one else {})
        for number, one in enumerate(fell)
    )
    look = Look(blocks[-1].end, blocks[-(case.trigger.reach // block) :])
    return in_turn(case.trigger, look, START) is not None


def main() -> None:
    """Draw each line and print it."""
    usage = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    usage.add_argument(
        "--runs", type=int, default=100, help="so many of each line; 100"
    )
    usage.add_argument("--seed", type=int, default=20261130)
    given = usage.parse_args()
    trigger = replace(awb(SCRAPE), above=BOUND)
    print(
        "| per minute | processes | called failing | not known by what fell | "
        "nor by who is older |\n"
        "|------------|-----------|----------------|------------------------|"
        "---------------------|"
    )
    for per_minute in (20, 60, 600):
        for many in (1, 2, 4, 8):
            case = Case(trigger, per_minute, BOUND / 2, batch=1, scrape=SCRAPE)
            case = replace(case, lasts=timedelta(hours=_HOURS).total_seconds())
            found = [0, 0, 0]
            for number in range(given.runs):
                seed = f"{given.seed} {per_minute} {many} {number}"
                day = drawn(case, many, random.Random(seed))
                at = called(case, day.counted)
                if at is None:
                    continue
                found[0] += 1
                found[1] += not is_known(case, day.fell[: at + 1])
                found[2] += not is_known(case, day.older[: at + 1])
            cells = " | ".join(f"{one} of {given.runs}" for one in found)
            print(f"| {per_minute} | {many} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
