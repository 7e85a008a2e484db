"""What the turn remembers with: the journal, its sum, and the log that echoes it."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TypeVar

from watchdog.decide.fold import stand
from watchdog.decide.standing import Standing
from watchdog.facts.event import ClockStepped, Entry, Event, WatchStarted
from watchdog.facts.pair import Record
from watchdog.facts.problem import Claimed, JournalLost
from watchdog.record import kept
from watchdog.record.chain import GENESIS
from watchdog.record.database import Behind, Place
from watchdog.record.journal import Journal
from watchdog.record.kept import Kept
from watchdog.turn.roles import Turn

_Weighed = TypeVar("_Weighed")


_LONG_AGO = datetime.fromtimestamp(0, UTC)
# Events after which the standing is kept anew: what a start reads is no longer.
_APART = 1000
# Old events that are checked in a turn, after how many that is kept, and how often.
_AT_ONCE = 500
_FAR = 50_000
_ROUND = timedelta(days=1)


def recalled(journal: Journal, one: Kept | None = None) -> Standing:
    """Fold *journal*: on from what was kept beside it, or all of it where in doubt.

    Raises:
        JournalLost: what was read of it was changed, or a page is damaged.
    """
    one = one or _found(journal)
    if not one.seq and not journal.is_read_only:
        journal.must_be_sound()
    # What others add from here on is news, and taken in as such.
    entries = journal.stream(one.seq, one.digest)
    there = takewhile(lambda entry: entry.seq <= journal.head, entries)
    return stand(there, one.standing)


def standing_in(place: Place) -> Standing:
    """Read where we stand in the journal at *place*, daemon or no daemon."""
    with contextlib.closing(Journal(place, read_only=True)) as journal:
        return recalled(journal)


def _found(journal: Journal) -> Kept:
    one = kept.kept(journal.folder)
    if one is None or journal.digest_of(one.seq) != one.digest:
        return Kept(0, GENESIS, Standing())
    return one


class Memory:
    """Adds events; the standing and the log follow. Safe from several threads.

    Where several share a journal, what others add is as if a thread here had added it.
    """

    def __init__(
        self,
        journal: Journal,
        say: Callable[[Entry], None],
        heard: Callable[[Entry], None] | None = None,
    ) -> None:
        """*say* is told of each event, and *heard* of what others added, if not so."""
        self._journal = journal
        self._say = say
        self._heard = heard or say
        self._lock = threading.RLock()
        self._kept = _found(journal)
        self._standing = recalled(journal, self._kept)
        self._checked = self._kept
        # What is written is dated after what was: a turn's events by its beginning.
        self._latest = _LONG_AGO
        if not journal.is_read_only and journal.head - self._kept.seq >= _APART:
            self.rest()

    @property
    def standing(self) -> Standing:
        """What the journal adds up to now; a value that never changes."""
        return self._standing

    def add(self, at: datetime, *events: Event, claim: str = "") -> None:
        """Journal *events*, all or none; say them once they are on the disk.

        Raises:
            Claimed: *claim* was taken before; nothing was added.
        """
        entries: list[Entry] = []
        with self._lock:
            while events and not entries:
                try:
                    entries = self._append(at, events, claim)
                except Behind:
                    with self._journal.alone():
                        self.catch_up()
                        with contextlib.suppress(Behind):  # of who cannot be alone
                            entries = self._append(at, events, claim)
        self._tell(entries, self._say)

    def catch_up(self) -> bool:
        """Take in what others added; tell whether there was any."""
        with self._lock:
            entries = self._journal.news()
            self._standing = stand(entries, self._standing)
            if self._journal.head - self._kept.seq >= _APART:
                self.rest()
        self._tell(entries, self._heard)
        return bool(entries)

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
        entries: list[Entry] = []
        with self._lock:
            self.catch_up()
            found = weigh(self._standing)
            while isinstance(found, tuple) and found and not entries:
                try:
                    entries = self._append(at, found, claim)
                except (Behind, Claimed) as error:
                    if not self.catch_up() and isinstance(error, Claimed):
                        raise
                    found = weigh(self._standing)
        self._tell(entries, self._say)
        return found

    def _append(
        self, at: datetime, events: tuple[Event, ...], claim: str
    ) -> list[Entry]:
        if any(isinstance(event, WatchStarted | ClockStepped) for event in events):
            self._latest = at  # these say that the clock may have gone back
        self._latest = max(at, self._latest)
        entries = self._journal.append(self._latest, *events, claim=claim)
        self._standing = stand(entries, self._standing)
        if self._journal.head - self._kept.seq >= _APART:
            self.rest()
        return entries

    @staticmethod
    def _tell(entries: list[Entry], say: Callable[[Entry], None]) -> None:
        # A full disk or a closed pipe under the log must not stop a rollback.
        with contextlib.suppress(OSError, ValueError):
            for entry in entries:
                say(entry)

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
        """Note that a turn is complete; look at some more of what is old.

        Raises:
            JournalLost: as when it is written; or an old event was changed.
        """
        with self._lock:
            self._journal.mark(turn)
            self._look_back(turn.at)

    def rest(self) -> None:
        """Keep the standing beside the journal, so that a start reads on from here."""
        with self._lock:
            self._kept = replace(
                self._checked,
                seq=self._journal.head,
                digest=self._journal.digest,
                standing=self._standing,
            )
            kept.keep(self._journal.folder, self._kept)

    def _look_back(self, at: datetime) -> None:
        """Check the next few links of the chain, from the first event to the newest.

        A start that reads on from what was kept reads no old event, and one that was
        changed has to be found all the same: within a round, which begins once a day.
        """
        one = self._checked
        if one.round is None or not timedelta() <= at - one.round < _ROUND:
            one = replace(one, checked=0, checked_digest=GENESIS, round=at)
        try:
            seq, digest = self._journal.verified(
                one.checked, one.checked_digest, _AT_ONCE
            )
        except JournalLost:
            kept.drop(self._journal.folder)  # the next start reads all, and refuses
            raise
        self._checked = replace(one, checked=seq, checked_digest=digest)
        if seq - self._kept.checked >= _FAR:
            self.rest()

    def last_turn(self) -> Turn | None:
        """Give the last complete turn; None before the first."""
        return self._journal.last_turn()
