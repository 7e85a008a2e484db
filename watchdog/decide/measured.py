"""Whether all that is asked of what runs was measured, and clear over its window."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from watchdog.decide.standing import Standing
from watchdog.facts.reading import Cause
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release, Trigger


def unasked(s: Standing, release: Release, at: datetime) -> str:
    """Say why nothing is measured for a decision any more, or at all; or nothing."""
    if s.running is None:
        return "nothing has been seen running yet"
    asking = [t for t in release.triggers if not t.observe_only]
    if not release.triggers:
        return "its release file lists no trigger: nothing is asked of it"
    if not asking:
        return "every trigger of its release only observes: nothing is asked of it"
    over = s.running.since + s.stepped + release.watch_for
    if at > over and s.incident is None:
        return (
            f"no longer watched since {over:%Y-%m-%d %H:%M:%S} UTC: "
            "watch_for of its release is over"
        )
    return ""


def unjudged(s: Standing, release: Release | None, at: datetime) -> str:
    """Say why no trigger is judged now, so that what was said last is over; or nothing.

    *release* is the file in force for what runs.
    """
    whys = (s.claimed.words if s.claimed else "", s.unseen, s.not_whole)
    for why in whys:
        if why:
            return why
    if release is None:
        return "no release file of what runs can be read: nothing is watched"
    return unasked(s, release, at)


def not_clear(
    s: Standing, release: Release, rules: Rules, at: datetime
) -> tuple[str, ...]:
    """Say what keeps the running pair from being called clear over whole windows.

    Each trigger must be clear now, its window must lie after the start of the pair,
    and it must not have been suspected or breached for as long as its window.
    """
    nothing = unasked(s, release, at)
    if nothing:
        return (nothing,)
    whys = [_why(s, t, rules, at) for t in release.triggers if not t.observe_only]
    return tuple(why for why in whys if why) or _not_tried(s, rules, at)


def _not_tried(s: Standing, rules: Rules, at: datetime) -> tuple[str, ...]:
    """Say that a clear may rest on what was not tried live.

    Once it is told what cannot be relied on, that alone counts.
    """
    if s.armed or s.running is None:
        return ()
    if at >= s.running.since + s.stepped + rules.settle + rules.blind_for:
        return ()
    return ("its triggers have not all been tried live yet",)


def blind_too_long(
    s: Standing, release: Release, rules: Rules, at: datetime
) -> Iterator[str]:
    """Say which triggers could not be measured for ``blind_for``.

    A window that the pair is too young to have filled is nobody's fault.
    """
    if unasked(s, release, at):
        return
    for trigger in release.triggers:
        seen = s.verdicts.get(trigger.name)
        if trigger.observe_only or seen is None or seen.changed.kind != "blind":
            continue
        too_few = seen.changed.cause == Cause.TOO_FEW_SAMPLES
        if at - seen.since < rules.blind_for or (
            too_few and is_filling(s, trigger, rules, at)
        ):
            continue
        yield (
            f"{trigger.name} is blind since {seen.since:%H:%M:%S} UTC: "
            f"{seen.changed.words}"
        )


def is_filling(s: Standing, trigger: Trigger, rules: Rules, at: datetime) -> bool:
    """Tell whether what runs is too young to have filled the trigger's window.

    The window, a block more for a queue's first floor, and the scrapes that are left
    out at both ends.
    """
    if s.running is None:
        return True
    full = (
        s.running.since
        + s.stepped
        + 2 * rules.settle
        + trigger.window
        + 2 * trigger.block
    )
    return at < full


def observed(
    s: Standing, release: Release, rules: Rules, at: datetime
) -> Iterator[str]:
    """Say which breaches are only observed: the gate must not say open over them.

    As with those that count, one that is over is so once a whole window was not bad.
    """
    if s.running is None:
        return
    for trigger in release.triggers:
        seen = s.verdicts.get(trigger.name)
        if seen is None or not (trigger.observe_only or rules.observe_only):
            continue
        over = seen.breached_until
        if seen.changed.kind == "breached":
            yield (
                f"observed only: {s.running.pair.version} would be paused by "
                f"{trigger.name}: {seen.changed.words}"
            )
        elif over is not None and at - over < trigger.window:
            yield (
                f"observed only: {s.running.pair.version} would be paused by "
                f"{trigger.name}, which was breached until {over:%H:%M:%S} UTC"
            )


def _why(s: Standing, trigger: Trigger, rules: Rules, at: datetime) -> str:
    seen, name = s.verdicts.get(trigger.name), trigger.name
    if name in s.unproven:
        return f"{name}: {s.unproven[name]}"
    if seen is None:
        return f"{name} has not been measured on this release yet"
    words = seen.changed.words
    if seen.changed.kind == "blind" and not seen.measured:
        return f"{name} has not been measured on this release yet: {words}"
    if seen.changed.kind == "blind":
        return f"{name} is blind since {seen.since:%H:%M:%S} UTC: {words}"
    if seen.changed.kind != "clear":
        return f"{name}: {words}"
    why = too_soon(s, trigger, rules, at)
    return f"{name}: {why}" if why else ""


def too_soon(s: Standing, trigger: Trigger, rules: Rules, at: datetime) -> str:
    """Say why a trigger that is clear now is not yet clear over its whole window."""
    since = (s.pair_since or (s.running.since if s.running else at)) + s.stepped
    # A look ends with a whole block.
    whole = since + rules.settle + trigger.window + trigger.block
    if trigger.window and at < whole:
        return (
            f"clear, but its window of {_spell(trigger.window)} is measured whole "
            f"on this release only at {whole:%H:%M:%S} UTC"
        )
    seen = s.verdicts.get(trigger.name)
    over = seen.suspected_until if seen else None
    if over is not None and at - over < trigger.window:
        return (
            f"clear, but it was suspected until {over:%H:%M:%S} UTC, and its window "
            f"is {_spell(trigger.window)}"
        )
    return ""


def _spell(time: timedelta) -> str:
    return f"{time.total_seconds():g} s"
