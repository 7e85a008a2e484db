"""The edges of the research's table that need a past written sample by sample."""

from contextlib import closing
from datetime import timedelta

import pytest

from tests.judge.samples import awb, down, http_5xx, outbox
from tests.real import prometheus as real
from tests.real import remote
from tests.real.test_queries import AT, END, LAST, SCRAPE, SECOND
from watchdog.facts.reading import Blind, Cause, Measured
from watchdog.facts.trigger import Latency, Queue, Ratio, RatioQuery, Value
from watchdog.facts.verdict import Breached, Clear, Pending
from watchdog.judge.breach import judge
from watchdog.observe.prometheus import Prometheus

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

MINUTE = timedelta(minutes=1)
# Two hours of scrapes, which fall neither on the blocks nor on the polls.
SCRAPES = [LAST - 7 - SCRAPE * n for n in range(-2, 480)][::-1]
FIRST = SCRAPES[0]
# A pair that started an hour before, and is judged half a minute after that.
START = END - 60 * MINUTE
TENANTS = 1000
# The head takes samples of all that time, in any order of series.
LONG_HEAD = [f"--storage.tsdb.{end}-block-duration=10d" for end in ("min", "max")]


def rate(slow, fast=None, begin=None):
    """Count *slow* events a second, and *fast* from *begin* on."""

    def value(at):
        if fast is None or at < begin:
            return slow * (at - FIRST)
        return slow * (begin - FIRST) + fast * (at - begin)

    return value


def series(name, case, value, *, since=FIRST, until=LAST + 60, stale=None, **labels):
    """Write what was scraped; *stale* is when its end was marked."""
    samples = [(at, value(at)) for at in SCRAPES if since <= at < until]
    if stale is not None:
        samples.append((stale, remote.STALE))
    return name, {"case": case} | labels, samples


def http(case, errors, total, **other):
    return [
        series("errors", case, errors, **other),
        series("total", case, total, **other),
    ]


