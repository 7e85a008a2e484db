"""A signed note: a few lines of text, and who signed them, in one piece of text.

Source: C2SP's signed-note, which transparency logs sign their checkpoints with.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchdog.facts.problem import Problem
from watchdog.sign.delivery import Signs

_ED25519 = b"\x01"
_SIGNED = "— "
_KEY = re.compile(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")
_NAMELESS = re.compile(r"[+\s]+")


@dataclass(frozen=True, slots=True)
class NoteKey:
    """The public half of a key that signs notes; *name* says whose, and proves nothing.

    Written as ``name+id+key``: the id is four bytes in hexadecimal.
    """

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Tell keys of one name apart: four bytes of its sha256."""
        return hashlib.sha256(
            self.name.encode() + b"\n" + _ED25519 + self.public
        ).digest()[:4]

    def __str__(self) -> str:
        """Write it as whoever verifies needs it."""
        raw = _encoded(_ED25519 + self.public)
        return f"{self.name}+{self.id.hex()}+{raw}"


def note_key(text: str) -> NoteKey:
    """Read a key as it is written.

    Raises:
        Problem: it is none, or not an Ed25519 one.
    """
    found = _KEY.fullmatch(text.strip())
    if found:
        name, id_, raw = found.groups()
        with_kind = _decoded(raw)
        if with_kind[:1] == _ED25519 and len(with_kind) == 33:
            key = NoteKey(name, with_kind[1:])
            if key.id.hex() == id_:
                return key
    raise Problem(
        f"{text.strip()[:80]!r} is no key of a signed note",
        "it is the line that `watchdog audit key` prints: name+id+key",
    )


def named(text: str) -> str:
    """Make a key's name of *text*: it holds neither spaces nor a plus."""
    return _NAMELESS.sub("-", text.strip()) or "watchdog"


def signed(text: str, keys: Iterable[tuple[NoteKey, Signs]]) -> str:
    """Sign *text*, which ends with a line's end: the whole note."""
    lines = [
        f"{_SIGNED}{key.name} {_encoded(key.id + by.sign(text.encode()))}"
        for key, by in keys
    ]
    return f"{text}\n" + "".join(f"{line}\n" for line in lines)


def opened(note: str, keys: Iterable[NoteKey]) -> tuple[str, tuple[NoteKey, ...]]:
    """Give what a note says, and which of *keys* signed it.

    Signatures of other keys say nothing, and are left out.

    Raises:
        Problem: it is no signed note, or a signature by the id of one of *keys* does
            not fit.
    """
    text, gap, below = note.rpartition("\n\n")
    lines = below.splitlines()
    if not gap or not lines or not all(line.startswith(_SIGNED) for line in lines):
        raise Problem("it is no signed note", "a text, an empty line, lines with —")
    text += "\n"
    good: list[NoteKey] = []
    known = list(keys)
    for line in lines:
        name, _, raw = line.removeprefix(_SIGNED).partition(" ")
        whole = _decoded(raw)
        for key in known:
            if (key.name, key.id) != (name, whole[:4]):
                continue
            try:
                Ed25519PublicKey.from_public_bytes(key.public).verify(
                    whole[4:], text.encode()
                )
            except (InvalidSignature, ValueError):
                raise Problem(
                    f"the signature of {name} does not fit what it says"
                ) from None
            good.append(key)
    return text, tuple(good)


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
