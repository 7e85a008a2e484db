"""``approvers.yaml`` into who may answer, or a refusal with every fault in it."""

import os
import re
import stat
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from watchdog.config.filling import fill
from watchdog.config.notation import (
    WHOLE_FILE,
    Said,
    YesOrNo,
    in_words,
    one_line,
    seen,
)
from watchdog.config.yaml_file import mapping_in
from watchdog.facts.problem import Fault, Refused
from watchdog.facts.roster import Approver, Key, Roster, Scheme

PUBLIC = "whpk_"
SECRET = "whsec_"  # noqa: S105 # the prefix that every shared secret has
_NOT_PUBLIC = ("whsk_", SECRET)
_NAME = re.compile(r"[A-Za-z0-9._+@-]+")
_SLACK_USER = re.compile(r"[UW][A-Z0-9]{2,31}")
_KEY_ID = re.compile(r"[A-Za-z0-9._@-]{1,64}")
# Standard Webhooks: a shared secret has 24 to 64 bytes.
_SECRET_BYTES = range(24, 65)
# Secrets that stand in examples, here and elsewhere; everybody has them.
_EXAMPLES = frozenset({bytes([n]) * 32 for n in range(256)}) | {
    b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    b64decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
}

# The points of Ed25519 with a tiny order, sign bit masked: for these, signatures can
# be made without any private key. Source: libsodium, ``ge25519_has_small_order``.
_KEYS_OF_NOBODY = frozenset(
    bytes.fromhex(key)
    for key in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


def _public_key(value: object) -> str:
    hint = f"write `{PUBLIC}` and the base64 of the 32 bytes of an Ed25519 key"
    if isinstance(value, str) and value.startswith(_NOT_PUBLIC):
        # Not shown: it would stand in a log.
        raise Said(
            "is a secret", "list the public half; a shared secret goes to `secret_file`"
        )
    got = one_line(value)
    try:
        key = b64decode(got.removeprefix(PUBLIC), validate=True)
    except ValueError:
        key = b""
    if not got.startswith(PUBLIC) or len(key) != 32:
        raise Said(f"{seen(got)} is not a public key", hint)
    if key[:31] + bytes([key[31] & 0x7F]) in _KEYS_OF_NOBODY:
        raise Said(f"{seen(got)} is a key that anybody can sign for", hint)
    return got


def _instant(value: object) -> datetime:
    hint = "write it like `2027-03-31` or `2027-03-31T00:00:00Z`; UTC without a zone"
    try:
        got = datetime.fromisoformat(one_line(value))
        # At the edges of time there is a zone in which it is past them.
        return got.astimezone(UTC) if got.tzinfo else got.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, Said):
            raise
        raise Said(f"{seen(value)} is not a time", hint) from None


def _key_id(value: object) -> str:
    got = one_line(value)
    if not _KEY_ID.fullmatch(got):
        raise Said(f"{seen(got)} is not a key's name", "write it like `asha-2026a`")
    return got


def _written_out(value: object) -> object:
    return {"key": value} if isinstance(value, str) else value


def _path(value: object) -> Path:
    return Path(one_line(value))


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Instant = Annotated[datetime, BeforeValidator(_instant)]


def _slack_user(value: object) -> str:
    got = one_line(value)
    if not _SLACK_USER.fullmatch(got):
        hint = "write the member ID of the profile, like `U024BE7LH`; no name counts"
        raise Said(f"{seen(got)} is not a Slack user's id", hint)
    return got


class _Key(_Part):
    key: Annotated[str, BeforeValidator(_public_key)] | None = None
    secret_file: Annotated[Path, BeforeValidator(_path)] | None = None
    id: Annotated[str, BeforeValidator(_key_id)] | None = None
    not_before: Instant | None = None
    not_after: Instant | None = None
    revoked: YesOrNo = False


class _Person(_Part):
    keys: tuple[Annotated[_Key, BeforeValidator(_written_out)], ...] = ()
    slack: Annotated[str, BeforeValidator(_slack_user)] | None = None
    role: Literal["approver", "break-glass"] = "approver"


class _File(_Part):
    approvers: Mapping[str, _Person] = {}


