#!/usr/bin/env python3
"""What Compose as the referee costs: -m bench.referee [--minutes 1] [--rounds 3].

Run it in the sandbox: examples/sandbox/sandbox run .venv/bin/python -m bench.referee
A real daemon watches a real stack that could be rolled back, idle, by turns with a
Compose to ask and without one, each for so long and as often as asked. The CPU is that
of the daemon and of all that it started. Beside it the time of one rendering.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from bench.scale import free_port
from watchdog.commands.stage import Stage
from watchdog.observe.referee import Deployed, Referee
from watchdog.outside.command import Commands

CHECKOUT = Path(__file__).resolve().parents[1]
TICK = os.sysconf("SC_CLK_TCK")
# The limit that is promised: with a referee against without.
MOST = 1.1
_PASSED = ("PATH", "HOME", "DOCKER_CONFIG")
# Readiness is looked at each 30 s; the first look renders, and is not counted.
WARM = 45.0


def cpu(pid: int) -> float:
    """Give the seconds of CPU of a process and of the children that it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICK


def idle(stage: Stage, seconds: float, env: dict[str, str]) -> float:
    """Let a daemon watch; give the seconds of CPU that it took a minute."""
    process = stage.watch(env)
    try:
        time.sleep(WARM)
        began, before = time.monotonic(), cpu(process.pid)
        time.sleep(seconds)
        return 60 * (cpu(process.pid) - before) / (time.monotonic() - began)
    finally:
        process.terminate()
        process.wait(30)


def renderings(stage: Stage, count: int) -> list[float]:
    """Time *count* renderings of the stack with another version pinned."""
    listed = stage.compose("ps", "-q", "dms").split()
    said = subprocess.run(
        ["docker", "inspect", *listed], check=True, capture_output=True, text=True
    )
    deployed = Deployed.of(json.loads(said.stdout)[0]["Config"]["Labels"])
    env = {key: os.environ[key] for key in _PASSED if key in os.environ}
    took = []
    for _ in range(count):
        commands = Commands(stage.folder, timedelta(minutes=1), env)
        command = ("docker", "compose")
        asked = Referee(commands, command, stage.stack, stage.stack / ".env")
        began = time.perf_counter()
        asked.render(deployed, {"DMS_VERSION": "v1.2.0"})
        took.append(time.perf_counter() - began)
    return took


def main() -> None:
    """Measure, and print what is promised beside what was seen."""
    usage = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usage.add_argument("--minutes", type=float, default=1)
    usage.add_argument("--rounds", type=int, default=3)
    wanted = usage.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="referee-"))
    found: dict[str, list[float]] = {"with": [], "without": []}
    with ExitStack() as after:
        after.callback(shutil.rmtree, folder, ignore_errors=True)
        ports = (free_port(), free_port(), free_port(), free_port())
        stage = Stage(folder / "stage", CHECKOUT, project="referee", ports=ports)
        (folder / "stage").mkdir()
        after.callback(stage.strike)
        stage.make("0:0")
        stage.compose("up", "-d", "--no-build", "--wait")
        with stage.scanning():
            stage.settings(poll="1s")
            first = stage.watch()
            stage.until("decide.pair_known_good", 180)
            stage.deploy("v1.3.1")
            stage.until("decide.readiness_changed", 90, ready=True)
            first.terminate()
            first.wait(30)
            took = renderings(stage, 9)
            stage.settings(poll="5s", bake_time="1h")
            for _ in range(wanted.rounds):
                found["with"].append(idle(stage, 60 * wanted.minutes, {}))
                nowhere = {"PATH": str(folder)}
                found["without"].append(idle(stage, 60 * wanted.minutes, nowhere))
    there, away = (statistics.median(found[name]) for name in ("with", "without"))
    load = os.getloadavg()[0]
    print(f"one rendering, as pinned: {statistics.median(took):.2f} s (median of 9)")
    for name, values in found.items():
        each = ", ".join(f"{value:.2f}" for value in values)
        print(f"idle, {name} a referee: {each} s CPU a minute")
    print(f"with / without: {there / away:.2f}, at most {MOST}; load {load:.1f}")


if __name__ == "__main__":
    main()
