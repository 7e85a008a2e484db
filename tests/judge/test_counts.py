"""Ratio and latency, row by row of the research's table of edge cases."""

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
from watchdog.facts.reading import (
    Blind,
    Block,
    Cause,
    Look,
    Measured,
    unforeseen,
)
from watchdog.facts.verdict import Breached, Clear, Pending
from watchdog.judge.breach import judge


def verdict(trigger, *pairs, armed_from=LONG_AGO, gaps=None):
    return judge(trigger, read(trigger, counts(*pairs), gaps=gaps), armed_from)


def gap(bad, every):
    return {"bad": float(bad), "all": float(every)}


def test_ten_per_cent_for_five_minutes_is_a_breach_with_its_arithmetic():
    assert verdict(http_5xx(), *[(120, 1200)] * 5) == Breached(
        "600 of 6000 (10%) were bad; with 99.9% confidence at least 8.84%; bound 5%",
        value=0.1,
        bound=0.05,
    )


def test_half_a_per_cent_is_clear():
    assert verdict(http_5xx(), *[(6, 1200)] * 5) == Clear(
        "30 of 6000 (0.5%) were bad; bound 5%"
    )


def test_over_for_the_last_two_minutes_only_is_pending():
    assert verdict(
        http_5xx(), (6, 1200), (6, 1200), (6, 1200), (300, 1200), (300, 1200)
    ) == Pending(
        "suspected: 618 of 6000 (10.3%) were bad; bound 5%; only 2 of 5 blocks over"
    )


def test_over_in_the_newest_block_while_the_window_is_not_is_pending():
    assert verdict(http_5xx(), *[(6, 1200)] * 4, (120, 1200)) == Pending(
        "144 of 6000 (2.4%) were bad in the window; bound 5%, "
        "but the newest block is over: 120 of 1200"
    )


def test_a_dip_in_the_middle_is_pending():
    over = (120, 1200)

    seen = verdict(http_5xx(), over, over, (30, 1200), over, over)

    assert isinstance(seen, Pending)
    assert seen.words.endswith("only 4 of 5 blocks over")


def test_a_two_minute_gap_is_bridged_at_80_per_cent_and_blind_at_100():
    blocks = (120, 1200), (120, 1200), GAP, (120, 1200), (120, 1200)
    gaps = {2: gap(120, 1200)}

    seen = verdict(http_5xx(), *blocks, gaps=gaps)

    assert isinstance(seen, Breached)
    assert seen.words.startswith("600 of 6000 (10%) were bad")
    assert verdict(http_5xx(coverage=1.0), *blocks, gaps=gaps) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "only 4 of 5 blocks measured, 100% needed; 600 of 6000 (10%) were bad",
    )


def test_a_gap_in_which_it_was_fine_is_a_dip():
    blocks = (120, 1200), (120, 1200), GAP, (120, 1200), (120, 1200)

    assert verdict(http_5xx(), *blocks, gaps={2: gap(30, 1200)}) == Pending(
        "suspected: 510 of 6000 (8.5%) were bad; bound 5%; only 4 of 5 blocks over"
    )
    assert isinstance(verdict(http_5xx(), *blocks, gaps={2: gap(0, 0)}), Breached)


def test_a_gap_of_which_nobody_can_tell_is_blind():
    over = (120, 1200)

    assert verdict(http_5xx(), over, over, GAP, over, over) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "the counters do not tell what happened in a gap of the window; "
        "480 of 4800 (10%) were bad",
    )
    assert verdict(http_5xx(), GAP, *[over] * 4) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "the window begins with a gap; 480 of 4800 (10%) were bad",
    )


def test_a_gap_of_two_blocks_is_bridged_only_where_not_every_block_must_be_over():
    blocks = [(9, 30)] * 4 + [GAP] * 2 + [(9, 30)] * 4
    gaps = {5: gap(18, 60)}

    assert isinstance(verdict(awb(), *blocks, gaps=gaps), Breached)
    assert verdict(awb(sustained=True), *blocks, gaps=gaps) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "a gap of 2 blocks in a row, 1 can be bridged; 90 of 300 (30%) were bad",
    )


