"""What one turn comes to: watch, ask, refuse, or roll back; each with its reason."""

from dataclasses import dataclass
from typing import TypeAlias

from watchdog.facts.pair import Pair


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing to do now, and why."""

    words: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A person must decide about *incident*; *to* is what they would approve.

    *again* is the question that this one takes the place of.
    """

    incident: str
    to: Pair
    words: str
    again: str = ""


@dataclass(frozen=True, slots=True)
class Refuse:
    """What is called for must not be done; promotion stays paused, a person acts."""

    incident: str
    words: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """Put the pair of *record* back, now.

    *automatic* when the release file approved it before it shipped; otherwise
    *approved_by* answered *question*.
    """

    incident: str
    to: Pair
    record: str
    cause: str
    approved_by: str
    automatic: bool
    question: str = ""


Decision: TypeAlias = Hold | Ask | Refuse | RollBack
