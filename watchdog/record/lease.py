"""One leader: who holds the lease writes, and knows for how long nobody else may.

A row says who leads, in which epoch, and how often it was renewed. No wall clock is in
it: whoever wants to follow watches the row stay the same for as long as a lease lasts,
by its own clock, and so does the holder, which begins to count earlier, before it asks.
"""

import hashlib
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from watchdog.facts.problem import Held, JournalLost
from watchdog.record.connecting import connected, said
from watchdog.record.database import Server

_READ = "SELECT epoch, beat, holder, host FROM leader"
_WATCH = "SELECT epoch, beat, holder, host, lease FROM leader, led"
_TAKE = """WITH taken AS (
        UPDATE leader SET epoch = epoch + 1, beat = 0, holder = %s, host = %s
        WHERE epoch = %s AND beat = %s AND holder = %s RETURNING epoch
    ), said AS (UPDATE led SET lease = %s WHERE EXISTS (SELECT FROM taken))
    SELECT epoch FROM taken"""
_RENEW = """UPDATE leader SET beat = beat + 1
    WHERE epoch = %s AND holder = %s RETURNING beat"""
_FREE = "UPDATE leader SET holder = '' WHERE epoch = %s AND holder = %s"
# What of a lease its holder leaves unused, for one call more to end in.
_LEFT = 0.3
_RENEWALS = 4  # in a lease
_LOOKS = 20
_OFFERED = 5  # looks of those who follow, for which nobody holds it


def now() -> float:
    """Give the seconds since the machine started, those that it slept among them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def this_folder(folder: Path) -> str:
    """Name who may hold *folder*: another of that name cannot be alive beside us.

    Who has its lock knows that whoever had it before is gone. A copy of the folder,
    or another machine, has another name.
    """
    there = folder.stat()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
    text = f"{boot}{there.st_dev}:{there.st_ino}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _here() -> str:
    return socket.gethostname()[:100]


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads, as the row says; not being heard for *lease* seconds, no more."""

    epoch: int
    beat: int
    holder: str
    host: str
    lease: float = 0.0

    def __str__(self) -> str:
        """Name it as people know it."""
        return f"{self.host or 'nobody'} (epoch {self.epoch})"


def leader(db: psycopg.Connection[Any], question: str = _READ) -> Leader:
    """Read who leads."""
    row = db.execute(question).fetchone()
    return Leader(*row) if row else Leader(0, 0, "", "")


