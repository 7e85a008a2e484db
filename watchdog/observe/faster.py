"""Tells whether a latency is counted in another unit than before the release.

In seconds where the bounds are milliseconds, every request is quick, and clear.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from watchdog.facts import selector
from watchdog.facts.reading import Blind, Cause, Measured, Reading
from watchdog.facts.trigger import Latency, Trigger
from watchdog.observe.numbers import duration, offset

# By so much no release makes everything faster; a thousand is another unit.
_TIMES = 300
_AN_HOUR = timedelta(hours=1)
_ASKED_AGAIN = 30.0
_MOST_TOLD = 256

# Asks for one instant.
Ask: TypeAlias = Callable[[str], list[tuple[dict[str, str], float]] | Blind]


class Faster:
    """Whether requests take a fraction of what they took; asked now and then."""

    def __init__(self) -> None:
        self._told: dict[object, tuple[float, str]] = {}

    def held_against(
        self,
        trigger: Trigger,
        reading: Reading,
        since: datetime | None,
        at: datetime,
        ask: Ask,
    ) -> Reading:
        """Give *reading*, or why nothing can be said by it.

        Of the pair that runs *since* then. Slower it may be by any much: a release
        that hangs is.
        """
        kind = trigger.kind
        if not isinstance(kind, Latency) or since is None:
            return reading
        if not isinstance(reading, Measured) or at - since < 2 * trigger.block:
            return reading
        key = (kind, since)
        asked_at, words = self._told.get(key, (-math.inf, ""))
        if time.monotonic() >= asked_at + _ASKED_AGAIN:
            answer = ask(_question(kind, min(trigger.window, at - since), at - since))
            share = answer[0][1] if answer and not isinstance(answer, Blind) else 1.0
            words = _words(kind, share) if 0 < share < 1 / _TIMES else ""
            if len(self._told) >= _MOST_TOLD:
                self._told.clear()
            self._told[key] = (time.monotonic(), words)
        return Blind(Cause.NONSENSE, words) if words else reading


def _words(kind: Latency, share: float) -> str:
    return (
        f"`{kind.histogram.strip()}` says 1/{1 / share:.0f} on average of what it said "
        "in the hour before the release: was its unit changed?"
    )


def _question(kind: Latency, window: timedelta, age: timedelta) -> str:
    """Ask for the mean of the window, as a share of that of the hour before."""
    mean = [
        f"sum(increase({part}[{duration(span)}]{back}))"
        for span, back in ((window, ""), (_AN_HOUR, offset(age)))
        for part in (_part(kind, "sum"), _part(kind, "count"))
    ]
    return f"({mean[0]} / {mean[1]}) / ({mean[2]} / {mean[3]})"


def _part(kind: Latency, part: str) -> str:
    found = selector.read(kind.histogram)
    if found is None:
        return kind.histogram.strip()
    return str(replace(found, name=f"{found.name}_{part}"))
