"""Counts that several processes told in turn are nobody's."""

import math
from datetime import timedelta

from tests.judge.samples import AT, LONG_AGO, awb
from watchdog.facts.reading import Blind, Block, Cause, Look, Measured
from watchdog.facts.verdict import Clear
from watchdog.judge.breach import judge
from watchdog.judge.laid import Past

TRIGGER = awb()
COUNTED = {"bad": 0.0, "all": 100.0}


def judged(fell, armed_from=LONG_AGO):
    """Judge an hour in which counters fell in the blocks of these places, from now."""
    count = TRIGGER.reach // TRIGGER.block
    blocks = tuple(
        Block(
            AT - place * TRIGGER.block,
            COUNTED | ({"fell": 1.0} if place in fell else {}),
        )
        for place in reversed(range(count))
    )
    return judge(TRIGGER, Measured((Look(AT, blocks),)), armed_from)


def test_a_fall_or_two_are_a_process_that_began():
    assert isinstance(judged({0, 100}), Clear)


def test_three_in_all_that_is_looked_back_at_are_several_processes():
    verdict = judged({0, 100, 200})

    assert isinstance(verdict, Blind)
    assert verdict.cause is Cause.NONSENSE
    assert verdict.words == (
        "what only grows fell 3 times in 50m though no process began: several answer "
        "in turn on one target, or it is no counter"
    )
    assert "PROMETHEUS_MULTIPROC_DIR" in verdict.hint


def test_what_fell_before_the_release_is_not_its_own():
    assert isinstance(judged({0, 100, 200}, AT - timedelta(minutes=45)), Clear)


def test_of_a_past_it_is_left_out():
    past = Past(TRIGGER, AT, exact=True)

    past.take([COUNTED, COUNTED | {"fell": 1.0}])

    assert past.every[0] == 100.0
    assert math.isnan(past.every[1])