def past():
    """Write the past of every case."""
    begin = LAST - 600
    lines = []
    lines += http("worse", rate(0.1, 2, begin), rate(20))
    lines += http("chronic", rate(2), rate(20))
    lines += http("before", rate(0.1, 2, START.timestamp() - 500), rate(20))
    lines += http("bursts", lambda at: 60.0 * ((at - FIRST) // 600), rate(20))
    lines += http("new", rate(2), rate(20), since=START.timestamp())
    end = LAST - 90
    lines += http("marked", rate(2), rate(20), until=end, stale=end + 8)
    lines += http("fifteen", rate(0.01), rate(0.05))
    lines += http("infinite", lambda _: float("inf"), rate(20))
    # A redeploy: other instances, new counters, in the middle of the window.
    moved = LAST - 150
    lines += http("moved", rate(2), rate(20), until=moved, instance="a")
    after = (lambda at: 2 * (at - moved), lambda at: 20 * (at - moved))
    lines += http("moved", *after, since=moved, instance="b")
    began = {"since": moved, "instance": "b"}
    lines.append(
        series("process_start_time_seconds", "moved", lambda _: moved, **began)
    )
    for bound, per_second in {"0.5": 0, "2.5": 0, "+Inf": 10}.items():
        lines.append(series("h_bucket", "above-all", rate(per_second), le=bound))
        lines.append(series("h_bucket", "unseen", rate(0), le=bound))
    for n in range(TENANTS):
        # Every fiftieth is bad since ten minutes; three are gone since twenty.
        bad = rate(0, 0.08, begin) if n % 50 == 0 else rate(0)
        tenant = {"tenant": f"t{n}"}
        if n in {3, 4, 5}:
            tenant["until"] = LAST - 1200
        lines += http("tenants", bad, rate(0.1), **tenant)
    for n, pod in enumerate("abc"):
        # Each down for a minute, one after the other: two minutes and more in all.
        low, high = LAST - 170 + 55 * n, LAST - 115 + 55 * n
        lines.append(
            series(
                "up",
                "rolling",
                lambda at, a=low, b=high: float(not a <= at < b),
                pod=pod,
            )
        )
        lines.append(
            series("up", "one-down", lambda _, p=pod: float(p != "b"), pod=pod)
        )
    lines.append(
        series(
            "carrier_up", "away", lambda at: float(not LAST - 200 <= at < LAST - 100)
        )
    )
    lines.append(series("carrier_up", "fine", lambda _: 1.0))
    ends = {"until": LAST - 90, "stale": LAST - 82}
    lines.append(series("carrier_up", "left", lambda _: 1.0, **ends))
    ends = {"until": START.timestamp() - 60, "stale": START.timestamp() - 52}
    lines.append(series("carrier_up", "before", lambda _: 1.0, **ends))
    lines += drain(
        "failing",
        lambda at: 5 + max(0.0, at - LAST + 1140) * 0.5,
        rate(1),
        rate(1, 0.5, LAST - 1140),
    )
    lines += drain(
        "surge",
        lambda at: 5 + max(0.0, at - LAST + 1140) * 0.5,
        rate(1, 1.5, LAST - 1140),
        rate(1),
    )
    return lines


def drain(case, depth, come, gone):
    return [
        series(name, case, value)
        for name, value in (("depth", depth), ("come", come), ("gone", gone))
    ]


@pytest.fixture(scope="module", params=real.BINARIES)
def url(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("prometheus")
    with real.taken_from(request.param), remote.running(folder, *LONG_HEAD) as url:
        remote.write(url, past())
        yield url


@pytest.fixture
def far_end(url):
    with closing(Prometheus(url, 5 * SECOND, SCRAPE * SECOND, 5 * SECOND)) as far_end:
        yield far_end


@pytest.fixture
def seen(far_end):
    def see(trigger, at=AT, since=START, before_from=None):
        reading = far_end.read(trigger, at, since, before_from)
        return judge(trigger, reading, since + 30 * SECOND)

    return see


def ratio(case, **other):
    kind = Ratio(f'errors{{case="{case}"}}', f'total{{case="{case}"}}')
    return http_5xx(**({"kind": kind} | other))


def latency(case):
    kind = Latency(f'h{{case="{case}"}}', SECOND / 2, 0.95)
    return http_5xx(kind=kind)


def is_down(case):
    return down(kind=Value(f'up{{case="{case}"}}'))


def outbox_of(case):
    parts = (f'{name}{{case="{case}"}}' for name in ("depth", "come", "gone"))
    return outbox(kind=Queue(*parts))


def blind(verdict, cause):
    assert isinstance(verdict, Blind), verdict
    assert verdict.cause is cause, verdict.words


def charged(verdict):
    assert isinstance(verdict, Breached), verdict
    return verdict.elsewhere


# ------------------------------------------------------------ whose doing it is


def test_what_began_with_the_release_is_its_doing(seen):
    assert charged(seen(ratio("worse"))) == ""


def test_what_was_there_before_is_not_this_release(seen):
    assert charged(seen(ratio("chronic"))) == (
        "over before it started: 1200 of 12000 (10%) in the last 10m before; bound 5%"
    )


def test_what_began_eight_minutes_before_is_not_this_release(seen):
    assert charged(seen(ratio("before"))).startswith("over before it started: ")


def test_what_has_no_past_charges_nobody(seen):
    assert charged(seen(ratio("new"))) == (
        "nothing to compare with: the 1d before it were not measured"
    )


def test_a_run_before_it_of_half_a_minute_is_enough_to_compare(far_end):
    with closing(Prometheus(far_end._server.url, 5 * SECOND, SECOND, SECOND)) as quick:
        before_from = START - 120 * SECOND
        reading = quick.read(ratio("worse"), AT, START, before_from)

    # Only a scrape in 15 s here, so most of the short blocks are empty.
    assert isinstance(reading, Measured)
    assert reading.before.until - reading.before.since > 100 * SECOND


def test_a_finished_query_is_compared_too(seen):
    kind = RatioQuery(
        'sum(increase(errors{case="chronic"}[{{ window }}]))',
        'sum(increase(total{case="chronic"}[{{ window }}]))',
    )

    assert "over before it started" in charged(seen(ratio("x", kind=kind)))


def test_an_outside_cause_in_the_window_explains_it(seen):
    trigger = ratio("worse", unless='carrier_up{case="away"} == 0')

    assert charged(seen(trigger)).startswith(
        'outside cause: carrier_up{case="away"} == 0 held until 02:5'
    )
    assert charged(seen(ratio("worse", unless='carrier_up{case="fine"} == 0'))) == ""
    assert charged(seen(ratio("worse", unless="carrier_up{"))).startswith(
        "outside cause: whether carrier_up{ holds is not known"
    )


def test_an_outside_cause_whose_metric_went_away_meanwhile_is_not_known(seen):
    left = seen(ratio("worse", unless='carrier_up{case="left"} == 0'))

    assert charged(left) == (
        'outside cause: whether carrier_up{case="left"} == 0 holds is not known: '
        '`carrier_up{case="left"}` went away since the release started'
    )
    # Whoever says that its going away is the cause knows it.
    either = 'carrier_up{case="left"} == 0 or absent(carrier_up{case="left"})'
    assert charged(seen(ratio("worse", unless=either))).startswith(
        "outside cause: carrier_up"
    )
    # One that was not there at the start either was a doubt then.
    for never in ("before", "never"):
        cause = f'carrier_up{{case="{never}"}} == 0'
        assert charged(seen(ratio("worse", unless=cause))) == ""


def test_a_failing_drain_is_this_releases_and_more_traffic_is_not(seen):
    assert charged(seen(outbox_of("failing"))) == ""
    # 1.5 a second come and 1 goes, as before.
    assert charged(seen(outbox_of("surge"))).startswith(
        "the drain is not clearly worse than before it: 900 in 15m now, at most "
    )


# --------------------------------------------------------------------- values


def test_replicas_that_restart_one_after_another_are_not_down(seen):
    verdict = seen(is_down("rolling"))

    assert not isinstance(verdict, Breached), verdict


def test_one_replica_that_stays_down_is_named(seen):
    verdict = seen(is_down("one-down"))

    assert charged(verdict).startswith("past its bound before it started")
    assert verdict.words.endswith('without a gap: up{case="one-down",pod="b"}')


# ---------------------------------------------------------------------- tenants


def test_a_thousand_tenants_are_two_questions_a_turn(far_end, seen):
    trigger = awb(kind=ratio("tenants").kind, by="tenant")
    seen(trigger)
    asked = []
    server = far_end._server
    server.asked, ask = lambda call: asked.append(call) or ask(call), server.asked

    reading = far_end.read(trigger, AT, START)

    assert len(asked) == 2
    assert len(reading.groups.counts) == TENANTS - 3
    verdict = judge(trigger, reading, START + 30 * SECOND)
    assert charged(verdict) == ""
    assert "over in 20 of 997 tenants; worst: t" in verdict.words
    assert verdict.words.endswith("; 3 of 1,000 tenants not seen")


# --------------------------------------------------------- rows of the edge table


def test_a_target_whose_end_was_marked_is_stale(seen):
    blind(seen(ratio("marked")), Cause.STALE)


def test_three_failed_of_fifteen_are_too_few_samples(seen):
    verdict = seen(ratio("fifteen"))

    blind(verdict, Cause.TOO_FEW_SAMPLES)
    assert verdict.words.startswith("3 of 15 (20%)")


def test_a_count_without_an_end_is_not_a_number(seen):
    blind(seen(ratio("infinite")), Cause.NOT_A_NUMBER)


def test_a_redeploy_under_other_labels_leaves_the_counts_valid(seen):
    verdict = seen(ratio("moved"))

    assert isinstance(verdict, Breached)
    assert 5400 <= int(verdict.words.split()[2]) <= 6200


def test_slower_than_every_bucket_is_slower_than_the_bound(seen):
    verdict = seen(latency("above-all"))

    assert isinstance(verdict, Breached)
    assert verdict.words.startswith("3000 of 3000 (100%)")


def test_a_histogram_that_saw_nothing_has_no_traffic(seen):
    blind(seen(latency("unseen")), Cause.NO_TRAFFIC)


@pytest.mark.parametrize("seconds", [-60, -30, -5, 5, 15, 30, 45])
def test_a_clock_that_is_a_little_off_changes_nothing(seen, seconds):
    # 45 s ahead of the newest scrape the newest block is thinner, and still right.
    verdict = seen(ratio("worse"), AT + seconds * SECOND)

    assert isinstance(verdict, Breached), verdict


@pytest.mark.parametrize("minutes", [2, 5])
def test_a_clock_that_is_ahead_is_blind(seen, minutes):
    blind(seen(ratio("worse"), AT + minutes * MINUTE), Cause.STALE)


def test_a_clock_that_is_days_ahead_has_no_series(seen):
    blind(seen(ratio("worse"), AT + timedelta(days=3)), Cause.NO_SERIES)


def test_a_clock_behind_tells_the_same_later(seen):
    # The breach began ten minutes before the end, and needs five.
    assert isinstance(seen(ratio("worse"), AT - 4 * MINUTE), Breached)
    assert isinstance(seen(ratio("worse"), AT - 6 * MINUTE), Pending)
    assert isinstance(seen(ratio("worse"), AT - 12 * MINUTE), Clear)


def test_a_verdict_depends_on_the_samples_and_not_on_the_polls(url, seen):
    fresh = {}
    for late in range(0, 60, 5):
        at = AT - late * SECOND
        with closing(Prometheus(url, 5 * SECOND, SCRAPE * SECOND, 5 * SECOND)) as once:
            reading = once.read(ratio("worse"), at, START)
            fresh[at] = judge(ratio("worse"), reading, START + 30 * SECOND)

    assert {at: seen(ratio("worse"), at) for at in reversed(fresh)} == fresh
