"""Adds up the journal, event by event, to where we stand."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from watchdog.decide.became import became
from watchdog.decide.fold_pairs import (
    one_way,
    proved_good,
    quarantined,
    started,
    without,
)
from watchdog.decide.fold_rollback import after_acting, away
from watchdog.decide.question import Question
from watchdog.decide.standing import Incident, Order, SeenVerdict, Standing
from watchdog.decide.steady import STILL, Flow
from watchdog.facts.event import (
    Answered,
    AnswerVoided,
    BlindTooLong,
    BreachConfirmed,
    ClaimTaken,
    ClockStepped,
    Entry,
    FarEndBack,
    FarEndLost,
    HoldLifted,
    HoldPlaced,
    ImageHeld,
    ImageLost,
    KeyFirstUsed,
    OneWaySeen,
    OrderGiven,
    OrderRefused,
    PairProvedGood,
    PairQuarantined,
    PairStarted,
    PairUnclear,
    PromotionChanged,
    PromotionPaused,
    PromotionResumed,
    QuestionAsked,
    QuestionClosed,
    ReadinessChanged,
    ReleaseArmed,
    Reminded,
    RollbackReopened,
    RollbackStarted,
    RollbackStuck,
    StackClaimed,
    StepDone,
    StepFailed,
    StepIntended,
    StepUndone,
    TriggerUnproven,
    VerdictChanged,
    WatchStarted,
    WayChosen,
    WentBack,
)

# What a time server corrects all day is no step.
_SET_BACK = timedelta(seconds=2)
_OVER = ("pending", "breached")
# What is remembered of each kind; more decides nothing.
_MOST_CLOSED, _MOST_TIMES, _MOST_REASONS, _MOST_FLOWS = 50, 1000, 20, 1000
_OF_A_ROLLBACK = (
    RollbackStarted,
    RollbackReopened,
    StepIntended,
    StepDone,
    StepFailed,
    StepUndone,
    WayChosen,
    WentBack,
    RollbackStuck,
)


def stand(entries: Iterable[Entry], on: Standing | None = None) -> Standing:
    """Fold *entries*, in order, on top of *on* (or of nothing)."""
    standing = on or Standing()
    for entry in entries:
        standing = became(_flowing(_after(standing, entry), entry), entry)
        if entry.at > standing.latest:
            standing = replace(standing, latest=entry.at)
        if standing.rollback and isinstance(entry.event, _OF_A_ROLLBACK):
            rollback = replace(standing.rollback, last=entry.at)
            standing = replace(standing, rollback=rollback)
    return standing


def _flowing(s: Standing, entry: Entry) -> Standing:
    """Count the changes of what may come and go."""
    match entry.event:
        case VerdictChanged(trigger=name):
            what = f"verdict/{name}"
        case FarEndLost(what=name) | FarEndBack(what=name):
            what = f"far end/{name}"
        case TriggerUnproven(trigger=name):
            what = f"unproven/{name}"
        case ReadinessChanged():
            what = "readiness/"
        case ImageHeld(key=name) | ImageLost(key=name):
            what = f"image/{name}"
        case PairUnclear():
            what = "unclear/"
        case _:
            return s
    changes = s.changes | {what: s.changes.get(what, STILL).changed(entry.at)}
    if len(changes) > _MOST_FLOWS:  # names of triggers and files that are long gone
        oldest = min(changes, key=lambda name: changes[name].at)
        del changes[oldest]
    return replace(s, changes=changes)


def _paused(s: Standing, event: PromotionPaused) -> Standing:
    release = event.release
    first, *rest = dict.fromkeys((*s.paused.get(release, ()), event.words))
    reasons = (first, *rest[1 - _MOST_REASONS :])
    paused = s.paused | {release: reasons}
    return replace(s, paused=paused, resumed=without(s.resumed, release))


def _asked(s: Standing, at: datetime, event: QuestionAsked) -> dict[str, Question]:
    """Take a question in; the oldest of those that are closed are let go."""
    known = s.questions | {event.question: Question(event, at, event.expires)}
    closed = [name for name, one in known.items() if one.closed]
    gone = set(closed[:-_MOST_CLOSED])
    return {name: one for name, one in known.items() if name not in gone}


def _behind(s: Standing, at: datetime) -> Standing:
    """Let nobody gain time when the wall clock was set back while we were away.

    How long we were away can't be known then: what is waited for is over now.
    """
    if at >= s.latest - _SET_BACK:
        return s
    over = {
        name: one if one.closed else replace(one, deadline=min(one.deadline, at))
        for name, one in s.questions.items()
    }
    return replace(s, questions=over)


def _after(s: Standing, entry: Entry) -> Standing:
    at, event = entry.at, entry.event
    match event:
        case WatchStarted():
            # Nobody looked while we were away: the bake time starts over.
            return replace(_behind(s, at), unproven_since=at, watching_since=at)
        case PairStarted():
            return started(s, entry, event)
        case PairUnclear():
            return replace(s, unclear=event, unproven_since=at)
        case OneWaySeen():
            return one_way(s, event)
        case StackClaimed():
            # Nobody looks from here until it is over: the bake time starts over.
            return replace(away(s, at), claimed=event, unproven_since=at)
        case ClaimTaken():
            return replace(s, claimed=None, away_until=at)
        case ReadinessChanged():
            return replace(s, readiness=event, readiness_since=at)
        case PairProvedGood(key=key) if key in s.pairs:
            return replace(
                s, pairs=s.pairs | {key: proved_good(s.pairs[key], at, event)}
            )
        case PairQuarantined(key=key, words=words) if key in s.pairs:
            bad = quarantined(s.pairs[key], words, at)
            return replace(s, pairs=s.pairs | {key: bad})
        case VerdictChanged(trigger=trigger):
            seen = _seen(s.verdicts.get(trigger), at, event, s.flow("verdict", trigger))
            return replace(s, verdicts=s.verdicts | {trigger: seen}, unproven_since=at)
        case BlindTooLong(trigger=trigger) if trigger in s.verdicts:
            told = replace(s.verdicts[trigger], told=True)
            return replace(s, verdicts=s.verdicts | {trigger: told})
        case ReleaseArmed(triggers=tried):
            return replace(s, armed=True, tried=tried, unproven={})
        case TriggerUnproven(trigger=trigger, words=words):
            return replace(s, unproven=s.unproven | {trigger: words})
        case BreachConfirmed():
            return _breached(s, at, event)
        case PromotionPaused():
            return _paused(s, event)
        case PromotionChanged(release=release, state=state):
            return replace(s, gates=s.gates | {release: state})
        case PromotionResumed(release=release, by=by):
            words = f"{by} let it go onward at {at:%Y-%m-%d %H:%M:%S} UTC"
            paused = without(s.paused, release)
            return replace(s, paused=paused, resumed=s.resumed | {release: words})
        case HoldPlaced():
            return replace(s, hold=event)
        case HoldLifted():
            incident = s.incident
            if incident and incident.held:
                incident = replace(incident, refused="")
            return replace(s, hold=None, incident=incident)
        case OrderGiven():
            return replace(s, order=Order(event, at))
        case OrderRefused(order=order) if s.order and s.order.given.order == order:
            return replace(s, order=None)
        case QuestionAsked(question=question) if s.incident:
            return replace(
                s,
                questions=_asked(s, at, event),
                incident=replace(
                    s.incident, question=question, delayed="", delayed_since=None
                ),
            )
        case Answered(question=question) if question in s.questions:
            asked = s.questions[question].answered(event, at)
            glass = (at,) if event.break_glass else ()
            broken = (*s.glass_broken, *glass)[-_MOST_TIMES:]
            questions = s.questions | {question: asked}
            used = {event.key: ""} | s.keys_used
            return replace(s, questions=questions, glass_broken=broken, keys_used=used)
        case KeyFirstUsed(key=key, fingerprint=fingerprint):
            return replace(s, keys_used=s.keys_used | {key: fingerprint})
        case AnswerVoided(question=question, message=message) if (
            question in s.questions
        ):
            asked = s.questions[question]
            asked = replace(asked, voided=asked.voided | {message})
            return replace(s, questions=s.questions | {question: asked})
        case Reminded(question=question, share=share) if question in s.questions:
            asked = s.questions[question]
            asked = replace(asked, reminded=asked.reminded | {share})
            return replace(s, questions=s.questions | {question: asked})
        case ClockStepped(seconds=seconds):
            return _moved(s, seconds)
        case QuestionClosed(question=question, how=how) if question in s.questions:
            asked = replace(s.questions[question], closed=how)
            return replace(s, questions=s.questions | {question: asked})
        case _:
            return after_acting(s, entry)


def _moved(s: Standing, seconds: float) -> Standing:
    """Let nothing have lasted longer, nor shorter, by a wall clock that moved.

    Else a pair bakes, its gate opens and its watch ends in the instant of a step.
    """
    try:
        step = timedelta(seconds=seconds)
        verdicts = {
            name: replace(
                seen,
                since=seen.since + step,
                suspected_until=seen.suspected_until and seen.suspected_until + step,
                breached_until=seen.breached_until and seen.breached_until + step,
            )
            for name, seen in s.verdicts.items()
        }
        return replace(
            s,
            questions={name: one.moved(seconds) for name, one in s.questions.items()},
            verdicts=verdicts,
            unproven_since=s.unproven_since and s.unproven_since + step,
            stepped=s.stepped + step,
        )
    except (OverflowError, ValueError):
        return s  # further than any clock goes


def _seen(
    before: SeenVerdict | None, at: datetime, now: VerdictChanged, flow: Flow
) -> SeenVerdict:
    """Let a verdict follow the one *before*; what was suspected is remembered."""
    is_blind = now.kind == "blind"
    if before is None:
        return SeenVerdict(now, at, measured=not is_blind, changed_at=at)
    was = before.changed.kind
    seen = SeenVerdict(
        now,
        at,
        measured=before.measured or not is_blind,
        changed_at=at,
        suspected_until=at if was in _OVER else before.suspected_until,
        breached_until=at if was == "breached" else before.breached_until,
    )
    if is_blind and was == "blind":
        seen = replace(seen, since=before.since, told=before.told)
    # Told once that it comes and goes, ops is not told each time that it came.
    return replace(seen, told=before.told) if flow.comes_and_goes else seen


def _breached(s: Standing, at: datetime, event: BreachConfirmed) -> Standing:
    if s.incident is None or s.incident.id != event.incident:
        incident = Incident(event.incident, at, (event,))
    else:
        # A further breach is weighed anew: a denial answered another question.
        refused = s.incident.refused if s.incident.tried else ""
        breaches = (*s.incident.breaches, event)
        incident = replace(
            s.incident,
            breaches=breaches,
            refused=refused,
            delayed="",
            delayed_since=None,
        )
    breached = s.breached | {event.trigger}
    return replace(s, incident=incident, breached=breached)
