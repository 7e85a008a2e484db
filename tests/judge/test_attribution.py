"""Whose doing a breach is: it stands either way, and only this says who is charged."""

import math
from datetime import timedelta

import pytest

from tests.judge.samples import (
    AT,
    LONG_AGO,
    MINUTE,
    POLL,
    SECOND,
    awb,
    before,
    counts,
    down,
    http_5xx,
    outbox,
    points,
    queue,
    read,
)
from watchdog.facts.reading import Before, Blind, Cause, Outside
from watchdog.facts.trigger import Baseline, Missing, RatioQuery
from watchdog.facts.verdict import Breached, Clear
from watchdog.judge.breach import judge

OVER = counts(*[(30, 300)] * 20)
FINE = counts(*[(1, 300), (2, 300)] * 10)
IGNORE = Baseline(missing=Missing.IGNORE)


def elsewhere(trigger, reading, armed_from=LONG_AGO):
    """Say whose doing it is; that it is a breach is taken for granted."""
    seen = judge(trigger, reading, armed_from)
    assert isinstance(seen, Breached), seen
    return seen.elsewhere


def with_before(*pair, trigger=None, **other):
    return elsewhere(
        trigger or http_5xx(), read(http_5xx(), OVER, before=before(*pair, **other))
    )


# ------------------------------------------------------------------- counts


def test_clearly_worse_than_the_hour_before_is_this_releases_doing():
    assert not with_before(300, 60_000)


def test_no_worse_than_the_hour_before_is_not_this_release():
    assert with_before(7_000, 72_000, last=(500, 12_000)) == (
        "not clearly worse than before it: 600 of 6000 (10%) now, 7000 of 72000 "
        "(9.72%) in the 1h before; not 1.5 times worse with 99% confidence"
    )


def test_how_much_worse_it_must_be_is_the_release_files_choice():
    strict = http_5xx(baseline=Baseline(worse_by=10))

    assert with_before(1_200, 60_000) == ""
    assert "not 10 times worse" in with_before(1_200, 60_000, trigger=strict)


def test_over_in_the_last_ten_minutes_before_it_is_not_this_release():
    # An incident that began ten minutes before: of the hour, 2 %.
    assert with_before(1_200, 60_000, last=(1_200, 10_000)) == (
        "over before it started: 1200 of 10000 (12%) in the last 10m before; bound 5%"
    )


def test_three_bad_minutes_before_it_do_not_let_it_off():
    assert not with_before(360, 60_000, last=(360, 10_000))


def test_where_little_happened_before_it_is_held_against_the_bound():
    """A release in a quiet hour: all of it fails, and one event was before it."""
    trigger = awb()
    blocks = counts(*[(0, 0)] * 13, *[(15, 15)] * 7)

    def charged(*pair, **other):
        reading = read(trigger, blocks, before=before(*pair, **other))
        return not elsewhere(trigger, reading)

    assert charged(0, 1)
    assert charged(0, 0)
    assert charged(0, 200)
    assert not with_before(0, 5)


def test_little_that_was_over_before_it_is_not_this_releases_doing():
    trigger = awb()
    blocks = counts(*[(0, 0)] * 18, (3, 3), (3, 3))

    def said(*pair, **other):
        return elsewhere(trigger, read(trigger, blocks, before=before(*pair, **other)))

    assert said(2, 2, last=(2, 2)) == (
        "over before it started: 2 of 2 (100%) in the last 10m before; bound 1%"
    )
    assert said(5, 5, last=(0, 0)) == (
        "over before it started: 5 of 5 (100%) in the 1h before; bound 1%"
    )


def test_a_time_before_that_was_not_measured_charges_nobody():
    assert with_before(whole={}, last={}) == (
        "nothing to compare with: the 1h before it were not measured"
    )


