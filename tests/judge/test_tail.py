"""The binomial tail against exact fractions, and the research's own table."""

import math
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchdog.judge.tail import upper_tail


def exact(bad, of_all, share):
    p = Fraction(share)
    return sum(
        math.comb(of_all, k) * p**k * (1 - p) ** (of_all - k)
        for k in range(bad, of_all + 1)
    )


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 120).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.integers(0, 1024),
)
def test_the_tail_is_the_exact_sum_of_fractions(counts, share):
    bad, of_all = counts
    meant = exact(bad, of_all, Fraction(share, 1024))

    seen = upper_tail(bad, of_all, share / 1024)

    assert seen == pytest.approx(float(meant), rel=1e-11, abs=1e-300)


@pytest.mark.parametrize(
    ("of_all", "share", "needed"),
    [
        (10, 0.01, 3),
        (20, 0.01, 4),
        (40, 0.01, 4),
        (60, 0.01, 5),
        (100, 0.01, 6),
        (200, 0.01, 9),
        (500, 0.01, 14),
        (1000, 0.01, 22),
        (5000, 0.01, 74),
        (20000, 0.01, 246),
        (20, 0.05, 6),
        (40, 0.05, 8),
        (100, 0.05, 14),
        (1000, 0.05, 74),
    ],
)
def test_as_many_failures_are_needed_as_the_table_for_people_says(
    of_all, share, needed
):
    assert upper_tail(needed, of_all, share) < 0.001
    assert upper_tail(needed - 1, of_all, share) >= 0.001


def test_a_thousand_million_events_are_exact_and_quick():
    n, p = 10**9, 0.01
    began = time.perf_counter()

    at_mean = upper_tail(n // 100, n, p)
    three_sigma = upper_tail(n // 100 + 9439, n, p)

    assert at_mean == pytest.approx(0.5, abs=1e-3)
    # Three standard deviations of a normal, and its skew.
    assert three_sigma == pytest.approx(0.00135, rel=0.01)
    assert time.perf_counter() - began < 2


def test_the_tail_of_a_certainty_and_of_an_impossibility_are_one_and_nought():
    assert upper_tail(0, 10, 0.5) == 1
    assert upper_tail(1, 10, 0.0) == 0
    assert upper_tail(10, 10, 1.0) == 1
    assert upper_tail(10, 10, 0.5) == pytest.approx(0.5**10)
    assert upper_tail(1, 10, 0.5) == pytest.approx(1 - 0.5**10)
    assert upper_tail(900_000, 10**6, 0.01) == 0
