"""Ratio and latency, scrape by scrape."""

from datetime import timedelta

import pytest

from tests.judge.samples import (
    AT,
    GAP,
    KINDS,
    LONG_AGO,
    MINUTE,
    SECOND,
    awb,
    counts,
    http_5xx,
    look,
    read,
)
from watchdog.facts.reading import Blind, Block, Cause, Look, Measured, unforeseen
from watchdog.facts.verdict import Breached, Clear, Pending
from watchdog.judge.breach import judge

SCRAPE = 15 * SECOND
FINE = (0, 15)
LOST = (15, 15)


def verdict(trigger, *pairs, armed_from=LONG_AGO, gaps=None):
    return judge(trigger, read(trigger, counts(*pairs), gaps=gaps), armed_from)


def gap(bad, every):
    return {"bad": float(bad), "all": float(every)}


# ------------------------------------------------------------ acting at once


def test_a_total_failure_is_a_breach_at_the_second_scrape_with_its_arithmetic():
    assert verdict(awb(), *[FINE] * 18, LOST, LOST) == Breached(
        "30 of 300 (10%) were bad; bound 1%; more than 8,000 times likelier from a "
        "failing release than from one at its bound, 4,000 needed",
        value=0.1,
        bound=0.01,
    )


@pytest.mark.parametrize("bad", [5, 15, 150, 1500, 15_000])
@pytest.mark.parametrize("background", [0, 0.002])
def test_one_scrape_alone_convicts_nobody(bad, background):
    usual = (background * bad, bad)

    for seen in ([bad], [bad / 2, bad / 2]):
        blocks = [usual] * 18 + [usual] * (2 - len(seen)) + [(k, bad) for k in seen]
        one = verdict(awb(), *blocks[:-1], usual, (bad, bad))
        assert not isinstance(one, Breached)


def test_one_burst_that_falls_into_two_scrapes_convicts_nobody_where_there_are_many():
    many = (3, 1500)

    seen = verdict(awb(), *[many] * 18, (250, 1500), (250, 1500))

    assert isinstance(seen, Pending)
    assert seen.words.endswith("only 2 scrapes over, 3 needed")
    third = verdict(awb(), *[many] * 17, *[(1500, 1500)] * 3)
    assert isinstance(third, Breached)


def test_two_scrapes_of_hardly_anything_but_failures_need_no_third():
    many = (3, 1500)

    wholly = verdict(awb(), *[many] * 18, (1300, 1500), (1300, 1500))
    partly = verdict(awb(), *[many] * 18, (1100, 1500), (1500, 1500))

    assert isinstance(wholly, Breached)
    assert isinstance(partly, Pending)
    over = verdict(awb(above=0.9), *[many] * 18, (1300, 1500), (1300, 1500))
    assert not isinstance(over, Breached)


@pytest.mark.parametrize("first", [9, 12, 15])
def test_the_scrape_within_which_it_began_speaks_too(first):
    assert isinstance(verdict(awb(), *[FINE] * 18, (first, 15), LOST), Breached)


def test_scrapes_closer_than_fifteen_seconds_do_not_agree_by_themselves():
    trigger = awb(block=5 * SECOND)

    seen = verdict(trigger, *[(0, 5)] * 58, (5, 5), (5, 5))

    assert isinstance(seen, Pending)
    assert seen.words.endswith("no other scrape 15s before has any")
    assert isinstance(verdict(trigger, *[(0, 5)] * 56, *[(5, 5)] * 4), Breached)


def test_what_is_over_but_fails_no_more_is_only_suspected():
    seen = verdict(awb(), *[FINE] * 15, LOST, LOST, FINE)

    assert isinstance(seen, Pending)
    assert seen.words.endswith("none in the newest scrape")


def test_fewer_bad_events_than_asked_for_are_no_breach():
    blocks = [FINE] * 17 + [(1, 1)] * 3

    assert isinstance(verdict(awb(), *blocks), Pending)
    assert verdict(awb(), *blocks).words.endswith("fewer than 4 bad events")
    seen = verdict(awb(min_events=40), *[FINE] * 18, LOST, LOST)
    assert seen.words.endswith("fewer than 40 bad events")


