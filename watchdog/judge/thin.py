"""Where so little comes that a batch of failures weighs more than it should.

At once is promised to roll back no more than one healthy release in a hundred, watched
for a day at half its bound. With few events and a large bound a batch of four is a
large part of all that comes in minutes, and twice by chance it is taken for a failing
release. Measured, not derived: whole days of 1 to 6,000 events a minute, bounds of 1 to
50 per cent.
"""

from datetime import timedelta

from watchdog.facts.reading import Measured
from watchdog.facts.trigger import Trigger
from watchdog.judge.counts import bound_of
from watchdog.judge.words import exact_percent, number

_MINUTE = timedelta(minutes=1)
# From this bound on, and below so many events a minute, it cannot be held.
_LARGE, _FEW = 0.10, 20.0


def thin(trigger: Trigger, reading: Measured) -> str:
    """Say that it cannot be held of what *reading* counted lately; empty if it can.

    Of what acts at once: with ``for`` one batch is not enough, nor are two.
    """
    if not trigger.counts or trigger.sustained or bound_of(trigger) < _LARGE:
        return ""
    found = [
        block.parts["all"] for block in reading.looks[0].blocks if "all" in block.parts
    ]
    if not found:
        return ""
    often = sum(found) * (_MINUTE / (len(found) * trigger.block))
    if often >= _FEW:
        return ""
    return (
        f"{number(round(often, 1))} events a minute with a bound of "
        f"{exact_percent(bound_of(trigger))}: of a hundred healthy releases at half of "
        "it whose failures come in batches, more than one may be called failing in a "
        "day"
    )
