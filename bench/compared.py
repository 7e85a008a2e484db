"""A rollback of ours beside Compose's own way back, interleaved in one run."""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from bench.rollback import BAD, GOOD, Stand
from watchdog.facts.event import RollbackStarted, StepDone, StepIntended

WAYS = ("ours", "compose")


def against_compose(
    lay: Callable[[Stand], None],
    *,
    rounds: int,
    port: int,
    compose: Callable[[Stand, str], None],
    bare: Callable[[Stand, str], None] | None = None,
) -> None:
    """Time the ways from v1.3.0 back to v1.2.0, in turns, and print the ratios.

    *lay* makes the stack what it is to be, *compose* deploys a version of it and ends
    when Compose says that it runs. *bare* makes the calls alone, where that is asked.
    """
    usage = argparse.ArgumentParser()
    usage.add_argument("--rounds", type=int, default=rounds)
    usage.add_argument("--port", type=int, default=port)
    args = usage.parse_args()
    chance = random.Random(1)
    ways = (*WAYS, *(["bare"] if bare else []))
    took: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        it = Stand(Path(name), "versioned", args.port)
        try:
            lay(it)
            compose(it, GOOD)
            it.until_serves(GOOD)
            target = it.record()
            for _ in range(args.rounds):
                for way in chance.sample(ways, len(ways)):
                    compose(it, BAD)
                    it.until_serves(BAD)
                    # As the watchdog does it: when a pair starts.
                    before = it.record()
                    began = time.monotonic()
                    if way == "ours":
                        ours(it, target, before)
                    elif bare and way == "bare":
                        bare(it, target)
                    else:
                        compose(it, GOOD)
                    took[way].append(time.monotonic() - began)
                    print(way, f"{took[way][-1]:.2f} s", flush=True)
            for way in ways[1:]:
                pairs = zip(took["ours"], took[way], strict=True)
                ratios = sorted(one / other for one, other in pairs)
                middle, spread = statistics.median(ratios), (ratios[0], ratios[-1])
                print(f"ours / {way} {middle:.3f} ({spread[0]:.3f} to {spread[1]:.3f})")
            where(it)
            print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        finally:
            it.down()


def ours(it: Stand, target: str, before: str) -> None:
    """Roll back, from the first call to the end."""
    it.begin(target, before)
    words = it.carry_on()
    if "proved" not in words:
        raise SystemExit(f"our rollback was not proved: {words}, {it.failed()}")


def where(it: Stand) -> None:
    """Print for the last one of ours what each kind of step took, looks included."""
    took: Counter[str] = Counter()
    last = None
    for entry in it.journal.entries():
        if isinstance(entry.event, RollbackStarted):
            took.clear()
        elif last and isinstance(entry.event, StepIntended | StepDone):
            took[entry.event.step.do] += (entry.at - last) / timedelta(seconds=1)
        last = entry.at
    for do, seconds in took.most_common():
        print(f"    {do:<14}{seconds:6.2f} s")
