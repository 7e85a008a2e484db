"""One look at a metric: measured, or blind with a cause."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from watchdog.facts.container import Containers

_LONGEST = 200


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
    ``floor``, ``in`` and ``out`` for a queue, ``worst`` for a value, or ``late``
    where samples older than two scrapes say something else. A part that is missing
    was not measured; it is never zero. But ``fell``, how many series fell though no
    process began, is there only where some did.
    *over*: of a value, each series past the bound there, with its value.
    """

    end: datetime
    parts: Mapping[str, float]
    over: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """The blocks of one window as of *at*, oldest first, none left out.

    *gaps*: what was counted in each gap between two blocks, by the end of the gap:
    a counter tells after a gap by how much it grew in it.
    """

    at: datetime
    blocks: tuple[Block, ...]
    gaps: Mapping[datetime, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blind:
    """Not measured, and why. Never clear, never breached; both reading and verdict.

    *hint* is its cure, where that is not the one of every such cause.
    """

    cause: Cause
    words: str
    hint: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Before:
    """What was measured before the running pair started, from *since* to *until*.

    *whole* adds up all of it, *last* its last ten minutes; parts as in a block,
    and ``seconds`` is how much time was measured. *most*: of a queue, the most that
    it drained in any window.
    """

    since: datetime
    until: datetime
    whole: Mapping[str, float] = field(default_factory=dict)
    last: Mapping[str, float] = field(default_factory=dict)
    most: float = 0.0


@dataclass(frozen=True, slots=True)
class Groups:
    """Bad and all events of the window by the values of one label.

    *before*: the values that there were before the running pair started. *looks*, of
    each value, where one alone may be a breach, and *were*, what each counted before.
    """

    counts: Mapping[str, tuple[float, float]]
    before: frozenset[str] = frozenset()
    looks: Mapping[str, Look] = field(default_factory=dict)
    were: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pace:
    """How many events came in each of a trigger's times of some stretch, in order.

    What was not measured whole is left out.
    """

    counts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outside:
    """When the outside cause held last in the window; None when it did not."""

    held_at: datetime | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What the server answered: one look per poll to be confirmed, newest first.

    *before*, *outside* and *groups* are None when they were not asked for, and
    blind on their own: neither makes the looks unseen. *renamed* says why there may
    be errors that nobody counts; *measured_on* of how many containers how many are
    measured, where some are not; *uncounted* says why that is not known. *paces*: how
    much traffic there was, by the words for when.
    """

    looks: tuple[Look, ...]
    queries: tuple[str, ...] = ()
    before: Before | Blind | None = None
    outside: Outside | Blind | None = None
    groups: Groups | Blind | None = None
    renamed: str = ""
    measured_on: tuple[int, int] | None = None
    uncounted: Blind | None = None
    paces: Mapping[str, Pace | Blind] = field(default_factory=dict)


Reading: TypeAlias = Measured | Containers | Blind


def unforeseen(error: Exception) -> Blind:
    """Make of a fault that we have no words for a blindness, in its own words.

    One odd answer makes one trigger blind; it must not keep the others from being
    judged.
    """
    said = " ".join(str(error).split())
    words = f"{type(error).__name__}: {said}" if said else type(error).__name__
    safe = "".join(char if char.isprintable() else "\ufffd" for char in words)
    if len(safe) > _LONGEST:
        safe = f"{safe[:_LONGEST]}…"
    return Blind(Cause.NONSENSE, f"what was answered cannot be weighed: {safe}")
