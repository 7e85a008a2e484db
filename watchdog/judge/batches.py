"""Bad events that come in batches: ten of one cause prove as much as one.

Whether they do is measured where nobody is under suspicion: before the release.
"""

import math
from statistics import fmean, variance

from watchdog.facts.reading import Before, Blind
from watchdog.facts.trigger import Dispersion, Trigger

# Fewer minutes than this do not tell batches from chance.
_LEAST_MINUTES = 10


def batch_of(trigger: Trigger, before: Before | Blind | None) -> float:
    """Give how many bad events came at a time before the release; 1 is singly.

    The variance of the bad events per minute over their mean, which is 1 for
    events that know nothing of each other. What chance alone could make of those
    in so many minutes, three of its standard deviations, is taken for 1.
    """
    if trigger.dispersion is not Dispersion.AUTO or not isinstance(before, Before):
        return 1.0
    minutes = [bad for bad in before.bad_each if math.isfinite(bad)]
    if len(minutes) < _LEAST_MINUTES or fmean(minutes) <= 0:
        return 1.0
    ratio = variance(minutes) / fmean(minutes)
    by_chance = 1 + 3 * math.sqrt(2 / (len(minutes) - 1))
    return ratio if ratio > by_chance else 1.0


def in_batches(bad: int, every: int, batch: float) -> tuple[int, int]:
    """Count in batches, and never to the release's disadvantage."""
    if batch <= 1:
        return bad, every
    whole = max(1, math.ceil(every / batch))
    return min(math.floor(bad / batch), whole), whole