def test_the_events_of_a_gap_count_where_they_speak_for_the_release():
    blocks = [(1, 30), GAP, (1, 30), GAP, (1, 30), *[(1, 30)] * 5]

    seen = verdict(awb(), *blocks, gaps={1: gap(0, 9000), 3: gap(0, 9000)})

    assert seen == Clear("8 of 18240 (0.0439%) were bad; bound 1%")


def test_a_gap_that_is_no_number_is_blind():
    seen = verdict(
        http_5xx(),
        (120, 1200),
        GAP,
        *[(120, 1200)] * 3,
        gaps={1: gap(float("nan"), 1200)},
    )

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NOT_A_NUMBER


def test_a_release_of_one_minute_is_pending_and_says_its_age():
    young = AT - 75 * SECOND

    assert verdict(http_5xx(), *[(120, 1200)] * 5, armed_from=young) == Pending(
        "suspected: 120 of 1200 (10%) were bad; bound 5%; "
        "release settled 1m15s ago, the window is 5m"
    )


def test_a_release_younger_than_a_block_has_no_samples_whatever_ran_before():
    seen = verdict(http_5xx(), *[(120, 1200)] * 5, armed_from=AT - 45 * SECOND)

    assert seen == Blind(
        Cause.TOO_FEW_SAMPLES,
        "nothing measured yet: release settled 45s ago, the window is 5m",
    )


def test_a_release_that_has_not_settled_says_when_it_will():
    seen = verdict(http_5xx(), *[(120, 1200)] * 5, armed_from=AT + 10 * SECOND)

    assert seen == Blind(
        Cause.TOO_FEW_SAMPLES,
        "nothing measured yet: release settles in 10s, the window is 5m",
    )


def test_a_healthy_release_is_not_clear_before_its_window_is_covered():
    young = AT - 3 * MINUTE

    assert verdict(http_5xx(), *[(6, 1200)] * 5, armed_from=young) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "18 of 3600 (0.5%) were bad, but only 3 of 5 blocks measured: "
        "release settled 3m ago, the window is 5m",
    )
    assert isinstance(
        verdict(http_5xx(), *[(6, 1200)] * 5, armed_from=AT - 4 * MINUTE), Clear
    )


def test_a_window_with_holes_is_not_clear():
    assert verdict(http_5xx(), (6, 1200), GAP, GAP, (6, 1200), (6, 1200)) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "18 of 3600 (0.5%) were bad, but only 3 of 5 blocks measured",
    )


def test_no_traffic_is_blind():
    assert verdict(http_5xx(), *[(0, 0)] * 5) == Blind(
        Cause.NO_TRAFFIC, "no events in 5 measured blocks"
    )


def test_no_traffic_yet_on_a_young_release_is_too_few_samples():
    assert verdict(http_5xx(), *[(0, 0)] * 5, armed_from=AT - 2 * MINUTE) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "no events in 2 measured blocks; release settled 2m ago, the window is 5m",
    )


def test_one_failed_request_in_an_idle_window_is_too_few_samples():
    assert verdict(http_5xx(), (0, 0), (0, 0), (1, 1), (0, 0), (0, 0)) == Blind(
        Cause.TOO_FEW_SAMPLES, "1 of 1 (100%) were bad, 20 events needed"
    )


def test_three_failed_of_fifteen_are_too_few_samples():
    assert verdict(http_5xx(), *[(0.6, 3)] * 5) == Blind(
        Cause.TOO_FEW_SAMPLES, "3 of 15 (20%) were bad, 20 events needed"
    )


def test_none_failed_of_fifteen_is_not_clear_either():
    assert verdict(http_5xx(), *[(0, 3)] * 5) == Blind(
        Cause.TOO_FEW_SAMPLES, "0 of 15 (0%) were bad, 20 events needed"
    )


def test_four_failed_of_thirty_are_suspected_but_too_few_to_confirm():
    assert verdict(http_5xx(), (1, 6), (1, 6), (1, 6), (1, 6), (0, 6)) == Clear(
        "recovered: 0 of 6 in the newest block; bound 5%"
    )
    assert verdict(http_5xx(), (0, 6), (1, 6), (1, 6), (1, 6), (1, 6)) == Pending(
        "suspected: 4 of 30 (13.3%) were bad; bound 5%; fewer than 5 bad events"
    )


