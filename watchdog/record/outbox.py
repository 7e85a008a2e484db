"""What is to be told and was not yet, by channel, in a file beside the journal.

The journal is what happened; this only remembers how far each channel has been told.
Lost, it begins at the journal's end: nobody is told old news, and nothing that a
decision depends on is in it.
"""

import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from watchdog.facts.message import Backlog, Due, Message
from watchdog.record import left

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS told (
        channel TEXT PRIMARY KEY,
        seq INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS delivery (
        channel TEXT NOT NULL,
        seq INTEGER NOT NULL,
        body TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'dead')),
        attempts INTEGER NOT NULL,
        next_at TEXT NOT NULL,
        error TEXT NOT NULL,
        PRIMARY KEY (channel, seq)
    ) STRICT""",
)
_TOLD = "SELECT seq FROM told WHERE channel = ?"
_TELL = "INSERT OR REPLACE INTO told (channel, seq) VALUES (?, ?)"
_PUT = """INSERT OR IGNORE INTO delivery
    (channel, seq, body, state, attempts, next_at, error)
    VALUES (?, ?, ?, 'waiting', 0, ?, '')"""
_FIRST = """SELECT seq, body, attempts, next_at FROM delivery
    WHERE channel = ? AND state = 'waiting' ORDER BY seq LIMIT 1"""
_TRY = "UPDATE delivery SET attempts = attempts + 1 WHERE channel = ? AND seq = ?"
_MARK = """UPDATE delivery SET state = ?, next_at = ?, error = ?
    WHERE channel = ? AND seq = ?"""
_TRIM = """DELETE FROM delivery WHERE state = 'sent' AND channel = ? AND seq < ?"""
# Of what waits, one at a time is tried: the first has the last reason.
_WAIT = """SELECT channel, count(*), min(seq) FROM delivery
    WHERE state = 'waiting' GROUP BY channel"""
_ONE = "SELECT body, error FROM delivery WHERE channel = ? AND seq = ?"
_DEAD = """SELECT channel, count(*), max(next_at), error FROM delivery
    WHERE state = 'dead' GROUP BY channel"""
_NAME = "outbox.db"
_KEPT = 1000

_MESSAGES: TypeAdapter[Message] = TypeAdapter(Message)


class Outbox:
    """How far each channel has been told. Safe from several threads.

    Raises OSError when its file cannot be used: telling stops then, and the watch
    goes on.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._lock = threading.Lock()
        path = folder / _NAME
        there = path.is_file()
        try:
            alien = left.whose(path) if there else ""
            if alien:
                other = left.beside(path).name
                raise OSError(f"the outbox cannot be used: {other} is not its: {alien}")
            if read_only and there:
                self._db = left.opened_to_read(path)
            else:
                self._db = _to_write(None if read_only else path)
        except sqlite3.Error as error:
            raise OSError(f"the outbox cannot be used: {error}") from error

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            self._db.close()

    def told(self, channel: str) -> int | None:
        """Give up to which event *channel* was handed its messages; None if never."""
        row = self._row(_TOLD, channel)
        return int(row[0]) if row else None

    def put(
        self, channel: str, upto: int, messages: Iterable[Message], at: datetime
    ) -> None:
        """Hand *channel* its messages up to the event *upto*, all or none."""
        with self._writing() as db:
            for message in messages:
                body = _MESSAGES.dump_json(message).decode()
                db.execute(_PUT, (channel, message.seq, body, _stamp(at)))
            db.execute(_TELL, (channel, upto))
            db.execute(_TRIM, (channel, upto - _KEPT))

    def first(self, channel: str) -> Due | None:
        """Give what *channel* waits for: the order of events is kept."""
        row = self._row(_FIRST, channel)
        if row is None:
            return None
        _, body, attempts, next_at = row
        return Due(
            _MESSAGES.validate_json(body), attempts, datetime.fromisoformat(next_at)
        )

    def trying(self, channel: str, seq: int) -> None:
        """Note an attempt before it is made: a crash in it counts as one."""
        with self._writing() as db:
            db.execute(_TRY, (channel, seq))

    def sent(self, channel: str, seq: int, at: datetime) -> None:
        """Note that the far end took it."""
        with self._writing() as db:
            db.execute(_MARK, ("sent", _stamp(at), "", channel, seq))

    def again(self, channel: str, seq: int, next_at: datetime, error: str) -> None:
        """Try it again at *next_at*."""
        with self._writing() as db:
            db.execute(_MARK, ("waiting", _stamp(next_at), error, channel, seq))

    def dead(self, channel: str, seq: int, at: datetime, error: str) -> None:
        """Give it up; it stays to be seen."""
        with self._writing() as db:
            db.execute(_MARK, ("dead", _stamp(at), error, channel, seq))

    def backlog(self) -> list[Backlog]:
        """Tell of each channel that has anything left to say."""
        found: dict[str, Backlog] = {}
        with self._using() as db:
            for channel, count, died, error in db.execute(_DEAD).fetchall():
                when = datetime.fromisoformat(died)
                found[channel] = Backlog(channel, 0, count, error, died=when)
            for channel, count, first in db.execute(_WAIT).fetchall():
                body, error = db.execute(_ONE, (channel, first)).fetchone()
                since = _MESSAGES.validate_json(body).at
                one = found.get(channel, Backlog(channel, 0, 0, ""))
                found[channel] = replace(
                    one, waiting=count, error=error or one.error, since=since
                )
        return sorted(found.values(), key=lambda one: one.channel)

    def untold(self, names: Collection[str]) -> list[Backlog] | None:
        """Give the backlog of the channels that there still are; None: unreadable."""
        try:
            return [one for one in self.backlog() if one.channel in names]
        except OSError:
            return None

    def _row(self, query: str, channel: str) -> tuple[Any, ...] | None:
        with self._using() as db:
            row: tuple[Any, ...] | None = db.execute(query, (channel,)).fetchone()
        return row

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise OSError(f"the outbox cannot be used: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise


def _to_write(path: Path | None) -> sqlite3.Connection:
    """Open *path*, its owner's alone; or none, where there is nothing to read yet."""
    where: Path | str = ":memory:"
    if path is not None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.fchmod(handle, 0o600)  # those of earlier builds are for all to read
        finally:
            os.close(handle)
        where = path
    db = sqlite3.connect(where, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA busy_timeout = 5000")
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA synchronous = EXTRA")
        for statement in _SCHEMA:
            db.execute(statement)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
