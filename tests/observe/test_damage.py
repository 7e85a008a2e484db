"""Whatever is answered: one trigger is blind, nothing is raised, nothing breaches."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.judge.samples import awb, down, http_5xx, outbox
from tests.observe.wire import matrix, running
from tests.thorough import TIMES
from watchdog.facts.reading import Blind, Cause, Measured
from watchdog.facts.verdict import Breached, Clear
from watchdog.judge.breach import judge
from watchdog.observe.arming import Arming
from watchdog.observe.history import Past
from watchdog.observe.prometheus import Prometheus
from watchdog.observe.samples import NoNumber, number_of, time_of

SECOND = timedelta(seconds=1)
SCRAPE = 15 * SECOND
AT = datetime(2026, 3, 11, 3, 0, 15, tzinfo=UTC)
STAMP = (AT - SCRAPE).timestamp()
# What is counted is read up to two seconds ago.
COUNTED = (AT - SECOND).timestamp()
LONG_AGO = AT - timedelta(days=1)
SINCE = AT - timedelta(hours=2)


def samples(text, *, every=60, count=16, end=STAMP):
    """Write one value at each place of a grid that ends with the newest look."""
    return [[end - back * every, text] for back in reversed(range(count))]


# Each trigger with an answer that makes it clear.
SOUND = {
    "ratio": (
        http_5xx(),
        [
            (
                {"part": "bad", "look": "0"},
                samples("1", every=15, count=24, end=COUNTED),
            ),
            (
                {"part": "all", "look": "0"},
                samples("1200", every=15, count=24, end=COUNTED),
            ),
        ],
    ),
    "at once": (
        awb(),
        [
            (
                {"part": "bad", "look": "0"},
                samples("0", every=15, count=24, end=COUNTED),
            ),
            (
                {"part": "all", "look": "0"},
                samples("600", every=15, count=24, end=COUNTED),
            ),
        ],
    ),
    "queue": (
        outbox(),
        [
            ({"part": "floor", "look": "0"}, samples("7", every=180)),
            ({"part": "in", "look": "0"}, samples("500", every=180)),
            ({"part": "out", "look": "0"}, samples("500", every=180)),
        ],
    ),
    "value": (
        down(),
        [
            ({"part": "worst", "look": "0"}, samples("1", every=5, count=30)),
            ({"part": "sum", "look": "0"}, samples("3", every=5, count=30)),
        ],
    ),
}

# What no honest Prometheus writes where a value belongs, and what it writes of none.
ODD = [
    "1_000",
    " 7 ",
    "\u0667",
    "1e5_0",
    "0x10",
    "infinity",
    "nan",
    "-NaN",
    "many",
    "",
    "1,5",
    "9" * 400,
    "1e999",
    True,
    False,
    7,
    0.5,
    None,
    [],
    {},
    "NaN",
    "+Inf",
    "-Inf",
    "1e308",
    "-1e308",
    "179769313486231570814527423731704356798070" + "0" * 267,
]
ODD_TIMES = [
    True,
    None,
    "now",
    str(STAMP),
    -1,
    1e300,
    10**400,
    [],
    {},
    float("nan"),
    float("inf"),
    STAMP + 0.5,
    253402300800,
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["NaN", "1e308", "part", "bad", "all", "worst", "0"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["metric", "values", "value", "part", "look", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
MANY = settings(
    max_examples=20 * TIMES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def asked():
    with running() as (wire, url):
        far_end = Prometheus(url, 30 * SECOND, SCRAPE, 5 * SECOND)
        with closing(far_end):
            yield wire, far_end


def judged(far_end, trigger):
    reading = far_end.read(trigger, AT, SINCE)
    assert isinstance(reading, Blind | Measured)
    return judge(trigger, reading, LONG_AGO)


@pytest.mark.parametrize("kind", SOUND)
def test_what_is_damaged_below_is_clear_when_it_is_whole(asked, kind):
    wire, far_end = asked
    trigger, series = SOUND[kind]
    wire.answers(matrix(*series))

    assert isinstance(judged(far_end, trigger), Clear)


@MANY
@given(data=st.data())
def test_odd_samples_raise_nothing_and_breach_nothing(asked, data):
    wire, far_end = asked
    trigger, series = SOUND[data.draw(st.sampled_from(sorted(SOUND)))]
    whole = json.loads(json.dumps(matrix(*series)))
    result = whole["data"]["result"]
    for _ in range(data.draw(st.integers(1, 4))):
        values = data.draw(st.sampled_from(result))["values"]
        place = data.draw(st.integers(0, len(values) - 1))
        match data.draw(st.sampled_from(["value", "time", "pair", "gone", "twice"])):
            case "value":
                at = STAMP - 60 * data.draw(st.integers(0, 5))
                values[place] = [at, data.draw(st.sampled_from(ODD))]
            case "time":
                values[place] = [data.draw(st.sampled_from(ODD_TIMES)), "1"]
            case "pair":
                values[place] = data.draw(JSON)
            case "gone":
                del values[place + 1 :]
            case "twice":
                values.append(values[place])
    wire.answers(whole)

    assert not isinstance(judged(far_end, trigger), Breached)


@MANY
@given(data=st.data())
def test_odd_shapes_raise_nothing_and_breach_nothing(asked, data):
    wire, far_end = asked
    trigger, series = SOUND[data.draw(st.sampled_from(sorted(SOUND)))]
    whole = json.loads(json.dumps(matrix(*series)))
    what = data.draw(st.sampled_from(["envelope", "data", "result", "one", "metric"]))
    odd = data.draw(JSON)
    match what:
        case "envelope":
            key = data.draw(
                st.sampled_from(["status", "data", "warnings", "isPartial"])
            )
            whole[key] = odd
        case "data":
            whole["data"][data.draw(st.sampled_from(["resultType", "result"]))] = odd
        case "result":
            whole["data"]["result"].append(odd)
        case "one":
            one = data.draw(st.sampled_from(whole["data"]["result"]))
            one[data.draw(st.sampled_from(["metric", "values"]))] = odd
        case "metric":
            one = data.draw(st.sampled_from(whole["data"]["result"]))
            one["metric"][data.draw(st.sampled_from(["part", "look", "x"]))] = odd
    wire.answers(whole)

    assert not isinstance(judged(far_end, trigger), Breached)
    assert far_end.now()
    far_end.instant("up", AT)
    Arming(far_end, SCRAPE).try_out(trigger, AT, SINCE)


@MANY
@given(body=st.binary(max_size=64) | JSON.map(lambda it: json.dumps(it).encode()))
def test_any_bytes_are_blindness(asked, body):
    wire, far_end = asked
    wire.answers(body)

    assert isinstance(judged(far_end, http_5xx()), Blind)
    assert isinstance(far_end.now(), Blind)
    assert isinstance(far_end.instant("up", AT), Blind)


@pytest.mark.parametrize("odd", [*ODD[:20], "1e999"], ids=repr)
@pytest.mark.parametrize("kind", SOUND)
def test_a_value_that_prometheus_never_writes_is_blindness(asked, kind, odd):
    wire, far_end = asked
    trigger, series = SOUND[kind]
    whole = json.loads(json.dumps(matrix(*series)))
    for one in whole["data"]["result"]:
        for sample in one["values"]:
            sample[1] = odd
    wire.answers(whole)

    seen = judged(far_end, trigger)
    assert isinstance(seen, Blind)
    assert seen.cause in {Cause.NONSENSE, Cause.REJECTED}


@pytest.mark.parametrize(
    "odd", ["1_000", " 7 ", "\u0667", "nan", "infinity", "1e999", True, 7, "9" * 400]
)
def test_a_number_in_another_grammar_is_nonsense(asked, odd):
    wire, far_end = asked
    wire.answers(matrix(({"part": "all", "look": "0"}, [[STAMP, odd]])))

    seen = judged(far_end, http_5xx())
    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NONSENSE
    assert len(seen.words) < 300


@pytest.mark.parametrize("kind", ["ratio", "at once", "queue"])
def test_samples_whose_sum_no_float_holds_are_nonsense(asked, kind):
    wire, far_end = asked
    trigger, series = SOUND[kind]
    wire.answers(
        matrix(
            *[
                (labels, [[at, "1e308"] for at, _ in values])
                for labels, values in series
            ]
        )
    )

    seen = judged(far_end, trigger)
    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NONSENSE


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"data":' + b"[" * 100_000]
)
def test_what_is_nested_beyond_all_reason_is_nonsense(asked, body):
    wire, far_end = asked
    wire.answers(body)

    for seen in (judged(far_end, http_5xx()), far_end.now(), far_end.instant("x", AT)):
        assert isinstance(seen, Blind)
        assert seen.cause is Cause.NONSENSE
        assert "nested too deep" in seen.words


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "7",
        "-7",
        "1.5",
        "0.00001",
        "1e-7",
        "1.5e+21",
        "1e+308",
        "NaN",
        "+Inf",
        "-Inf",
    ],
)
def test_what_prometheus_writes_is_read(text):
    seen = number_of(text)

    assert repr(seen) == repr(float(text))


@pytest.mark.parametrize(
    "odd", [one for one in ODD_TIMES if one != STAMP + 0.5], ids=repr
)
def test_a_time_beyond_all_calendars_is_none(odd):
    with pytest.raises(NoNumber):
        time_of(odd)


def test_a_backtest_over_odd_samples_goes_on(asked):
    wire, _ = asked
    trigger, series = SOUND["ratio"]
    late = COUNTED - STAMP  # a backtest looks at whole minutes
    odd = [
        (
            labels,
            [
                [at - late, "1e308" if n == 7 else text]
                for n, (at, text) in enumerate(values)
            ],
        )
        for labels, values in series
    ]
    wire.answers(matrix(*odd))
    url = f"http://127.0.0.1:{_port(asked)}"
    with closing(Past(url, SCRAPE, 5 * SECOND)) as past:
        track = past.track(
            trigger,
            AT - timedelta(minutes=10),
            AT,
            step=timedelta(minutes=1),
            armed_from=LONG_AGO,
        )

    kinds = {(one.kind, one.cause) for one in track.stretches}
    assert ("breached", "") not in kinds
    assert ("blind", "nonsense") in kinds


def _port(asked):
    return asked[1]._server.url.rpartition(":")[2]
