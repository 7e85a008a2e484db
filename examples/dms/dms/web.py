"""The DMS over HTTP: scans, health, version, metrics, and the switch for faults."""

from __future__ import annotations

import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from dms.faults import KNOWN, FaultsFile
from dms.manifest import Manifest

disable_created_metrics()  # a `_created` series beside every other one is noise here

HANDLERS = ("/scan", "/health", "/version", "/metrics", "/faults", "other")
REQUESTS = Counter("http_requests_total", "Requests answered.", ("code", "handler"))
# 0.5 is the bound of the release's latency trigger: it must be a bucket's edge.
SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time to answer.",
    ("handler",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
SCANS = Counter("dms_scans_total", "Scans that reached the router.", ("tenant",))
FAILURES = Counter(
    "dms_awb_routing_failures_total", "Scans without a route.", ("tenant",)
)
PENDING = Gauge("dms_outbox_pending", "Events waiting to be published.")
ENQUEUED = Counter("dms_outbox_enqueued_total", "Events put into the outbox.")
PUBLISHED = Counter("dms_outbox_published_total", "Events that left the outbox.")
BUILD = Gauge("dms_build_info", "Always 1; the version is the label.", ("version",))

LONGEST_BODY = 64 * 1024


class Outbox:
    """Events wait here until they are published; a restart loses them (a toy)."""

    def __init__(self, faults: FaultsFile) -> None:
        self._faults, self._waiting, self._lock = faults, 0, threading.Lock()

    def put(self) -> None:
        """Leave one event to be published."""
        with self._lock:
            self._waiting += 1
            ENQUEUED.inc()
            PENDING.set(self._waiting)

    def drain(self, closing: threading.Event) -> None:
        """Publish what waits, ten times a second, unless told to be stuck."""
        while not closing.wait(0.1):
            if self._faults.current()["outbox_stuck"]:
                continue
            with self._lock:
                PUBLISHED.inc(self._waiting)
                self._waiting = 0
                PENDING.set(0)


class Service(ThreadingHTTPServer):
    """The listening DMS: one thread a connection, all of them left behind at exit."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], manifest: Manifest, faults: FaultsFile
    ) -> None:
        self.manifest, self.faults = manifest, faults
        self.outbox, self.busy = Outbox(faults), 0
        self._busy_lock = threading.Lock()
        # A series that appears only with its first event hides that event from rate().
        for handler in HANDLERS:
            SECONDS.labels(handler)
            for code in ("200", "500"):
                REQUESTS.labels(code, handler)
        for counter in (SCANS, FAILURES):
            counter.labels(manifest.tenant)
        BUILD.labels(faults.version).set(1)
        super().__init__(address, Answer)

    def count_busy(self, change: int) -> None:
        """Keep count of requests being answered, so that an exit can wait for them."""
        with self._busy_lock:
            self.busy += change


class Answer(BaseHTTPRequestHandler):
    """One request, one answer."""

    server: Service
    protocol_version = "HTTP/1.1"
    # Without these two an answer leaves in several packets and Nagle adds 40 ms.
    wbufsize = 65536
    disable_nagle_algorithm = True
    timeout = 75

    def do_GET(self) -> None:
        """Answer a question."""
        self._measured(
            {
                "/health": self._health,
                "/version": self._version,
                "/metrics": self._metrics,
                "/faults": self._faults,
            }
        )

    def do_POST(self) -> None:
        """Take a scan, or a fault."""
        self._measured({"/scan": self._scan, "/faults": self._add_faults})

    def do_DELETE(self) -> None:
        """Take a fault away."""
        self._measured({"/faults": self._drop_faults})

    def _measured(self, routes: dict[str, Any]) -> None:
        url = urlsplit(self.path)
        self._query = parse_qs(url.query)
        handler = url.path if url.path in HANDLERS else "other"
        self.server.count_busy(+1)
        began = time.perf_counter()
        try:
            # Read before answering: what is left over would be the next request.
            length = int(self.headers.get("Content-Length") or 0)
            if length > LONGEST_BODY:
                self.close_connection = True
                code, body = 413, {"error": f"{length} bytes, meant {LONGEST_BODY}"}
            else:
                self._body = self.rfile.read(length)
                missing = self._missing
                code, body = routes.get(url.path, missing)()
            REQUESTS.labels(str(code), handler).inc()
            SECONDS.labels(handler).observe(time.perf_counter() - began)
            self._send(code, body)
        finally:
            self.server.count_busy(-1)

    def _send(self, code: int, body: dict[str, Any] | bytes) -> None:
        text = isinstance(body, bytes)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() + b"\n"
        self.send_response(code)
        self.send_header(
            "Content-Type", CONTENT_TYPE_LATEST if text else "application/json"
        )
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _missing(self) -> tuple[int, dict[str, Any]]:
        return 404, {"error": f"{self.command} {self.path} is not here"}

    def _health(self) -> tuple[int, dict[str, Any]]:
        now, version = self.server.faults.current(), self.server.faults.version
        if now["unhealthy"] or now["never_healthy"]:
            return 503, {"status": "unhealthy", "version": version}
        return 200, {"status": "ok", "version": version}

    def _version(self) -> tuple[int, dict[str, Any]]:
        manifest = self.server.manifest
        return 200, {
            "version": self.server.faults.version,
            "manifest": {"version": manifest.version, "sha256": manifest.sha256},
            "tenant": manifest.tenant,
        }

    def _metrics(self) -> tuple[int, bytes]:
        return 200, generate_latest()

    def _scan(self) -> tuple[int, dict[str, Any]]:
        manifest, now = self.server.manifest, self.server.faults.current()
        try:
            told = json.loads(self._body)
            awb, tenant = str(told["awb"]), told.get("tenant", manifest.tenant)
        except (ValueError, KeyError, TypeError, AttributeError):
            return 400, {"error": 'the body is not {"awb": "…", "tenant": "…"}'}
        if tenant != manifest.tenant:
            return 400, {"error": f"tenant is {tenant!r}, meant {manifest.tenant!r}"}
        if random.random() < now["slow"]:
            time.sleep(now["slow_seconds"])
        if random.random() < now["errors"]:
            return 500, {"error": "told to fail"}
        SCANS.labels(tenant).inc()
        hub = manifest.routes.get(awb[:3])
        if hub is None or random.random() < now["awb_failures"]:
            FAILURES.labels(tenant).inc()
            return 200, {"awb": awb, "routed": False}
        self.server.outbox.put()
        return 200, {"awb": awb, "routed": True, "route": hub}

    def _faults(self) -> tuple[int, dict[str, Any]]:
        meanings = {name: meaning for name, (_, meaning) in KNOWN.items()}
        return 200, {"now": self.server.faults.current(), "meaning": meanings}

    def _add_faults(self) -> tuple[int, dict[str, Any]]:
        version = self._query.get("version", [self.server.faults.version])[0]
        try:
            told = self.server.faults.merge(version, json.loads(self._body))
        except (ValueError, TypeError, AttributeError) as why:
            return 400, {"error": str(why)}
        return 200, {"version": version, "faults": told}

    def _drop_faults(self) -> tuple[int, dict[str, Any]]:
        version = self._query.get("version", [self.server.faults.version])[0]
        self.server.faults.forget(version)
        return 200, {"version": version, "faults": {}}

    def log_message(self, *_: object) -> None:
        """Say nothing a request: /metrics has the numbers."""
