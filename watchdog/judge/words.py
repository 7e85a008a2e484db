"""How a verdict says its numbers: short, and the same everywhere."""

from datetime import datetime, timedelta

from watchdog.facts.trigger import Trigger

# A number of more digits than these says no more.
_LONG = 1e15
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def spell(time: timedelta) -> str:
    """Write a duration as a rule file does: ``1h30m``, ``45s``, ``0s``."""
    left = abs(round(time / timedelta(milliseconds=1)))
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def percent(share: float) -> str:
    """Write a share of one as per cent, three digits: ``22.5%``."""
    return f"{100 * share:.3g}%" if abs(share) < 1 else f"{100 * share:.0f}%"


def exact_percent(share: float) -> str:
    """Write a share that a person set, with all its digits: ``99.999%``."""
    return f"{100 * share:.10g}%"


def number(value: float) -> str:
    """Write a count or a value: whole when it is, else six digits."""
    if abs(value) < _LONG and abs(value - round(value)) < 1e-6:
        return str(round(value))
    return f"{value:.6g}"


def age(trigger: Trigger, at: datetime, armed_from: datetime) -> str:
    """Say how much of the window the release has had so far."""
    window = f"the window is {spell(trigger.window)}"
    since = at - armed_from
    if since < timedelta(0):
        return f"release settles in {spell(since)}, {window}"
    return f"release settled {spell(since)} ago, {window}"
