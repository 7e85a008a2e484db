"""One look at a metric: measured, or blind with a cause."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias


class Cause(StrEnum):
    """Why something could not be measured."""

    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    PARTIAL = "partial"
    NO_SERIES = "no-series"
    NO_TRAFFIC = "no-traffic"
    TOO_FEW_SAMPLES = "too-few-samples"
    STALE = "stale"
    NOT_A_NUMBER = "not-a-number"
    NONSENSE = "nonsense"


@dataclass(frozen=True, slots=True)
class Block:
    """What was counted in the time that ends at *end*.

    *parts* holds only what the server answered: ``bad`` and ``all`` for counts,
    ``floor``, ``in`` and ``out`` for a queue, ``worst`` for a value. A part that
    is missing was not measured; it is never zero.
    """

    end: datetime
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Look:
    """The blocks of one window as of *at*, oldest first, none left out."""

    at: datetime
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """What the server answered: one look per poll to be confirmed, newest first."""

    looks: tuple[Look, ...]
    queries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Blind:
    """Not measured, and why. Never clear, never breached; both reading and verdict."""

    cause: Cause
    words: str


Reading: TypeAlias = Measured | Blind
