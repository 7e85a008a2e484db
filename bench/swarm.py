"""A rollback on a swarm beside the same by hand: swarm.py [--rounds 7].

Run it in the sandbox: examples/sandbox/sandbox run .venv/bin/python -m bench.swarm
Two real engines, three services of two replicas each, of one image and one manifest.
In each round, interleaved, from v1.3.0 back to v1.2.0:

    ours      the watchdog's transaction, from its first call to its proof and end
    tuned     `docker service update` of each service in order, with our update's flags
    untuned   the same without them, at the pace that the stack's file gives

Seconds from the order to the end that each says itself, the ratios round by round, and
of the last one of ours the time by kind of step.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

import yaml

from bench.compared import ours, where
from tests.real.on_swarm import BAD, OLD, SERVES, OnSwarm
from tests.real.several import several

WAYS = ("ours", "tuned", "untuned")
# The Compose file format's own defaults but for the order of the one that people reach.
_PACE = {"api": {"order": "start-first"}, "worker": {}, "web": {"order": "start-first"}}


class Three(OnSwarm):
    """Three services, of two replicas each."""

    services = tuple(_PACE)

    def files(self, version: str, **changed: object) -> Path:
        """Write the stack's file for *version*."""
        path = super().files(version, **changed)
        whole = yaml.safe_load(path.read_text())
        (common, *_) = whole["services"].values()
        for name, pace in _PACE.items():
            deploy = {"replicas": 2, "endpoint_mode": "dnsrr", "update_config": pace}
            whole["services"][name] = common | {"deploy": deploy}
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        return Path(path)

    def by_hand(self, *, tuned: bool) -> None:
        """Have each service updated as people do, waited for by Docker's client."""
        place = "target=/manifests/meesho.manifest.json"
        new, old = (
            f"{self.project}_manifest_meesho_{v}".replace(".", "_") for v in (OLD, BAD)
        )
        for name, pace in _PACE.items():
            zero = "0" if pace else "1"  # as ours: what stops first keeps its pace
            flags = ["--update-parallelism", zero, "--update-monitor", "1s"]
            flags += ["--update-failure-action", "continue"]
            self.docker(
                "service",
                "update",
                "-q",
                *(flags if tuned else ()),
                *("--image", f"{self.image}:{OLD}"),
                *("--config-rm", old, "--config-add", f"source={new},{place}"),
                f"{self.project}_{name}",
            )


def main() -> None:
    usage = argparse.ArgumentParser()
    usage.add_argument("--rounds", type=int, default=7)
    rounds = usage.parse_args().rounds
    chance = random.Random(1)
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as name, several(2) as swarm:
        folder = Path(name)
        images = [swarm.image(folder, version, SERVES) for version in (OLD, BAD)]
        app = images[0].rpartition(":")[0]
        it = Three(folder, "dms", swarm.url[1], app)
        with closing(it.journal):
            it.deploy(OLD)
            target = it.record()
            for _ in range(rounds):
                for way in chance.sample(WAYS, len(WAYS)):
                    it.deploy(BAD)
                    before = it.record()  # as the watchdog does it: when a pair starts
                    began = time.monotonic()
                    if way == "ours":
                        ours(it, target, before)
                    else:
                        it.by_hand(tuned=way == "tuned")
                    took[way].append(time.monotonic() - began)
                    assert it.runs() == {(OLD, OLD)}, it.runs()
                    print(f"{way:<8}{took[way][-1]:6.2f} s", flush=True)
            where(it)
    for way in WAYS[1:]:
        ratios = [a / b for a, b in zip(took["ours"], took[way], strict=True)]
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"ours / {way} {statistics.median(ratios):.3f} ({spread})")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
