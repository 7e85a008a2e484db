"""All that the journal can hold: what happened, in the past tense, with its reason.

Events are added, never changed. A field that is added later has a default, so that
an old journal is read by new code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias, get_args

from watchdog.facts.lack import Lack
from watchdog.facts.pair import Pair, Revoked
from watchdog.facts.plan import Plan, Step


@dataclass(frozen=True, slots=True)
class WatchStarted:
    """A watchdog process took up the journal."""

    version: str
    mode: str


@dataclass(frozen=True, slots=True)
class PairStarted:
    """Other containers than before are deployed: a deployment, or our rollback.

    *record* is the blob with how they were made; *by* is the rollback that made
    them, empty for anybody else. *one_way*: its file said ``rollback_safe: false``.
    *unseen_from*: nobody looked from then until it came, and *between* are one-way
    releases that may have run meanwhile.
    """

    pair: Pair
    record: str
    containers: tuple[str, ...]
    since: datetime
    by: str = ""
    one_way: bool = False
    unseen_from: datetime | None = None
    between: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PairUnclear:
    """What runs could not be read as one whole pair."""

    words: str
    split: bool


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
    first of the *lacks*.
    """

    running: str
    target: str
    key: str
    ready: bool
    words: str
    lacks: tuple[Lack, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageHeld:
    """The image of a retained pair is here, and kept from being cleaned away.

    *image* is its id, and *size* what it takes at most, in bytes: images share layers.
    """

    key: str
    version: str
    words: str
    image: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class RetentionAsked:
    """People are asked, once for each pair, whether what is held beyond may go.

    *size* is what its images take at most, in bytes.
    """

    keys: tuple[str, ...]
    size: int
    words: str
    hint: str


@dataclass(frozen=True, slots=True)
class ImageLost:
    """The image of a retained pair is gone, or nothing keeps it."""

    key: str
    version: str
    words: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ImageLetGo:
    """Nothing keeps the image of a released pair any more; it was not deleted."""

    key: str
    version: str
    words: str


@dataclass(frozen=True, slots=True)
class RetentionReleased:
    """A pair need not stay restorable: a person says so, *by* name, or had agreed."""

    key: str
    version: str
    by: str
    words: str


@dataclass(frozen=True, slots=True)
class PairProvedGood:
    """A pair is known to be good: it ran its bake time, measured and clear.

    Or a person says so: *vouched_by*, whose word also lifts a quarantine.
    """

    key: str
    words: str
    vouched_by: str = ""
    record: str = ""


@dataclass(frozen=True, slots=True)
class PairRecorded:
    """A pair that never ran here was recorded for a person, as it was found.

    It counts as older than every pair that is known.
    """

    pair: Pair
    record: str
    by: str
    words: str


@dataclass(frozen=True, slots=True)
class PairQuarantined:
    """A pair breached; it is no target any more."""

    key: str
    words: str


@dataclass(frozen=True, slots=True)
class VersionsRevoked:
    """The signed list of revoked versions was seen at a higher *epoch* than before.

    *sha256* is of its bytes: another list of the same epoch is a forgery.
    """

    epoch: int
    sha256: str
    words: str
    revoked: tuple[Revoked, ...] = ()


@dataclass(frozen=True, slots=True)
class StackClaimed:
    """Another watchdog, *by*, claims this stack: nothing is done here any more."""

    by: str
    words: str
    hint: str


@dataclass(frozen=True, slots=True)
class ClaimTaken:
    """The stack is claimed from here; *over* is whose claim was taken over, if any."""

    words: str
    over: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseUnfiled:
    """A version without a release file of its own runs."""

    release: str
    words: str


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
class ReleaseArmed:
    """Every trigger of the running release was tried live, and can be relied on.

    *doubts* are what a DRI should know all the same.
    """

    release: str
    words: str
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TriggerUnproven:
    """A trigger was tried live and cannot be relied on; the others watch."""

    release: str
    trigger: str
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


@dataclass(frozen=True, slots=True)
class PromotionPaused:
    """The pipeline may not carry this release onward."""

    release: str
    words: str


@dataclass(frozen=True, slots=True)
class PromotionResumed:
    """A person said that this release may go onward after all."""

    release: str
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PromotionChanged:
    """The gate of what runs opened or closed: *state* is ``open`` or ``paused``.

    *words* say what an open one rests on. *over* is ``rolled-back`` or
    ``quarantined`` when waiting will not open it; *images* are what it speaks of, by
    service: ids and digests. *expected* when it is closed only because the release is
    new.
    """

    release: str
    state: str
    reasons: tuple[str, ...]
    over: str = ""
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: str = ""
    expected: bool = False


@dataclass(frozen=True, slots=True)
class DeploymentRequested:
    """GitHub lets a deployment wait until we say whether it may begin.

    *deployment* names it by what GitHub signed; *delivery* was not signed. *run* and
    *installation* are GitHub's numbers, *ref* is the branch or tag that is deployed.
    """

    deployment: str
    delivery: str
    repository: str
    run: int
    environment: str
    ref: str
    sha: str
    installation: int


@dataclass(frozen=True, slots=True)
class DeploymentWeighed:
    """What a waiting deployment is to be told became another answer.

    *state* is ``waiting``, ``approved`` or ``rejected``: a wish, until it is posted.
    *release* is what is deployed by the settings' rule, empty where none fits.
    """

    deployment: str
    state: str
    words: str
    release: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentAnswering:
    """A verdict is about to be posted for the first time; there is no other after."""

    deployment: str
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class DeploymentAnswered:
    """GitHub took a verdict, or a report where *state* is ``waiting``.

    *refused* says why it never will, empty when it took it.
    """

    deployment: str
    state: str
    words: str
    refused: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentDelayed:
    """GitHub has not taken what is due for a while; it is still tried."""

    deployment: str
    words: str


@dataclass(frozen=True, slots=True)
class DeploymentLeft:
    """A deployment gets no verdict of ours any more, and why."""

    deployment: str
    words: str
    hint: str = ""


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
    *overtaken*: somebody deployed meanwhile, and what they deployed is left alone.
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

    *again* when nobody else was seen at work, so that the way back is tried again.
    """

    op: str
    words: str
    hint: str
    again: bool = False


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


@dataclass(frozen=True, slots=True)
class FarEndLost:
    """Prometheus, the engine or a file cannot be reached; still trying."""

    what: str
    words: str


@dataclass(frozen=True, slots=True)
class SignaturesFailing:
    """Somebody tries the door for decisions, again and again, without a good key.

    Said once, however many come: an answer is still taken, a little later.
    """

    words: str


@dataclass(frozen=True, slots=True)
class SignaturesCalm:
    """Nobody has tried the door too often for a while."""

    words: str


@dataclass(frozen=True, slots=True)
class RequestCrashed:
    """Something nobody had foreseen was raised in a request; it was answered with 500.

    *again*: there was another one within the last minute.
    """

    listener: str
    request: str
    words: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class HostRefused:
    """The first request for a host that is none of ours came; it was refused."""

    listener: str
    host: str


@dataclass(frozen=True, slots=True)
class FarEndBack:
    """What could not be reached answers again."""

    what: str


@dataclass(frozen=True, slots=True)
class TurnsLate:
    """Turns do not come at their time, or take longer than a poll."""

    words: str


@dataclass(frozen=True, slots=True)
class TurnsOnTime:
    """Turns come at their time again."""

    words: str


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock and the monotonic one disagree: a step, or a suspended box."""

    seconds: float
    words: str


@dataclass(frozen=True, slots=True)
class TurnCrashed:
    """A fault that we have no words for; the next turn starts from the journal."""

    words: str


Event: TypeAlias = (
    WatchStarted
    | PairStarted
    | PairUnclear
    | PairUnreplayable
    | ReadinessChanged
    | ImageHeld
    | ImageLost
    | ImageLetGo
    | RetentionReleased
    | RetentionAsked
    | PairProvedGood
    | PairRecorded
    | PairQuarantined
    | VersionsRevoked
    | StackClaimed
    | ClaimTaken
    | ReleaseUnfiled
    | VerdictChanged
    | WouldHaveActed
    | BlindTooLong
    | ReleaseArmed
    | TriggerUnproven
    | BreachConfirmed
    | PromotionPaused
    | PromotionResumed
    | PromotionChanged
    | DeploymentRequested
    | DeploymentWeighed
    | DeploymentAnswering
    | DeploymentAnswered
    | DeploymentDelayed
    | DeploymentLeft
    | HoldPlaced
    | HoldLifted
    | OrderGiven
    | OrderRefused
    | WayChosen
    | QuestionAsked
    | Answered
    | AnswerRefused
    | KeyFirstUsed
    | AnswerVoided
    | Reminded
    | QuestionClosed
    | RollbackRefused
    | RollbackStarted
    | StepIntended
    | StepDone
    | StepUndone
    | StepFailed
    | WentBack
    | RollbackEnded
    | RollbackReopened
    | RollbackMended
    | RollbackStuck
    | RecoverySeen
    | RecoveryMissed
    | IncidentClosed
    | FarEndLost
    | FarEndBack
    | SignaturesFailing
    | SignaturesCalm
    | RequestCrashed
    | HostRefused
    | TurnsLate
    | TurnsOnTime
    | ClockStepped
    | TurnCrashed
)

EVERY_EVENT: tuple[type[Event], ...] = get_args(Event)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event at its place: *seq* counts from 1 without gaps, *at* is UTC."""

    seq: int
    at: datetime
    event: Event
