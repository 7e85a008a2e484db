"""Append-only, hash-chained events in SQLite: the watchdog's memory.

Settings: rollback journal with ``synchronous=EXTRA``, the only mode that loses no
acknowledged commit in a power cut on SQLite before 3.51.3 (docs/explanation).
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from pydantic import TypeAdapter

from watchdog.facts.event import Entry, Event
from watchdog.facts.pair import Record
from watchdog.facts.problem import Claimed, JournalLost
from watchdog.record.chain import GENESIS, KINDS, codec, link, storable, text_of
from watchdog.record.opening import NAME, damaged, not_opened, opened, to_write
from watchdog.record.room import Room
from watchdog.record.state_folder import StateFolder
from watchdog.turn.roles import Turn

_APPEND = """INSERT INTO event (seq, at, kind, body, claim, previous, hash)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
# In portions: a reader lets no writer commit for as long as one question lasts.
_READ = """SELECT seq, at, kind, body, previous, hash FROM event
    WHERE seq > ? ORDER BY seq LIMIT ?"""
_HASH = "SELECT hash FROM event WHERE seq = ?"
_PORTION = 500
_PUT = "INSERT OR IGNORE INTO blob (sha256, bytes) VALUES (?, ?)"
_GET = "SELECT bytes FROM blob WHERE sha256 = ?"
_MARK = """INSERT OR REPLACE INTO turn (only, at, words, verdicts, looked)
    VALUES (1, ?, ?, ?, ?)"""
_TURN = "SELECT at, words, verdicts, looked FROM turn"
_COMPARE = "compare with a backup and with the log, which holds every event"
_RECORDS: TypeAdapter[Record] = TypeAdapter(Record)


