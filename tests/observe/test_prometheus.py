"""What the far end does wrong becomes a blind reading that names it."""

import json
import re
import threading
import time
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests import canary
from tests.judge.samples import KINDS, awb, down, http_5xx, outbox
from tests.observe.wire import matrix, running
from watchdog.facts.reading import (
    Before,
    Blind,
    Cause,
    Groups,
    Measured,
    Outside,
)
from watchdog.facts.trial import cure
from watchdog.facts.trigger import Action, Latency, Ratio, RatioQuery, Value
from watchdog.judge.breach import judge
from watchdog.observe import promql
from watchdog.observe.arming import Arming
from watchdog.observe.fresh import fresh
from watchdog.observe.numbers import duration
from watchdog.observe.prometheus import Prometheus
from watchdog.observe.recent import Recent
from watchdog.observe.server import MOST_BYTES

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
AT = datetime(2026, 3, 11, 3, 0, 22, 700000, tzinfo=UTC)
END = datetime(2026, 3, 11, 3, 0, 5, tzinfo=UTC)
STAMP = END.timestamp()
# Counters are asked as of the last whole second that no scrape is under way of.
NOW = datetime(2026, 3, 11, 3, 0, 21, tzinfo=UTC)
NEWEST = NOW.timestamp()


@pytest.fixture
def far():
    with running() as (wire, url):
        yield wire, url


@pytest.fixture
def asked(far):
    wire, url = far
    with closing(prometheus(url)) as far_end:
        yield wire, far_end


def prometheus(url, timeout=5.0, portion=10_000):
    """Make one that asks for the hour in one piece, unless it is told otherwise."""
    made = Prometheus(url, timeout * SECOND, 15 * SECOND, 5 * SECOND)
    made._recent = Recent(made.samples, portion)
    return made


def bad_and_all(look="0"):
    moments = [[NEWEST - back * 15, "1200"] for back in range(5)]
    few = [[NEWEST - 15, "120"]]
    return [
        ({"part": "bad", "look": look}, few),
        ({"part": "all", "look": look}, moments),
    ]


def blind(reading, cause, *words):
    assert isinstance(reading, Blind)
    assert reading.cause is cause, reading.words
    for word in words:
        assert word in reading.words


# ------------------------------------------------------------- what is asked


def test_one_request_brings_every_scrape_of_the_last_hour(asked):
    wire, far_end = asked
    wire.answers(matrix(*bad_and_all()))

    reading = far_end.read(http_5xx(), AT)

    assert isinstance(reading, Measured)
    (newest,) = reading.looks
    assert newest.at == NOW
    assert [one.end for one in newest.blocks] == [
        NOW - back * 15 * SECOND for back in reversed(range(240))
    ]
    assert newest.blocks[-1].parts == {"all": 1200.0}
    assert newest.blocks[-2].parts == {"bad": 120.0, "all": 1200.0}
    assert newest.blocks[0].parts == {}
    sent = wire.asked[0]
    assert sent["query"] == reading.queries[0]
    assert "sum(last_over_time(errors[15s]))" in sent["query"]
    assert (float(sent["start"]), float(sent["end"])) == (NEWEST - 3585, NEWEST)
    assert len(wire.asked) == 1
    assert sent["step"] == "15s"
    assert sent["timeout"] == "5s"
    assert sent["partial_response"] == "false"


def test_the_hour_is_asked_in_portions_the_newest_first(far):
    wire, url = far
    with closing(prometheus(url, portion=60)) as far_end:
        far_end.read(http_5xx(), AT)

    assert [float(one["end"]) for one in wire.asked] == [
        NEWEST - 900 * portion for portion in range(4)
    ]
    assert float(wire.asked[-1]["start"]) == NEWEST - 3585


def test_a_window_of_hours_is_read_twice_over(asked):
    wire, far_end = asked

    far_end.read(http_5xx(window=timedelta(hours=2)), AT)

    assert float(wire.asked[-1]["start"]) == NEWEST - 4 * 3600 + 15


def test_the_same_instant_is_asked_whenever_the_poll_falls_in_its_second(asked):
    wire, far_end = asked

    for late in (0.0, 0.2):
        far_end.read(http_5xx(by=""), AT + late * SECOND)

    assert wire.asked[0]["end"] == wire.asked[1]["end"]


def test_what_is_not_a_count_is_asked_on_the_grid_of_the_polls(asked):
    wire, far_end = asked

    for late in (0.0, 1.0, 2.2):
        far_end.read(outbox(), AT + late * SECOND)

    assert wire.asked[0] == wire.asked[1] == wire.asked[2]
    assert float(wire.asked[0]["end"]) == STAMP


def counting(wire):
    """Answer each point with a number of its own, and the newest with none yet."""

    def answer(handler):
        sent = wire.asked[-1]
        step = float(sent["step"].removesuffix("s"))
        points, at = [], float(sent["start"])
        while at <= float(sent["end"]):
            points.append([at, str(at % 10_000)])
            at += step
        wire.send(handler, matrix(({"part": "all", "look": "0"}, points)))

    wire.answer = answer


def test_what_is_known_of_older_scrapes_is_not_asked_again(far):
    wire, url = far
    counting(wire)

    with closing(prometheus(url)) as far_end:
        readings = [far_end.read(http_5xx(), AT + n * 5 * SECOND) for n in range(9)]

    spans = [float(one["end"]) - float(one["start"]) for one in wire.asked]
    # Three polls lie at the same place of a scrape; each asks for all once, and then
    # for the two newest again.
    assert spans[:3] == [3585.0] * 3
    assert spans[3:] == [2 * 15.0] * 6
    for late, reading in enumerate(readings):
        with closing(prometheus(url)) as started:
            again = started.read(http_5xx(), AT + late * 5 * SECOND)
        assert reading == again


def test_a_question_that_failed_leaves_no_hole_in_what_is_known(asked):
    wire, far_end = asked
    counting(wire)
    fine = wire.answer
    far_end.read(http_5xx(), AT)
    wire.answer = lambda handler: wire.send(handler, {"status": "error"}, 503)
    for late in range(15, 300, 15):
        blind(far_end.read(http_5xx(), AT + late * SECOND), Cause.UNREACHABLE)
    wire.answer = fine

    reading = far_end.read(http_5xx(), AT + 300 * SECOND)

    assert all(block.parts for block in reading.looks[0].blocks)


