"""How much likelier counts are from a failing release than from one at its bound.

One number, carried from scrape to scrape. Each scrape multiplies it by how much
likelier its own counts are if more fail than the bound allows; it is never below
none, so a quiet past does not weigh against what happens now. Failures at the bound
may come singly, in batches or mixed: each way has a number of its own, and the lowest
speaks. A service that is exactly at its bound reaches `needed` once in `needed`
scrapes on average, or more rarely, however often somebody looks.

Source: A. N. Shiryaev (1963) and S. W. Roberts (1966); for batches G. Polya and
A. Aeppli, a Poisson number of batches of geometric size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TypeAlias

# A false alarm of a service at its bound: once in so many seconds, at any scrape.
_SECONDS_BETWEEN = 60_000
# What a failing release may do: so many times the bound, and how much it weighs.
_SINGLY = (2.0, 3.5, 6.0, 12.0, 30.0, 99.0)
_IN_A_BATCH, _IN_BATCHES = 4, (5.0, 20.0)
_WEIGHTS = (0.10, 0.24, 0.30, 0.08, 0.04, 0.08, 0.12, 0.04)
_MOST_SHARE = 0.995
# It begins within a scrape: then only so much of the scrape's events are of it.
_OF_THE_FIRST = (1.0, 0.75, 0.5, 0.25)
# Of a bound below 1 % the last of these are 20 % and more all the same: else a total
# failure would look more like a batch at the bound than like any of them.
_FAR, _LEAST_FAR = 20.0, 0.01
_LEAST_SHARE = 1e-6
# How failures at the bound may come: in batches of so many on average, 1 is singly.
_BATCHES = (2, 4, 8)
# And half of them singly, half in batches of so many.
_MIXED = (4, 8)
# Against batches of eight it must be so much surer, but of what fails all but wholly:
# a few of those that come together look most like a failing release, where there is
# much traffic. What comes otherwise is found no later by it.
_SURER = (1, 1, 1, 2, 1, 1)
# One scrape alone is worth a fifth of what is needed.
_SCRAPES_NEEDED = 5
_CAP = 2.0
# Of so many failures to be expected in fifteen seconds, a scrape counts in full.
_A_WHOLE_SCRAPE = 0.05 / 15
# More than these are weighed as so many of so many: it says less, and is quick.
_MOST_WEIGHED = 2000


@dataclass(frozen=True, slots=True)
class Bound:
    """What is not yet too much: a *share* of all events, counted every *scrape*.

    *among*: so many are looked at, of which any one would do, and share the error.
    """

    share: float
    scrape: timedelta
    among: int = 1

    @property
    def rare(self) -> float:
        """Give the share to weigh by: of a bound of nothing, one in a million."""
        return max(self.share, _LEAST_SHARE)

    @property
    def needed(self) -> float:
        """Give how much likelier it must be: 4,000 at 15 s."""
        return self.among * _SECONDS_BETWEEN / self.scrape.total_seconds()


class Odds:
    """The number, scrape after scrape; what it takes is never taken back."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        # One after another, all alternatives of one way at the bound and then of the
        # next: it is the innermost of all that is counted.
        self._caps = tuple(_CAP * bound.needed / weight for weight in _WEIGHTS) * _WAYS
        self._states = [0.0] * len(self._caps)

    @property
    def value(self) -> float:
        """Say how many times likelier, by the way that says the least."""
        several, states = len(_WEIGHTS), self._states
        return min(
            sum(map(float.__mul__, _WEIGHTS, states[first : first + several]))
            for first in range(0, len(states), several)
        )

    def take(self, bad: int, every: int) -> None:
        """Weigh one scrape; one without events says nothing."""
        if every <= 0:
            return
        firsts, times = weighed(self._bound, min(bad, every), every)
        self._states = [
            after if (after := first + before * more) < cap else cap
            for before, first, more, cap in zip(
                self._states, firsts, times, self._caps, strict=True
            )
        ]


_WAYS = 1 + len(_BATCHES) + len(_MIXED)


# By way at the bound, and in each by alternative.
_Ways: TypeAlias = tuple[float, ...]


@lru_cache(maxsize=16_384)
def weighed(bound: Bound, bad: int, every: int) -> tuple[_Ways, _Ways]:
    """Say what a scrape is worth if it began in it, and how much likelier it is."""
    expected = every * bound.rare
    whole = _A_WHOLE_SCRAPE * bound.scrape.total_seconds()
    fresh = min(1.0, expected / whole)
    if (many := max(bad, expected) / _MOST_WEIGHED) > 1:
        bad, every = int(bad / many), math.ceil(every / many)
    most = math.log(bound.needed / _SCRAPES_NEEDED)
    in_batches = [
        _mixed(bad, 0.0, every * _failing(bound, times), _IN_A_BATCH)
        for times in _IN_BATCHES
    ]
    failing = [_singly(bad, every, _failing(bound, times)) for times in _SINGLY]
    began = [_began(bound, bad, every, times) for times in _SINGLY]
    expected = every * bound.rare
    sound = [
        _singly(bad, every, bound.rare),
        *(_mixed(bad, 0.0, expected, size) for size in _BATCHES),
        *(_mixed(bad, expected / 2, expected / 2, size) for size in _MIXED),
    ]

    begins = [
        [fresh / (1.0 if times >= _FAR else surer) for times in _SINGLY]
        + [fresh / surer for _ in _IN_BATCHES]
        for surer in _SURER
    ]
    goes_on = [[1.0] * len(_WEIGHTS)] * _WAYS

    def against(ones: list[float], scales: Sequence[Sequence[float]]) -> _Ways:
        return tuple(
            scale * math.exp(min(most, one - other))
            for other, row in zip(sound, scales, strict=True)
            for one, scale in zip((*ones, *in_batches), row, strict=True)
        )

    return against(began, begins), against(failing, goes_on)


def _began(bound: Bound, bad: int, every: int, times: float) -> float:
    """Give the log of the chance of *bad* in the scrape within which it began."""
    share = _failing(bound, times)
    logs = [
        _singly(bad, every, max(bound.rare, share * part)) for part in _OF_THE_FIRST
    ]
    most = max(logs)
    return most + math.log(sum(math.exp(one - most) for one in logs) / len(logs))


def _failing(bound: Bound, times: float) -> float:
    """Give the share of an alternative."""
    share = max(bound.rare, _LEAST_FAR) if times >= _FAR else bound.rare
    return min(_MOST_SHARE, times * share)


def _singly(bad: int, every: int, share: float) -> float:
    """Give the log of the chance of *bad* of *every*, each on its own."""
    good = every - bad
    if not bad:
        return good * math.log1p(-share)
    ways = math.lgamma(every + 1) - math.lgamma(bad + 1) - math.lgamma(good + 1)
    return ways + bad * math.log(share) + good * math.log1p(-share)


def _mixed(bad: int, singly: float, in_batches: float, size: int) -> float:
    """Give the log of the chance of *bad*, of those expected singly and in batches.

    By the ratios of each chance to the one before: the chances themselves are too
    small for a float. *size* is the mean of a batch.
    """
    more = 1 - 1 / size
    batches = in_batches / size
    log = -(singly + batches)
    first = singly + batches * (1 - more)
    ratio, before = max(first, 1e-300), math.inf
    for count in range(bad):
        if count:
            following = (
                first
                + 2 * more * count
                - (more * more * (count - 1) + 2 * singly * more) / ratio
                + singly * more * more / (ratio * before)
            ) / (count + 1)
            ratio, before = max(following, 1e-12), ratio
        log += math.log(ratio)
    return log
