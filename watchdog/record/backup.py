"""The state folder in one file, taken beside a running watchdog, and put back.

Not ``cp``: a copy of a database that is written meanwhile is torn, and one that is
locked for as long as it takes would let the watchdog's own commits fail. Events are
only ever added and blobs never taken out, so both are copied in small portions.
"""

import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from watchdog.facts.problem import JournalLost, Problem
from watchdog.record import left
from watchdog.record.chain import GENESIS
from watchdog.record.journal import Journal
from watchdog.record.opening import NAME, opened
from watchdog.record.state_folder import StateFolder

_PORTION = 500
_EVENTS = "SELECT * FROM event WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
_BLOBS = "SELECT rowid, * FROM blob WHERE rowid > ? ORDER BY rowid LIMIT ?"
_OUTBOX = "outbox.db"
_SENTINEL = "journal.id"
# What is copied as it is, where it is there: `audit.key` signs checkpoints.
_PLAIN = ("watchdog.id", "audit.key")
# In this order: a folder with all but the last is one whose journal is gone, and the
# watchdog refuses to begin anew there.
_NAMES = (_SENTINEL, *_PLAIN, _OUTBOX, NAME)


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: up to which event, and when that one was written (UTC)."""

    head: int
    at: datetime | None

    def __str__(self) -> str:
        if self.at is None:
            return "no event yet"
        return f"events 1 to {self.head}, the last of {self.at:%Y-%m-%d %H:%M:%S} UTC"


def back_up(state: Path, out: Path) -> Backup:
    """Write all that a watchdog needs of the folder *state* to the new file *out*.

    Every link of the journal is checked in the copy. The file is its owner's alone:
    it holds how containers are made, with whatever their environment has.

    Raises:
        JournalLost: the journal cannot be read, or does not hold.
        Problem: the file is there already, or cannot be written.
    """
    with _refusing(f"cannot write {out}"), ExitStack() as after:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        file = after.enter_context(os.fdopen(handle, "wb"))
        try:
            # Beside the file, which has the room that a copy needs.
            folder = Path(
                after.enter_context(
                    tempfile.TemporaryDirectory(dir=out.absolute().parent)
                )
            )
            # First: it never knows of more than the journal that is copied after it.
            if (state / _OUTBOX).is_file():
                _copy_outbox(state / _OUTBOX, folder / _OUTBOX)
            with closing(Journal(state, read_only=True)) as journal:
                head = journal.head
            _copy_journal(state / NAME, folder / NAME, head)
            for name in _PLAIN:
                if (state / name).is_file():
                    shutil.copyfile(state / name, folder / name)
            (folder / _SENTINEL).write_text(f"{head:018}\n")
            done = _looked_at(folder)
            with tarfile.open(fileobj=file, mode="w:gz") as tar:
                for name in _NAMES:
                    if (folder / name).is_file():
                        tar.add(folder / name, name, filter=_anonymous)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            out.unlink(missing_ok=True)  # half a backup is none
            raise
    return done


def put_back(file: Path, state: Path) -> Backup:
    """Put the backup *file* into the folder *state*, where there is no journal.

    Raises:
        Held: a watchdog runs there.
        JournalLost: the backup does not hold, or what lies in *state* knows of more.
        Problem: there is a journal, or the file is no backup.
    """
    folder = StateFolder(state)
    folder.hold()
    with ExitStack() as after:
        after.callback(folder.let_go)
        if (state / NAME).exists():
            raise Problem(
                f"there is a journal in {state}",
                "a backup is put into a folder without one: move "
                f"{NAME} and {NAME}-journal aside, knowing that what they hold and the "
                "backup does not is forgotten",
            )
        after.enter_context(_refusing(f"cannot restore {file}"))
        beside = Path(after.enter_context(tempfile.TemporaryDirectory(dir=state)))
        _unpack(file, beside)
        opened(beside / NAME, read_only=False).close()  # bring an older one on
        done = _looked_at(beside)
        folder.must_end_last(done.head)
        for name in _NAMES:
            if (beside / name).is_file():
                (beside / name).chmod(0o600)
                (beside / name).replace(state / name)
        # Made from a journal, maybe from another one.
        (state / "standing.json").unlink(missing_ok=True)
        handle = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
        after.callback(os.close, handle)
        os.fsync(handle)
    return done


def _copy_outbox(source: Path, target: Path) -> None:
    with (
        closing(left.opened_to_read(source)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _copy_journal(source: Path, target: Path, head: int) -> None:
    with (
        closing(opened(source, read_only=True)) as old,
        closing(opened(target, read_only=False)) as new,
    ):
        new.execute("PRAGMA synchronous = OFF")
        new.execute("BEGIN")
        after = 0
        while rows := old.execute(_EVENTS, (after, head, _PORTION)).fetchall():
            new.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            after = rows[-1][0]
        after = 0
        while rows := old.execute(_BLOBS, (after, _PORTION)).fetchall():
            kept = [row[1:] for row in rows]
            new.executemany("INSERT INTO blob VALUES (?, ?)", kept)
            after = rows[-1][0]
        turn = old.execute("SELECT * FROM turn").fetchall()
        new.executemany("INSERT INTO turn VALUES (?, ?, ?, ?, ?)", turn)
        new.execute("COMMIT")


def _looked_at(folder: Path) -> Backup:
    """Check every page and every link of the copy in *folder*."""
    with closing(Journal(folder, read_only=True)) as journal:
        journal.must_be_sound()
        reached, _ = journal.verified(0, GENESIS, journal.head)
        if reached != journal.head:
            raise JournalLost(f"the copy ends at event {reached}, not {journal.head}")
        last = (
            next(iter(journal.rows(journal.head - 1)), None) if journal.head else None
        )
        at = datetime.fromisoformat(last[1]).astimezone(UTC) if last else None
        return Backup(journal.head, at)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Give a file to whoever unpacks it, and to nobody else."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _unpack(file: Path, folder: Path) -> None:
    """Take the files that a backup has, and no other, whatever the archive says."""
    try:
        with tarfile.open(file, "r:gz") as tar:
            for member in tar:
                if member.name not in _NAMES or not member.isreg():
                    raise Problem(f"{file} is no backup: it holds {member.name!r}")
                source = tar.extractfile(member) or io.BytesIO()
                with (folder / member.name).open("xb") as target:
                    shutil.copyfileobj(source, target)
    except (tarfile.TarError, EOFError) as error:
        raise Problem(f"{file} is no backup: {error}") from error
    if not (folder / NAME).is_file():
        raise Problem(f"{file} is no backup: it holds no {NAME}")


@contextmanager
def _refusing(words: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Problem(f"{words}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise JournalLost(f"{words}: {error}") from error
