"""A release that counts its latency in another unit, on a real Prometheus."""

import random
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.judge.samples import http_5xx
from tests.real import prometheus as real
from tests.real import remote
from tests.real.test_edges import LONG_HEAD
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trigger import Latency
from watchdog.facts.verdict import Breached, Clear
from watchdog.judge.breach import judge
from watchdog.observe.prometheus import Prometheus

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
END = datetime(2026, 3, 11, 3, 0, 0, tzinfo=UTC)
LAST = END.timestamp()
START = END - timedelta(minutes=20)
SCRAPES = [LAST - 3 - 15 * n for n in range(-1, 320)][::-1]
# What requests took before, and take since, in what the bounds are.
CASES = {
    "seconds": (50, 0.05),
    "steady": (50, 50),
    "cached": (50, 1),
    "hangs": (50, 30_000),
}


def histogram(case):
    """Take some time around that of the *case*, ten requests in each scrape."""
    chance, labels = random.Random(case), {"job": case, "instance": "dms:80"}
    counts = dict.fromkeys(("100", "500", "+Inf"), 0)
    told = {bound: [] for bound in counts}
    sums, total = [], 0.0
    for at in SCRAPES:
        for _ in range(10):
            took = CASES[case][at >= START.timestamp()] * chance.lognormvariate(0, 0.3)
            total += took
            for bound in counts:
                counts[bound] += took <= float(bound)
        sums.append((at, total))
        for bound, count in counts.items():
            told[bound].append((at, count))
    return [
        *(("ms_bucket", labels | {"le": one}, told[one]) for one in counts),
        ("ms_sum", labels, sums),
        ("ms_count", labels, told["+Inf"]),
    ]


@pytest.fixture(scope="module", params=real.BINARIES)
def server(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("prometheus")
    with real.taken_from(request.param), remote.running(folder, *LONG_HEAD) as url:
        remote.write(url, [one for case in CASES for one in histogram(case)])
        with closing(Prometheus(url, 5 * SECOND, 15 * SECOND, 5 * SECOND)) as one:
            yield one


def seen(server, case):
    kind = Latency(f'ms{{job="{case}"}}', SECOND / 2, 0.95, unit="ms")
    trigger = http_5xx(kind=kind, above=None)
    readings = server.read_all([trigger], END, START)
    return judge(trigger, readings[trigger.name], START + 30 * SECOND)


def test_milliseconds_that_became_seconds_are_not_clear(server):
    verdict = seen(server, "seconds")

    assert isinstance(verdict, Blind), verdict
    assert verdict.cause is Cause.NONSENSE
    assert "was its unit changed?" in verdict.words


@pytest.mark.parametrize(
    ("case", "kind"), [("steady", Clear), ("cached", Clear), ("hangs", Breached)]
)
def test_what_is_only_faster_or_hangs_is_judged_as_ever(server, case, kind):
    assert isinstance(seen(server, case), kind)
