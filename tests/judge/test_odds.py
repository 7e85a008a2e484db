"""The odds against exact arithmetic, by hand, and what they promise."""

import math
import random
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog.judge.odds import Bound, Odds, _mixed, _singly

SECOND = timedelta(seconds=1)
ONE_PER_CENT = Bound(0.01, 15 * SECOND)


def after(*scrapes, bound=ONE_PER_CENT):
    odds = Odds(bound)
    for bad, every in scrapes:
        odds.take(bad, every)
    return odds.value


def summed(singly, in_batches, size, most=60):
    """Chances of 0, 1, ... failures, by adding up every number of batches."""
    more = 1 - 1 / size
    batches = in_batches / size
    chances = [0.0] * (most + 1)
    for number in range(most + 1):
        poisson = math.exp(
            -batches + number * math.log(batches) - math.lgamma(number + 1)
        )
        if not number:
            chances[0] += poisson
            continue
        for bad in range(number, most + 1):
            ways = math.comb(bad - 1, number - 1)
            geometric = (1 - more) ** number * more ** (bad - number)
            chances[bad] += poisson * ways * geometric
    if not singly:
        return chances
    alone = [
        math.exp(-singly + k * math.log(singly) - math.lgamma(k + 1))
        for k in range(most + 1)
    ]
    return [
        sum(alone[k] * chances[bad - k] for k in range(bad + 1))
        for bad in range(most + 1)
    ]


@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize("singly", [0.0, 0.05, 1.5])
@pytest.mark.parametrize("in_batches", [0.05, 3.0])
def test_the_chance_of_batches_is_the_sum_over_their_number(size, singly, in_batches):
    exact = summed(singly, in_batches, size, 25)

    for bad, chance in enumerate(exact):
        assert math.exp(_mixed(bad, singly, in_batches, size)) == pytest.approx(
            chance, rel=1e-9
        )


def test_the_chance_of_single_failures_is_the_binomial_one():
    for bad in (0, 1, 7, 40):
        share = Fraction(1, 100)
        exact = math.comb(40, bad) * share**bad * (1 - share) ** (40 - bad)
        assert math.exp(_singly(bad, 40, 0.01)) == pytest.approx(float(exact), rel=1e-9)


def test_a_scrape_without_events_says_nothing():
    seen = [(0, 15), (2, 15), (1, 15)]
    quiet = [(0, 15), (0, 0), (2, 15), *[(0, 0)] * 1000, (1, 15)]

    assert after(*seen) == after(*quiet)
    assert after(*[(0, 0)] * 100_000) == 0


def test_good_scrapes_never_weigh_against_what_happens_later():
    fresh = after(*[(5, 5)] * 3)
    old = after(*[(0, 150)] * 2000, *[(5, 5)] * 3)

    assert old >= 0.9 * fresh


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from([5, 15, 30, 60]))
def test_no_single_scrape_is_worth_more_than_a_fifth_of_what_is_needed(one, two, every):
    bound = Bound(0.01, every * SECOND)

    assert (
        after((min(one, two), max(one, two)), bound=bound) <= 0.2 * bound.needed * 1.001
    )


@pytest.mark.parametrize("scrape", [5, 15, 30, 60])
def test_it_needs_the_same_time_between_two_false_alarms_at_every_scrape(scrape):
    bound = Bound(0.01, scrape * SECOND)

    assert bound.needed * scrape == 60_000


@pytest.mark.parametrize("share", [0.0, 1e-9, 0.01, 0.5, 0.99])
def test_every_bound_and_every_count_can_be_weighed(share):
    bound = Bound(share, 15 * SECOND)

    for scrape in ((0, 1), (1, 1), (0, 10**12), (10**12, 10**12), (10**6, 10**12)):
        seen = after(*[scrape] * 5, bound=bound)
        assert math.isfinite(seen)
        assert seen >= 0
    assert after(*[(20, 20)] * 5, bound=bound) > (bound.needed if share < 0.9 else 0)


def test_a_batch_of_four_weighs_about_as_much_as_one_failure():
    one = after(*[(0, 15)] * 20, (1, 15))
    four = after(*[(0, 15)] * 20, (4, 15))

    assert four < 20 * one


@pytest.mark.parametrize("size", [1, 4])
def test_a_service_at_its_bound_is_seldom_taken_for_a_failing_one(size):
    """Once in 4,000 scrapes at most on average; here 12,000 are played."""
    chance = random.Random(7)
    alarms, odds = 0, Odds(ONE_PER_CENT)
    for _ in range(12_000):
        batches = sum(chance.random() < 0.01 / size for _ in range(15))
        bad = sum(
            1 + int(math.log(1 - chance.random()) / math.log(1 - 1 / size))
            if size > 1
            else 1
            for _ in range(batches)
        )
        odds.take(min(bad, 15), 15)
        if odds.value >= ONE_PER_CENT.needed:
            alarms += 1
            odds = Odds(ONE_PER_CENT)

    assert alarms <= 8


# Of releases at half their bound, 600 a minute, whose failures come in eights.
EIGHTS = [
    [
        (10, 169),
        (29, 153),
        (0, 151),
        (26, 161),
        (4, 159),
        (14, 145),
        (5, 136),
        (6, 146),
    ],
    [
        (13, 147),
        (24, 169),
        (7, 135),
        (4, 146),
        (16, 139),
        (0, 159),
        (21, 150),
        (8, 150),
    ],
    [(0, 151), (0, 146), (9, 135), (4, 141), (2, 180), (15, 143), (24, 158), (15, 149)],
]


@pytest.mark.parametrize("scrapes", EIGHTS)
def test_a_few_batches_of_eight_that_come_together_do_not_convict(scrapes):
    assert after(*[(0, 150)] * 8, *scrapes) < 0.7 * ONE_PER_CENT.needed
