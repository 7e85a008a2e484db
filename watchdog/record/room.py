"""Room that is kept for a disk that fills up, and given up a piece at a time.

What is freed is free for everybody on that disk. In pieces, another's log that grows
without end takes less of it than the next write of ours needs.
"""

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from watchdog.facts.lack import Lack
from watchdog.facts.problem import Problem

NAME = "journal.room"
ROOM = 4 * 1024 * 1024  # bytes; a rollback of many services writes some hundred KB
_PIECE = 128 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)
_Done = TypeVar("_Done")


class Room:
    """What *folder* keeps for the journal and what lies beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME

    def reserve(self) -> None:
        """Have all of it again, as long as the disk has plenty."""
        with suppress(OSError):
            disk = os.statvfs(self._folder)
            if self._is_whole() or disk.f_bavail * disk.f_frsize < 4 * ROOM:
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
            handle = os.open(self._path, flags, 0o600)
            try:
                os.posix_fallocate(handle, 0, ROOM)
            finally:
                os.close(handle)

    def _is_whole(self) -> bool:
        with suppress(OSError):
            kept = self._path.lstat()
            # A copy of the folder may have come without what a file of zeros takes.
            return min(kept.st_size, kept.st_blocks * 512) >= ROOM
        return False

    def lacks(self) -> tuple[Lack, ...]:
        """Say that it is not all there, once it was tried; nothing else."""
        self.reserve()
        if self._is_whole():
            return ()
        words = f"{self._path} does not hold the {ROOM >> 20} MiB that are kept"
        hint = "free some: a rollback that could not be journaled would stop midway"
        return (Lack(f"{words} for a disk that fills up", hint),)

    def give(self, error: BaseException) -> bool:
        """Give a piece up if *error* is that the disk is full; tell whether it was so.

        Not for a sync that failed: what of it is on the disk then, nobody knows.
        """
        if not self._is_short(error):
            return False
        try:
            size = self._path.stat().st_size
            if size <= _PIECE:
                self._path.unlink()
            else:
                os.truncate(self._path, size - _PIECE)
        except OSError:
            return False
        return size > 0

    def making(self, do: Callable[[], _Done]) -> _Done:
        """*do* what writes beside the journal, with as many pieces as it takes."""
        while True:
            try:
                return do()
            except (OSError, Problem) as error:
                if not self.give(error):
                    raise

    def _is_short(self, error: BaseException | None) -> bool:
        """Tell whether *error*, or what it came from, is that the disk is full."""
        while error is not None:
            if isinstance(error, OSError) and error.errno in _FULL:
                return True
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
            if code == sqlite3.SQLITE_FULL:
                return True
            if code == sqlite3.SQLITE_CANTOPEN and self._has_no_place():
                return True  # for the name of its rollback journal
            error = error.__cause__
        return False

    def _has_no_place(self) -> bool:
        try:
            disk = os.statvfs(self._folder)
        except OSError:
            return False
        nameless = disk.f_files and not disk.f_favail
        return bool(nameless) or disk.f_bavail * disk.f_frsize < _PIECE
