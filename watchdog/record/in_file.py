"""The journal's tables in an SQLite file of the state folder.

Settings: rollback journal with ``synchronous=EXTRA``, the only mode that loses no
acknowledged commit in a power cut on SQLite before 3.51.3 (docs/explanation).
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from watchdog.facts.problem import JournalLost
from watchdog.record.database import Do, Failed, Taken
from watchdog.record.identity import identity
from watchdog.record.opening import NAME, damaged, not_opened, opened, to_write
from watchdog.record.room import Room
from watchdog.record.state_folder import StateFolder


class InFile:
    """A file for one writer, or many readers; a full disk is met with kept *room*."""

    def __init__(
        self, folder: Path, state: StateFolder, room: Room, *, read_only: bool
    ) -> None:
        self._path, self._room = folder / NAME, room
        self._lock = threading.RLock()
        state.must_have(self._path, read_only=read_only)
        self._db = opened(self._path, read_only=read_only)
        try:
            if not read_only:
                state.be_known(self._path)
            self._db.execute("SELECT max(seq) FROM event").fetchone()
        except JournalLost:
            self._db.close()
            raise
        except sqlite3.Error as error:
            self._db.close()
            raise not_opened(self._path, error) from error

    def close(self) -> None:
        """Let the file go."""
        self._db.close()

    def rows(self, question: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read; see ``Database``."""
        try:
            with self._lock:
                return self._db.execute(question, values).fetchall()
        except sqlite3.Error as error:
            raise damaged(str(error)) from error

    def must_be_sound(self) -> None:
        """Read every page; see ``Database``."""
        ((sound,),) = self.rows("PRAGMA quick_check")
        if sound != "ok":
            raise damaged(sound)

    def identity(self) -> str:
        """Give what is kept in the state folder; see ``Database``."""
        return identity(self._path.parent)

    def leader(self) -> str:
        """Say nothing: who holds the folder leads."""
        return ""

    def when_lost(self, told: Callable[[JournalLost], None]) -> None:
        """Forget it: see ``must_lead``."""

    def must_lead(self) -> None:
        """Say nothing: the folder is held for as long as we live."""

    def offer(self) -> None:
        """Lead on: nobody else could."""

    def slip_in(self, events: Sequence[Sequence[Any]]) -> None:
        """Refuse: a folder has one writer; see ``Database``."""
        raise Failed(f"{self._path} has one writer, and {len(events)} are to be added")

    def alone(self) -> AbstractContextManager[None]:
        """Say nothing: nobody else adds here; see ``Database``."""
        return nullcontext()

    def write(self, do: Do, landed: Callable[[], bool] = lambda: False) -> None:
        """Commit; see ``Database``.

        On a full disk kept room is given up, and it is tried again, on the file as
        it is opened anew: that shows whether the commit which raised came about.
        """
        with self._lock:
            try:
                while True:
                    try:
                        self._db.execute("BEGIN IMMEDIATE")
                        do(self._db.execute)
                        self._db.execute("COMMIT")
                    except sqlite3.Error as error:
                        if self._db.in_transaction:
                            with suppress(sqlite3.Error):
                                self._db.execute("ROLLBACK")
                        if str(error).endswith("event.claim"):
                            raise Taken(str(error)) from error
                        if not self._room.give(error):
                            raise
                        self._db.close()
                        self._db = to_write(self._path)
                        if landed():
                            return
                    else:
                        return
            except (sqlite3.Error, OSError) as error:
                raise Failed(str(error)) from error
