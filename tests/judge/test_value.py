"""An expression past its bound: Prometheus' own `for`, but a gap ends the run."""

import math

import pytest

from tests.judge.samples import (
    AT,
    LONG_AGO,
    POLL,
    SECOND,
    down,
    points,
    read,
)
from watchdog.facts.reading import Blind, Block, Cause, Look, Measured
from watchdog.facts.verdict import Breached, Clear, Pending
from watchdog.judge.breach import judge


def verdict(trigger, *values, armed_from=LONG_AGO):
    return judge(trigger, read(trigger, points(*values), step=POLL), armed_from)


def test_down_for_two_minutes_is_a_breach():
    assert verdict(down(), *[0] * 25) == Breached(
        "0, below 1 for 2m without a gap", value=0.0, bound=1.0
    )


def test_above_is_held_against_the_other_side():
    trigger = down(above=0.5, below=None)

    assert verdict(trigger, *[0.75] * 25) == Breached(
        "0.75, above 0.5 for 2m without a gap", value=0.75, bound=0.5
    )


def test_exactly_at_the_bound_is_not_past_it():
    assert verdict(down(), *[1] * 25) == Clear("1, not below 1")


def test_a_little_less_than_the_whole_time_is_pending():
    assert verdict(down(), 1, *[0] * 24) == Pending(
        "suspected: 0, below 1 for 1m55s of 2m without a gap"
    )


def test_a_gap_ends_the_run():
    assert verdict(down(), *[0] * 12, None, *[0] * 12) == Pending(
        "suspected: 0, below 1 for 55s of 2m without a gap"
    )


def test_a_point_left_out_ends_the_run_like_a_gap():
    trigger = down()
    (seen,) = read(trigger, points(*[0] * 25), step=POLL).looks
    holed = type(seen)(seen.at, seen.blocks[:12] + seen.blocks[13:])

    verdict = judge(trigger, type(read(trigger))((holed,)), LONG_AGO)

    assert isinstance(verdict, Pending)


def test_something_that_is_no_number_ends_the_run():
    assert isinstance(verdict(down(), *[0] * 12, math.nan, *[0] * 12), Pending)


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_newest_value_that_is_no_number_is_blind(value):
    assert verdict(down(), *[0] * 24, value) == Blind(
        Cause.NOT_A_NUMBER, f"the newest value was {value}"
    )


def test_a_newest_point_that_was_not_measured_is_stale():
    assert verdict(down(), *[0] * 24, None) == Blind(
        Cause.STALE, "the newest point was not measured"
    )


def test_an_empty_answer_is_no_series():
    assert verdict(down(), *[None] * 25) == Blind(
        Cause.NO_SERIES, "no series in the whole window of 2m"
    )


def test_what_was_before_the_release_is_not_counted():
    assert verdict(down(), *[0] * 25, armed_from=AT - 30 * SECOND) == Pending(
        "suspected: 0, below 1 for 30s of 2m without a gap; "
        "release settled 30s ago, the window is 2m"
    )
    assert verdict(down(), *[0] * 25, armed_from=AT + SECOND) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "nothing measured yet: release settles in 1s, the window is 2m",
    )


def test_up_now_is_not_clear_before_most_of_the_window_was_measured():
    assert verdict(down(), *[1] * 25, armed_from=AT - 30 * SECOND) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "1 now, but only 7 of 25 points measured, 80% needed; "
        "release settled 30s ago, the window is 2m",
    )
    assert verdict(down(), *[math.nan] * 20, *[1] * 5) == Blind(
        Cause.NOT_A_NUMBER,
        "1 now, but only 5 of 25 points measured, 80% needed",
    )
    assert isinstance(verdict(down(), *[None] * 5, *[1] * 20), Clear)


def test_one_point_alone_is_not_a_window():
    assert isinstance(verdict(down(), 1), Blind)
    assert isinstance(verdict(down(window=0 * SECOND), 1), Clear)


def replicas(*points):
    """Make points of named series; a series that is left out is up there."""
    return [
        Block(
            AT - (len(points) - 1 - place) * POLL,
            {"worst": 0.0 if down else 1.0},
            dict.fromkeys(down, 0.0),
        )
        for place, down in enumerate(points)
    ]


def test_three_replicas_that_restart_one_after_another_are_not_down_for_long():
    restarts = replicas(*["a"] * 9, *["b"] * 8, *["c"] * 8)
    reading = Measured((Look(AT, tuple(restarts)),))

    assert judge(down(), reading, LONG_AGO) == Pending(
        "suspected: 0, below 1 for 35s of 2m without a gap: c"
    )


def test_the_series_that_hold_are_named():
    blocks = replicas(*["ab"] * 24, "abc")
    reading = Measured((Look(AT, tuple(blocks)),))

    assert judge(down(), reading, LONG_AGO) == Breached(
        "0, below 1 for 2m without a gap: a and 1 more", value=0.0, bound=1.0
    )


def test_of_the_series_that_hold_the_worst_is_told():
    trigger = down(above=10.0, below=None)
    blocks = [
        Block(AT - n * POLL, {"worst": 99.0}, {"a": 20.0, "b": 30.0})
        for n in reversed(range(25))
    ]

    seen = judge(trigger, Measured((Look(AT, tuple(blocks)),)), LONG_AGO)

    assert seen == Breached(
        "30, above 10 for 2m without a gap: b and 1 more", value=30.0, bound=10.0
    )


def test_without_a_for_the_newest_point_decides():
    trigger = down(sustained=False)

    assert isinstance(verdict(trigger, *[1] * 24, 0), Breached)


def test_a_window_off_the_grid_is_held_to_the_next_point():
    trigger = down(window=118 * SECOND)

    assert isinstance(verdict(trigger, *[0] * 25), Breached)
    assert isinstance(verdict(trigger, 1, *[0] * 24), Pending)


def test_a_value_without_a_bound_blinds_itself_and_raises_nothing():
    seen = verdict(down(below=None), 1)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NONSENSE
    assert "no bound" in seen.words
