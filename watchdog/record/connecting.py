"""A connection to PostgreSQL as the memory needs it, or in one sentence why not."""

import re
import secrets
from typing import Any

import psycopg
from psycopg import sql

from watchdog.facts.problem import JournalLost
from watchdog.record.database import Server

_OLDEST = 13
_VERSION = 1
# Whoever is in a transaction for so long has lost its other end.
_PATIENCE = {
    "statement_timeout": "15s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "15s",
    # The fence waits for a commit and sees it, where others would fail.
    "default_transaction_isolation": "read committed",
}
_WEAK = ("off", "local", "remote_write")
_SCHEMA = (
    """CREATE TABLE about (
        "only" integer PRIMARY KEY CHECK ("only" = 1),
        version integer NOT NULL,
        identity text NOT NULL
    )""",
    """CREATE TABLE leader (
        "only" integer PRIMARY KEY CHECK ("only" = 1),
        epoch bigint NOT NULL,
        beat bigint NOT NULL,
        holder text NOT NULL,
        host text NOT NULL
    )""",
    """INSERT INTO leader VALUES (1, 0, 0, '', '')""",
    """CREATE TABLE event (
        seq bigint PRIMARY KEY,
        at text NOT NULL,
        kind text NOT NULL,
        body text NOT NULL,
        claim text CONSTRAINT claim_once UNIQUE,
        previous text NOT NULL,
        hash text NOT NULL,
        epoch bigint NOT NULL DEFAULT current_setting('watchdog.epoch')::bigint
    )""",
    """CREATE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN RAISE EXCEPTION 'the journal is only ever added to'; END$$""",
    """CREATE TRIGGER stays BEFORE UPDATE OR DELETE OR TRUNCATE ON event
        FOR EACH STATEMENT EXECUTE FUNCTION stays()""",
    """CREATE TABLE blob (
        sha256 text PRIMARY KEY,
        bytes bytea NOT NULL
    )""",
    """CREATE TABLE turn (
        "only" integer PRIMARY KEY CHECK ("only" = 1),
        at text NOT NULL,
        words text NOT NULL,
        verdicts text NOT NULL,
        looked text
    )""",
    """CREATE TABLE told (
        channel text PRIMARY KEY,
        seq bigint NOT NULL
    )""",
    """CREATE TABLE delivery (
        channel text NOT NULL,
        seq bigint NOT NULL,
        body text NOT NULL,
        state text NOT NULL CHECK (state IN ('waiting', 'sent', 'dead')),
        attempts integer NOT NULL,
        next_at text NOT NULL,
        error text NOT NULL,
        PRIMARY KEY (channel, seq)
    )""",
)
# Beside those of a journal that was begun without: whose it is, and for how long
# whoever leads needs not be heard.
_LED = """CREATE TABLE led (
        "only" integer PRIMARY KEY CHECK ("only" = 1),
        stack text NOT NULL,
        lease double precision NOT NULL
    )"""
_IS_LED = """INSERT INTO led VALUES (1, %s, %s) ON CONFLICT ("only") DO UPDATE
    SET stack = excluded.stack WHERE led.stack = ''"""
# Of two that make it at once, one waits for the other.
_ONE_AT_A_TIME = 0x444D5357


def connected(server: Server, *, read_only: bool) -> psycopg.Connection[Any]:
    """Connect, make what is not there, and be sure that it is what was meant.

    Raises:
        JournalLost: it does not answer, lets us not in, or is something else.
    """
    try:
        db = psycopg.connect(
            server.url,
            password=_password(server),
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=5,
            tcp_user_timeout=10_000,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            client_encoding="utf8",
            application_name="rollback-watchdog",
            target_session_attrs="any" if read_only else "read-write",
        )
    except psycopg.Error as error:
        raise _not_reached(server, error) from error
    user = db.info.user
    try:
        _prepared(db, server, read_only=read_only)
    except psycopg.errors.InsufficientPrivilege as error:
        db.close()
        raise _may_not(user, server, said(error)) from error
    except psycopg.Error as error:
        db.close()
        raise JournalLost(
            f"the database cannot be used: {said(error)}", "see its log"
        ) from error
    except JournalLost:
        db.close()
        raise
    return db


