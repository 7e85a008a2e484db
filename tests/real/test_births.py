"""Counters that are born, moved and begun anew, as a real Prometheus scrapes them."""

import json
import subprocess
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.real import prometheus as real
from watchdog.facts.reading import Measured
from watchdog.facts.trigger import Action, Ratio, Trigger
from watchdog.observe.prometheus import Prometheus

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
ZEROES = "--enable-feature=created-timestamp-zero-ingestion"
ERRORS = Trigger(
    name="Errors",
    kind=Ratio('dms_errors_total{job="dms"}', 'dms_scans_total{job="dms"}'),
    action=Action.PAUSE_AND_ALERT,
    window=60 * SECOND,
    sustained=False,
    block=SECOND,
    above=0.05,
)


class Replica:
    """One process that counts; *begun* None: just before it is found."""

    def __init__(self, begun, scans=0, *, says_when=True):
        self.begun = begun
        self.scans = scans
        self.errors = {}
        self.is_up = True
        self.says_when = says_when
        self.served = []

    def restart(self):
        self.begun, self.scans, self.errors = time.time(), 0, {}

    def fail(self, reason, times=1):
        """Count scans that failed; the counter of a reason is born with its first."""
        value, created = self.errors.get(reason, (0, time.time()))
        self.errors[reason] = value + times, created
        self.scans += times

    def text(self):
        if self.begun is None:  # found at once
            self.begun = time.time() - 0.5
        lines = []
        if self.says_when:
            lines += [
                "# TYPE process_start_time_seconds gauge",
                f"process_start_time_seconds {self.begun}",
            ]
        lines += [
            "# TYPE dms_scans counter",
            f"dms_scans_total {self.scans}",
            f"dms_scans_created {self.begun}",
            "# TYPE dms_errors counter",
        ]
        for reason, (value, created) in self.errors.items():
            labels = f'{{reason="{reason}"}}'
            lines.append(f"dms_errors_total{labels} {value}")
            lines.append(f"dms_errors_created{labels} {created}")
        return "".join(f"{line}\n" for line in [*lines, "# EOF"])


@contextmanager
def served(replica):
    """Let *replica* be scraped: its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = replica.text().encode()
            self.send_response(200 if replica.is_up else 503)
            kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if replica.is_up:
                errors = sum(value for value, _ in replica.errors.values())
                replica.served.append((replica.begun, errors))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class World:
    """Replicas that a Prometheus scrapes each second, and finds when they are named."""

    def __init__(self, file, stack, url, asked):
        self._file = file
        self._stack = stack
        self._targets = []
        self._url = url
        self._asked = asked

    def deploy(self, *replicas):
        self._targets += [self._stack.enter_context(served(one)) for one in replicas]
        self._file.with_suffix(".new").write_text(
            json.dumps([{"targets": self._targets}])
        )
        self._file.with_suffix(".new").rename(self._file)
        for one in replicas:
            until(lambda one=one: len(one.served) > 2)

    def counted(self, replica=None):
        """Give the bad events and all of the last minute, once all is scraped."""
        seen = len(replica.served) if replica else 0
        until(lambda: not replica or len(replica.served) > seen + 3)
        found = self._asked.read(ERRORS, self._asked.now())
        assert isinstance(found, Measured), found
        blocks = [block.parts for block in found.looks[0].blocks]
        return tuple(
            sum(parts.get(part, 0.0) for parts in blocks) for part in ("bad", "all")
        )


def until(is_so):
    last = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < last
        time.sleep(0.05)


@pytest.fixture(
    params=[(tools, flags) for tools in real.BINARIES for flags in ((), (ZEROES,))],
    ids=lambda param: ",".join(["zeroes" if param[1] else "plain"]),
)
def world(tmp_path, request):
    tools, flags = request.param
    with real.taken_from(tools), ExitStack() as stack:
        asked = subprocess.run(
            ["prometheus", "--version"], capture_output=True, text=True, check=True
        )
        if flags and "version 2" in asked.stdout + asked.stderr:
            pytest.skip("Prometheus 2 knows no such zeroes")
        targets = tmp_path / "targets.json"
        targets.write_text("[]")
        scrapes = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n- job_name: dms\n"
            f"  file_sd_configs: [{{files: ['{targets}'], refresh_interval: 1s}}]\n"
        )
        past = [real.line("nothing", {}, 1, 1)]
        url = stack.enter_context(
            real.running(tmp_path, past, scrapes=scrapes, flags=flags)
        )
        server = stack.enter_context(
            closing(Prometheus(url, 5 * SECOND, SECOND, SECOND))
        )
        yield World(targets, stack, url, server)


def test_each_failure_of_a_new_reason_counts_and_counts_once(world):
    replica = Replica(time.time() - 3600, scans=5000)
    world.deploy(replica)
    replica.fail("first", times=30)  # all at once, by a series of their own
    for number in range(12):
        replica.fail(f"reason-{number}")
        time.sleep(0.3)

    bad, every = world.counted(replica)

    assert (round(bad), round(every)) == (42, 42)


def test_a_new_replica_counts_from_its_beginning(world):
    old = Replica(time.time() - 3600, scans=5000)
    world.deploy(old)
    young = Replica(begun=None)
    young.fail("every scan", times=30)
    world.deploy(young)
    young.fail("every scan", times=5)

    bad, every = world.counted(young)

    assert (round(bad), round(every)) == (35, 35)


def test_what_was_counted_before_it_was_found_is_not_news(world):
    world.deploy(Replica(time.time() - 3600, scans=5000))
    old = Replica(time.time() - 3600, scans=9000)
    old.errors = {"long ago": (8000, time.time() - 3500)}
    silent = Replica(time.time() - 3600, scans=9000, says_when=False)
    silent.errors = {"long ago": (8000, time.time() - 3500)}
    world.deploy(old, silent)

    bad, every = world.counted(old)

    assert (round(bad), round(every)) == (0, 0)


def test_a_replica_that_restarts_in_a_loop_loses_nothing_that_was_scraped(world):
    replica, other = Replica(time.time()), Replica(time.time() - 3600, scans=100)
    world.deploy(replica, other)
    for _ in range(4):
        for _ in range(25):
            replica.fail("every scan")
            time.sleep(0.1)
        replica.is_up = False
        time.sleep(1.2)
        replica.restart()
        replica.is_up = True
    bad, _ = world.counted(replica)
    lives = dict(replica.served)  # the last of each life

    assert sum(lives.values()) * 0.8 <= round(bad) <= sum(lives.values())