def test_a_finished_query_is_asked_as_one(asked):
    wire, far_end = asked
    trigger = http_5xx(kind=KINDS["query"])
    moments = [[STAMP - back * 15, "1200"] for back in range(5)]
    wire.answers(matrix(({"part": "all", "look": "0"}, moments)))

    reading = far_end.read(trigger, AT)

    assert isinstance(reading, Measured)
    assert [float(one["end"]) for one in wire.asked] == [STAMP]
    assert "sum(\nbad[30s]\n) * 15 / 30" in reading.queries[0]
    assert reading.looks[0].blocks[-1].parts == {"all": 1200.0}


def test_a_value_is_asked_once_for_every_point_of_the_grid(asked):
    wire, far_end = asked
    values = [[STAMP - back * 5, "1"] for back in range(25)]
    wire.answers(matrix(({"part": "worst", "look": "0"}, values)))

    reading = far_end.read(down(), AT)

    assert isinstance(reading, Measured)
    (sent,) = wire.asked
    assert sent["step"] == "5s"
    assert "min(last_over_time(up[30s]))" in sent["query"]
    assert [len(look.blocks) for look in reading.looks] == [25]
    assert all(one.parts == {"worst": 1.0} for one in reading.looks[0].blocks)


def test_a_value_of_one_series_that_is_no_number_is_none_at_all(asked):
    wire, far_end = asked
    points = [[STAMP - back * 5, "1"] for back in range(25)]
    sums = [[STAMP - back * 5, "2"] for back in range(1, 25)]
    wire.answers(
        matrix(
            ({"part": "worst", "look": "0"}, points),
            ({"part": "sum", "look": "0"}, [*sums, [STAMP, "NaN"]]),
        )
    )

    reading = far_end.read(down(), AT)

    assert isinstance(reading, Measured)
    newest = reading.looks[0].blocks[-1].parts["worst"]
    assert newest != newest  # noqa: PLR0124
    assert reading.looks[0].blocks[-2].parts == {"worst": 1.0}


def test_a_window_of_a_week_is_sampled_as_far_as_the_server_answers(asked):
    wire, far_end = asked

    reading = far_end.read(down(window=timedelta(days=7)), AT)

    assert isinstance(reading, Measured)
    sent = wire.asked[0]
    step = int(sent["step"].removesuffix("s"))
    assert step % 5 == 0
    assert (float(sent["end"]) - float(sent["start"])) / step < 10_000
    assert float(sent["end"]) % step == 0
    span = reading.looks[0].blocks[-1].end - reading.looks[0].blocks[0].end
    assert span >= timedelta(days=7)


def test_scrapes_of_part_seconds_still_end_on_the_second(asked):
    wire, far_end = asked

    far_end.read(http_5xx(block=1.5 * SECOND), AT)

    sent = wire.asked[0]
    assert sent["step"] == "1500ms"
    assert float(sent["end"]) == NEWEST
    assert "last_over_time(errors[1500ms])" in sent["query"]


def test_a_poll_of_part_seconds_is_taken_up_to_the_next_whole_one(far):
    wire, url = far
    with closing(Prometheus(url, 5 * SECOND, 1.5 * SECOND, 0.3 * SECOND)) as far_end:
        far_end.read(outbox(), AT)

    assert wire.asked[0]["end"] == str(round(AT.timestamp() - 1.7))


def test_the_servers_own_time_is_asked_without_a_time(asked):
    wire, far_end = asked
    scalar = {"resultType": "scalar", "result": [STAMP, f"{STAMP + 0.25}"]}
    wire.answers({"status": "success", "data": scalar})

    assert far_end.now() == END + 0.25 * SECOND
    assert wire.asked[0]["query"] == "time()"
    assert "time" not in wire.asked[0]


def test_a_path_before_the_api_is_kept_and_a_password_is_never_said(far):
    wire, url = far
    wire.answers(b"no", status=401)
    place = url.replace("//", f"//ops:{canary.text()}@") + "/prom/"
    with closing(prometheus(place)) as far_end:
        reading = far_end.read(http_5xx(), AT)

    assert wire.paths == ["/prom/api/v1/query_range"]
    assert wire.headers[0]["Authorization"].startswith("Basic ")
    blind(reading, Cause.REJECTED, "/prom answered HTTP 401")
    canary.heard("a reading", reading.words)


def test_a_proxy_of_the_environment_is_not_used(asked, monkeypatch):
    _, far_end = asked
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert isinstance(far_end.read(http_5xx(), AT), Measured)


def test_all_triggers_are_read_at_once_by_name(asked):
    wire, far_end = asked

    def answer(handler):
        time.sleep(0.5)
        wire.send(handler, matrix())

    wire.answer = answer
    triggers = [http_5xx(name=f"t{n}") for n in range(8)]
    began = time.perf_counter()

    readings = far_end.read_all(triggers, AT)

    assert list(readings) == [one.name for one in triggers]
    assert all(isinstance(one, Measured) for one in readings.values())
    assert time.perf_counter() - began < 8 * 0.5


def test_one_trigger_that_fails_does_not_blind_the_others(asked):
    wire, far_end = asked

    def answer(handler):
        if "depth" in wire.asked[-1]["query"]:
            wire.send(handler, b"{}", 422)
        else:
            wire.send(handler, matrix())

    wire.answer = answer

    readings = far_end.read_all([outbox()], AT) | far_end.read_all([awb(), down()], AT)

    blind(readings["OutboxDrainFailure"], Cause.REJECTED)
    assert isinstance(readings["AwbRoutingFailures"], Measured)
    assert isinstance(readings["DmsDown"], Measured)
    assert far_end.read_all([], AT) == {}


@pytest.mark.parametrize(
    "labels",
    [{"look": "x"}, {"look": "7"}, {"look": "-9"}, {"part": "now", "look": "0.5"}],
)
def test_an_odd_count_of_the_replicas_blinds_no_trigger(asked, labels):
    wire, far_end = asked

    def answer(handler):
        if wire.paths[-1].endswith("query_range"):
            wire.send(handler, matrix())
            return
        one = {"metric": labels, "value": [STAMP, "1"]}
        data = {"resultType": "vector", "result": [one]}
        wire.send(handler, {"status": "success", "data": data})

    wire.answer = answer
    readings = far_end.read_all([awb(), http_5xx()], AT, replicas={"dms": 3})

    assert len(readings) == 2
    assert all(isinstance(one, Measured) for one in readings.values())


