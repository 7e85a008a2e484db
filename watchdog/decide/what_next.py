"""What follows from what people are told, by itself or through them; one sentence."""

from datetime import UTC, datetime

from watchdog.facts.event import (
    Answered,
    AnswerRefused,
    AnswerVoided,
    BlindTooLong,
    ClaimTaken,
    ClockStepped,
    DeploymentAnswered,
    DeploymentDelayed,
    DeploymentLeft,
    DeploymentWeighed,
    FarEndLost,
    HoldLifted,
    HoldPlaced,
    ImageLost,
    KeyFirstUsed,
    PairUnclear,
    PromotionChanged,
    QuestionAsked,
    QuestionClosed,
    ReadinessChanged,
    RecoveryMissed,
    RecoverySeen,
    ReleaseUnfiled,
    Reminded,
    RequestCrashed,
    RetentionAsked,
    RollbackDelayed,
    RollbackEnded,
    RollbackRefused,
    RollbackStarted,
    RollbackStuck,
    SignaturesFailing,
    StackClaimed,
    TriggerUnproven,
    TurnCrashed,
    TurnsLate,
    WouldHaveActed,
)

NOTHING = "nothing is asked of anybody"


def what_next(event: object) -> str:
    """Say what happens after *event*, and when; or that nothing is asked of anybody."""
    return _of_people(event) or _of_acting(event) or _of_watching(event) or NOTHING


def _of_people(event: object) -> str:
    match event:
        case QuestionAsked(expires=expires):
            return (
                f"without an answer until {_clock(expires)} it goes by the release "
                "file; the page says what that is"
            )
        case Reminded():
            return "it goes by the release file then; the page says what that is"
        case Answered(decision="approve"):
            return "the rollback begins once as many agree as are needed"
        case Answered(decision="forward_fix", eta=datetime() as eta):
            return f"it is asked again if the breach still stands at {_clock(eta)}"
        case Answered():
            return (
                "nothing is rolled back; promotion stays paused until another version "
                "is deployed or a DRI resumes this one"
            )
        case AnswerRefused():
            return "it changed nothing"
        case AnswerVoided():
            return "what it said does not count; whoever is asked may answer again"
        case KeyFirstUsed():
            return "if it was somebody else, take the key out of the roster now"
        case QuestionClosed(how="carried out"):
            return "how the rollback ends is told"
        case QuestionClosed():
            return "its page says what became of it"
        case HoldPlaced():
            return "nothing is rolled back, and promotion is paused, until it is lifted"
        case HoldLifted():
            return "what is found from now on is acted upon again"
        case _:
            return ""


def _of_acting(event: object) -> str:
    match event:
        case RollbackStarted(what="drill" | "dry-drill"):
            return "how it ended is told"
        case RollbackStarted():
            return "it goes on by itself; how it ended is told"
        case RollbackEnded(
            what="drill" | "dry-drill", how="rehearsed" | "proved" | "overtaken"
        ):
            return NOTHING
        case RollbackEnded(what="drill" | "dry-drill"):
            return "readiness is red until a drill ends well"
        case RollbackEnded(how="proved", incident=incident) if incident:
            return "whether it helped is watched now, and told"
        case RollbackEnded(how="proved"):
            return "what runs now is watched like any release"
        case RollbackEnded(hint=hint):
            return hint or "`watchdog status` says what runs now"
        case RollbackStuck():
            return "`watchdog repair` shows what there is, and mends it for who says so"
        case RollbackDelayed():
            return "it is tried again at each turn; where it lasts it is refused"
        case RollbackRefused():
            return "it is left as it is: roll back by hand, or deploy another version"
        case RecoverySeen():
            return "the incident is over"
        case RecoveryMissed():
            return "nothing more is rolled back by itself; a person must find the cause"
        case WouldHaveActed():
            return "nothing follows: it only observes"
        case PromotionChanged(state="open", release=release):
            return f"the pipeline may go onward with {release}"
        case PromotionChanged(over=over) if over:
            return "waiting will not open it; deploy another version"
        case PromotionChanged(expected=True):
            return "it opens by itself once each trigger was clear over its window"
        case PromotionChanged():
            return "it opens once these reasons are gone"
        case _:
            return ""


def _of_watching(event: object) -> str:
    match event:
        case BlindTooLong():
            return "nothing is rolled back for it; promotion waits until it is measured"
        case TriggerUnproven():
            return "the other triggers are judged as before"
        case PairUnclear():
            return "nothing is rolled back until one whole pair runs"
        case ReadinessChanged():
            return "promotion is paused until it could be; it is looked at all the time"
        case ImageLost():
            return "that pair is no target until it is here again"
        case StackClaimed():
            return "nothing is done here while the other one has it"
        case ClaimTaken():
            return "what is found from now on is acted upon"
        case RetentionAsked():
            return "they stay held until somebody says otherwise"
        case ReleaseUnfiled():
            return "it is not rolled back by itself"
        case FarEndLost():
            return "it is asked again all the time; that it answers is told"
        case RequestCrashed():
            return "the listener goes on; the next of its kind are counted in the log"
        case SignaturesFailing():
            return "theirs are looked at slowly; a good answer still gets through"
        case TurnsLate():
            return "what fails meanwhile is seen that much later"
        case ClockStepped():
            return "deadlines that were running move with it"
        case TurnCrashed():
            return "the next turn begins as if it had not been"
        case DeploymentWeighed():
            return "it waits at GitHub until somebody answers it there"
        case DeploymentAnswered(refused=refused) if refused:
            return "it waits at GitHub until somebody answers it there"
        case DeploymentDelayed():
            return "it is told again and again until GitHub takes it"
        case DeploymentLeft():
            return "it waits at GitHub until somebody answers it there"
        case _:
            return ""


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M} UTC"
