#!/usr/bin/env bash
# prometheus-api-client waits ten times as long as the timeout that it is given.
#
# Versions: prometheus-api-client 0.7.2 (requests 2.34.2, urllib3 2.8.0), from PyPI;
#   Python 3.11.
# Meant: `PrometheusConnect(url, timeout=1)`, "a timeout (in seconds) applied to all
#   requests", gives up on a silent server after a second.
# Seen: each query is sent four times, for a reader's timeout counts as a fault worth
#   three retries with pauses of 0, 2 and 4 s between them: 10 s for a timeout of 1 s,
#   46 s for one of 10 s, and four times the load on a server that is slow already.
#   `retry=Retry(0)` gives the timeout back its meaning.
# Output on 29 November 2026:
#   by default: given up after 10 s and 4 requests; with Retry(0): after 1 s and 1 request
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  prometheus-api-client==0.7.2 requests==2.34.2 urllib3==2.8.0
cat >"$dir/look.py" <<'PYTHON'
import socket
import sys
import threading
import time
import warnings

warnings.simplefilter("ignore")

from prometheus_api_client import PrometheusConnect  # noqa: E402
from urllib3.util.retry import Retry  # noqa: E402

silent = socket.create_server(("127.0.0.1", 0))
kept = []


def accept():
    while True:
        kept.append(silent.accept())


threading.Thread(target=accept, daemon=True).start()
url = f"http://127.0.0.1:{silent.getsockname()[1]}"


def gives_up(**more):
    """Give the seconds and the requests that one query took."""
    before, began = len(kept), time.monotonic()
    try:
        PrometheusConnect(url, timeout=1, **more).custom_query("up")
    except Exception:
        pass
    return time.monotonic() - began, len(kept) - before


default, requests = gives_up()
once, one = gives_up(retry=Retry(0))
print(
    f"by default: given up after {default:.0f} s and {requests} requests; "
    f"with Retry(0): after {once:.0f} s and {one} request"
)
as_seen = requests == 4 and default >= 9 and one == 1 and once < default / 2
sys.exit(0 if as_seen else "this is not what was seen: 10 s and 4, 1 s and 1")
PYTHON
timeout 90 env -u http_proxy -u HTTP_PROXY -u all_proxy -u ALL_PROXY \
  "$dir/venv/bin/python" "$dir/look.py"
