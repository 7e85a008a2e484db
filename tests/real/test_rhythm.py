"""The scrape interval of the settings, held against what Prometheus does."""

import json
import time
import urllib.request
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.real import prometheus as real
from watchdog.facts.problem import Fault
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trigger import Action, Ratio, Trigger
from watchdog.observe.arming import try_out
from watchdog.observe.prometheus import Prometheus

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
END = datetime(2026, 3, 11, 3, 0, 0, tzinfo=UTC)
# Nobody listens there: what is scraped was written before, and the target is listed.
TARGET = "127.0.0.1:9"
SETTING = "prometheus.scrape_interval"
INTERVALS = """\
global: {scrape_interval: 30s, scrape_timeout: 1s}
scrape_configs:
- job_name: dms
  static_configs: [{targets: ['127.0.0.1:9']}]
- job_name: pool-of-another-name
  scrape_interval: 1m
  static_configs:
  - targets: ['127.0.0.1:9']
    labels: {job: worker}
"""


class WithoutTargets(Prometheus):
    """As of Mimir or Thanos, which do not scrape."""

    def told(self, path, **parameters):
        if path == "/api/v1/targets":
            return Blind(Cause.REJECTED, "HTTP 404: 404 page not found")
        return super().told(path, **parameters)


def scraped(name, job, every, minutes=60):
    """Write the samples of a counter, *every* so many seconds up to END."""
    labels = {"job": job, "instance": TARGET}
    count = minutes * 60 // every
    return [
        real.line(name, labels, 20 * n, END.timestamp() - (count - n) * every)
        for n in range(count + 1)
    ]


def with_a_hole(lines, minutes=(20, 30)):
    """Leave out what was scraped between so many minutes before END."""
    first, last = (END.timestamp() - 60 * at for at in reversed(minutes))
    return [line for line in lines if not first <= float(line.split()[-1]) <= last]


@pytest.fixture(scope="module", params=real.BINARIES)
def url(request, tmp_path_factory):
    lines = [
        *scraped("dms_scans_total", "dms", 30),
        *scraped("federated_total", "elsewhere", 60),
        *scraped("scrape_samples_scraped", "young", 60),
        *scraped("worker_jobs_total", "worker", 60),
        *scraped("young_total", "young", 60, minutes=5),
        *with_a_hole(scraped("dms_holes_total", "dms", 30)),
        *scraped("dms_new_total", "dms", 30, minutes=38),
    ]
    with (
        real.taken_from(request.param),
        real.running(tmp_path_factory.mktemp("rhythm"), lines, scrapes=INTERVALS) as it,
    ):
        until_listed(it)
        yield it


def until_listed(url):
    """Wait until both targets are discovered: some seconds after the start."""
    last = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(f"{url}/api/v1/targets", timeout=20) as answer:
            if len(json.load(answer)["data"]["activeTargets"]) == 2:
                return
        assert time.monotonic() < last
        time.sleep(0.2)


def tried(url, total, setting, kind=Prometheus, at=END):
    trigger = Trigger(
        name="Errors",
        kind=Ratio(total, total),
        action=Action.PAUSE_AND_ALERT,
        window=20 * MINUTE,
        sustained=True,
        block=4 * MINUTE,
        above=0.05,
    )
    with closing(kind(url, 20 * SECOND, setting, 5 * SECOND)) as asked:
        trial = try_out(asked, trigger, setting, at)
    return (
        [fault for fault in trial.faults if fault.path == SETTING],
        [doubt for doubt in trial.doubts if doubt.path == SETTING],
    )


def test_what_is_scraped_more_rarely_is_a_fault_that_says_what_to_write(url):
    fault = Fault(
        SETTING,
        "is 15s, the targets of job dms are scraped every 30s",
        "write `scrape_interval: 30s` in the settings",
    )

    assert tried(url, "dms_scans_total", 15 * SECOND) == ([fault], [])


def test_what_is_scraped_more_often_is_a_doubt_since_others_may_not_be(url):
    doubt = Fault(
        SETTING,
        "is 1m, the targets of job dms are scraped every 30s",
        "write `scrape_interval: 30s` in the settings, unless others are scraped "
        "every 1m",
    )

    assert tried(url, "dms_scans_total", MINUTE) == ([], [doubt])


def test_settings_that_say_what_prometheus_does_are_neither(url):
    assert tried(url, "dms_scans_total", 30 * SECOND) == ([], [])
    assert tried(url, "worker_jobs_total", MINUTE) == ([], [])


def test_a_job_is_known_by_its_label_and_not_by_the_name_of_its_pool(url):
    faults, _ = tried(url, "worker_jobs_total", 15 * SECOND)

    assert [fault.words for fault in faults] == [
        "is 15s, the targets of job worker are scraped every 1m"
    ]


@pytest.mark.parametrize("total", ["federated_total", "young_total"])
def test_what_is_no_target_here_is_known_by_its_samples(url, total):
    fault = Fault(
        SETTING,
        "is 15s, but samples are apart by 1m",
        "write `scrape_interval: 1m` in the settings",
    )

    assert tried(url, total, 15 * SECOND) == ([fault], [])


@pytest.mark.parametrize("kind", [Prometheus, WithoutTargets])
def test_scrapes_that_are_missing_are_no_slower_rhythm(url, kind):
    """As after ten minutes without Prometheus: the settings were right all along."""
    assert tried(url, "dms_holes_total", 30 * SECOND, kind) == ([], [])


@pytest.mark.parametrize("ago", range(6))
def test_what_is_only_just_old_enough_is_no_slower_either(url, ago):
    """As after a rollback in a young stack, whatever the instant it is looked at."""
    at = END - ago * MINUTE
    assert tried(url, "dms_new_total", 30 * SECOND, at=at) == ([], [])


def test_where_no_targets_are_told_the_samples_tell(url):
    fault = Fault(
        SETTING,
        "is 15s, but samples are apart by 30s",
        "write `scrape_interval: 30s` in the settings",
    )

    assert tried(url, "dms_scans_total", 15 * SECOND, WithoutTargets) == ([fault], [])
