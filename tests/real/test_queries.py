"""The queries and the verdict together, against a real Prometheus and its past."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.judge.samples import awb as awb_at_once
from tests.judge.samples import down, http_5xx, outbox
from tests.real import prometheus as real
from watchdog.facts.reading import Blind, Cause, Measured
from watchdog.facts.trigger import Latency, Queue, Ratio, RatioQuery, Value
from watchdog.facts.verdict import Breached, Clear, Pending
from watchdog.judge.breach import judge
from watchdog.observe.prometheus import Prometheus

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
SCRAPE = 15
END = datetime(2026, 3, 11, 3, 0, 0, tzinfo=UTC)
AT = END + SCRAPE * SECOND
LONG_AGO = END - timedelta(days=1)
LAST = END.timestamp()
# The scrapes fall neither on the blocks nor on the polls.
SCRAPES = [LAST - 7 - SCRAPE * n for n in range(-2, 160)][::-1]


def counter(per_second, since=None, until=None, reset=None):
    """Count *per_second*, from *since* until *until*, from zero again at *reset*."""

    def value(at):
        begin = SCRAPES[0]
        if reset is not None and at >= reset:
            begin = reset
        upto = at if until is None else min(at, until)
        begin = begin if since is None else max(begin, since)
        return max(0.0, per_second * (upto - begin))

    return value


def history(case, name, value, *, hole=(0, 0), labels=None):
    """Write what was scraped, but nothing in the *hole* of seconds before END."""
    early, late = LAST - hole[0], LAST - hole[1]
    return [
        real.line(name, {"case": case} | (labels or {}), value(at), at)
        for at in SCRAPES
        if not early <= at < late
    ]


def http(case, errors, total=None, hole=(0, 0)):
    lines = history(case, "total", total or counter(20), hole=hole)
    if errors is not None:
        lines += history(case, "errors", errors, hole=hole)
    return lines


def histogram(case, bounds):
    lines = []
    for bound, per_second in bounds.items():
        lines += history(case, "h_bucket", counter(per_second), labels={"le": bound})
    return lines


def pending(case, depth, come, gone):
    return (
        history(case, "depth", depth)
        + history(case, "come", come)
        + history(case, "gone", gone)
    )


def past():
    """Write the past of every case."""
    lines = []
    lines += http("ten-per-cent", counter(2))
    lines += http("half-per-cent", counter(0.1))
    lines += http("last-two-minutes", counter(6, since=LAST - 120))
    lines += http("dip", lambda at: 2 * min(at, LAST - 180) + 2 * max(at, LAST - 90))
    lines += http("two-minute-gap", counter(2), hole=(205, 85))
    lines += http("one-scrape-lost", counter(2), hole=(160, 145))
    lines += http("never-born", None)
    lines += http("gone", counter(2), hole=(100, -100))
    lines += http("errors-only", counter(2))
    lines = [one for one in lines if 'total{case="errors-only"' not in one]
    lines += http("reset", counter(2, reset=LAST - 150), counter(20, reset=LAST - 150))
    lines += http("idle", counter(0), counter(0))
    lines += http(
        "one-of-one",
        lambda at: float(at > LAST - 150),
        lambda at: 7 + float(at > LAST - 150),
    )
    # Thirty errors between two scrapes, one before and one after a block's end.
    lines += http("burst", lambda at: 100 + 30.0 * (at > LAST - 65))
    lines += http("from-zero", lambda at: 30.0 * (at > LAST - 65))
    lines += http("not-a-number", lambda at: float("nan"))
    lines += histogram("slow", {"0.5": 9, "1.0": 9.5, "+Inf": 10})
    in_ms = histogram("in-ms", {"250": 8, "500.0": 9, "+Inf": 10})
    lines += [one.replace("h_bucket", "h_milliseconds_bucket") for one in in_ms]
    sizes = histogram("sizes", {"1.048576e+06": 9, "+Inf": 10})
    lines += [one.replace("h_bucket", "h_bytes_bucket") for one in sizes]
    for case, bad in (("beside", counter(2)), ("only-bad", counter(2)), ("fine", None)):
        lines += history(case, "failed", bad) if bad else []
        lines += history(case, "done", counter(18)) if case != "only-bad" else []
    lines += histogram("quick", {"5e-01": 9.9, "+Inf": 10})
    lines += histogram("no-bucket", {"0.25": 9, "1.0": 9.9, "+Inf": 10})
    half = histogram("half-with-bucket", {"0.5": 9.9, "+Inf": 10})
    other = histogram("half-with-bucket", {"1": 9.9, "+Inf": 10})
    lines += [one.replace('",', '",pod="a",', 1) for one in half]
    lines += [one.replace('",', '",pod="b",', 1) for one in other]
    dead = LAST - 19 * 60
    lines += pending(
        "dead-drain",
        lambda at: 5 + max(0.0, at - dead),
        counter(1),
        counter(1, until=dead),
    )
    lines += pending(
        "sawtooth",
        lambda at: at % 120,
        counter(1),
        lambda at: at - at % 120 - SCRAPES[0],
    )
    lines += history("down", "up", lambda at: float(at < LAST - 150))
    lines += history("just-down", "up", lambda at: float(at < LAST - 60))
    lines += history("up", "up", lambda at: 1.0)
    lines += history("lost", "up", lambda at: 0.0, hole=(60, -100))
    lines += history("two", "up", lambda at: 1.0, labels={"pod": "a"})
    lines += history("two", "up", lambda at: float("nan"), labels={"pod": "b"})
    return lines


@pytest.fixture(scope="module", params=real.BINARIES)
def url(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("prometheus")
    with real.taken_from(request.param), real.running(folder, past()) as url:
        yield url


@pytest.fixture
def far_end(url):
    with closing(Prometheus(url, 5 * SECOND, SCRAPE * SECOND, 5 * SECOND)) as far_end:
        yield far_end


@pytest.fixture
def seen(far_end):
    def see(trigger, armed_from=LONG_AGO, at=AT):
        return judge(trigger, far_end.read(trigger, at), armed_from)

    return see


def ratio(case, **other):
    kind = Ratio(f'errors{{case="{case}"}}', f'total{{case="{case}"}}')
    return http_5xx(**({"kind": kind} | other))


def latency(case):
    kind = Latency(f'h{{case="{case}"}}', SECOND / 2, 0.95)
    return http_5xx(kind=kind)


def drain(case):
    parts = (f'{name}{{case="{case}"}}' for name in ("depth", "come", "gone"))
    return outbox(kind=Queue(*parts))


def is_down(case):
    return down(kind=Value(f'up{{case="{case}"}}'))


def blind(verdict, cause):
    assert isinstance(verdict, Blind), verdict
    assert verdict.cause is cause, verdict.words


def test_what_is_asked_in_one_request_is_what_each_would_be_told(url):
    cases = ["ten-per-cent", "dip", "two-minute-gap", "reset", "never-born", "gone"]
    triggers = [*(ratio(case, name=case) for case in cases), latency("slow")]
    several = Prometheus(url, 5 * SECOND, SCRAPE * SECOND, 5 * SECOND)
    singly = Prometheus(url, 5 * SECOND, SCRAPE * SECOND, 5 * SECOND)
    with closing(several), closing(singly):
        for turn in range(-8, 1):
            at = AT + turn * 5 * SECOND
            together = several.read_all(triggers, at)

            assert together == {one.name: singly.read(one, at) for one in triggers}
        assert len(several._recent._ahead) == len(triggers)


def test_ten_per_cent_for_five_minutes_is_a_breach(seen):
    assert seen(ratio("ten-per-cent")) == Breached(
        "600 of 6000 (10%) were bad; bound 5%; more than 3,200 times likelier from a "
        "failing release than from one at its bound, 1,600 needed; "
        "without a break for 40m",
        value=0.1,
        bound=0.05,
    )


def test_half_a_per_cent_is_clear(seen):
    assert seen(ratio("half-per-cent")) == Clear("30 of 6000 (0.5%) were bad; bound 5%")


def test_over_for_the_last_two_minutes_is_pending(seen):
    verdict = seen(ratio("last-two-minutes"))

    assert isinstance(verdict, Pending)
    assert "for 2m15s of 5m so far" in verdict.words


def test_a_dip_of_ninety_seconds_is_pending(seen):
    verdict = seen(ratio("dip"))

    assert isinstance(verdict, Pending)
    assert "for 1m30s of 5m so far" in verdict.words


def test_a_two_minute_gap_is_bridged_but_for_time_without_a_break(seen):
    verdict = seen(ratio("two-minute-gap"))

    assert isinstance(verdict, Pending), verdict
    assert verdict.words.startswith("suspected: 600 of 6000 (10%) were bad")
    at_once = awb_at_once(kind=ratio("two-minute-gap").kind)
    assert isinstance(seen(at_once), Breached)


def test_one_lost_scrape_loses_no_event(seen):
    verdict = seen(ratio("one-scrape-lost"))

    assert isinstance(verdict, Breached)
    assert verdict.words.startswith("600 of 6000")


def test_an_error_series_that_was_never_born_is_clear(seen):
    assert seen(ratio("never-born")) == Clear("0 of 6000 (0%) were bad; bound 5%")


def test_a_target_that_is_gone_is_stale(seen):
    blind(seen(ratio("gone")), Cause.STALE)


def test_a_typo_is_no_series(seen):
    blind(seen(ratio("no-such-case")), Cause.NO_SERIES)


def test_a_typo_in_the_total_is_nonsense(seen):
    blind(seen(ratio("errors-only")), Cause.NONSENSE)


def test_a_counter_reset_leaves_the_counts_valid(seen):
    verdict = seen(ratio("reset"))

    assert isinstance(verdict, Breached)
    bad, every = verdict.words.split()[0], verdict.words.split()[2]
    assert 550 <= int(bad) <= 600
    assert 5500 <= int(every) <= 6000


def test_no_traffic_is_blind(seen):
    blind(seen(ratio("idle")), Cause.NO_TRAFFIC)


def test_one_failed_request_in_an_idle_window_is_too_few_samples(seen):
    verdict = seen(ratio("one-of-one"))

    blind(verdict, Cause.TOO_FEW_SAMPLES)
    assert verdict.words.startswith("1 of 1 (100%) were bad, 20 events needed")


def test_a_burst_between_two_scrapes_is_counted_whole_and_once(far_end):
    reading = far_end.read(ratio("burst"), AT)

    assert isinstance(reading, Measured)
    for look in reading.looks:
        bad = sum(block.parts.get("bad", 0.0) for block in look.blocks)
        assert bad == pytest.approx(30, abs=0.01)


def test_the_first_events_of_a_counter_are_counted_short_but_never_long(far_end):
    reading = far_end.read(ratio("from-zero"), AT)

    assert isinstance(reading, Measured)
    for look in reading.looks:
        bad = sum(block.parts.get("bad", 0.0) for block in look.blocks)
        # One scrape of the two in a range may be missing from the rate.
        assert 30 * 15 / 30 <= bad <= 30


def test_a_count_that_is_no_number_is_blind(seen):
    blind(seen(ratio("not-a-number")), Cause.NOT_A_NUMBER)


def test_a_release_of_ninety_seconds_is_pending(seen):
    verdict = seen(ratio("ten-per-cent"), END - 90 * SECOND)

    assert isinstance(verdict, Pending)
    assert "release settled 1m44s ago" in verdict.words


def test_an_immediate_trigger_is_a_breach_after_a_few_scrapes(seen):
    kind = ratio("ten-per-cent").kind
    trigger = awb_at_once(kind=kind)

    # Two scrapes of ten per cent are suspected, three are not chance.
    assert isinstance(seen(trigger, AT - 65 * SECOND), Breached)
    assert isinstance(seen(trigger, AT - 45 * SECOND), Pending)


def test_finished_queries_count_like_selectors(seen):
    kind = RatioQuery(
        'sum(increase(errors{case="ten-per-cent"}[{{ window }}])) # all codes',
        'increase(total{case="ten-per-cent"}[{{window}}])',
    )

    verdict = seen(ratio("ten-per-cent", kind=kind))

    assert isinstance(verdict, Breached)
    assert verdict.words.startswith("600 of 6000")


def test_a_verdict_is_the_same_for_every_poll_of_the_same_five_seconds(seen):
    first = seen(ratio("ten-per-cent"))

    assert seen(ratio("ten-per-cent"), at=AT + 4.9 * SECOND) == first


def test_one_in_ten_slower_than_the_bound_is_a_breach_of_p95(seen):
    verdict = seen(latency("slow"))

    assert isinstance(verdict, Breached)
    assert verdict.words.startswith("300 of 3000 (10%)")


def test_a_bucket_in_another_spelling_is_found(seen):
    assert seen(latency("quick")) == Clear(
        "30 of 3000 (1%) were slower than 500ms; bound 5%"
    )


def test_a_histogram_in_milliseconds_is_counted_in_them(seen):
    kind = Latency('h_milliseconds{case="in-ms"}', SECOND / 2, 0.95, "ms")
    verdict = seen(http_5xx(kind=kind))

    assert isinstance(verdict, Breached)
    assert verdict.words.startswith("300 of 3000 (10%) were slower than 500ms")


def test_a_histogram_of_bytes_is_held_against_a_plain_number(seen):
    kind = Latency('h_bytes{case="sizes"}', Decimal(1048576), 0.95, "bytes")
    verdict = seen(http_5xx(kind=kind))

    assert isinstance(verdict, Breached)
    assert verdict.words.startswith("300 of 3000 (10%) were over 1048576 bytes")


def beside(case):
    kind = Ratio(f'failed{{case="{case}"}}', "", f'done{{case="{case}"}}')
    return http_5xx(kind=kind)


def test_errors_beside_good_events_are_counted_of_both(seen):
    verdict = seen(beside("beside"))

    assert isinstance(verdict, Breached)
    assert verdict.words.startswith("600 of 6000 (10%) were bad")


def test_no_errors_beside_good_events_are_clear(seen):
    assert seen(beside("fine")) == Clear("0 of 5400 (0%) were bad; bound 5%")


def test_errors_without_a_series_of_good_events_are_never_a_breach(seen):
    blind(seen(beside("only-bad")), Cause.NONSENSE)


def test_a_bound_that_is_no_bucket_is_blind_and_named(seen):
    verdict = seen(latency("no-bucket"))

    blind(verdict, Cause.NO_SERIES)
    assert verdict.words.startswith('h has no bucket le="0.5"')


def test_a_replica_without_the_bucket_is_left_out_of_both_counts(seen):
    assert seen(latency("half-with-bucket")) == Clear(
        "30 of 3000 (1%) were slower than 500ms; bound 5%"
    )


def test_a_histogram_that_is_not_there_is_no_series(seen):
    verdict = seen(latency("no-such-case"))

    blind(verdict, Cause.NO_SERIES)
    assert "no series in the whole window" in verdict.words


def test_a_dead_drain_is_a_breach(seen):
    verdict = seen(drain("dead-drain"))

    assert isinstance(verdict, Breached)
    assert verdict.value == pytest.approx(900, abs=1)
    assert "0 of 900 drained" in verdict.words


def test_a_sawtooth_is_clear(seen):
    assert isinstance(seen(drain("sawtooth")), Clear)


def test_down_for_two_minutes_is_a_breach(seen):
    assert seen(is_down("down")) == Breached(
        '0, below 1 for 2m without a gap: up{case="down"}', value=0.0, bound=1.0
    )


def test_down_for_one_minute_is_pending(seen):
    assert isinstance(seen(is_down("just-down")), Pending)


def test_up_is_clear(seen):
    assert seen(is_down("up")) == Clear("1, not below 1")


def test_a_series_that_ended_does_not_go_on_for_five_minutes(seen):
    blind(seen(is_down("lost")), Cause.STALE)


def test_one_series_that_is_no_number_blinds_the_value(seen):
    blind(seen(is_down("two")), Cause.NOT_A_NUMBER)


def test_a_query_that_is_wrong_is_rejected_in_prometheus_own_words(seen):
    verdict = seen(ratio("x", kind=Ratio("errors{", "total")))

    blind(verdict, Cause.REJECTED)
    assert "bad_data" in verdict.words
    assert "parse error" in verdict.words


def test_the_server_tells_its_time(far_end):
    now = far_end.now()

    assert isinstance(now, datetime)
    assert abs(now - datetime.now(UTC)) < 5 * SECOND


def test_all_are_read_in_a_few_milliseconds_each(far_end):
    triggers = [
        ratio("ten-per-cent"),
        latency("slow"),
        drain("dead-drain"),
        is_down("down"),
    ]
    named = [
        type(one)(**{f: getattr(one, f) for f in one.__slots__} | {"name": str(n)})
        for n, one in enumerate(triggers * 3)
    ]

    readings = far_end.read_all(named, AT)

    assert list(readings) == [str(n) for n in range(12)]
    verdicts = [judge(one, readings[one.name], LONG_AGO) for one in named]
    assert all(isinstance(one, Breached) for one in verdicts)