def load_roster(path: Path, *, has_secrets: bool = True) -> Roster:
    """Read the roster; a shared secret is read from the file that it names.

    Without *has_secrets* those are taken to be right: where they are not at hand.

    Raises:
        Refused: every fault of the file, and of the secrets' files.
    """
    whole = mapping_in(path)
    if not whole:
        # Whoever saves it in place empties it first, for an instant.
        hint = "write `approvers: {}` if nobody may answer"
        raise Refused(str(path), [Fault(WHOLE_FILE, "says nothing", hint)])
    filled = fill(_File, whole)
    faults = list(filled.faults)
    approvers: dict[str, Approver] = {}
    owners: dict[bytes, str] = {}
    ids: dict[str, str] = {}
    users: dict[str, str] = {}
    for name, person in filled.value.approvers.items():
        at = ("approvers", name)
        if not _NAME.fullmatch(name):
            hint = "write a name like `asha@flexli.example`"
            faults.append(Fault(in_words(at), f"{seen(name)} is not a name", hint))
        if not person.keys and filled.is_right(*at):
            hint = "name at least one key, or leave the person out"
            faults.append(Fault(in_words((*at, "keys")), "is empty", hint))
        if person.slack:
            here = in_words((*at, "slack"))
            faults += _shared(users, person.slack, name, here, "this user")
        keys: list[Key] = []
        for place, one in enumerate(person.keys):
            here = in_words((*at, "keys", place))
            try:
                key = _key(
                    path.parent if has_secrets else None,
                    f"{name}#{place + 1}",
                    one,
                )
            except Said as said:
                faults.append(Fault(here, said.words, said.hint))
                continue
            faults += _shared(owners, key.material, name, here, "this key")
            faults += _shared(ids, key.id, f"{name}, key {place + 1}", here, "this id")
            keys.append(key)
        approvers[name] = Approver(
            name, tuple(keys), person.slack or "", person.role == "break-glass"
        )
    if faults:
        raise Refused(str(path), faults)
    return Roster(approvers)


def _shared(
    owners: dict[bytes, str] | dict[str, str],
    what: bytes | str,
    owner: str,
    here: str,
    word: str,
) -> Iterator[Fault]:
    other = owners.setdefault(what, owner)  # type: ignore[arg-type] # each dict has one kind of key
    if other != owner:
        yield Fault(here, f"{word} is {other}'s too", "each is one person's")


def _key(folder: Path | None, usual: str, written: _Key) -> Key:
    if (written.key is None) == (written.secret_file is None):
        hint = "write a public `key`, or a `secret_file`"
        raise Said("is not one key", hint)
    if written.not_before and written.not_after:
        backwards = written.not_after <= written.not_before
        if backwards:
            raise Said("ends before it begins", "not_after is later than not_before")
    if written.key is not None:
        scheme = Scheme.ED25519
        material = b64decode(written.key.removeprefix(PUBLIC))
    else:
        scheme = Scheme.HMAC
        # One that is not read is told apart by its name.
        material = str(written.secret_file).encode()
        if folder is not None:
            material = shared_secret(folder / str(written.secret_file))
    return Key(
        id=written.id or usual,
        scheme=scheme,
        material=material,
        not_before=written.not_before,
        not_after=written.not_after,
        revoked=written.revoked,
    )


def shared_secret(path: Path) -> bytes:
    """Read a ``whsec_…`` file; what it holds is never repeated.

    Raises:
        Said: not there, readable by others, too short, or an example's.
    """
    text = secret_text(path)
    hint = f"make one: printf {SECRET}; openssl rand -base64 32"
    try:
        secret = b64decode(text.removeprefix(SECRET.encode()), validate=True)
    except ValueError:
        secret = b""
    if not text.startswith(SECRET.encode()) or len(secret) not in _SECRET_BYTES:
        raise Said(f"{path} does not hold `{SECRET}` and 24 to 64 bytes", hint)
    if secret in _EXAMPLES:
        raise Said(f"{path} holds the secret of an example", hint)
    return secret


def secret_text(path: Path, *, longest: int = 1024) -> bytes:
    """Read a secret's file, without the spaces at its ends.

    Raises:
        Said: not there, not a plain file, or others may write it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Said(f"{path} cannot be read: {reason}") from None
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise Said(f"{path} is not a plain file")
        if mode & 0o022:
            raise Said(f"{path} may be written by others", f"chmod go-w {path}")
        return file.read(longest).strip()


class RosterFile:
    """The roster in force: read again when its file changes; the last good one stays.

    A wrong one is read at each look: what kept it from being read may have passed.

    One that was never right lists nobody, and nobody's answer counts: the watch goes
    on, pauses, and says that it can ask nobody. A secret's file is read again with it,
    never by itself.
    """

    def __init__(self, path: Path) -> None:
        """Read it."""
        self._path = path
        self._seen = self._look()
        self._roster = Roster()
        self._refused: Refused | None = None
        self._read()

    @property
    def roster(self) -> Roster:
        """Who may answer now."""
        return self._roster

    def refresh(self) -> Refused | None:
        """Read it again if it changed; say what is wrong with it now."""
        look = self._look()
        if look != self._seen or self._refused:
            self._seen = look
            self._read()
        return self._refused

    def _read(self) -> None:
        try:
            self._roster, self._refused = load_roster(self._path), None
        except Refused as refused:
            self._refused = refused

    def _look(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_size, found.st_ctime_ns, found.st_ino)
