"""One bad replica of three, as a real Prometheus tells it, in each kind that counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.real import prometheus as real
from watchdog.facts.reading import Groups
from watchdog.facts.trigger import Action, Latency, Ratio, Trigger
from watchdog.facts.verdict import Breached
from watchdog.judge.breach import judge

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]
SECOND = timedelta(seconds=1)
BEGIN = 1_770_000_000
STEP, SCRAPES = 15, 200
STARTED = 120  # the scrape with which the release began
TRIGGER = Trigger(
    name="AwbRoutingFailures",
    kind=Ratio('failures_total{job="dms"}', 'scans_total{job="dms"}'),
    action=Action.ROLLBACK,
    window=300 * SECOND,
    sustained=False,
    block=STEP * SECOND,
    above=0.01,
    by="instance",
    any=True,
)
KINDS = {
    "ratio": TRIGGER.kind,
    "ratio of good": Ratio('failures_total{job="dms"}', "", 'good_total{job="dms"}'),
    "latency": Latency('seconds{job="dms"}', 500 * timedelta(milliseconds=1), 0.99),
}


def lines():
    """Write what three replicas counted; with the release all begin anew.

    The second one of the new ones fails at 2.4%, which is 0.8% of all.
    """
    for generation, first, last in (("old", 0, STARTED), ("new", STARTED, SCRAPES)):
        for number in (1, 2, 3):
            labels = {"job": "dms", "instance": f"{generation}-{number}"}
            bad = 0
            for scrape in range(first, last):
                at, scans = BEGIN + STEP * scrape, 100 * (scrape - first)
                if generation == "new" and number == 2 and scrape > STARTED + 2:
                    bad += 3 if scrape % 5 else 0
                yield real.line("up", labels, 1, at)
                yield real.line("scans_total", labels, scans, at)
                yield real.line("failures_total", labels, bad, at)
                yield real.line("good_total", labels, scans - bad, at)
                for le, count in (("0.5", scans - bad), ("+Inf", scans)):
                    yield real.line("seconds_bucket", labels | {"le": le}, count, at)


@pytest.fixture(scope="module", params=real.BINARIES)
def far_end(request, tmp_path_factory):
    ordered = sorted(lines(), key=lambda one: one.partition("{")[0])
    with real.asked(request.param, tmp_path_factory.mktemp("any"), ordered) as asked:
        yield asked


@pytest.mark.parametrize("name", KINDS)
def test_one_bad_replica_of_three_is_a_breach_of_its_own(far_end, name):
    trigger = replace(TRIGGER, kind=KINDS[name])
    if name == "latency":
        trigger = replace(trigger, above=None)
    at = datetime.fromtimestamp(BEGIN + STEP * (SCRAPES - 1) + 3, UTC)
    since = datetime.fromtimestamp(BEGIN + STEP * STARTED, UTC)

    reading = far_end.read(trigger, at, since)
    seen = judge(trigger, reading, since + 30 * SECOND)

    assert isinstance(reading.groups, Groups), reading.groups
    counted = {
        who: sum(block.parts.get("bad", 0) for block in look.blocks)
        for who, look in reading.groups.looks.items()
    }
    assert counted["new-1"] == 0
    assert counted["new-2"] == pytest.approx(3 * 4 / 5 * 77, abs=6)
    assert isinstance(seen, Breached), seen
    assert seen.words.startswith("1 of 3 instances: new-2 ")
    assert seen.elsewhere == ""
    alone = judge(replace(trigger, any=False), reading, since + 30 * SECOND)
    assert not isinstance(alone, Breached)
