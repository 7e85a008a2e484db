#!/usr/bin/env bash
# uvicorn's `send` to a client that has left returns at once, and lets nobody else run.
#
# Versions: uvicorn 0.54.0 (h11 0.16.0), from PyPI; Python 3.11.
# Meant: a stream whose only `await` is its `send` shares the loop: `send` waits when the
#   client reads slowly, and fails or at least yields when the client has gone.
# Seen: while the client is there it does. Once the client has left, `await send(...)`
#   neither raises nor yields: the stream runs on as a plain loop, and from then on the
#   process answers nobody else, on no connection, until the stream ends by itself.
#   A stream must ask `receive` for the disconnect, or sleep(0) by its own.
# Output on 29 November 2026:
#   beside a slow reader: answered; once it left: not answered within 3 s;
#   after the stream ended by itself: answered
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  uvicorn==0.54.0 h11==0.16.0
cat >"$dir/look.py" <<'PYTHON'
import socket
import sys
import threading
import time

import uvicorn

until = time.monotonic() + 12  # when the stream ends by itself
BODY = "http.response.body"


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/stream":
        while time.monotonic() < until:
            await send({"type": BODY, "body": b"x" * 1000, "more_body": True})
    await send({"type": BODY, "body": b"done"})


config = uvicorn.Config(
    app, host="127.0.0.1", port=0, http="h11", lifespan="off", log_level="error"
)
server = uvicorn.Server(config)
threading.Thread(target=server.run, daemon=True).start()
while not server.started:
    time.sleep(0.05)
address = server.servers[0].sockets[0].getsockname()


def ask(within):
    """Ask for a page that is there at once."""
    try:
        with socket.create_connection(address, timeout=within) as far:
            far.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return "answered" if far.recv(100).startswith(b"HTTP/1.1 200") else "odd"
    except TimeoutError:
        return f"not answered within {within} s"


reader = socket.create_connection(address, timeout=10)
reader.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
reader.recv(100)
time.sleep(0.5)
beside = ask(3)
reader.close()
time.sleep(0.5)
left = ask(3)
time.sleep(max(0, until - time.monotonic()) + 1)
after = ask(10)
print(f"beside a slow reader: {beside}; once it left: {left};")
print(f"after the stream ended by itself: {after}")
meant = ("answered", "not answered within 3 s", "answered")
sys.exit(0 if (beside, left, after) == meant else f"this is not what was seen: {meant}")
PYTHON
timeout 90 "$dir/venv/bin/python" "$dir/look.py"
