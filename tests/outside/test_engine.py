"""The engine is asked itself, over few connections, whatever the environment names."""

import gc
import json
import re
import shlex
import socketserver
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from watchdog.facts.problem import EngineRefused
from watchdog.outside.engine import Engine

SECOND = timedelta(seconds=1)
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


@contextmanager
def _socket(path):
    """Answer at a Unix socket that nothing is there; give who is connected."""
    connected = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            connected.add(self.connection)
            is_about_it = self.path.endswith("/version")
            said = {"ApiVersion": "1.41"} if is_about_it else {"message": "none"}
            data = json.dumps(said).encode()
            self.send_response(200 if is_about_it else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def finish(self):
            connected.discard(self.connection)
            super().finish()

        def address_string(self):
            return "us"

        def log_message(self, *_):
            pass

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    server = Server(str(path), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield connected
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("to_act", [False, True], ids=["to look", "to act"])
def test_what_is_asked_of_many_containers_leaves_one_connection(tmp_path, to_act):
    where = tmp_path / "engine.sock"
    with _socket(where) as connected:
        url = f"unix://{where}"
        engine = Engine(url, timedelta(seconds=30), to_act=to_act)
        for number in range(40):
            assert engine.container(f"c{number}") is None
        # The server notices a moment later that the very first one was closed.
        end = time.monotonic() + 30
        while len(connected) > 1 and time.monotonic() < end:
            time.sleep(0.01)
        assert len(connected) == 1
        engine.close()


def test_a_pull_that_is_late_is_cut_off_at_once():
    """A pull that goes on and on: the engine is to see that nobody reads it."""
    ended = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            data = b'{"ApiVersion": "1.41", "MinAPIVersion": "1.12"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            line = b'{"status": "Waiting"}\r\n'
            try:
                while True:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    time.sleep(0.05)
            except OSError:
                ended.set()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"tcp://127.0.0.1:{server.server_port}"
    it = Engine(url, SECOND, to_act=True, pull_within=SECOND / 2)
    gc.disable()  # what is cut off is not left to it
    try:
        with pytest.raises(EngineRefused, match="took over") as late:
            it.pull("registry.example/app", "sha256:aa")
        assert ended.wait(60)
        del late
    finally:
        gc.enable()
        it.close()
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_container_that_is_just_being_removed_has_no_name_and_is_listed():
    listed = [{"Id": "a" * 64, "Names": None}, {"Id": "b" * 64, "Names": ["/dms"]}]
    version = {"ApiVersion": "1.41", "MinAPIVersion": "1.12"}
    with _far_end({"/version": version, "%5D%7D": listed}) as (at, _):
        engine = Engine(f"tcp://{at}", SECOND * 5)
        names = [one["Names"][0] for one in engine.containers({"a": "b"})]
        engine.close()

    assert names == [f"/{'a' * 12}", "/dms"]


def test_an_event_that_is_cut_is_no_event():
    class Cut(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"Action": "die", "Actor": {"ID": "a"}}\n{"Actor": {"ID": "a"}'
            if "/version" in self.path:
                body = b'{"ApiVersion": "1.41", "MinAPIVersion": "1.12"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Cut)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        engine = Engine(f"tcp://127.0.0.1:{server.server_port}", SECOND * 5)
        told = engine.events(datetime.now(UTC))
        engine.close()
    finally:
        server.shutdown()
        server.server_close()

    assert [one["Action"] for one in told] == ["die"]
