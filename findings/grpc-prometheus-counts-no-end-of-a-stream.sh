#!/usr/bin/env bash
# py-grpc-prometheus counts that a stream of answers begins, and never how it ends.
#
# Versions: py-grpc-prometheus 0.8.0 (grpcio 1.85.3, prometheus-client 0.26.0), from PyPI;
#   Python 3.11.
# Meant: `grpc_server_handled_total`, by `grpc_code`, counts each call that has ended, of all
#   four kinds, as it does in go-grpc-prometheus, whose names its README says these are.
#   What asks for the share of calls with a bad code is right for a service of any kind.
# Seen: only a method with one answer is counted there, and in `grpc_server_handling_seconds`.
#   A method that streams its answers has no series in either: a client of it may be told
#   UNAVAILABLE each time, and the share of errors has nothing to show. A stream of requests,
#   for its part, is not counted in `grpc_server_started_total`. The client's interceptor
#   counts the end of nothing but one request with one answer.
# Output on 1 December 2026, of one call that goes well and two that end as UNAVAILABLE:
#   one request, one answer: started 3; handled OK 1, UNAVAILABLE 2
#   one request, a stream of answers: started 3; handled nothing
#   a stream of requests, one answer: started nothing; handled OK 1, UNAVAILABLE 2
#   a stream of both: started nothing; handled nothing
#   the client, of all: handled OK 1, UNAVAILABLE 2
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  py-grpc-prometheus==0.8.0 grpcio==1.85.3 prometheus-client==0.26.0 \
  setuptools==84.2.1 typing-extensions==4.16.0
cat >"$dir/look.py" <<'PYTHON'
import logging
import sys
from collections import Counter
from concurrent import futures

import grpc
from prometheus_client import CollectorRegistry
from py_grpc_prometheus.prometheus_client_interceptor import PromClientInterceptor
from py_grpc_prometheus.prometheus_server_interceptor import PromServerInterceptor

logging.disable()
KINDS = {
    "UnaryUnary": "one request, one answer",
    "UnaryStream": "one request, a stream of answers",
    "StreamUnary": "a stream of requests, one answer",
    "StreamStream": "a stream of both",
}


def one(asked, context: grpc.ServicerContext) -> bytes:
    asked = asked if isinstance(asked, bytes) else next(asked)
    if asked == b"bad":
        context.abort(grpc.StatusCode.UNAVAILABLE, "no database")
    return b"done"


def many(asked, context: grpc.ServicerContext):
    yield one(asked, context)


def counted(registry: CollectorRegistry, name: str, method: str = "") -> str:
    counts = Counter()
    for family in registry.collect():
        for sample in family.samples:
            if sample.name == name and method in ("", sample.labels["grpc_method"]):
                counts[sample.labels.get("grpc_code", "")] += int(sample.value)
    told = (f"{code} {count}".strip() for code, count in sorted(counts.items()))
    return ", ".join(told) or "nothing"


served, called = CollectorRegistry(), CollectorRegistry()
server = grpc.server(
    futures.ThreadPoolExecutor(4), interceptors=[PromServerInterceptor(registry=served)]
)
handlers = {
    "UnaryUnary": grpc.unary_unary_rpc_method_handler(one),
    "UnaryStream": grpc.unary_stream_rpc_method_handler(many),
    "StreamUnary": grpc.stream_unary_rpc_method_handler(one),
    "StreamStream": grpc.stream_stream_rpc_method_handler(many),
}
service = grpc.method_handlers_generic_handler("demo.Dms", handlers)
server.add_generic_rpc_handlers([service])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
channel = grpc.intercept_channel(
    grpc.insecure_channel(f"127.0.0.1:{port}"), PromClientInterceptor(registry=called)
)
calls = {
    "UnaryUnary": channel.unary_unary,
    "UnaryStream": channel.unary_stream,
    "StreamUnary": channel.stream_unary,
    "StreamStream": channel.stream_stream,
}
refused = 0
for kind, make in calls.items():
    for word in (b"good", b"bad", b"bad"):
        asked = iter([word]) if kind.startswith("Stream") else word
        try:
            list(make(f"/demo.Dms/{kind}")(asked))
        except grpc.RpcError as error:
            refused += error.code() is grpc.StatusCode.UNAVAILABLE
channel.close()
server.stop(None).wait()
assert refused == 8, refused
seen = []
for kind, name in KINDS.items():
    started = counted(served, "grpc_server_started_total", kind)
    handled = counted(served, "grpc_server_handled_total", kind)
    print(f"{name}: started {started}; handled {handled}")
    seen.append((started, handled))
client = counted(called, "grpc_client_handled_total")
print(f"the client, of all: handled {client}")
both = "OK 1, UNAVAILABLE 2"
expected = [("3", both), ("3", "nothing"), ("nothing", both), ("nothing", "nothing")]
sys.exit((seen, client) != (expected, both))
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: the end of each call is counted" >&2
  exit 1
}
