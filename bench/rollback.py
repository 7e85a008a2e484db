#!/usr/bin/env python3
"""How long a rollback takes, beside three other ways: rollback.py [--rounds 12].

Run it in the sandbox: examples/sandbox/sandbox run .venv/bin/python bench/rollback.py
A real engine, Compose v2, registry and DMS. In each round every way takes the same
bad v1.3.0 back to v1.2.0, one after the other, in another order each time:

    ours      the watchdog's own transaction, from its first call to its proof
    bare      create + stop + rename + rename + start of the same bodies, nothing else
    compose   `docker compose up -d` with the version pinned, the image being here
    runbook   docker pull, cp, compose up, curl, as one shell script

All are timed to the same end, seen from outside: Docker says healthy and the version
endpoint says v1.2.0. A way's own end (the call or the command returned) is beside it.
`gap` is from the old container's die to the new one's start, by the engine's events;
`client` from the last answer of v1.3.0 to the first of v1.2.0 over the published port.
Medians of one run, with the ratio to ours taken round by round.
"""

import argparse
import http.client
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Self

import docker as sdk
import yaml
from rich.console import Console
from rich.table import Table

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from tests.real.rig import Rig, docker  # noqa: E402 # a script's own folder comes first
from watchdog.commands.stage import IMAGE  # noqa: E402
from watchdog.facts.event import StepDone, StepIntended  # noqa: E402
from watchdog.facts.plan import Do  # noqa: E402
from watchdog.observe.health import ask_stack  # noqa: E402

GOOD, BAD = "v1.2.0", "v1.3.0"
WAYS = ("ours", "bare", "compose", "runbook")
FIGURES = ("total", "own end", "gap", "client")


class Stand(Rig):
    """One DMS under Compose, that any of the ways may roll back."""

    def __init__(self, folder: Path, layout: str, port: int) -> None:
        self.layout, self.port = layout, port
        project = f"bench-{uuid.uuid4().hex[:8]}"
        whole = folder / project
        make = [sys.executable, str(CHECKOUT / "examples/dms/make-stack"), str(whole)]
        make += ["--layout", layout, "--image", IMAGE, "--project", project]
        subprocess.run([*make, "--dms-port", str(port)], check=True)
        model = yaml.safe_load((whole / "compose.yaml").read_text())
        del model["services"]["prometheus"]
        (whole / "compose.yaml").write_text(yaml.safe_dump(model, sort_keys=False))
        super().__init__(whole, project, ("dms",))
        self.url_of_dms = f"http://127.0.0.1:{port}"
        self.ask_stack = lambda meant, within: ask_stack(
            f"{self.url_of_dms}/health", f"{self.url_of_dms}/version", meant, within
        )
        self.api = sdk.APIClient(base_url=self.url, version="auto")
        self.bad = self.leftover = ""

    def serves(self, version: str) -> bool:
        """Tell whether Docker calls it healthy and it says *version*."""
        found = self.api.containers(filters={"label": self.label, "health": "healthy"})
        if not [one for one in found if one["Image"].endswith(f":{version}")]:
            return False
        return version_at(self.port) == version

    @property
    def label(self) -> str:
        """The label that all containers of the stand carry."""
        return f"com.docker.compose.project={self.project}"

    def until_serves(self, version: str) -> float:
        """Wait for it; give the monotonic time at which it was seen."""
        deadline = time.monotonic() + 90
        while not self.serves(version):
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"{version} does not serve after 90 s: {self.events()}"
                )
            time.sleep(0.02)
        return time.monotonic()

    def put(self, version: str) -> None:
        """Deploy *version* as the pipeline does, and wait until it serves."""
        if self.layout == "shared-file":
            self.compose("stop")
            self.swap_manifest(version)
        self.deploy(version)
        self.until_serves(version)
        # As the watchdog does it: when a pair starts, and not when it must go.
        self.bad = self.record()

    def swap_manifest(self, version: str) -> None:
        """Copy the manifest of *version* over the shared one, as the runbook does."""
        manifests = self.folder / "manifests"
        data = (manifests / f"meesho.{version}.manifest.json").read_bytes()
        (manifests / "meesho.manifest.json").write_bytes(data)


