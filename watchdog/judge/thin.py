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
from watchdog.judge.words import exact_percent, number, spell

_MINUTE = timedelta(minutes=1)
# From this bound on, and below so many events a minute, it cannot be held.
_LARGE, _FEW = 0.10, 40.0
# Nor between these at scrapes of a minute: each holds too much of a batch or two.
_SOME, _MANY = 60.0, 300.0


def thin(trigger: Trigger, reading: Measured) -> str:
    """Say that it cannot be held of what *reading* counted lately; empty if it can.

    Of what acts at once: with ``for`` one batch is not enough, nor are two.
    """
    if not trigger.counts or trigger.sustained:
        return ""
    found = [
        block.parts["all"] for block in reading.looks[0].blocks if "all" in block.parts
    ]
    if not found:
        return ""
    often = sum(found) * (_MINUTE / (len(found) * trigger.block))
    few = bound_of(trigger) >= _LARGE and often < _FEW
    seldom = trigger.block >= _MINUTE and _SOME <= often < _MANY
    if not (few or seldom):
        return ""
    scrapes = f" and scrapes of {spell(trigger.block)}" if seldom else ""
    return (
        f"{number(round(often, 1))} events a minute with a bound of "
        f"{exact_percent(bound_of(trigger))}{scrapes}: of a hundred healthy releases "
        "at half of it whose failures come in batches, more than one may be "
        "called failing in a day"
    )
