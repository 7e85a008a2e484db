"""Traffic that fell with a release, as a real Prometheus tells it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.real import prometheus as real
from watchdog.facts.reading import Blind, Pace
from watchdog.facts.trigger import Action, Traffic, Trigger
from watchdog.facts.verdict import Breached, Clear
from watchdog.judge.breach import judge

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]
SECOND = timedelta(seconds=1)
BEGIN, STEP = 1_770_000_000, 15
DAY = 86_400 // STEP
# A day and two hours; the release begins an hour before their end.
STARTED, SCRAPES = DAY + 240, DAY + 480
TRIGGER = Trigger(
    name="ScansFell",
    kind=Traffic('scans_total{job="dms"}', timedelta(hours=1)),
    action=Action.PAUSE_AND_ALERT,
    window=300 * SECOND,
    sustained=True,
    block=STEP * SECOND,
    below=0.5,
)
# How many events a scrape has, of two replicas, after the release and a day before.
CASES = {
    "fell": (4, 20, Breached),
    "as before": (20, 20, Clear),
    "as yesterday": (4, 4, Clear),
    "not scraped": (None, 20, Blind),
}


def lines(after, yesterday):
    for number in (1, 2):
        labels = {"job": "dms", "instance": f"dms-{number}"}
        count = 0
        for scrape in range(SCRAPES):
            # What nobody asks about is left out: this hour yesterday, and today.
            this_hour = 320 <= scrape <= 620
            if not this_hour and scrape < STARTED - 480:
                continue
            each = yesterday if this_hour else 20
            if scrape >= STARTED:
                if after is None:
                    break
                count, each = (0, 0) if scrape == STARTED else (count, after)
            count += each
            at = BEGIN + STEP * scrape
            yield real.line("up", labels, 1, at)
            yield real.line("scans_total", labels, count, at)


@pytest.mark.parametrize("case", CASES)
def test_fewer_came_than_before_the_release_and_at_this_hour_yesterday(tmp_path, case):
    after, yesterday, wanted = CASES[case]
    written = sorted(lines(after, yesterday), key=lambda one: one.partition("{")[0])
    since = datetime.fromtimestamp(BEGIN + STEP * STARTED, UTC)
    at = datetime.fromtimestamp(BEGIN + STEP * (SCRAPES - 1) + 3, UTC)

    with real.asked(real.BINARIES[0], tmp_path, written) as asked:
        reading = asked.read(TRIGGER, at, since)
        put_up = asked.read(TRIGGER, at, at, since, compare=False)
        seen = judge(TRIGGER, reading, since + 30 * SECOND)
        again = judge(TRIGGER, put_up, since + 30 * SECOND)

    assert isinstance(seen, wanted), seen
    before = reading.paces["before the release"]
    assert isinstance(before, Pace)
    assert all(count == pytest.approx(800, abs=1) for count in before.counts)
    assert len(before.counts) == 12
    # What a rollback put up is compared with what was before the release that it undid.
    assert put_up.paces["before the release"] == before
    assert isinstance(again, wanted), again
    unknown = replace(reading, paces={})
    assert not isinstance(judge(TRIGGER, unknown, since), Breached)