class Journal:
    """The one writer of a journal, or one of many readers.

    Every failed write is JournalLost and final for the process: SQLite cannot say
    whether a commit that raised is on the disk, only opening it anew can. That is done
    for a disk that is full, as long as there is kept room to give up.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._lock = threading.RLock()
        self._failed = ""
        self._state = StateFolder(folder)
        self.folder, self.is_read_only = folder, read_only
        self.room = Room(folder)
        if not read_only:
            self._state.hold()
        try:
            if read_only:
                self._db = self._open(read_only=True)
            else:
                self._db = self.room.making(lambda: self._open(read_only=False))
        except JournalLost:
            self._state.let_go()
            raise
        try:
            self._head = self._last()
        except sqlite3.Error as error:
            self.close()
            raise not_opened(folder / NAME, error) from error
        if not read_only:
            try:
                self._state.must_end_last(self.head)
                self._state.reach(self.head)
            except JournalLost:
                self.close()
                raise

    @property
    def head(self) -> int:
        """The number of the newest event; 0 before the first."""
        return self._head[0]

    @property
    def digest(self) -> str:
        """The hash of the newest event, or what the first will name."""
        return self._head[1]

    def close(self) -> None:
        """Let the file and the lock go."""
        self._db.close()
        self._state.let_go()

    def _open(self, *, read_only: bool) -> sqlite3.Connection:
        path = self.folder / NAME
        self._state.must_have(path, read_only=read_only)
        db = opened(path, read_only=read_only)
        if not read_only:
            try:
                self._state.be_known(path)
            except JournalLost:
                db.close()
                raise
        return db

    def must_be_sound(self) -> None:
        """Read every page, which takes as long as there is history.

        Raises:
            JournalLost: a page is damaged.
        """
        try:
            with self._lock:
                (sound,) = self._db.execute("PRAGMA quick_check").fetchone()
        except sqlite3.Error as error:
            raise damaged(str(error)) from error
        if sound != "ok":
            raise damaged(sound)

    def _last(self) -> tuple[int, str]:
        row = self._db.execute(
            "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return (int(row[0]), str(row[1])) if row else (0, GENESIS)

    # -- writing -----------------------------------------------------------------

    def _write(
        self,
        do: Callable[[sqlite3.Connection], object],
        then: tuple[int, str] | None = None,
    ) -> None:
        """Commit what *do* writes; *then* is the head that it comes to, if another.

        On a full disk kept room is given up, and it is tried again, on the file as
        it is opened anew: that shows whether the commit which raised came about.
        """
        with self._lock:
            if self._failed:
                raise JournalLost(f"the journal failed before: {self._failed}")
            try:
                while True:
                    try:
                        self._db.execute("BEGIN IMMEDIATE")
                        do(self._db)
                        self._db.execute("COMMIT")
                    except sqlite3.Error as error:
                        if self._db.in_transaction:
                            with suppress(sqlite3.Error):
                                self._db.execute("ROLLBACK")
                        if str(error).endswith("event.claim"):
                            raise Claimed(f"{error}: it happened before") from error
                        if not self.room.give(error):
                            raise
                        self._db.close()
                        self._db = to_write(self.folder / NAME)
                        found = self._last()
                        if found == then:
                            return
                        if found != self._head:
                            raise
                    else:
                        return
            except (sqlite3.Error, OSError) as error:
                self._failed = str(error)
                raise JournalLost(
                    f"the journal could not be written: {error}",
                    "free the disk or mend the volume; what happened is read again "
                    "at the next start",
                ) from error

    def append(self, at: datetime, *events: Event, claim: str = "") -> list[Entry]:
        """Add *events* in one transaction, all or none, durable when this returns.

        *claim* is for what may happen once only, ever: it belongs to the last of
        the events, and a second one with the same claim raises Claimed.
        """
        with self._lock:
            head, entries = self._append(at, events, claim)
            self._head = head
            self._state.reach(self.head)
        return entries

    def _append(
        self, at: datetime, events: tuple[Event, ...], claim: str
    ) -> tuple[tuple[int, str], list[Entry]]:
        stamp = at.astimezone(UTC).isoformat(timespec="microseconds")
        written = [(type(event).__name__, text_of(event)) for event in events]
        # What is told is what was written, as the next start will read it.
        told: list[Event] = [codec(kind).validate_json(body) for kind, body in written]
        entries: list[Entry] = []
        rows: list[tuple[object, ...]] = []
        seq, previous = self._head
        for (kind, body), event in zip(written, told, strict=True):
            seq += 1
            digest = link(previous, seq, stamp, kind, body)
            mine = claim if claim and len(entries) + 1 == len(events) else None
            rows.append((seq, stamp, kind, body, mine, previous, digest))
            previous = digest
            entries.append(Entry(seq, datetime.fromisoformat(stamp), event))
        head = (seq, previous)
        self._write(lambda db: db.executemany(_APPEND, rows), then=head)
        return head, entries

    def put(self, data: bytes) -> str:
        """Keep *data*; return its sha256, by which it is found again."""
        sha = hashlib.sha256(data).hexdigest()
        self._write(lambda db: db.execute(_PUT, (sha, data)))
        return sha

    def put_record(self, record: Record) -> str:
        """Keep a release record; the same record has the same name."""
        whole = json.loads(_RECORDS.dump_json(record))
        return self.put(json.dumps(whole, sort_keys=True).encode())

    def mark(self, turn: Turn) -> None:
        """Note that a turn is complete."""
        verdicts = json.dumps(dict(turn.verdicts))
        looked = turn.looked.isoformat() if turn.looked else None
        row = (turn.at.isoformat(), storable(turn.words), verdicts, looked)
        self._write(lambda db: db.execute(_MARK, row))
        self.room.reserve()

    # -- reading -----------------------------------------------------------------

    def entries(self, after: int = 0, most: int | None = None) -> list[Entry]:
        """Read all events after *after*, in order, or the first *most* of them.

        For what is known to be short; what may be all that ever was is a stream.

        Raises:
            JournalLost: as ``stream`` does.
        """
        return list(islice(self.stream(after), most))

    def stream(self, after: int = 0, digest: str = "") -> Iterator[Entry]:
        """Read all events after *after*, in order, checking the chain's links.

        Few are held at a time. *digest* is the hash of *after*, where it is known.

        Raises:
            JournalLost: an event was changed, taken out, or is of a kind that
                this version does not know.
        """
        for seq, stamp, kind, body, _ in self._links(after, digest):
            if kind not in KINDS:
                raise JournalLost(
                    f"event {seq} is a {kind}, which this version does not know",
                    "a newer watchdog wrote it: run that one",
                )
            event: Event = codec(kind).validate_json(body)
            yield Entry(seq, datetime.fromisoformat(stamp), event)

    def rows(self, after: int = 0) -> Iterator[tuple[int, str, str, str, str, str]]:
        """Give all that lies in the journal after the event *after*, unchecked.

        Each: its number, time, kind, body, the hash before and its own.
        """
        while found := self._rows(after):
            yield from found
            after = found[-1][0]

    def verified(self, after: int, digest: str, most: int) -> tuple[int, str]:
        """Check *most* links after the event *after* of hash *digest*; say how far.

        Raises:
            JournalLost: an event was changed or taken out.
        """
        for seq, _, _, _, found in islice(self._links(after, digest), most):
            after, digest = seq, found
        return after, digest

    def _links(
        self, after: int, before: str = ""
    ) -> Iterator[tuple[int, str, str, str, str]]:
        """Give each event's number, time, kind, body and hash, once it is checked."""
        before = before or ("" if after else GENESIS)
        while rows := self._rows(after):
            for seq, stamp, kind, body, previous, digest in rows:
                if seq != after + 1:
                    raise JournalLost(
                        f"event {after + 1} of the journal is missing", _COMPARE
                    )
                if (
                    before not in ("", previous)
                    or link(previous, seq, stamp, kind, body) != digest
                ):
                    raise JournalLost(
                        f"event {seq} of the journal was changed after it was written",
                        _COMPARE,
                    )
                yield seq, stamp, kind, body, digest
                after, before = seq, digest

    def _rows(self, after: int) -> list[tuple[int, str, str, str, str, str]]:
        try:
            with self._lock:
                return self._db.execute(_READ, (after, _PORTION)).fetchall()
        except sqlite3.Error as error:
            raise damaged(str(error)) from error

    def digest_of(self, seq: int) -> str:
        """Give the hash of an event; nothing where there is no such event."""
        with self._lock:
            row = self._db.execute(_HASH, (seq,)).fetchone()
        return str(row[0]) if row else ""

    def blob(self, sha256: str) -> bytes:
        """Read what was kept under *sha256*."""
        with self._lock:
            row = self._db.execute(_GET, (sha256,)).fetchone()
        if row is None or hashlib.sha256(row[0]).hexdigest() != sha256:
            raise JournalLost(f"the ledger does not hold {sha256[:12]} any more")
        return bytes(row[0])

    def record(self, sha256: str) -> Record:
        """Read a release record."""
        return _RECORDS.validate_json(self.blob(sha256))

    def last_turn(self) -> Turn | None:
        """Give the last complete turn; None before the first."""
        with self._lock:
            row = self._db.execute(_TURN).fetchone()
        if row is None:
            return None
        at, words, verdicts, looked = row
        return Turn(
            datetime.fromisoformat(at),
            str(words),
            json.loads(verdicts),
            datetime.fromisoformat(looked) if looked else None,
        )
