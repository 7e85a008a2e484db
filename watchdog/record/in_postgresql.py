"""The journal's tables in a schema of a PostgreSQL database."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from watchdog.facts.problem import JournalLost
from watchdog.record.connecting import connected, said
from watchdog.record.database import Behind, Do, Failed, Server, Taken
from watchdog.record.lease import Lease, leader

# A takeover waits for the commit in hand, and the commit after it finds another epoch.
_FENCE = "SELECT 1 FROM leader WHERE epoch = %s AND holder = %s FOR SHARE"
_IN_EPOCH = "SELECT set_config('watchdog.epoch', %s, false)"
_ROW = "(%s::bigint, %s, %s, %s, %s::text, %s, %s)"
# In the epoch that it finds. The number is the fence: an event of that number shuts
# out who did not read it before.
_SLIP_IN = """INSERT INTO event (seq, at, kind, body, claim, previous, hash, epoch)
    SELECT one.*, leader.epoch FROM (VALUES {}) AS one, leader"""


class InPostgresql:
    """A connection of the leader's, of one that follows, or of one of many readers.

    A connection that was lost stays lost: what became of a commit in hand is read at
    the next start.
    """

    def __init__(
        self,
        server: Server,
        *,
        read_only: bool,
        follows: bool = False,
        waits: Callable[[str], None] | None = None,
    ) -> None:
        """Connect; for *waits* see ``Lease``. Who *follows* only slips in."""
        self._lock, self._slipping = threading.RLock(), threading.Lock()
        self._db = connected(server, read_only=read_only or follows)
        self._in = connected(server, read_only=False) if follows else None
        self.lease: Lease | None = None
        if read_only or follows:
            return
        try:
            self.lease = Lease(server, connected(server, read_only=False), waits)
            self._db.execute(_IN_EPOCH, (str(self.lease.epoch),))
        except BaseException as error:
            self.close()
            if isinstance(error, psycopg.Error):
                raise JournalLost(f"the database fails: {said(error)}") from error
            raise

    def close(self) -> None:
        """Let the connection and the lease go."""
        if self.lease:
            self.lease.close()
        if self._in:
            self._in.close()
        self._db.close()

    def leader(self) -> str:
        """Say who leads."""
        if self.lease:
            return f"{self.lease.ours}"
        with self._lock:
            found = leader(self._db)
        return f"{found}" if found.holder else "nobody"

    def identity(self) -> str:
        """Give what all watchdogs on it are called, drawn when it was made."""
        return str(self.rows("SELECT identity FROM about")[0][0])

    def rows(self, question: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read; see ``Database``."""
        try:
            with self._lock:
                return self._db.execute(_theirs(question), values).fetchall()
        except psycopg.Error as error:
            raise JournalLost(
                f"the journal cannot be read: {said(error)}",
                "see what became of the database; it is read again at the next start",
            ) from error

    def must_be_sound(self) -> None:
        """Leave that to the server, and to who reads every link; see ``Database``."""

    def when_lost(self, told: Callable[[JournalLost], None]) -> None:
        """Have *told* called by the lease; see ``Database``."""
        if self.lease:
            self.lease.lost = told

    def must_lead(self) -> None:
        """Be sure of the lease; see ``Database``."""
        if self.lease:
            self.lease.check()

    def offer(self) -> None:
        """Let another lead, or lead on in the next epoch; see ``Database``."""
        if self.lease is None:
            return
        try:
            with self._lock:  # what is written belongs to the one epoch or the other
                self.lease.offer()
                self._db.execute(_IN_EPOCH, (str(self.lease.epoch),))
        except psycopg.Error as error:
            raise JournalLost(f"the database fails: {said(error)}") from error

    def write(self, do: Do, landed: Callable[[], bool] = lambda: False) -> None:
        """Commit, if no other leads by now; see ``Database``."""
        del landed  # a connection is never opened anew

        def execute(statement: str, values: Sequence[Any]) -> None:
            self._db.execute(_theirs(statement), [_storable(value) for value in values])

        try:
            with self._lock, self._db.transaction():
                self._fence()
                do(execute)
        except psycopg.Error as error:
            raise _failed(error) from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep who follows waiting, who else might be first for ever; see ``Database``.

        Who sleeps in it loses its session, as in the middle of any commit.
        """
        if self.lease is None:
            yield
            return
        try:
            with self._lock, self._db.transaction():
                self._fence()
                self._db.execute("LOCK TABLE event IN SHARE ROW EXCLUSIVE MODE")
                yield
        except psycopg.Error as error:
            raise _failed(error) from error

    def slip_in(self, events: Sequence[Sequence[Any]]) -> None:
        """Add events beside the leader's; see ``Database``."""
        if self._in is None:
            raise Failed("only who follows slips in")
        values = [_storable(value) for row in events for value in row]
        statement = _SLIP_IN.format(", ".join([_ROW] * len(events)))
        try:
            with self._slipping:
                done = self._in.execute(statement, values)
        except psycopg.errors.LockNotAvailable as error:
            # The leader sleeps in mid-commit: its session ends before our patience.
            raise Behind(said(error)) from error
        except psycopg.Error as error:
            raise _failed(error) from error
        if done.rowcount != len(events):
            raise Failed(f"{done.rowcount} of {len(events)} events were added")

    def _fence(self) -> None:
        if self.lease is None:
            return  # a reader: the server refuses its writes
        ours = (self.lease.epoch, self.lease.holder)
        if self._db.execute(_FENCE, ours).fetchone() is None:
            found = leader(self._db)
            raise JournalLost(
                f"another watchdog leads, on {found.host} (epoch {found.epoch}, ours "
                f"was {self.lease.epoch}): what this one would write is refused",
                "nothing more is done here; started again, it follows",
            )


def _failed(error: psycopg.Error) -> Failed:
    """Tell apart what it was that failed."""
    if isinstance(error, psycopg.errors.UniqueViolation):
        if error.diag.constraint_name == "claim_once":
            return Taken("claim_once")
        if error.diag.constraint_name == "event_pkey":
            return Behind(said(error))
    return Failed(said(error))


def _theirs(statement: str) -> Any:
    return statement.replace("?", "%s")


def _storable(value: Any) -> Any:
    """Replace the one character that its text cannot hold."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
