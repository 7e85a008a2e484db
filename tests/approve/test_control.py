"""The control door of a real daemon, which sees neither an engine nor Prometheus."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from tests.commands.test_main import Box
from tests.worlds import ASHA, HEALTHY_THEN_NEXT, a_pair, a_record
from watchdog.approve.control_socket import knock, opened
from watchdog.facts.event import HoldPlaced
from watchdog.facts.problem import Problem
from watchdog.record.journal import Journal

HOLD = ("hold", "--by", ASHA, "--reason", "a migration")


class Daemon(Box):
    """A box in which ``watchdog run`` runs."""

    def __init__(self, folder):
        super().__init__(folder)
        self.process = None
        self.journal(*HEALTHY_THEN_NEXT, turned=False)
        journal = Journal(self.state)
        journal.put_record(a_record("v1.3.0"))
        journal.close()

    def start(self):
        self.write({})
        command = [sys.executable, "-m", "watchdog", "run"]
        self.process = subprocess.Popen(
            command, env=os.environ | self.env, stdout=subprocess.PIPE
        )
        deadline = time.monotonic() + 30
        while not self.door.exists() or knock(self.state, "ping", {}) is None:
            assert time.monotonic() < deadline, "the door did not open"
            time.sleep(0.05)

    def end(self, number):
        self.process.send_signal(number)
        self.process.communicate(timeout=60)

    @property
    def door(self):
        return self.state / "control.sock"

    def events(self, *kinds):
        journal = Journal(self.state, read_only=True)
        found = [e.event for e in journal.entries() if isinstance(e.event, kinds)]
        journal.close()
        return found


@pytest.fixture
def daemon(tmp_path):
    # A socket's path has 107 bytes at most.
    folder = tmp_path / ("far-away-" * 12)
    folder.mkdir()
    made = Daemon(folder)
    yield made
    if made.process and made.process.poll() is None:
        made.end(signal.SIGKILL)


def test_the_command_line_hands_its_orders_to_the_daemon(daemon):
    daemon.start()

    assert stat.S_IMODE(daemon.door.stat().st_mode) == 0o600
    assert stat.S_ISSOCK(daemon.door.stat().st_mode)
    done = daemon.runs(*HOLD)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"operator hold by {ASHA} since ")
    again = daemon.runs(*HOLD)
    assert (again.returncode, again.stdout) == (9, "")
    assert again.stderr.startswith("there is one already: operator hold by ")
    assert len(daemon.events(HoldPlaced)) == 1
    assert "hold           operator hold by" in daemon.says("status").output

    daemon.end(signal.SIGTERM)
    assert not daemon.door.exists()


def test_a_killed_daemon_leaves_a_door_that_keeps_nobody_out(daemon):
    daemon.start()
    daemon.end(signal.SIGKILL)
    assert daemon.door.exists()

    done = daemon.runs(*HOLD)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(daemon.events(HoldPlaced)) == 1

    daemon.start()
    assert daemon.runs("resume", "--by", ASHA).returncode == 0


def test_a_journal_that_is_held_behind_a_closed_door_is_one_clear_error(daemon):
    held = Journal(daemon.state)
    words = daemon.refuses(*HOLD)
    held.close()

    assert words == (
        f"another watchdog holds the journal in {daemon.state}, and its control door "
        "does not answer\n"
        "hint: it may be starting: try again; if it hangs, restart it"
    )


def test_where_no_watchdog_ever_ran_nothing_is_begun(tmp_path):
    box = Box(tmp_path)

    assert "there is no journal" in box.refuses(*HOLD)
    assert not box.state.exists()


def test_a_person_vouches_without_a_daemon_and_the_ledger_shows_it(daemon):
    short = a_pair("v1.3.0").short
    record = daemon.refuses("releases", "vouch", short, "--by", ASHA)
    assert record.startswith("v1.3.0 cannot be put back any more: ")

    listed = daemon.says("releases").output
    assert f"v1.3.0  {short}  candidate  <- running" in listed
    assert '"id": "' in daemon.says("releases", "--json").output


def test_a_folder_that_takes_no_socket_is_refused_in_words(tmp_path):
    (tmp_path / "control.sock").mkdir()

    with pytest.raises(Problem, match="cannot listen on") as caught, opened(tmp_path):
        pass

    assert "a local folder in which there may be a socket" in caught.value.hint
