"""What clients see of a rollback, by four paths.

    python -m bench.gap [--rounds 12] [--nginx PATH] [--without stop-first]

Run it in the sandbox: examples/sandbox/sandbox run .venv/bin/python -m bench.gap
A real engine, Compose v2 and DMS, as in rollback.py. In each round every way takes the
same bad v1.3.0 back to v1.2.0, one after the other, in another order each time:

    warm        the watchdog's transaction, `swap: warm`
    bare        the two calls to the engine that a warm swap cannot do without, by hand
    stop-first  the watchdog's transaction without `swap: warm`
    compose     `docker compose up -d` with the version pinned, the image being here

and clients ask all the time, new connections at a steady rate:

    port      over the published port
    alias     from a container beside it, which looks the name up each time
    checking  through HAProxy, which checks the service and follows its name
    once      through nginx, which looked the name up when it started (without an
              nginx at hand HAProxy that resolves at its start only, which is said)

For each path: the longest time without an answer of either version, the longest time
that one question waited, and how many failed of how many. `kept` counts how often
address and MAC were the same before and after. `bare` is the floor: what the watchdog
does more must not lengthen the gap.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.table import Table

from bench.rollback import BAD, GOOD, Stand, compose, ours
from tests.real.rig import docker
from watchdog.facts.swapping import Swapping

CHECKOUT = Path(__file__).resolve().parents[1]
PATHS = ("port", "alias", "checking", "once")
PYTHON, HAPROXY = "python:3.13-slim", "haproxy:3.2-alpine"
WARM = Swapping({"dms": "warm"}, overlap={"dms": "safe"})
ASKER = CHECKOUT / "bench/asker.py"

_HAPROXY = """
global
    maxconn 512
defaults
    mode http
    timeout connect 2s
    timeout client 15s
    timeout server 15s
    retries 5
    option redispatch
resolvers docker
    nameserver dns 127.0.0.11:53
    hold valid 500ms
    timeout resolve 500ms
    timeout retry 500ms
frontend all
    bind :8080
    default_backend dms
backend dms
    option httpchk GET /health
    server dms dms:5269 {how}
