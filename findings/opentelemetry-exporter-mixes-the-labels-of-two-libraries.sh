#!/usr/bin/env bash
# OpenTelemetry's Prometheus exporter shows httpx's requests under the labels of requests.
#
# Versions: opentelemetry-exporter-prometheus, opentelemetry-instrumentation-requests and
#   -httpx 0.66b2 (opentelemetry-sdk 1.45.2, prometheus-client 0.26.0, requests 2.34.2,
#   httpx 0.28.1), from PyPI; Python 3.11. A server on loopback answers with the status
#   that it is asked for.
# Meant: a process that uses both libraries, both instrumented by OpenTelemetry, exports one
#   metric of requests made, each series with what its library said, under its name.
# Seen: the label names are those of the library that was instrumented first. The values of
#   the other are put under them in order, without its names: its method is the status,
#   its status the URL of a schema, and the library's own name a scheme. By the newer
#   conventions (OTEL_SEMCONV_STABILITY_OPT_IN=http) both have the same names, and it is
#   right until the first error, which brings the label `error.type`; from then on the old
#   series are wrong too. What asks for a status of 5.. misses all errors of one library.
# Output on 30 November 2026, of httpx's requests:
#   by default, after 200: method 200, status https://opentelemetry.io/schemas/1.11.0
#   newer names, after 200: method GET, status 200
#   newer names, after 503: method (none), status GET; method 503, status GET
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  opentelemetry-exporter-prometheus==0.66b2 opentelemetry-sdk==1.45.2 \
  opentelemetry-instrumentation-requests==0.66b2 \
  opentelemetry-instrumentation-httpx==0.66b2 \
  prometheus-client==0.26.0 requests==2.34.2 httpx==0.28.1
cat >"$dir/look.py" <<'PYTHON'
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import requests
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry

REQUESTS = "opentelemetry.instrumentation.requests"
newer = sys.argv[1:] == ["newer"]
metric = f"http_client_{'request_duration_seconds' if newer else 'duration_milliseconds'}"
method = "http_request_method" if newer else "http_method"
status = "http_response_status_code" if newer else "http_status_code"


class AsAsked(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def shown(after: int) -> None:
    """Scrape, and say what the series that are not of `requests` have for labels."""
    said = []
    for family in registry.collect():
        for sample in family.samples:
            labels = sample.labels
            if sample.name == metric + "_count" and REQUESTS not in labels.values():
                said.append(f"method {labels[method] or '(none)'}, status {labels[status]}")
    names = "newer names" if newer else "by default"
    print(f"{names}, after {after}: {'; '.join(said)}")


registry = CollectorRegistry()
provider = MeterProvider([PrometheusMetricReader(registry=registry)])
RequestsInstrumentor().instrument(meter_provider=provider)
HTTPXClientInstrumentor().instrument(meter_provider=provider)
server = ThreadingHTTPServer(("127.0.0.1", 0), AsAsked)
threading.Thread(target=server.serve_forever, daemon=True).start()
here = f"http://127.0.0.1:{server.server_port}"
requests.get(f"{here}/200", timeout=10)
httpx.get(f"{here}/200", timeout=10)
shown(200)
if newer:
    httpx.get(f"{here}/503", timeout=10)
    shown(503)
PYTHON
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY OTEL_SEMCONV_STABILITY_OPT_IN
said=$(timeout 60 "$dir/venv/bin/python" "$dir/look.py")
said+=$'\n'$(OTEL_SEMCONV_STABILITY_OPT_IN=http timeout 60 "$dir/venv/bin/python" "$dir/look.py" newer)
meant="by default, after 200: method 200, status https://opentelemetry.io/schemas/1.11.0
newer names, after 200: method GET, status 200
newer names, after 503: method (none), status GET; method 503, status GET"
echo "$said"
if [ "$said" != "$meant" ]; then
  echo "this is not what was seen: $meant" >&2
  exit 1
fi
