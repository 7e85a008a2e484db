"""Errors that were renamed, and replicas that nobody scrapes, on a real Prometheus."""

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.judge.samples import http_5xx
from tests.real import prometheus as real
from tests.real import remote
from tests.real.test_edges import LONG_HEAD
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trigger import Queue, Ratio, RatioQuery
from watchdog.facts.verdict import Breached, Clear
from watchdog.judge.breach import judge
from watchdog.observe import whole
from watchdog.observe.prometheus import Prometheus
from watchdog.observe.spoken import errors_of, lately_question

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SCRAPE = 15 * SECOND
END = datetime(2026, 3, 11, 3, 0, 0, tzinfo=UTC)
LAST = END.timestamp()
# A release that started half an hour before; what ran before ended then.
START = END - 30 * MINUTE
ARMED = START + MINUTE


def counter(name, labels, *, rate, begin=-5400, end=0):
    """Scrape a counter every 15 s, from *begin* to *end* seconds from the end."""
    return [
        real.line(name, labels, rate * (at - begin), LAST + at)
        for at in range(begin, end + 1, 15)
    ]


def old(name, case, rate=2, **labels):
    return counter(name, {"case": case, **labels}, rate=rate, end=-1815)


def new(name, case, rate=2, **labels):
    return counter(name, {"case": case, **labels}, rate=rate, begin=-1800)


# And one of which nobody changed anything for two days.
OLD = END - 50 * HOUR
SERIES = [
    *counter("fail_total", {"case": "aged"}, rate=0.01, begin=-190_000, end=-180_015),
    *counter("scans_total", {"case": "aged"}, rate=2),
    # Of its three queues one is scraped on some containers only.
    *(
        line
        for name, count in (("depth", 1), ("in_total", 3), ("out_total", 2))
        for n in range(1, count + 1)
        for line in new(name, "queue", instance=f"10.0.0.{n}:80")
    ),
    # The label that told errors has another name.
    *old("req_total", "label", code="200"),
    *old("req_total", "label", rate=0.01, code="500"),
    *new("req_total", "label", status="200"),
    *new("req_total", "label", status="500"),
    # The errors have another name, and no labels of their own.
    *old("scans_total", "name"),
    *old("fail_total", "name", rate=0.01),
    *new("scans_total", "name"),
    *new("failures_total", "name"),
    # There were errors before, and none yet.
    *old("req_total", "none", code="200"),
    *old("req_total", "none", rate=0.01, code="500"),
    *new("req_total", "none", code="200"),
    # The value that told errors has another name.
    *old("req_total", "word", code="200"),
    *old("req_total", "word", rate=0.01, code="500"),
    *new("req_total", "word", code="200"),
    *new("req_total", "word", rate=0.01, code="internal"),
    *old("req_total", "class", code="2xx"),
    *old("req_total", "class", rate=0.01, code="5xx"),
    *new("req_total", "class", code="200"),
    *old("jobs_total", "other", how="ok"),
    *old("jobs_total", "other", rate=0.01, how="failed"),
    *new("jobs_total", "other", how="ok"),
    *new("jobs_total", "other", rate=0.01, how="error"),
    # So it was in the release before already, and they are not forgotten for that.
    *counter("jobs_total", {"case": "twice", "how": "ok"}, rate=2, end=-3615),
    *counter("jobs_total", {"case": "twice", "how": "failed"}, rate=1, end=-3615),
    *counter(
        "jobs_total", {"case": "twice", "how": "error"}, rate=1, begin=-3600, end=-1815
    ),
    *new("jobs_total", "twice", how="ok"),
    *new("jobs_total", "twice", rate=1, how="error"),
    # They were there at 0 from the start, and are not any more.
    *old("jobs_total", "zero", how="ok"),
    *old("jobs_total", "zero", rate=0, how="lost"),
    *new("jobs_total", "zero", how="ok"),
    # What is left out of the errors has another label, or another value.
    *old("but_total", "label", code="200"),
    *old("but_total", "label", rate=0.01, code="500"),
    *new("but_total", "label", status="200"),
    *old("but_total", "value", code="200"),
    *old("but_total", "value", rate=0.01, code="500"),
    *new("but_total", "value", code="201"),
    *new("but_total", "value", rate=0.01, code="500"),
    *old("but_total", "bad", code="200"),
    *new("but_total", "bad", code="200"),
    *new("but_total", "bad", rate=0.01, code="201"),
    *new("but_total", "bad", rate=1, code="500"),
    *old("but_total", "word", code="ok"),
    *new("but_total", "word", code="failed"),
    # A new status is none that took the place of another.
    *old("req_total", "more", code="200"),
    *old("req_total", "more", rate=0.01, code="500"),
    *new("req_total", "more", code="204"),
    *new("req_total", "more", rate=0.01, code="404"),
    *old("jobs_total", "added", how="ok"),
    *old("jobs_total", "added", rate=0.01, how="failed"),
    *new("jobs_total", "added", how="ok"),
    *new("jobs_total", "added", rate=0.01, how="skipped"),
    # What fails rarely said so days before.
    *old("jobs_total", "rare", how="ok"),
    *old("jobs_total", "rare", rate=0.01, how="failed"),
    *counter(
        "jobs_total",
        {"case": "rare", "how": "timeout"},
        rate=0.01,
        begin=-300_000,
        end=-298_000,
    ),
    *new("jobs_total", "rare", how="ok"),
    *new("jobs_total", "rare", rate=0.01, how="timeout"),
    # There were errors of what runs, before its container began anew.
    *old("req_total", "anew", code="200"),
    *old("req_total", "anew", rate=0.01, code="500"),
    *new("req_total", "anew", code="200"),
    *counter("fail_total", {"case": "anew"}, rate=0.01, begin=-1000, end=-700),
    *old("fail_total", "anew"),
    *counter("scans_total", {"case": "anew"}, rate=2),
    # There was never any.
    *old("req_total", "never", code="200"),
    *new("req_total", "never", code="200"),
    # Three containers, of which two are scraped; and a third that is down.
    *(
        line
        for n in (1, 2)
        for line in new("req_total", "two", code="200", instance=f"10.0.0.{n}:80")
    ),
    *(
        line
        for n in (1, 2, 3)
        for line in new("req_total", "three", code="200", instance=f"10.0.0.{n}:80")
    ),
    *new("req_total", "one", code="200", instance="10.0.0.1:80", job="one"),
    *new("up", "one", rate=0, instance="10.0.0.2:80", job="one"),
    *new("req_total", "service", code="200", instance="dms:5269"),
    *new("req_total", "proxy", code="200", instance="traefik:8080"),
    *new("req_total", "alone", code="200", instance="10.0.0.1:80"),
    *new("req_total", "bad", code="200", instance="10.0.0.1:80"),
    *new("req_total", "bad", code="500", instance="10.0.0.2:80"),
    *new("req_total", "lost", code="200", instance="10.0.0.1:80"),
    *counter(
        "req_total",
        {"case": "lost", "code": "200", "instance": "10.0.0.2:80"},
        rate=2,
        begin=-1800,
        end=-900,
    ),
]


