"""Something to scrape: it exports whatever it is told to say."""

import struct
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROTOBUF = (
    "application/vnd.google.protobuf; "
    "proto=io.prometheus.client.MetricFamily; encoding=delimited"
)


def native(name, counts):
    """Write a native histogram whose bounds are powers of two, as protobuf.

    *counts* has how many were above 2 to the key less one, and up to 2 to the key.
    """
    first, last = min(counts), max(counts)
    each = [counts.get(key, 0) for key in range(first, last + 1)]
    deltas = [now - was for was, now in zip([0, *each], each, strict=False)]
    span = _number(1, _signed(first)) + _number(2, len(each))
    histogram = (
        _number(1, sum(each))
        + _double(2, 0.4 * sum(each))
        + _number(5, _signed(0))  # the schema: each bound is twice the one before
        + _double(6, 1e-9)
        + _number(7, 0)
        + _inner(12, span)
        + b"".join(_number(13, _signed(delta)) for delta in deltas)
    )
    family = _inner(1, name.encode()) + _number(3, 4) + _inner(4, _inner(7, histogram))
    return _varint(len(family)) + family


def _varint(number):
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])


def _signed(number):
    return 2 * number if number >= 0 else -2 * number - 1


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def _double(field, value):
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _inner(field, data):
    return _varint(field << 3 | 2) + _varint(len(data)) + data


@contextmanager
def exporting(say):
    """Export what *say* gives at each scrape, text or protobuf; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            said = say()
            body = said.encode() if isinstance(said, str) else said
            self.send_response(200)
            kind = PROTOBUF if said is body else "text/plain; version=0.0.4"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
