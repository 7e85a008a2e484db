"""A second watchdog on one PostgreSQL: whole processes, as they are run."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.commands.test_main import Box

pytestmark = pytest.mark.real


@pytest.fixture
def node(tmp_path, cluster):
    """Make a node of an installation; run it, or a command on it."""
    made = []
    schema = cluster.server(tmp_path).schema

    def node(name):
        (tmp_path / name).mkdir()
        box = Box(tmp_path / name)
        database = {"url": cluster.url(), "schema_name": schema, "lease": "3s"}
        box.settings |= {"database": database, "poll": "1s"}
        box.write({})

        def run():
            process = subprocess.Popen(
                [sys.executable, "-m", "watchdog", "run"],
                env=os.environ | box.env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            made.append(process)
            return process

        return box, run

    yield node
    for process in made:
        process.kill()
        if process.stderr and not process.stderr.closed:
            process.communicate()


def led(box):
    said = json.loads(box.says("status", "--json").stdout or "{}")
    return said.get("leader", ""), said.get("last_turn")


def test_a_second_follows_and_the_first_does_nothing_when_it_wakes(node, until):
    one, run_one = node("one")
    two, run_two = node("two")
    first = run_one()
    until(lambda: led(two)[1])
    second = run_two()
    here = socket.gethostname()

    says = second.stderr.readline()
    refused = two.says("hold", "--by", "asha", "--reason", "later").exception
    first.send_signal(signal.SIGSTOP)
    until(lambda: led(one)[0] == f"{here} (epoch 2)")
    first.send_signal(signal.SIGCONT)
    _, last = first.communicate(timeout=90)

    assert says.startswith(f"{here} (epoch 1) leads; this watchdog follows")
    assert refused.words == f"{here} (epoch 1) leads, and no order is taken here"
    assert second.poll() is None
    assert first.returncode == 70
    assert "leads no more" in last or "what this one would write is refused" in last