def test_a_last_ten_minutes_without_traffic_is_no_hole_but_unmeasured_is():
    assert with_before(300, 60_000, last=(0, 0)) == ""
    hole = Before(
        AT - 25 * 60 * MINUTE, AT - 24 * 60 * MINUTE, {"bad": 0.0, "all": 60_000.0}
    )
    assert elsewhere(http_5xx(), read(http_5xx(), OVER, before=hole)) == (
        "nothing to compare with: the last 10m before it were not measured"
    )


def test_without_a_run_before_it_nobody_is_charged():
    none = Before(LONG_AGO, LONG_AGO)

    assert elsewhere(http_5xx(), read(http_5xx(), OVER, before=none)) == (
        "nothing to compare with: what ran before it had hardly started"
    )


def test_a_dri_may_charge_the_release_by_its_bound_alone():
    trigger = http_5xx(baseline=IGNORE)

    assert not with_before(whole={}, last={}, trigger=trigger)
    rejected = Blind(Cause.REJECTED, "too many samples")
    assert not elsewhere(trigger, read(trigger, OVER, before=rejected))
    # What was measured still speaks.
    assert "over before" in with_before(
        1_200, 60_000, last=(1_200, 10_000), trigger=trigger
    )


def test_a_baseline_that_is_no_number_is_none():
    assert with_before(math.nan, 60_000) == (
        "nothing to compare with: what was measured before is no number"
    )


@pytest.mark.parametrize("cause", [Cause.TIMEOUT, Cause.UNREACHABLE, Cause.PARTIAL])
def test_a_question_that_got_lost_neither_charges_nor_lets_off(cause):
    lost = Blind(cause, "no answer")
    trigger = http_5xx(unless="carrier == 0")

    assert judge(trigger, read(trigger, OVER, before=lost), LONG_AGO) == Blind(
        cause, "over its bound, but what was before the release is not seen: no answer"
    )
    assert judge(trigger, read(trigger, OVER, outside=lost), LONG_AGO) == Blind(
        cause, "over its bound, but whether carrier == 0 holds is not seen: no answer"
    )
    # What is fine is fine without it.
    seen = judge(trigger, read(trigger, FINE, before=lost, outside=lost), LONG_AGO)
    assert isinstance(seen, Clear)


def test_a_baseline_that_the_server_refuses_charges_nobody():
    rejected = Blind(Cause.REJECTED, "too many samples")

    assert elsewhere(http_5xx(), read(http_5xx(), OVER, before=rejected)) == (
        "nothing to compare with: too many samples"
    )


def test_a_pair_that_a_rollback_put_up_is_compared_with_nothing():
    assert not elsewhere(http_5xx(), read(http_5xx(), OVER))


def test_only_what_the_release_did_is_compared():
    # Of twenty scrapes six are its own: 27 of 90, against 1 % before.
    trigger = awb()
    reading = read(
        trigger,
        counts(*[(0, 15)] * 14, *[(4, 15), (5, 15)] * 3),
        before=before(6, 600, last=(1, 100)),
    )

    assert not elsewhere(trigger, reading, AT - 90 * SECOND)


@pytest.mark.parametrize("kind", [RatioQuery("a", "b")])
def test_every_way_to_count_is_compared(kind):
    trigger = http_5xx(kind=kind)

    assert "not clearly worse" in with_before(
        7_000, 72_000, last=(500, 12_000), trigger=trigger
    )


# ------------------------------------------------------------ outside causes


def outside(held_at, **other):
    trigger = http_5xx(unless="carrier_api_up\n  == 0")
    return elsewhere(trigger, read(trigger, OVER, outside=held_at, **other))


def test_while_an_outside_cause_holds_it_is_not_this_release():
    assert outside(Outside(AT)) == "outside cause: carrier_api_up == 0 holds"


def test_an_outside_cause_that_held_in_the_window_still_explains_it():
    assert outside(Outside(AT - 90 * SECOND)) == (
        "outside cause: carrier_api_up == 0 held until 02:58:30 UTC"
    )


def test_an_outside_cause_that_does_not_hold_leaves_it_to_the_comparison():
    assert not outside(Outside(None), before=before(300, 60_000))
    assert "not clearly" in outside(
        Outside(None), before=before(7_000, 72_000, (5, 9_000))
    )