def test_threads_that_never_come_back_leave_every_trigger_a_timeout(far):
    _, url = far
    over = threading.Event()
    with closing(Prometheus(url, 0.1 * SECOND, 15 * SECOND, SECOND)) as far_end:
        for _ in range(4):
            far_end._pool.submit(over.wait, 20)

        readings = far_end.read_all([awb(), down()], AT)
        over.set()

    blind(readings["AwbRoutingFailures"], Cause.TIMEOUT, "the turn's time was used up")
    blind(readings["DmsDown"], Cause.TIMEOUT, "the turn's time was used up")


def dripping(wire, but=()):
    """Let every question drip to its end but those that hold a word of *but*."""

    def answer(handler):
        if not any(word in wire.asked[-1]["query"] for word in but):
            return wire.over.wait(20)
        return wire.send(handler, matrix(*bad_and_all()))

    wire.answer = answer


def ratio(name, action=Action.PAUSE_AND_ALERT):
    return http_5xx(name=name, kind=Ratio(f"{name}_bad", f"{name}_all"), action=action)


def test_what_is_enough_to_act_on_does_not_wait_for_those_that_drip(far):
    wire, url = far
    dripping(wire, but=["urgent"])
    triggers = [ratio(f"t{n}") for n in range(6)]
    triggers.append(ratio("urgent", Action.ROLLBACK))
    with closing(Prometheus(url, 20 * SECOND, 15 * SECOND, 5 * SECOND)) as far_end:
        began = time.monotonic()
        readings = far_end.read_all(
            triggers, AT, enough=lambda trigger, _: trigger.name == "urgent"
        )
        took = time.monotonic() - began

    assert isinstance(readings["urgent"], Measured)
    assert list(readings) == [one.name for one in triggers]
    for trigger in triggers[:-1]:
        blind(readings[trigger.name], Cause.TIMEOUT, "the turn's time")
    assert took < 10


def test_a_turn_has_its_time_and_nobody_starves(far):
    wire, url = far
    dripping(wire)
    triggers = [ratio(f"t{n}") for n in range(9)]
    triggers += [ratio("u0", Action.ROLLBACK), ratio("u1", Action.ROLLBACK)]
    asked = set()
    with closing(Prometheus(url, 2 * SECOND, 15 * SECOND, SECOND)) as far_end:
        for turn in range(9):
            begun = len(wire.asked)
            began = time.monotonic()
            readings = far_end.read_all(triggers, AT)
            assert time.monotonic() - began < 15
            assert all(one.cause is Cause.TIMEOUT for one in readings.values())
            now = {
                trigger.name
                for trigger in triggers
                for sent in wire.asked[begun:]
                if f"{trigger.name}_all" in sent["query"]
            }
            assert {"u0", "u1"} <= now, turn
            asked |= now
            if len(asked) == len(triggers):
                break

    assert asked == {one.name for one in triggers}


