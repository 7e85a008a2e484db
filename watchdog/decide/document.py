"""A question's document: frozen to be signed, and read back in words."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from watchdog.facts.pair import Pair

ROLLBACK = "rollback"


def document(
    audience: str,
    question: str,
    incident: str,
    cause: str,
    halves: tuple[Pair, Pair],
    *,
    at: datetime,
    expires: datetime,
    needed: int,
) -> str:
    """Freeze what is asked; an answer binds exactly these bytes by their sha256.

    *halves* are the pair that runs and the one to go back to.
    """
    pairs = {
        name: {
            "version": pair.version,
            **({"images": pair.images} if pair.images else {"image": pair.image}),
            "manifests": dict(pair.manifests),
            "key": pair.key,
        }
        for name, pair in zip(("from", "to"), halves, strict=True)
    }
    whole = {
        "v": 1,
        "audience": audience,
        "approval_id": question,
        "incident_id": incident,
        "action": ROLLBACK,
        **pairs,
        "root_cause": cause,
        "required_approvals": needed,
        "created_at": at.isoformat(timespec="seconds"),
        "expires_at": expires.isoformat(timespec="seconds"),
    }
    return json.dumps(whole, separators=(",", ":"))


def digest_of(text: str) -> str:
    """Name exactly these bytes."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def plain(text: str) -> str:
    """Let nothing move the cursor, turn the line round or hide what is signed."""
    return "".join(c if c.isprintable() else "?" for c in text)


@dataclass(frozen=True, slots=True)
class Half:
    """One of the two pairs as the document has it: whole digests, no prefix.

    *images* has them by service, where there are several; then *image* is empty.
    """

    version: str
    image: str
    manifests: dict[str, str]
    images: dict[str, str] = field(default_factory=dict)

    def image_of(self, service: str) -> str:
        """Give the image of *service*."""
        return self.image or self.images.get(service, "none")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a document says; a part that it lacks is empty."""

    audience: str
    question: str
    incident: str
    action: str
    cause: str
    before: Half
    after: Half
    needed: int
    expires: str

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """What would change, and what would not: what, from, to."""
        before, after = self.before, self.after
        found = [("version", before.version, after.version)]
        services = list(dict.fromkeys((*before.images, *after.images)))
        found += [
            (f"image of {name}", before.image_of(name), after.image_of(name))
            for name in services
        ]
        if not services:
            found.append(("image", before.image, after.image))
        tenants = sorted({*self.before.manifests, *self.after.manifests})
        found += [
            (
                f"manifest of {tenant}",
                self.before.manifests.get(tenant, "none"),
                self.after.manifests.get(tenant, "none"),
            )
            for tenant in tenants
        ]
        if not tenants:
            found.append(("manifests", "none", "none"))
        return found


def read(text: str) -> Asked:
    """Read a document.

    Raises:
        ValueError: it is not JSON, or a part is of another kind than written here.
    """
    whole = json.loads(text)
    if not isinstance(whole, dict):
        raise ValueError("the document is not a JSON object")  # noqa: TRY004 - a bad text, not a bad call
    needed = whole.get("required_approvals", 1)
    if not isinstance(needed, int):
        raise ValueError("required_approvals is not a number")  # noqa: TRY004
    return Asked(
        audience=_text(whole, "audience"),
        question=_text(whole, "approval_id"),
        incident=_text(whole, "incident_id"),
        action=_text(whole, "action"),
        cause=_text(whole, "root_cause"),
        before=_half(whole, "from"),
        after=_half(whole, "to"),
        needed=needed,
        expires=_text(whole, "expires_at"),
    )


def _half(whole: dict[str, Any], name: str) -> Half:
    half = whole.get(name, {})
    if not isinstance(half, dict):
        raise ValueError(f"{name} is not an object")  # noqa: TRY004
    return Half(
        _text(half, "version"),
        _text(half, "image"),
        _texts(half, "manifests", f"{name}.manifests"),
        _texts(half, "images", f"{name}.images"),
    )


def _texts(half: dict[str, Any], key: str, where: str) -> dict[str, str]:
    texts = half.get(key, {})
    if not isinstance(texts, dict):
        raise ValueError(f"{where} is not an object")  # noqa: TRY004
    return {name: _text(texts, name) for name in texts}


def _text(whole: dict[str, Any], key: str) -> str:
    value = whole.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"{key} is not text")  # noqa: TRY004
    return value
