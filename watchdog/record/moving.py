"""A journal in a state folder, copied to a server: all of it, or nothing."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

from watchdog.facts.problem import JournalLost, Problem
from watchdog.record.chain import GENESIS
from watchdog.record.database import Database, Execute, Failed, Server
from watchdog.record.identity import identity
from watchdog.record.in_postgresql import InPostgresql
from watchdog.record.journal import Journal
from watchdog.record.outbox import OUTBOX, tables_in
from watchdog.record.state_folder import StateFolder

_PORTION = 500
_LAST = "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1"
_EVENTS = """SELECT seq, at, kind, body, claim, previous, hash FROM event
    WHERE seq > ? ORDER BY seq LIMIT ?"""
_EVENT = """INSERT INTO event (seq, at, kind, body, claim, previous, hash)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
_BLOBS = "SELECT sha256, bytes FROM blob WHERE sha256 > ? ORDER BY sha256 LIMIT ?"
_BLOB = "INSERT INTO blob (sha256, bytes) VALUES (?, ?)"
_TURN = """SELECT 1, at, words, verdicts, looked FROM turn"""
_TOLD = "SELECT channel, seq FROM told"
_DELIVERY = """SELECT channel, seq, body, state, attempts, next_at, error
    FROM delivery"""
_NAMED = "UPDATE about SET identity = ?"


def move(server: Server) -> tuple[int, bool]:
    """Copy what is in the server's folder; say how many events, and whether just now.

    The source stays as it is. What is there already is only checked.

    Raises:
        Held: a watchdog runs here, or leads on the server.
        JournalLost: the source does not hold, or the copy came out as something else.
        Problem: another journal is there.
    """
    folder = StateFolder(server.folder)
    with ExitStack() as after:
        folder.hold()
        after.callback(folder.let_go)
        source = after.enter_context(closing(Journal(server.folder, read_only=True)))
        reached, digest = source.verified(0, GENESIS, source.head)
        if (reached, digest) != (source.head, source.digest):
            raise JournalLost(f"the journal ends at event {reached}, not {source.head}")
        target = after.enter_context(closing(InPostgresql(server, read_only=False)))
        is_new = not target.rows(_LAST)
        if is_new and source.head:
            try:
                target.write(lambda execute: _copy(source, server, execute))
            except Failed as error:
                raise JournalLost(
                    f"the journal could not be copied: {error}",
                    "nothing of it is there; the source is as it was",
                ) from error
        _be_the_same(source, target, server)
    with closing(Journal(server, read_only=True)) as copy:
        copy.verified(0, GENESIS, copy.head)
    return source.head, is_new


def _copy(source: Journal, server: Server, execute: Execute) -> None:
    for row in _all(source.database, _EVENTS, 0):
        execute(_EVENT, row)
    for row in _all(source.database, _BLOBS, ""):
        execute(_BLOB, row)
    for row in source.database.rows(_TURN):
        execute("INSERT INTO turn VALUES (?, ?, ?, ?, ?)", row)
    if (server.folder / OUTBOX).is_file():
        with closing(tables_in(server.folder, read_only=True)) as outbox:
            for row in outbox.rows(_TOLD):
                execute("INSERT INTO told VALUES (?, ?)", row)
            for row in outbox.rows(_DELIVERY):
                execute("INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    execute(_NAMED, (identity(server.folder),))


def _all(database: Database, question: str, after: Any) -> Iterator[tuple[Any, ...]]:
    while rows := database.rows(question, (after, _PORTION)):
        yield from rows
        after = rows[-1][0]


def _be_the_same(source: Journal, target: InPostgresql, server: Server) -> None:
    """Insist that what is there begins with all of the source."""
    (count,) = target.rows("SELECT count(*) FROM event WHERE seq <= ?", (source.head,))
    there = target.rows("SELECT hash FROM event WHERE seq = ?", (source.head,))
    if source.head and (count[0] != source.head or not there):
        other = True
    else:
        other = bool(source.head) and there[0][0] != source.digest
    if other:
        raise Problem(
            f"the schema {server.schema} holds another journal than {server.folder}",
            "name another with `database.schema_name`; nothing was written",
        )
