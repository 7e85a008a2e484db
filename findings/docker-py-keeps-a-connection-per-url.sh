#!/usr/bin/env bash
# docker-py keeps one connection open for each URL that it asked, not for each engine.
#
# Versions: docker 7.2.0 (requests 2.34.2, urllib3 2.8.0), from PyPI; Python 3.11.
# Meant: a client of one unix socket reuses its connection, as it does over TCP.
# Seen: the pools of the unix adapter are found by the whole URL, path and query
#   included. Each container that is inspected gets a pool and a connection of its own,
#   and they stay open: 25 of them by default (`num_pools`). A daemon that looks at many
#   containers, one after another, holds 25 sockets of the engine for as long as it
#   lives. Over TCP it is one.
# Output on 29 November 2026:
#   40 containers inspected one after another: 25 connections open over unix, 1 over tcp
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  docker==7.2.0 requests==2.34.2 urllib3==2.8.0
cat >"$dir/look.py" <<'PYTHON'
import json
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler

import docker


class Engine(BaseHTTPRequestHandler):
    """An engine that has every container it is asked for."""

    protocol_version = "HTTP/1.1"
    open = 0
    lock = threading.Lock()

    def handle(self):
        with self.lock:
            Engine.open += 1
        try:
            super().handle()
        finally:
            with self.lock:
                Engine.open -= 1

    def do_GET(self):
        body = json.dumps({"Id": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Tcp(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True


def held(server, url):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = docker.APIClient(base_url=url, version="1.41", timeout=10)
    for number in range(40):
        client.inspect_container(f"c{number}")
    time.sleep(0.5)
    count = Engine.open
    client.close()
    time.sleep(0.5)
    return count


path = sys.argv[1]
unix = held(Unix(path, Engine), f"unix://{path}")
Engine.open = 0
server = Tcp(("127.0.0.1", 0), Engine)
tcp = held(server, f"tcp://127.0.0.1:{server.server_address[1]}")
print(
    "40 containers inspected one after another: "
    f"{unix} connections open over unix, {tcp} over tcp"
)
sys.exit(0 if (unix, tcp) == (25, 1) else "this is not what was seen: 25 and 1")
PYTHON
timeout 60 env -u http_proxy -u HTTP_PROXY -u all_proxy -u ALL_PROXY \
  "$dir/venv/bin/python" "$dir/look.py" "$dir/engine.sock"
