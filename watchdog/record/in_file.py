"""The journal's tables in an SQLite file of the state folder.

Settings: rollback journal with ``synchronous=EXTRA``, the only mode that loses no
acknowledged commit in a power cut on SQLite before 3.51.3 (docs/explanation).
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from watchdog.facts.problem import JournalLost
from watchdog.record.database import Do, Failed, Taken
from watchdog.record.identity import identity
from watchdog.record.opening import (
    NAME,
    damaged,
    held,
    is_busy,
    not_opened,
    opened,
    to_write,
)
from watchdog.record.room import Room
from watchdog.record.state_folder import StateFolder


class InFile:
    """A file for one writer, or many readers; a full disk is met with kept *room*."""

    def __init__(
        self, folder: Path, state: StateFolder, room: Room, *, read_only: bool
    ) -> None:
        self._path, self._room = folder / NAME, room
        self._read_only, self._waits = read_only, False
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
        while True:
            try:
                with self._lock:
                    found = self._db.execute(question, values).fetchall()
                    self._waits = False
                    return found
            except sqlite3.Error as error:
                if self._is_held(error):
                    continue
                if is_busy(error):
                    raise not_opened(self._path, error) from error
                raise damaged(str(error)) from error

    def _is_held(self, error: sqlite3.Error) -> bool:
        """Tell whether to try again, since another program holds the file; say so once.

        Nothing is written then, and nothing may be done meanwhile: the watch waits for
        that program, and goes on by itself. Only a reader, a command, gives up.
        """
        if self._read_only or not is_busy(error):
            return False
        if not self._waits:
            self._waits = True
            with suppress(OSError):
                os.write(2, f"{held(self._path, error)}; waiting for it\n".encode())
        return True

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
        One that another program let not begin did not: it is tried until it does.
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
                        if self._is_held(error):
                            continue
                        if not self._room.give(error):
                            raise
                        self._db.close()
                        self._db = to_write(self._path)
                        if landed():
                            return
                    else:
                        self._waits = False
                        return
            except (sqlite3.Error, OSError) as error:
                raise Failed(str(error)) from error
