"""What the triggers of a release said."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class VerdictChanged:
    """A trigger's verdict became another one. *kind* as in ``verdict.kind_of``."""

    trigger: str
    kind: str
    words: str
    cause: str = ""
    observe_only: bool = False


@dataclass(frozen=True, slots=True)
class WouldHaveActed:
    """A breach was confirmed that is only observed: what it would have led to."""

    trigger: str
    action: str
    words: str


@dataclass(frozen=True, slots=True)
class BlindTooLong:
    """A trigger could not be measured for ``blind_for``; ops must know what."""

    trigger: str
    cause: str
    words: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class BreachConfirmed:
    """A fact from now on, whatever later samples say.

    The first one of a stack opens *incident*; others join it. *elsewhere* says why
    it is not this release's doing; empty when it is.
    """

    incident: str
    trigger: str
    action: str
    key: str
    release: str
    words: str
    value: float
    bound: float
    elsewhere: str = ""
    onset: datetime | None = None
