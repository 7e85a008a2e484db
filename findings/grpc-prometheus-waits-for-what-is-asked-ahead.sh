#!/usr/bin/env bash
# py-grpc-prometheus's client interceptor makes each `.future()` wait for its answer.
#
# Versions: py-grpc-prometheus 0.8.0 (grpcio 1.85.3, prometheus-client 0.26.0), from PyPI;
#   Python 3.11.
# Meant: metrics watch the calls and leave them as they are: `stub.Method.future(…)` gives
#   back at once something to wait for later, so that many calls are under way together.
# Seen: the interceptor asks the call for its status code to count it, before it gives it
#   back, and that waits until the call has ended. Calls that were meant to be together are
#   made one after another, in the thread that should have gone on; a fan-out to four takes
#   four times as long, from the day on that it is measured. The client's histogram, which is
#   filled before that wait, has such a call down as one of 0 s.
# Output on 1 December 2026, of four calls made by `.future()`:
#   no interceptor: 4 under way together
#   the interceptor: 1 under way together
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  py-grpc-prometheus==0.8.0 grpcio==1.85.3 prometheus-client==0.26.0 \
  setuptools==84.2.1 typing-extensions==4.16.0
cat >"$dir/look.py" <<'PYTHON'
import sys
import threading
from concurrent import futures

import grpc
from prometheus_client import CollectorRegistry
from py_grpc_prometheus.prometheus_client_interceptor import PromClientInterceptor

CALLS = 4
changed = threading.Condition()
under_way = most = 0


def ask(_asked: bytes, _context: grpc.ServicerContext) -> bytes:
    """Answer when all calls are under way, or after half a second."""
    global under_way, most
    with changed:
        under_way += 1
        most = max(most, under_way)
        changed.notify_all()
        changed.wait_for(lambda: most == CALLS, timeout=0.5)
        under_way -= 1
    return b"done"


def together(channel: grpc.Channel) -> int:
    global most
    most = 0
    method = channel.unary_unary("/demo.Dms/Ask")
    asked = [method.future(b"") for _ in range(CALLS)]
    assert {one.result() for one in asked} == {b"done"}
    return most


server = grpc.server(futures.ThreadPoolExecutor(CALLS))
handlers = {"Ask": grpc.unary_unary_rpc_method_handler(ask)}
service = grpc.method_handlers_generic_handler("demo.Dms", handlers)
server.add_generic_rpc_handlers([service])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
channel = grpc.insecure_channel(f"127.0.0.1:{port}")
interceptor = PromClientInterceptor(registry=CollectorRegistry())
plain = together(channel)
watched = together(grpc.intercept_channel(channel, interceptor))
channel.close()
server.stop(None).wait()
print(f"no interceptor: {plain} under way together")
print(f"the interceptor: {watched} under way together")
sys.exit((plain, watched) != (CALLS, 1))
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: what is measured is asked for ahead all the same" >&2
  exit 1
}