def test_idle_blocks_are_neither_over_nor_a_dip():
    seen = verdict(http_5xx(), (8, 20), (0, 0), (8, 20), (0, 0.4), (8, 20))
    too_idle = verdict(http_5xx(), (8, 20), (0, 0), (0, 0), (0, 0), (8, 20))

    assert isinstance(seen, Breached)
    assert isinstance(too_idle, Pending)
    assert too_idle.words.endswith("only 2 blocks over, 3 needed")


def test_an_idle_newest_block_does_not_end_a_breach():
    assert isinstance(
        verdict(http_5xx(), (8, 20), (8, 20), (8, 20), (8, 20), (0, 0)), Breached
    )


def test_an_error_series_never_born_is_no_bad_event():
    assert verdict(http_5xx(), *[(None, 1200)] * 5) == Clear(
        "0 of 6000 (0%) were bad; bound 5%"
    )


def test_a_newest_block_that_was_not_measured_is_stale():
    assert verdict(http_5xx(), *[(120, 1200)] * 4, GAP) == Blind(
        Cause.STALE, "the newest block was not measured"
    )


def test_an_empty_answer_is_no_series():
    assert verdict(http_5xx(), *[GAP] * 5) == Blind(
        Cause.NO_SERIES, "no series in the whole window of 5m"
    )


def test_an_empty_answer_for_a_young_release_is_too_few_samples():
    assert verdict(http_5xx(), *[GAP] * 5, armed_from=AT - 2 * MINUTE) == Blind(
        Cause.TOO_FEW_SAMPLES,
        "nothing measured yet: release settled 2m ago, the window is 5m",
    )


def test_a_counter_reset_in_one_block_leaves_the_counts_valid():
    blocks = [(120, 1200)] * 4
    seen = verdict(http_5xx(), *blocks[:2], (106, 1060), *blocks[2:])

    assert isinstance(seen, Breached)
    assert seen.words.startswith("586 of 5860 (10%)")


def test_errors_without_a_total_are_nonsense():
    trigger = http_5xx()
    blocks = [*counts(*([(120, 1200)] * 4)), {"bad": 7.0}]

    assert judge(trigger, read(trigger, blocks), LONG_AGO) == Blind(
        Cause.NONSENSE, "7 bad events without a total"
    )


def test_more_bad_events_than_events_are_nonsense():
    assert verdict(http_5xx(), *[(1300, 1200)] * 5) == Blind(
        Cause.NONSENSE, "6500 bad events of 6000"
    )


def test_rounding_may_make_a_few_more_bad_events_than_events():
    seen = verdict(http_5xx(), *[(1201, 1200)] * 5)

    assert isinstance(seen, Breached)
    assert seen.words.startswith("6000 of 6000 (100%)")


@pytest.mark.parametrize("pair", [(-30, 1200), (3, -1200)])
def test_counts_below_zero_are_nonsense(pair):
    seen = verdict(http_5xx(), *[(6, 1200)] * 4, pair)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NONSENSE


def test_a_hair_below_zero_is_rounding():
    assert isinstance(verdict(http_5xx(), *[(-1e-9, 1200)] * 5), Clear)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_count_that_is_no_number_is_blind(value):
    seen = verdict(http_5xx(), *[(120, 1200)] * 4, (value, 1200))

    assert seen == Blind(Cause.NOT_A_NUMBER, f'"bad" was {value}')


def test_a_recovered_release_is_clear():
    assert verdict(http_5xx(), *[(300, 1200)] * 4, (6, 1200)) == Clear(
        "recovered: 6 of 1200 in the newest block; bound 5%"
    )


def test_over_in_every_block_yet_by_chance_is_only_suspected():
    seen = verdict(http_5xx(), *[(2, 30)] * 5)

    assert seen == Pending(
        "suspected: 10 of 150 (6.67%) were bad; bound 5%; "
        "too few to be sure with 99.9% confidence"
    )


