"""Who may answer, and with which keys: what counts at an instant."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

_SLACK = "slack:"  # no key's id has a colon


class Scheme(StrEnum):
    """How a message is signed, as Standard Webhooks names it."""

    ED25519 = "v1a"
    HMAC = "v1"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of one person: *material* is a raw public key, or a shared secret.

    *id* names it in the audit. It counts from *not_before* up to, and without,
    *not_after*; None is for ever. *revoked*: it counts never, from now on.
    """

    id: str
    scheme: Scheme
    material: bytes = field(repr=False)
    not_before: datetime | None = None
    not_after: datetime | None = None
    revoked: bool = False

    @property
    def fingerprint(self) -> str:
        """Tell it from another of the same name; nothing of a secret is in it."""
        text = f"rollback watchdog {self.scheme} ".encode() + self.material
        return hashlib.sha256(text).hexdigest()[:12]

    def why_not(self, at: datetime) -> str:
        """Say why this key does not count at *at*, or nothing."""
        if self.revoked:
            return f"the key {self.id} is revoked"
        if self.not_before and at < self.not_before:
            return f"the key {self.id} counts from {self.not_before:%Y-%m-%d %H:%M} UTC"
        if self.not_after and at >= self.not_after:
            return f"the key {self.id} ended {self.not_after:%Y-%m-%d %H:%M} UTC"
        return ""


@dataclass(frozen=True, slots=True)
class Approver:
    """A person who may be asked. *slack* is their user id there, or empty.

    *break_glass*: not a DRI of anything, and may approve in an emergency.
    """

    name: str
    keys: tuple[Key, ...]
    slack: str = ""
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody who may answer, by name."""

    approvers: Mapping[str, Approver] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Who may be a DRI: everybody but those who only break the glass."""
        return tuple(a.name for a in self.approvers.values() if not a.break_glass)

    def keys_at(self, at: datetime) -> Iterator[tuple[str, Key]]:
        """Give every key that counts at *at*, with its owner's name."""
        for approver in self.approvers.values():
            for key in approver.keys:
                if not key.why_not(at):
                    yield approver.name, key

    def why_not(self, name: str, key_id: str, at: datetime) -> str:
        """Say why what *name* signed with *key_id* does not count at *at*, or nothing.

        An empty *key_id* is an answer from before keys had names: any key will do.
        One of ``by_slack_user`` is Slack's word: it counts for that user alone, and
        while the person has a key that counts.
        """
        approver = self.approvers.get(name)
        if approver is None:
            return f"{name} is not in the roster any more"
        by_slack = key_id.startswith(_SLACK)
        if by_slack and key_id != by_slack_user(approver.slack):
            return f"{key_id.removeprefix(_SLACK)} is not the Slack user of {name}"
        keys = [key for key in approver.keys if by_slack or key_id in ("", key.id)]
        if not keys:
            return f"the key {key_id} of {name} is not in the roster any more"
        reasons = [key.why_not(at) for key in keys]
        if by_slack and "" not in reasons:
            return f"{name} has no key that counts, so Slack does not either"
        return "" if "" in reasons else f"{reasons[0]}, and {name} signed with it"

    def can_answer(self, name: str, at: datetime) -> bool:
        """Tell whether *name* has a key that counts at *at*."""
        return any(owner == name for owner, _ in self.keys_at(at))

    def fingerprint(self, name: str, key_id: str) -> str:
        """Give the fingerprint of a key; empty for Slack's word."""
        approver = self.approvers.get(name)
        keys = approver.keys if approver else ()
        return next((key.fingerprint for key in keys if key.id == key_id), "")

    def by_slack(self, user: str) -> Approver | None:
        """Find whose Slack user id this is."""
        found = (a for a in self.approvers.values() if a.slack and a.slack == user)
        return next(found, None)


def by_slack_user(user: str) -> str:
    """Name Slack's word for *user* where else a key is named."""
    return f"{_SLACK}{user}"
