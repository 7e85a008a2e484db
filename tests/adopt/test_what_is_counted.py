"""What Prometheus has of a stack into triggers."""

import pytest

from tests.adopt.stacks import METRICS, a_service, exports
from watchdog.adopt.counted import jobs_of, on_the_engine, proposed
from watchdog.facts.surroundings import Metric, Target


def by_alert(*jobs):
    return {one.alert: one.raw for one in proposed(jobs).triggers}


def test_the_four_kinds_are_found_by_what_is_exported():
    found = by_alert(exports())

    assert found["Http5xxRate"]["ratio"] == {
        "errors": 'http_requests_total{job="shop",code=~"5.."}',
        "total": 'http_requests_total{job="shop"}',
    }
    assert found["LatencyP95"]["latency"]["over"] == "500ms"
    assert (
        found["ShopOrdersFailures"]["ratio"]["total"] == 'shop_orders_total{job="shop"}'
    )
    assert found["ShopMailDrainFailure"]["queue"]["drained"] == (
        'shop_mail_sent_total{job="shop"}'
    )
    assert found["TargetDown"]["value"] == 'count(up{job="shop"} == 1) or vector(0)'


def test_nothing_rolls_back_by_itself_that_nobody_agreed_to():
    actions = {raw["action"] for raw in by_alert(exports()).values()}

    assert actions == {"pause-and-alert", "pause-and-investigate"}


def test_what_was_not_found_is_said_kind_by_kind():
    found = proposed([exports(Metric("go_goroutines", "gauge"))])

    assert [one.alert for one in found.triggers] == ["TargetDown"]
    assert len(found.lacking) == 5
    assert all(words.startswith("job shop has no ") for words in found.lacking)


@pytest.mark.parametrize(
    ("lately", "wanted"),
    [
        ((2400, 3000), "5m"),
        ((2400, 300), "10m"),
        ((160, 160), "15m"),
        ((2400, 100), None),  # too few to compare
        (None, None),  # no yesterday
    ],
)
def test_a_fall_of_traffic_is_watched_where_there_is_enough_to_hold_it_against(
    lately, wanted
):
    hits = Metric("hits_total", "counter", "code", ("200",), lately=lately)
    found = by_alert(exports(hits))

    if wanted is None:
        assert "TrafficFell" not in found
        words = proposed([exports(hits)]).lacking
        assert any("for their fall" in one for one in words)
    else:
        fell = found["TrafficFell"]
        assert (fell["traffic"], fell["for"]) == ('hits_total{job="shop"}', wanted)
        assert fell["action"] == "pause-and-alert"


def test_the_containers_are_watched_and_their_health_where_anything_asks_for_it():
    checked = on_the_engine([a_service(healths=("healthy",)), a_service("web")])
    bare = on_the_engine([a_service()])

    assert checked.raw["container"] == ["unhealthy", "exited", "restarting", "oom"]
    assert "the health check of api" in checked.why
    assert bare.raw["container"] == ["exited", "restarting", "oom"]
    assert "there is no health check" in bare.why


@pytest.mark.parametrize(
    ("statuses", "wanted"),
    [(("200", "404"), '"5.."'), (("2xx", "5xx"), '"5(xx|XX)"')],
)
def test_a_status_is_taken_as_it_is_written(statuses, wanted):
    metric = Metric("hits_total", "counter", "status", statuses)

    assert wanted in by_alert(exports(metric))["Http5xxRate"]["ratio"]["errors"]


def test_a_label_that_holds_no_status_is_none():
    metric = Metric("grpc_handled_total", "counter", "code", ("OK", "Unavailable"))

    assert "Http5xxRate" not in by_alert(exports(metric))


@pytest.mark.parametrize(
    ("name", "bounds", "slow", "over"),
    [
        ("rpc_seconds", (0.1, 0.25, 0.75, 2), None, "750ms"),
        ("rpc_seconds", (0.1, 0.5, 1, 4), 0.9, "4s"),
        ("rpc_seconds", (0.1, 0.2), 0.05, "200ms"),
        ("rpc_milliseconds", (100, 500, 1000), 12, "500ms"),
    ],
)
def test_over_is_the_end_of_a_bucket_that_what_runs_stays_under(
    name, bounds, slow, over
):
    metric = Metric(name, "histogram", bounds=bounds, slow=slow)

    assert by_alert(exports(metric))["LatencyP95"]["latency"]["over"] == over


def test_a_failure_counter_without_one_of_all_events_is_left_out():
    bad = Metric("shop_charge_errors_total", "counter")
    others = (
        Metric("shop_carts_total", "counter"),
        Metric("shop_mails_total", "counter"),
    )

    assert list(by_alert(exports(bad, *others))) == ["TargetDown"]


def test_the_only_other_counter_is_offered_as_a_question():
    bad = Metric("shop_charge_errors_total", "counter")
    (first, *_) = proposed(
        [exports(bad, Metric("shop_carts_total", "counter"))]
    ).triggers

    assert first.why.endswith("the failed ones?")


@pytest.mark.parametrize(("every", "wanted"), [(15, "5m"), (60, "10m"), (1, "5m")])
def test_a_window_holds_enough_scrapes(every, wanted):
    assert by_alert(exports(every=every))["Http5xxRate"]["for"] == wanted


def test_two_jobs_have_alerts_of_their_own():
    found = by_alert(exports(), exports(job="shop-worker"))

    assert {"Http5xxRate", "Http5xxRate2", "ShopDown", "ShopWorkerDown"} <= set(found)


def test_a_quote_in_a_jobs_name_stays_inside_its_quotes():
    found = by_alert(exports(*METRICS, job='a"b'))

    assert 'job="a\\"b"' in found["Http5xxRate"]["ratio"]["total"]


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("api:8080", True),
        ("shop-api-1:8080", True),
        ("172.18.0.3:8080", True),
        ("10.0.0.9:18080", True),  # a port of this box that leads there
        ("other:8080", False),
        ("[fd00::1]:8080", False),
    ],
)
def test_a_target_is_ours_by_its_name_its_address_or_its_port(host, is_ours):
    service = a_service(
        names=("shop-api-1",), addresses=("172.18.0.3",), published={18080: 8080}
    )

    assert bool(jobs_of([service], [Target("shop", host)])) == is_ours
