"""Triggers tried on targets that a real Prometheus scrapes, or cannot scrape."""

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.real import prometheus as real
from tests.real.exporter import exporting
from watchdog.facts.trigger import Action, Ratio, Trigger
from watchdog.observe.arming import try_out
from watchdog.observe.prometheus import Prometheus

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
FEW = """\
# TYPE dms_scans_total counter
dms_scans_total 7
# TYPE dms_errors_total counter
dms_errors_total 0
# TYPE dms_level gauge
dms_level 7
"""


@pytest.fixture(params=real.BINARIES)
def scraped(tmp_path, request):
    """Scrape an exporter each second, five samples at the most."""
    text = [FEW]
    with exporting(lambda: text[0]) as address:
        scrapes = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n- job_name: dms\n  sample_limit: 5\n"
            f"  static_configs: [{{targets: ['{address}']}}]\n"
        )
        past = [real.line("nothing", {}, 1, 1)]
        with (
            real.taken_from(request.param),
            real.running(tmp_path, past, scrapes=scrapes) as url,
            closing(Prometheus(url, 5 * SECOND, SECOND, SECOND)) as asked,
        ):
            yield asked, text


def tried(asked, total):
    trigger = Trigger(
        name="Errors",
        kind=Ratio('dms_errors_total{job="dms"}', total),
        action=Action.PAUSE_AND_ALERT,
        window=20 * SECOND,
        sustained=True,
        block=4 * SECOND,
        above=0.05,
    )
    now = asked.now()
    assert isinstance(now, datetime), now
    return try_out(asked, trigger, SECOND, now.astimezone(UTC))


def until(asked, total, words):
    """Try until a fault has *words* in it; what a busy machine needs is longer."""
    last = time.monotonic() + 60
    while True:
        faults = tried(asked, total).faults
        if any(words in fault.words for fault in faults):
            return faults
        assert time.monotonic() < last, faults
        time.sleep(0.2)


def test_a_gauge_where_a_counter_belongs_is_known_by_who_exports_it(scraped):
    asked, _ = scraped
    faults = until(asked, 'dms_level{job="dms"}', "gauge")

    assert [fault.path for fault in faults] == ["ratio.total"]


def test_a_limit_that_the_release_broke_is_quoted(scraped):
    asked, text = scraped
    total = 'dms_scans_total{job="dms"}'
    last = time.monotonic() + 60
    while tried(asked, total).series == 0:
        assert time.monotonic() < last
        time.sleep(0.2)
    text[0] = FEW + "".join(f"dms_more{n} 1\n" for n in range(9))
    faults = until(asked, total, "in the last day")

    assert faults[0].path == "ratio.total"
    assert "sample limit" in faults[0].hint or "sample_limit" in faults[0].hint
    assert "of job dms" in faults[0].hint


def test_a_scrape_that_stores_nothing_is_quoted_where_the_metric_never_was(scraped):
    asked, text = scraped
    text[0] = "this is no metric at all\n"
    last = time.monotonic() + 60
    while True:
        faults = tried(asked, 'dms_never_total{job="dms"}').faults
        if "cannot scrape" in faults[0].hint:
            break
        assert time.monotonic() < last, faults
        time.sleep(0.2)

    assert faults[0].words == '`dms_never_total{job="dms"}` has no series'
