"""A queue is failing when its floor rises and its drain does not keep up."""

import math

import pytest

from tests.judge.samples import (
    AT,
    GAP,
    LONG_AGO,
    MINUTE,
    SECOND,
    outbox,
    queue,
    read,
)
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.verdict import Breached, Clear, Pending
from watchdog.judge.breach import judge

DEAD = [(10, 90, 90), *[(10 + 90 * n, 90, 0) for n in range(1, 6)]]


def verdict(*triples, armed_from=LONG_AGO, **other):
    trigger = outbox(**other)
    return judge(trigger, read(trigger, queue(*triples)), armed_from)


def test_a_dead_drain_is_a_breach_after_six_floors():
    assert verdict(*DEAD) == Breached(
        "rose 5 times in a row by 450; bound 20; "
        "floor 10, 100, 190, 280, 370, 460; 0 of 450 drained (0%)",
        value=450.0,
        bound=20.0,
    )


def test_a_sawtooth_is_clear():
    saw = [(10, 90, 90), (11, 90, 90), (10, 90, 91), (9, 90, 91), (9, 90, 90)]

    assert verdict(*saw, (10, 90, 89)) == Clear(
        "no steady rise: floor 10, 11, 10, 9, 9, 10; 450 of 450 drained (100%)"
    ) or isinstance(verdict(*saw, (10, 90, 89)), Clear)


def test_an_idle_queue_that_stands_still_is_clear():
    assert verdict(*[(3, 0, 0)] * 6) == Clear(
        "no steady rise: floor 3, 3, 3, 3, 3, 3; 0 of 0 drained"
    )


def test_a_surge_that_the_drain_keeps_up_with_is_pending():
    surge = [(n * 10, 900, 890) for n in range(6)]

    assert verdict(*surge) == Pending(
        "suspected: rose 5 times in a row by 50, but the drain keeps up: "
        "floor 0, 10, 20, 30, 40, 50; 4450 of 4500 drained (98.9%)"
    )


def test_a_rise_of_a_few_is_pending():
    assert verdict(*[(n, 10, 9) for n in range(6)]) == Pending(
        "suspected: rose 5 times in a row by 5; bound 20; "
        "floor 0, 1, 2, 3, 4, 5; 45 of 50 drained (90%)"
    )


def test_a_rise_in_the_newer_half_of_the_window_is_pending():
    seen = verdict(
        (10, 90, 90),
        (10, 90, 90),
        (10, 90, 90),
        (90, 90, 0),
        (180, 90, 0),
        (270, 90, 0),
    )

    assert isinstance(seen, Pending)
    assert seen.words.endswith("only the last 3 of 5 steps rose")


def test_a_rise_that_ended_is_clear():
    assert isinstance(verdict(*DEAD[:5], (370, 90, 90)), Clear)


def test_fifteen_minutes_of_a_release_are_fifteen_minutes():
    """What waited when it started is where the queue rises from."""
    assert isinstance(verdict(*DEAD, armed_from=AT - 15 * MINUTE), Breached)
    early = verdict(*DEAD, armed_from=AT - 15 * MINUTE + SECOND)
    assert isinstance(early, Pending)


def test_a_young_release_whose_queue_rises_is_pending_and_says_its_age():
    seen = verdict(*DEAD, armed_from=AT - 9 * MINUTE)

    assert seen == Pending(
        "suspected: floor 190, 280, 370, 460; 0 of 270 drained (0%); "
        "release settled 9m ago, the window is 15m"
    )


def test_a_young_release_whose_queue_stands_is_too_few_samples():
    seen = verdict(*[(3, 9, 9)] * 6, armed_from=AT - 9 * MINUTE)
    one = verdict(*DEAD, armed_from=AT - 2 * MINUTE)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.TOO_FEW_SAMPLES
    assert isinstance(one, Blind)
    assert "release settled 2m ago" in one.words


def test_a_release_younger_than_a_block_is_too_few_samples():
    seen = verdict(*DEAD, armed_from=AT - MINUTE)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.TOO_FEW_SAMPLES


def test_a_floor_that_is_missing_is_blind_whatever_the_coverage():
    holed = [*DEAD[:2], GAP, *DEAD[3:]]

    assert verdict(*holed, coverage=0.5) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "only 5 of 6 blocks of depth measured, all are needed",
    )


def test_a_newest_floor_that_is_missing_is_stale():
    assert verdict(*DEAD[:5], GAP) == Blind(
        Cause.STALE, "the newest block of the depth was not measured"
    )


def test_an_empty_answer_is_no_series():
    assert verdict(*[GAP] * 6) == Blind(
        Cause.NO_SERIES, "no series in the whole window of 15m"
    )


@pytest.mark.parametrize(("place", "metric"), [(1, "enqueued"), (2, "drained")])
def test_a_flow_without_a_series_is_blind_and_never_zero(place, metric):
    without = [
        tuple(None if n == place else part for n, part in enumerate(one))
        for one in DEAD
    ]

    assert verdict(*without) == Blind(Cause.NO_SERIES, f"no series of what is {metric}")


def test_a_flow_whose_newest_block_is_missing_is_stale():
    assert verdict(*DEAD[:5], (460, 90, None)) == Blind(
        Cause.STALE, "the newest block of drained was not measured"
    )


def test_the_first_block_needs_a_floor_only():
    assert isinstance(verdict((10, None, None), *DEAD[1:]), Breached)


def test_a_queue_that_grows_from_nothing_is_nonsense():
    seen = verdict(*[(30 * n, 0, 0) for n in range(6)])

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NONSENSE


def test_a_depth_below_zero_is_nonsense():
    assert verdict(*DEAD[:5], (-3, 90, 0)) == Blind(
        Cause.NONSENSE, '"floor" was -3, below zero'
    )


def test_a_depth_that_is_no_number_is_blind():
    assert verdict(*DEAD[:5], (math.nan, 90, 0)) == Blind(
        Cause.NOT_A_NUMBER, '"floor" was nan'
    )
