"""The engine is asked itself, whatever proxy the environment names."""

import json
import re
import shlex
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from watchdog.outside.engine import Engine

ROOT = Path(__file__).parents[2]
NAMES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY")


@contextmanager
def _far_end(answers):
    """Serve *answers* by the end of the path; give its address and what was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            found = [body for end, body in answers.items() if self.path.endswith(end)]
            data = json.dumps(found[0] if found else []).encode()
            self.send_response(200 if answers else 502)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 # the library's word

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def proxy(monkeypatch):
    """Name a proxy in the environment, as the Docker CLI writes it; see it asked."""
    with _far_end({}) as (where, asked):
        for name in NAMES:
            monkeypatch.setenv(name, f"http://{where}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield asked


@pytest.mark.parametrize("to_act", [False, True])
def test_the_engine_is_never_asked_through_a_proxy_of_the_environment(proxy, to_act):
    with _far_end({"/version": {"ApiVersion": "1.41"}}) as (where, asked):
        engine = Engine(f"tcp://{where}", timedelta(seconds=5), to_act=to_act)
        assert engine.containers({}) == []
        engine.close()
    assert any("/containers/json" in path for path in asked)
    assert proxy == []


def test_the_images_own_health_check_is_never_asked_through_a_proxy(proxy):
    words = re.search(
        r"HEALTHCHECK.*\n\s*CMD (\[.*\])", (ROOT / "Dockerfile").read_text()
    )
    assert words
    _, *argv = json.loads(words[1])
    with _far_end({"/readyz": "ready"}) as (where, asked):
        argv = [word.replace("127.0.0.1:8471", where) for word in argv]
        done = subprocess.run([sys.executable, *argv], check=False)
    assert (done.returncode, asked, proxy) == (0, ["/readyz"], [])


def test_the_examples_socket_proxy_is_never_checked_through_a_proxy(proxy):
    line = re.search(r"test: \[CMD, (wget.*)\]", (ROOT / "compose.yaml").read_text())
    assert line
    words = [word.strip().strip('"') for word in line[1].split(",")]
    with _far_end({"/healthz": "fine"}) as (where, asked):
        words = [word.replace("127.0.0.1:8405", where) for word in words]
        done = subprocess.run(["busybox", *words], check=False)
    assert (done.returncode, asked, proxy) == (0, ["/healthz"], []), shlex.join(words)
