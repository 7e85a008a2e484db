"""The exact binomial tail; no table, no scipy.

The largest relative error against exact fractions is below 1e-12; counts up to
a thousand million take milliseconds (both are tested).
"""

import math

# Below this share of the sum a further term cannot change a float.
_NEGLIGIBLE = 1e-18


def upper_tail(bad: int, of_all: int, share: float) -> float:
    """Give the chance of *bad* or more of *of_all* when *share* is the true share.

    ``0 <= bad <= of_all`` and ``0 <= share <= 1``.
    """
    if bad <= 0:
        return 1.0
    if share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    odds = share / (1 - share)
    # Sum away from the mean: there the terms fall, and none is lost in the sum.
    if bad > of_all * share:
        first = _chance(bad, of_all, share)
        return min(1.0, first * _rising_sum(bad, of_all, odds))
    first = _chance(bad - 1, of_all, share)
    return max(0.0, 1.0 - first * _falling_sum(bad - 1, of_all, odds))


def _rising_sum(bad: int, of_all: int, odds: float) -> float:
    """Add up the chances of *bad* and more, with that of *bad* as one."""
    term = total = 1.0
    for count in range(bad, of_all):
        term *= (of_all - count) / (count + 1) * odds
        total += term
        if term < _NEGLIGIBLE * total:
            break
    return total


def _falling_sum(bad: int, of_all: int, odds: float) -> float:
    """Add up the chances of *bad* and fewer, with that of *bad* as one."""
    term = total = 1.0
    for count in range(bad, 0, -1):
        term *= count / ((of_all - count + 1) * odds)
        total += term
        if term < _NEGLIGIBLE * total:
            break
    return total


def _chance(bad: int, of_all: int, share: float) -> float:
    """Give the chance of exactly *bad*, after C. Loader's saddle-point form.

    The plain form with three ``lgamma`` loses five digits at a thousand million.
    """
    good = of_all - bad
    if bad == 0:
        return math.exp(of_all * math.log1p(-share))
    if good == 0:
        return math.exp(of_all * math.log(share))
    exponent = (
        _stirling_rest(of_all)
        - _stirling_rest(bad)
        - _stirling_rest(good)
        - _deviance(bad, of_all * share)
        - _deviance(good, of_all * (1 - share))
    )
    return math.exp(exponent) * math.sqrt(of_all / (math.tau * bad * good))


def _stirling_rest(count: int) -> float:
    """Give what Stirling's formula leaves out of ``log(count!)``."""
    if count < 16:
        plain = (count + 0.5) * math.log(count) - count + 0.5 * math.log(math.tau)
        return math.lgamma(count + 1) - plain
    square = 1.0 / (count * count)
    inner = 1 / 1260 - (1 / 1680 - square / 1188) * square
    return (1 / 12 - (1 / 360 - inner * square) * square) / count


def _deviance(seen: float, meant: float) -> float:
    """Give ``seen * log(seen / meant) + meant - seen`` without cancellation."""
    if abs(seen - meant) >= 0.1 * (seen + meant):
        return seen * math.log(seen / meant) + meant - seen
    ratio = (seen - meant) / (seen + meant)
    total = (seen - meant) * ratio
    term = 2 * seen * ratio
    odd = 3
    while True:
        term *= ratio * ratio
        following = total + term / odd
        if following == total:
            return total
        total = following
        odd += 2
