"""What a turn costs on a swarm of many services: many_services.py [--services 100].

    .venv/bin/python -m bench.many_services [--services 100] [--nodes 20]

A manager that speaks the engine's API, in a process of its own, and whole turns of a
watchdog wired to it, without a Prometheus: CPU of the watchdog's process, the calls of
a turn by method and path, and what the journal takes, in a file and in a PostgreSQL.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tests.act.manager import managing
from tests.act.many import Many, configured
from tests.record.postgresql import Cluster
from watchdog.config.settings_file import load
from watchdog.facts.event import TurnCrashed
from watchdog.record.database import Place
from watchdog.record.journal import Journal
from watchdog.wiring.watch import wire

_WARM = 3  # turns, until all is known that is asked once
_EVENTS = 300

# Turns in a process of its own: the manager's work is nobody's.
DRIVER = """
import json, sys
from pathlib import Path
from bench.many_services import turned
print(json.dumps(turned(Path(sys.argv[1]), int(sys.argv[2]))))
"""


def turned(path: Path, turns: int) -> dict[str, list[float]]:
    """Turn so often by the settings at *path*; CPU and wall seconds of each."""
    watch = wire(load(path, {}), "bench", lambda _: None)
    cpu: list[float] = []
    wall: list[float] = []
    with closing(watch.journal):
        for _ in range(turns):
            began, clock = time.process_time(), time.monotonic()
            watch.schedule.turn()
            cpu.append(time.process_time() - began)
            wall.append(time.monotonic() - clock)
    return {"cpu": cpu, "wall": wall}


def measured(folder: Path, services: int, nodes: int, turns: int) -> dict[str, Any]:
    """Turn on a swarm of so many; give the medians, and the calls of a turn."""
    with managing(Many(services, nodes)) as (manager, url):
        path = configured(folder, manager, url, readiness_every="1h")
        found: list[dict[str, int]] = []
        for many in (_WARM, _WARM, _WARM + turns):  # the first begins the journal
            before = dict(manager.calls)
            command = [sys.executable, "-c", DRIVER, str(path), str(many)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            took = json.loads(done.stdout)
            found.append({k: v - before.get(k, 0) for k, v in manager.calls.items()})
        calls = {k: v - found[1].get(k, 0) for k, v in found[2].items()}
    return {
        "cpu": median(took["cpu"][_WARM:]),
        "wall": median(took["wall"][_WARM:]),
        "calls": {name: count / turns for name, count in calls.items() if count > 0},
    }


def rate(place: Place) -> float:
    """Add events, each by itself; give how many a second."""
    with closing(Journal(place)) as journal:
        began = time.monotonic()
        for number in range(_EVENTS):
            journal.append(datetime.now(UTC), TurnCrashed(f"event {number}"))
        return _EVENTS / (time.monotonic() - began)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--services", type=int, default=100)
    options.add_argument("--nodes", type=int, default=20)
    options.add_argument("--turns", type=int, default=30)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for services, nodes in ((3, 2), (given.services, given.nodes)):
            there = folder / str(services)
            there.mkdir()
            it = measured(there, services, nodes, given.turns)
            calls = ", ".join(f"{v:g} {k}" for k, v in sorted(it["calls"].items()))
            print(
                f"{services} services on {nodes} nodes: {1000 * it['cpu']:.1f} ms of "
                f"CPU and {1000 * it['wall']:.1f} ms a turn, median of {given.turns}; "
                f"calls a turn: {calls}"
            )
        in_file = rate(folder / "journal")
        cluster = Cluster()
        try:
            on_server = rate(cluster.server(folder / "state"))
        finally:
            cluster.remove()
    print(f"journal: {in_file:.0f} events a second in a file, one commit each")
    print(
        f"journal: {on_server:.0f} in PostgreSQL, a ratio of {on_server / in_file:.2f}"
    )


if __name__ == "__main__":
    main()
