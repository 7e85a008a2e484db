"""The state folder in one file, and back: `watchdog backup` and `restore`."""

import hashlib
import io
import sqlite3
import tarfile
import threading
from contextlib import closing
from datetime import timedelta

import pytest

from tests.commands.test_main import Box
from tests.worlds import AT
from watchdog.facts.event import WatchStarted
from watchdog.facts.problem import Held, JournalLost, Problem
from watchdog.record.backup import back_up, put_back
from watchdog.record.checkpoint import drawn_key
from watchdog.record.identity import identity
from watchdog.record.journal import Journal
from watchdog.record.outbox import Outbox

SECOND = timedelta(seconds=1)
RECORD = hashlib.sha256(b"a record").hexdigest()


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path)
    box.state.mkdir(mode=0o700)
    with closing(Journal(box.state)) as journal:
        identity(box.state)
        drawn_key(box.state)
        journal.put(b"a record")
        journal.append(AT, WatchStarted("1", "act"), claim="order/one")
        journal.append(AT + SECOND, WatchStarted("2", "act"))
    Outbox(box.state).close()
    return box


def everything(state):
    with closing(Journal(state, read_only=True)) as journal:
        kept = [(state / name).read_bytes() for name in ("watchdog.id", "audit.key")]
        return list(journal.rows()), journal.blob(RECORD), kept


def test_what_was_backed_up_comes_back_as_it_was(box, tmp_path):
    file = tmp_path / "kept.tar.gz"
    before = everything(box.state)

    said = box.says("backup", str(file))

    assert said.output == (
        f"{file}: events 1 to 2, the last of {AT + SECOND:%Y-%m-%d %H:%M:%S} UTC; "
        "every link holds\n"
    )
    assert file.stat().st_mode & 0o777 == 0o600
    box.state.rename(tmp_path / "lost")
    assert "events 1 to 2" in box.says("restore", str(file)).output
    assert everything(box.state) == before
    # And it is a journal that goes on, with its claims.
    with closing(Journal(box.state)) as journal, pytest.raises(Problem):
        journal.append(AT, WatchStarted("3", "act"), claim="order/one")


def test_a_watchdog_that_writes_meanwhile_is_neither_stopped_nor_torn(box, tmp_path):
    stop = threading.Event()

    def writing():
        with closing(Journal(box.state)) as journal:
            while not stop.wait(0.005):
                journal.append(AT + SECOND, WatchStarted("more", "act"))

    writer = threading.Thread(target=writing)
    writer.start()
    try:
        heads = [back_up(box.state, tmp_path / f"{n}.tar.gz").head for n in range(5)]
    finally:
        stop.set()
        writer.join()

    assert heads == sorted(heads)
    (tmp_path / "another").mkdir()
    done = put_back(tmp_path / "4.tar.gz", tmp_path / "another")
    assert done.head == heads[-1]


def test_it_overwrites_nothing(box, tmp_path):
    file = tmp_path / "kept.tar.gz"
    file.write_text("mine")
    assert "cannot write" in box.refuses("backup", str(file))
    assert file.read_text() == "mine"

    file.unlink()
    back_up(box.state, file)
    assert "there is a journal in" in box.refuses("restore", str(file))


def test_a_journal_that_does_not_hold_leaves_no_backup(box, tmp_path):
    with closing(sqlite3.connect(box.state / "journal.db")) as db:
        db.execute("UPDATE event SET body = '{}' WHERE seq = 1")
        db.commit()
    file = tmp_path / "kept.tar.gz"

    assert "event 1 of the journal was changed" in box.refuses("backup", str(file))
    assert not file.exists()


def test_a_backup_is_not_put_where_more_was_known(box, tmp_path):
    file = tmp_path / "kept.tar.gz"
    back_up(box.state, file)
    with closing(Journal(box.state)) as journal:
        journal.append(AT + SECOND, WatchStarted("3", "act"))
    (box.state / "journal.db").unlink()

    with pytest.raises(JournalLost, match="ends at event 2, and had 3"):
        put_back(file, box.state)

    assert not (box.state / "journal.db").exists()
    (box.state / "journal.id").unlink()
    assert put_back(file, box.state).head == 2


def test_it_is_not_put_back_under_a_watchdog_that_runs(box, tmp_path):
    file = tmp_path / "kept.tar.gz"
    back_up(box.state, file)
    with closing(Journal(tmp_path / "other")), pytest.raises(Held):
        put_back(file, tmp_path / "other")


def test_an_archive_puts_nothing_but_a_backup_anywhere(tmp_path):
    file, state = tmp_path / "odd.tar.gz", tmp_path / "new"
    for name, kind in (
        ("../out", tarfile.REGTYPE),
        ("journal.db", tarfile.SYMTYPE),
        ("more", tarfile.REGTYPE),
    ):
        with tarfile.open(file, "w:gz") as tar:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/hostname"
            tar.addfile(member, io.BytesIO())
        with pytest.raises(Problem, match="is no backup"):
            put_back(file, state)
    file.write_text("not an archive")
    with pytest.raises(Problem, match="is no backup"):
        put_back(file, state)

    assert [path.name for path in state.iterdir()] == []
    assert not (tmp_path / "out").exists()
