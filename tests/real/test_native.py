"""Latency on what Prometheus keeps as native histograms, as it scrapes them."""

import subprocess
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.real import prometheus as real
from tests.real.exporter import exporting, native
from watchdog.facts.trigger import Action, Latency, Trigger
from watchdog.facts.verdict import Breached
from watchdog.judge.breach import judge
from watchdog.observe.arming import try_out
from watchdog.observe.prometheus import Prometheus

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
FEATURE = "--enable-feature=native-histograms"
# Of 100 requests a second so many took no longer: 12% more than half a second.
FASTER = {"0.25": 80, "0.5": 88, "1.0": 97, "+Inf": 100}
SLOW = Trigger(
    name="ScanLatencyP95",
    kind=Latency('h_seconds{job="dms"}', SECOND / 2, 0.95),
    action=Action.PAUSE_AND_INVESTIGATE,
    window=10 * SECOND,
    sustained=True,
    block=2 * SECOND,
    above=0.05,
)


def exporter():
    """Export a classic histogram that grows by 100 a second: its address."""
    begun = time.monotonic()

    def say():
        passed = int(time.monotonic() - begun)
        lines = ["# TYPE h_seconds histogram"]
        for bound, rate in FASTER.items():
            lines.append(f'h_seconds_bucket{{le="{bound}"}} {passed * rate}')
        lines += [f"h_seconds_sum {passed * 40}", f"h_seconds_count {passed * 100}"]
        return "".join(f"{line}\n" for line in lines)

    return exporting(say)


def version():
    """Name the Prometheus of PATH if it is of version 2."""
    asked = subprocess.run(
        ["prometheus", "--version"], capture_output=True, text=True, check=True
    )
    said = asked.stdout + asked.stderr
    return "Prometheus 2" if "version 2" in said else ""


@contextmanager
def scraped(folder, tools, *flags, job="", say=None):
    exports = exporting(say) if say else exporter()
    with real.taken_from(tools), exports as address:
        if job and version():
            pytest.skip("Prometheus 2 makes no native histograms of classic ones")
        scrapes = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            f"scrape_configs:\n- job_name: dms\n{job}"
            f"  static_configs: [{{targets: ['{address}']}}]\n"
        )
        past = [real.line("nothing", {}, 1, 1)]
        with (
            real.running(folder, past, scrapes=scrapes, flags=flags) as url,
            closing(Prometheus(url, 5 * SECOND, SECOND, SECOND)) as server,
        ):
            yield server


def until(see, is_enough):
    """Look until it *is_enough*; a busy machine may take longer, never see more."""
    last = time.monotonic() + 90
    while not is_enough(seen := see()):
        assert time.monotonic() < last, seen
        time.sleep(0.5)
    return seen


NHCB = "  convert_classic_histograms_to_nhcb: true\n"


@pytest.mark.parametrize("tools", real.BINARIES)
@pytest.mark.parametrize(
    "job",
    [NHCB, NHCB + "  always_scrape_classic_histograms: true\n"],
    ids=["custom buckets alone", "classic ones beside them"],
)
def test_a_latency_is_counted_on_what_is_kept_as_a_native_histogram(
    tools, tmp_path, job
):
    with scraped(tmp_path, tools, FEATURE, job=job) as server:

        def see(trigger=SLOW):
            at = server.now()
            return judge(trigger, server.read(trigger, at), at - timedelta(days=1))

        verdict = until(see, lambda verdict: isinstance(verdict, Breached))
        trial = try_out(server, SLOW, SECOND, server.now())
        between = replace(SLOW, kind=replace(SLOW.kind, over=SECOND * 3 / 10))
        other = try_out(server, between, SECOND, server.now())

    # Exact, since the bound is a bucket's; scrapes a second apart jitter a little.
    assert verdict.value == pytest.approx(0.12, abs=0.02)
    bad, _, every, *_ = verdict.words.split()
    assert (int(bad), int(every)) == pytest.approx((120, 1000), rel=0.25)
    assert "slower than 500ms" in verdict.words
    assert (trial.is_proven, trial.doubts, trial.series) == (True, (), 1)
    assert other.is_proven
    assert "interpolated between 0.25 and 0.5" in other.doubts[0].words


@pytest.mark.parametrize("tools", real.BINARIES)
def test_a_histogram_of_which_nothing_is_stored_points_at_the_scrape_job(
    tools, tmp_path
):
    with scraped(tmp_path, tools, job=NHCB) as server:
        faults = until(
            lambda: try_out(server, SLOW, SECOND, server.now()).faults,
            lambda faults: "nothing of it is stored" in faults[0].hint,
        )

    assert [fault.path for fault in faults] == ["latency.histogram"]


@pytest.mark.parametrize("tools", real.BINARIES)
def test_a_latency_is_counted_on_exponential_buckets_of_either_prometheus(
    tools, tmp_path
):
    begun = time.monotonic()

    def say():
        # Of 100 a second 88 take no longer than half a second, as above.
        passed = int(time.monotonic() - begun)
        counts = {-2: 80, -1: 8, 0: 9, 1: 3}
        return native("h_seconds", {key: passed * rate for key, rate in counts.items()})

    by_instance = replace(SLOW, by="instance")
    with scraped(tmp_path, tools, FEATURE, say=say) as server:

        def counted():
            seen = server.read(by_instance, server.now()).looks[0].blocks
            # Where a busy exporter counted none meanwhile there is no share of them.
            there = [block.parts for block in seen if block.parts.get("all")]
            return [(parts["bad"], parts["all"]) for parts in there]

        def samples():
            answer = server.instant("count_over_time(h_seconds[1m])", server.now())
            return answer[0][1] if answer else 0

        until(samples, lambda many: many >= 10)
        blocks = until(counted, lambda blocks: len(blocks) >= 3)
        at = server.now()
        trial = try_out(server, SLOW, SECOND, at)
        between = replace(SLOW, kind=replace(SLOW.kind, over=SECOND * 3 / 10))
        other = try_out(server, between, SECOND, at)
        # A scrape that a busy machine missed leaves no group at that instant.
        reading = until(
            lambda: server.read(
                by_instance,
                now := server.now(),
                now - 7 * SECOND,
                now - 30 * SECOND,
            ),
            lambda one: len(one.groups.before) == 1,
        )
        # Of three containers one is measured: no latency alone may be green.
        whole = server.read_all([SLOW], at, at - 3 * SECOND, replicas={"127.0.0.1": 3})[
            SLOW.name
        ]

    bad, every = (sum(one) for one in zip(*blocks, strict=True))
    assert bad / every == pytest.approx(0.12, abs=0.001)
    assert every / len(blocks) == pytest.approx(200, rel=0.5)
    assert (trial.is_proven, trial.doubts, trial.series) == (True, (), 1)
    assert other.is_proven
    assert "interpolated between 0.25 and 0.5" in other.doubts[0].words
    assert len(reading.groups.before) == 1
    assert whole.measured_on == (1, 3)
