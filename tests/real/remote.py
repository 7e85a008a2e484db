"""Fills a running Prometheus with any past in seconds, by remote write.

Source: Prometheus remote write 1.0 and snappy's block format, as far as needed.
"""

import socket
import struct
import subprocess
import urllib.request
from contextlib import contextmanager

from tests.real.prometheus import _wait

# Of one request; the server takes 32 MiB.
SAMPLES_AT_ONCE = 200_000
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


@contextmanager
def running(folder, *more):
    """Serve an empty Prometheus that takes remote writes: its address."""
    config = folder / "prometheus.yml"
    config.write_text("global: {}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=100y",
                "--web.enable-remote-write-receiver",
                f"--web.listen-address=127.0.0.1:{port}",
                *more,
            ],
            stderr=log,
            stdout=log,
        )
        try:
            _wait(url, process, folder / "log")
            yield url
        finally:
            process.terminate()
            process.wait(30)


def write(url, series):
    """Write *series*: (name, labels, samples), samples (seconds, value) in order."""
    waiting, count = [], 0
    for name, labels, samples in series:
        waiting.append(_series(name, labels, samples))
        count += len(samples)
        if count > SAMPLES_AT_ONCE:
            _send(url, b"".join(waiting))
            waiting, count = [], 0
    if waiting:
        _send(url, b"".join(waiting))


def _series(name, labels, samples):
    whole = {"__name__": name} | labels
    body = b"".join(
        _field(1, _field(1, key.encode()) + _field(2, whole[key].encode()))
        for key in sorted(whole)
    )
    pack = struct.Struct("<d").pack
    for at, value in samples:
        inner = b"\x09" + pack(value) + b"\x10" + _varint(round(at * 1000))
        body += b"\x12" + _varint(len(inner)) + inner
    return _field(1, body)


def _send(url, body):
    request = urllib.request.Request(
        f"{url}/api/v1/write",
        _snappy(body),
        {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 204


def _field(number, body):
    return bytes([number << 3 | 2]) + _varint(len(body)) + body


def _varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _snappy(body):
    """Frame *body* as literals: valid snappy, not smaller."""
    out = bytearray(_varint(len(body)))
    for start in range(0, len(body), 65536):
        piece = body[start : start + 65536]
        out += b"\xf4" + struct.pack("<H", len(piece) - 1) + piece
    return bytes(out)
