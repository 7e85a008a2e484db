"""What a rollback did, step by step, to its end, and what it helped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from watchdog.facts.pair import Pair
from watchdog.facts.plan import Plan, Step


@dataclass(frozen=True, slots=True)
class RollbackDelayed:
    """What was called for cannot be planned or asked yet, and why; tried again."""

    incident: str
    words: str


@dataclass(frozen=True, slots=True)
class RollbackRefused:
    """What was called for was not done, and why."""

    incident: str
    words: str


@dataclass(frozen=True, slots=True)
class RollbackStarted:
    """The plan is fixed and nothing is touched yet.

    *waited*: seconds that people took, from the question to the answer; machine
    time is what follows.
    *what* and *order* are of the order that it began with; without one, a rollback
    by the release file or by an approval. *incident* may be empty then.
    """

    incident: str
    plan: Plan
    from_pair: Pair
    to_pair: Pair
    cause: str
    approved_by: str
    automatic: bool
    waited: float = 0.0
    order: str = ""
    what: str = "rollback"


@dataclass(frozen=True, slots=True)
class StepIntended:
    """About to act; only what the world shows says whether it was done."""

    op: str
    step: Step
    attempt: int


@dataclass(frozen=True, slots=True)
class StepDone:
    """The world shows what the step was for."""

    op: str
    step: Step
    evidence: str


@dataclass(frozen=True, slots=True)
class StepUndone:
    """Somebody undid what the step had come to; it is done again, or given up."""

    op: str
    step: Step
    words: str


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The step could not be brought about; the plan turns around or stops."""

    op: str
    step: Step
    words: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class WentBack:
    """The way forward is closed; from here on the previous pair is being put back.

    *evidence* holds, by name, the last state and output of each container that was
    made for the target: they go with it.
    """

    op: str
    words: str
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RollbackEnded:
    """How it ended: *proved*, *unchanged* (nothing was touched) or *put-back*.

    *unpinned*: as *proved*, but somebody set the env file back meanwhile.
    *overtaken*: somebody deployed meanwhile or took the stack down; that is left alone.
    *rehearsed*: a dry drill came as far as the swap, and was cleared away.
    *hint* says what a person must do, where something is left to do.

    The six fields of the runbook: *started*, the event's own time (completed),
    *previous*, *target*, *root_cause*, *owner*.
    """

    op: str
    incident: str
    how: str
    started: datetime
    previous: str
    target: str
    root_cause: str
    owner: str
    proof: str
    waited: float = 0.0
    order: str = ""
    what: str = "rollback"
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RollbackReopened:
    """The engine forgot what an ended rollback had done; it is being done again."""

    op: str
    words: str


@dataclass(frozen=True, slots=True)
class RollbackMended:
    """What the engine had forgotten is done again; *how* and *proof* as at its end."""

    op: str
    how: str
    proof: str


@dataclass(frozen=True, slots=True)
class RollbackStuck:
    """Neither the target nor the previous pair could be put up whole.

    *again* when nobody else was seen at work, so that the way back is tried again;
    *theirs* when what somebody deployed meanwhile is in the way, and is no whole pair.
    """

    op: str
    words: str
    hint: str
    again: bool = False
    theirs: bool = False


@dataclass(frozen=True, slots=True)
class RecoverySeen:
    """After the rollback the trigger that fired is clear again."""

    incident: str
    words: str


@dataclass(frozen=True, slots=True)
class RecoveryMissed:
    """The rollback did not help: it is not this release."""

    incident: str
    words: str


@dataclass(frozen=True, slots=True)
class IncidentClosed:
    """Nothing of it is waiting any more.

    *latched*: what it told may go on, and coming from elsewhere is told no more.
    """

    incident: str
    words: str
    latched: bool = False
