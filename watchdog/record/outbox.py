"""What is to be told and was not yet, by channel, beside the journal.

The journal is what happened; this only remembers how far each channel has been told.
Lost, it begins at the journal's end: nobody is told old news, and nothing that a
decision depends on is in it.
"""

import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter

from watchdog.facts.message import Backlog, Due, Message, Severity
from watchdog.facts.problem import JournalLost
from watchdog.record import left
from watchdog.record.database import Database, Do, Execute, Failed, Place, Server

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
_TELL = """INSERT INTO told (channel, seq) VALUES (?, ?)
    ON CONFLICT (channel) DO UPDATE SET seq = excluded.seq"""
_PUT = """INSERT INTO delivery
    (channel, seq, body, state, attempts, next_at, error)
    VALUES (?, ?, ?, 'waiting', 0, ?, '') ON CONFLICT DO NOTHING"""
_FIRST = """SELECT seq, body, attempts, next_at FROM delivery
    WHERE channel = ? AND state = 'waiting' ORDER BY seq LIMIT 1"""
_TRY = "UPDATE delivery SET attempts = attempts + 1 WHERE channel = ? AND seq = ?"
_MARK = """UPDATE delivery SET state = ?, next_at = ?, error = ?
    WHERE channel = ? AND seq = ?"""
# Nobody reads again what is given up, and a channel may take nothing for years.
_EMPTY = "UPDATE delivery SET body = '' WHERE channel = ? AND seq = ?"
_TRIM = """DELETE FROM delivery WHERE state = 'sent' AND channel = ? AND seq < ?"""
_DROP = "DELETE FROM delivery WHERE channel = ? AND seq = ?"
# Of what waits, one at a time is tried: the first has the last reason.
_WAIT = """SELECT channel, count(*), min(seq) FROM delivery
    WHERE state = 'waiting' GROUP BY channel"""
_ONE = "SELECT body, error FROM delivery WHERE channel = ? AND seq = ?"
_DEAD = """SELECT channel, count(*) FROM delivery
    WHERE state = 'dead' GROUP BY channel"""
_LAST_DEAD = """SELECT next_at, error FROM delivery
    WHERE channel = ? AND state = 'dead' ORDER BY next_at DESC, seq DESC LIMIT 1"""
OUTBOX = "outbox.db"
"""The file's name, in the state folder."""
_KEPT = 1000

_MESSAGES: TypeAdapter[Message] = TypeAdapter(Message)


class Outbox:
    """How far each channel has been told. Safe from several threads.

    Raises OSError when it cannot be used: telling stops then, and the watch goes on.
    """

    def __init__(
        self,
        place: Place,
        *,
        read_only: bool = False,
        database: Database | None = None,
    ) -> None:
        """*database* is the journal's, where the two share one."""
        try:
            if isinstance(place, Server):
                self._db: _Tables = database or _on(place)
            else:
                self._db = tables_in(place, read_only=read_only)
        except (sqlite3.Error, JournalLost) as error:
            raise OSError(f"the outbox cannot be used: {error}") from error
        self._shares = self._db is database

    def close(self) -> None:
        """Let it go."""
        if not self._shares:
            self._db.close()

    def told(self, channel: str) -> int | None:
        """Give up to which event *channel* was handed its messages; None if never."""
        row = self._row(_TOLD, channel)
        return int(row[0]) if row else None

    def put(
        self, channel: str, upto: int, messages: Iterable[Message], at: datetime
    ) -> None:
        """Hand *channel* its messages up to the event *upto*, all or none."""

        def do(execute: Execute) -> None:
            for message in messages:
                body = _MESSAGES.dump_json(message).decode()
                execute(_PUT, (channel, message.seq, body, _stamp(at)))
            execute(_TELL, (channel, upto))
            execute(_TRIM, (channel, upto - _KEPT))

        self._write(do)

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
        self._write(lambda execute: execute(_TRY, (channel, seq)))

    def sent(self, channel: str, seq: int, at: datetime) -> None:
        """Note that the far end took it."""
        self._mark("sent", _stamp(at), "", channel, seq)

    def again(self, channel: str, seq: int, next_at: datetime, error: str) -> None:
        """Try it again at *next_at*."""
        self._mark("waiting", _stamp(next_at), error, channel, seq)

    def dead(self, channel: str, seq: int, at: datetime, error: str) -> None:
        """Give it up; that stays to be seen."""

        def do(execute: Execute) -> None:
            execute(_MARK, ("dead", _stamp(at), error, channel, seq))
            execute(_EMPTY, (channel, seq))

        self._write(do)

    def unheard(self, channel: str, why: str, at: datetime) -> None:
        """Note that *channel*, which has no messages, is not heard, and why.

        An empty *why*: it is heard again.
        """
        words = f"{channel} is not heard"
        message = Message(0, at, channel, Severity.WARNING, words, words)
        body = _MESSAGES.dump_json(message).decode()

        def do(execute: Execute) -> None:
            if why:
                execute(_PUT, (channel, 0, body, _stamp(at)))
                execute(_MARK, ("waiting", _stamp(at), why, channel, 0))
            else:
                execute(_DROP, (channel, 0))

        self._write(do)

    def _mark(self, *values: object) -> None:
        self._write(lambda execute: execute(_MARK, values))

    def backlog(self) -> list[Backlog]:
        """Tell of each channel that has anything left to say."""
        found: dict[str, Backlog] = {}
        for channel, count in self._rows(_DEAD):
            ((died, error),) = self._rows(_LAST_DEAD, (channel,))
            when = datetime.fromisoformat(died)
            found[channel] = Backlog(channel, 0, count, error, died=when)
        for channel, count, first in self._rows(_WAIT):
            ((body, error),) = self._rows(_ONE, (channel, first))
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
        rows = self._rows(query, (channel,))
        return rows[0] if rows else None

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.rows(query, values)
        except (sqlite3.Error, JournalLost) as error:
            raise OSError(f"the outbox cannot be used: {error}") from error

    def _write(self, do: Do) -> None:
        try:
            self._db.write(do)
        except (sqlite3.Error, Failed, JournalLost) as error:
            raise OSError(f"the outbox cannot be used: {error}") from error


class _Tables(Protocol):
    """What an outbox needs of a database; see ``Database``."""

    def rows(self, question: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read."""
        ...

    def write(self, do: Do) -> None:
        """Commit what *do* executes, all or none."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class _Beside:
    """The tables in a file beside the journal's."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self._lock = threading.Lock()
        there = path.is_file()
        alien = left.whose(path) if there else ""
        if alien:
            other = left.beside(path).name
            raise OSError(f"the outbox cannot be used: {other} is not its: {alien}")
        if read_only and there:
            self._db = left.opened_to_read(path)
        else:
            self._db = _to_write(None if read_only else path)

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            self._db.close()

    def rows(self, question: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read."""
        with self._lock:
            return self._db.execute(question, values).fetchall()

    def write(self, do: Do) -> None:
        """Commit what *do* executes, all or none."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                do(self._db.execute)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def tables_in(folder: Path, *, read_only: bool) -> _Beside:
    """Open the file in *folder*; a reader finds nothing where there is none."""
    return _Beside(folder / OUTBOX, read_only=read_only)


def _on(server: Server) -> _Tables:
    # Only who uses it loads its client.
    from watchdog.record.in_postgresql import InPostgresql  # noqa: PLC0415

    return InPostgresql(server, read_only=True)


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
        db.execute(left.CACHE)
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