def test_a_little_over_is_suspected_and_says_how_much_likelier():
    seen = verdict(awb(), *[FINE] * 10, (1, 15), *[FINE] * 3, (2, 15), FINE, (1, 15))

    assert isinstance(seen, Pending)
    assert seen.words.startswith("suspected: 4 of 255 (1.57%) were bad; bound 1%; ")
    assert seen.words.endswith("from one at its bound, 4,000 needed")


def test_evidence_older_than_the_window_speaks_too():
    """Five per cent of twenty a minute: never clear of the bound in five minutes."""
    slow = [(1, 5), *[(0, 5)] * 3]

    alone = verdict(awb(), *slow * 5)
    for_long = verdict(awb(), *[*slow[1:], slow[0]] * 15)

    assert isinstance(alone, Pending)
    assert isinstance(for_long, Breached)


def test_what_came_in_batches_weighs_less_than_what_came_alone():
    alone = [(0, 15), (0, 15), (1, 15), (0, 15)] * 16
    in_fours = ([(0, 15)] * 14 + [(4, 15), (0, 15)]) * 4

    assert isinstance(verdict(awb(), *alone[:-1]), Breached | Pending)
    assert not isinstance(verdict(awb(), *in_fours[:-1]), Breached)


def test_a_quiet_night_before_it_weighs_nothing():
    night = [(0, 0)] * 230

    assert isinstance(verdict(awb(), *night, (3, 3), (3, 3)), Breached)


def test_the_onset_is_the_scrape_before_the_first_that_failed():
    seen = verdict(awb(), *[(0, 60)] * 100, (1, 60), *[(0, 60)] * 60, *[(60, 60)] * 3)

    assert isinstance(seen, Breached)
    assert seen.onset == AT - 3 * SCRAPE


def test_scrapes_of_before_the_release_are_not_counted():
    blocks = [LOST] * 18 + [FINE] * 2

    seen = verdict(awb(), *blocks, armed_from=AT - 2 * SCRAPE)
    assert isinstance(seen, Blind)
    assert "0 of 30 (0%) were bad, but only 2 of 20 scrapes measured" in seen.words
    young = verdict(awb(), *[FINE] * 18, LOST, LOST, armed_from=AT - 2 * SCRAPE)
    assert isinstance(young, Breached)
    assert young.onset == AT - 2 * SCRAPE


# ------------------------------------------------------------ with `for`


def sustained(bad_scrapes, background=(0, 30), bad=(30, 30), **other):
    trigger = http_5xx(**other)
    return verdict(trigger, *[background] * 100, *[bad] * bad_scrapes)


@pytest.mark.parametrize("bad", [(30, 30), (15, 30), (6, 30), (120, 600)])
def test_for_is_breached_after_its_whole_time_and_not_a_scrape_before(bad):
    many = (0, bad[1])

    early = sustained(19, many, bad)
    seen = sustained(20, many, bad)

    assert isinstance(early, Pending)
    assert "for 4m45s of 5m so far" in early.words
    assert isinstance(seen, Breached)
    assert seen.words.endswith("without a break for 5m")
    assert seen.onset == AT - 5 * MINUTE


@pytest.mark.parametrize("scrape", [5, 15, 30, 60])
def test_five_minutes_are_five_minutes_at_every_scrape(scrape):
    count = 300 // scrape
    each = (2 * scrape, 2 * scrape)
    other = {"block": scrape * SECOND, "background": (0, each[1]), "bad": each}

    assert not isinstance(sustained(count - 1, **other), Breached)
    assert isinstance(sustained(count, **other), Breached)


def test_what_was_over_for_long_and_is_not_now_is_no_breach():
    trigger = http_5xx()
    blocks = [(0, 30)] * 60 + [(30, 30)] * 25

    over = verdict(trigger, *blocks, (0, 30), (0, 30), (0, 30))
    assert isinstance(over, Pending)
    assert over.words.endswith("less so in the newest scrapes")
    assert verdict(trigger, *blocks, *[(0, 30)] * 12) == Clear(
        "recovered: 240 of 600 (40%) were bad, but not any more; bound 5%"
    )


