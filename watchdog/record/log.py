"""Each event once, as one line: JSON for machines, pretty on a terminal.

The log echoes the journal; no other file logs. The catalogue of names is
docs/reference/log-events.md, which a test holds against ``NAMES``.
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TextIO

import structlog

from watchdog.facts.event import (
    Answered,
    AnswerRefused,
    AnswerVoided,
    BlindTooLong,
    BreachConfirmed,
    CheckpointSigned,
    ClaimTaken,
    ClockStepped,
    DeploymentAnswered,
    DeploymentAnswering,
    DeploymentDelayed,
    DeploymentLeft,
    DeploymentRequested,
    DeploymentWeighed,
    Entry,
    Event,
    FarEndBack,
    FarEndLost,
    HoldLifted,
    HoldPlaced,
    HostRefused,
    ImageHeld,
    ImageLetGo,
    ImageLost,
    IncidentClosed,
    KeyFirstUsed,
    OneWaySeen,
    OrderGiven,
    OrderRefused,
    PairProvedGood,
    PairQuarantined,
    PairRecorded,
    PairStarted,
    PairUnclear,
    PairUnreplayable,
    PartSeen,
    PromotionChanged,
    PromotionPaused,
    PromotionResumed,
    QuestionAsked,
    QuestionClosed,
    ReadinessChanged,
    RecoveryMissed,
    RecoverySeen,
    ReleaseArmed,
    ReleaseUnfiled,
    Reminded,
    RequestCrashed,
    RetentionAsked,
    RetentionReleased,
    RollbackDelayed,
    RollbackEnded,
    RollbackMended,
    RollbackRefused,
    RollbackReopened,
    RollbackStarted,
    RollbackStuck,
    SignaturesCalm,
    SignaturesFailing,
    StackClaimed,
    StandbyChanged,
    StepDone,
    StepFailed,
    StepIntended,
    StepUndone,
    TriggerUnproven,
    TurnCrashed,
    TurnsLate,
    TurnsOnTime,
    VerdictChanged,
    VersionsRevoked,
    WatchStarted,
    WayChosen,
    WentBack,
    WouldHaveActed,
)
from watchdog.facts.lack import Lack
from watchdog.facts.pair import Pair, Revoked
from watchdog.facts.plan import Plan, Step
from watchdog.record.terminal import for_eyes

# Level: error, a person looks now; warning, today; info, when asking.
NAMES: dict[type[Event], tuple[str, str]] = {
    WatchStarted: ("info", "schedule.watch_started"),
    CheckpointSigned: ("info", "record.checkpoint_signed"),
    PairStarted: ("info", "observe.pair_started"),
    PairUnclear: ("warning", "observe.pair_unclear"),
    OneWaySeen: ("warning", "observe.one_way_seen"),
    PartSeen: ("info", "observe.part_seen"),
    PairUnreplayable: ("error", "observe.pair_unreplayable"),
    ImageHeld: ("info", "act.image_held"),
    ImageLost: ("error", "act.image_lost"),
    ImageLetGo: ("info", "act.image_let_go"),
    StandbyChanged: ("info", "act.standby_changed"),
    RetentionAsked: ("warning", "approve.retention_asked"),
    RetentionReleased: ("warning", "approve.retention_released"),
    ReadinessChanged: ("error", "decide.readiness_changed"),
    PairProvedGood: ("info", "decide.pair_known_good"),
    PairRecorded: ("warning", "approve.pair_recorded"),
    PairQuarantined: ("warning", "decide.pair_quarantined"),
    VersionsRevoked: ("warning", "decide.versions_revoked"),
    StackClaimed: ("error", "act.stack_claimed"),
    ClaimTaken: ("info", "act.claim_taken"),
    ReleaseUnfiled: ("warning", "observe.release_unfiled"),
    VerdictChanged: ("info", "judge.verdict_changed"),
    WouldHaveActed: ("warning", "decide.would_have_acted"),
    BlindTooLong: ("error", "judge.blind_too_long"),
    ReleaseArmed: ("info", "observe.release_armed"),
    TriggerUnproven: ("error", "observe.trigger_unproven"),
    BreachConfirmed: ("error", "judge.breach_confirmed"),
    PromotionPaused: ("warning", "decide.promotion_paused"),
    PromotionResumed: ("info", "decide.promotion_resumed"),
    PromotionChanged: ("info", "decide.promotion_changed"),
    DeploymentRequested: ("info", "approve.deployment_requested"),
    DeploymentWeighed: ("info", "decide.deployment_weighed"),
    DeploymentAnswering: ("info", "notify.deployment_answering"),
    DeploymentAnswered: ("info", "notify.deployment_answered"),
    DeploymentDelayed: ("warning", "notify.deployment_delayed"),
    DeploymentLeft: ("error", "decide.deployment_left"),
    HoldPlaced: ("warning", "approve.hold_placed"),
    HoldLifted: ("warning", "approve.hold_lifted"),
    OrderGiven: ("warning", "approve.order_given"),
    OrderRefused: ("error", "decide.order_refused"),
    WayChosen: ("warning", "approve.way_chosen"),
    QuestionAsked: ("error", "approve.question_asked"),
    Answered: ("info", "approve.answered"),
    AnswerRefused: ("warning", "approve.answer_refused"),
    KeyFirstUsed: ("warning", "approve.key_first_used"),
    AnswerVoided: ("warning", "approve.answer_voided"),
    Reminded: ("error", "approve.people_reminded"),
    QuestionClosed: ("info", "approve.question_closed"),
    RollbackDelayed: ("error", "decide.rollback_delayed"),
    RollbackRefused: ("error", "decide.rollback_refused"),
    RollbackStarted: ("error", "act.rollback_started"),
    StepIntended: ("debug", "act.step_intended"),
    StepDone: ("info", "act.step_done"),
    StepUndone: ("warning", "act.step_undone"),
    StepFailed: ("error", "act.step_failed"),
    WentBack: ("error", "act.went_back"),
    RollbackEnded: ("error", "record.rollback_audited"),
    RollbackReopened: ("error", "act.rollback_reopened"),
    RollbackMended: ("warning", "act.rollback_mended"),
    RollbackStuck: ("error", "act.rollback_stuck"),
    RecoverySeen: ("info", "verify.recovery_seen"),
    RecoveryMissed: ("error", "verify.recovery_missed"),
    IncidentClosed: ("info", "decide.incident_closed"),
    FarEndLost: ("warning", "observe.far_end_lost"),
    FarEndBack: ("info", "observe.far_end_back"),
    SignaturesFailing: ("warning", "approve.signatures_failing"),
    SignaturesCalm: ("info", "approve.signatures_calm"),
    RequestCrashed: ("error", "approve.request_crashed"),
    HostRefused: ("warning", "approve.host_refused"),
    TurnsLate: ("warning", "schedule.turns_late"),
    TurnsOnTime: ("info", "schedule.turns_on_time"),
    ClockStepped: ("warning", "schedule.clock_stepped"),
    TurnCrashed: ("error", "schedule.turn_crashed"),
}

_WELL = ("booting", "healthy", "ended")  # standbys: as they were asked for


def opened(form: str, level: str, out: TextIO) -> Callable[[Entry], None]:
    """Open the log on *out*; return what says one entry.

    *form* is ``json``, ``pretty`` or ``auto`` (pretty on a terminal).
    """
    pretty = form == "pretty" or (form == "auto" and out.isatty())
    renderer: Any = (
        for_eyes(out)
        if pretty
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    logger = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=[structlog.processors.add_log_level, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )

    def say(entry: Entry) -> None:
        severity, name = NAMES[type(entry.event)]
        match entry.event:
            case VerdictChanged(kind="blind"):
                severity = "warning"
            case DeploymentAnswered(refused=refused) if refused:
                severity = "warning"
            case ReadinessChanged(ready=True):
                severity = "info"
            case StandbyChanged(state=state) if state not in _WELL:
                severity = "warning"
            case ReadinessChanged(target=""):
                severity = "warning"  # there was nothing that could be lost
            case _:
                pass
        stamp = entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        getattr(logger, severity)(
            name, at=stamp, seq=entry.seq, **fields_of(entry.event)
        )
        out.flush()

    return say


def fields_of(event: Event) -> dict[str, Any]:
    """Give an event's fields as plain values, short enough to be read."""
    # `event` is the name of the line itself.
    return {
        field.name: _plain(getattr(event, field.name))
        for field in dataclasses.fields(event)
        if field.name not in ("document", "body")
    }


def _plain(value: Any) -> Any:
    match value:
        case Pair():
            return value.words
        case Plan():
            return {"op": value.op, "kind": value.kind, "steps": len(value.steps)}
        case Step():
            return value.words
        case Lack():
            return clean(value.sentence)
        case Revoked():
            whose = f"{value.tenant} " if value.tenant else ""
            return clean(f"{whose}{value.version}: {value.reason}")
        case datetime():
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case str():
            return clean(value)
        case Mapping():
            return {str(key): _plain(part) for key, part in value.items()}
        case tuple() | list():
            return [_plain(part) for part in value]
        case _:
            return value


def clean(text: str, longest: int = 4000) -> str:
    """Take out what could break a line or fool a terminal; cut what is too long."""
    safe = "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )
    return safe if len(safe) <= longest else f"{safe[:longest]}… ({len(safe)} long)"


def to_stdout(form: str, level: str) -> Callable[[Entry], None]:
    """Open the log where a container's log is read."""
    return opened(form, level, sys.stdout)