@pytest.fixture(scope="module", params=real.BINARIES)
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with real.asked(request.param, folder, SERIES) as asked:
        yield asked


def verdict(server, kind, **replicas):
    trigger = http_5xx(kind=kind)
    readings = server.read_all([trigger], END, START, replicas=replicas)
    return judge(trigger, readings[trigger.name], ARMED)


def requests(case, job=""):
    own = f'case="{case}"' + (f',job="{job}"' if job else "")
    return Ratio(f'req_total{{{own},code=~"5.."}}', f"req_total{{{own}}}")


@pytest.mark.parametrize(
    "kind",
    [
        requests("label"),
        Ratio('fail_total{case="name"}', 'scans_total{case="name"}'),
        Ratio('fail_total{case="name",reason!="x"}', 'scans_total{case="name"}'),
        RatioQuery(
            'sum(increase(req_total{case="label",code=~"5.."}[{{ window }}]))',
            'sum(increase(req_total{case="label"}[{{ window }}]))',
        ),
        RatioQuery(
            'sum(rate(fail_total{case="name"}[{{ window }}])) * 60 or vector(0)',
            'sum(rate(scans_total{case="name"}[{{ window }}])) * 60',
        ),
    ],
)
def test_errors_that_were_renamed_are_not_zero_errors(server, kind):
    seen = verdict(server, kind)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NO_SERIES
    assert "` matched 1 series in the day before" in seen.words
    assert "nothing of what runs now" in seen.words


