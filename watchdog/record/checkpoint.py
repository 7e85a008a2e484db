"""Checkpoints: how far the journal went and what it came to, signed and sent away.

The chain finds what was changed in the middle; who can write the whole journal could
make another chain. A signed checkpoint that somebody else kept tells the two apart.
"""

import base64
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from watchdog.decide.standing import Standing
from watchdog.facts.event import CheckpointSigned
from watchdog.facts.problem import JournalLost, Problem
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory
from watchdog.sign.note import NoteKey, named, opened, signed

KEY_NAME = "audit.key"
"""The file of the key in the state folder, where the settings name none."""
_KIND = "dms-rollback-watchdog journal"
_EVERY = timedelta(days=1)
_COUNT = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the first *count* events of a journal come to, and when it was signed."""

    origin: str
    count: int
    digest: str
    at: str

    def __str__(self) -> str:
        """Write it as it is signed: one thing a line."""
        head = base64.b64encode(bytes.fromhex(self.digest)).decode()
        return f"{_KIND} {self.origin}\n{self.count}\n{head}\n{self.at}\n"


def checkpoint_of(note: str, keys: Sequence[NoteKey]) -> Checkpoint:
    """Read a signed checkpoint, and insist on a signature of one of *keys*.

    Raises:
        Problem: it is none, or nobody of *keys* signed it.
    """
    text, by = opened(note, keys)
    if not by:
        raise Problem(
            "no key that is trusted here signed this checkpoint",
            "name the key that did with --key; `watchdog audit key` prints it",
        )
    lines = text.split("\n")
    try:
        first, count, head, at, empty = lines
        digest = base64.b64decode(head, validate=True).hex()
    except ValueError:
        raise Problem("the signed note is no checkpoint of a journal") from None
    kind, _, origin = first.rpartition(" ")
    if kind != _KIND or empty or len(digest) != 64 or not _COUNT.fullmatch(count):
        raise Problem("the signed note is no checkpoint of a journal")
    return Checkpoint(origin, int(count), digest, at)


@dataclass(slots=True)
class Signer:
    """Signs with every key of the watchdog, and holds the newest checkpoint.

    *keys* are several while one is changed for another: each signs.
    """

    origin: str
    keys: tuple[tuple[NoteKey, Ed25519PrivateKey], ...]
    newest: str = ""

    @property
    def public(self) -> tuple[NoteKey, ...]:
        """The public halves, the one that signs first first."""
        return tuple(key for key, _ in self.keys)

    def sign(self, count: int, digest: str, at: datetime) -> str:
        """Sign that the journal comes to *digest* after *count* events."""
        stamp = at.astimezone(UTC).isoformat(timespec="seconds")
        self.newest = signed(
            str(Checkpoint(self.origin, count, digest, stamp)), self.keys
        )
        return self.newest


class Checkpoints:
    """Signs one at the start, after each rollback, and once a day."""

    def __init__(self, memory: Memory, journal: Journal, signer: Signer) -> None:
        self._memory = memory
        self._journal = journal
        self._signer = signer
        self._last: datetime | None = None
        self._rollback: object = None

    def turned(self, at: datetime) -> None:
        """Sign one if it is time.

        Raises:
            JournalLost: as when anything is written.
        """
        standing = self._memory.standing
        over = self._rollback is not standing.last_rollback
        if self._last and not over and timedelta() <= at - self._last < _EVERY:
            return

        def weigh(_: Standing) -> tuple[CheckpointSigned, ...]:
            head = self._journal.head
            note = self._signer.sign(head, self._journal.digest, at)
            return (CheckpointSigned(head, note),)

        self._last, self._rollback = at, standing.last_rollback
        self._memory.add_if(at, weigh)


def signer_of(
    audience: str, identity: str, keys: Sequence[Ed25519PrivateKey]
) -> Signer:
    """Name the keys by the watchdog that signs with them."""
    name = named(audience)
    pairs = tuple((NoteKey(name, _public(key)), key) for key in keys)
    return Signer(f"{name}/{identity}", pairs)


def drawn_key(folder: Path, *, only_look: bool = False) -> Ed25519PrivateKey:
    """Give the key of the state folder; drawn if new. Only the writer may draw it.

    Raises:
        JournalLost: it can be neither read nor written, or is no key.
    """
    path = folder / KEY_NAME
    hint = f"move {path} aside to draw another; earlier checkpoints keep the old one"
    try:
        if path.exists():
            key = load_pem_private_key(path.read_bytes(), None)
            if isinstance(key, Ed25519PrivateKey):
                return key
            raise JournalLost(f"{path} holds no Ed25519 private key", hint)
        if only_look:
            raise JournalLost(f"{path} is not there", "`watchdog run` draws it")
        drawn = Ed25519PrivateKey.generate()
        _write(path, drawn)
    except (ValueError, TypeError) as error:
        raise JournalLost(f"{path} holds no Ed25519 private key", hint) from error
    except OSError as error:
        raise JournalLost(f"{path} cannot be kept: {error.strerror}") from error
    return drawn


def _write(path: Path, key: Ed25519PrivateKey) -> None:
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    new = path.with_name(f"{path.name}.new")
    with suppress(FileNotFoundError):
        new.unlink()
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, text)
        os.fsync(handle)
    finally:
        os.close(handle)
    new.replace(path)
    above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(above)
    finally:
        os.close(above)


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
