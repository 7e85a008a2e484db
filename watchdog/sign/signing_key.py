"""A person's private key: made, read from its file, or asked of an ssh-agent.

Source for the agent: draft-miller-ssh-agent, messages 11 to 14.
"""

import base64
import hashlib
import os
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from watchdog.config.roster_file import PUBLIC
from watchdog.facts.problem import Problem
from watchdog.sign.wire import Wire

_KIND = b"ssh-ed25519"
_LIST, _LISTED, _SIGN, _SIGNED = 11, 12, 13, 14
_LARGEST = 256 * 1024  # OpenSSH's own limit
_AGENT_WAITS = 60  # s; a person may have to touch a token, or confirm


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A key that an ssh-agent holds; it never leaves it."""

    path: str
    blob: bytes
    public: bytes
    comment: str

    @property
    def fingerprint(self) -> str:
        """The key's name, as ``ssh-add -l`` writes it."""
        whole = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return f"SHA256:{whole.rstrip('=')}"

    def sign(self, data: bytes, /) -> bytes:
        """Have the agent sign *data*.

        Raises:
            Problem: it would not, or what it gave does not fit.
        """
        asked = bytes([_SIGN]) + _field(self.blob) + _field(data) + bytes(4)
        wire = _ask(self.path, asked, _SIGNED, f"the agent would not sign with {self}")
        try:
            signature = Wire(wire.text())
            signature.expect(_field(_KIND), "an Ed25519 signature")
            raw = signature.text()
            Ed25519PublicKey.from_public_bytes(self.public).verify(raw, data)
        except (ValueError, InvalidSignature):
            raise Problem(
                f"the agent's signature with {self} does not fit its key"
            ) from None
        return raw

    def __str__(self) -> str:
        """Name it for people."""
        return f"{self.fingerprint} ({self.comment})"


OwnKey: TypeAlias = Ed25519PrivateKey | AgentKey


def made(path: Path, passphrase: str = "") -> Ed25519PrivateKey:
    """Make a key and write its private half to *path*, for its owner alone.

    Raises:
        Problem: *path* is there already, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    hidden = (
        BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    )
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Problem(
            f"{path} is there already, and a key is never overwritten",
            "choose another --out",
        ) from None
    except OSError as error:
        raise Problem(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(handle, "wb") as file:
        file.write(text)
    return key


def from_file(path: Path, passphrase: Callable[[], str]) -> Ed25519PrivateKey:
    """Read a key as OpenSSL (PEM) or OpenSSH writes it; *passphrase* is asked for it.

    Raises:
        Problem: not there, readable by others, another kind of key.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Problem(f"cannot read the key {path}: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise Problem(f"the key {path} is not a plain file")
        if mode & 0o077:
            raise Problem(
                f"the key {path} is open to others (mode {stat.S_IMODE(mode):o})",
                f"chmod 600 {path}",
            )
        text = file.read(_LARGEST)
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in text else None
    try:
        try:
            key = (load or load_pem_private_key)(text, None)
        except TypeError:  # it is encrypted
            key = (load or load_pem_private_key)(text, passphrase().encode())
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise Problem(
            f"{path} is not a private key, or the passphrase is another",
            "make one: watchdog keys new --name you@example",
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Problem(
            f"{path} is not an Ed25519 key", "make one: watchdog keys new --name …"
        )
    return key


def public_of(key: OwnKey) -> bytes:
    """Give the raw public half."""
    if isinstance(key, AgentKey):
        return key.public
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def line_of(public: bytes) -> str:
    """Write a public half as the roster has it."""
    return f"{PUBLIC}{base64.b64encode(public).decode()}"


def line_in(path: Path, passphrase: Callable[[], str]) -> str:
    """Give the roster's line of the key in *path*, of which only that half is taken.

    It is that line already, an OpenSSH public key, or a private one.

    Raises:
        Problem: it is none of them, or of another kind than Ed25519.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("ascii", "replace")
    except OSError as error:
        raise Problem(f"cannot read the key {path}: {error.strerror}") from error
    for word in text.split():
        if word.startswith(PUBLIC):
            return word
    if text.startswith(_KIND.decode()):
        try:
            key = load_ssh_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if isinstance(key, Ed25519PublicKey):
            return line_of(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    return line_of(public_of(from_file(path, passphrase)))


def from_agent(which: str, path: str) -> AgentKey:
    """Find a key of the agent at *path*, by its comment or its fingerprint.

    Raises:
        Problem: no agent answers, or it does not have exactly one such key.
    """
    if not path:
        raise Problem(
            "SSH_AUTH_SOCK is not set: there is no ssh-agent here",
            "start one (`eval $(ssh-agent)`, `ssh-add`), or use --key FILE",
        )
    wire = _ask(path, bytes([_LIST]), _LISTED, "the ssh-agent would not list its keys")
    try:
        keys = list(_listed(wire, path))
    except ValueError as error:
        raise Problem(f"the ssh-agent's answer makes no sense: {error}") from None
    fitting = [key for key in keys if which in (key.comment, key.fingerprint)]
    if len(fitting) != 1:
        known = "; ".join(str(key) for key in keys) or "none"
        raise Problem(
            f"the ssh-agent has {len(fitting)} Ed25519 keys called {which}, meant 1",
            f"its Ed25519 keys: {known}",
        )
    return fitting[0]


def _listed(wire: Wire, path: str) -> list[AgentKey]:
    found: list[AgentKey] = []
    for _ in range(wire.number()):
        blob, comment = wire.text(), wire.text().decode("utf-8", "replace")
        inside = Wire(blob)
        if inside.text() == _KIND:
            found.append(AgentKey(path, blob, inside.text(), comment))
    return found


def _field(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _ask(path: str, message: bytes, meant: int, refused: str) -> Wire:
    """Ask the agent one thing; give what follows the answer's kind."""
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(_AGENT_WAITS)
            agent.connect(path)
            agent.sendall(_field(message))
            size = int.from_bytes(_received(agent, 4), "big")
            if not 1 <= size <= _LARGEST:
                raise Problem(f"the ssh-agent's answer has {size} bytes")
            answer = _received(agent, size)
    except OSError as error:
        raise Problem(f"the ssh-agent at {path} does not answer: {error}") from error
    if answer[0] != meant:
        raise Problem(refused)
    return Wire(answer[1:])


def _received(agent: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = agent.recv(size - len(data))
        if not more:
            raise ConnectionError("it hung up")
        data += more
    return data
