"""Who leads, where several watch one stack, beside the status."""

from typing import Any

from watchdog.decide.standing import Standing
from watchdog.show.status import stamp
from watchdog.turn.roles import Led


def led_by(led: Led, s: Standing) -> dict[str, Any]:
    """Put who leads, and since when, beside the picture of *s*."""
    since = s.watching_since if led.who else None
    return {
        "leader": led.who,
        "leader_since": stamp(since) if since else None,
        "leads": led.here,
    }


def leads_words(whole: dict[str, Any]) -> str:
    """Say who leads, where several could; nothing where one is alone."""
    if not whole["leader"]:
        return ""
    since = f" since {whole['leader_since']}" if whole["leader_since"] else ""
    follows = "" if whole["leads"] else "; this watchdog follows, and does nothing"
    return f"{whole['leader']} leads{since}{follows}"
