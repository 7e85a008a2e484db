"""All that the journal can hold: what happened, in the past tense, with its reason.

Events are added, never changed. A field that is added later has a default, so that
an old journal is read by new code. Each kind stands in the file of its place in the
flow; all of them are listed here, and taken from here.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, get_args

from watchdog.facts.event.acted import IncidentClosed as IncidentClosed
from watchdog.facts.event.acted import RecoveryMissed as RecoveryMissed
from watchdog.facts.event.acted import RecoverySeen as RecoverySeen
from watchdog.facts.event.acted import RollbackDelayed as RollbackDelayed
from watchdog.facts.event.acted import RollbackEnded as RollbackEnded
from watchdog.facts.event.acted import RollbackMended as RollbackMended
from watchdog.facts.event.acted import RollbackRefused as RollbackRefused
from watchdog.facts.event.acted import RollbackReopened as RollbackReopened
from watchdog.facts.event.acted import RollbackStarted as RollbackStarted
from watchdog.facts.event.acted import RollbackStuck as RollbackStuck
from watchdog.facts.event.acted import StepDone as StepDone
from watchdog.facts.event.acted import StepFailed as StepFailed
from watchdog.facts.event.acted import StepIntended as StepIntended
from watchdog.facts.event.acted import StepUndone as StepUndone
from watchdog.facts.event.acted import WentBack as WentBack
from watchdog.facts.event.asked import Answered as Answered
from watchdog.facts.event.asked import AnswerRefused as AnswerRefused
from watchdog.facts.event.asked import AnswerVoided as AnswerVoided
from watchdog.facts.event.asked import HoldLifted as HoldLifted
from watchdog.facts.event.asked import HoldPlaced as HoldPlaced
from watchdog.facts.event.asked import KeyFirstUsed as KeyFirstUsed
from watchdog.facts.event.asked import OrderGiven as OrderGiven
from watchdog.facts.event.asked import OrderRefused as OrderRefused
from watchdog.facts.event.asked import QuestionAsked as QuestionAsked
from watchdog.facts.event.asked import QuestionClosed as QuestionClosed
from watchdog.facts.event.asked import Reminded as Reminded
from watchdog.facts.event.asked import WayChosen as WayChosen
from watchdog.facts.event.judged import BlindTooLong as BlindTooLong
from watchdog.facts.event.judged import BreachConfirmed as BreachConfirmed
from watchdog.facts.event.judged import VerdictChanged as VerdictChanged
from watchdog.facts.event.judged import WouldHaveActed as WouldHaveActed
from watchdog.facts.event.ledger import ImageHeld as ImageHeld
from watchdog.facts.event.ledger import ImageLetGo as ImageLetGo
from watchdog.facts.event.ledger import ImageLost as ImageLost
from watchdog.facts.event.ledger import PairProvedGood as PairProvedGood
from watchdog.facts.event.ledger import PairQuarantined as PairQuarantined
from watchdog.facts.event.ledger import PairRecorded as PairRecorded
from watchdog.facts.event.ledger import RetentionAsked as RetentionAsked
from watchdog.facts.event.ledger import RetentionReleased as RetentionReleased
from watchdog.facts.event.ledger import StandbyChanged as StandbyChanged
from watchdog.facts.event.ledger import VersionsRevoked as VersionsRevoked
from watchdog.facts.event.observed import OneWaySeen as OneWaySeen
from watchdog.facts.event.observed import PairStarted as PairStarted
from watchdog.facts.event.observed import PairUnclear as PairUnclear
from watchdog.facts.event.observed import PairUnreplayable as PairUnreplayable
from watchdog.facts.event.observed import PartSeen as PartSeen
from watchdog.facts.event.observed import ReadinessChanged as ReadinessChanged
from watchdog.facts.event.observed import ReleaseArmed as ReleaseArmed
from watchdog.facts.event.observed import ReleaseUnfiled as ReleaseUnfiled
from watchdog.facts.event.observed import TriggerUnproven as TriggerUnproven
from watchdog.facts.event.promoted import DeploymentAnswered as DeploymentAnswered
from watchdog.facts.event.promoted import DeploymentAnswering as DeploymentAnswering
from watchdog.facts.event.promoted import DeploymentDelayed as DeploymentDelayed
from watchdog.facts.event.promoted import DeploymentLeft as DeploymentLeft
from watchdog.facts.event.promoted import DeploymentRequested as DeploymentRequested
from watchdog.facts.event.promoted import DeploymentWeighed as DeploymentWeighed
from watchdog.facts.event.promoted import PromotionChanged as PromotionChanged
from watchdog.facts.event.promoted import PromotionPaused as PromotionPaused
from watchdog.facts.event.promoted import PromotionResumed as PromotionResumed
from watchdog.facts.event.watched import CheckpointSigned as CheckpointSigned
from watchdog.facts.event.watched import ClaimTaken as ClaimTaken
from watchdog.facts.event.watched import ClockStepped as ClockStepped
from watchdog.facts.event.watched import FarEndBack as FarEndBack
from watchdog.facts.event.watched import FarEndLost as FarEndLost
from watchdog.facts.event.watched import HostRefused as HostRefused
from watchdog.facts.event.watched import RequestCrashed as RequestCrashed
from watchdog.facts.event.watched import SignaturesCalm as SignaturesCalm
from watchdog.facts.event.watched import SignaturesFailing as SignaturesFailing
from watchdog.facts.event.watched import StackClaimed as StackClaimed
from watchdog.facts.event.watched import TurnCrashed as TurnCrashed
from watchdog.facts.event.watched import TurnsLate as TurnsLate
from watchdog.facts.event.watched import TurnsOnTime as TurnsOnTime
from watchdog.facts.event.watched import WatchStarted as WatchStarted

Event: TypeAlias = (
    WatchStarted
    | CheckpointSigned
    | PairStarted
    | PairUnclear
    | OneWaySeen
    | PartSeen
    | PairUnreplayable
    | ReadinessChanged
    | ImageHeld
    | ImageLost
    | ImageLetGo
    | StandbyChanged
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
    | RollbackDelayed
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
