"""Where the memory may be: the same is asked of each place."""

import pickle
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.record.postgresql import Cluster

SHORT = timedelta(seconds=2)
LEADS = """
import pickle, sys
from datetime import UTC, datetime
from watchdog.facts.event import TurnCrashed
from watchdog.facts.problem import JournalLost
from watchdog.record.journal import Journal

journal = Journal(pickle.loads(bytes.fromhex(sys.argv[1])))
print("leads", flush=True)
for line in sys.stdin:
    for do in (
        journal.must_lead,
        lambda: journal.append(datetime.now(UTC), TurnCrashed("a")),
    ):
        try:
            do()
            print("done", flush=True)
        except JournalLost as lost:
            print(lost.words, flush=True)
"""
PLACES = ("file", pytest.param("server", marks=pytest.mark.real))


@pytest.fixture(scope="session")
def cluster():
    made = Cluster()
    yield made
    made.remove()


@pytest.fixture(params=PLACES)
def place(request, folders):
    if request.param == "file":
        return folders()
    return request.getfixturevalue("cluster").server(folders())


@pytest.fixture
def until():
    """Wait for what a busy machine takes its time for."""

    def until(is_so):
        end = time.monotonic() + 90
        while not is_so():
            assert time.monotonic() < end
            time.sleep(0.1)

    return until


@pytest.fixture
def here(cluster, folders):
    """Give two machines of one installation."""
    one = cluster.server(folders(), lease=SHORT)
    return one, replace(one, folder=folders())


@pytest.fixture
def leading():
    """Start a process that leads, and does one thing for each line that it gets."""
    started = []

    def leading(server):
        process = subprocess.Popen(
            [sys.executable, "-c", LEADS, pickle.dumps(server).hex()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "leads\n"
        return process

    yield leading
    for process in started:
        process.kill()
        process.communicate()