def test_nine_of_forty_scans_are_a_breach_at_once():
    blocks = [(0, 4)] * 7 + [(3, 4)] * 3

    assert verdict(awb(), *blocks) == Breached(
        "9 of 40 (22.5%) were bad; with 99.9% confidence at least 6.61%; bound 1%",
        value=9 / 40,
        bound=0.01,
    )


def test_one_bad_batch_is_not_a_regression():
    seen = verdict(awb(), *[(0, 4)] * 8, (5, 5), (4, 4))

    assert seen == Pending(
        "suspected: 9 of 41 (22%) were bad; bound 1%; "
        "bad events in only 2 blocks, 3 needed"
    )


def test_an_immediate_trigger_needs_no_full_window():
    seen = verdict(awb(), *[(9, 30)] * 10, armed_from=AT - 90 * SECOND)

    assert isinstance(seen, Breached)
    assert seen.words.startswith("27 of 90 (30%)")


def test_an_immediate_trigger_needs_most_of_what_there_is():
    seen = verdict(awb(), *[(9, 30)] * 6, GAP, GAP, GAP, (9, 30))

    assert seen == Blind(
        Cause.TOO_FEW_SAMPLES,
        "only 7 of 10 blocks measured, 80% needed; 63 of 210 (30%) were bad",
    )


def test_an_immediate_trigger_looks_at_the_window_not_at_its_newest_block():
    assert isinstance(verdict(awb(), *[(9, 30)] * 9, (0, 30)), Breached)


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_to_count_is_judged_alike(kind):
    trigger = http_5xx(kind=KINDS[kind])

    assert isinstance(verdict(trigger, *[(120, 1200)] * 5), Breached)


def test_a_latency_without_a_bound_has_that_of_its_quantile():
    trigger = http_5xx(kind=KINDS["latency"], above=None)

    seen = verdict(trigger, *[(1200, 1200)] * 5)

    assert isinstance(seen, Breached)
    assert seen.words.endswith("bound 5%")


def test_a_ratio_without_a_bound_blinds_itself_and_raises_nothing():
    seen = verdict(http_5xx(above=None), *[(1, 1200)] * 5)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NONSENSE
    assert "ValueError: Http5xxRate counts events but has no bound" in seen.words


@pytest.mark.parametrize("pair", [(0, 1e308), (1e308, 1e308), (1e12, 1e12)])
def test_more_events_than_there_can_be_are_nonsense(pair):
    seen = verdict(http_5xx(), *[pair] * 5)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NONSENSE
    assert "more than can be counted" in seen.words


def test_what_is_said_of_the_unforeseen_is_one_short_line():
    seen = unforeseen(ValueError("a\nb\x1b[31m" + "c" * 1000))

    assert seen.cause is Cause.NONSENSE
    assert len(seen.words) < 300
    assert seen.words.isprintable()


def test_blocks_off_the_grid_are_not_counted():
    trigger = http_5xx()
    seen = look(trigger, counts(*[(120, 1200)] * 5))
    moved = tuple(Block(one.end - SECOND, one.parts) for one in seen.blocks)

    verdict = judge(trigger, Measured((Look(AT, moved),)), LONG_AGO)

    assert isinstance(verdict, Blind)


def test_a_window_shorter_than_three_blocks_can_be_breached_too():
    trigger = http_5xx(window=2 * MINUTE)

    assert isinstance(verdict(trigger, *[(120, 1200)] * 2), Breached)


def test_a_tiny_share_keeps_its_digits_and_long_times_are_spelled_short():
    trigger = http_5xx(window=timedelta(hours=1, minutes=30), above=0.0005)
    blocks = [(0.6, 1200)] * 90

    assert verdict(trigger, *blocks) == Pending(
        "suspected: 54 of 108000 (0.05%) were bad; bound 0.05%; "
        "too few to be sure with 99.9% confidence"
    ) or isinstance(verdict(trigger, *blocks), Clear | Pending)
    assert verdict(trigger, *[GAP] * 90) == Blind(
        Cause.NO_SERIES, "no series in the whole window of 1h30m"
    )