def test_a_pause_in_which_it_was_fine_begins_the_time_anew():
    trigger = http_5xx()
    blocks = [(30, 30)] * 30 + [(0, 30)] * 10 + [(30, 30)] * 10

    seen = verdict(trigger, *blocks)

    assert isinstance(seen, Pending)
    assert "for 2m30s of 5m so far" in seen.words


def test_a_young_release_says_its_age():
    seen = verdict(http_5xx(), *[(30, 30)] * 100, armed_from=AT - 75 * SECOND)

    assert isinstance(seen, Pending)
    assert seen.words.endswith(
        "for 1m15s of 5m so far; release settled 1m15s ago, the window is 5m"
    )


# ------------------------------------------------------------ gaps


def test_what_the_counters_grew_by_in_a_gap_counts_as_one_scrape():
    blocks = [(0, 15)] * 14 + [(15, 15), GAP, GAP, (15, 15)]

    seen = verdict(awb(), *blocks, gaps={16: gap(30, 30)})

    assert isinstance(seen, Breached)
    assert seen.words.startswith("60 of 270 (22.2%) were bad")


def test_with_for_a_gap_of_a_minute_is_bridged_and_a_longer_one_is_not():
    """Of a longer one the counters do not tell that it was so all along."""
    for missing, judged in ((4, Breached), (5, Pending)):
        blocks = [(0, 30)] * 30 + [(30, 30)] * 10 + [GAP] * missing + [(30, 30)] * 8
        lost = {39 + missing: gap(30 * missing, 30 * missing)}
        seen = verdict(http_5xx(), *blocks, gaps=lost)
        assert isinstance(seen, judged), seen
        assert missing == 4 or "for 2m of 5m so far" in seen.words


def test_the_events_of_a_gap_count_where_they_speak_for_the_release():
    blocks = [(1, 15), GAP, (1, 15), GAP, (1, 15)] * 4

    gaps = {place: gap(0, 9000) for place in range(1, 20) if blocks[place] is GAP}
    seen = verdict(awb(), *blocks, gaps=gaps)

    assert seen == Clear("12 of 72180 (0.0166%) were bad; bound 1%")


def test_a_gap_of_which_nobody_can_tell_begins_the_story_anew():
    bad = [(15, 15)] * 10

    assert isinstance(verdict(awb(), *bad, GAP, (15, 15)), Pending)
    assert isinstance(verdict(awb(), *bad, GAP, (15, 15), (15, 15)), Breached)
    held = verdict(http_5xx(), *[(30, 30)] * 30, GAP, *[(30, 30)] * 15)
    assert isinstance(held, Pending)
    assert "for 3m45s of 5m so far" in held.words


def test_a_window_with_holes_is_not_clear():
    assert verdict(http_5xx(), *[(0, 60)] * 10, *[GAP] * 5, *[(0, 60)] * 5) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "0 of 900 (0%) were bad, but only 15 of 20 scrapes measured",
    )


def test_a_newest_scrape_that_may_come_yet_changes_nothing():
    blocks = [FINE] * 18 + [LOST, LOST]

    for missing in (1, 2):
        assert isinstance(verdict(awb(), *blocks, *[GAP] * missing), Breached)
    assert verdict(awb(), *blocks, *[GAP] * 3) == Blind(
        Cause.STALE, "the newest scrapes were not measured"
    )


def test_a_gap_that_is_no_number_is_blind():
    seen = verdict(
        http_5xx(), *[(9, 30)] * 8, GAP, (9, 30), gaps={8: gap(float("nan"), 30)}
    )

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NOT_A_NUMBER


def test_what_is_odd_in_an_older_past_only_begins_the_story_anew():
    odd = [(9, 15)] * 30 + [(1e300, 15)] + [FINE] * 21

    assert verdict(awb(), *odd) == Clear("0 of 300 (0%) were bad; bound 1%")