class Lease:
    """Holds the lease, and renews it on a connection and a thread of its own."""

    def __init__(
        self,
        server: Server,
        db: psycopg.Connection[Any],
        waits: Callable[[str], None] | None = None,
    ) -> None:
        """Take it; once it may be, where *waits* is there to hear who has it.

        Raises:
            Held: another has it.
            JournalLost: the server does not say.
        """
        self._server, self._db = server, db
        self._lasts = server.lease.total_seconds()
        self.holder = this_folder(server.folder)
        self.lost: Callable[[JournalLost], None] = lambda _: None
        self._why: JournalLost | None = None
        self._stopped = threading.Event()
        self._renewing = threading.Lock()
        try:
            self.epoch, self._until = self._taken(waits)
        except psycopg.Error as error:
            db.close()
            raise JournalLost(f"who leads cannot be read: {said(error)}") from error
        except JournalLost:
            db.close()
            raise
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def _taken(self, waits: Callable[[str], None] | None) -> tuple[int, float]:
        """Take it where it is free, ours, or nobody renewed it as long as it lasts."""
        seen, since, said_of = leader(self._db, _WATCH), now(), 0
        while True:
            # By the settings of whoever leads, where theirs are not ours.
            over = now() - since >= max(self._lasts, seen.lease)
            if over or seen.holder in ("", self.holder):
                began = now()
                was = (seen.epoch, seen.beat, seen.holder)
                values = (self.holder, _here(), *was, self._lasts)
                row = self._db.execute(_TAKE, values).fetchone()
                if row:
                    return int(row[0]), began + self._lasts * (1 - _LEFT)
            found = leader(self._db, _WATCH)
            if found == seen:
                pass
            elif found.holder != "" and waits is None:
                raise Held(
                    f"another watchdog leads: {found} on {self._server.url}",
                    "one watchdog acts at a time: ask that one, or stop it first",
                )
            elif found.holder != "" and waits and found.epoch != said_of:
                said_of = found.epoch
                waits(f"{found} leads; this watchdog follows, and does nothing")
            if found != seen:
                seen, since = found, now()
            self._stopped.wait(self._lasts / _LOOKS)

    @property
    def ours(self) -> Leader:
        """Give what the row says for as long as we lead."""
        return Leader(self.epoch, 0, self.holder, _here())

    def check(self) -> None:
        """Be sure that it is ours for a while yet.

        Raises:
            JournalLost: it is not, or that is not known.
        """
        if now() >= self._until or self._why is not None:
            self._once()
        if self._why is not None:
            raise self._why

    def offer(self) -> None:
        """Let another have it; lead on, in the next epoch, where nobody wants to.

        Nothing is begun meanwhile, and what was begun before has the time that it has
        of any lease.

        Raises:
            JournalLost: another leads now, or it is not known.
        """
        with self._renewing:
            if self._why is not None:
                raise self._why
            self._until = 0.0
            self._stopped.wait(self._lasts * _LEFT)
            try:
                self._db.execute(_FREE, (self.epoch, self.holder))
                self._stopped.wait(self._lasts / _LOOKS * _OFFERED)
                began, found = now(), leader(self._db, _WATCH)
                was = (self.epoch, found.beat, "")
                values = (self.holder, _here(), *was, self._lasts)
                row = self._db.execute(_TAKE, values).fetchone()
                if row:
                    self.epoch = int(row[0])
                    self._until = began + self._lasts * (1 - _LEFT)
                    return
                found = leader(self._db)
                self._why = JournalLost(
                    f"this watchdog leads no more: {found} does, to whom it was left",
                    "nothing more is done here; started again, it follows",
                )
            except psycopg.Error as error:
                self._why = JournalLost(
                    f"the lease was let go, and not taken again: {said(error)}",
                    "nothing more is done here; started again, it reads on",
                )
            raise self._why

    def close(self) -> None:
        """Let another have it at once."""
        self._stopped.set()
        with self._renewing:
            if self._why is None:
                with suppress(psycopg.Error):
                    self._db.execute(_FREE, (self.epoch, self.holder))
            self._db.close()

    def _renew(self) -> None:
        while not self._stopped.wait(self._lasts / _RENEWALS):
            self._once()
            if self._why is not None:
                if not self._stopped.is_set():
                    self.lost(self._why)
                return

    def _once(self) -> None:
        """Renew it; what fails is tried again for as long as it is ours anyway."""
        with self._renewing:
            if self._why is not None or self._stopped.is_set():
                return
            began = now()
            try:
                if self._db.closed or self._db.broken:
                    self._db.close()
                    self._db = connected(self._server, read_only=False)
                row = self._db.execute(_RENEW, (self.epoch, self.holder)).fetchone()
                if row:
                    self._until = began + self._lasts * (1 - _LEFT)
                    return
                found = leader(self._db)
                self._why = JournalLost(
                    f"this watchdog leads no more: {found.host} does, since it was not "
                    f"heard for {self._lasts:g} s (epoch {found.epoch}, ours was "
                    f"{self.epoch})",
                    "nothing more is done here; started again, it follows",
                )
            except (psycopg.Error, JournalLost) as error:
                if now() >= self._until:
                    words = (
                        error.words if isinstance(error, JournalLost) else said(error)
                    )
                    self._why = JournalLost(
                        f"the lease could not be renewed in time: {words}",
                        "nothing more is done here; started again, it reads on",
                    )