def _prepared(db: psycopg.Connection[Any], server: Server, *, read_only: bool) -> None:
    refuse_old(db.info.server_version)
    encoding = _one(db, "SHOW server_encoding")
    if encoding != "UTF8":
        raise JournalLost(
            f"the database is in {encoding}, meant UTF8",
            "createdb --encoding=UTF8 --template=template0",
        )
    if not read_only and _one(db, "SHOW fsync") == "off":
        raise JournalLost(
            "the server runs with fsync off: a power cut takes what it acknowledged",
            "set fsync = on in its postgresql.conf",
        )
    settings = dict(_PATIENCE)
    if _one(db, "SHOW synchronous_commit") in _WEAK:
        settings["synchronous_commit"] = "on"
    if read_only:
        settings["default_transaction_read_only"] = "on"
    # The schema alone: a table of the same name elsewhere is none of ours.
    quoted = sql.Identifier(server.schema).as_string(db)
    for name, value in (*settings.items(), ("search_path", quoted)):
        db.execute("SELECT set_config(%s, %s, false)", (name, value))
    may = (
        "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %s"
    )
    if db.execute(may, (server.schema,)).fetchone() == (False,):
        raise _may_not(db.info.user, server, f"use of the schema {server.schema}")
    if not read_only:
        with db.transaction():
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
            _made(db, server)
    found = db.execute("SELECT to_regclass('about')::text").fetchone()
    if found is None or found[0] is None:
        raise JournalLost(
            f"there is no journal in the schema {server.schema} of the database",
            "has the watchdog run with this `database` yet?",
        )
    version = _one(db, "SELECT version FROM about")
    if version != _VERSION:
        other = "a newer" if int(version) > _VERSION else "an older"
        raise JournalLost(
            f"the journal has version {version}, meant {_VERSION}",
            f"{other} watchdog wrote it: run that one",
        )
    _must_be_its(db, server)


def _must_be_its(db: psycopg.Connection[Any], server: Server) -> None:
    """Refuse the journal of another stack: whoever followed would watch nothing."""
    if _one(db, "SELECT to_regclass('led')::text") is None:
        return  # begun by a watchdog that did not note it, and only read here
    stack = _one(db, "SELECT stack FROM led")
    if server.stack and stack not in (None, "", server.stack):
        raise JournalLost(
            f"the journal in the schema {server.schema} is of the stack {stack}, meant "
            f"{server.stack}",
            "a schema is one stack's: name another with `database.schema_name`",
        )


def _made(db: psycopg.Connection[Any], server: Server) -> None:
    """Make the schema and its tables, where there are none."""
    there = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
    if db.execute(there, (server.schema,)).fetchone() is None:
        db.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(server.schema)))
    if _one(db, "SELECT to_regclass('about')::text") is None:
        for statement in _SCHEMA:
            db.execute(statement)
        about = "INSERT INTO about VALUES (1, %s, %s)"
        db.execute(about, (_VERSION, secrets.token_hex(6)))
    if _one(db, "SELECT version FROM about") != _VERSION:
        return  # it is refused
    if _one(db, "SELECT to_regclass('led')::text") is None:
        db.execute(_LED)
    if not _one(db, "SELECT stack FROM led"):
        db.execute(_IS_LED, (server.stack, server.lease.total_seconds()))


def refuse_old(version: int) -> None:
    """Refuse a server of *version*, as its client counts them, that is too old.

    Raises:
        JournalLost: it is.
    """
    if version // 10000 < _OLDEST:
        raise JournalLost(
            f"the server is PostgreSQL {version // 10000}, meant {_OLDEST} or newer",
            "bring it on; nothing was written",
        )


def said(error: Exception) -> str:
    """Give what the server or its client says, in one line, without a secret."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].removeprefix("FATAL: ").strip() if lines else type(error).__name__


def _one(db: psycopg.Connection[Any], question: Any) -> Any:
    row = db.execute(question).fetchone()
    return row[0] if row else None


def _may_not(user: str, server: Server, what: str) -> JournalLost:
    return JournalLost(
        f"the database lets {user} not do what the journal needs: {what}",
        f"as its owner: CREATE SCHEMA {server.schema} AUTHORIZATION {user}; a "
        "superuser is not needed",
    )


def _password(server: Server) -> str | None:
    if server.password_file is None:
        return None  # libpq's own: PGPASSWORD, PGPASSFILE, or none is needed
    try:
        return server.password_file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = str(getattr(error, "strerror", None) or "it is not text").lower()
        raise JournalLost(
            f"the database's password {server.password_file} cannot be read: {reason}",
            "`database.password_file` names a file for the watchdog's user to read",
        ) from error


def _not_reached(server: Server, error: psycopg.Error) -> JournalLost:
    words = said(error)
    found = re.search(r"FATAL:\s+(.*)", str(error))
    if re.search(r"too many|connection slots", words):
        return JournalLost(
            f"the database {server.url} has no connection left: {words}",
            "raise its max_connections, or end what holds them; three for each node",
        )
    if "read-only" in words:
        return JournalLost(
            f"the database {server.url} takes no writes: {words}",
            "name the primary in `database.url`, or all hosts; or free its disk",
        )
    if found:
        return JournalLost(
            f"the database {server.url} lets us not in: {found[1]}",
            "see `database` in the settings, and the server's pg_hba.conf",
        )
    return JournalLost(
        f"the database {server.url} is not reached: {words}",
        "start it, or mend `database.url`; what happened is read again then",
    )
