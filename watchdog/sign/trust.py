"""Whose signatures count, for what, from when to when, and whose no more.

Sources: ssh-keygen(1), ALLOWED SIGNERS; OpenSSH PROTOCOL.krl; and for a plain list
of revoked keys ssh-keygen(1), ``-Y verify -r``.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from watchdog.facts.problem import Problem
from watchdog.sign.bad import SIGN_AGAIN, BadSeal
from watchdog.sign.wire import Wire

ED25519 = b"ssh-ed25519"
_KIND = r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+"
_KEY = r"[A-Za-z0-9+/]+={0,2}"
_LINE = re.compile(
    rf"""(?:"(?P<quoted>[^"]*)"\s*|(?P<who>[^\s"]+)\s+)
    (?:(?P<options>(?:"(?:[^"\\]|\\.)*"|[^\s"])+)\s+)?
    (?P<kind>{_KIND})\s+(?P<key>{_KEY})(?:\s.*)?""",
    re.VERBOSE | re.ASCII,
)
_REVOKED = re.compile(rf"{_KIND}\s+(?P<key>{_KEY})(?:\s.*)?", re.ASCII)
_OPTION = re.compile(r'([A-Za-z-]+)(?:="((?:[^"\\]|\\.)*)")?(?:,(?=.)|$)')
_INSTANT = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})"
    r"(?:([0-9]{2})([0-9]{2})([0-9]{2})?)?(Z|UTC)?",
    re.IGNORECASE,
)
_KRL = b"SSHKRL\n\0"
_DAMAGED = "put back the list as it was made; until then no signature counts"


@dataclass(frozen=True, slots=True)
class Signer:
    """One line of an allowed signers file.

    *key* is the whole key as SSH writes it, *public* its 32 bytes. It counts from
    *after* to *before*, both included; *never* says why it does not count at all.
    """

    who: str
    key: bytes
    public: bytes
    after: datetime | None = None
    before: datetime | None = None
    never: str = ""

    def counts(self, at: datetime) -> bool:
        """Tell whether a signature by it counts as of *at*."""
        early = self.after is not None and at < self.after
        late = self.before is not None and at > self.before
        return not (self.never or early or late)


@dataclass(frozen=True, slots=True)
class When:
    """As of when a seal is weighed: *now*, and *then*, when its pair was first here.

    *then* is None for a pair that never ran here.
    """

    now: datetime
    then: datetime | None = None


class Trust:
    """An allowed signers file and a list of revoked keys, read for one namespace.

    A line of *allowed* that cannot be read, or has a limit that is not understood,
    lets nobody in. *revoked* is a plain list of public keys or an OpenSSH KRL;
    one that cannot be read raises Problem: it would let somebody in.
    """

    def __init__(self, allowed: bytes, revoked: bytes, namespace: str) -> None:
        self.signers = tuple(_signers(allowed.decode(errors="replace"), namespace))
        self._revoked = _revoked(revoked)

    def vouch(self, key: bytes, name: str, when: When) -> str:
        """Say why *key* may have signed *name*, or raise BadSeal.

        A key that expired still counts for what was here while it counted, or there
        would be no way back over a change of keys. A revoked one never does.
        """
        known = [signer for signer in self.signers if signer.key == key]
        if _fingerprints(key) & self._revoked:
            who = known[0].who if known else "somebody"
            raise BadSeal(
                f"{name} is signed by {who} with a revoked key, {fingerprint(key)}",
                "if these bytes are right, have them signed by a key that counts: "
                "ssh-keygen -Y sign -f KEY -n NAMESPACE FILE",
            )
        for signer in known:
            if signer.counts(when.now):
                return "signature valid"
        for signer in known:
            if when.then is not None and signer.counts(when.then):
                return (
                    f"signature valid when it was first here, {_day(when.then)} (the "
                    f"key of {signer.who} counts {_span(signer)})"
                )
        if known:
            signer = known[0]
            why = signer.never or f"counts {_span(signer)}"
            raise BadSeal(
                f"{name} is signed by {signer.who}, whose key {why}", SIGN_AGAIN
            )
        raise BadSeal(
            f"{name} is signed by a key that is not in allowed_signers, "
            f"{fingerprint(key)}",
            "add the signer's public key, if you know it to be theirs",
        )


def fingerprint(key: bytes) -> str:
    """Name *key* as ``ssh-keygen -l`` does."""
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def _signers(text: str, namespace: str) -> Iterator[Signer]:
    for raw in text.split("\n"):
        line = raw.strip()
        match = _LINE.fullmatch(line)
        if line.startswith("#") or match is None:
            continue
        who = match["who"] or match["quoted"]
        try:
            key = base64.b64decode(match["key"], validate=True)
            wire = Wire(key)
            kind, public = wire.text(), wire.text()
            wire.end()
        except (ValueError, binascii.Error):
            continue
        if kind != ED25519 or match["kind"].encode() != kind or len(public) != 32:
            continue
        try:
            limits = dict(_options(match["options"] or ""))
            after, before = (
                _instant(limits[name]) if name in limits else None
                for name in ("valid-after", "valid-before")
            )
        except ValueError as error:
            yield Signer(who, key, public, never=str(error))
            continue
        spaces = limits.get("namespaces")
        never = ""
        if spaces is not None and not _is_listed(namespace, spaces):
            never = f"does not count for {namespace!r}, only for {spaces!r}"
        elif after and before and before <= after:
            never = "ends before it begins"
        yield Signer(who, key, public, after, before, never)


def _options(text: str) -> Iterator[tuple[str, str]]:
    """Read options as OpenSSH does; ValueError for one that is not understood."""
    place, seen = 0, set()
    while place < len(text):
        match = _OPTION.match(text, place)
        name = match[1].lower() if match else ""
        takes_none = match is not None and match[2] is None
        if (
            match is None
            or takes_none
            or name in seen
            or name not in ("namespaces", "valid-after", "valid-before")
        ):
            shown = text[place : place + 60]
            raise ValueError(f"has a limit that is not understood: {shown!r}")
        seen.add(name)
        yield name, re.sub(r"\\(.)", r"\1", match[2])
        place = match.end()


def _instant(text: str) -> datetime:
    """Read a time of an allowed signers file; without Z it is the machine's own."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(f"has a time that is not understood: {text[:60]!r}")
    try:
        at = datetime(*(int(part or 0) for part in match.groups()[:6]))  # type: ignore[arg-type] # noqa: DTZ001 # six numbers; the zone follows
        # Without a Z it is the machine's own time, as ssh-keygen reads it.
        return at.replace(tzinfo=UTC) if match[7] else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"has a time that there is not: {text[:60]!r}") from error


