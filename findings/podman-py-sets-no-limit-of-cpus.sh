#!/usr/bin/env bash
# podman-py takes `nano_cpus`, the limit of a container's CPUs, and does not pass it on.
#
# Versions: podman 5.8.0 (requests 2.34.2, urllib3 2.8.0), from PyPI; Python 3.11. A service
#   of a few lines stands in for Podman and notes what it is asked for.
# Meant: `containers.create(…, nano_cpus=500_000_000)`, "CPU quota in units of 1e-9 CPUs", is
#   half a CPU, as it is with docker-py. What Podman's service cannot do, such as
#   `blkio_weight`, is a TypeError.
# Seen: it is taken off what is sent, as are `platform` and `detach`, which are of no concern
#   to the service, and nothing is said. The container is made and may use all CPUs there
#   are. `cpu_quota` with `cpu_period` is passed on, and so is `mem_limit`.
# Output on 1 December 2026, the limits that the service was asked for:
#   nano_cpus=500000000, mem_limit=512m: memory 536870912
#   cpu_period=100000, cpu_quota=50000: cpu period 100000, cpu quota 50000
#   blkio_weight=500: TypeError, not asked for
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  podman==5.8.0 requests==2.34.2 urllib3==2.8.0
cat >"$dir/look.py" <<'PYTHON'
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from podman import PodmanClient

asked = []


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"Id": "1" * 64, "Name": "dms"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked.append(json.loads(body))
        self.answer(201, {"Id": "1" * 64, "Warnings": []})

    def answer(self, status: int, said: dict):
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def limits(**wanted) -> str:
    try:
        client.containers.create("dms:v1", ["serve"], **wanted)
    except TypeError:
        return "TypeError, not asked for"
    found = asked.pop().get("resource_limits", {})
    told = [f"cpu {name} {value}" for name, value in found.get("cpu", {}).items()]
    if "limit" in found.get("memory", {}):
        told.append(f"memory {found['memory']['limit']}")
    return ", ".join(told) or "none"


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = []
with PodmanClient(base_url=f"tcp://127.0.0.1:{server.server_port}") as client:
    for wanted in (
        {"nano_cpus": 500_000_000, "mem_limit": "512m"},
        {"cpu_period": 100_000, "cpu_quota": 50_000},
        {"blkio_weight": 500},
    ):
        seen.append(limits(**wanted))
        words = ", ".join(f"{name}={value}" for name, value in wanted.items())
        print(f"{words}: {seen[-1]}")
server.shutdown()
expected = ["memory 536870912", "cpu period 100000, cpu quota 50000"]
sys.exit(seen != [*expected, "TypeError, not asked for"])
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: nano_cpus is passed on, or is an error" >&2
  exit 1
}
