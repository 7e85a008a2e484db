"""From a leader's death to the next full turn, on two real watchdogs.

    .venv/bin/python -m bench.failover [--rounds 5] [--lease 5] [--poll 2]

A PostgreSQL of its own and a swarm's manager that speaks the engine's API, in this
process. Whoever leads is killed, paused, or cut off from the database; what is
counted is until the other ends a turn in an epoch of its own. Promised is: at most
the lease and one poll.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median

import psycopg

from tests.act.manager import managing
from tests.act.many import Many, configured
from tests.record.campaign import Wire
from tests.record.postgresql import Cluster

_LIMIT = 120.0  # s
_LEADS = "SELECT epoch, (SELECT at FROM {0}.turn) FROM {0}.leader"


class Node:
    """One watchdog, and its way to the database."""

    def __init__(
        self, folder: Path, cluster: Cluster, swarm: tuple[Many, str], **settings: str
    ) -> None:
        folder.mkdir()
        (folder / "wire").mkdir()
        self.wire = Wire(cluster.home, folder / "wire")
        self._log = folder / "log"
        there = cluster.url().replace(str(cluster.home), str(self.wire.folder))
        database = {
            "url": there,
            "schema_name": "bench",
            "lease": settings.pop("lease"),
        }
        self._path = configured(folder, *swarm, database=database, **settings)
        self.process = self.started()

    def started(self) -> subprocess.Popen[bytes]:
        """Start it."""
        command = [sys.executable, "-m", "watchdog", "run", "-c", str(self._path)]
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        return self.process

    def follows(self, since: int) -> None:
        """Wait until it says so."""
        until(lambda: self._log.read_text()[since:].count("this watchdog follows") > 0)

    @property
    def said(self) -> int:
        """How much it printed so far."""
        return len(self._log.read_text())


def until(is_so: Callable[[], bool]) -> None:
    """Wait for *is_so*."""
    end = time.monotonic() + _LIMIT
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit("it did not come to that")
        time.sleep(0.02)


@contextmanager
def struck(fault: str, node: Node) -> Iterator[None]:
    """Have *fault* at *node* for as long as this lasts; then it follows again."""
    before = node.said
    if fault == "cut off":
        node.wire.is_cut = True
    else:
        node.process.send_signal(
            signal.SIGKILL if fault == "killed" else signal.SIGSTOP
        )
    yield
    node.wire.is_cut = False
    with suppress(ProcessLookupError):
        os.kill(node.process.pid, signal.SIGCONT)
    node.process.wait(_LIMIT)  # one that was missed ends by itself
    node.started()
    node.follows(before)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--lease", type=float, default=5.0)
    options.add_argument("--poll", type=float, default=2.0)
    given = options.parse_args()
    promised = given.lease + given.poll
    took: dict[str, list[float]] = {"killed": [], "paused": [], "cut off": []}
    with ExitStack() as after:
        folder = Path(after.enter_context(tempfile.TemporaryDirectory()))
        cluster = Cluster()
        after.callback(cluster.remove)
        manager, url = after.enter_context(managing(Many(3, 2)))
        how = {"lease": f"{given.lease:g}s", "poll": f"{given.poll:g}s"}
        leads = Node(folder / "a", cluster, (manager, url), **how)
        after.callback(lambda: (leads.process.kill(), leads.process.wait()))
        boss = psycopg.connect(cluster.url("boss", "watchdog"), autocommit=True)
        after.callback(boss.close)

        def led() -> tuple[int, str]:
            with suppress(psycopg.Error):
                row = boss.execute(_LEADS.format("bench")).fetchone()
                return (row[0], str(row[1])) if row else (0, "")
            return 0, ""

        until(lambda: led()[1] not in ("", "None"))
        follows = Node(folder / "b", cluster, (manager, url), **how)
        after.callback(lambda: (follows.process.kill(), follows.process.wait()))
        follows.follows(0)
        for fault, each in took.items():
            for _ in range(given.rounds):
                epoch, turn = led()
                began = time.monotonic()
                with struck(fault, leads):
                    until(lambda e=epoch: led()[0] > e)
                    _, turn = led()
                    until(lambda t=turn: led()[1] != t)
                    each.append(time.monotonic() - began)
                leads, follows = follows, leads
    for fault, each in took.items():
        print(
            f"{fault}: {median(each):.2f} s in the median, {max(each):.2f} s at most, "
            f"of {promised:g} s promised (lease {given.lease:g}, poll {given.poll:g}): "
            f"ratio {max(each) / promised:.2f}, {len(each)} times"
        )


if __name__ == "__main__":
    main()
