"""Many services of one image, side by side: many.py [--rounds 3].

Run it in the sandbox: examples/sandbox/sandbox run .venv/bin/python -m bench.many
Twenty-one services of the DMS's image, of which two need another one. In each round,
interleaved, from v1.3.0 back to v1.2.0:

    ours      the watchdog's transaction, from its first call to its end
    compose   `docker compose up -d` with the version pinned, the image here

Seconds from the order to the end that each says itself, the ratio round by round, and
of the last one of ours the time by kind of step.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import yaml

from bench.rollback import BAD, GOOD, Stand
from watchdog.facts.event import RollbackStarted, StepDone, StepIntended

COUNT = 21
NEEDS = {"s18": "s17", "s19": "s18"}


def many(it: Stand) -> None:
    """Have many services, most of which need nobody."""
    path = it.folder / "compose.yaml"
    model = yaml.safe_load(path.read_text())
    names = ["dms", *(f"s{number}" for number in range(COUNT - 1))]
    for name in names[1:]:
        needs = {NEEDS[name]: {"condition": "service_started"}} if name in NEEDS else {}
        # Its own check begins an interpreter: on two cores 21 of them are the load.
        more = {"ports": [], "depends_on": needs, "healthcheck": {"disable": True}}
        model["services"][name] = model["services"]["dms"] | more
    path.write_text(yaml.safe_dump(model, sort_keys=False))
    it.services = tuple(names)
    it.wired("engine", engine={"ask_health": True})
    it.rules = replace(
        it.rules,
        services=it.services,
        prove_within=timedelta(seconds=180),
        asks_health=True,
    )


def ours(it: Stand, target: str, before: str) -> None:
    it.begin(target, before)
    words = it.carry_on()
    if "proved" not in words:
        raise SystemExit(f"our rollback was not proved: {words}, {it.failed()}")


def compose(it: Stand, target: str, before: str) -> None:
    del target, before
    it.deploy(GOOD)


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


def main() -> None:
    usage = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usage.add_argument("--rounds", type=int, default=3)
    usage.add_argument("--port", type=int, default=5310)
    args = usage.parse_args()
    chance, took = random.Random(1), {"ours": [], "compose": []}
    with tempfile.TemporaryDirectory() as name:
        it = Stand(Path(name), "versioned", args.port)
        try:
            many(it)
            it.deploy(GOOD)
            it.until_serves(GOOD)
            target = it.record()
            for _ in range(args.rounds):
                for way in chance.sample((ours, compose), 2):
                    it.deploy(BAD)
                    it.until_serves(BAD)
                    before = it.record()
                    began = time.monotonic()
                    way(it, target, before)
                    took[way.__name__].append(time.monotonic() - began)
                    print(way.__name__, f"{took[way.__name__][-1]:.2f} s", flush=True)
            pairs = zip(took["ours"], took["compose"], strict=True)
            ratios = [one / other for one, other in pairs]
            median = statistics.median(ratios)
            print(
                f"ours / compose {median:.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
            )
            where(it)
            print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        finally:
            it.down()


if __name__ == "__main__":
    main()
