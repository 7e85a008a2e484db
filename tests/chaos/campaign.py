"""Chaos from outside: people, kills at system calls, engines, disks, a second watchdog.

    python -m tests.chaos.campaign [--rounds N] [--seed S] [--only PART ...]
                                   [--cell WORDS ...] [--layout WORDS] [--round N]

Plays N rounds of each part at random from the seed, and prints a tally by kind.
Ends with 1 when anything was not as it must be; each violation comes with the line
that plays it again.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.chaos import table
from tests.chaos.ground_gives_way import (
    filled,
    shaken,
    yard_on_own_engine,
    yard_on_small_disk,
)
from tests.chaos.kills import halted, killed
from tests.chaos.neighbours import both
from tests.chaos.yard import Yard
from tests.crash.ground import ONE

_AGAIN = "examples/sandbox/sandbox run .venv/bin/python -m tests.chaos.campaign"


@dataclass
class Tally:
    """What of one kind was played, and what was not as it must be."""

    kind: str
    runs: int = 0
    ends: dict = field(default_factory=dict)
    red: int = 0

    def note(self, words, seen, again):
        """Count one run, and say at once what was wrong with it."""
        self.runs += 1
        self.ends[seen.how] = self.ends.get(seen.how, 0) + 1
        print(f"{'RED' if seen.faults else 'ok '} {words} -> {seen.words}", flush=True)
        if not seen.faults:
            return
        self.red += 1
        for fault in seen.faults:
            print(f"    {fault}")
        print(f"    again: {_AGAIN} {again}", flush=True)

    @property
    def words(self):
        ends = ", ".join(f"{how or 'none'} {n}" for how, n in sorted(self.ends.items()))
        return f"{self.kind}: {self.runs} runs, {self.red} violations ({ends})"


@contextmanager
def yard(layout, scale=ONE, **more):
    """Have a yard of *layout*, as the table names them."""
    name, _, alone = layout.partition(" ")
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        made = Yard(Path(folder), name, scale, published=not alone, **more)
        try:
            yield made.deploy()
        finally:
            made.strike()


def people(args):
    """Play cells of the operator's table; --rounds 0 plays all of them."""
    every = list(table.cells())
    chance = random.Random(args.seed)
    some = args.cell and [table.Cell.read(words) for words in args.cell]
    if not some:
        some = chance.sample(every, min(args.rounds or len(every), len(every)))
    tally = Tally("people")
    for layout in table.LAYOUTS:
        mine = [cell for cell in some if cell.layout == layout]
        if not mine:
            continue
        with yard(layout) as here:
            for cell in mine:
                seen = table.tried(here, cell)
                tally.note(cell.words, seen, f'--cell "{cell.words}"')
    yield tally


def _played(name, play, layouts, args, *, on=yard):
    """Play rounds of one kind in each layout, each from a seed of its own."""
    for layout in layouts:
        if layout != (args.layout or layout):
            continue
        tally = Tally(f"{name}, {layout}")
        share = -(-args.rounds // len(layouts))
        with on(layout) as here:
            for number in range(share) if args.round is None else [args.round]:
                seed = f"{args.seed}.{number}"
                words, seen = play(here, random.Random(f"{name} {layout} {seed}"))
                again = f"--only {name} --seed {args.seed} "
                again += f'--layout "{layout}" --round {number}'
                tally.note(f"{words} (round {number})", seen, again)
        yield tally


def races(args):
    """Let people act while the watchdog goes on in the middle of it."""
    yield from _played("races", table.raced, table.LAYOUTS, args)


def kills(args):
    """Kill it between system calls, up to ten times in one rollback."""
    yield from _played("kills", killed, table.LAYOUTS[:2], args)


def halts(args):
    """Let people act between two system calls."""
    yield from _played("halts", halted, table.LAYOUTS, args)


def neighbours(args):
    """Let a second watchdog watch the same stack."""
    yield from _played("neighbours", both, table.LAYOUTS[:2], args)


def engines(args):
    """Freeze, kill and restart the engine in mid-rollback."""
    layouts = table.LAYOUTS[:2]
    yield from _played("engines", shaken, layouts, args, on=yard_on_own_engine)


def disks(args):
    """Fill the disk of the state, and of the stack, and leave it full."""
    for what in ("state", "stack"):
        on = partial(yard_on_small_disk, what=what)
        for tally in _played("disks", filled, table.LAYOUTS[:2], args, on=on):
            tally.kind += f", {what}"
            yield tally


PARTS = {
    part.__name__: part
    for part in (people, races, kills, halts, neighbours, engines, disks)
}


def main():
    usage = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usage.add_argument("--rounds", type=int, default=20)
    usage.add_argument("--seed", type=int, default=random.randrange(2**32))
    usage.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    usage.add_argument("--cell", nargs="*", help="play these cells of the table only")
    usage.add_argument("--layout", choices=table.LAYOUTS, help="in this layout only")
    usage.add_argument("--round", type=int, help="play this round of each part only")
    args = usage.parse_args()
    if args.cell:
        args.only = ["people"]
    # Told to end, it takes away what it made.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"chaos campaign: seed {args.seed}, {args.rounds} rounds each", flush=True)
    began, tallies = time.monotonic(), []
    for name in args.only:
        for tally in PARTS[name](args):
            tallies.append(tally)
            print(tally.words, flush=True)
    red = sum(tally.red for tally in tallies)
    runs = sum(tally.runs for tally in tallies)
    took = time.monotonic() - began
    print(f"all: {runs} runs, {red} violations, {took:.0f} s, seed {args.seed}")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
