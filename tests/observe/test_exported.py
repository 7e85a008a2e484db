"""What a Prometheus has of a stack, asked in a few questions."""

from datetime import UTC, datetime, timedelta

import pytest

from watchdog.facts.reading import Blind, Cause
from watchdog.facts.surroundings import Metric, Target
from watchdog.observe.exported import exported, targets

AT = datetime(2026, 3, 11, tzinfo=UTC)
EVERY = timedelta(seconds=15)
SILENT = Blind(Cause.UNREACHABLE, "nobody answered")


class Answers:
    """Gives to each question that begins like a key of it what stands there."""

    def __init__(self, told=(), **instant):
        self.of = instant
        self.told_of = dict(told)
        self.asked = []

    def instant(self, query, at):
        self.asked.append(query)
        found = [v for k, v in self.of.items() if k in query]
        return found[0] if found else []

    def told(self, path, **parameters):
        return self.told_of.get(path, SILENT)


def a_target(**other):
    return {
        "labels": {"job": "shop", "instance": "renamed"},
        "discoveredLabels": {"__address__": "api:8080"},
        "scrapeInterval": "15s",
        "health": "up",
        **other,
    }


def test_targets_are_told_with_their_address_and_rhythm():
    down = a_target(health="down", lastError="connection refused", scrapeInterval="1x")
    told = {"/api/v1/targets": {"activeTargets": [a_target(), down, {}, "nonsense"]}}

    assert targets(Answers(told), AT) == (
        Target("shop", "api:8080", EVERY),
        Target("shop", "api:8080", None, "connection refused"),
    )


def test_a_server_without_targets_says_what_is_up():
    up = [({"job": "shop", "instance": "api:8080"}, 1.0), ({}, 1.0)]

    assert targets(Answers(up=up), AT) == (Target("shop", "api:8080"),)
    assert targets(Answers(up=SILENT), AT) is SILENT


def test_of_a_job_is_read_what_a_choice_needs():
    names = [
        "hits_total",
        "rpc_seconds_bucket",
        "rpc_seconds_count",
        "rpc_seconds_sum",
        "size_bytes_bucket",
        "size_bytes_count",
        "mail_pending",
        "go_x_total",
    ]
    kinds = [
        {"metric": "hits", "type": "counter"},
        {"metric": "mail_pending", "type": "gauge"},
    ]
    server = Answers(
        {"/api/v1/targets/metadata": kinds},
        __name__=[({"__name__": name}, 1.0) for name in names],
        offset=[({}, 700.0)],
        increase=[({}, 900.0)],
        hits_total=[({"code": "200"}, 1.0), ({"code": "500"}, 1.0)],
        quantile=[({}, 0.25)],
        rpc_seconds_bucket=[({"le": le}, 1.0) for le in ("0.5", "0.1", "+Inf", "?")],
    )

    found = exported(
        server,
        "shop",
        EVERY,
        AT,
        labels=("code", "status"),
        is_worth_a_look=lambda name: not name.startswith("go_"),
    )

    assert found.metrics == (
        Metric("rpc_seconds", "histogram", bounds=(0.1, 0.5), slow=0.25),
        Metric("hits_total", "counter", "code", ("200", "500"), lately=(900, 700)),
        Metric("mail_pending", "gauge"),
        Metric("rpc_seconds_count"),
    )


@pytest.mark.parametrize("yesterday", [SILENT, [({}, float("nan"))], []])
def test_a_counter_without_a_yesterday_has_no_traffic_to_compare(yesterday):
    server = Answers(
        __name__=[({"__name__": "hits_total"}, 1.0)],
        offset=yesterday,
        increase=[({}, 900.0)],
        hits_total=[({"code": "200"}, 1.0)],
    )

    (metric,) = exported(
        server, "shop", EVERY, AT, labels=("code",), is_worth_a_look=bool
    ).metrics

    assert metric.lately is None


@pytest.mark.parametrize("answer", [SILENT, [({}, float("nan"))], []])
def test_a_histogram_that_nobody_observed_has_no_percentile(answer):
    server = Answers(
        __name__=[({"__name__": "x_seconds_bucket"}, 1.0)], quantile=answer
    )

    (metric,) = exported(
        server, "shop", EVERY, AT, labels=("code",), is_worth_a_look=bool
    ).metrics

    assert metric.slow is None


def test_a_server_that_is_silent_is_no_job_without_metrics():
    server = Answers(__name__=SILENT)

    found = exported(server, "a", EVERY, AT, labels=("code",), is_worth_a_look=bool)

    assert found is SILENT


def test_a_jobs_name_stays_inside_its_quotes():
    server = Answers()
    exported(server, 'a"b\\', EVERY, AT, labels=("code",), is_worth_a_look=bool)

    assert server.asked[0] == 'count by (__name__) ({job="a\\"b\\\\"})'
