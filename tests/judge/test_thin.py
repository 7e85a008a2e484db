"""Where a healthy release may be called failing, it is said before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.judge.samples import awb
from watchdog.facts.reading import Block, Look, Measured
from watchdog.judge.thin import thin

SECOND = timedelta(seconds=1)
AT = datetime(2026, 3, 11, 3, tzinfo=UTC)
TENTH = replace(awb(), above=0.1)


def counted(*every):
    blocks = [
        Block(AT - back * 15 * SECOND, {} if n is None else {"all": float(n)})
        for back, n in reversed(list(enumerate(reversed(every))))
    ]
    return Measured((Look(AT, tuple(blocks)),))


def test_few_events_with_a_large_bound_are_said_to_be_too_few():
    assert thin(TENTH, counted(*[1, 2] * 20)) == (
        "6 events a minute with a bound of 10%: of a hundred healthy releases at half "
        "of it whose failures come in batches, more than one may be called failing in "
        "a day"
    )


@pytest.mark.parametrize(("often", "said"), [(20, True), (36, True), (40, False)])
def test_a_tenth_is_too_large_a_bound_below_forty_a_minute(often, said):
    assert bool(thin(TENTH, counted(*[often // 4] * 40))) is said


def test_what_was_not_measured_is_no_want_of_traffic():
    assert not thin(TENTH, counted(*[10] * 10, *[None] * 30))
    assert not thin(TENTH, counted(*[None] * 40))


@pytest.mark.parametrize(
    "other",
    [replace(TENTH, above=0.05), replace(TENTH, sustained=True), awb()],
)
def test_a_smaller_bound_and_a_for_hold_with_as_few(other):
    assert not thin(other, counted(*[1, 2] * 20))


@pytest.mark.parametrize(("often", "said"), [(20, False), (120, True), (600, False)])
def test_scrapes_of_a_minute_are_said_to_be_too_seldom_for_some_traffic(often, said):
    minute = replace(awb(), block=60 * SECOND)
    blocks = [Block(AT - n * 60 * SECOND, {"all": float(often)}) for n in range(60)]

    words = thin(minute, Measured((Look(AT, tuple(reversed(blocks))),)))

    assert bool(words) is said
    assert not said or " with a bound of 1% and scrapes of 1m: " in words
