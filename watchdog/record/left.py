"""What a kill left beside a database of ours: whose it is, and how it is read.

Source: SQLite, "Atomic Commit" and "Database File Format" (sqlite.org/fileformat2).
A rollback journal that lies there without a writer is *hot*: it holds the pages as
they were before the commit that was cut off, and has to be played back first.
"""

import fcntl
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

_MAGIC = bytes.fromhex("d9d505f920a163d7")
_HEADER = 28  # bytes of it that say something
_COUNTER = 24  # where page 1 says how often the file was changed
# SQLite's shared lock: no writer changes the file while somebody has it.
_SHARED = (510, 0x40000002)
# KiB that who writes for months may keep of a database: by default it is 2 MiB, for
# each that is open, which fill up slowly and look like a leak.
CACHE = "PRAGMA cache_size = -512"
_HOT = ("readonly", "disk I/O error", "unable to open", "delete")


def beside(path: Path) -> Path:
    """Name the rollback journal of *path*."""
    return path.with_name(f"{path.name}-journal")


def whose(path: Path) -> str:
    """Say why the rollback journal beside *path* is not its own; nothing if it is.

    A backup that was put back beside what a kill had left is played back with the
    pages of another file: SQLite cannot tell, since nothing in it names the file.
    But page 1 counts the changes, and a commit that was cut off adds at most one.
    """
    journal = beside(path)
    try:
        with journal.open("rb") as file:
            before = os.fstat(file.fileno())
            found = _counter(file)
        if found is None:
            return ""
        counter, page = found
        with path.open("rb") as file:
            head = file.read(100)
        now = journal.stat()
    except OSError:
        return ""  # gone again: a living writer's
    if (now.st_ino, now.st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
        return ""
    changed = int.from_bytes(head[_COUNTER : _COUNTER + 4])
    size = int.from_bytes(head[16:18]) or 0
    if (1 if page == 65536 else page) != size:
        return f"it has pages of {page} bytes, and {path.name} of {size}"
    if changed not in (counter, counter + 1):
        return (
            f"it was begun at change {counter}, and {path.name} is at change {changed}"
        )
    return ""


def _counter(journal: BinaryIO) -> tuple[int, int] | None:
    """Give the change counter that a rollback journal would put back; page size.

    None where nothing would be played back, or page 1 is not among its first pages.
    """
    head = journal.read(_HEADER)
    if len(head) < _HEADER or not head.startswith(_MAGIC):
        return None
    count, _, _, sector, page = (
        int.from_bytes(head[at : at + 4]) for at in range(8, _HEADER, 4)
    )
    for at in range(sector, sector + count * (page + 8), page + 8):
        journal.seek(at)
        start = journal.read(4 + _COUNTER + 4)
        if len(start) < 4 + _COUNTER + 4:
            return None
        if int.from_bytes(start[:4]) == 1:
            return int.from_bytes(start[-4:]), page
    return None


def opened_to_read(path: Path) -> sqlite3.Connection:
    """Open *path* for one who only reads, whatever a kill left beside it.

    Where that has to be played back, SQLite does it under its own locks, and a
    living writer is not in its way; where it may not be written, a copy is read.

    Raises:
        sqlite3.Error: it cannot be read.
        OSError: it could only be read as a copy, and no copy could be made.
    """
    # As a URI, since only that can open without making; it has its own quotes.
    db = _connected(f"{path.absolute().as_uri()}?mode=rw")
    try:
        db.execute("PRAGMA query_only = ON")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        db.close()
        lies_there = beside(path).exists() or _is_written_ahead(path)
        if not lies_there or not any(word in str(error) for word in _HOT):
            raise
        return _copied(path)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _connected(where: str) -> sqlite3.Connection:
    db = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA busy_timeout = 5000")
    db.execute("PRAGMA trusted_schema = OFF")
    return db


def _is_written_ahead(path: Path) -> bool:
    """Tell whether somebody made it keep a write-ahead log, which readers write to."""
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"


def _copied(path: Path) -> sqlite3.Connection:
    """Play what was left back in a copy of one's own; it has no name once open."""
    with tempfile.TemporaryDirectory(prefix="watchdog-") as folder:
        copy = Path(folder) / path.name
        with path.open("rb") as held:
            fcntl.lockf(held, fcntl.LOCK_SH, *_SHARED)
            shutil.copyfile(path, copy)
            for end in ("-journal", "-wal"):
                other = path.with_name(f"{path.name}{end}")
                if other.exists():
                    shutil.copyfile(other, copy.with_name(f"{copy.name}{end}"))
        db = _connected(f"{copy.as_uri()}?mode=rw")
        try:
            db.execute("PRAGMA synchronous = OFF")
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            db.execute("PRAGMA query_only = ON")
        except sqlite3.Error:
            db.close()
            raise
    return db


def reached(path: Path, query: str) -> int:
    """Give the number that *query* finds in the database *path*; 0 without one."""
    try:
        with closing(opened_to_read(path)) as db:
            row = db.execute(query).fetchone()
    except (sqlite3.Error, OSError):
        return 0
    return int(row[0]) if row and row[0] is not None else 0