def _is_listed(name: str, patterns: str) -> bool:
    """Match OpenSSH's pattern list: ``*``, ``?``, and a ``!`` that outweighs all."""
    found = False
    for pattern in patterns.split(","):
        bare = re.escape(pattern.removeprefix("!"))
        if re.fullmatch(bare.replace(r"\*", ".*").replace(r"\?", "."), name):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _revoked(data: bytes) -> frozenset[bytes]:
    """Give the keys and the digests of keys that are revoked."""
    try:
        return frozenset(_in_krl(data) if data.startswith(_KRL) else _in_list(data))
    except (ValueError, binascii.Error) as error:
        raise Problem(
            f"the list of revoked signers cannot be read: {error}", _DAMAGED
        ) from error


def _in_list(data: bytes) -> Iterator[bytes]:
    for number, raw in enumerate(data.decode(errors="replace").split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _REVOKED.fullmatch(line)
        if match is None:
            raise ValueError(f"line {number} is not a public key")
        yield base64.b64decode(match["key"], validate=True)


def _in_krl(data: bytes) -> Iterator[bytes]:
    krl = Wire(data)
    krl.expect(_KRL + (1).to_bytes(4, "big"), "a KRL of version 1")
    krl.take(8 + 8 + 8)  # its number, its date, its flags
    krl.text()
    krl.text()
    while krl.left:
        kind, section = krl.number(1), Wire(krl.text())
        if kind == 1:
            continue  # certificates; none counts here anyway
        if kind == 255:
            section.text()
            if section.number(1):
                raise ValueError("it has a critical extension")
        elif kind in (2, 3, 5):
            while section.left:
                yield section.text()
        else:
            raise ValueError(f"it has a section of kind {kind}")


def _fingerprints(key: bytes) -> set[bytes]:
    # SHA-1 is how older KRLs name keys; nothing is trusted because of it.
    short = hashlib.sha1(key, usedforsecurity=False).digest()
    return {key, short, hashlib.sha256(key).digest()}


def _span(signer: Signer) -> str:
    parts = [f"from {_day(signer.after)}"] if signer.after else []
    parts += [f"until {_day(signer.before)}"] if signer.before else []
    return " ".join(parts)


def _day(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
