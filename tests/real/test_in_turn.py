"""Several processes behind one address, each of which counts its own events."""

import random
from contextlib import closing
from datetime import timedelta

import pytest

from tests.judge.samples import awb, http_5xx, outbox
from tests.real import prometheus as real
from tests.real import remote
from tests.real.test_edges import LONG_HEAD
from tests.real.test_queries import AT, LAST, SCRAPE, SECOND
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trigger import Latency, Queue, Ratio, RatioQuery, Traffic
from watchdog.facts.verdict import Breached, Clear
from watchdog.judge.breach import judge
from watchdog.observe.arming import try_out
from watchdog.observe.prometheus import Prometheus

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

MINUTES = 40
SCRAPES = [LAST - 7 - SCRAPE * n for n in range(-2, MINUTES * 4)][::-1]
FIRST = SCRAPES[0]


class Worker:
    """One process: what it counted, and since when."""

    def __init__(self, began):
        self.began = began
        self.good = self.bad = 0

    def works(self, good, bad):
        self.good += good
        self.bad += bad


def scraped(case, answers, *, says_when=True):
    """Write what the worker of *answers* said at each scrape; one word for each."""
    job = {"job": case, "instance": "dms:8000"}
    said = {"total": [], "errors": [], "le": [], "start": []}
    for at, (good, bad, began) in zip(SCRAPES, answers, strict=True):
        said["total"].append((at, good + bad))
        said["errors"].append((at, bad))
        said["le"].append((at, good))
        said["start"].append((at, began))
    lines = [(name, job, said[name]) for name in ("total", "errors")]
    lines += [
        ("h_bucket", job | {"le": bound}, said[name])
        for bound, name in (("0.5", "le"), ("+Inf", "total"))
    ]
    lines.append(("up", job, [(at, 1.0) for at in SCRAPES]))
    if says_when:
        lines.append(("process_start_time_seconds", job, said["start"]))
    return lines


def in_turn(many, seed="in turn"):
    """Have *many* workers serve in equal shares: one in two hundred fails."""
    chance = random.Random(seed)
    workers = [Worker(FIRST - 100 + 0.01 * n) for n in range(many)]
    for _ in SCRAPES:
        for _ in range(150):
            chance.choice(workers).works(
                *((0, 1) if chance.random() < 0.005 else (1, 0))
            )
        one = chance.choice(workers)
        yield one.good, one.bad, one.began


def begins(times):
    """Have one worker that is started anew so many times, each after a while."""
    one, each = Worker(FIRST - 100), len(SCRAPES) // (times + 1)
    for number, at in enumerate(SCRAPES):
        if number and number % each == 0:
            one = Worker(at - 5)
        one.works(40, number % 5 == 0)
        yield one.good, one.bad, one.began


def past():
    lines = []
    for many in (1, 2, 4):
        lines += scraped(f"{many}", in_turn(many))
        lines += scraped(f"{many}-mute", in_turn(many), says_when=False)
    lines += scraped("restarts", begins(6))
    lines += scraped("restarts-mute", begins(2), says_when=False)
    return lines


@pytest.fixture(scope="module", params=real.BINARIES)
def far_end(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("prometheus")
    with real.taken_from(request.param), remote.running(folder, *LONG_HEAD) as url:
        remote.write(url, past())
        with closing(Prometheus(url, 5 * SECOND, SCRAPE * SECOND, 5 * SECOND)) as one:
            yield one


def seen(far_end, trigger, back=0):
    at = AT - timedelta(seconds=back)
    since = AT - timedelta(minutes=MINUTES - 2)
    return judge(trigger, far_end.read(trigger, at, since), since)


def of(case):
    return Ratio(f'errors{{job="{case}"}}', f'total{{job="{case}"}}')


@pytest.mark.parametrize("case", ["2", "2-mute", "4-mute"])
def test_workers_that_answer_in_turn_are_never_a_breach_and_never_clear(far_end, case):
    trigger = awb(kind=of(case))

    late = [seen(far_end, trigger, back) for back in range(0, 20 * 60, 60)]

    assert {type(one) for one in late} == {Blind}
    assert {one.cause for one in late} == {Cause.NONSENSE}
    assert "several answer in turn on one target" in late[0].words
    early = [seen(far_end, trigger, back) for back in range(20 * 60, 36 * 60, 30)]
    assert not [one for one in early if isinstance(one, Breached)]


@pytest.mark.parametrize(
    "kind",
    [
        Latency('h{job="2"}', SECOND / 2, 0.95),
        Ratio('errors{job="2"}', "", 'total{job="2"}'),
        Ratio('errors{instance!=""}', 'total{instance!=""}'),
        RatioQuery(
            'sum(increase(errors{job="2"}[{{ window }}]))',
            'sum(increase(total{job="2"}[{{ window }}]))',
        ),
        Traffic('total{job="2"}', timedelta(minutes=10)),
    ],
    ids=["latency", "good", "any job", "query", "traffic"],
)
def test_so_is_whatever_else_counts(far_end, kind):
    verdict = seen(far_end, http_5xx(kind=kind))

    assert isinstance(verdict, Blind)
    assert "several answer in turn" in verdict.words


def test_a_queue_is_counted_by_one_process_as_well(far_end):
    parts = (f'{name}{{job="2"}}' for name in ("errors", "total", "total"))
    verdict = seen(far_end, outbox(kind=Queue(*parts)))

    assert "several answer in turn" in verdict.words


@pytest.mark.parametrize("case", ["1", "1-mute", "restarts", "restarts-mute"])
def test_one_process_is_counted_however_often_it_began(far_end, case):
    verdict = seen(far_end, http_5xx(kind=of(case)))

    assert isinstance(verdict, Clear), verdict


def test_it_is_said_when_a_trigger_is_tried(far_end):
    trial = try_out(far_end, awb(kind=of("2")), SCRAPE * SECOND, AT)

    (fault,) = trial.faults
    assert " times in the last hour" in fault.words
    assert "of processes that answer in turn, let each be a target" in fault.hint
