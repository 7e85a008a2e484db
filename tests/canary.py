"""Secrets that betray themselves: a mark in each, looked for in all that is said.

Every secret of a test holds the mark, in each spelling that it may take: as text, as
base64 (a key in a PEM, a shared secret), as hex. Whoever hears a line, a message or a
page calls ``heard``; what a test prints or logs is heard by itself. The mark in any
of it fails the test that was running.
"""

import base64
import sqlite3
from contextlib import closing, suppress

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Letters and digits only: base64 of RAW, and itself in a URL, a variable, a shell.
MARK = "C4naryNeverSings"
RAW = base64.b64decode(MARK)
SPELLINGS = (MARK, MARK.lower(), RAW.hex(), RAW.hex().upper(), repr(RAW)[2:-1])

_found: list[str] = []


def heard(where, text):
    """Note it if *text* gives a secret away; give it back."""
    whole = text.decode(errors="replace") if isinstance(text, bytes) else text
    for spelling in SPELLINGS:
        at = whole.find(spelling)
        if at >= 0:
            around = whole[max(0, at - 160) : at + 60]
            _found.append(f"{where} holds a secret: …{around}…")
            break
    return text


def given_away():
    """Give what was found since the last time, and forget it."""
    found = list(_found)
    _found.clear()
    return found


def events_of(path):
    """Hear the events of the journal at *path*, apart from how containers are made.

    A plan and a record hold whole create bodies: without them nothing is put back.
    """
    # The project's own modules may not be there yet when pytest loads this one.
    from watchdog.record.journal import Journal  # noqa: PLC0415
    from watchdog.record.log import fields_of  # noqa: PLC0415

    with closing(Journal(path, read_only=True)) as journal:
        for entry in journal.entries():
            event = entry.event
            heard(f"event {entry.seq}, {type(event).__name__},", str(fields_of(event)))
        heard("the last turn", str(journal.last_turn()))
    outbox = path / "outbox.db"
    if outbox.is_file():
        with closing(sqlite3.connect(f"{outbox.as_uri()}?mode=ro", uri=True)) as db:
            heard("the outbox", "\n".join(db.iterdump()))


def plant_in(stack):
    """Give a real stack's folder a secret, in `.env` and in its containers."""
    compose, env = stack / "compose.yaml", stack / ".env"
    written = "      DMS_VERSION: ${DMS_VERSION}\n"
    whole = compose.read_text()
    assert written in whole
    planted = f"{written}      DATABASE_URL: postgres://dms:${{DMS_TOKEN}}@db/dms\n"
    compose.write_text(whole.replace(written, planted))
    env.write_text(f"{env.read_text()}DMS_TOKEN={text()}\n")


def all_of(stage):
    """Hear all that the watchdog of a real *stage* says, as long as it is there."""
    heard("the log", "\n".join(stage.printed()))
    for where, paths in (
        (stage.private, ("/v1/status", "/metrics", "/readyz")),
        (stage.decisions, ("/v1/approvals", "/openapi.json")),
    ):
        for path in paths:
            with suppress(httpx.HTTPError):
                heard(path, httpx.get(f"{where}{path}", timeout=30).text)
    if stage.log.is_file() and (stage.state / "journal.db").is_file():
        events_of(stage.state)
    elif not stage.log.is_file():
        for words in (("status", "--json"), ("explain",), ("releases",)):
            heard(f"watchdog {' '.join(words)}", stage.in_container(*words))


# -- secrets with the mark -----------------------------------------------------------


def text(what=""):
    """Make a password, a token, the secret part of a URL."""
    return f"{MARK}{what}"


def shared(number=0, size=32):
    """Make the bytes of a shared secret, another for each *number*."""
    return (RAW * 6)[: size - 2] + number.to_bytes(2, "big")


def whsec(number=0):
    """Write a shared secret as Standard Webhooks does."""
    return "whsec_" + base64.b64encode(shared(number)).decode()


def signing(number=0):
    """Make the signing secret of a Slack app: 32 digits in hex."""
    return RAW.hex() + f"{number:08x}"


def key(number):
    """Make a private key with the mark in its PEM, its raw base64 and its hex."""
    # A PEM has 16 bytes before the seed, so that RAW begins a group of three at 2.
    seed = b"\0\0" + RAW + b"\0" + RAW + number.to_bytes(5, "big")
    return Ed25519PrivateKey.from_private_bytes(seed)
