"""What the turn remembers with: the journal, its sum, and the log that echoes it."""

import contextlib
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from watchdog.decide.standing import Standing, stand
from watchdog.facts.event import Entry, Event
from watchdog.facts.pair import Record
from watchdog.facts.problem import JournalLost
from watchdog.record.journal import Journal
from watchdog.roles import Turn

_Weighed = TypeVar("_Weighed")


class Memory:
    """Adds events; the standing and the log follow. Safe from several threads."""

    def __init__(self, journal: Journal, say: Callable[[Entry], None]) -> None:
        self._journal = journal
        self._say = say
        self._lock = threading.RLock()
        self._standing = stand(journal.entries())

    @property
    def standing(self) -> Standing:
        """What the journal adds up to now; a value that never changes."""
        return self._standing

    def add(self, at: datetime, *events: Event, claim: str = "") -> None:
        """Journal *events*, all or none; say them once they are on the disk.

        Raises:
            Claimed: *claim* was taken before; nothing was added.
        """
        with self._lock:
            entries = self._append(at, events, claim)
        self._tell(entries)

    def add_if(
        self,
        at: datetime,
        weigh: Callable[[Standing], _Weighed],
        *,
        claim: str = "",
    ) -> _Weighed:
        """Weigh and journal in one: nothing is added between the look and the write.

        *weigh* gives a tuple of events, which are added, or a no; either is returned,
        and what it raises adds nothing. Others who add wait meanwhile: it only thinks.

        Raises:
            Claimed: *claim* was taken before; nothing was added.
        """
        with self._lock:
            found = weigh(self._standing)
            if not isinstance(found, tuple):
                return found
            entries = self._append(at, found, claim)
        self._tell(entries)
        return found

    def _append(
        self, at: datetime, events: tuple[Event, ...], claim: str
    ) -> list[Entry]:
        entries = self._journal.append(at, *events, claim=claim)
        self._standing = stand(entries, self._standing)
        return entries

    def _tell(self, entries: list[Entry]) -> None:
        # A full disk or a closed pipe under the log must not stop a rollback.
        with contextlib.suppress(OSError, ValueError):
            for entry in entries:
                self._say(entry)

    def keep(self, record: Record, blobs: dict[str, bytes]) -> str:
        """Keep a release record with its bytes; return its name."""
        for data in blobs.values():
            self._journal.put(data)
        return self._journal.put_record(record)

    def record(self, sha256: str) -> Record:
        """Read a release record."""
        return self._journal.record(sha256)

    def missing(self, sha256: str) -> str:
        """Say what of a release record the ledger does not hold, or nothing."""
        try:
            record = self._journal.record(sha256)
            for held in record.manifests:
                self._journal.blob(held.sha256)
                self._journal.blob(held.signature_sha256)
        except JournalLost as problem:
            return problem.words
        return ""

    def mark(self, turn: Turn) -> None:
        """Note that a turn is complete."""
        self._journal.mark(turn)

    def last_turn(self) -> Turn | None:
        """Give the last complete turn; None before the first."""
        return self._journal.last_turn()