def test_a_deadline_cuts_the_question_of_its_own_thread_only(far):
    _, url = far
    with closing(prometheus(url)) as far_end:
        lines = []
        both = threading.Barrier(2)

        def mine():
            lines.append(far_end._server._line())
            both.wait(20)

        threads = [threading.Thread(target=mine) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert lines[0] is not lines[1]
    assert lines[0].session is not lines[1].session


def test_all_that_one_trigger_asks_has_the_time_of_a_turn(far):
    wire, url = far
    wire.drips(b"HTTP/1.1 200 OK\r\n\r\n")
    kind = RatioQuery("bad[{{ window }}]", "all[{{ window }}]")
    trigger = http_5xx(kind=kind, unless="a")
    with closing(Prometheus(url, SECOND, 15 * SECOND, SECOND)) as far_end:
        began = time.monotonic()
        trial = Arming(far_end, 15 * SECOND).try_out(trigger, AT, AT - MINUTE)
        took = time.monotonic() - began

    assert not trial.is_proven or isinstance(trial.verdict, Blind)
    assert took < 10


def test_a_large_answer_costs_no_more_than_the_container_has():
    for body in (large_matrix(MOST_BYTES - 1000), large_lists(MOST_BYTES - 1000)):
        with running() as (wire, url), closing(prometheus(url, timeout=60)) as far_end:
            wire.answers(body)
            far_end.read(http_5xx(), AT)
            tracemalloc.start()
            try:
                far_end.read(http_5xx(), AT)
                _, most = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()

        assert most < 64 * 1024 * 1024, f"{most / len(body):.1f} times the answer"


def large_matrix(size):
    """Write as many honest samples as fit."""
    count = size // 2 // 28
    series = [
        ({"part": part, "look": "0"}, [[STAMP - n, "1200"] for n in range(count)])
        for part in ("bad", "all")
    ]
    return json.dumps(matrix(*series), separators=(",", ":")).encode()


def large_lists(size):
    """Write what costs most for its length."""
    head = b'{"status":"success","data":{"resultType":"matrix","result":['
    return head + b"[]," * ((size - len(head)) // 3 - 2) + b"[]]}}"


def test_an_answer_is_parsed_once(asked, monkeypatch):
    wire, far_end = asked
    wire.answers(matrix(*bad_and_all()))
    parsed = []
    real = json.JSONDecoder.decode
    monkeypatch.setattr(
        json.JSONDecoder,
        "decode",
        lambda self, text, *rest: (parsed.append(1), real(self, text, *rest))[1],
    )

    assert isinstance(far_end.read(http_5xx(), AT), Measured)
    assert len(parsed) == 1


# -------------------------------------------------------------------- faults


def test_a_refused_connection_is_unreachable():
    with running() as (_, url):
        pass
    with closing(prometheus(url)) as far_end:
        reading = far_end.read(http_5xx(), AT)
        now = far_end.now()

    blind(reading, Cause.UNREACHABLE, url, "connection refused")
    blind(now, Cause.UNREACHABLE, url, "connection refused")


def test_a_name_that_is_not_known_is_unreachable():
    with closing(prometheus("http://no.such.host.invalid:9090")) as far_end:
        blind(far_end.read(http_5xx(), AT), Cause.UNREACHABLE, "no.such.host.invalid")


def test_an_unavailable_server_is_unreachable_in_its_own_words(asked):
    wire, far_end = asked
    error = {"status": "error", "errorType": "unavailable", "error": "replaying WAL"}
    wire.answers(error, status=503)
    began = time.perf_counter()

    reading = far_end.read(http_5xx(), AT)

    blind(reading, Cause.UNREACHABLE, "HTTP 503: unavailable: replaying WAL")
    assert len(wire.asked) == 1
    assert time.perf_counter() - began < 1


def test_an_answer_503_without_json_says_its_text(asked):
    wire, far_end = asked
    wire.answers(b"Service Unavailable", status=503)

    reading = far_end.read(http_5xx(), AT)

    blind(reading, Cause.UNREACHABLE, "503: Service Unavailable")
    assert cure(reading).startswith("something answers, and says itself why not")


def test_who_is_asked_too_often_says_so(asked):
    wire, far_end = asked
    wire.answers(b"too many outstanding requests", status=429)

    reading = far_end.read(http_5xx(), AT)

    blind(reading, Cause.UNREACHABLE, "429: too many outstanding requests")
    assert "raise its limit, or `poll`" in cure(reading)


def test_a_query_that_ran_out_of_time_is_a_timeout(asked):
    wire, far_end = asked
    error = {"status": "error", "errorType": "timeout", "error": "query timed out"}
    wire.answers(error, status=503)

    blind(far_end.read(http_5xx(), AT), Cause.TIMEOUT, "query timed out")


@pytest.mark.parametrize("status", [400, 422])
def test_a_bad_query_is_rejected_in_the_servers_words(asked, status):
    wire, far_end = asked
    error = {"status": "error", "errorType": "bad_data", "error": "parse error at 7"}
    wire.answers(error, status=status)

    words = f"HTTP {status}: bad_data: parse error at 7"
    blind(far_end.read(http_5xx(), AT), Cause.REJECTED, words)


def test_an_error_that_is_sent_as_a_success_is_rejected(asked):
    wire, far_end = asked
    wire.answers({"status": "error", "errorType": "internal", "error": "oops"})

    blind(far_end.read(http_5xx(), AT), Cause.REJECTED, "internal: oops")


def test_a_login_page_is_rejected(asked):
    wire, far_end = asked
    wire.answers(b"<html><title>Sign in</title>")

    blind(far_end.read(http_5xx(), AT), Cause.REJECTED, "not as JSON", "Sign in")


def test_being_sent_elsewhere_is_rejected_and_not_followed(asked):
    wire, far_end = asked
    wire.answers(b"", status=302, Location="/login")

    blind(
        far_end.read(http_5xx(), AT), Cause.REJECTED, "302: sent elsewhere, to /login"
    )
    assert len(wire.asked) == 1


def test_half_of_an_answer_is_partial(asked):
    wire, far_end = asked
    wire.answers(b'{"status":"success","data":{"resu', length=5000, Connection="close")
    answer = wire.answer

    def hang_up(handler):
        answer(handler)
        handler.close_connection = True

    wire.answer = hang_up

    blind(far_end.read(http_5xx(), AT), Cause.PARTIAL, "broke off")


def test_json_that_breaks_off_is_partial(asked):
    wire, far_end = asked
    wire.answers(b'{"status":"success","data":{"resu')

    blind(far_end.read(http_5xx(), AT), Cause.PARTIAL, "broke off")


def test_an_answer_in_part_is_partial_although_it_holds_data(asked):
    wire, far_end = asked
    wire.answers(matrix(*bad_and_all(), isPartial=True))

    blind(far_end.read(http_5xx(), AT), Cause.PARTIAL, "isPartial")


def test_an_answer_with_warnings_is_partial_and_says_them(asked):
    wire, far_end = asked
    wire.answers(matrix(*bad_and_all(), warnings=["store 3 is away"]))

    blind(far_end.read(http_5xx(), AT), Cause.PARTIAL, "store 3 is away")


def test_hints_about_the_query_are_no_warnings(asked):
    wire, far_end = asked
    wire.answers(matrix(*bad_and_all(), infos=["metric might not be a counter"]))

    assert isinstance(far_end.read(http_5xx(), AT), Measured)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "success", "data": {"resultType": "vector", "result": []}},
        {"status": "success", "data": []},
        {"status": "success"},
        [],
        matrix(({"part": "bad"}, [[STAMP, "many"]])),
        matrix(({"part": "bad"}, [[STAMP]])),
        matrix(({}, [[STAMP, "1"]])),
        matrix(*bad_and_all(), *bad_and_all()),
    ],
)
def test_an_answer_of_another_shape_is_rejected(asked, body):
    wire, far_end = asked
    wire.answers(body)

    blind(far_end.read(http_5xx(), AT), Cause.REJECTED)


def test_a_time_of_another_shape_is_rejected(asked):
    wire, far_end = asked
    scalar = {"resultType": "scalar", "result": "soon"}
    wire.answers({"status": "success", "data": scalar})

    blind(far_end.now(), Cause.REJECTED)


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
def test_a_number_that_is_none_is_left_to_the_judge(asked, value):
    wire, far_end = asked
    labels = {"part": "all", "look": "0"}
    wire.answers(matrix((labels, [[NEWEST, value]])))

    reading = far_end.read(http_5xx(), AT)

    assert isinstance(reading, Measured)
    assert str(reading.looks[0].blocks[-1].parts["all"]) in {"nan", "inf"}


