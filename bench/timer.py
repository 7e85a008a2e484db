"""What a health check's interval costs: timer.py [--rounds 3].

Run it in the sandbox: examples/sandbox/sandbox run .venv/bin/python -m bench.timer
Three services of the DMS that wait for each other to be healthy, asked at Docker's
default interval of 30 s. In each round, interleaved, from v1.3.0 back to v1.2.0:

    ours      the watchdog's transaction, with `engine.ask_health`
    compose   `docker compose up -d --wait` with the version pinned, the image here

Seconds from the order to the end that each says itself, the ratio round by round, and
of the last one of ours the time by kind of step.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import yaml

from bench.many import where
from bench.rollback import BAD, GOOD, Stand

SERVICES = ("dms", "worker", "relay")


def in_order(it: Stand) -> None:
    """Have three services, each after the one before it."""
    path = it.folder / "compose.yaml"
    model = yaml.safe_load(path.read_text())
    dms = model["services"]["dms"]
    for key in ("interval", "start_period", "start_interval"):
        dms["healthcheck"].pop(key, None)
    before = "dms"
    for name in SERVICES[1:]:
        needs = {before: {"condition": "service_healthy"}}
        model["services"][name] = dms | {"ports": [], "depends_on": needs}
        before = name
    path.write_text(yaml.safe_dump(model, sort_keys=False))
    it.services = SERVICES
    it.wired("engine", engine={"ask_health": True})
    it.rules = replace(
        it.rules,
        services=SERVICES,
        prove_within=timedelta(seconds=60),
        asks_health=True,
    )


def ours(it: Stand, target: str, before: str) -> None:
    it.begin(target, before)
    words = it.carry_on()
    if "proved" not in words:
        raise SystemExit(f"our rollback was not proved: {words}, {it.failed()}")


def compose(it: Stand, target: str, before: str) -> None:
    del target, before
    it.pin(GOOD)
    it.compose("up", "-d", "--wait")


def main() -> None:
    usage = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usage.add_argument("--rounds", type=int, default=3)
    usage.add_argument("--port", type=int, default=5300)
    args = usage.parse_args()
    chance, took = random.Random(1), {"ours": [], "compose": []}
    with tempfile.TemporaryDirectory() as name:
        it = Stand(Path(name), "versioned", args.port)
        try:
            in_order(it)
            it.pin(GOOD)
            it.compose("up", "-d", "--wait")
            target = it.record()
            for _ in range(args.rounds):
                for way in chance.sample((ours, compose), 2):
                    it.pin(BAD)
                    it.compose("up", "-d", "--wait")
                    # As the watchdog does it: when a pair starts.
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