def jobs(case, how="failed"):
    own = f'case="{case}"'
    return Ratio(f'jobs_total{{{own},how="{how}"}}', f"jobs_total{{{own}}}")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (requests("word"), "`code` says internal now"),
        (requests("class"), "`code` says 200 now"),
        (jobs("other"), "`how` says error now"),
        (jobs("twice"), "`how` says error now"),
        (jobs("zero", "lost"), "before they were there at 0"),
        (
            RatioQuery(
                'sum(increase(jobs_total{case="other",how="failed"}[{{ window }}]))',
                'sum(increase(jobs_total{case="other"}[{{ window }}]))',
            ),
            "`how` says error now",
        ),
    ],
)
def test_errors_of_which_the_value_was_renamed_are_not_zero_errors(server, kind, words):
    seen = verdict(server, kind)

    assert isinstance(seen, Blind), seen
    assert seen.cause is Cause.NO_SERIES
    assert words in seen.words


@pytest.mark.parametrize(
    "kind",
    [
        requests("more"),
        jobs("added"),
        jobs("rare"),
        Ratio('fail_total{case="anew"}', 'scans_total{case="anew"}'),
    ],
)
def test_what_merely_has_no_error_yet_is_clear_for_all_its_new_values(server, kind):
    assert isinstance(verdict(server, kind), Clear)


def all_but(case, but):
    own = f'case="{case}"'
    return Ratio(f"but_total{{{own},{but}}}", f"but_total{{{own}}}")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (all_but("label", 'code!~"[123].."'), "`code` says nothing"),
        (all_but("label", 'code!="200"'), "`code` says nothing"),
        (all_but("value", 'code!="200"'), "`code` says 201"),
    ],
)
def test_what_went_well_under_another_name_is_no_breach(server, kind, words):
    seen = verdict(server, kind)

    assert isinstance(seen, Blind), seen
    assert seen.cause is Cause.NONSENSE
    assert words in seen.words


@pytest.mark.parametrize("case", ["bad", "word"])
def test_what_fails_under_a_new_name_is_a_breach(server, case):
    kind = all_but(case, 'code!="200"' if case == "bad" else 'code!="ok"')

    assert isinstance(verdict(server, kind), Breached)


def test_that_they_were_renamed_is_not_forgotten_after_a_day(server):
    trigger = http_5xx(
        kind=Ratio('fail_total{case="aged"}', 'scans_total{case="aged"}')
    )
    readings = server.read_all([trigger], END, OLD)

    seen = judge(trigger, readings[trigger.name], OLD + MINUTE)
    assert isinstance(seen, Blind), seen
    assert seen.cause is Cause.NO_SERIES


@pytest.mark.parametrize("window", [5 * MINUTE, 50 * MINUTE])
def test_errors_from_before_the_release_are_not_its_own(server, window):
    trigger = http_5xx(kind=requests("label"), window=window, coverage=0.1)
    readings = server.read_all([trigger], END, START)
    seen = judge(trigger, readings[trigger.name], ARMED)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.NO_SERIES


def test_what_a_rollback_put_up_has_the_names_that_it_had(server):
    trigger = http_5xx(kind=requests("label"))
    readings = server.read_all([trigger], END, START, compare=False)

    assert isinstance(judge(trigger, readings[trigger.name], ARMED), Clear)


@pytest.mark.parametrize("case", ["none", "never"])
def test_no_error_yet_is_no_error_to_an_expression_either(server, case):
    total = f'sum(increase(req_total{{case="{case}"}}[{{{{ window }}}}]))'
    errors = total.replace("}[", ',code=~"5.."}[')
    assert errors != total

    assert isinstance(verdict(server, RatioQuery(errors, total)), Clear)


def test_errors_of_which_some_kept_their_name_are_counted(server):
    total = 'sum(increase(scans_total{case="name"}[{{ window }}]))'
    gone, kept = (
        f'sum(increase({name}{{case="name"}}[{{{{ window }}}}]))'
        for name in ("fail_total", "failures_total")
    )
    both = f"({gone} or vector(0)) + 0 * {kept}"

    assert isinstance(verdict(server, RatioQuery(both, total)), Clear)


@pytest.mark.parametrize("case", ["none", "never"])
def test_no_error_yet_is_no_error(server, case):
    assert isinstance(verdict(server, requests(case)), Clear)


