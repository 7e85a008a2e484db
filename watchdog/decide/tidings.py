"""Which event is worth telling people, and in which words; most are not."""

from dataclasses import replace
from datetime import datetime

from watchdog.decide.what_next import what_next
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
    Entry,
    FarEndBack,
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
from watchdog.facts.message import Message, Severity

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
Told = tuple[str, Severity, str, str]
# Blindness of Prometheus is told once it lasts, with what cannot be seen by it.
_TOLD_OTHERWISE = ("prometheus",)


def message_of(entry: Entry, name: str) -> Message | None:
    """Make what *entry* is told as by the watchdog called *name*, or nothing.

    One change, one message: a breach is told by what follows from it.
    """
    event = entry.event
    asked = _asked(entry, name)
    if asked is not None:
        return replace(asked, next=what_next(event))
    told = _ended(event) or _happened(event) or _waited(event) or _seen(event)
    if told is None:
        return None
    kind, severity, title, words = told
    facts: tuple[tuple[str, str], ...] = ()
    if isinstance(event, RollbackEnded):
        facts = six_fields(event, entry.at)
    if isinstance(event, PromotionChanged):
        facts = _gate_fields(event, name)
    return Message(
        *(entry.seq, entry.at, kind, severity, f"{name}: {title}", words, facts),
        report=_reported(event),
        next=what_next(event),
    )


def _reported(event: object) -> str:
    """Name what *event* ends, which has a report then; empty where it ends nothing."""
    match event:
        case RollbackEnded(incident=incident, op=op):
            return incident or op
        case (
            RecoverySeen(incident=incident)
            | RecoveryMissed(incident=incident)
            | RollbackRefused(incident=incident)
        ):
            return incident
        case _:
            return ""


def _asked(entry: Entry, name: str) -> Message | None:
    match entry.event:
        case QuestionAsked() as asked:
            return Message(
                entry.seq,
                entry.at,
                "rollback.approval.requested",
                CRITICAL,
                f"{name}: a decision is needed until {_clock(asked.expires)}",
                asked.words,
                facts=(("incident", asked.incident), ("needed", str(asked.needed))),
                to=asked.dri,
                question=asked.question,
                digest=asked.digest,
                document=asked.document,
                expires=asked.expires,
            )
        case Reminded(question=question, share=share, to=to, words=words):
            return Message(
                entry.seq,
                entry.at,
                "rollback.approval.reminder",
                CRITICAL,
                f"{name}: {share} of the time for an answer is over",
                words,
                to=to,
                question=question,
            )
        case _:
            return None


def _ended(event: object) -> Told | None:
    match event:
        case RollbackStarted(what="dry-drill" | "drill" as what) as begun:
            dry = what == "dry-drill"
            title = f"a drill begins: {begun.from_pair.version} back to "
            title += begun.to_pair.version + (", short of the swap" if dry else "")
            severity = INFO if dry else WARNING
            return "drill.started", severity, title, begun.cause
        case (
            RollbackEnded(what="dry-drill" | "drill", how="rehearsed" | "proved") as it
        ):
            took = f"{it.how}: {it.proof}"
            return "drill.ended", INFO, "the drill went as it should", took
        case RollbackEnded(what="dry-drill" | "drill", how=how) as it:
            words = f"{it.proof}; {it.hint}" if it.hint else it.proof
            return "drill.ended", CRITICAL, f"the drill FAILED: {how}", words
        case RollbackStarted(from_pair=bad, to_pair=good, cause=cause):
            title = f"rolling back {bad.version} to {good.version}"
            return "rollback.started", CRITICAL, title, cause
        case RollbackEnded(how="proved", previous=previous, target=target) as done:
            title = f"rolled back {previous} to {target}: proved"
            return "rollback.ended", WARNING, title, done.proof
        case RollbackEnded(how=how, target=target) as done:
            title = f"the rollback to {target} ended: {how}"
            return "rollback.ended", CRITICAL, title, done.proof
        case RollbackStuck(words=words, hint=hint):
            title = "STUCK: a person must act"
            return "rollback.stuck", CRITICAL, title, f"{words}; {hint}"
        case RollbackDelayed(words=words):
            return "rollback.delayed", CRITICAL, "not rolling back yet", words
        case RollbackRefused(words=words):
            return "rollback.refused", CRITICAL, "not rolling back", words
        case RecoverySeen(words=words):
            return "recovery.seen", INFO, "recovered", words
        case RecoveryMissed(words=words):
            return "recovery.missed", CRITICAL, "the rollback did not help", words
        case WouldHaveActed(words=words):
            return "breach.observed", WARNING, "would have acted", words
        case _:
            return None


def _happened(event: object) -> Told | None:
    match event:
        case Answered(break_glass=True, by=by, decision=decision, reason=reason):
            title = f"the glass was broken by {by}: {decision}"
            return "rollback.approval.answered", CRITICAL, title, reason
        case Answered(by=by, decision=decision, reason=reason, eta=eta):
            words = reason or "no reason given"
            title = f"{by} {said(decision, eta)}"
            return "rollback.approval.answered", INFO, title, words
        case AnswerRefused(by=by, words=words):
            title = f"what {by} signed was refused"
            return "rollback.approval.refused", WARNING, title, words
        case KeyFirstUsed(by=by, words=words):
            return "key.first_used", WARNING, f"first use of a key of {by}", words
        case AnswerVoided(words=words):
            title = "an answer counts no more"
            return "rollback.approval.voided", WARNING, title, words
        case QuestionClosed(how=how, words=words):
            # Not "carried out": that is told once it is proved.
            how = (
                "approved, and what it asked is begun" if how == "carried out" else how
            )
            return "rollback.approval.closed", INFO, f"the question is {how}", words
        case PromotionChanged(release=release, state=state, reasons=reasons) as gate:
            fine = state == "open" or gate.expected or gate.over == "superseded"
            severity = INFO if fine else WARNING
            words = "; ".join(reasons) or gate.words or "nothing speaks against it"
            title = f"promotion of {release} is {state}"
            return "promotion.changed", severity, title, words
        case HoldPlaced(words=words):
            return "hold.placed", WARNING, "on hold", words
        case HoldLifted(words=words):
            return "hold.lifted", INFO, "the hold is lifted", words
        case _:
            return None


