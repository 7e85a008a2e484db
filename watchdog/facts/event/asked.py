"""What people are asked, and what they answer or order."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    """A person wants nothing to be rolled back until they lift the hold."""

    by: str
    words: str


@dataclass(frozen=True, slots=True)
class HoldLifted:
    """The hold is over; what was refused because of it is weighed again."""

    by: str
    words: str


@dataclass(frozen=True, slots=True)
class OrderGiven:
    """A person ordered by hand: *what* is rollback, drill, dry-drill or repair.

    *key* is the pair to put up, empty where the watchdog chooses. *despite* names
    what would keep the watchdog itself from it, and the person from nothing.
    """

    order: str
    what: str
    by: str
    reason: str
    key: str
    words: str
    despite: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderRefused:
    """What was ordered by hand was not begun, and why."""

    order: str
    words: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class WayChosen:
    """A person let a rollback that was stuck go on: *way* is forward or back."""

    op: str
    way: str
    by: str
    words: str


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """A person must decide. *document* holds the exact bytes that are signed.

    *needed* different people must agree; *instead_of* is the question before it.
    """

    question: str
    incident: str
    document: str
    digest: str
    dri: tuple[str, ...]
    expires: datetime
    words: str
    needed: int = 1
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A listed person decided; the signature was verified at the door.

    *message* is the delivery's id: the same one again is the same answer. *key*
    names the key that signed, *scheme* how; *assurance* is ``key``, or the service
    that vouches for the person. *eta*: until when a fix forward is promised.
    """

    question: str
    message: str
    decision: str
    by: str
    reason: str
    body: str
    key: str = ""
    scheme: str = "v1a"
    assurance: str = "key"
    eta: datetime | None = None
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class AnswerRefused:
    """What a listed person signed was refused: said once for each of them and reason.

    *about* is a question or a release that is known, else empty.
    """

    about: str
    by: str
    key: str
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class KeyFirstUsed:
    """A key that counts was used for the first time here, or has another half now.

    *fingerprint* is the beginning of a hash of it; empty for Slack's word.
    """

    by: str
    key: str
    fingerprint: str
    words: str


@dataclass(frozen=True, slots=True)
class AnswerVoided:
    """An answer counts no more: its person or its key may not answer any more."""

    question: str
    message: str
    words: str


@dataclass(frozen=True, slots=True)
class Reminded:
    """*share* of the time for an answer is over; *to* is who is told now."""

    question: str
    share: str
    to: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class QuestionClosed:
    """The question needs no answer any more: superseded, expired or carried out."""

    question: str
    how: str
    words: str
