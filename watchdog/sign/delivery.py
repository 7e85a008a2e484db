"""A signed message, verified and made: Standard Webhooks, with Ed25519 first.

Source: Standard Webhooks 1.0, schemes ``v1a`` (Ed25519) and ``v1`` (HMAC-SHA256).
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchdog.facts.problem import Problem
from watchdog.facts.roster import Key, Scheme

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TIMESTAMP = re.compile(r"[1-9][0-9]{9}")
_TOLERANCE = timedelta(minutes=5)
_MOST_SIGNATURES = 8
_LONGEST = 1024
_SIZES = {Scheme.ED25519: 64, Scheme.HMAC: 32}


class Signs(Protocol):
    """An Ed25519 private key, wherever it is kept."""

    def sign(self, data: bytes, /) -> bytes:
        """Sign *data* itself: 64 bytes."""
        ...


class Unauthorized(Problem):
    """The message is not signed by a listed approver; the caller learns no more."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A message whose signature is good: its id, and whose key signed it."""

    message: str
    who: str
    key: str
    scheme: Scheme


def who_signed(
    headers: Mapping[str, list[str]],
    body: bytes,
    keys: Iterable[tuple[str, Key]],
    at: datetime,
) -> Signed:
    """Verify a signed message.

    *headers* maps lower-case names to all their values, *keys* are those that count
    at *at*, each with its owner. Nothing of *body* is parsed. Every signature is
    tried with every key, so that the time taken tells nothing.

    Raises:
        Unauthorized: for whatever reason; the words are for our log only.
    """
    found: list[str] = []
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        values = headers.get(name, [])
        if len(values) != 1:
            raise Unauthorized(f"{len(values)} headers {name}, meant 1")
        found.append(values[0])
    message, stamp, signatures = found
    if not _ID.fullmatch(message):
        raise Unauthorized("webhook-id is not 8 to 64 of A-Z a-z 0-9 _ -")
    if not _TIMESTAMP.fullmatch(stamp):
        raise Unauthorized("webhook-timestamp is not ten digits")
    if abs(int(stamp) - at.timestamp()) > _TOLERANCE.total_seconds():
        raise Unauthorized(f"webhook-timestamp {stamp} is over 5 minutes off")
    offered = _offered(signatures)
    signed = f"{message}.{stamp}.".encode() + body
    good: Signed | None = None
    for name, key in keys:
        for scheme, raw in offered:
            if scheme is key.scheme and _fits(key, raw, signed):
                good = good or Signed(message, name, key.id, scheme)
    if good is None:
        raise Unauthorized("no signature of a listed approver fits")
    return good


def _offered(text: str) -> list[tuple[Scheme, bytes]]:
    """Read the header's signatures; those of a version that we do not know go."""
    entries = text.split(" ")
    if len(text) > _LONGEST or len(entries) > _MOST_SIGNATURES:
        raise Unauthorized("webhook-signature is too long")
    offered: list[tuple[Scheme, bytes]] = []
    for entry in entries:
        version, comma, written = entry.partition(",")
        if not comma:
            raise Unauthorized("webhook-signature has an entry without a version")
        if version not in list(Scheme):
            continue
        scheme, raw = Scheme(version), _canonical(written)
        if raw is None or len(raw) != _SIZES[scheme]:
            raise Unauthorized(f"a {version} signature is not canonical base64")
        offered.append((scheme, raw))
    return offered


def _fits(key: Key, raw: bytes, signed: bytes) -> bool:
    if key.scheme is Scheme.HMAC:
        meant = hmac.new(key.material, signed, hashlib.sha256).digest()
        return hmac.compare_digest(meant, raw)
    try:
        Ed25519PublicKey.from_public_bytes(key.material).verify(raw, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def signature(
    message: str, at: datetime, body: bytes, *keys: Signs | bytes
) -> dict[str, str]:
    """Sign *body* for a delivery at *at*: the three headers.

    A key signs with Ed25519, or is the bytes of a shared secret; of several each one
    signs, for receivers that know only one of them.
    """
    stamp = str(int(at.timestamp()))
    signed = f"{message}.{stamp}.".encode() + body
    return {
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(_entry(signed, key) for key in keys),
    }


def _entry(signed: bytes, key: Signs | bytes) -> str:
    if isinstance(key, bytes):
        scheme, raw = Scheme.HMAC, hmac.new(key, signed, hashlib.sha256).digest()
    else:
        scheme, raw = Scheme.ED25519, key.sign(signed)
    return f"{scheme},{base64.b64encode(raw).decode()}"


def _canonical(text: str) -> bytes | None:
    """Decode base64 that has exactly one spelling; None for any other."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None
