"""What runs, whether it is armed, and whether it could be put back."""

from dataclasses import dataclass
from datetime import datetime

from watchdog.facts.lack import Lack
from watchdog.facts.pair import Pair


@dataclass(frozen=True, slots=True)
class PairStarted:
    """Other containers than before are deployed: a deployment, or our rollback.

    *record* is the blob with how they were made; *by* is the rollback that made
    them, empty for anybody else. *one_way*: its file said ``rollback_safe: false``.
    *unseen_from*: nobody looked from then until it came, and *between* are one-way
    releases that may have run meanwhile. *sick* says what was wrong with the containers
    before it, as ``service: words`` each; None when nobody looked.
    """

    pair: Pair
    record: str
    containers: tuple[str, ...]
    since: datetime
    by: str = ""
    one_way: bool = False
    unseen_from: datetime | None = None
    between: tuple[str, ...] = ()
    sick: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PairUnclear:
    """What runs could not be read as one whole pair."""

    words: str
    split: bool


@dataclass(frozen=True, slots=True)
class OneWaySeen:
    """Something of a one-way release was there, though it never ran as a whole pair.

    Half a deployment of it, or one of its jobs, may have changed what it changes.
    *ran*: it did run as one, and its file said so only later.
    """

    release: str
    words: str
    ran: bool = False


@dataclass(frozen=True, slots=True)
class PartSeen:
    """Something of another release was started, and its file says nothing against it.

    It may say only later that it goes one way.
    """

    release: str
    words: str


@dataclass(frozen=True, slots=True)
class PairUnreplayable:
    """The stack holds something that a rollback could not put back.

    Not written any more: readiness says it, for as long as it lasts.
    """

    release: str
    words: str


@dataclass(frozen=True, slots=True)
class ReadinessChanged:
    """Whether it could be rolled back right now became another answer.

    *running* and *key* are the pairs that it is about, by their keys; *target* is the
    version of the latter. Both are empty when there is no target, which is then the
    first of the *lacks*. *standby* says since when one of the target is healthy.
    """

    running: str
    target: str
    key: str
    ready: bool
    words: str
    lacks: tuple[Lack, ...] = ()
    standby: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseUnfiled:
    """A version without a release file of its own runs."""

    release: str
    words: str


@dataclass(frozen=True, slots=True)
class ReleaseArmed:
    """Every trigger of the running release was tried live, and can be relied on.

    *doubts* are what a DRI should know all the same. *triggers* names what was tried:
    once its file says other ones, these are tried.
    """

    release: str
    words: str
    doubts: tuple[str, ...] = ()
    triggers: str = ""


@dataclass(frozen=True, slots=True)
class TriggerUnproven:
    """A trigger was tried live and cannot be relied on; the others watch."""

    release: str
    trigger: str
    words: str
    hint: str = ""
