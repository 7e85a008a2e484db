"""Metrics and labels with dots, as OpenTelemetry names them, on a real Prometheus."""

import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.real import prometheus as real
from tests.real.exporter import exporting
from watchdog.config.release_form import LatencyForm, QueueForm, RatioForm
from watchdog.facts.reading import Measured
from watchdog.facts.trigger import Action, Latency, Queue, Ratio, Trigger
from watchdog.observe.arming import try_out
from watchdog.observe.prometheus import Prometheus
from watchdog.show.rules import expression

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
OURS = 'job="dms"'


def text(n):
    """Write what was counted after *n* scrapes: 10 scans each, 2 of them failed."""
    lines = [
        '# TYPE "dms.scans" counter',
        f'{{"dms.scans","http.route"="/scan"}} {n * 10}',
        '# TYPE "dms.errors" counter',
        f'{{"dms.errors","http.route"="/scan"}} {n * 2}',
        '# TYPE "dms.duration" histogram',
    ]
    for bound, many in (("0.5", 8), ("1", 9), ("+Inf", 10)):
        lines.append(f'{{"dms.duration_bucket","le"="{bound}"}} {n * many}')
    lines += [f'{{"dms.duration_sum"}} {n}', f'{{"dms.duration_count"}} {n * 10}']
    lines += ['# TYPE "dms.pending" gauge', f'{{"dms.pending"}} {n}']
    return "".join(f"{line}\n" for line in lines)


def triggers():
    """Give a trigger of each kind that takes selectors, as its file writes them."""
    ratio = RatioForm(errors=f"dms.errors{{{OURS}}}", total=f"dms.scans{{{OURS}}}")
    beside = RatioForm(errors='dms.errors{http.route=~"/.*"}', good="dms.scans")
    slow = LatencyForm(histogram=f"dms.duration{{{OURS}}}", over="500ms", quantile=0.95)
    queue = QueueForm(depth="dms.pending", enqueued="dms.scans", drained="dms.errors")
    kinds = {
        "ratio": Ratio(ratio.errors, ratio.total),
        "beside": Ratio(beside.errors, "", beside.good),
        "latency": Latency(slow.histogram, SECOND / 2, 0.95),
        "queue": Queue(queue.depth, queue.enqueued, queue.drained),
    }
    for name, kind in kinds.items():
        yield Trigger(
            name=name,
            kind=kind,
            action=Action.PAUSE_AND_ALERT,
            window=20 * SECOND,
            sustained=True,
            block=4 * SECOND,
            above=None if name == "queue" else 0.05,
        )


@pytest.fixture(params=real.BINARIES)
def asked(tmp_path, request):
    said = [""]
    with exporting(lambda: said[0]) as address:
        scrapes = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n- job_name: dms\n"
            f"  static_configs: [{{targets: ['{address}']}}]\n"
        )
        past = [real.line("nothing", {}, 1, 1)]
        with (
            real.taken_from(request.param),
            real.running(tmp_path, past, scrapes=scrapes) as url,
            closing(Prometheus(url, 5 * SECOND, SECOND, SECOND)) as server,
        ):
            refused = server.instant('{"dms.scans"}', server.now())
            if isinstance(refused, list):
                for n in range(1, 13):
                    said[0] = text(n)
                    time.sleep(1)
            yield server, isinstance(refused, list)


def test_names_with_dots_are_counted_in_every_kind_or_refused_in_words(asked):
    server, reads_them = asked
    now = server.now()
    for trigger in triggers():
        trial = try_out(server, trigger, SECOND, now)
        rule = server.instant(expression(trigger), now)
        if not reads_them:
            assert "Prometheus 2 has no names with dots" in trial.faults[0].hint
            continue
        reading = server.read(replace(trigger, by="http.route"), now)
        assert isinstance(reading, Measured), (trigger.name, reading)
        parts = [one.parts for one in reading.looks[0].blocks if one.parts]
        assert trial.series, (trigger.name, trial)
        assert isinstance(rule, list), (trigger.name, rule)
        if trigger.name != "queue":
            assert sum(one["bad"] for one in parts) > 4, (trigger.name, parts)
    if reads_them:
        groups = server.read(replace(next(triggers()), by="http.route"), now).groups
        assert list(groups.counts) == ["/scan"]
