"""What a trigger's reading means: clear, pending, breached, or blind."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from watchdog.facts.reading import Blind


@dataclass(frozen=True, slots=True)
class Clear:
    """Measured, and inside the bound; *words* carry the arithmetic."""

    words: str


@dataclass(frozen=True, slots=True)
class Pending:
    """Suspected: it points over the bound, but is not confirmed."""

    words: str


@dataclass(frozen=True, slots=True)
class Breached:
    """Confirmed: over the bound by every rule of the trigger.

    *value* and *bound* are in the unit of the trigger (a share for counts).
    *elsewhere* says why it is not this release's doing; empty when it is. *onset* is
    when it began, by the server's clock, as far back as the window shows.
    """

    words: str
    value: float
    bound: float
    elsewhere: str = ""
    # When it began is not what it says: two that differ only in it are the same.
    onset: datetime | None = field(default=None, compare=False)


Verdict: TypeAlias = Clear | Pending | Breached | Blind


def kind_of(verdict: Verdict) -> str:
    """Give the verdict's one word, as the log, the page and the metrics use it."""
    match verdict:
        case Clear():
            return "clear"
        case Pending():
            return "pending"
        case Breached():
            return "breached"
        case Blind():
            return "blind"
