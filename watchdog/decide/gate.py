"""The promotion gate: what it says, when that changes, what a person would lift.

Every face that says whether a release may go onward asks ``gate`` here.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from watchdog.decide.measured import unasked
from watchdog.decide.onward import is_superseded, promotion
from watchdog.decide.policy import is_meant, is_of
from watchdog.decide.ready import answer
from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.event import (
    Event,
    IncidentClosed,
    PromotionChanged,
    PromotionResumed,
)
from watchdog.facts.pair import Record
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release

OPEN, PAUSED = "open", "paused"
ROLLED_BACK, QUARANTINED = "rolled-back", "quarantined"
SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Gate:
    """What is said of *release*: open with nothing against it, or why not.

    *words* say what an open gate rests on. *over* says that waiting will not open it:
    ``rolled-back``, ``quarantined`` or ``superseded``, empty while it may.
    """

    release: str
    reasons: tuple[str, ...]
    words: str
    over: str = ""

    @property
    def state(self) -> str:
        """One word for it."""
        return PAUSED if self.reasons else OPEN


def gate(
    s: Standing,
    version: str,
    release: Release | None,
    rules: Rules,
    *,
    looked: datetime | None,
    at: datetime,
) -> Gate | None:
    """Say whether *version* may go onward, None when it is unknown here.

    *release* is the file in force for it; *looked* is when it was last looked whether
    what runs could be rolled back. Without a *version* nothing runs yet.
    """
    if s.claimed:
        words = s.claimed.words  # who has the stack answers for it
        return Gate(version, (words,), words)
    if not version:
        words = "nothing has been seen running yet"
        return Gate(version, (words,), words)
    seen = {known.pair.version for known in s.pairs.values()}
    if version not in seen and (release is None or release.is_default):
        return None
    reasons = promotion(s, version, release, rules, at)
    runs = s.running and is_meant(version, release, s.running.pair.version)
    if runs and s.rollback is None:
        could = answer(s, release, looked, rules, at)
        if could.ready is None and not (s.unseen or s.not_whole):  # said already
            reasons = (*reasons, could.words)
    words = "; ".join(reasons) or _rests_on(s, version, release, at)
    return Gate(version, reasons, words, over_of(s, version, release, reasons))


def changed(
    s: Standing,
    version: str,
    release: Release | None,
    rules: Rules,
    *,
    looked: datetime | None,
    at: datetime,
) -> PromotionChanged | None:
    """Say that the gate of *version* opened or closed since it was last said.

    Of what does not run here only that it closed is told, as when it was rolled back.
    """
    before = s.gates.get(version)
    runs = s.running is not None and s.running.pair.version == version
    if not version or not (runs or before == OPEN):
        return None
    now = gate(s, version, release, rules, looked=looked, at=at)
    if now is None or before == now.state or not (runs or now.reasons):
        return None
    is_new = before is None and not (now.over or s.hold or version in s.paused)
    return PromotionChanged(
        version,
        now.state,
        now.reasons,
        over=now.over,
        words=now.words,
        expected=is_new and bool(now.reasons),
    )


def open_unproved(s: Standing) -> tuple[str, ...]:
    """Name what was said open last and is not known good: it may have closed since."""
    good = {known.pair.version for known in s.pairs.values() if known.good}
    return tuple(v for v, said in s.gates.items() if said == OPEN and v not in good)


def over_of(
    s: Standing, version: str, release: Release | None, reasons: tuple[str, ...]
) -> str:
    """Say that it will not come to be good by waiting; nothing while it may."""
    ours = [k for k in s.pairs.values() if _is_it(k, version, release)]
    newest = max(ours, key=lambda known: known.order, default=None)
    if newest is None or not reasons or s.rollback:
        return ""
    if newest.taken_down and newest is not s.running_pair:
        return ROLLED_BACK
    if newest.quarantined and not any(known.good for known in ours):
        return QUARANTINED
    if is_superseded(s, version, release):
        return SUPERSEDED
    return ""


def images(record: Record | None) -> dict[str, tuple[str, ...]]:
    """Name what was measured, by service: its id, and its digests in registries."""
    if record is None:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for service in dict.fromkeys(one.service for one in record.replicas):
        held = record.image_for(service)
        digests = [name.rpartition("@")[2] for name in held.repo_digests]
        found[service] = tuple(dict.fromkeys((held.image, *digests)))
    return found


def measured_pair(s: Standing, version: str, release: Release) -> KnownPair | None:
    """Give the pair that the gate of *version* speaks of: what runs, else the newest.

    Where builds share a version, a good one comes before one that is not.
    """
    running = s.running_pair
    if running is not None and _is_it(running, version, release):
        return running
    ours = [k for k in s.pairs.values() if _is_it(k, version, release)]
    return max(ours, key=lambda known: (bool(known.good), known.order), default=None)


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


def _rests_on(s: Standing, version: str, release: Release | None, at: datetime) -> str:
    """Say why it is open, for nothing is green that was not measured."""
    return "; ".join(_grounds(s, version, release, at))


def _grounds(
    s: Standing, version: str, release: Release | None, at: datetime
) -> Iterator[str]:
    running = s.running_pair
    runs = running is not None and _is_it(running, version, release)
    good = [k for k in s.pairs.values() if k.good and _is_it(k, version, release)]
    names = [running.pair.version] if running and runs else list(s.resumed)
    let_go = [
        s.resumed[one]
        for one in names
        if one in s.resumed and is_meant(version, release, one)
    ]
    if good and not (runs and running not in good):
        newest = max(good, key=lambda known: known.order)
        yield f"known good: {newest.good}"
    elif let_go:
        yield from let_go
    else:
        yield "every trigger was clear over its whole window"
    if not runs:
        yield f"{version} does not run here now"
        return
    nothing = unasked(s, release, at) if release else ""
    if nothing:
        yield nothing


def _is_it(known: KnownPair, version: str, release: Release | None) -> bool:
    return is_meant(version, release, known.pair.version)
