"""A DSSE envelope beside the manifest, with the manifest's own bytes inside.

Source: DSSE protocol 1.0.2, https://github.com/secure-systems-lab/dsse. Ed25519 only,
one good signature of many is enough; ``keyid`` is a hint and is not looked at.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchdog.sign.bad import BadSeal
from watchdog.sign.content import strict_json
from watchdog.sign.trust import Trust, When

_MOST = 16  # signatures of one envelope: each costs a verification per key
_HINT = "sign the manifest's exact bytes again, as its payload"


def pae(kind: bytes, body: bytes) -> bytes:
    """Encode what is signed: the type and the bytes, each with its length."""
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def verify(  # what is signed, and all that it is held against
    data: bytes, envelope: bytes, *, namespace: str, trust: Trust, when: When, name: str
) -> str:
    """Verify an envelope around *data* whose payload type is *namespace*.

    Raises:
        BadSeal: missing, malformed, of other bytes or another type, or by keys that
            do not count.
    """
    if not envelope:
        raise BadSeal(f"{name} has no signature", _HINT)
    try:
        kind, payload, signatures = _opened(envelope)
    except (ValueError, binascii.Error) as error:
        raise BadSeal(f"{name} has a damaged envelope: {error}", _HINT) from error
    if kind != namespace:
        raise BadSeal(
            f"{name} is signed as {kind[:80]!r}, meant {namespace!r}",
            "`stack.signature_namespace` is the payload type that counts",
        )
    if payload != data:
        raise BadSeal(
            f"{name} is not what its envelope holds: its bytes were changed", _HINT
        )
    signed, doubt = pae(kind.encode(), payload), None
    for key in _fitting(signed, signatures, trust):
        try:
            return trust.vouch(key, name, when)
        except BadSeal as bad:
            doubt = doubt or bad
    raise doubt or BadSeal(
        f"{name} has no signature by a key in allowed_signers",
        "add the signer's public key, if you know it to be theirs",
    )


def _opened(envelope: bytes) -> tuple[str, bytes, list[bytes]]:
    whole = strict_json(envelope)
    if not isinstance(whole, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 # caught as one
    kind, listed = whole.get("payloadType"), whole.get("signatures")
    if not isinstance(kind, str) or not isinstance(listed, list):
        raise ValueError("it has no payloadType or no signatures")  # noqa: TRY004 # caught as one
    if not 0 < len(listed) <= _MOST:
        raise ValueError(f"it has {len(listed)} signatures, meant 1 to {_MOST}")
    signatures = [
        _bytes(one.get("sig") if isinstance(one, dict) else None) for one in listed
    ]
    kind.encode()  # a lone surrogate has no bytes, and raises ValueError
    return kind, _bytes(whole.get("payload")), signatures


def _bytes(text: Any) -> bytes:
    """Read base64 in either alphabet, as a verifier must."""
    if not isinstance(text, str):
        raise ValueError("a payload or signature is not text")  # noqa: TRY004 # caught as one
    plain = text.replace("-", "+").replace("_", "/")
    return base64.b64decode(plain, validate=True)


def _fitting(signed: bytes, signatures: list[bytes], trust: Trust) -> Iterator[bytes]:
    """Give the keys of allowed signers, whether they count or not, that signed."""
    for signature in signatures:
        for signer in trust.signers:
            try:
                key = Ed25519PublicKey.from_public_bytes(signer.public)
                key.verify(signature, signed)
            except (InvalidSignature, ValueError):
                continue
            yield signer.key
