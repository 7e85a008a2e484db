"""The journal's database: made, brought on to this version, opened, or refused."""

import os
import sqlite3
from pathlib import Path

from watchdog.facts.problem import JournalLost
from watchdog.record import left

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
# What a turn's row gained since the first form, some of it without a version of its
# own; a journal is brought on when it is opened.
_GAINED = {"verdicts": "TEXT NOT NULL DEFAULT '{}'", "looked": "TEXT"}
NAME = "journal.db"


def opened(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open the database at *path*, made anew where a writer finds none.

    Raises:
        JournalLost: it cannot be opened, or is not what this version wrote.
    """
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
        db = left.opened_to_read(path) if read_only else to_write(path)
        _check(path, db, read_only=read_only)
    except (sqlite3.Error, OSError, JournalLost) as error:
        if db is not None:
            db.close()
        if isinstance(error, JournalLost):
            raise
        raise not_opened(path, error) from error
    return db


def to_write(path: Path) -> sqlite3.Connection:
    """Open it for the one writer; what is acknowledged outlives a power cut."""
    # Its owner's alone: it holds how containers are made, with whatever their
    # environment has.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    uri = f"{path.absolute().as_uri()}?mode=rwc"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA busy_timeout = 5000")
        db.execute(left.CACHE)
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA synchronous = EXTRA")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _check(path: Path, db: sqlite3.Connection, *, read_only: bool) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0 and not read_only:
        db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")
    elif version < _VERSION:
        _bring_on(db, version, read_only=read_only)
    elif version != _VERSION:
        raise JournalLost(
            f"the journal has version {version}, meant {_VERSION}",
            "a newer watchdog wrote it: run that one",
        )
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    length = path.stat().st_size
    if not read_only and pages * size > length:
        raise damaged(f"it has {length} bytes, and was {pages * size} long")


def _bring_on(db: sqlite3.Connection, version: int, *, read_only: bool) -> None:
    if read_only:
        raise JournalLost(
            f"the journal has version {version}, meant {_VERSION}",
            "an older watchdog wrote it: start this one once, it goes on with it",
        )
    db.execute("BEGIN IMMEDIATE")
    there = {str(row[1]) for row in db.execute("PRAGMA table_info(turn)")}
    for column in _GAINED.keys() - there:
        db.execute(f"ALTER TABLE turn ADD COLUMN {column} {_GAINED[column]}")
    db.execute(f"PRAGMA user_version = {_VERSION}")
    db.execute("COMMIT")


def damaged(words: str) -> JournalLost:
    """Say that what the file holds is not what was written."""
    return JournalLost(
        f"the journal is damaged: {words}",
        "move it aside for inspection, restore a backup; never delete it",
    )


def is_busy(error: Exception) -> bool:
    """Tell whether another program holds the file, and nothing else is wrong."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return (code & 0xFF) == sqlite3.SQLITE_BUSY


def held(path: Path, error: Exception) -> str:
    """Say that another program holds *path*."""
    return f"another program holds the journal {path}: {error}"


def not_opened(path: Path, error: Exception) -> JournalLost:
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
    if "locked" in str(error):
        return JournalLost(
            held(path, error),
            "end that program, and try again: `fuser -v` names it; the watchdog holds "
            "it for an instant at a time",
        )
    return JournalLost(
        f"the journal {path} cannot be opened: {error}",
        "move it aside for inspection; never delete it",
    )
