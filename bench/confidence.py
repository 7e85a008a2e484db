#!/usr/bin/env python3
"""How often a trigger is wrong, and how soon it is right: confidence.py [--runs 4000].

Each run is one release: an hour before it, then an hour of it, with the real judge
at every poll of 15 s. Scans arrive by chance (Poisson); bad ones singly, or in
batches of four on average ("x4"). Nothing is measured in time, so a busy machine
changes nothing; the seed is printed, and the same seed gives the same table.

  rolled back  the breach was confirmed, and charged to the release
  breached     confirmed: promotion pauses and a person is told, whoever's doing

`--markdown` prints the table of docs/explanation/how-often-it-is-wrong.md.
"""

import argparse
import itertools
import math
import multiprocessing
import os
import random
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from watchdog.facts.reading import Before, Block, Look, Measured
from watchdog.facts.trigger import Action, Ratio, Trigger
from watchdog.facts.verdict import Breached
from watchdog.judge.breach import judge

POLL = 15
HOUR = 3600
START = datetime(2026, 3, 11, tzinfo=UTC)
SECOND = timedelta(seconds=1)
# A service that uses a fifth of its bound is healthy; with half of it, it is near.
HEALTHY = 0.2

AWB = Trigger(
    name="AwbRoutingFailures",
    kind=Ratio("failures", "scans"),
    action=Action.ROLLBACK,
    window=300 * SECOND,
    sustained=False,
    block=30 * SECOND,
    above=0.01,
)
HTTP = Trigger(
    name="Http5xxRate",
    kind=Ratio("errors", "requests"),
    action=Action.PAUSE_AND_ALERT,
    window=300 * SECOND,
    sustained=True,
    block=60 * SECOND,
    above=0.05,
)


@dataclass(frozen=True)
class Cell:
    """One case: what arrives, what is bad before and after the release."""

    trigger: Trigger
    per_minute: float
    before: float
    after: float
    batch: int = 1
    burst: float = 0.0

    @property
    def name(self) -> str:
        """Say the case in a few words."""
        batches = f" x{self.batch}" if self.batch > 1 else ""
        burst = " + 45 s at 60%" if self.burst else ""
        return f"{self.before:.2%} -> {self.after:.2%}{batches}{burst}"


@dataclass(frozen=True)
class Outcome:
    """What came of one run: when it would have rolled back or only paused, in s."""

    rolled_back: int | None
    breached: int | None


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


def arrivals(
    rng: random.Random, cell: Cell, share: float, seconds: int, bins: int
) -> Iterator[tuple[int, int]]:
    """Draw (bad, all) for so many *bins* of *seconds* each."""
    every = cell.per_minute * seconds / 60
    for _ in range(bins):
        count = poisson(rng, every)
        if cell.batch == 1:
            bad = poisson(rng, count * share)
        else:
            groups = poisson(rng, count * share / cell.batch)
            bad = sum(size(rng, cell.batch) for _ in range(groups))
        yield min(bad, count), count


def size(rng: random.Random, mean: int) -> int:
    """Draw the size of a batch: geometric, at least one, *mean* on average."""
    return 1 + int(math.log(1 - rng.random()) / math.log(1 - 1 / mean))


def before(rng: random.Random, cell: Cell) -> Before:
    """Measure the hour before the release."""
    minutes = list(arrivals(rng, cell, cell.before, 60, 60))
    bad, every = (sum(parts) for parts in zip(*minutes, strict=True))
    late_bad, late = (sum(parts) for parts in zip(*minutes[-10:], strict=True))
    return Before(
        since=START - HOUR * SECOND,
        until=START,
        whole={"bad": bad, "all": every, "seconds": HOUR},
        last={"bad": late_bad, "all": late, "seconds": 600},
        bad_each=tuple(float(b) for b, _ in minutes) if bad >= 5 else (),
    )


