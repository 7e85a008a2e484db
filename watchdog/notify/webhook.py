"""A signed JSON webhook: what the change is, for programs.

Source: Standard Webhooks 1.0.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from watchdog.facts.message import Message
from watchdog.notify.channel import post, report_of
from watchdog.sign.delivery import signature


@dataclass(frozen=True, slots=True)
class SignedWebhook:
    """Posts every message to one URL, signed with the watchdog's own key.

    *audience* is the watchdog's name, *base* where people reach the decisions
    listener, *pages* where the private one, empty when they do not. *also* are keys
    that sign beside it while one is changed.
    *checkpoint* gives the newest one of the journal, for whoever keeps it. The id is
    the same over all attempts, the time is each one's.
    """

    name: str
    url: str = field(repr=False)
    key: Ed25519PrivateKey | bytes = field(repr=False)
    audience: str
    base: str = ""
    also: tuple[Ed25519PrivateKey | bytes, ...] = field(default=(), repr=False)
    checkpoint: Callable[[], str] = lambda: ""
    pages: str = ""

    def send(self, message: Message, at: datetime) -> None:
        """Post *message*; raises NotTaken."""
        body = json.dumps(self.body(message), separators=(",", ":")).encode()
        id_ = delivery_id(self.audience, message.seq)
        post(self.url, body, signature(id_, at, body, self.key, *self.also))

    def body(self, message: Message) -> dict[str, Any]:
        """Say *message* as data."""
        data: dict[str, Any] = {
            "watchdog": self.audience,
            "seq": message.seq,
            "severity": str(message.severity),
            "title": message.title,
            "words": message.words,
            "next": message.next,
            "facts": dict(message.facts),
            "to": list(message.to),
        }
        if note := self.checkpoint():
            data["checkpoint"] = note
        if report := report_of(message, self.pages):
            data["report"] = {
                "name": report.name,
                "url": report.url,
                "file": report.file,
                "command": report.command,
            }
        if message.question:
            data["approval_id"] = message.question
            if self.base:
                data["review_url"] = f"{self.base}/a/{message.question}"
        if message.document:
            raw = message.document.encode()
            data |= {
                "action": json.loads(message.document),
                "action_b64": base64.b64encode(raw).decode(),
                "action_digest": message.digest,
                "expires_at": message.expires.isoformat() if message.expires else "",
            }
            if self.base:
                path = f"/v1/approvals/{message.question}/decision"
                data["callback_url"] = f"{self.base}{path}"
        at = message.at.isoformat(timespec="milliseconds")
        return {"type": message.kind, "timestamp": at, "data": data}


def delivery_id(audience: str, seq: int) -> str:
    """Name a delivery: the same over all attempts, and no other watchdog's."""
    return f"wd_{hashlib.sha256(audience.encode()).hexdigest()[:10]}_{seq:08}"
