"""The crash campaign: kills without number on the real engine, and mutants of it.

    python -m tests.crash.campaign [--kills N] [--seed S] [--only PART ...]

Prints a tally of each part. Ends with 1 when anything was not as it must be, or when
a broken variant of the product went through unnoticed.
"""

import argparse
import random
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from tests.crash import hard, mutants, runs
from tests.crash.ground import ONE, REPLICAS, THREE, Ground
from tests.crash.runs import Tally

GROUNDS = [
    (layout, scale)
    for layout in ("versioned", "shared-file")
    for scale in (ONE, THREE, REPLICAS)
]


@contextmanager
def ground(layout, scale, **more):
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        made = Ground(Path(folder), layout, scale, **more)
        try:
            yield made.deploy()
        finally:
            made.strike()


def _named(part, layout, scale):
    each = " ".join(name if n == 1 else f"{name}={n}" for name, n in scale.items())
    return Tally(f"{part}, {layout}, {each}")


def boundaries(args):
    """Kill before and after every append; and at all of them in one rollback."""
    for layout, scale in GROUNDS:
        with ground(layout, scale) as here:
            tally = _named("each append", layout, scale)
            for place in runs.boundaries(runs.places(here)):
                runs.kill_at(here, tally, {"die": place})
            yield tally
            tally = _named("all appends in one rollback", layout, scale)
            runs.chain(here, tally)
            yield tally


def requests(args):
    """Kill while each request that changes something is in flight."""
    for layout, scale in GROUNDS:
        with ground(layout, scale) as here:
            tally = _named("each request in flight", layout, scale)
            runs.places(here)
            runs.each_request(here, tally, here.proxy.count)
            yield tally


def instants(args):
    """Kill at random instants, half of the resumes as well, until N are dead."""
    chance = random.Random(args.seed)
    share = -(-args.kills // len(GROUNDS))
    for layout, scale in GROUNDS:
        with ground(layout, scale) as here:
            tally = _named(f"random instants, seed {args.seed}", layout, scale)
            began = time.monotonic()
            runs.places(here)
            took = time.monotonic() - began
            while tally.kills < share:
                plans = [{"after": chance.uniform(0, took)}]
                while chance.random() < 0.5:
                    plans.append({"after": chance.expovariate(3 / took)})
                runs.kill_at(here, tally, *plans)
            yield tally


def twice(args):
    """Kill at a boundary, and the resume at another one."""
    chance = random.Random(args.seed)
    for layout, scale in GROUNDS:
        with ground(layout, scale) as here:
            tally = _named(f"twice, seed {args.seed}", layout, scale)
            places = list(runs.boundaries(runs.places(here)))
            count = here.proxy.count
            for _ in range(max(1, args.kills // 20)):
                first, second = chance.choices(places, k=2)
                rule = runs.at_request(
                    chance.randint(1, count), chance.choice(runs.PHASES)
                )
                late = [second[0] // 2 + 1, second[1]]
                runs.kill_at(here, tally, {"die": first}, {"die": late})
                runs.kill_at(here, tally, {"rule": rule}, {"die": late})
            yield tally


def broken(args):
    """Let broken variants run until they are caught; one that is not is a fault."""
    for name in ("DoneFirst", "NeverLooks"):
        tally = Tally(f"mutant {name}")
        with ground("shared-file", ONE) as here:
            seen = Tally(name)
            for place in runs.boundaries(runs.places(here)):
                runs.kill_at(here, seen, {"die": place}, instead=mutants.instead(name))
                if seen.faults:
                    break
        hard.caught(tally, seen)
        yield tally


PARTS = {
    part.__name__: part for part in (broken, boundaries, requests, twice, instants)
} | hard.PARTS


def main():
    usage = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usage.add_argument("--kills", type=int, default=200)
    usage.add_argument("--seed", type=int, default=random.randrange(2**32))
    usage.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    args = usage.parse_args()
    print(f"crash campaign: seed {args.seed}, {args.kills} random kills", flush=True)
    whole = Tally("all")
    for name in args.only:
        for tally in PARTS[name](args):
            print(tally.words, flush=True)
            for fault in tally.faults:
                print(f"  {fault}", flush=True)
            whole.runs += tally.runs
            whole.kills += tally.kills
            whole.faults += tally.faults
    print(whole.words)
    return 1 if whole.faults else 0


if __name__ == "__main__":
    sys.exit(main())
