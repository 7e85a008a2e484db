#!/usr/bin/env python3
"""How much a watch of many tenants costs: scale.py [--tenants 1000] [--minutes 5].

Run it in the sandbox: examples/sandbox/sandbox run .venv/bin/python bench/scale.py
A real daemon, a real stack and a real Prometheus on this machine, which scrapes an
exporter with the series of so many tenants. Everything is measured from outside:
/proc for the daemon, /metrics for its turns, Prometheus' own counters for queries.

`--minutes 60 --every 60` is the soak: watch the column of the resident memory.
"""

import argparse
import http.server
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import yaml

from watchdog.commands.stage import Stage

CHECKOUT = Path(__file__).resolve().parents[1]
TICK = os.sysconf("SC_CLK_TCK")
POLL = 5.0
TRIGGERS = [
    {
        "alert": "Http5xxRate",
        "ratio": {
            "errors": 'http_requests_total{job="many",code="500"}',
            "total": 'http_requests_total{job="many"}',
        },
        "above": "5%",
        "for": "300s",
        "by": "tenant",
        "action": "pause-and-alert",
    },
    {
        "alert": "ScanLatencyP95",
        "latency": {
            "histogram": 'http_request_duration_seconds{job="many"}',
            "over": "500ms",
            "quantile": 0.95,
        },
        "for": "600s",
        "by": "tenant",
        "action": "pause-and-investigate",
    },
    {
        "alert": "AwbRoutingFailures",
        "ratio": {
            "errors": 'dms_awb_routing_failures_total{job="many"}',
            "total": 'dms_scans_total{job="many"}',
        },
        "above": "1%",
        "window": "300s",
        "by": "tenant",
        "action": "rollback",
    },
    {
        "alert": "OutboxDrainFailure",
        "queue": {
            "depth": 'dms_outbox_pending{job="many"}',
            "enqueued": 'dms_outbox_enqueued_total{job="many"}',
            "drained": 'dms_outbox_published_total{job="many"}',
        },
        "growing_for": "900s",
        "action": "rollback",
    },
]


def page(tenants: int, began: float) -> bytes:
    """Write every tenant's series as of now: 20 scans a minute, 0.2 % of them bad."""
    count = (time.time() - began) / 3
    lines = []
    for number in range(tenants):
        name = f't{number:05d}"'
        mine = f'{{tenant="{name}'
        bad = count * 0.002
        lines += [
            f'http_requests_total{mine},code="200"}} {count - bad:.3f}',
            f'http_requests_total{mine},code="500"}} {bad:.3f}',
            f'http_request_duration_seconds_bucket{mine},le="0.1"}} {count * 0.9:.3f}',
            f'http_request_duration_seconds_bucket{mine},le="0.5"}} {count * 0.99:.3f}',
            f'http_request_duration_seconds_bucket{mine},le="+Inf"}} {count:.3f}',
            f"dms_scans_total{mine}}} {count:.3f}",
            f"dms_awb_routing_failures_total{mine}}} {bad:.3f}",
            f"dms_outbox_pending{mine}}} {number % 7}",
            f"dms_outbox_enqueued_total{mine}}} {count:.3f}",
            f"dms_outbox_published_total{mine}}} {count:.3f}",
        ]
    return ("\n".join(lines) + "\n").encode()


def free_port() -> int:
    """Find a port of loopback that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def exporter(tenants: int, after: ExitStack) -> int:
    """Serve the tenants' series until the end; give the port."""
    began = time.time()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page(tenants, began)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    after.callback(server.shutdown)
    return int(server.server_port)


