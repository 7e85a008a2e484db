"""The signed tenant manifest: read it, and believe it only if its signature holds.

Sources: OpenSSH PROTOCOL.sshsig (the signature), ssh-keygen(1) ALLOWED SIGNERS.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import shlex
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NAMESPACE = "manifest@dms"
ED25519 = b"ssh-ed25519"
MAGIC = b"SSHSIG"


class Refused(Exception):
    """The DMS will not start: what, what was seen, what was meant, what to do."""

    def __init__(self, what: str, *, seen: str, meant: str, hint: str) -> None:
        super().__init__(what)
        self.fields = {"what": what, "seen": seen, "meant": meant, "hint": hint}


@dataclass(frozen=True)
class Manifest:
    """One tenant's routes, as signed for one version of the DMS."""

    tenant: str
    version: str
    routes: dict[str, str]
    sha256: str


def read(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Bytes and content of the manifest at *path*, neither yet believed."""
    try:
        raw = path.read_bytes()
        content = json.loads(raw)
    except (OSError, ValueError) as why:
        # Docker makes an empty folder where a bind mount's source is missing.
        raise Refused(
            "the tenant manifest cannot be read",
            seen=f"{path}: {why}",
            meant="a JSON file",
            hint="does manifests/ hold a file for this DMS_VERSION?",
        ) from why
    if not isinstance(content, dict):
        raise Refused(
            "the tenant manifest is not an object",
            seen=type(content).__name__,
            meant='{"tenant": …, "version": …, "schema": …, "routes": {…}}',
            hint="put the released manifest back",
        )
    return raw, content


def verify(
    path: Path,
    raw: bytes,
    content: dict[str, Any],
    *,
    signers: Path,
    image: str,
) -> Manifest:
    """Give the manifest if it is signed by an allowed key and made for *image*.

    Raises:
        Refused: unsigned, signed by a stranger, changed, or another version's.
    """
    tenant, version = str(content.get("tenant")), str(content.get("version"))
    keys = _allowed_keys(signers)
    beside = path.with_name(f"{tenant}.{version}.manifest.json.sig")
    # The runbook copies the manifest alone, so the signature that lies beside the
    # active file may be missing or older: the versioned one is as good.
    places = dict.fromkeys((path.with_name(path.name + ".sig"), beside))
    tried = [place for place in places if place.is_file()]
    if not tried:
        raise Refused(
            "the tenant manifest is not signed",
            seen="no " + " nor ".join(str(place) for place in places),
            meant=f"an SSH signature, namespace {NAMESPACE}",
            hint="restore the .sig that was released with the manifest",
        )
    doubts = [_doubt(raw, sig.read_text(errors="replace"), keys) for sig in tried]
    if all(doubts):
        raise Refused(
            "the manifest's signature does not hold",
            seen="; ".join(
                f"{p.name}: {d}" for p, d in zip(tried, doubts, strict=True)
            ),
            meant=f"an ed25519 signature by a key in {signers.name}",
            hint="restore the manifest and its .sig as they were released",
        )
    if version != image:
        raise Refused(
            "image and manifest are not a pair",
            seen=f"manifest {version}",
            meant=f"manifest {image}, the version of this image",
            hint="put back both halves of one release, never one of them",
        )
    routes = {str(k): str(v) for k, v in dict(content.get("routes") or {}).items()}
    digest = hashlib.sha256(raw).hexdigest()
    return Manifest(tenant=tenant, version=version, routes=routes, sha256=digest)


def _doubt(raw: bytes, armoured: str, keys: set[bytes]) -> str:
    """Why the signature does not hold for *raw*; empty when it does."""
    try:
        lines = armoured.strip().splitlines()
        if lines[0] != "-----BEGIN SSH SIGNATURE-----":
            return "not an SSH signature"
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
        if blob[:6] != MAGIC or blob[6:10] != struct.pack(">I", 1):
            return "not an SSH signature, version 1"
        key, namespace, _, algorithm, signature = _strings(blob[10:], 5)
        key_type, public = _strings(key, 2)
        signature_type, signed = _strings(signature, 2)
    except (IndexError, ValueError, struct.error, binascii.Error):
        return "a damaged SSH signature"
    if key_type != ED25519 or signature_type != ED25519:
        return f"a key of type {key_type.decode(errors='replace')}, not ssh-ed25519"
    if namespace != NAMESPACE.encode():
        return f"signed for {namespace.decode(errors='replace')!r}, not {NAMESPACE!r}"
    if key not in keys:
        return "signed by a key that is not allowed"
    if algorithm not in (b"sha256", b"sha512"):
        return f"hashed by {algorithm.decode(errors='replace')!r}"
    digest = hashlib.new(algorithm.decode(), raw).digest()
    message = MAGIC + b"".join(
        struct.pack(">I", len(part)) + part
        for part in (namespace, b"", algorithm, digest)
    )
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signed, message)
    except (InvalidSignature, ValueError):
        return "not the bytes that were signed"
    return ""


def _strings(blob: bytes, count: int) -> list[bytes]:
    """Exactly *count* SSH strings (length, then bytes), nothing left over."""
    parts, at = [], 0
    for _ in range(count):
        (length,) = struct.unpack_from(">I", blob, at)
        part = blob[at + 4 : at + 4 + length]
        if len(part) != length:
            raise ValueError(length)
        parts.append(part)
        at += 4 + length
    if at != len(blob):
        raise ValueError(at)
    return parts


def _allowed_keys(path: Path) -> set[bytes]:
    """Keys that may sign for our namespace.

    A line with an option that is not understood here (`cert-authority`,
    `valid-before`, …) is left out: a limit that we cannot check is not lifted.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as why:
        raise Refused(
            "the list of allowed signers cannot be read",
            seen=f"{path}: {why}",
            meant="an OpenSSH allowed_signers file",
            hint="mount manifests/allowed_signers",
        ) from why
    keys = set()
    for line in lines:
        match shlex.split(line, comments=True):
            case [_, "ssh-ed25519", key, *_]:
                namespaces = NAMESPACE
            case [_, option, "ssh-ed25519", key, *_] if option.startswith(
                "namespaces="
            ):
                namespaces = option.partition("=")[2]
            case _:
                continue
        if NAMESPACE in namespaces.split(","):
            keys.add(base64.b64decode(key))
    return keys
