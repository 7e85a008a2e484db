#!/usr/bin/env bash
# OpenTelemetry's Prometheus exporter answers nothing at all for one exponential histogram.
#
# Versions: opentelemetry-exporter-prometheus 0.66b2, opentelemetry-sdk 1.45.2 and
#   prometheus-client 0.26.0, from PyPI; Python 3.11.
# Meant: a view may make a histogram exponential; where the exporter cannot show one, it
#   leaves that one out and logs "Unsupported metric data", as it does by its own code.
# Seen: it reads the points before it asks of which kind they are, and raises an
#   AttributeError. The scrape is answered 500, the counters beside it are gone too, and to
#   Prometheus the target is down. It begins with the first measurement, so that a service
#   that was just started, or whose tests do not reach that histogram, answers well.
# Output on 30 November 2026:
#   explicit buckets, nothing measured: 200, requests_total shown
#   explicit buckets, measured: 200, requests_total shown
#   exponential, nothing measured: 200, requests_total shown
#   exponential, measured: 500, requests_total not shown
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  opentelemetry-exporter-prometheus==0.66b2 opentelemetry-sdk==1.45.2 \
  prometheus-client==0.26.0
cat >"$dir/look.py" <<'PYTHON'
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from prometheus_client import REGISTRY, start_http_server

KINDS = {
    "explicit buckets": ExplicitBucketHistogramAggregation(),
    "exponential": ExponentialBucketHistogramAggregation(),
}
server, _ = start_http_server(0, "127.0.0.1")


def scrape(when: str) -> tuple[int, bool]:
    try:
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
            status, text = answer.status, answer.read().decode()
    except HTTPError as refused:
        status, text = refused.code, refused.read().decode()
    shown = "\nrequests_total{" in text
    print(f"{when}: {status}, requests_total {'shown' if shown else 'not shown'}")
    return status, shown


seen = []
for kind, aggregation in KINDS.items():
    reader = PrometheusMetricReader()
    view = View(instrument_name="latency", aggregation=aggregation)
    meter = MeterProvider([reader], views=[view]).get_meter("dms")
    meter.create_counter("requests").add(1)
    latency = meter.create_histogram("latency", unit="s")
    seen.append(scrape(f"{kind}, nothing measured"))
    latency.record(0.02)
    seen.append(scrape(f"{kind}, measured"))
    REGISTRY.unregister(reader._collector)
server.shutdown()
sys.exit(seen != [(200, True), (200, True), (200, True), (500, False)])
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" 2>"$dir/errors" || {
  tail -n 1 "$dir/errors" >&2
  echo "changed: the rest is shown beside an exponential histogram" >&2
  exit 1
}
