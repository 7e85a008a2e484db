"""One thing that was looked at, and what came of it: for whoever sets a watchdog up."""

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """How it stands: only a fault keeps the watchdog from its work."""

    OK = "ok"
    DOUBT = "doubt"
    FAULT = "fault"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found *about* something, in words, and what to do."""

    about: str
    mark: Mark
    words: str
    hint: str = ""
