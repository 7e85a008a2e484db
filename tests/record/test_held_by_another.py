"""A program that holds the journal for long delays the watch, and ends nothing."""

import sqlite3
import threading
from contextlib import closing

import pytest

from tests.worlds import AT
from watchdog.facts.event import WatchStarted
from watchdog.facts.problem import JournalLost
from watchdog.record.journal import Journal

HELLO = WatchStarted("1", "act")
LONG = 60


@pytest.fixture
def other(tmp_path):
    """Give another program's connection to the same file."""
    with closing(Journal(tmp_path)) as journal:
        journal.append(AT, HELLO)
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as it:
        yield it


def hasty(journal):
    """Have SQLite itself wait for an instant only, where the product gives it 5 s."""
    journal.database._db.execute("PRAGMA busy_timeout = 100")


def hold(other, how):
    """Hold the file: for writing, or as a reader whose answer waits in a pager."""
    if how == "writes":
        other.execute("BEGIN EXCLUSIVE")
    else:
        other.execute("BEGIN")
        other.execute("SELECT * FROM event").fetchone()


def until_said(capfd):
    """Wait until the journal says who keeps it; give all that it said."""
    said = ""
    for _ in range(LONG * 10):
        said += capfd.readouterr().err
        if said:
            return said
        threading.Event().wait(0.1)
    pytest.fail("nothing was said")


@pytest.mark.parametrize("how", ["writes", "reads"])
def test_a_write_waits_until_the_file_is_free_and_says_for_what(
    tmp_path, other, how, capfd
):
    with closing(Journal(tmp_path)) as journal:
        hasty(journal)
        hold(other, how)
        write = threading.Thread(target=journal.append, args=(AT, HELLO))
        write.start()

        said = until_said(capfd)
        still_waits = write.is_alive()
        other.execute("ROLLBACK")
        write.join(LONG)
        journal.append(AT, HELLO)
        entries = journal.entries()

    assert still_waits
    assert "another program holds the journal" in said
    assert [entry.seq for entry in entries] == [1, 2, 3]


def test_who_writes_waits_also_to_read(tmp_path, other, capfd):
    found = []
    with closing(Journal(tmp_path)) as journal:
        hasty(journal)
        hold(other, "writes")
        look = threading.Thread(target=lambda: found.append(journal.entries()))
        look.start()

        until_said(capfd)
        other.execute("ROLLBACK")
        look.join(LONG)

    assert [len(entries) for entries in found] == [1]


def test_to_a_command_that_reads_a_held_file_is_not_damaged(tmp_path, other):
    with closing(Journal(tmp_path, read_only=True)) as journal:
        hasty(journal)
        hold(other, "writes")

        with pytest.raises(JournalLost, match="another program holds the journal"):
            journal.entries()