"""
_CHECKING = "check inter 1s fall 5 rise 1 resolvers docker init-addr last,libc,none"
_NGINX = """
daemon off; user root; pid /tmp/nginx.pid; error_log /dev/null;
events { worker_connections 512; }
http {
    access_log /dev/null;
    client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c;
    uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;
    server { listen 8080; location / { proxy_pass http://dms:5269; } }
}
"""


class Proxies:
    """A proxy that checks and one that resolves once, beside the stack."""

    def __init__(self, it: Stand, nginx: str) -> None:
        self.it, self.folder = it, it.folder / "proxies"
        self.folder.mkdir()
        self.network = f"{it.project}_default"
        self.ports = {"checking": it.port + 1, "once": it.port + 2}
        (self.folder / "checking.cfg").write_text(_HAPROXY.format(how=_CHECKING))
        (self.folder / "once.cfg").write_text(_HAPROXY.format(how=""))
        (self.folder / "nginx.conf").write_text(_NGINX)
        cfg = "/usr/local/etc/haproxy/haproxy.cfg"
        self._run("checking", "-v", f"{self.folder}/checking.cfg:{cfg}:ro", HAPROXY)
        if nginx:
            program = ("-v", f"{nginx}:/nginx:ro", "-v", f"{self.folder}:/conf:ro")
            words = ("/nginx", "-p", "/tmp", "-c", "/conf/nginx.conf")
            self._run("once", *program, "--init", PYTHON, *words)
        else:
            self._run("once", "-v", f"{self.folder}/once.cfg:{cfg}:ro", HAPROXY)
        beside = ("-i", "-v", f"{ASKER}:/asker.py:ro", "--init", PYTHON)
        self._run("alias", *beside, "sleep", "86400")

    def _run(self, name: str, *words: str) -> None:
        port = self.ports.get(name)
        published = ("-p", f"127.0.0.1:{port}:8080") if port else ()
        where = ("--name", self.called(name), "--network", self.network, *published)
        docker("run", "-d", *where, *words)

    def called(self, name: str) -> str:
        """Name the container of a path."""
        return f"{self.it.project}-path-{name}"

    def anew(self) -> None:
        """Have each look the name up as it is now."""
        docker("restart", "-t", "1", self.called("checking"), self.called("once"))
        for path in self.ports:
            deadline = time.monotonic() + 30
            while Asking.version(self.url(path)) != BAD:
                if time.monotonic() > deadline:
                    logs = docker("logs", self.called(path), check=False)
                    raise SystemExit(f"{path} does not serve: {logs[-500:]}")
                time.sleep(0.05)

    def url(self, path: str) -> str:
        """Give where *path* is asked, from the machine."""
        return f"http://127.0.0.1:{self.ports.get(path, self.it.port)}/version"

    def command(self, path: str, rate: float) -> list[str]:
        """Give the client of *path*."""
        if path != "alias":
            return [sys.executable, str(ASKER), self.url(path), str(rate)]
        inside = ["python", "/asker.py", "http://dms:5269/version", str(rate)]
        return ["docker", "exec", "-i", self.called("alias"), *inside]

    def strike(self) -> None:
        """Remove them."""
        for name in ("checking", "once", "alias"):
            docker("rm", "-f", self.called(name), check=False)


class Asking:
    """One client for as long as it is entered; then what it saw."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.seen: list[tuple[float, float, str]] = []

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self.client = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, text=True)
        self.reading = threading.Thread(target=self._read)
        self.reading.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.client.stdin:
            self.client.stdin.close()
        self.reading.join()
        self.client.wait()

    def _read(self) -> None:
        for line in self.client.stdout or ():
            began, ended, version = json.loads(line)
            self.seen.append((began, ended, version))

    @property
    def is_answered(self) -> bool:
        """Tell whether it was: a client that is not up yet sees no gap."""
        return any(version for *_, version in self.seen)

    @staticmethod
    def version(url: str) -> str:
        """Ask once; give the version."""
        done = subprocess.run(
            ["curl", "-fsS", "-m", "2", url],
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(done.stdout)["version"] if done.returncode == 0 else ""

    @property
    def _last(self) -> str:
        return max((e, version) for _, e, version in self.seen if version)[1]

    @property
    def figures(self) -> dict[str, float]:
        """Give the gap, the longest wait, and how many failed of how many."""
        answered = sorted(ended for _, ended, version in self.seen if version)
        apart = [b - a for a, b in pairwise(answered)]
        waits = [ended - began for began, ended, version in self.seen if version]
        return {
            "gap": max(apart, default=float("nan")),
            "wait": max(waits, default=float("nan")),
            "failed": sum(not version for *_, version in self.seen),
            "asked": len(self.seen),
            "back": float(self._last == GOOD),
        }


def bare(it: Stand, target: str) -> float:
    """Boot the target beside, then move the place; give how long these calls took."""
    replica, api = it.memory.record(target).replicas[0], it.api
    old = api.containers(filters={"label": it.label})[0]["Id"]
    network, end = next(iter(replica.networks.items()))
    body = dict(replica.body) | {"NetworkingConfig": {"EndpointsConfig": {}}}
    new = api.create_container_from_config(body, f"{replica.name}.new")["Id"]
    aside = api.create_network(f"{it.project}-aside", "bridge", internal=True)["Id"]
    try:
        api.connect_container_to_network(new, aside)
        api.disconnect_container_from_network(new, network, force=True)
        api.start(new)
        while api.inspect_container(new)["State"]["Health"]["Status"] != "healthy":
            time.sleep(0.1)
        began = time.monotonic()
        api.disconnect_container_from_network(old, network, force=True)
        it.to_act.connect(new, network, end)
        took = time.monotonic() - began
        api.disconnect_container_from_network(new, aside, force=True)
        api.stop(old, timeout=5)
        api.remove_container(old)
        api.rename(new, replica.name)
    finally:
        api.remove_network(aside)
    return took


def ends(it: Stand) -> list[tuple[str, str]]:
    networks = it.inspect("dms")["NetworkSettings"]["Networks"]
    return [(networks[n]["IPAddress"], networks[n]["MacAddress"]) for n in networks]


HOW: dict[str, Callable[[Stand, str], float]] = {
    "warm": ours,
    "bare": bare,
    "stop-first": ours,
    "compose": compose,
}
WAYS = tuple(HOW)


def measure(it: Stand, via: Proxies, way: str, target: str, rate: float) -> dict:
    via.anew()
    before = ends(it)
    it.plans = replace(it.plans, swapping=WARM if way == "warm" else Swapping())
    asking = {path: Asking(via.command(path, rate)) for path in PATHS}
    for one in asking.values():
        one.__enter__()
    try:
        deadline = time.monotonic() + 60
        while not all(one.is_answered for one in asking.values()):
            if time.monotonic() > deadline:
                raise SystemExit("not all clients are answered after 60 s")
            time.sleep(0.1)
        time.sleep(1.5)  # what clients see before it begins belongs to the sample
        began = time.monotonic()
        moved = HOW[way](it, target)
        took = it.until_serves(GOOD) - began
        time.sleep(2.5)  # and who waited for the name is told within that
    finally:
        for one in asking.values():
            one.__exit__()
    found = {path: one.figures for path, one in asking.items()}
    return found | {"kept": ends(it) == before, "took": took, "moved": moved}


def spread(values: list[float]) -> str:
    middle = statistics.median(values)
    return f"{middle:.2f} ({min(values):.2f} to {max(values):.2f})"


def show(rounds: list[dict[str, dict]], ways: Sequence[str]) -> None:
    console = Console(width=120)
    for path in PATHS:
        table = Table(title=f"{path}: seconds, median (least to most) of {len(rounds)}")
        for name in ("way", "no answer for", "longest wait", "failed", "serves again"):
            table.add_column(name)
        for way in ways:
            each = [one[way][path] for one in rounds]
            failed = sum(int(one["failed"]) for one in each)
            table.add_row(
                way,
                spread([one["gap"] for one in each]),
                spread([one["wait"] for one in each]),
                f"{failed} of {sum(int(one['asked']) for one in each)}",
                f"{sum(int(one['back']) for one in each)} of {len(each)}",
            )
        for other in ways[1:]:
            ratios = [r["warm"][path]["gap"] / r[other][path]["gap"] for r in rounds]
            table.add_row(f"warm / {other}", spread(ratios), "", "", "")
        console.print(table)
    for way in ways:
        kept = sum(one[way]["kept"] for one in rounds)
        took = spread([one[way]["took"] for one in rounds])
        print(f"{way}: address and MAC kept {kept} of {len(rounds)}; took {took} s")
    print(
        f"bare: the two calls took {spread([one['bare']['moved'] for one in rounds])} s"
    )


def main() -> None:
    usage = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usage.add_argument("--rounds", type=int, default=12)
    usage.add_argument("--rate", type=float, default=50.0)
    usage.add_argument("--port", type=int, default=5280)
    usage.add_argument("--seed", type=int, default=1)
    usage.add_argument("--nginx", default=shutil.which("nginx") or "")
    usage.add_argument("--without", nargs="*", choices=WAYS[1:], default=())
    args = usage.parse_args()
    ways = [way for way in WAYS if way not in args.without]
    chance, rounds = random.Random(args.seed), []
    if not args.nginx:
        print("no nginx here: what resolves once is HAProxy without a resolver")
    with tempfile.TemporaryDirectory() as name:
        it = Stand(Path(name), "versioned", args.port)
        it.rules = replace(it.rules, prove_within=timedelta(seconds=60))
        via = None
        try:
            it.put(GOOD)
            target = it.record()
            via = Proxies(it, args.nginx)
            for number in range(args.rounds):
                found = {}
                for way in chance.sample(ways, len(ways)):
                    it.put(BAD)
                    found[way] = measure(it, via, way, target, args.rate)
                    gaps = {p: f"{found[way][p]['gap']:.2f}" for p in PATHS}
                    load = os.getloadavg()[0]
                    words = f"round {number + 1}: {way:<10} {gaps} load {load:.1f}"
                    print(words, file=sys.stderr, flush=True)
                rounds.append(found)
            show(rounds, ways)
            print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        finally:
            if via is not None:
                via.strike()
            it.down()


if __name__ == "__main__":
    main()
