"""What people and pipelines have not been told: the backlog of each channel."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from watchdog.facts.message import Backlog

# Sooner, it is only on its way.
_LATE = timedelta(minutes=1)
# Later, it is in the log and in the metrics, and no news any more.
_NEWS = timedelta(days=7)


def picture(found: Iterable[Backlog] | None, at: datetime) -> list[dict[str, Any]]:
    """Put what needs somebody into plain values; None: it cannot be read."""
    if found is None:
        words = "not known: the outbox cannot be read"
        return [{"channel": "", "waiting": 0, "given_up": 0, "words": words}]
    return [
        {
            "channel": one.channel,
            "waiting": one.waiting,
            "given_up": one.dead,
            "words": _words(one),
        }
        for one in found
        if (one.since and at - one.since >= _LATE)
        or (one.died and at - one.died < _NEWS)
    ]


def _words(one: Backlog) -> str:
    parts: list[str] = []
    if one.since:
        parts.append(f"{one.waiting} wait, the first since {_stamp(one.since)}")
    if one.died:
        parts.append(f"{one.dead} given up, the last {_stamp(one.died)}")
    why = f": {one.error}" if one.error else ""
    return f"{one.channel}: {'; '.join(parts)}{why}"


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
