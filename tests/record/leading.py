"""A node of the campaign: it leads when it may, and then acts as a turn would.

Each act is intended in the journal, preceded by a look at the lease, done (a line in a
file that all nodes share: the engine's part), and noted. What was acknowledged goes
into a file of the node's own.
"""

import os
import pickle
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from watchdog.facts.event import HoldPlaced, TurnCrashed
from watchdog.facts.problem import JournalLost
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory


def lead(place, folder, node):
    journal = Journal(place, waits=lambda _: None)
    epoch = journal.database.lease.epoch
    acts = os.open(folder / "acts", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    noted = os.open(folder / f"noted-{node}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    said = []
    memory = Memory(journal, said.append, lambda _: None)
    while True:
        memory.catch_up()
        op = f"{epoch}/{journal.head}"
        at = datetime.now(UTC)
        memory.add(at, HoldPlaced(node, op), claim=f"order/{op}")
        os.write(noted, f"{said.pop().seq} {op}\n".encode())
        journal.must_lead()
        os.write(acts, f"{epoch} {node} {op} {time.monotonic_ns()}\n".encode())
        memory.add(at, TurnCrashed(op))
        os.write(noted, f"{said.pop().seq} {op}\n".encode())
        time.sleep(0.02)


if __name__ == "__main__":
    where = Path(sys.argv[2])
    try:
        lead(pickle.loads(bytes.fromhex(sys.argv[1])), where, sys.argv[3])
    except JournalLost as lost:
        print(lost.words, file=sys.stderr, flush=True)
        sys.exit(70)
