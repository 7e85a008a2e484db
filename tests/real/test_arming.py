"""Triggers tried live: what is wrong is named, with its cure, before it matters."""

import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.real import prometheus as real
from watchdog.facts.problem import Fault
from watchdog.facts.trigger import Action, Latency, Queue, Ratio, Trigger, Value
from watchdog.facts.verdict import Clear
from watchdog.observe.arming import Arming, try_out
from watchdog.observe.prometheus import Prometheus

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
SCRAPE = 15 * SECOND
END = datetime(2026, 3, 11, 3, 0, 0, tzinfo=UTC)
LAST = END.timestamp()

STARTED = "process_start_time_seconds"
FIVE = Trigger(
    name="Http5xxRate",
    kind=Ratio('errors{job="dms"}', 'total{job="dms"}'),
    action=Action.PAUSE_AND_ALERT,
    window=300 * SECOND,
    sustained=True,
    block=60 * SECOND,
    above=0.05,
)


def counted(name, labels, *, every=15, until=0.0, rate=20.0):
    """Scrape a counter for an hour, *every* so many seconds, *until* before END."""
    return [
        real.line(name, labels, rate * n * every, LAST - 3600 + (n + 1) * every)
        for n in range(int((3600 - until) // every))
    ]


def told(name, labels, value):
    """Scrape what *value* says of each second before END, for an hour."""
    return [
        real.line(name, labels, value(ago), LAST - ago) for ago in range(3600, -1, -15)
    ]


def since(ago, rate):
    """Count at *rate* a second, from *ago* seconds before END on, for five minutes."""
    return lambda now: rate * max(0, min(ago - now, 300))


@pytest.fixture(scope="module", params=real.BINARIES)
def server(tmp_path_factory, request):
    lines = [
        *counted("errors", {"job": "dms"}, rate=0),
        *counted("gone", {"job": "dms"}, until=1200),
        *counted("h_bucket", {"job": "dms", "le": "0.5"}),
        *counted("h_bucket", {"job": "dms", "le": "+Inf"}),
        *counted("in_ms_bucket", {"job": "dms", "le": "500"}),
        *counted("in_ms_bucket", {"job": "dms", "le": "+Inf"}),
        *told("burst", {"job": "dms"}, since(2400, 60)),
        *told("depth", {"job": "dms"}, lambda ago: ago // 15 % 4),
        *counted("job:total:rate5m", {"job": "dms"}),
        *counted("http_requests_success_total", {"job": "dms"}),
        *counted("http_requests_total", {"job": "dms", "code": "200"}),
        *counted("http_requests_total", {"job": "dms", "code": "500"}, rate=0),
        *counted("twice", {"job": "dms", "instance": "dms:80"}),
        *counted("twice", {"job": "dms-again", "instance": "dms:80"}),
        *counted("aliased", {"job": "dms", "instance": "dms:80"}),
        *counted("aliased", {"job": "web", "instance": "10.0.0.7:80"}, rate=2),
        *told(STARTED, {"job": "dms", "instance": "dms:80"}, lambda _: 17.25),
        *told(STARTED, {"job": "web", "instance": "10.0.0.7:80"}, lambda _: 17.25),
        *counted("federated", {"job": "dms", "instance": "a:80"}),
        *counted(
            "federated",
            {
                "job": "all",
                "instance": "other:9090",
                "exported_job": "dms",
                "exported_instance": "a:80",
            },
        ),
        *told(STARTED, {"job": "dms", "instance": "a:80"}, lambda _: 17.5),
        *told(STARTED, {"job": "dms", "instance": "b:80"}, lambda _: 17.51),
        *counted("two", {"job": "dms", "instance": "a:80"}),
        *counted("two", {"job": "dms", "instance": "b:80"}),
        *counted("few", {"job": "dms"}, rate=0.1),
        *counted("slow", {"job": "dms"}, every=60),
        *counted("total", {"job": "dms"}),
        *counted("up", {"job": "dms"}, rate=0),
    ]
    folder = tmp_path_factory.mktemp("arming")
    with real.taken_from(request.param), real.running(folder, lines) as url:
        asked = Prometheus(url, 5 * SECOND, SCRAPE, 5 * SECOND)
        with closing(asked):
            yield asked


def tried(server, **changes):
    return try_out(server, replace(FIVE, **changes), SCRAPE, END)


def test_a_trigger_whose_series_are_there_is_proven_and_says_its_value(server):
    trial = tried(server)

    assert trial.is_proven
    assert trial.doubts == ()
    assert trial.series == 1
    assert isinstance(trial.verdict, Clear)


def test_a_large_bound_with_little_traffic_is_a_doubt(server):
    changes = {"sustained": False, "block": SCRAPE, "above": 0.1}
    few = Ratio('errors{job="dms"}', 'few{job="dms"}')

    (doubt,) = tried(server, kind=few, **changes).doubts

    assert doubt.path == "above"
    assert doubt.words.startswith("6 events a minute with a bound of 10%: ")
    assert not tried(server, **changes).doubts


def test_a_selector_that_never_matched_is_a_typo(server):
    trial = tried(server, kind=Ratio('errors{job="dms"}', 'totl{job="dms"}'))

    assert trial.faults == (
        Fault(
            "ratio.total",
            '`totl{job="dms"}` has no series',
            "does the target run, and is the name spelled as it exports it?",
        ),
    )


def test_series_that_were_there_today_are_a_dead_target_and_no_typo(server):
    trial = tried(server, kind=Ratio("errors", 'gone{job="dms"}'))

    assert trial.faults == (
        Fault(
            "ratio.total",
            '`gone{job="dms"}` has no series now; 1 in the last day',
            "is the target up?",
        ),
    )


def test_errors_without_a_series_are_a_doubt_since_the_name_may_be_wrong(server):
    trial = tried(server, kind=Ratio('never{job="dms"}', 'total{job="dms"}'))

    assert trial.is_proven
    assert [doubt.path for doubt in trial.doubts] == ["ratio.errors"]
    assert "its first errors count" in trial.doubts[0].hint


@pytest.mark.parametrize(
    ("unless", "words"),
    [
        ("carier_up == 0", "`carier_up` has no series: without it no outside cause"),
        ('gone{job="dms"} == 0', '`gone{job="dms"}` has no series now; 1 in the last'),
        ("depth > 9 or on() carier_up == 0", "`carier_up` has no series: "),
    ],
)
def test_an_outside_cause_that_nobody_could_see_is_a_doubt(server, unless, words):
    trial = tried(server, unless=unless)

    assert trial.is_proven
    (doubt,) = trial.doubts
    assert doubt.path == "unless"
    assert doubt.words.startswith(words)


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("sum(depht) or vector(0)", "`depht` has no series: the expression makes a"),
        ("sum(rate(totl[5m])) or vector(0)", "`totl` has no series: the expression"),
        ('sum(gone{job="dms"}) or vector(0)', '`gone{job="dms"}` has no series now; 1'),
        ("sum(depth) or vector(0)", ""),
        ("sum(rate(total[5m])) or vector(0)", ""),
        ("absent(never) or vector(0)", ""),
        ("absent_over_time(never[5m]) or vector(0)", ""),
    ],
)
def test_a_number_that_is_made_without_its_metric_is_a_doubt(server, expr, words):
    trial = tried(server, kind=Value(expr), above=100.0)

    assert trial.is_proven
    assert [doubt.path for doubt in trial.doubts] == ["value"] * bool(words)
    assert all(doubt.words.startswith(words) for doubt in trial.doubts)


@pytest.mark.parametrize(
    "unless",
    ["depth > 9", 'ALERTS{alertname="CarrierDown"}', "absent(carrier_up)", "vector(0)"],
)
def test_an_outside_cause_that_is_there_or_may_go_is_none(server, unless):
    assert tried(server, unless=unless).doubts == ()


def test_a_bound_that_is_no_bucket_is_named(server):
    kind = Latency('h{job="dms"}', 300 * timedelta(milliseconds=1), 0.95)
    trial = tried(server, kind=kind)

    assert trial.faults == (
        Fault(
            "latency.histogram",
            '`h_bucket{job="dms",le="+Inf"}` has no bucket le="0.3" (300ms, in s)',
            "`over` must be the bound of a bucket; there are: 0.5",
        ),
    )


def test_a_bound_that_is_a_bucket_in_another_unit_names_the_unit(server):
    kind = Latency('in_ms{job="dms"}', 500 * timedelta(milliseconds=1), 0.95)
    trial = tried(server, kind=kind)

    assert [fault.words for fault in trial.faults] == [
        '`in_ms_bucket{job="dms",le="+Inf"}` has no bucket le="0.5" (500ms, in s)'
    ]
    hint = "write `unit: ms` if it counts in ms; there are: 500"
    assert trial.faults[0].hint == hint
    assert tried(server, kind=replace(kind, unit="ms")).is_proven


def test_the_good_events_of_a_ratio_are_needed(server):
    trial = tried(server, kind=Ratio('errors{job="dms"}', "", "typo"))

    assert [fault.path for fault in trial.faults] == ["ratio.good"]
    assert tried(server, kind=Ratio('errors{job="dms"}', "", "total")).is_proven


def test_a_bound_that_is_a_bucket_is_proven(server):
    kind = Latency('h{job="dms"}', 500 * timedelta(milliseconds=1), 0.95)

    assert tried(server, kind=kind).is_proven


def test_every_selector_of_a_queue_is_needed(server):
    kind = Queue('total{job="dms"}', "typo_in", "typo_out")
    trial = tried(server, kind=kind, above=None)

    paths = [fault.path for fault in trial.faults]
    assert paths == ["queue.enqueued", "queue.drained"]


def test_blocks_shorter_than_two_scrapes_are_named_with_the_block_to_write(server):
    kind = Queue("slow", "slow", "slow")
    trial = tried(server, kind=kind, above=None, block=60 * SECOND)

    assert trial.faults[0].path == "block"
    assert "60s apart" in trial.faults[0].words
    assert trial.faults[0].hint.startswith("write `block: 240s`")


def test_settings_that_are_wrong_about_the_scrapes_are_named(server):
    trial = tried(server, kind=Ratio("slow", "slow"))

    assert [fault.path for fault in trial.faults] == ["prometheus.scrape_interval"]
    assert "write `scrape_interval: 1m`" in trial.faults[0].hint


def test_an_expression_that_the_server_rejects_carries_its_own_words(server):
    trial = tried(server, kind=Value("up{job="), above=None, below=1.0)

    assert trial.faults
    assert "parse error" in trial.faults[0].words


def test_a_server_that_does_not_answer_is_said_for_each_selector():
    dead = Prometheus("http://127.0.0.1:9", SECOND, SCRAPE, 5 * SECOND)
    with closing(dead):
        trial = try_out(dead, FIVE, SCRAPE, END)

    paths = [fault.path for fault in trial.faults]
    assert paths == ["ratio.total", "ratio.errors"]
    assert "prometheus.url" in trial.faults[0].hint


def test_a_release_that_was_over_its_bound_before_it_started_is_told_so(server):
    always = Ratio('total{job="dms"}', 'total{job="dms"}')
    arming = Arming(server, SCRAPE)
    trigger = replace(FIVE, kind=always)
    trial = arming.try_out(trigger, END, END - 600 * SECOND)

    assert trial.is_proven
    assert [doubt.path for doubt in trial.doubts] == ["baseline"]
    assert "over its bound before the release" in trial.doubts[0].words


def test_a_gauge_where_a_counter_belongs_is_known_by_how_often_it_falls(server):
    trial = tried(server, kind=Ratio("errors", "depth"))

    assert [fault.path for fault in trial.faults] == ["ratio.total"]
    assert "fell" in trial.faults[0].words
    assert trial.faults[0].hint.startswith("write a counter")


def test_a_counter_that_began_anew_is_no_gauge(server):
    assert tried(server, kind=Ratio("errors", "total")).is_proven


def test_a_rate_that_a_rule_recorded_cannot_be_counted(server):
    trial = tried(server, kind=Ratio("errors", "job:total:rate5m"))

    assert [fault.path for fault in trial.faults] == ["ratio.total"]
    assert "recorded by a rule" in trial.faults[0].words


@pytest.mark.parametrize(
    ("total", "words"),
    [
        ("http_requests_success_total", "named after good events"),
        ('http_requests_total{code=~"2.."}', "named after good events"),
    ],
)
def test_a_total_of_good_events_only_is_told_of_good(server, total, words):
    trial = tried(server, kind=Ratio('http_requests_total{code="500"}', total))

    assert [fault.path for fault in trial.faults] == ["ratio.total"]
    assert words in trial.faults[0].words
    assert trial.faults[0].hint.startswith(f"write `good: {total}`")


def test_a_total_that_was_less_than_its_errors_at_times_is_told_of_good(server):
    trial = tried(server, kind=Ratio("burst", "total"))

    assert [fault.path for fault in trial.faults] == ["ratio.total"]
    assert "more errors than `total`" in trial.faults[0].words
    assert trial.faults[0].hint.startswith("write `good: total`")


def test_the_errors_of_a_good_looking_total_may_be_a_part_of_it(server):
    whole = "http_requests_success_total"
    part = 'http_requests_success_total{job="dms"}'

    assert tried(server, kind=Ratio(part, whole), above=0.9).is_proven


def test_events_that_are_scraped_twice_are_a_doubt_with_the_cure(server):
    trial = tried(server, kind=Ratio("errors", "twice"))

    assert trial.is_proven
    assert trial.doubts == (
        Fault(
            "ratio.total",
            "`twice` has series that differ in `job` only and move together: "
            "each event counts twice or more",
            'name one: `{job="…"}`, or scrape the target once',
        ),
    )
    assert tried(server, kind=Ratio("errors", 'twice{job="dms"}')).doubts == ()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("aliased", "of one process under several names, by when it started"),
        ("federated", "that are federated too"),
    ],
)
def test_what_is_scraped_again_by_other_names_is_a_doubt(server, name, how):
    (doubt,) = tried(server, kind=Ratio("errors", name)).doubts

    assert doubt.words == f"`{name}` has series {how}: each event counts twice or more"
    assert tried(server, kind=Ratio("errors", f'{name}{{job="dms"}}')).doubts == ()