def run(cell: Cell, seed: int) -> Outcome:
    """Play one release."""
    rng = random.Random(seed)
    known = before(rng, cell)
    bins = list(arrivals(rng, cell, cell.after, POLL, HOUR // POLL))
    if cell.burst:
        at = rng.randrange(20, len(bins) - 3)
        shaken = arrivals(rng, cell, cell.burst, POLL, 3)
        bins[at : at + 3] = shaken
    bad = [0, *itertools.accumulate(b for b, _ in bins)]
    every = [0, *itertools.accumulate(n for _, n in bins)]
    width = int(cell.trigger.block / SECOND) // POLL
    span = int(cell.trigger.window / SECOND) // POLL
    bound = cell.trigger.above or 0.0
    breached = None
    for end in range(2, len(bins) + 1):
        counted = bad[end] - bad[max(0, end - span)]
        of_all = every[end] - every[max(0, end - span)]
        # A breach needs both; asking the judge only then saves nine in ten calls.
        if counted < cell.trigger.min_events or counted <= bound * of_all:
            continue
        looks = tuple(
            look(bad, every, end - back, width, span)
            for back in range(cell.trigger.confirm_polls)
        )
        verdict = judge(cell.trigger, Measured(looks, before=known), START)
        if isinstance(verdict, Breached):
            breached = breached or end * POLL
            if not verdict.elsewhere:
                return Outcome(end * POLL, breached)
    return Outcome(None, breached)


def look(bad: list[int], every: list[int], end: int, width: int, span: int) -> Look:
    """Cut the window that ends at bin *end* into blocks; none from before is filled."""
    blocks = tuple(
        Block(
            START + at * POLL * SECOND,
            {
                "bad": float(bad[at] - bad[at - width]),
                "all": float(every[at] - every[at - width]),
            }
            if at >= width
            else {},
        )
        for at in range(end - span + width, end + 1, width)
    )
    return Look(START + end * POLL * SECOND, blocks)


def play(job: tuple[Cell, int, int]) -> list[Outcome]:
    """Play *runs* releases of one cell."""
    cell, runs, seed = job
    return [run(cell, seed + number) for number in range(runs)]


def healthy() -> list[Cell]:
    """List what must never be rolled back, at every traffic level."""
    cells = []
    for per_minute in (2, 8, 20, 60, 300, 3000):
        cells += [
            Cell(AWB, per_minute, 0.002, 0.002),
            Cell(AWB, per_minute, 0.005, 0.005),
            Cell(AWB, per_minute, 0.002, 0.002, batch=4),
            Cell(AWB, per_minute, 0.005, 0.005, batch=4),
            Cell(AWB, per_minute, 0.015, 0.015),
        ]
    for per_minute in (12, 30, 120, 300):
        cells += [
            Cell(HTTP, per_minute, 0.005, 0.005),
            Cell(HTTP, per_minute, 0.005, 0.005, burst=0.6),
            Cell(HTTP, per_minute, 0.04, 0.04),
        ]
    return cells


def sick() -> list[Cell]:
    """List what must be found."""
    cells = [
        Cell(AWB, per_minute, 0.002, after)
        for per_minute in (8, 20, 60, 300)
        for after in (0.02, 0.03, 0.05, 0.10, 0.30, 1.0)
    ]
    cells += [Cell(AWB, 300, 0.005, 0.05, batch=4)]
    cells += [
        Cell(HTTP, per_minute, 0.005, after)
        for per_minute in (12, 30, 120, 300)
        for after in (0.10, 0.20, 0.50)
    ]
    return cells


def table(
    cells: list[Cell], outcomes: list[list[Outcome]], *, found: bool, markdown: bool
) -> Iterator[str]:
    """Write one line per cell."""
    head = ["trigger", "per minute", "bad before -> after", "breached", "rolled back"]
    head += ["found in 15 min", "median delay"] if found else []
    rows = [head]
    for cell, played in zip(cells, outcomes, strict=True):
        count = len(played)
        hit = [o.breached for o in played if o.breached is not None]
        rolled = [o.rolled_back for o in played if o.rolled_back is not None]
        row = [
            cell.trigger.name,
            f"{cell.per_minute:g}",
            cell.name,
            f"{len(hit) / count:.2%}",
            f"{len(rolled) / count:.2%}",
        ]
        if found:
            soon = [delay for delay in rolled if delay <= 900]
            delay = f"{statistics.median(soon):.0f} s" if soon else "-"
            row += [f"{len(soon) / count:.1%}", delay]
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for number, row in enumerate(rows):
        parts = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        yield f"| {' | '.join(parts)} |" if markdown else "  ".join(parts)
        if markdown and number == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"


def main() -> int:
    """Play every cell; fail when a healthy release was rolled back."""
    usage = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usage.add_argument("--runs", type=int, default=4000)
    usage.add_argument("--seed", type=int, default=20261123)
    usage.add_argument("--markdown", action="store_true")
    given = usage.parse_args()
    good, bad = healthy(), sick()
    found_runs = max(200, given.runs // 10)
    jobs = [
        (cell, given.runs if share_of_bound(cell) <= 0.5 else found_runs, given.seed)
        for cell in good
    ]
    jobs += [(cell, found_runs, given.seed) for cell in bad]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        outcomes = []
        for done, played in enumerate(pool.imap(play, jobs), start=1):
            outcomes.append(played)
            print(f"\r{done} of {len(jobs)} cells", end="", file=sys.stderr)
    print(file=sys.stderr)
    print(f"seed {given.seed}, defaults of the release file, poll {POLL} s")
    print(
        f"\nNot ill by the release: {given.runs} hours a line; "
        f"{found_runs} where it was over half its bound before already\n"
    )
    lines = table(good, outcomes[: len(good)], found=False, markdown=given.markdown)
    print("\n".join(lines))
    print(f"\nIll since the release: {found_runs} releases a line\n")
    lines = table(bad, outcomes[len(good) :], found=True, markdown=given.markdown)
    print("\n".join(lines))
    wrong = [
        cell
        for cell, played in zip(good, outcomes, strict=False)
        if any(o.rolled_back for o in played)
        and share_of_bound(cell) <= HEALTHY
        and cell.batch == 1
    ]
    return 1 if wrong else 0


def share_of_bound(cell: Cell) -> float:
    """Tell how much of its bound the service uses."""
    return cell.after / (cell.trigger.above or 1.0)


if __name__ == "__main__":
    raise SystemExit(main())
