"""Append-only, hash-chained events: the watchdog's memory, in whichever database."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from pydantic import TypeAdapter

from watchdog.facts.event import Entry, Event
from watchdog.facts.pair import Record
from watchdog.facts.problem import Claimed, JournalLost
from watchdog.record import turns
from watchdog.record.beside import alien_in, must_be_beside
from watchdog.record.chain import GENESIS, KINDS, codec, link, text_of
from watchdog.record.database import (
    Behind,
    Database,
    Do,
    Execute,
    Failed,
    Place,
    Server,
    Taken,
    folder_of,
)
from watchdog.record.in_file import InFile
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
_PUT = "INSERT INTO blob (sha256, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING"
_GET = "SELECT bytes FROM blob WHERE sha256 = ?"
_LAST = "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1"
_COMPARE = "compare with a backup and with the log, which holds every event"
_RECORDS: TypeAdapter[Record] = TypeAdapter(Record)


class Journal:
    """The one who leads a journal, one who follows, or one of many readers.

    Every failed write is JournalLost and final for the process: nobody can say
    whether a commit that raised is kept, only opening it anew can.
    """

    def __init__(
        self,
        place: Place,
        *,
        read_only: bool = False,
        follows: bool = False,
        waits: Callable[[str], None] | None = None,
    ) -> None:
        """Open it; *waits* hears who leads on a server, until we may write there.

        Who *follows* adds what is of ``BESIDE``, beside whoever leads there.
        """
        self._waits, self._follows = waits, follows
        self._lock = threading.RLock()
        self._failed = ""
        self.place, self.folder = place, folder_of(place)
        self.is_read_only = read_only
        self._state = StateFolder(self.folder)
        self.room = Room(self.folder)
        if not read_only and not follows:
            self._state.hold()
        try:
            if read_only or follows:
                self.database = self._opened()
            else:
                self.database = self.room.making(self._opened)
        except BaseException:
            self._state.let_go()
            raise
        try:
            self._head = self._last()
            if not read_only:  # who follows knows an older copy, too
                self._state.must_end_last(self.head)
                self._state.reach(self.head)
        except BaseException:
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
        """Let the database and the lock go."""
        self.database.close()
        self._state.let_go()

    def _opened(self) -> Database:
        if isinstance(self.place, Server):
            # Only who uses it loads its client.
            from watchdog.record.in_postgresql import InPostgresql  # noqa: PLC0415

            read_only = self.is_read_only
            database = InPostgresql(
                self.place,
                read_only=read_only,
                follows=self._follows,
                waits=self._waits,
            )
            if not read_only and not self._follows:
                self._begun(database)
            return database
        read_only = self.is_read_only
        return InFile(self.place, self._state, self.room, read_only=read_only)

    def _begun(self, database: Database) -> None:
        """Insist that what is in the folder was moved; note that there is a journal."""
        try:
            is_new = not database.rows(_LAST)
            self._state.be_known(moved=not is_new)
        except JournalLost:
            database.close()
            raise

    def must_be_sound(self) -> None:
        """Read all of it, which takes as long as there is history.

        Raises:
            JournalLost: a page is damaged.
        """
        self.database.must_be_sound()

    def must_lead(self) -> None:
        """Be sure, before anything is changed, that nobody else writes here.

        Raises:
            JournalLost: another leads, or it is not known.
        """
        self.database.must_lead()

    @property
    def leader(self) -> str:
        """Who leads, where several could; empty where there is only one."""
        return self.database.leader()

    def when_lost(self, told: Callable[[JournalLost], None]) -> None:
        """Have *told* called, from whichever thread, once another leads."""
        self.database.when_lost(told)

    @property
    def identity(self) -> str:
        """Which watchdog this is, whichever machine it runs on; only a writer may ask.

        Raises:
            JournalLost: it cannot be kept.
        """
        return self.database.identity()

    def _last(self) -> tuple[int, str]:
        rows = self.database.rows(_LAST)
        return (int(rows[0][0]), str(rows[0][1])) if rows else (0, GENESIS)

    # -- writing -----------------------------------------------------------------

    def _write(self, do: Do, then: tuple[int, str] | None = None) -> None:
        """Commit what *do* writes; *then* is the head that it comes to, if another."""

        def landed() -> bool:
            found = self._last()
            if found not in (then, self._head):
                raise Failed(f"it ends at event {found[0]}, not {self.head}")
            return found == then

        with self._final():
            self.database.write(do, landed)

    @contextmanager
    def _final(self) -> Iterator[None]:
        with self._lock:
            if self._failed:
                raise JournalLost(f"the journal failed before: {self._failed}")
            try:
                yield
            except Behind:
                raise
            except Taken as error:
                raise Claimed(f"{error}: it happened before") from error
            except (Failed, JournalLost) as error:
                self._failed = str(error)
                if isinstance(error, JournalLost):
                    raise
                server = "see what became of the server"
                disk = "free the disk or mend the volume"
                hint = server if isinstance(self.place, Server) else disk
                raise JournalLost(
                    f"the journal could not be written: {error}",
                    f"{hint}; what happened is read again at the next start",
                ) from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else add an event meanwhile, where we lead."""
        with self._final(), self.database.alone():
            yield

    def append(self, at: datetime, *events: Event, claim: str = "") -> list[Entry]:
        """Add *events* in one transaction, all or none, durable when this returns.

        *claim* is for what may happen once only, ever: it belongs to the last of
        the events, and a second one with the same claim raises Claimed.

        Raises:
            Behind: another added an event: take in the ``news``, and weigh again.
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

        def add(execute: Execute) -> None:
            for row in rows:
                execute(_APPEND, row)

        if self._follows:
            must_be_beside(kind for kind, _ in written)
            with self._final():
                self.database.slip_in(rows)
        else:
            self._write(add, then=head)
        return head, entries

    def news(self) -> list[Entry]:
        """Read what others added since this was read; only on a server are there any.

        Raises:
            JournalLost: as ``stream`` does; or one who does not lead added what is not
                of ``BESIDE``.
        """
        if not isinstance(self.place, Server):
            return []
        with self._lock:
            entries = list(self.stream(*self._head))
            alien = (
                alien_in(entries) if not (self._follows or self.is_read_only) else None
            )
            if alien:
                self.must_lead()
                raise alien
            if entries:
                self._head = entries[-1].seq, self.digest_of(entries[-1].seq)
                if not self.is_read_only:
                    self._state.reach(self.head)
        return entries

    def put(self, data: bytes) -> str:
        """Keep *data*; return its sha256, by which it is found again."""
        sha = hashlib.sha256(data).hexdigest()
        self._write(lambda execute: execute(_PUT, (sha, data)))
        return sha

    def put_record(self, record: Record) -> str:
        """Keep a release record; the same record has the same name."""
        whole = json.loads(_RECORDS.dump_json(record))
        return self.put(json.dumps(whole, sort_keys=True).encode())

    def mark(self, turn: Turn) -> None:
        """Note that a turn is complete."""
        row = turns.row_of(turn)
        self._write(lambda execute: execute(turns.MARK, row))
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

    def _rows(self, after: int) -> list[tuple[Any, ...]]:
        return self.database.rows(_READ, (after, _PORTION))

    def digest_of(self, seq: int) -> str:
        """Give the hash of an event; nothing where there is no such event."""
        rows = self.database.rows(_HASH, (seq,))
        return str(rows[0][0]) if rows else ""

    def blob(self, sha256: str) -> bytes:
        """Read what was kept under *sha256*."""
        rows = self.database.rows(_GET, (sha256,))
        if not rows or hashlib.sha256(rows[0][0]).hexdigest() != sha256:
            raise JournalLost(f"the ledger does not hold {sha256[:12]} any more")
        return bytes(rows[0][0])

    def record(self, sha256: str) -> Record:
        """Read a release record."""
        return _RECORDS.validate_json(self.blob(sha256))

    def last_turn(self) -> Turn | None:
        """Give the last complete turn; None before the first."""
        rows = self.database.rows(turns.READ)
        return turns.turn_in(rows[0]) if rows else None