def test_an_outside_cause_that_cannot_be_evaluated_charges_nobody():
    assert outside(Blind(Cause.REJECTED, "parse error")) == (
        "outside cause: whether carrier_api_up == 0 holds is not known: parse error"
    )


# -------------------------------------------------------------------- queues

GROWING = [(10, 900, 900), *[(10 + 90 * n, 900, 700) for n in range(1, 6)]]


def drain(came, went, last=None, triples=GROWING, most=0.0, **other):
    parts = {"in": came, "out": went, "seconds": 3600.0}
    lately = {"in": came / 6, "out": went / 6} if last is None else last
    time_before = before(whole=parts, last=lately, most=most)
    trigger = outbox(**other)
    return elsewhere(trigger, read(trigger, queue(*triples), before=time_before))


def test_a_drain_that_does_clearly_less_than_before_is_this_releases_doing():
    # 4500 came and 3500 went in 15 minutes; before, 4500 went.
    assert not drain(18_000, 18_000)


def test_a_drain_that_does_what_it_did_while_more_comes_in_is_not():
    assert drain(14_400, 14_400) == (
        "the drain is not clearly worse than before it: 3500 in 15m now, "
        "at most 3600 per 15m in the 1h before; more comes in"
    )


def test_after_a_quiet_hour_it_is_held_against_what_it_could_drain_in_a_day():
    """Twenty a minute in the hour before, a hundred in the rush of the day before."""
    assert "not clearly worse" in drain(1_200, 1_200)
    assert not drain(1_200, 1_200, most=4_500.0)
    assert "not clearly worse" in drain(1_200, 1_200, most=3_600.0)


def test_a_queue_that_never_had_anything_to_drain_is_held_against_what_comes_in():
    assert not drain(0, 0)


def test_less_traffic_than_before_excuses_a_drain_that_follows_it():
    # All that comes in could go out; it is compared with what comes in.
    quiet = [(10, 90, 90), *[(10 + 9 * n, 90, 84) for n in range(1, 6)]]

    assert "not clearly worse" in drain(18_000, 18_000, triples=quiet)


def test_a_drain_that_failed_before_is_not_this_releases_doing():
    assert drain(18_000, 17_000, last={"in": 3_000.0, "out": 2_000.0}) == (
        "failing before it started: 2000 of 3000 drained in the last 10m before"
    )


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({}, "the 1h before it were not measured"),
        ({"in": 9.0, "out": 9.0, "seconds": 60.0}, "the last 10m before it were not"),
    ],
)
def test_a_queue_without_a_past_charges_nobody(parts, words):
    trigger = outbox()
    reading = read(trigger, queue(*GROWING), before=before(whole=parts, last={}))

    assert elsewhere(trigger, reading).startswith(f"nothing to compare with: {words}")


# -------------------------------------------------------------------- values


def was(worst, **other):
    last = {} if worst is None else {"worst": worst}
    trigger = down(**other)
    reading = read(
        trigger, points(*[0] * 25), step=POLL, before=before(whole=last, last=last)
    )
    return elsewhere(trigger, reading)


def test_a_value_that_was_inside_its_bound_before_is_this_releases_doing():
    assert not was(1.0)


def test_a_value_that_was_past_its_bound_just_before_is_not():
    assert was(0.0) == "past its bound before it started: 0 in the last 10m before"


def test_a_value_that_was_not_there_before_charges_nobody():
    assert was(None) == (
        "nothing to compare with: the last 10m before it were not measured"
    )
    assert not was(None, baseline=IGNORE)


def test_short_times_before_are_said_as_they_were():
    until = LONG_AGO
    short = before(whole={}, last={}, since=until - timedelta(seconds=25))

    seen = elsewhere(down(), read(down(), points(*[0] * 25), step=POLL, before=short))

    assert seen == "nothing to compare with: the last 25s before it were not measured"
