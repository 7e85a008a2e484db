"""From a leader's death to the next full turn, on three real watchdogs.

    examples/sandbox/sandbox run .venv/bin/python -m bench.failover [--rounds 5]

A swarm of three real engines, a stack on it, a PostgreSQL and a Prometheus. Whoever
leads is killed, paused, or cut off from the database; what is counted is until another
ends a turn in an epoch of its own. Promised is: at most the lease and one poll.
"""

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median

import psycopg

from tests.leader.field import Field, Node
from watchdog.facts.event import PairStarted

_LEADS = "SELECT epoch, (SELECT at FROM {0}.turn) FROM {0}.leader"


@contextmanager
def struck(fault: str, node: Node) -> Iterator[None]:
    """Have *fault* at *node* for as long as this lasts."""
    field = node.field
    field.gone.add(node.number)  # nobody starts it anew meanwhile
    if fault == "cut off":
        node.database.is_cut = True
    else:
        node.process.send_signal(
            signal.SIGKILL if fault == "killed" else signal.SIGSTOP
        )
    yield
    node.database.is_cut = False
    with suppress(ProcessLookupError):
        os.kill(node.process.pid, signal.SIGCONT)
    node.process.wait(field.patience)  # one that was missed ends by itself
    field.gone.discard(node.number)


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
        field = Field(folder, after, lease=given.lease, poll=given.poll)
        boss = psycopg.connect(field.cluster.url("boss", "watchdog"), autocommit=True)
        after.callback(boss.close)

        def led() -> tuple[int, str]:
            row = boss.execute(_LEADS.format(field.place.schema)).fetchone()
            return (row[0], str(row[1])) if row else (0, "")

        field.begin()
        field.until(lambda: field.events(PairStarted), "it watches")
        for fault, each in took.items():
            for _ in range(given.rounds):
                leader = field.until(field.leader, "one leads")
                for other in field.nodes.values():
                    if other.number != leader:
                        field.until(other.follows, "the others follow")
                time.sleep(2 * given.poll)  # it turns as ever
                epoch, _ = led()
                began = time.monotonic()
                with struck(fault, field.nodes[leader]):
                    field.until(lambda e=epoch: led()[0] > e, "another leads")
                    _, turn = led()
                    field.until(lambda t=turn: led()[1] != t, "it turned")
                    each.append(time.monotonic() - began)
    for fault, each in took.items():
        print(
            f"{fault}: {median(each):.2f} s in the median, {max(each):.2f} s at most, "
            f"of {promised:g} s promised (lease {given.lease:g}, poll {given.poll:g}): "
            f"ratio {max(each) / promised:.2f}, {len(each)} times"
        )


if __name__ == "__main__":
    main()