def prometheus(folder: Path, target: int, after: ExitStack) -> str:
    """Start a Prometheus that scrapes *target* every 15 s; give its URL."""
    scrapes = [
        {"job_name": "many", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
    ]
    config = folder / "prometheus.yml"
    config.write_text(
        yaml.safe_dump(
            {"global": {"scrape_interval": "15s"}, "scrape_configs": scrapes}
        )
    )
    port = free_port()
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after.callback(process.wait)
    after.callback(process.terminate)
    return f"http://127.0.0.1:{port}"


def get(url: str) -> str:
    """Read *url*."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def metric(text: str, name: str) -> float:
    """Add up every series of *name* in a page of metrics."""
    found = [
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith((f"{name} ", f"{name}{{"))
    ]
    return sum(found)


def asked(url: str) -> float:
    """Count the queries that Prometheus has answered."""
    lines = [
        line
        for line in get(f"{url}/metrics").splitlines()
        if line.startswith("prometheus_http_requests_total") and "/api/v1/query" in line
    ]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def cpu_and_memory(pid: int) -> tuple[float, float]:
    """Give the seconds of CPU and the MiB of resident memory of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / TICK, resident * 4096 / 2**20


def watch(stage: Stage, url: str, seconds: float, every: float) -> dict[str, float]:
    """Let the daemon turn for *seconds*; print a line *every* so often."""
    for version in ("v1.2.0", "v1.3.0", "v1.3.1"):
        stage.file(version, triggers=TRIGGERS)
    stage.settings(
        mode="observe",
        poll="5s",
        prometheus={"url": url, "scrape_interval": "15s", "timeout": "4s"},
    )
    process = stage.watch()
    stage.until("observe.pair_started", 60)
    time.sleep(2 * POLL)
    page_url = f"{stage.private}/metrics"
    began, queries, first = time.monotonic(), asked(url), get(page_url)
    cpu, resident = cpu_and_memory(process.pid)
    took: list[float] = []
    peak, last_line = resident, began
    while time.monotonic() < began + seconds:
        time.sleep(POLL)
        took.append(metric(get(page_url), "watchdog_turn_seconds"))
        now_cpu, resident = cpu_and_memory(process.pid)
        peak = max(peak, resident)
        if time.monotonic() - last_line >= every:
            last_line = time.monotonic()
            passed = last_line - began
            print(f"  {passed:6.0f} s  {resident:6.1f} MiB  {now_cpu - cpu:6.2f} s CPU")
    passed = time.monotonic() - began
    text = get(page_url)
    turns = metric(text, "watchdog_turns_total") - metric(first, "watchdog_turns_total")
    return {
        "turns": turns,
        "late": metric(text, "watchdog_turns_late_total"),
        "queries per turn": (asked(url) - queries) / max(1, turns),
        "CPU, % of one core": 100 * (cpu_and_memory(process.pid)[0] - cpu) / passed,
        "resident, MiB": peak,
        "turn p50, ms": 1000 * statistics.median(took),
        "turn p99, ms": 1000 * sorted(took)[int(0.99 * (len(took) - 1))],
    }


def one(tenants: int, minutes: float, every: float) -> dict[str, float]:
    """Measure the watch of so many tenants."""
    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    with ExitStack() as after:
        after.callback(shutil.rmtree, folder, ignore_errors=True)
        url = prometheus(folder, exporter(tenants, after), after)
        ports = (free_port(), free_port(), free_port(), free_port())
        stage = Stage(folder / "stage", CHECKOUT, project="scale", ports=ports)
        (folder / "stage").mkdir()
        after.callback(stage.strike)
        stage.make("0:0")
        stage.compose("up", "-d", "--no-build", "--wait", "dms")
        return watch(stage, url, minutes * 60, every)


def main() -> None:
    """Measure, and print one table."""
    usage = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usage.add_argument("--tenants", type=int, nargs="+", default=[10, 1000])
    usage.add_argument("--minutes", type=float, default=3)
    usage.add_argument("--every", type=float, default=60)
    asked_for = usage.parse_args()
    results = {}
    for tenants in asked_for.tenants:
        print(f"{tenants} tenants, {asked_for.minutes:g} minutes")
        results[tenants] = one(tenants, asked_for.minutes, asked_for.every)
    load = os.getloadavg()[0]
    print(f"\n4 triggers, poll 5 s, {os.cpu_count()} cores, load {load:.1f} at the end")
    print(f"{'':22}" + "".join(f"{tenants:>12} tenants" for tenants in results))
    for name in next(iter(results.values())):
        values = "".join(f"{result[name]:>20.1f}" for result in results.values())
        print(f"{name:22}{values}")


if __name__ == "__main__":
    main()
