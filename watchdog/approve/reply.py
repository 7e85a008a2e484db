"""What a caller is told, whatever the door."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller is told: an HTTP status and a JSON body.

    *retry_after*: seconds that the caller should wait; 0 where that means nothing.
    """

    status: int
    body: Mapping[str, Any]
    retry_after: int = 0


def no(status: int, code: str, words: str) -> Reply:
    """Refuse, as a problem document."""
    return Reply(
        status, {"type": "about:blank", "status": status, "code": code, "title": words}
    )
