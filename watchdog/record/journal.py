"""Append-only, hash-chained events in SQLite: the watchdog's memory.

Settings: rollback journal with ``synchronous=EXTRA``, the only mode that loses no
acknowledged commit in a power cut on SQLite before 3.51.3 (docs/explanation).
"""

import fcntl
import hashlib
import json
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from watchdog.facts.event import EVERY_EVENT, Entry, Event
from watchdog.facts.pair import Record
from watchdog.facts.problem import Claimed, Held, JournalLost
from watchdog.record import kept, left
from watchdog.record.room import Room
from watchdog.turn.roles import Turn

_APPLICATION = 0x444D5357  # "DMSW"
_VERSION = 2
_SCHEMA = (
    """CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        claim TEXT UNIQUE,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE blob (
        sha256 TEXT PRIMARY KEY,
        bytes BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE turn (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        at TEXT NOT NULL,
        words TEXT NOT NULL,
        verdicts TEXT NOT NULL,
        looked TEXT
    ) STRICT""",
)
# From the version before to that one; a journal is brought on when it is opened.
_STEPS = {2: "ALTER TABLE turn ADD COLUMN looked TEXT"}
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
GENESIS = "0" * 64
"""What stands where the first event names the hash of the one before."""
_NAME = "journal.db"
# Says that a journal was here, and how far it went: a missing file and a new one look
# alike otherwise, and so do an old copy and the journal.
_SENTINEL = "journal.id"
# What was told of it lies beside it, and outlives an older copy of it.
_TOLD = "outbox.db"
_UPTO = "SELECT max(seq) FROM told"
_COMPARE = "compare with a backup and with the log, which holds every event"
_REACHED = re.compile(r"[0-9]{18}\n")

