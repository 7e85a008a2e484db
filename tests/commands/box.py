"""A box in one server: the engine, a Prometheus, and a service that is well."""

import json
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.observe.test_surroundings import COMPOSE, box

STARTED = "2026-03-11T00:00:00.000000001Z"
METRICS = ("http_requests_total", "shop_orders_failed_total", "shop_orders_total")


class ABox:
    """What answers there: change *containers*, *targets* or *is_well* before asking."""

    def __init__(self, folder):
        self.folder = folder / "stack"
        self.folder.mkdir()
        (self.folder / "compose.yaml").write_text(COMPOSE)
        (self.folder / ".env").write_text("SHOP_TAG=v2.0.0\n")
        self.port = 0
        self.containers = []
        self.targets = ["api:80"]
        self.is_well = True
        self.says_yes = False  # 200 to whatever a service is asked
        self.clock_ahead = 0.0  # of Prometheus, in seconds
        self.answers_after = 0.0  # seconds, when it is asked for its time

    @property
    def engine(self):
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def prometheus(self):
        return f"http://127.0.0.1:{self.port}"

    def runs(self, service="api", image="ghcr.io/x/shop:v2.0.0", inside=80, **other):
        made = box(other.pop("folder", self.folder), service, **other)
        made["Config"]["Image"] = image
        made |= {"Image": "sha256:" + "a" * 64, "HostConfig": {}, "RestartCount": 0}
        made["Created"] = STARTED
        made["State"] = {"StartedAt": STARTED, "Running": True, **made["State"]}
        ends = [{"HostIp": "127.0.0.1", "HostPort": str(self.port)}]
        made["NetworkSettings"]["Ports"] = {f"{inside}/tcp": ends}
        made["Config"]["ExposedPorts"] = {f"{inside}/tcp": {}}
        made["NetworkSettings"]["Networks"] = {"shop_default": {"Aliases": [service]}}
        self.containers.append(made)

    def runs_prometheus(self, **other):
        self.runs("prometheus", "prom/prometheus:v3", 9090, **other)

    def says(self, path, asked):
        """Answer as whoever is asked: status and JSON."""
        query = asked.get("query", [""])[0]
        if self.says_yes and path.startswith("/there-is"):
            return 200, {}
        if path == "/health":
            return (200 if self.is_well else 503), {}
        if path == "/version":
            engine = {"Platform": {"Name": "Docker Engine"}, "Version": "20.10.24"}
            return 200, {"ApiVersion": "1.41", "version": "v2.0.0", **engine}
        if found := re.fullmatch(r"/v1\.\d+/containers/(.+)", path):
            filters = json.loads(asked.get("filters", ["{}"])[0])
            return self._engine_says(found[1], filters.get("label", ()))
        if path == "/api/v1/targets":
            active = [
                {
                    "labels": {"job": "shop"},
                    "discoveredLabels": {"__address__": one},
                    "scrapeInterval": "15s",
                    "health": "up",
                }
                for one in self.targets
            ]
            return 200, {"status": "success", "data": {"activeTargets": active}}
        if path == "/api/v1/status/buildinfo":
            return 200, {"status": "success", "data": {"version": "3.5.0"}}
        if path == "/api/v1/query":
            return 200, self._counts(query)
        if path == "/api/v1/query_range":
            whole = {"resultType": "matrix", "result": []}
            return 200, {"status": "success", "data": whole}
        if path.startswith("/api/"):
            return 200, {"status": "success", "data": []}
        return 404, {"message": "no such thing"}

    def _engine_says(self, which, wanted):
        if which == "json":
            labels = [
                {f"{k}={v}" for k, v in c["Config"]["Labels"].items()}
                for c in self.containers
            ]
            return 200, [
                {
                    "Id": c["Id"],
                    "Names": [c["Name"]],
                    "Labels": c["Config"]["Labels"],
                    "State": c["State"]["Status"],
                }
                for c, own in zip(self.containers, labels, strict=True)
                if set(wanted) <= own
            ]
        name = which.removesuffix("/json")
        found = [c for c in self.containers if c["Id"] == name]
        return (200, found[0]) if found else (404, {"message": "no such container"})

    def _counts(self, query):
        now = time.time() + self.clock_ahead
        if query == "time()":
            time.sleep(self.answers_after)
            return {
                "status": "success",
                "data": {"resultType": "scalar", "result": [now, str(now)]},
            }
        series = [{}]
        if "__name__" in query:
            series = [{"__name__": name} for name in METRICS]
        elif query.startswith("group by (code"):
            series = [{"code": "200"}, {"code": "500"}] if "http" in query else []
        elif "offset" in query or "resets" in query or "> 0" in query:
            series = []  # it is young, and no counter ever fell
        result = [{"metric": one, "value": [now, "1"]} for one in series]
        return {"status": "success", "data": {"resultType": "vector", "result": result}}


@contextmanager
def a_box(folder):
    """Serve a box on a free port of loopback."""
    it = ABox(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            status, body = it.says(url.path, parse_qs(url.query))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    it.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield it
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