def said(decision: str, eta: datetime | None) -> str:
    """Say a decision in words for people: ``promised a fix until 15:40 UTC``."""
    if decision == "forward_fix":
        return f"promised a fix until {eta:%H:%M} UTC" if eta else "promised a fix"
    return {"approve": "approved", "deny": "denied it"}.get(decision, decision)


def _waited(event: object) -> Told | None:
    """Tell of a deployment at GitHub; that it waits as it should is no news."""
    match event:
        case DeploymentWeighed(state="waiting", release="", words=words):
            title = "a deployment at GitHub that nobody will answer"
            return "deployment.unknown", WARNING, title, words
        case DeploymentAnswered(state="approved" | "rejected") as done:
            if done.refused:
                title = f"GitHub did not take that a deployment is {done.state}"
                return "deployment.refused", WARNING, title, done.refused
            title = f"a deployment at GitHub is {done.state}"
            return "deployment.answered", INFO, title, done.words
        case DeploymentDelayed(words=words):
            title = "GitHub has not been told of a deployment"
            return "deployment.delayed", WARNING, title, words
        case DeploymentLeft(words=words, hint=hint):
            title = "a deployment at GitHub was left without an answer"
            return "deployment.left", CRITICAL, title, f"{words}; {hint}"
        case _:
            return None


def _seen(event: object) -> Told | None:
    match event:
        case BlindTooLong(trigger=trigger, words=words, hint=hint):
            title = f"blind: {trigger}"
            return "watch.blind", CRITICAL, title, f"{words}; {hint}"
        case TriggerUnproven(trigger=trigger, words=words, hint=hint):
            title = f"{trigger} cannot be relied on"
            return "watch.unproven", WARNING, title, f"{words}; {hint}"
        case PairUnclear(words=words, split=True):
            return "pair.split", CRITICAL, "the pair is split", words
        case ReadinessChanged(ready=False, target=target, lacks=lacks) if target:
            words = "; ".join(lack.sentence for lack in lacks)
            title = f"it could not be rolled back to {target}"
            return "readiness.lost", WARNING, title, words
        case ImageLost(version=version, words=words, hint=hint):
            title = f"the image of {version} is not held"
            return "image.lost", WARNING, title, f"{words}; {hint}"
        case StackClaimed(words=words, hint=hint):
            title = "ANOTHER WATCHDOG has this stack: nothing is done here"
            return "watch.claimed", CRITICAL, title, f"{words}; {hint}"
        case ClaimTaken(words=words, over=over) if over:
            return "watch.claim_taken", WARNING, "this watchdog has the stack", words
        case RetentionAsked(words=words, hint=hint):
            title = "images are held that need not be"
            return "retention.asked", WARNING, title, f"{words} {hint}"
        case ReleaseUnfiled(words=words):
            return "release.unfiled", WARNING, "no release file", words
        case FarEndLost(what=what, words=words) if what not in _TOLD_OTHERWISE:
            return "watch.far_end_lost", WARNING, f"{what} is away", words
        case FarEndBack(what=what) if what not in _TOLD_OTHERWISE:
            return "watch.far_end_back", INFO, f"{what} is back", "it answers again"
        case RequestCrashed(again=False, listener=listener, words=words):
            title = f"a request crashed at the {listener} listener"
            return "door.crashed", WARNING, title, words
        case SignaturesFailing(words=words):
            return "door.tried", WARNING, "somebody tries the door", words
        case TurnsLate(words=words):
            return "watch.late", WARNING, "turns come late", words
        case ClockStepped(words=words):
            return "watch.clock_stepped", WARNING, "the clock stepped", words
        case TurnCrashed(words=words):
            return "watch.crashed", CRITICAL, "a turn crashed", words
        case _:
            return None


def six_fields(done: RollbackEnded, at: datetime) -> tuple[tuple[str, str], ...]:
    """Give the runbook's six fields, and how long people took of it."""
    return (
        ("Time rollback started", _stamp(done.started)),
        ("Time rollback completed", _stamp(at)),
        ("Previous version", done.previous),
        ("Rollback target", done.target),
        ("Root cause", done.root_cause),
        ("On-call owner", done.owner),
        ("People took", f"{done.waited:.0f} s"),
        ("The machine took", f"{(at - done.started).total_seconds():.1f} s"),
    )


def _gate_fields(said: PromotionChanged, name: str) -> tuple[tuple[str, str], ...]:
    """Give what the gate's answer is about, as ``GET /v1/promotion`` does."""
    over = (("over", said.over),) if said.over else ()
    named = said.images.items()
    return (
        ("release", said.release),
        ("state", said.state),
        ("audience", name),
        *over,
        *((f"image of {service}", " ".join(ids)) for service, ids in named),
    )


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _clock(at: datetime) -> str:
    return f"{at:%H:%M} UTC"
