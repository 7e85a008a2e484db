"""The promotion gate: when it changes, and what a person would lift by resuming it."""

import hashlib
import json
from datetime import datetime

from watchdog.decide.policy import is_of, promotion
from watchdog.decide.ready import answer
from watchdog.decide.standing import Standing
from watchdog.facts.event import (
    Event,
    IncidentClosed,
    PromotionChanged,
    PromotionResumed,
)
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release

OPEN, PAUSED = "open", "paused"


def changed(
    s: Standing, release: Release | None, rules: Rules, at: datetime
) -> PromotionChanged | None:
    """Say that the gate of what runs opened or closed since it was last said."""
    if s.running is None or s.rollback is not None:
        return None
    version = s.running.pair.version
    reasons = promotion(s, version, release, rules, at)
    state = PAUSED if reasons else OPEN
    if s.gates.get(version) == state:
        return None
    return PromotionChanged(version, state, reasons)


def closed(
    s: Standing,
    version: str,
    release: Release | None,
    rules: Rules,
    *,
    looked: datetime | None,
    at: datetime,
) -> tuple[str, ...] | None:
    """Say why *version* may not go onward; empty when it may, None if it is unknown.

    Whoever asks the gate is answered by this. *release* is the file in force for it;
    *looked* is when it was last looked whether what runs could be rolled back.
    """
    if s.claimed:
        return (s.claimed.words,)  # who has the stack answers for it
    seen = {known.pair.version for known in s.pairs.values()}
    if release is None or (release.is_default and version not in seen):
        return None
    reasons = promotion(s, version, release, rules, at)
    if s.running and s.running.pair.version == version:
        could = answer(s, release, looked, rules, at)
        if could.ready is None:
            reasons = (*reasons, could.words)
    return reasons


def lasting(s: Standing, version: str, release: Release) -> dict[str, tuple[str, ...]]:
    """Give the pauses of *version* that last until a person lifts them.

    By the version that each was said of: a release shares those of its builds.
    """
    return {
        paused: why
        for paused, why in s.paused.items()
        if paused == version or is_of(release, paused)
    }


def digest_of(pauses: dict[str, tuple[str, ...]]) -> str:
    """Name exactly these pauses; a resumption binds them, and no later ones."""
    whole = json.dumps(sorted(pauses.items()), separators=(",", ":"))
    return f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"


def resumed(
    s: Standing, version: str, release: Release, by: str, reason: str
) -> tuple[Event, ...]:
    """Lift the pauses that last, and close the incident that they came from.

    An incident that is being acted on, or still waits for an answer, stays open.
    """
    events: list[Event] = [
        PromotionResumed(paused, by, reason) for paused in lasting(s, version, release)
    ]
    incident = s.incident
    waits = s.question is not None and not s.question.closed
    if incident and not waits and s.rollback is None and not incident.rolled_back_at:
        words = f"{by} resumed the promotion of {version}: {reason}"
        events.append(IncidentClosed(incident.id, words, latched=True))
    return tuple(events)
