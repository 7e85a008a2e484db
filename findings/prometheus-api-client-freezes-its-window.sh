#!/usr/bin/env bash
# prometheus-api-client asks, by default, for the ten minutes before it was imported.
#
# Versions: prometheus-api-client 0.7.2 (requests 2.34.2), from PyPI; Python 3.11.
# Meant: `get_metric_range_data("up")`, whose window is by default from ten minutes ago
#   until now, gives what is newest, each time that it is called.
# Seen: "now" is worked out once, when the module is imported. A process that has run
#   for an hour asks for a window that ended an hour ago, at each call the same one, and
#   is given old samples without a word. With both times given it asks as it is told.
# Output on 30 November 2026:
#   asked 0 s and 3 s after the import: the same window, which ended at the import; with
#   end_time given: a window that ends 3 s later
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  prometheus-api-client==0.7.2 requests==2.34.2
cat >"$dir/look.py" <<'PYTHON'
import json
import sys
import threading
import time
import warnings
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

warnings.simplefilter("ignore")

from prometheus_api_client import PrometheusConnect  # noqa: E402

imported = time.time()
ends = []


class Answers(BaseHTTPRequestHandler):
    """Answers each query with no series, and notes at which time it was to end."""

    def do_GET(self):
        ends.append(float(parse_qs(urlsplit(self.path).query)["time"][0]))
        body = {"status": "success", "data": {"resultType": "matrix", "result": []}}
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Answers)
threading.Thread(target=server.serve_forever, daemon=True).start()
there = PrometheusConnect(f"http://127.0.0.1:{server.server_port}", timeout=10)
there.get_metric_range_data("up")
time.sleep(3)
there.get_metric_range_data("up")
now = datetime.now()
there.get_metric_range_data("up", start_time=now - timedelta(minutes=1), end_time=now)

first, second, told = ends
frozen = first == second <= imported + 1 and told >= first + 2
print(
    "asked 0 s and 3 s after the import: "
    + ("the same window, which ended at the import; " if frozen else f"{ends}; ")
    + f"with end_time given: a window that ends {told - first:.0f} s later"
)
sys.exit(0 if frozen else "this is not what was seen: one window for both")
PYTHON
timeout 60 env -u http_proxy -u HTTP_PROXY -u all_proxy -u ALL_PROXY \
  "$dir/venv/bin/python" "$dir/look.py"