def test_two_replicas_of_one_job_are_no_copies(server):
    assert tried(server, kind=Ratio("errors", "two")).doubts == ()


@pytest.mark.parametrize("tools", real.BINARIES)
def test_a_metric_that_an_upgrade_gave_dots_is_named_with_its_end(tools, tmp_path):
    with real.taken_from(tools):
        asked = subprocess.run(
            ["prometheus", "--version"], capture_output=True, text=True, check=True
        )
        if "version 2" in asked.stdout + asked.stderr:
            pytest.skip("names have no dots before Prometheus 3")
        lines = [
            *counted("errors", {"job": "dms"}),
            *counted("http_server_requests", {"job": "dms"}, until=1200),
            *(
                one.replace("DOTS{", '{"http.server.requests",')
                for one in counted("DOTS", {"job": "dms"})
            ),
        ]
        with (
            real.running(tmp_path, lines) as url,
            closing(Prometheus(url, 5 * SECOND, SCRAPE, 5 * SECOND)) as server,
        ):
            trial = tried(server, kind=Ratio("errors", "http_server_requests"))

    assert trial.faults == (
        Fault(
            "ratio.total",
            "`http_server_requests` ended at 02:40, and `http.server.requests` is "
            "there",
            "was it renamed, by an upgrade of Prometheus or of the application?",
        ),
    )