_CODECS: dict[str, TypeAdapter[Any]] = {
    kind.__name__: TypeAdapter(kind) for kind in EVERY_EVENT
}
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
        self._held = -1
        self.folder, self.is_read_only = folder, read_only
        self.room = Room(folder)
        if not read_only:
            self._hold()
        try:
            if read_only:
                self._db = self._open(read_only=True)
            else:
                self._db = self.room.making(lambda: self._open(read_only=False))
        except JournalLost:
            self._let_go()
            raise
        try:
            self._head = self._last()
        except sqlite3.Error as error:
            self.close()
            raise _not_opened(folder / _NAME, error) from error
        if not read_only:
            try:
                self._hold_against_what_is_beside()
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
        self._let_go()

    def _let_go(self) -> None:
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def _hold(self) -> None:
        try:
            above = (self.folder, *self.folder.parents)
            new = [folder for folder in above if not folder.exists()]
            self.folder.mkdir(parents=True, exist_ok=True)
            for folder in new:
                _settle(folder.parent)
            self._held = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.access(self.folder, os.W_OK):
                raise PermissionError(0, f"user {os.getuid()} may not write there")
        except BlockingIOError as error:
            self._let_go()
            raise Held(
                f"another watchdog holds the journal in {self.folder}",
                "one watchdog per engine: stop the other one",
            ) from error
        except OSError as error:
            self._let_go()
            raise JournalLost(
                f"the state folder {self.folder} cannot be used: {error.strerror}",
                "`state` needs a folder that the watchdog's user may write",
            ) from error

    def _open(self, *, read_only: bool) -> sqlite3.Connection:
        path, sentinel = self.folder / _NAME, self.folder / _SENTINEL
        self._must_be_there(path, read_only=read_only)
        alien = left.whose(path)
        if alien:
            other = left.beside(path)
            raise JournalLost(
                f"{other} is not what a commit to {path.name} left there: {alien}",
                f"if {path.name} was put back from a backup, move {other.name} aside; "
                "otherwise put both back",
            )
        db: sqlite3.Connection | None = None
        try:
            db = left.opened_to_read(path) if read_only else _to_write(path)
            self._check(db, read_only=read_only)
        except (sqlite3.Error, OSError, JournalLost) as error:
            if db is not None:
                db.close()
            if isinstance(error, JournalLost):
                raise
            raise _not_opened(path, error) from error
        if not read_only:
            try:
                self._be_known(path, sentinel)
            except OSError as error:
                db.close()
                raise JournalLost(
                    f"{sentinel} cannot be kept: {error.strerror}",
                    "`state` needs a folder that the watchdog's user may write",
                ) from error
        return db

    def _be_known(self, path: Path, sentinel: Path) -> None:
        new = not sentinel.exists()
        os.close(os.open(sentinel, os.O_WRONLY | os.O_CREAT, 0o600))
        for file in (path, sentinel):  # those of earlier builds: for all to read
            file.chmod(0o600)
        if new:
            _settle(self.folder)

    def _must_be_there(self, path: Path, *, read_only: bool) -> None:
        """Refuse to begin anew where there was a journal, and to read where none is."""
        there = path.exists() and path.stat().st_size > 0
        known = {} if there else self._known_beside()
        if known:
            raise JournalLost(
                f"the journal {path} is gone, though there was one "
                f"({', '.join(known)})",
                "restore it from a backup; or, to begin anew, move "
                f"{' and '.join(known)} aside, knowing that all standing and every "
                "known-good pair is forgotten",
            )
        if read_only and not path.exists():
            raise JournalLost(
                f"there is no journal in {self.folder}",
                "has the watchdog run with this `state` folder yet?",
            )

    def _known_beside(self) -> dict[str, int]:
        """Give the files that know of a journal here, and up to which event."""
        sentinel, told = self.folder / _SENTINEL, self.folder / _TOLD
        known: dict[str, int] = {}
        if sentinel.exists():
            text = sentinel.read_text("ascii", "replace")
            known[_SENTINEL] = int(text) if _REACHED.fullmatch(text) else 0
        if told.is_file():
            upto = left.reached(told, _UPTO)
            known |= {_TOLD: upto} if upto else {}
        folded = kept.reached(self.folder)
        return known | ({kept.NAME: folded} if folded else {})

    def _check(self, db: sqlite3.Connection, *, read_only: bool) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0 and not read_only:
            db.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
            db.execute(f"PRAGMA user_version = {_VERSION}")
            db.execute("COMMIT")
        elif version < _VERSION:
            self._bring_on(db, version, read_only=read_only)
        elif version != _VERSION:
            raise JournalLost(
                f"the journal has version {version}, meant {_VERSION}",
                "a newer watchdog wrote it: run that one",
            )
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
        length = (self.folder / _NAME).stat().st_size
        if not read_only and pages * size > length:
            raise _damaged(f"it has {length} bytes, and was {pages * size} long")

    def _bring_on(
        self, db: sqlite3.Connection, version: int, *, read_only: bool
    ) -> None:
        if read_only:
            raise JournalLost(
                f"the journal has version {version}, meant {_VERSION}",
                "an older watchdog wrote it: start this one once, it goes on with it",
            )
        db.execute("BEGIN IMMEDIATE")
        for step in range(version + 1, _VERSION + 1):
            db.execute(_STEPS[step])
        db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")

    def must_be_sound(self) -> None:
        """Read every page, which takes as long as there is history.

        Raises:
            JournalLost: a page is damaged.
        """
        try:
            with self._lock:
                (sound,) = self._db.execute("PRAGMA quick_check").fetchone()
        except sqlite3.Error as error:
            raise _damaged(str(error)) from error
        if sound != "ok":
            raise _damaged(sound)

    def _last(self) -> tuple[int, str]:
        row = self._db.execute(
            "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return (int(row[0]), str(row[1])) if row else (0, GENESIS)

    def _hold_against_what_is_beside(self) -> None:
        """Refuse a journal that ends before the one that was here last.

        What was written to it was known to others: replayed, an answer of yesterday
        would be new to the copy of the day before.
        """
        known = self._known_beside()
        further = {name: upto for name, upto in known.items() if upto > self._head[0]}
        if further:
            name, upto = max(further.items(), key=lambda one: one[1])
            raise JournalLost(
                f"the journal ends at event {self._head[0]}, and had {upto} when it "
                f"was last written, as {name} says: it is an older copy",
                "put the newest copy back; or move "
                f"{' and '.join(further)} aside, knowing that all since then is "
                "forgotten, and look at what runs",
            )
        self._reach()

    def _reach(self) -> None:
        """Note how far the journal goes, once it is on the disk itself.

        Not waited for: after a power cut this may be older than the journal, which
        tells nothing, and never newer.
        """
        with suppress(OSError):
            handle = os.open(self.folder / _SENTINEL, os.O_WRONLY)
            try:
                os.pwrite(handle, f"{self._head[0]:018}\n".encode(), 0)
            finally:
                os.close(handle)

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
                        self._db = _to_write(self.folder / _NAME)
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
            self._reach()
        return entries

    def _append(
        self, at: datetime, events: tuple[Event, ...], claim: str
    ) -> tuple[tuple[int, str], list[Entry]]:
        stamp = at.astimezone(UTC).isoformat(timespec="microseconds")
        written = [(type(event).__name__, _text(event)) for event in events]
        # What is told is what was written, as the next start will read it.
        told: list[Event] = [
            _CODECS[kind].validate_json(body) for kind, body in written
        ]
        entries: list[Entry] = []
        rows: list[tuple[object, ...]] = []
        seq, previous = self._head
        for (kind, body), event in zip(written, told, strict=True):
            seq += 1
            digest = _link(previous, seq, stamp, kind, body)
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
        row = (turn.at.isoformat(), _sound(turn.words), verdicts, looked)
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
            if kind not in _CODECS:
                raise JournalLost(
                    f"event {seq} is a {kind}, which this version does not know",
                    "a newer watchdog wrote it: run that one",
                )
            event: Event = _CODECS[kind].validate_json(body)
            yield Entry(seq, datetime.fromisoformat(stamp), event)

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
                    or _link(previous, seq, stamp, kind, body) != digest
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
            raise _damaged(str(error)) from error

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


def _to_write(path: Path) -> sqlite3.Connection:
    # Its owner's alone: it holds how containers are made, with whatever their
    # environment has.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    uri = f"{path.absolute().as_uri()}?mode=rwc"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA busy_timeout = 5000")
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA synchronous = EXTRA")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _damaged(words: str) -> JournalLost:
    return JournalLost(
        f"the journal is damaged: {words}",
        "move it aside for inspection, restore a backup; never delete it",
    )


def _not_opened(path: Path, error: Exception) -> JournalLost:
    """Say why *path* could not be opened: whose it is, or what SQLite says."""
    try:
        with path.open("rb"):
            pass
    except OSError as no:
        return JournalLost(
            f"the journal {path} cannot be read by user {os.getuid()}: {no.strerror}",
            "run the command as the user that the watchdog runs as",
        )
    if isinstance(error, OSError):
        return JournalLost(
            f"the journal {path} was left in mid-commit where it may not be written, "
            f"and no copy of it could be made to read: {error.strerror}",
            "set TMPDIR to a folder with room for it, or run the command where the "
            "state folder may be written",
        )
    return JournalLost(
        f"the journal {path} cannot be opened: {error}",
        "move it aside for inspection; never delete it",
    )


def _text(event: Event) -> str:
    """Write *event* as JSON; numbers that are not finite keep their names."""
    plain = _CODECS[type(event).__name__].dump_python(event, mode="json")
    return _sound(json.dumps(plain, separators=(",", ":"), ensure_ascii=False))


def _sound(text: str) -> str:
    """Replace what is half a character: what others send us may hold it."""
    return text.encode(errors="replace").decode()


def _settle(folder: Path) -> None:
    """Have the names in *folder* on the disk: a power cut forgets new ones else."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link(previous: str, seq: int, stamp: str, kind: str, body: str) -> str:
    line = "\n".join((previous, str(seq), stamp, kind, body))
    return hashlib.sha256(line.encode()).hexdigest()
