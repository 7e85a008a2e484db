"""Another program holds the journal of a daemon that is at work on a real engine."""

import sqlite3
import time
from contextlib import closing, contextmanager, suppress

import httpx
import pytest

pytestmark = [pytest.mark.real, pytest.mark.campaign]


@contextmanager
def held(it):
    """Hold the journal for writing, as soon as the watchdog has it free."""
    with closing(sqlite3.connect(it.state / "journal.db", isolation_level=None)) as db:
        db.execute("PRAGMA busy_timeout = 60000")
        db.execute("BEGIN EXCLUSIVE")
        yield
        db.execute("ROLLBACK")


def becomes(status, see):
    last = time.monotonic() + 120
    while (seen := see().status_code) != status:
        assert time.monotonic() < last, seen
        time.sleep(0.2)


def test_who_holds_the_journal_delays_the_watch_and_the_way_back_and_ends_neither(
    stage,
):
    it = stage()
    it.compose("up", "-d", "--no-build", "--wait")
    with it.scanning():
        watching = it.watch()
        it.until("decide.pair_known_good", 120)

        def ready():
            return httpx.get(f"{it.private}/readyz", timeout=60)

        def is_open(at):
            """Ask the gate; who is not answered promotes nothing."""
            with suppress(httpx.HTTPError):
                return httpx.get(at, timeout=5).status_code == 200
            return False

        gate = f"{it.decisions}/v1/promotion/v1.2.0"
        becomes(200, ready)
        with held(it):
            # Who asks for what is in the file may wait for it; nobody else does.
            for asks in ("v1/status", "metrics"):
                is_open(f"{it.private}/{asks}")
            is_open(gate)
            becomes(503, ready)
            assert not is_open(gate)
        becomes(200, ready)

        it.deploy("v1.3.0")
        it.until("act.rollback_started")
        with held(it):
            time.sleep(10)  # longer than SQLite waits
        it.until("record.rollback_audited", how="proved")

        assert watching.poll() is None
        with held(it):
            watching.terminate()
            time.sleep(10)  # it may wait, and is killed where nobody lets it
        assert watching.wait(120) in (0, -15)

    assert "another program holds the journal" in it.log.read_text()
    assert [one["image"] for one in it.starts()] == ["v1.2.0", "v1.3.0", "v1.2.0"]
