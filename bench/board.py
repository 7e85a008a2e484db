"""What the page of everything costs: 20 who follow it, beside a turn.

    examples/sandbox/sandbox run .venv/bin/python -m bench.board [--rounds 4]

A real daemon that polls each second, a real stack and a real Prometheus. Rounds of
turns without and with 20 watchers interleave in one run: each follows by server-sent
events and fetches what changed, as the page's script does. Then `GET /` against two
range queries of the same triggers, in turns; and with Prometheus stopped. The load of
the machine is said, since other work is in every number.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from bench.scale import free_port
from watchdog.commands.stage import Stage

CHECKOUT = Path(__file__).resolve().parents[1]
WATCHERS = 20
# In a process of their own: what a browser does is no part of the daemon's time.
FOLLOW = """
import sys, threading, httpx
url, count = sys.argv[1], int(sys.argv[2])
def follow():
    with httpx.Client(timeout=60, trust_env=False) as client:
        client.get(url)
        with client.stream("GET", url + "/follow") as told:
            for line in told.iter_lines():
                if line.startswith("data: "):
                    client.get(url, params={"part": "live", "as_of": line[6:]})
for _ in range(count):
    threading.Thread(target=follow, daemon=True).start()
sys.stdin.read()
"""


def turns(url: str, seconds: float) -> list[float]:
    """Gather how long each turn took, for so long."""
    found: dict[float, float] = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        text = httpx.get(f"{url}/metrics", timeout=30, trust_env=False).text
        said = dict(
            line.rsplit(" ", 1)
            for line in text.splitlines()
            if line.startswith(("watchdog_turns_total", "watchdog_turn_seconds"))
        )
        found[float(said["watchdog_turns_total"])] = float(
            said["watchdog_turn_seconds"]
        )
        threading.Event().wait(0.3)
    return list(found.values())


def p99(values: list[float]) -> float:
    """Give the value that one of a hundred is above."""
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


def took(ask: Callable[[], object]) -> float:
    """Time one asking, in seconds."""
    began = time.monotonic()
    ask()
    return time.monotonic() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--seconds", type=float, default=20)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ports = (free_port(), free_port(), free_port(), free_port())
        stage = Stage(Path(folder), CHECKOUT, project="board", ports=ports)
        try:
            measured(stage, chosen.rounds, chosen.seconds)
        finally:
            stage.strike()


def measured(stage: Stage, rounds: int, seconds: float) -> None:
    """Measure on *stage*, and print it."""
    stage.make("0:0")
    stage.compose("up", "-d", "--no-build", "--wait")
    url, far = stage.private, stage.prometheus
    with stage.scanning():
        stage.watch()
        stage.until("observe.pair_started")
        alone: list[float] = []
        beside: list[float] = []
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        for _ in range(rounds):
            alone += turns(url, seconds)
            command = [sys.executable, "-c", FOLLOW, url, str(WATCHERS)]
            with subprocess.Popen(command, stdin=subprocess.PIPE) as watching:
                beside += turns(url, seconds)
                watching.kill()
        for name, values in (("alone", alone), ("20 watchers", beside)):
            middle = statistics.median(values)
            print(
                f"turns {name}: {len(values)}, median {1000 * middle:.0f} ms, "
                f"p99 {1000 * p99(values):.0f} ms"
            )
        print(f"p99 ratio {p99(beside) / p99(alone):.2f}")
        page(url, far)
        stage.compose("stop", "prometheus")
        away = [took(lambda: httpx.get(url, timeout=60)) for _ in range(20)]
        print(f"GET / with Prometheus away: {milliseconds(away)}")
    print(f"load {os.getloadavg()[0]:.1f}")


def page(url: str, far: str) -> None:
    """Hold `GET /` against two range queries of three hours, in turns."""
    names = ("dms_awb_routing_failures_total", "dms_scans_total")
    pages: list[float] = []
    queries: list[float] = []
    with httpx.Client(timeout=60, trust_env=False) as client:
        for _ in range(30):
            now = time.time()
            span = {"start": now - 3 * 3600, "end": now, "step": 90}

            def both(span: dict[str, float] = span) -> None:
                for name in names:
                    query = {"query": f'sum(increase({name}{{job="dms"}}[15s]))'}
                    client.get(f"{far}/api/v1/query_range", params=query | span)

            queries.append(took(both))
            threading.Event().wait(1.1)  # no page that was put together before
            pages.append(took(lambda: client.get(url)))
    print(f"GET /: {milliseconds(pages)}; two range queries: {milliseconds(queries)}")
    ratio = statistics.median(pages) / statistics.median(queries)
    print(f"ratio of medians {ratio:.2f}")


def milliseconds(values: list[float]) -> str:
    """Write the median and the largest."""
    middle = statistics.median(values)
    return f"median {1000 * middle:.0f} ms, at most {1000 * max(values):.0f} ms"


if __name__ == "__main__":
    main()
