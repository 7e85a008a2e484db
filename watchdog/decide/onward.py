"""Why a release may not go onward, by what is known of it; the gate's reasons."""

from datetime import datetime

from watchdog.decide.measured import blind_too_long, not_clear, observed
from watchdog.decide.policy import is_meant, is_of
from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release


def promotion(
    s: Standing, version: str, release: Release | None, rules: Rules, at: datetime
) -> tuple[str, ...]:
    """Say why *version* may not go onward; nothing when it may.

    *release* is the file that is in force for it. A pause lasts until a person
    resumes it. Not running here without ever having been proved good, having been
    rolled back, not seeing what runs, having no way back, and an operation that is
    under way, pause for as long as they last. A candidate waits until every trigger
    was clear over its whole window; what is known good, or was resumed by a person,
    until it is blind for longer than ``blind_for``.
    """
    if release is None:
        return (f"{version} has no release file that can be read",)
    reasons = [
        words
        for paused, why in s.paused.items()
        if paused == version or is_of(release, paused)
        for words in why
    ]
    if s.hold:
        reasons.append(s.hold.words)
    if s.claimed:
        reasons.append(s.claimed.words)
    reasons += _under_way(s, version, release)
    running, known = s.running, s.running_pair
    now = running.pair.version if running else ""
    if not is_meant(version, release, now):
        return (*reasons, *_elsewhere(s, version, release, paused=bool(reasons)))
    if s.unseen:
        reasons.append(s.unseen)
    if s.not_whole:
        reasons.append(s.not_whole)
    reasons += _no_way_back(s)
    reasons += observed(s, release, rules, at)
    if (known and known.good) or now in s.resumed:
        reasons += [
            f"{t.name}: {s.unproven[t.name]}"
            for t in release.triggers
            if t.name in s.unproven and not t.observe_only
        ]
        reasons += blind_too_long(s, release, rules, at)
    else:
        reasons += not_clear(s, release, rules, at)
    return tuple(dict.fromkeys(reasons))


def _under_way(s: Standing, version: str, release: Release) -> list[str]:
    """Say what is being done to *version*, or with it, just now."""
    if s.rollback is None:
        return []
    started = s.rollback.started
    pairs = (started.from_pair.version, started.to_pair.version)
    if not any(is_meant(version, release, one) for one in pairs):
        return []
    if started.what in ("drill", "dry-drill"):
        return [f"a drill is under way: {started.cause}"]
    what = f"a {started.what} to {pairs[1]}"
    if s.rollback.stuck:
        return [f"{what} is stuck: {s.rollback.stuck}"]
    return [f"{what} is under way: {started.cause}"]


def _elsewhere(
    s: Standing, version: str, release: Release, *, paused: bool
) -> list[str]:
    """Say what speaks against a version that does not run here."""
    known = [k for k in s.pairs.values() if is_meant(version, release, k.pair.version)]
    last = max(known, key=lambda one: one.order, default=None)
    if last is not None and last.taken_down:
        return [f"{last.pair.version} was {last.taken_down}"]
    if paused or (last is not None and _is_good(last, known, version)):
        return []
    now = s.running.pair.version if s.running else ""
    if last is not None and is_superseded(s, version, release):
        later = min(_later(s, last), key=lambda one: one.order).pair.version
        words = f"{last.pair.version} was replaced by {later} before it was proved good"
        return [f"{words}: unless it is deployed again, waiting will not open it"]
    other = f" (what runs is {now}, another build)" if is_of(release, now) else ""
    return [f"{version} does not run here{other}, and was never proved good"]


def is_superseded(s: Standing, version: str, release: Release | None) -> bool:
    """Tell whether people deployed another release before this one was proved good."""
    running = s.running
    if running is not None and is_meant(version, release, running.pair.version):
        return False
    ours = [k for k in s.pairs.values() if is_meant(version, release, k.pair.version)]
    last = max(ours, key=lambda one: one.order, default=None)
    if last is None or _is_good(last, ours, version):
        return False
    return bool(_later(s, last))


def _is_good(last: KnownPair, ours: list[KnownPair], version: str) -> bool:
    """Tell whether it was proved good: the newest, or exactly what is asked for."""
    return bool(last.good) or any(k.good for k in ours if k.pair.version == version)


def _later(s: Standing, known: KnownPair) -> list[KnownPair]:
    return [one for one in s.pairs.values() if one.order > known.order]


def _no_way_back(s: Standing) -> list[str]:
    """Say why what runs could not be rolled back, as it was seen last.

    That there is no target yet says nothing against a pair that proved itself here.
    """
    seen, known = s.readiness, s.running_pair
    if seen is None or known is None or seen.running != known.pair.key or seen.ready:
        return []
    excused = bool(known.good) and not seen.key
    lacks = seen.lacks[1:] if excused else seen.lacks
    return [
        f"it could not be rolled back: {lack.words}" for lack in lacks if not lack.doubt
    ]
