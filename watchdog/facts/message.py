"""What people and pipelines are told: one message for one change."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

PULSE = "heartbeat"
"""What the outside switch is called among what is not told; no channel has its name."""


class Severity(StrEnum):
    """Who should look: a person now, a person today, whoever asks."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell, before it takes the shape of any channel.

    *seq* is the event that it comes from, and so its identity: a message that is
    sent again has the same. *title* is one line, *words* the sentence of the log,
    *facts* what belongs to it by name. *to* are people by name; empty is everybody
    that the channel reaches. *question*, *digest* and *document* go with what can be
    answered: the document's exact bytes, as text. *report* names what has one. *next*
    is what follows, by itself or through people.
    """

    seq: int
    at: datetime
    kind: str
    severity: Severity
    title: str
    words: str
    facts: tuple[tuple[str, str], ...] = ()
    to: tuple[str, ...] = ()
    question: str = ""
    digest: str = ""
    document: str = ""
    expires: datetime | None = None
    report: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """The first message that a channel waits for, and when it may be tried."""

    message: Message
    attempts: int
    next_at: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """How a channel stands: what waits, what was given up, and the last reason.

    *since* is when the oldest that waits happened, *died* when the last was given up.
    """

    channel: str
    waiting: int
    dead: int
    error: str
    since: datetime | None = None
    died: datetime | None = None