@pytest.mark.parametrize(
    ("kind", "replicas", "words"),
    [
        (requests("two"), {"dms": 3}, "measured on 2 of 3 containers"),
        (requests("two"), {"dms": 4, "worker": 1}, "measured on 2 of 4 containers"),
        (requests("one", "one"), {"dms": 2}, "measured on 1 of 2 containers"),
        (requests("service"), {"dms": 3}, "measured on 1 of 3 containers"),
        (requests("lost"), {"dms": 2}, "measured on 1 of 2 containers"),
    ],
)
def test_what_is_measured_on_some_containers_only_is_not_clear(
    server, kind, replicas, words
):
    seen = verdict(server, kind, **replicas)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.PARTIAL
    assert seen.words.startswith(f"{words}; 0 of ")


@pytest.mark.parametrize(
    ("case", "replicas"),
    [
        ("three", {"dms": 3}),
        ("three", {"dms": 3, "worker": 1}),
        ("two", {"dms": 1, "worker": 1}),
        ("two", {"dms": 2}),
        ("two", {}),
        ("proxy", {"dms": 3}),
    ],
)
def test_what_is_measured_on_all_or_before_all_is_clear(server, case, replicas):
    assert isinstance(verdict(server, requests(case), **replicas), Clear)


@pytest.mark.parametrize(
    ("case", "replicas", "ours", "on"),
    [
        # Another service has as many containers as are measured of this one.
        ("two", {"dms": 3, "worker": 2}, (1, 2, 3), "2 of 3"),
        # One alone is no proxy before both: it is one of them.
        ("bad", {"dms": 3}, (1, 2, 3), "2 of 3"),
        ("alone", {"dms": 2}, (1, 2), "1 of 2"),
        ("three", {"dms": 3, "worker": 2}, (1, 2, 3), ""),
        ("proxy", {"dms": 2}, (1, 2), ""),
    ],
)
def test_a_container_is_known_by_its_own_address(server, case, replicas, ours, on):
    trigger = http_5xx(kind=requests(case))
    hosts = {f"10.0.0.{n}": ("dms", f"id {n}") for n in ours}
    found = server.read_all([trigger], END, START, replicas=replicas, hosts=hosts)

    measured = found[trigger.name].measured_on
    assert measured == (tuple(map(int, on.split(" of "))) if on else None)


def test_a_queue_is_measured_where_each_of_its_three_is(server):
    kind = Queue(
        *(f'{name}{{case="queue"}}' for name in ("depth", "in_total", "out_total"))
    )
    found = {
        count: whole.measured(
            [http_5xx(kind=kind)],
            lambda query: server.instant(query, END),
            SCRAPE,
            END - START,
            replicas={"dms": count},
            hosts={},
        )
        for count in (2, 3)
    }

    assert found == {2: {"Http5xxRate": None}, 3: {"Http5xxRate": (2, 3)}}


def test_a_breach_on_some_containers_is_a_breach_and_says_of_how_many(server):
    seen = verdict(server, requests("bad"), dms=3)

    assert isinstance(seen, Breached)
    assert seen.words.endswith("measured on 2 of 3 containers")


def test_whether_they_matched_the_day_before_is_asked_at_the_cost_of_reading_it(
    tmp_path,
):
    """Each step of a subquery must not read its series anew from the beginning."""
    day = [
        (LAST + at, float(at))
        for at in range(-26 * 3600, 1, int(SCRAPE.total_seconds()))
    ]
    with (
        remote.running(tmp_path, *LONG_HEAD) as url,
        closing(Prometheus(url, MINUTE, SCRAPE, 5 * SECOND)) as one,
    ):
        remote.write(url, [("fail", {"n": f"{n}"}, day) for n in range(10)])

        def took(query):
            began = time.monotonic()
            assert not isinstance(one.instant(query, END), Blind)
            return time.monotonic() - began

        errors = errors_of(Ratio('fail{n=~".+"}', "scans"))
        asked = lately_question(errors, HOUR)
        assert '"last"' in asked
        pairs = [
            (took("count(last_over_time(fail[26h]))"), took(asked)) for _ in range(3)
        ]

    read, seen = (min(times) for times in zip(*pairs, strict=True))
    assert seen < 15 * read, (seen, read)
