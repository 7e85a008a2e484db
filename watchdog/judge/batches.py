"""Bad events that come in batches: ten of one cause prove as much as one.

Whether they do is measured where nobody is under suspicion: before the release.
"""

import math
from statistics import fmean, median, variance

from watchdog.facts.reading import Before, Blind
from watchdog.facts.trigger import Dispersion, Trigger

# Batches come all the time, an incident once: most stretches must show them.
_STRETCH_MINUTES = 10
_LEAST_STRETCHES = 3


def batch_of(trigger: Trigger, before: Before | Blind | None) -> float:
    """Give how many bad events came at a time before the release; 1 is singly.

    The variance of the bad events per minute over their mean, which is 1 for
    events that know nothing of each other: in the middle one of its stretches of
    ten minutes, so that an incident in the time before is not taken for a batch.
    What chance alone could make of single events is taken for 1.
    """
    if trigger.dispersion is not Dispersion.AUTO or not isinstance(before, Before):
        return 1.0
    minutes = [bad for bad in before.bad_each if math.isfinite(bad)]
    starts = range(0, len(minutes) - _STRETCH_MINUTES + 1, _STRETCH_MINUTES)
    stretches = [minutes[start : start + _STRETCH_MINUTES] for start in starts]
    if len(stretches) < _LEAST_STRETCHES:
        return 1.0
    ratios = [
        variance(bad) / fmean(bad) if fmean(bad) > 0 else 1.0 for bad in stretches
    ]
    # Three standard deviations of the ratio of single events in so many minutes.
    by_chance = 1 + 3 * math.sqrt(2 / (len(minutes) - 1))
    middle = median(ratios)
    return middle if middle > by_chance else 1.0


def in_batches(bad: int, every: int, batch: float) -> tuple[int, int]:
    """Count in batches, and never to the release's disadvantage."""
    if batch <= 1:
        return bad, every
    whole = max(1, math.ceil(every / batch))
    return min(math.floor(bad / batch), whole), whole