@pytest.mark.parametrize("scene", ["hang", "drip of head", "drip of body"])
def test_a_server_without_an_end_is_a_timeout_at_the_deadline(far, scene):
    wire, url = far
    match scene:
        case "hang":
            wire.hangs()
        case "drip of head":
            wire.drips(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        case _:
            wire.drips(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n{")
    with closing(prometheus(url, timeout=0.4)) as far_end:
        began = time.perf_counter()
        reading = far_end.read(http_5xx(), AT)
        took = time.perf_counter() - began
        # The same thread asks again: nothing is left over of the one before.
        wire.answers(matrix(*bad_and_all()))
        again = far_end.read(http_5xx(), AT)

    blind(reading, Cause.TIMEOUT, url, "within 400ms")
    # The far end would go on for 20 s.
    assert took < 15
    assert isinstance(again, Measured)


def test_an_answer_without_bounds_is_rejected(asked, monkeypatch):
    wire, far_end = asked
    monkeypatch.setattr("watchdog.observe.server.MOST_BYTES", 100_000)
    wire.answers(b"{" + b" " * 300_000)

    blind(far_end.read(http_5xx(), AT), Cause.REJECTED, "more than 100000 bytes")


def test_a_bound_that_is_no_bucket_names_the_bucket(asked):
    wire, far_end = asked

    def answer(handler):
        found = [({"part": "bucket", "look": "0"}, [[STAMP, "3"]])]
        is_second = "count(" in wire.asked[-1]["query"]
        wire.send(handler, matrix(*(found if is_second else [])))

    wire.answer = answer

    reading = far_end.read(http_5xx(kind=KINDS["latency"]), AT)

    assert reading == Blind(
        Cause.NO_SERIES, 'h has no bucket le="0.5": `over` must be a bucket\'s bound'
    )


def test_a_histogram_that_is_not_there_is_left_to_the_judge(asked):
    wire, far_end = asked

    assert isinstance(far_end.read(http_5xx(kind=KINDS["latency"]), AT), Measured)
    assert len(wire.asked) == 3


# ------------------------------------------------------------------- queries


@pytest.mark.parametrize(
    ("histogram", "meant"),
    [
        ("h", 'h_bucket{le="+Inf"}'),
        (" h {} ", 'h_bucket{le="+Inf"}'),
        ("h_bucket", 'h_bucket{le="+Inf"}'),
        ('h{job="dms",path="/a}b{",}', 'h_bucket{job="dms",path="/a}b{",le="+Inf"}'),
        (
            '{"http.duration",job="dms"}',
            '{"http.duration_bucket",job="dms",le="+Inf"}',
        ),
    ],
)
def test_the_bucket_joins_the_histograms_own_matchers(histogram, meant):
    query, name = promql.any_bucket(Latency(histogram, SECOND, 0.95), 15 * SECOND)

    assert f"count(last_over_time({meant}[30s]))" in query
    assert name in {"h", histogram}


@pytest.mark.parametrize(
    ("time", "meant"),
    [
        (SECOND, "1s"),
        (1.5 * SECOND, "1500ms"),
        (90 * SECOND, "90s"),
        (0.02 * SECOND, "20ms"),
    ],
)
def test_durations_are_written_as_the_server_takes_them(time, meant):
    assert duration(time) == meant


@pytest.mark.parametrize(
    ("over", "spelled", "others"),
    [
        (0.5, ["0.5", "0.50", "5e-01", "5.0E-1"], ["5", "0.05", "0a5", "0.51"]),
        (1.0, ["1", "1.0", "1e+00", "1.0E0"], ["10", "0.1", "1.5"]),
        (0.00025, ["0.00025", "2.5e-04", "2.5E-4"], ["0.0025", "2.5e-03"]),
        (10.0, ["10", "10.0", "1e+01", "1.0E1"], ["1", "100"]),
        (2.5, ["2.5", "2.50", "2.5e+00"], ["25", "2"]),
    ],
)
def test_a_bound_is_found_in_every_spelling_and_no_other(over, spelled, others):
    pattern = re.compile(promql._spellings(Decimal(str(over))))

    assert all(pattern.fullmatch(one) for one in spelled)
    assert not any(pattern.fullmatch(one) for one in others)


@pytest.mark.parametrize(
    ("expr", "is_selector"),
    [
        ("up", True),
        (' up{job="dms", x=~"a}b"} ', True),
        ('{"dms.ready",job="dms"}', True),
        ('{__name__="up"}', True),
        ('a{x="1"} + b{y="2"}', False),
        ("rate(x[5m])", False),
        ("up == 0", False),
    ],
)
def test_only_what_is_no_plain_selector_is_asked_with_older_samples_too(
    expr, is_selector
):
    query = promql.worst(expr, highest=True, scrape=15 * SECOND)

    assert promql.is_selector(expr) == is_selector
    assert ('"part", "older"' in query) == (not is_selector and "[" not in expr)
    assert ("last_over_time(" in query) == ("rate" not in expr)


@pytest.mark.parametrize(
    ("expr", "meant"),
    [
        ("up == 0", "(up and last_over_time(up[30s])) == 0"),
        ("rate(x[5m])", "rate(x[5m])"),
        ("sum by (up) (up)", "sum by (up) ((up and last_over_time(up[30s])))"),
        (
            "up offset 5m",
            "(up offset 5m and last_over_time(up[30s] offset 5m))",
        ),
        (
            "max_over_time(up[5m:15s])",
            "max_over_time((up and last_over_time(up[30s]))[5m:15s])",
        ),
        ("timestamp(up)", "timestamp(up)"),
        ("a # or b\n", "(a and last_over_time(a[30s])) # or b\n"),
        ("what is $this", "what is $this"),
    ],
)
def test_an_expression_looks_no_further_back_than_two_scrapes(expr, meant):
    assert fresh(expr, "30s") == meant


def test_a_value_on_which_older_samples_do_not_agree_is_late_and_stale(asked):
    wire, far_end = asked
    ends = [STAMP - back * 5 for back in range(25)]
    wire.answers(
        matrix(
            ({"part": "worst", "look": "0"}, [[at, "0"] for at in ends]),
            ({"part": "older", "look": "0"}, [[at, "1"] for at in ends]),
            ({"part": "past", "__name__": "up"}, [[at, "0"] for at in ends]),
        )
    )

    reading = far_end.read(down(kind=Value("count(up) or vector(0)")), AT)

    assert isinstance(reading, Measured)
    assert {tuple(one.parts.items()) for one in reading.looks[0].blocks} == {
        (("late", 1.0),)
    }
    assert not any(one.over for one in reading.looks[0].blocks)
    seen = judge(down(), reading, END - timedelta(days=1))
    assert isinstance(seen, Blind)
    assert seen.cause is Cause.STALE
    assert "older than two scrapes" in seen.words


# ------------------------------------------------- what is asked beside the looks

SINCE = END - timedelta(hours=2)
UNTIL = SINCE - 30 * SECOND


def hour_before(bad=3.0, every=1000.0, minutes=60):
    """Answer a baseline's minutes; other questions get what they get."""
    ends = [UNTIL.timestamp() - back * 60 for back in range(minutes)]
    return matrix(
        ({"part": "bad", "look": "0"}, [[end, str(bad)] for end in ends]),
        ({"part": "all", "look": "0"}, [[end, str(every)] for end in ends]),
    )


def answering(wire, **bodies):
    """Answer by what the question holds, first match first; else with nothing."""

    def answer(handler):
        query = wire.asked[-1]["query"]
        at_baseline = float(wire.asked[-1].get("end", 0)) == UNTIL.timestamp()
        for part, body in bodies.items():
            if part == "baseline" and at_baseline:
                return wire.send(handler, body)
            if part != "baseline" and part in query and not at_baseline:
                return wire.send(handler, body)
        return wire.send(handler, matrix())

    wire.answer = answer


def test_the_hour_before_a_start_is_asked_once(asked):
    wire, far_end = asked
    answering(wire, baseline=hour_before(), errors=matrix(*bad_and_all()))

    readings = [
        far_end.read(http_5xx(), AT + n * 5 * SECOND, SINCE, None) for n in range(3)
    ]

    before = readings[0].before
    assert before == Before(
        since=UNTIL - timedelta(hours=1),
        until=UNTIL,
        whole={"bad": 180.0, "all": 60_000.0, "seconds": 3600.0},
        last={"bad": 30.0, "all": 10_000.0, "seconds": 600.0},
    )
    assert [one.before for one in readings] == [before] * 3
    assert len(wire.asked) == 4
    (sent,) = [one for one in wire.asked if float(one["end"]) < STAMP]
    assert (float(sent["start"]), float(sent["end"])) == (
        UNTIL.timestamp() - 3540,
        UNTIL.timestamp(),
    )
    assert sent["step"] == "60s"
    assert "last_over_time(errors[60s])" in sent["query"]


def test_another_start_has_another_hour_before(asked):
    wire, far_end = asked

    far_end.read(http_5xx(), AT, SINCE)
    far_end.read(http_5xx(), AT, SINCE + timedelta(hours=1))
    far_end.read(http_5xx(name="Other"), AT, SINCE)

    # The same question of two triggers is one question; each hour is empty, so the
    # day is asked too.
    assert len(wire.asked) == 7


def test_nothing_is_asked_of_the_time_before_where_nothing_is_compared(asked):
    wire, far_end = asked

    alone = far_end.read(http_5xx(), AT)
    put_back = far_end.read(http_5xx(), AT, SINCE, compare=False)

    assert alone.before is None
    assert put_back.before is None
    assert len(wire.asked) == 2


def test_the_run_before_it_bounds_the_hour_before(asked):
    wire, far_end = asked
    wire.answers(matrix())

    half = far_end.read(http_5xx(), AT, SINCE, SINCE - timedelta(minutes=30))
    assert len(wire.asked) == 2  # there is no more than that to ask about
    short = far_end.read(http_5xx(), AT, SINCE, SINCE - timedelta(minutes=5))
    none = far_end.read(http_5xx(), AT, SINCE, SINCE - timedelta(seconds=61))

    assert half.before == Before(UNTIL - timedelta(minutes=29), UNTIL)
    # Four minutes in blocks of two scrapes: 30 s each.
    assert short.before == Before(UNTIL - timedelta(minutes=4), UNTIL)
    assert wire.asked[-2]["step"] == "30s"
    assert none.before == Before(UNTIL, UNTIL)


def test_a_few_seconds_before_are_counted_in_scrapes(far):
    wire, url = far
    with closing(Prometheus(url, 5 * SECOND, SECOND, SECOND)) as far_end:
        far_end.read(awb(), AT, SINCE, SINCE - 25 * SECOND)

    (sent,) = [one for one in wire.asked if one["step"] == "2s"]
    assert float(sent["end"]) - float(sent["start"]) == 18


def test_a_start_just_now_has_no_past_that_could_be_kept(asked):
    wire, far_end = asked
    now = AT + 40 * SECOND

    for late in range(3):
        far_end.read(http_5xx(), AT + late * SECOND, now)

    assert len(wire.asked) == 9


def test_a_failed_question_about_the_past_is_not_kept(far):
    wire, url = far
    with closing(prometheus(url, timeout=0.6)) as far_end:
        fine = wire.answer
        refused = {"status": "error", "errorType": "execution", "error": "too many"}

        def answer(handler):
            is_past = float(wire.asked[-1]["end"]) < STAMP
            wire.send(
                handler, refused if is_past else matrix(), 422 if is_past else 200
            )

        wire.answer = answer
        failed = [far_end.read(http_5xx(), AT, SINCE) for _ in range(3)]
        asked_meanwhile = len(wire.asked)
        wire.answer = fine
        time.sleep(3.1)
        again = far_end.read(http_5xx(), AT, SINCE)

    for reading in failed:
        blind(reading.before, Cause.REJECTED, "too many")
    assert asked_meanwhile == 4  # at once it would fail again
    assert again.before == Before(UNTIL - timedelta(days=1), UNTIL)


def test_what_is_kept_of_the_past_is_bounded(asked, monkeypatch):
    _, far_end = asked
    monkeypatch.setattr("watchdog.observe.once.MOST_KEPT", 3)

    for n in range(9):
        far_end.read(http_5xx(), AT, SINCE - n * timedelta(hours=1))

    assert len(far_end._background._once._kept) == 3


def test_where_little_happened_in_the_hour_before_the_day_is_asked(asked):
    wire, far_end = asked
    answering(wire, baseline=hour_before(0.0, 1.0))

    quiet = far_end.read(http_5xx(), AT, SINCE).before

    day = wire.asked[-1]
    assert day["step"] == "600s"
    assert float(day["end"]) - float(day["start"]) == 143 * 600
    assert "last_over_time(errors[600s])" in day["query"]
    assert quiet.since == UNTIL - timedelta(days=1)
    assert quiet.last == {"bad": 0.0, "all": 10.0, "seconds": 600.0}


def test_no_day_before_goes_back_past_the_run_before(asked):
    wire, far_end = asked
    answering(wire, baseline=hour_before(0.0, 1.0))

    quiet = far_end.read(http_5xx(), AT, SINCE, SINCE - timedelta(hours=3)).before

    assert quiet.since == UNTIL - timedelta(minutes=170)


def test_of_a_queue_the_most_that_it_drained_in_a_window_is_asked(asked):
    wire, far_end = asked

    def answer(handler):
        sent = wire.asked[-1]
        width = float(sent["step"].removesuffix("s"))
        ends = [UNTIL.timestamp() - back * width for back in range(60)]
        out = [[end, "4500" if n == 50 else "90"] for n, end in enumerate(ends)]
        parts = ({"part": part, "look": "0"} for part in ("in", "out"))
        wire.send(handler, matrix(*((labels, out) for labels in parts)))

    wire.answer = answer

    before = far_end.read(outbox(), AT, SINCE).before

    assert wire.asked[-1]["step"] == "900s"
    assert before.most == 4500.0
    assert before.since == UNTIL - timedelta(days=1)


def test_a_queue_before_is_what_came_and_went(asked):
    wire, far_end = asked
    ends = [UNTIL.timestamp() - back * 60 for back in range(60)]
    flow = matrix(
        ({"part": "in", "look": "0"}, [[end, "90"] for end in ends]),
        ({"part": "out", "look": "0"}, [[end, "80"] for end in ends[:30]]),
    )
    answering(wire, baseline=flow)

    reading = far_end.read(outbox(), AT, SINCE)

    # A minute without one of the two is no minute.
    assert reading.before.whole == {"in": 2700.0, "out": 2400.0, "seconds": 1800.0}
    assert reading.before.last == {"in": 900.0, "out": 800.0, "seconds": 600.0}
    assert "floor" not in wire.asked[-1]["query"]


def test_a_value_before_is_the_worst_of_ten_minutes(asked):
    wire, far_end = asked
    ends = [UNTIL.timestamp() - back * 15 for back in range(40)]
    odd = {0: "NaN", 9: "0.5"}
    values = [[end, odd.get(place, "1")] for place, end in enumerate(ends)]
    answering(wire, baseline=matrix(({"part": "worst", "look": "0"}, values)))

    reading = far_end.read(down(), AT, SINCE)

    assert reading.before.last == {"worst": 0.5}
    sent = wire.asked[-1]
    assert float(sent["end"]) - float(sent["start"]) == 39 * 15


def test_a_finished_query_is_asked_of_the_past_too(asked):
    wire, far_end = asked
    answering(wire, baseline=hour_before())

    reading = far_end.read(http_5xx(kind=KINDS["query"]), AT, SINCE)

    assert reading.before.whole["all"] == 60_000.0


def test_an_outside_cause_is_asked_over_the_whole_window(asked):
    wire, far_end = asked
    held = [[STAMP - 60, "1"], [STAMP - 45, "1"], [STAMP - 30, "0"]]
    answering(wire, carrier=matrix(({"pod": "a"}, held), ({}, [[STAMP - 90, "NaN"]])))
    trigger = http_5xx(unless="carrier_api_up == bool 0 # theirs")

    reading = far_end.read(trigger, AT)

    assert reading.outside == Outside(END - 45 * SECOND)
    sent = wire.asked[-1]
    assert sent["query"] == "\ncarrier_api_up == bool 0 # theirs\n"
    assert sent["step"] == "15s"
    assert float(sent["end"]) == STAMP + 15
    assert float(sent["end"]) - float(sent["start"]) >= 300


def test_what_a_comparison_lets_through_holds_although_it_is_zero(asked):
    wire, far_end = asked
    held = [[STAMP - 60, "0"], [STAMP - 45, "0"]]
    answering(wire, carrier=matrix(({}, held)))

    for unless in ("carrier == 0", 'carrier{a="x"} <0', "sum(carrier) !=1"):
        reading = far_end.read(http_5xx(unless=unless), AT)
        assert reading.outside == Outside(END - 45 * SECOND)
    for unless in ("carrier", 'carrier{a!="<"} # > 1', "max(carrier) == bool 1"):
        assert far_end.read(http_5xx(unless=unless), AT).outside == Outside(None)


def test_an_outside_cause_that_does_not_hold_is_none(asked):
    _, far_end = asked

    assert far_end.read(http_5xx(unless="x > 1"), AT).outside == Outside(None)
    assert far_end.read(http_5xx(), AT).outside is None


@pytest.mark.parametrize(
    ("body", "status"),
    [({"status": "error", "errorType": "bad_data", "error": "no"}, 400), (b"{}", 200)],
)
def test_an_outside_cause_that_cannot_be_asked_is_blind_by_itself(asked, body, status):
    wire, far_end = asked

    def answer(handler):
        is_cause = "carrier" in wire.asked[-1]["query"]
        wire.send(handler, body if is_cause else matrix(), status if is_cause else 200)

    wire.answer = answer

    reading = far_end.read(http_5xx(unless="carrier == 0"), AT)

    blind(reading.outside, Cause.REJECTED)
    assert isinstance(reading, Measured)


def test_an_outside_cause_of_another_shape_is_blind_by_itself(asked):
    wire, far_end = asked
    answering(wire, carrier=matrix(({}, [[STAMP, "soon"]])))

    blind(far_end.read(http_5xx(unless="carrier"), AT).outside, Cause.REJECTED)


def test_a_server_that_is_late_is_not_asked_the_rest(far):
    wire, url = far

    def answer(handler):
        if "carrier" in wire.asked[-1]["query"]:
            wire.over.wait(20)
        else:
            wire.send(handler, matrix())

    wire.answer = answer
    with closing(prometheus(url, timeout=2)) as far_end:
        trigger = http_5xx(unless="carrier == 0", by="tenant")
        reading = far_end.read(trigger, AT, SINCE)

    blind(reading.outside, Cause.TIMEOUT)
    assert (reading.before, reading.groups) == (None, None)
    assert len(wire.asked) == 2


def vector(*series):
    result = [{"metric": labels, "value": [STAMP, value]} for labels, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_groups_are_one_question_however_many_there_are(asked):
    wire, far_end = asked
    tenants = [
        ({"tenant": f"t{n}", "part": part}, value)
        for n in range(1000)
        for part, value in (("bad", "9"), ("all", "40"))
    ]
    odd = [({"part": "all"}, "7"), ({"tenant": "x", "part": "all"}, "NaN")]
    odd.append(({"tenant": "no-total", "part": "bad"}, "7"))
    answering(
        wire,
        **{
            "group by": vector(({"tenant": "t1"}, "1")),
            "by (tenant)": vector(*tenants, *odd),
        },
    )
    trigger = http_5xx(by="tenant")

    reading = far_end.read(trigger, AT, SINCE)
    again = far_end.read(trigger, AT + 5 * SECOND, SINCE)

    assert len(reading.groups.counts) == 1001
    assert reading.groups.counts["t7"] == (9.0, 40.0)
    assert reading.groups.counts[""] == (0.0, 7.0)
    assert reading.groups.before == {"t1"}
    assert again.groups == reading.groups
    # Two a turn; the past of the counts, twice, and of the tenants once.
    assert len(wire.asked) == 7
    (named,) = [one for one in wire.asked if "group by" in one["query"]]
    assert named["query"] == "group by (tenant) (last_over_time(total[3600s]))"
    counted = [one for one in wire.asked if "sum by (tenant)" in one["query"]]
    assert "sum by (tenant) (rate(errors[315s]) * 300)" in counted[0]["query"]


def test_groups_are_counted_from_the_start_of_the_pair_only(asked):
    wire, far_end = asked
    answering(wire, **{"by (tenant)": vector()})
    trigger = http_5xx(by="tenant")

    far_end.read(trigger, AT, NOW - 150 * SECOND, compare=False)
    too_young = far_end.read(trigger, AT, NOW - 40 * SECOND, compare=False)

    assert "[135s]) * 120" in wire.asked[1]["query"]
    assert too_young.groups is None
    assert len(wire.asked) == 4  # the third asks for the tenants of before


def test_a_histogram_is_counted_by_group_too(asked):
    wire, far_end = asked
    labels = {"tenant": "a"}
    body = vector((labels | {"part": "bad"}, "1"), (labels | {"part": "all"}, "9"))
    answering(wire, **{"by (tenant)": body, "h_bucket": matrix(*bad_and_all())})

    reading = far_end.read(http_5xx(kind=KINDS["latency"], by="tenant"), AT)

    assert reading.groups == Groups({"a": (1.0, 9.0)})
    assert "sum by (tenant) (rate(h_bucket{" in wire.asked[-1]["query"]


def test_groups_that_are_not_answered_are_blind_by_themselves(asked):
    wire, far_end = asked

    def answer(handler):
        is_group = "by (tenant)" in wire.asked[-1]["query"]
        wire.send(handler, {} if is_group else matrix(), 422 if is_group else 200)

    wire.answer = answer

    blind(far_end.read(http_5xx(by="tenant"), AT).groups, Cause.REJECTED)


def test_groups_whose_past_is_not_known_are_counted_all_the_same(asked):
    wire, far_end = asked

    def answer(handler):
        query = wire.asked[-1]["query"]
        if "group by" in query:
            wire.send(handler, {}, 422)
        else:
            wire.send(handler, vector() if "by (tenant" in query else matrix())

    wire.answer = answer

    assert far_end.read(http_5xx(by="tenant"), AT, SINCE).groups == Groups({})


def test_what_has_no_labels_left_is_not_counted_by_group(asked):
    _, far_end = asked

    assert far_end.read(http_5xx(kind=KINDS["query"], by="tenant"), AT).groups is None


def test_what_happened_in_a_gap_came_with_the_scrape_after_it(asked):
    wire, far_end = asked
    moments = [[NEWEST - back * 15, "1200"] for back in (0, 1, 3, 4)]
    wire.answers(matrix(({"part": "all", "look": "0"}, moments)))

    reading = far_end.read(http_5xx(), AT)

    assert reading.looks[0].gaps == {NOW - 30 * SECOND: {"bad": 0.0, "all": 0.0}}
    assert len(wire.asked) == 1


def test_a_gap_that_is_longer_than_counters_are_looked_back_for_is_not_known(asked):
    wire, far_end = asked
    moments = [[NEWEST - back * 15, "1200"] for back in (0, 1, 25, 26)]
    wire.answers(matrix(({"part": "all", "look": "0"}, moments)))

    assert far_end.read(http_5xx(), AT).looks[0].gaps == {}


def test_a_gap_of_a_finished_query_is_asked_by_itself(asked):
    wire, far_end = asked
    moments = [[STAMP - back * 15, "1200"] for back in (0, 1, 3, 4)]
    trigger = http_5xx(kind=KINDS["query"])
    around = matrix(({"part": "all", "look": "0"}, [[STAMP - 15, "3000"]]))
    whole = matrix(({"part": "all", "look": "0"}, moments))
    answering(wire, **{"[60s]": around, "all[": whole})

    reading = far_end.read(trigger, AT)

    assert reading.looks[0].gaps == {END - 30 * SECOND: {"bad": 0.0, "all": 600.0}}


def test_a_gap_that_is_not_answered_stays_unknown(asked):
    wire, far_end = asked
    moments = [[STAMP - back * 15, "1200"] for back in (0, 1, 3, 4)]
    answering(
        wire,
        **{
            "[60s]": matrix(),
            "all[": matrix(({"part": "all", "look": "0"}, moments)),
        },
    )

    assert far_end.read(http_5xx(kind=KINDS["query"]), AT).looks[0].gaps == {}


def test_a_value_brings_each_series_past_its_bound(asked):
    wire, far_end = asked
    past = {"__name__": "up", "job": "dms", "part": "past"}
    wire.answers(
        matrix(
            ({"part": "worst", "look": "0"}, [[STAMP, "0"]]),
            ({"part": "sum", "look": "0"}, [[STAMP, "1"]]),
            (past | {"pod": 'a"'}, [[STAMP, "0"], [STAMP - 5, "-Inf"]]),
            ({"part": "past"}, [[STAMP, "0.5"]]),
        )
    )

    reading = far_end.read(down(), AT)

    block = reading.looks[0].blocks[-1]
    assert block.parts == {"worst": 0.0}
    assert block.over == {'up{job="dms",pod="a\\""}': 0.0, "": 0.5}
    assert reading.looks[0].blocks[-2].over == {}
    assert "(last_over_time(up[30s])) < 1.0" in wire.asked[0]["query"]


def test_what_promql_warns_of_is_quoted_and_is_no_half_of_an_answer(asked):
    wire, far_end = asked
    said = "PromQL warning: vector contains incompatible custom buckets (1:1)"
    wire.answers(matrix(warnings=[said]))
    reading = far_end.read(http_5xx(), AT)

    assert isinstance(reading, Blind)
    assert reading.cause is Cause.NONSENSE
    assert said in reading.words


def test_what_promql_only_remarks_blinds_nothing(asked):
    wire, far_end = asked
    said = 'PromQL info: metric might not be a counter, "errors" (1:1)'
    wire.answers(matrix(warnings=[said]))

    assert isinstance(far_end.read(http_5xx(), AT), Measured)


def test_a_store_that_is_missing_beside_what_promql_warns_of_is_a_half(asked):
    wire, far_end = asked
    wire.answers(matrix(warnings=["PromQL warning: odd", "store 2 is away"]))
    reading = far_end.read(http_5xx(), AT)

    assert isinstance(reading, Blind)
    assert reading.cause is Cause.PARTIAL


def test_a_histogram_with_buckets_is_asked_for_no_function_of_native_ones(asked):
    wire, far_end = asked
    wire.answers(matrix(*bad_and_all()))
    far_end.read(http_5xx(kind=KINDS["latency"]), AT)

    assert wire.asked
    assert not any("histogram_" in one["query"] for one in wire.asked)
