"""A detached SSH signature, as ``ssh-keygen -Y sign`` makes it.

Source: OpenSSH PROTOCOL.sshsig. Ed25519 only; hashed by SHA-512 or SHA-256.
"""

import base64
import binascii
import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchdog.sign.bad import SIGN_AGAIN, BadSeal
from watchdog.sign.trust import ED25519, Trust, When
from watchdog.sign.wire import Wire

_ARMOR = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]{1,8192})"
    rb"-----END SSH SIGNATURE-----\n?"
)
_HASHES = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}


def verify(  # what is signed, and all that it is held against
    data: bytes,
    signature: bytes,
    *,
    namespace: str,
    trust: Trust,
    when: When,
    name: str,
) -> str:
    """Verify an SSHSIG of *data*; say why it counts. *name* is what errors call it.

    Raises:
        BadSeal: missing, malformed, for another namespace, or by a key that does
            not count.
    """
    match = _ARMOR.fullmatch(signature)
    if match is None:
        seen = "no signature" if not signature else "not an SSH signature"
        raise BadSeal(f"{name} has {seen}", SIGN_AGAIN)
    try:
        blob = Wire(base64.b64decode(match[1].replace(b"\n", b""), validate=True))
        blob.expect(b"SSHSIG" + (1).to_bytes(4, "big"), "an SSHSIG of version 1")
        key, space = blob.text(), blob.text()
        blob.text()
        algorithm = blob.text()
        raw, inner = Wire(blob.text()), Wire(key)
        blob.end()
        kind, inner_kind = raw.text(), inner.text()
        bits = public = b""
        if kind == inner_kind == ED25519:
            bits, public = raw.text(), inner.text()
            raw.end()
            inner.end()
    except (ValueError, binascii.Error) as error:
        raise BadSeal(f"{name} has a damaged signature: {error}", SIGN_AGAIN) from error
    if space != namespace.encode():
        raise BadSeal(
            f"{name} is signed for {space.decode(errors='replace')!r}, "
            f"meant {namespace!r}",
            SIGN_AGAIN,
        )
    if kind != ED25519 or inner_kind != kind or algorithm not in _HASHES:
        seen = f"{kind.decode(errors='replace')}, {algorithm.decode(errors='replace')}"
        raise BadSeal(
            f"{name} is signed with {seen}, meant ssh-ed25519, sha512", SIGN_AGAIN
        )
    digest = _HASHES[algorithm](data).digest()
    signed = b"SSHSIG" + b"".join(
        len(part).to_bytes(4, "big") + part for part in (space, b"", algorithm, digest)
    )
    words = trust.vouch(key, name, when)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bits, signed)
    except (InvalidSignature, ValueError) as error:
        raise BadSeal(
            f"{name} is not what its signature was made for: its bytes were changed",
            "put the signed bytes back; a manifest never changes under its version",
        ) from error
    return words