def version_at(port: int) -> str:
    """Ask the DMS; by the plainest client, so that asking costs the others nothing."""
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        asking.request("GET", "/version")
        answer = asking.getresponse()
        return json.loads(answer.read())["version"] if answer.status == 200 else ""
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    finally:
        asking.close()


# -- the ways; each gives when it was done by its own word ----------------------------


def ours(it: Stand, target: str) -> float:
    it.begin(target, it.bad)
    words = it.carry_on()
    if "proved" not in words:
        raise SystemExit(f"our rollback was not proved: {words}")
    return time.monotonic()


def bare(it: Stand, target: str) -> float:
    replica = it.memory.record(target).replicas[0]
    old = it.api.containers(filters={"label": it.label})[0]["Id"]
    ends = {name: dict(end) for name, end in replica.networks.items()}
    body = dict(replica.body) | {"NetworkingConfig": {"EndpointsConfig": ends}}
    new = it.api.create_container_from_config(body, f"{replica.name}.new")["Id"]
    it.api.stop(old, timeout=5)
    if it.layout == "shared-file":
        it.swap_manifest(GOOD)
    it.api.rename(old, f"{replica.name}.old")
    it.api.rename(new, replica.name)
    it.api.start(new)
    done = time.monotonic()
    it.leftover = old
    return done


def compose(it: Stand, _: str) -> float:
    if it.layout == "shared-file":
        it.compose("stop")
        it.swap_manifest(GOOD)
    it.deploy(GOOD)
    return time.monotonic()


def runbook(it: Stand, _: str) -> float:
    shared = it.layout == "shared-file"
    lines = [
        "set -e",
        f"docker pull -q {IMAGE}:{GOOD}",
        "cp manifests/meesho.manifest.json manifests/meesho.manifest.json.bak"
        if shared
        else f"ls manifests/meesho.{GOOD}.manifest.json",
        f"cp manifests/meesho.{GOOD}.manifest.json manifests/meesho.manifest.json"
        if shared
        else "true",
        f"DMS_VERSION={GOOD} docker compose up -d --no-build",
        f"until curl -fsS -m 3 {it.url_of_dms}/health; do sleep 0.2; done",
    ]
    env = {key: text for key, text in os.environ.items() if key != "DMS_VERSION"}
    script = ["bash", "-c", "\n".join(lines)]
    subprocess.run(script, cwd=it.folder, env=env, check=True, capture_output=True)
    return time.monotonic()


HOW: dict[str, Callable[[Stand, str], float]] = {
    "ours": ours,
    "bare": bare,
    "compose": compose,
    "runbook": runbook,
}


# -- what is seen from outside --------------------------------------------------------