# ------------------------------------------------------------ clear, or blind


def test_half_a_per_cent_is_clear():
    assert verdict(http_5xx(), *[(1, 300), (2, 300)] * 10) == Clear(
        "30 of 6000 (0.5%) were bad; bound 5%"
    )


def test_a_release_younger_than_a_scrape_has_no_samples_whatever_ran_before():
    seen = verdict(http_5xx(), *[LOST] * 20, armed_from=AT - 14 * SECOND)

    assert seen == Blind(
        Cause.TOO_FEW_SAMPLES,
        "nothing measured yet: release settled 14s ago, the window is 5m",
    )


def test_a_release_that_has_not_settled_says_when_it_will():
    seen = verdict(http_5xx(), *[LOST] * 20, armed_from=AT + 10 * SECOND)

    assert seen == Blind(
        Cause.TOO_FEW_SAMPLES,
        "nothing measured yet: release settles in 10s, the window is 5m",
    )


def test_a_healthy_release_is_not_clear_before_its_window_is_covered():
    blocks = [(0, 60)] * 20

    assert verdict(http_5xx(), *blocks, armed_from=AT - 3 * MINUTE) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "0 of 720 (0%) were bad, but only 12 of 20 scrapes measured: "
        "release settled 3m ago, the window is 5m",
    )
    assert isinstance(verdict(http_5xx(), *blocks, armed_from=AT - 4 * MINUTE), Clear)


def test_no_traffic_is_blind():
    assert verdict(http_5xx(), *[(0, 0)] * 20) == Blind(
        Cause.NO_TRAFFIC, "no events in 20 measured scrapes"
    )


def test_no_traffic_yet_on_a_young_release_is_too_few_samples():
    assert verdict(http_5xx(), *[(0, 0)] * 20, armed_from=AT - 2 * MINUTE) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "no events in 8 measured scrapes; release settled 2m ago, the window is 5m",
    )


def test_one_failed_request_in_an_idle_window_is_too_few_samples():
    assert verdict(http_5xx(), *[(0, 0)] * 18, (1, 1), (0, 0)) == Blind(
        Cause.TOO_FEW_SAMPLES, "1 of 1 (100%) were bad, 20 events needed"
    )


def test_none_failed_of_fifteen_is_not_clear_either():
    assert verdict(http_5xx(), *[(0, 0)] * 5, *[(0, 1)] * 15) == Blind(
        Cause.TOO_FEW_SAMPLES, "0 of 15 (0%) were bad, 20 events needed"
    )


def test_a_breach_needs_no_twenty_events():
    """A release that fails in all it does is found before twenty have failed."""
    assert isinstance(verdict(awb(), *[(0, 0)] * 17, *[(3, 3)] * 3), Breached)


def test_an_error_series_never_born_is_no_bad_event():
    assert verdict(http_5xx(), *[(None, 300)] * 20) == Clear(
        "0 of 6000 (0%) were bad; bound 5%"
    )


def test_an_empty_answer_is_no_series():
    assert verdict(http_5xx(), *[GAP] * 20) == Blind(
        Cause.NO_SERIES, "no series in the whole window of 5m"
    )


def test_an_empty_answer_for_a_young_release_is_too_few_samples():
    assert verdict(http_5xx(), *[GAP] * 20, armed_from=AT - 2 * MINUTE) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "nothing measured yet: release settled 2m ago, the window is 5m",
    )


def test_nothing_is_lost_by_rounding():
    """Prometheus extrapolates less near a counter's zero: 4.9 stands for 5."""
    seen = verdict(http_5xx(), *[(0.4, 6.4)] * 20)

    assert isinstance(seen, Pending | Clear)
    assert "8 of 128 (6.25%) were bad" in seen.words


def test_a_failure_that_is_scraped_before_its_event_waits_for_it():
    blocks = [(2, 0), (0, 2)] * 10

    seen = verdict(awb(), *blocks)

    assert isinstance(seen, Breached | Pending)
    assert "of 20 (" in seen.words


