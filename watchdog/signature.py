"""A manifest's seal: who signed these bytes, if anybody that we listen to.

Source: OpenSSH PROTOCOL.sshsig.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchdog.facts.problem import Problem

_ARMOR = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]{1,8192})"
    rb"-----END SSH SIGNATURE-----\n?"
)
_HINT = "sign it again: ssh-keygen -Y sign -f KEY -n NAMESPACE FILE"
_HASHES = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}
_KEY = "ssh-ed25519"


class BadSeal(Problem):
    """The bytes are not signed by anybody that we listen to."""


def verify_seal(
    data: bytes, signature: bytes, *, namespace: str, allowed: str, name: str
) -> str:
    """Verify an SSHSIG of *data*; return whose key signed it.

    *allowed* is the text of an OpenSSH ``allowed_signers`` file; a line whose
    ``namespaces=`` does not list *namespace* does not count, nor does one with any
    other option: it limits its key in a way that is not checked here. *name* is
    what errors call the data.

    Raises:
        BadSeal: missing, malformed, by another key, or for another namespace.
    """
    signers = dict(_signers(allowed, namespace))
    match = _ARMOR.fullmatch(signature)
    if match is None:
        seen = "no signature" if not signature else "not an SSH signature"
        raise BadSeal(f"{name} has {seen}", _HINT)
    try:
        blob = _Wire(base64.b64decode(match[1].replace(b"\n", b""), validate=True))
        blob.expect(b"SSHSIG")
        blob.expect((1).to_bytes(4, "big"))
        key, space = blob.text(), blob.text()
        blob.text()
        algorithm = blob.text()
        raw, inner = _Wire(blob.text()), _Wire(key)
        blob.end()
        kind, inner_kind = raw.text(), inner.text()
        bits = public = b""
        if kind == inner_kind == _KEY.encode():
            bits, public = raw.text(), inner.text()
            raw.end()
            inner.end()
    except (ValueError, binascii.Error) as error:
        raise BadSeal(f"{name} has a damaged signature: {error}", _HINT) from error
    if space.decode(errors="replace") != namespace:
        raise BadSeal(
            f"{name} is signed for {space.decode(errors='replace')!r}, "
            f"meant {namespace!r}",
            _HINT,
        )
    if kind != _KEY.encode() or inner_kind != kind or algorithm not in _HASHES:
        raise BadSeal(f"{name} is signed with {kind.decode(errors='replace')}", _HINT)
    who = signers.get(key)
    if who is None:
        raise BadSeal(
            f"{name} is signed by a key that is not in allowed_signers",
            "add the signer's public key, if you know it to be theirs",
        )
    digest = _HASHES[algorithm](data).digest()
    signed = b"SSHSIG" + b"".join(
        len(part).to_bytes(4, "big") + part for part in (space, b"", algorithm, digest)
    )
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bits, signed)
    except (InvalidSignature, ValueError) as error:
        raise BadSeal(
            f"{name} is not what {who} signed: its bytes were changed",
            "put the signed bytes back; a manifest never changes under its version",
        ) from error
    return who


class _Wire:
    """Length-prefixed fields, as SSH writes them."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def expect(self, magic: bytes) -> None:
        if not self._data.startswith(magic):
            raise ValueError("it is not an SSHSIG of version 1")
        self._data = self._data[len(magic) :]

    def number(self) -> int:
        if len(self._data) < 4:
            raise ValueError("it ends too early")
        number, self._data = int.from_bytes(self._data[:4], "big"), self._data[4:]
        return number

    def text(self) -> bytes:
        size = self.number()
        if len(self._data) < size:
            raise ValueError("it ends too early")
        text, self._data = self._data[:size], self._data[size:]
        return text

    def end(self) -> None:
        if self._data:
            raise ValueError("something follows its end")


def _signers(allowed: str, namespace: str) -> Iterable[tuple[bytes, str]]:
    for line in allowed.splitlines():
        words = line.split()
        if _KEY not in words[1:] or line.lstrip().startswith("#"):
            continue
        at = words.index(_KEY, 1)
        options = " ".join(words[1:at])
        spaces = re.search(r'namespaces="([^"]*)"', options)
        if spaces and namespace not in spaces[1].split(","):
            continue
        if options not in ("", spaces and spaces[0]):
            continue
        try:
            yield base64.b64decode(words[at + 1], validate=True), words[0]
        except (IndexError, binascii.Error):
            continue