class Probe:
    """A courier's phone: asks for the version all the time."""

    def __init__(self, port: int) -> None:
        self._port, self._stop = port, threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._seen: list[tuple[float, str]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _ask(self) -> None:
        while not self._stop.wait(0.01):
            version = version_at(self._port)
            self._seen.append((time.monotonic(), version))

    @property
    def gap(self) -> float:
        """Seconds from the last answer of the bad one to the first of the good one."""
        last = max((at for at, version in self._seen if version == BAD), default=0.0)
        first = next((at for at, v in self._seen if v == GOOD and at > last), 0.0)
        return first - last if first and last else float("nan")


def gap_in(it: Stand, since: float) -> float:
    """Read from the engine's events how long no container ran."""
    found = it.api.events(
        since=since, until=time.time(), decode=True, filters={"label": it.label}
    )
    events = [
        (one["Action"], one["timeNano"] / 1e9) for one in found if "Action" in one
    ]
    died = [at for what, at in events if what == "die"]
    came = [at for what, at in events if what == "start" and died and at > died[0]]
    return came[0] - died[0] if came else float("nan")


def measure(it: Stand, way: str, target: str) -> dict[str, float]:
    it.leftover = ""
    with Probe(it.port) as probe:
        time.sleep(0.3)
        wall, began = time.time(), time.monotonic()
        own = HOW[way](it, target)
        end = it.until_serves(GOOD)
        time.sleep(0.1)
    figures = {
        "total": end - began,
        "own end": own - began,
        "gap": gap_in(it, wall),
        "client": probe.gap,
    }
    if it.leftover:
        it.api.remove_container(it.leftover)
    return figures


# -- the tables -----------------------------------------------------------------------


def spread(values: list[float]) -> str:
    values = [value for value in values if not math.isnan(value)]
    if not values:
        return "not seen"
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def show(title: str, rounds: list[dict[str, dict[str, float]]]) -> None:
    table = Table(title=f"{title}: seconds, median (least to most) of {len(rounds)}")
    table.add_column("way")
    for name in FIGURES:
        table.add_column(name)
    for way in WAYS:
        table.add_row(way, *(spread([r[way][f] for r in rounds]) for f in FIGURES))
    for way in WAYS[1:]:
        ratios = [
            spread([r["ours"][f] / r[way][f] for r in rounds if r[way][f]])
            for f in FIGURES
        ]
        table.add_row(f"ours / {way}", *ratios)
    Console(width=120).print(table)


def where(it: Stand) -> None:
    """Show where the time of the last rollback of ours went."""
    entries = it.journal.entries()
    began: dict[str, float] = {}
    table = Table(title="the last one of ours, by step: seconds from intent to done")
    table.add_column("step")
    table.add_column("took", justify="right")
    plan_op = next(
        entry.event.op
        for entry in reversed(entries)
        if isinstance(entry.event, StepDone)
    )
    before = None
    for entry in entries:
        event = entry.event
        if not isinstance(event, (StepIntended, StepDone)) or event.op != plan_op:
            continue
        if isinstance(event, StepIntended):
            began[event.step.words] = entry.at.timestamp()
            before = entry.at.timestamp()
            continue
        start = began.get(event.step.words, before)
        if event.step.do is Do.PROVE or start is None:
            start = before
        took = entry.at.timestamp() - (start or entry.at.timestamp())
        table.add_row(event.step.words[:70], f"{took:.3f}")
        before = entry.at.timestamp()
    Console(width=120).print(table)


def main() -> None:
    usage = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usage.add_argument("--rounds", type=int, default=12)
    usage.add_argument(
        "--layout", choices=("versioned", "shared-file"), default="versioned"
    )
    usage.add_argument("--port", type=int, default=5270)
    usage.add_argument("--seed", type=int, default=1)
    usage.add_argument(
        "--no-sigterm", action="store_true", help="leave the second table out"
    )
    args = usage.parse_args()
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        it = Stand(Path(name), args.layout, args.port)
        try:
            it.rules = replace(it.rules, prove_within=timedelta(seconds=60))
            docker("pull", "-q", f"{IMAGE}:{GOOD}", check=False)
            it.put(GOOD)
            target = it.record()
            for deaf in (False, True) if not args.no_sigterm else (False,):
                faults = '{"v1.3.0": {"ignore_sigterm": true}}' if deaf else "{}"
                (it.folder / "data/faults.json").write_text(faults)
                rounds = []
                for number in range(args.rounds):
                    order = chance.sample(WAYS, len(WAYS))
                    figures = {}
                    for way in order:
                        it.put(BAD)
                        figures[way] = measure(it, way, target)
                        print(
                            f"round {number + 1} of {args.rounds}: {way:<8}"
                            f"{figures[way]['total']:6.2f} s",
                            file=sys.stderr,
                            flush=True,
                        )
                    rounds.append(figures)
                what = "an image that ignores SIGTERM" if deaf else "the DMS as it is"
                show(f"{args.layout}, {what}", rounds)
            where(it)
            load = os.getloadavg()
            print(f"load average {load[0]:.1f} on {os.cpu_count()} cores")
        finally:
            it.down()


if __name__ == "__main__":
    main()