# ------------------------------------------------------------ nonsense


def test_errors_without_a_total_are_nonsense():
    trigger = http_5xx()
    blocks = [*counts(*([(30, 30)] * 4)), {"bad": 7.0}]

    assert judge(trigger, read(trigger, blocks), LONG_AGO) == Blind(
        Cause.NONSENSE, "7 bad events without a total"
    )


def test_more_bad_events_than_events_are_nonsense():
    assert verdict(http_5xx(), *[(325, 300)] * 20) == Blind(
        Cause.NONSENSE, "6500 bad events of 6000"
    )


def test_rounding_may_make_a_few_more_bad_events_than_events():
    seen = verdict(http_5xx(), *[(301, 300)] * 20)

    assert isinstance(seen, Breached)
    assert seen.words.startswith("6000 of 6000 (100%)")


@pytest.mark.parametrize("pair", [(-30, 1200), (3, -1200)])
def test_counts_below_zero_are_nonsense(pair):
    seen = verdict(http_5xx(), *[(6, 1200)] * 4, pair)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NONSENSE


def test_a_hair_below_zero_is_rounding():
    assert isinstance(verdict(http_5xx(), *[(-1e-9, 1200)] * 20), Clear)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_count_that_is_no_number_is_blind(value):
    seen = verdict(http_5xx(), *[(120, 1200)] * 4, (value, 1200))

    assert seen == Blind(Cause.NOT_A_NUMBER, f'"bad" was {value}')


@pytest.mark.parametrize("pair", [(0, 1e308), (1e308, 1e308), (1e12, 1e12)])
def test_more_events_than_there_can_be_are_nonsense(pair):
    seen = verdict(http_5xx(), *[pair] * 5)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NONSENSE
    assert "more than can be counted" in seen.words


def test_blocks_off_the_grid_are_not_counted():
    trigger = http_5xx()
    seen = look(trigger, counts(*[LOST] * 20))
    moved = tuple(Block(one.end - SECOND, one.parts) for one in seen.blocks)

    assert isinstance(judge(trigger, Measured((Look(AT, moved),)), LONG_AGO), Blind)


# ------------------------------------------------------------ kinds and bounds


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_to_count_is_judged_alike(kind):
    trigger = http_5xx(kind=KINDS[kind])

    assert isinstance(verdict(trigger, *[(30, 30)] * 20), Breached)


def test_a_latency_without_a_bound_has_that_of_its_quantile():
    trigger = http_5xx(kind=KINDS["latency"], above=None)

    seen = verdict(trigger, *[(30, 30)] * 20)

    assert isinstance(seen, Breached)
    assert "(100%) were slower than 500ms; bound 5%" in seen.words


def test_a_ratio_without_a_bound_blinds_itself_and_raises_nothing():
    seen = verdict(http_5xx(above=None), *[(1, 1200)] * 20)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NONSENSE
    assert "ValueError: Http5xxRate counts events but has no bound" in seen.words


@pytest.mark.parametrize("above", [0.0, 0.0001, 0.001, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("share", [0.6, 1.0])
def test_a_failure_of_nearly_all_is_found_under_every_bound(above, share):
    bad = (20 * share, 20)

    seen = verdict(awb(above=above), *[(0, 20)] * 10, *[bad] * 10)
    held = verdict(http_5xx(above=above), *[(0, 20)] * 10, *[bad] * 25)

    assert isinstance(seen, Breached) or above == 0.5
    assert isinstance(held, Breached) or above == 0.5


def test_what_is_said_of_the_unforeseen_is_one_short_line():
    seen = unforeseen(ValueError("a\nb\x1b[31m" + "c" * 1000))

    assert seen.cause is Cause.NONSENSE
    assert len(seen.words) < 300
    assert seen.words.isprintable()


def test_a_long_window_is_spelled_short():
    trigger = http_5xx(window=timedelta(hours=1, minutes=30))

    assert verdict(trigger, *[GAP] * 360) == Blind(
        Cause.NO_SERIES, "no series in the whole window of 1h30m"
    )
