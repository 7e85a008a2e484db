"""What a turn costs to read and to judge, beside the build of an earlier commit.

    .venv/bin/python -m bench.turn [--turns 300] [--before 7a8ec3e]

Five triggers of each build's own example release, a real Prometheus with a day of
their past; turns of 5 s through its last hours, both builds in turn, each in a process
of its own. CPU of that process alone, all threads; a ratio in one run, since the
machine's own speed is nobody's. It ends with 1 where that is over half.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

from bench.backtest import fill, past
from tests.real import remote

ROOT = Path(__file__).resolve().parents[1]
POLL = 5
MOST_RATIO = 0.5
# One for each of three looks between two scrapes: until then nothing is kept.
FIRST = 3
# Sits in a process of its own, with one build on its path: a time in, a turn out.
DRIVER = """
import json, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from watchdog.config.release_file import load_release
from watchdog.judge.breach import judge
from watchdog.observe.prometheus import Prometheus

url, root, since = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
scrape, since = timedelta(seconds=15), datetime.fromtimestamp(since, UTC)
triggers = load_release(root / "config/releases/v1.3.0.yaml", scrape).triggers
far = Prometheus(url, scrape / 3, scrape, scrape / 3)
for line in sys.stdin:
    at, began = datetime.fromtimestamp(float(line), UTC), time.process_time()
    seen = far.read_all(triggers, at, since)
    words = [judge(one, seen[one.name], since).words for one in triggers]
    print(json.dumps([time.process_time() - began, words]), flush=True)
far.close()
"""


class Turn(NamedTuple):
    """What one turn took, in seconds of CPU, and what it said."""

    took: float
    words: Sequence[str]


class Build:
    """One build in a process of its own."""

    def __init__(self, root: Path, url: str, since: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, url, str(root), str(since)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={"PYTHONPATH": str(root)},
        )

    def turn(self, at: float) -> Turn:
        """Let it read and judge as of *at*."""
        to, out = self._process.stdin, self._process.stdout
        if to is None or out is None:
            raise SystemExit("a build without pipes")
        to.write(f"{at}\n")
        to.flush()
        return Turn(*json.loads(out.readline()))

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()


@contextmanager
def work_tree(folder: Path, commit: str) -> Iterator[Path]:
    """Check *commit* out beside this one."""
    where, git = folder / "before", ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "-q", "--detach", where, commit], check=True)
    try:
        yield where
    finally:
        subprocess.run([*git, "remove", "--force", where], check=True)


def said(name: str, took: Sequence[float]) -> str:
    """Say the median, and what nine of ten turns lie between."""
    parts = [1000 * one for one in quantiles(took, n=20)]
    return (
        f"{name}: {parts[9]:.1f} ms of CPU a turn in the median, "
        f"{parts[0]:.1f} to {parts[18]:.1f} in nine of ten"
    )


def main() -> int:
    """Measure both builds; fail where a turn costs more than half of what it did."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--turns", type=int, default=300)
    options.add_argument("--before", default="7a8ec3e", help="a commit; 7a8ec3e")
    given = options.parse_args()
    until = datetime.fromtimestamp(time.time() // 60 * 60 - 60, UTC).timestamp()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        old = stack.enter_context(work_tree(folder, given.before))
        url = stack.enter_context(remote.running(folder))
        fill(url, past(until - 86_400, 1, 20260311))
        builds = {"before": old, "now": ROOT}
        drivers = {
            name: Build(root, url, until - 21_600) for name, root in builds.items()
        }
        took: dict[str, list[float]] = {name: [] for name in builds}
        for number in range(given.turns + FIRST):
            for name, driver in drivers.items():
                turn = driver.turn(until - 3600 + number * POLL)
                if number >= FIRST:
                    took[name].append(turn.took)
        for driver in drivers.values():
            driver.close()
    for name, each in took.items():
        print(said(name, each))
    ratio = sum(took["now"]) / sum(took["before"])
    print(f"ratio {ratio:.2f}, {given.turns} turns each; at most {MOST_RATIO}")
    return 1 if ratio > MOST_RATIO else 0


if __name__ == "__main__":
    raise SystemExit(main())
