"""Containers whose logs nobody can read: what is only told stops nothing."""

import os
import socketserver
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.real.rig import docker
from tests.real.undo import BAD, OLD, Asked
from watchdog.commands.stage import IMAGE
from watchdog.facts.event import StepDone, StepFailed, WentBack
from watchdog.facts.problem import EngineRefused
from watchdog.outside.engine import Engine

pytestmark = pytest.mark.real


@pytest.fixture
def mute(tmp_path):
    """Make a stack that logs nowhere, with the old pair to go back to."""
    it = Asked(tmp_path)
    it.change(logging={"driver": "none"})
    yield it
    it.down()


def test_a_pair_whose_logs_nobody_can_read_is_put_back(mute):
    target = mute.ready_to_go_back()
    mute.fail(refuse_start=True)
    mute.begin(target)

    mute.carry_on()

    assert mute.ends() == ["put-back"]
    assert mute.versions() == [BAD]
    (back,) = mute.events(WentBack)
    assert '"FinishedAt": ' in back.evidence["dms"]  # started again, its exit code is 0
    assert "what it printed could not be read: " in back.evidence["dms"]
    assert "does not support reading" in back.evidence["dms"]


def test_a_container_whose_logs_nobody_can_read_is_removed_after_the_proof(mute):
    target = mute.ready_to_go_back()

    mute.roll_back(target)

    assert mute.versions() == [OLD]
    assert len(mute.containers()) == 1
    assert mute.events(StepFailed) == []
    removed = [e for e in mute.events(StepDone) if e.step.words == "remove dms (old)"]
    assert "could not be read" in removed[0].evidence


# Lines without an end, bytes that are no text, and an engine that falls silent.


@contextmanager
def printing(script):
    id_ = docker("run", "-d", "--entrypoint=sh", f"{IMAGE}:{OLD}", "-c", script).strip()
    engine = Engine(os.environ["DOCKER_HOST"], timedelta(seconds=30))
    try:
        docker("wait", id_)
        yield engine, id_
    finally:
        engine.close()
        docker("rm", "-f", id_)


def test_lines_without_an_end_and_bytes_that_are_no_text_are_bounded():
    with printing("head -c 3000000 /dev/urandom; echo; echo last words") as (it, id_):
        said = it.logs(id_)

    assert 0 < len(said) <= 1024 * 1024
    with printing("echo first; echo last words >&2") as (it, id_):
        assert sorted(it.logs(id_).split("\n")) == ["", "first", "last words"]


def test_a_log_that_drips_for_ever_is_given_up_in_time(tmp_path):
    over = threading.Event()
    seen = []

    class Drips(socketserver.StreamRequestHandler):
        def handle(self):
            seen.append(self.rfile.readline())
            ok = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            if b"/logs" not in seen[-1]:
                body = b'{"ApiVersion": "1.41", "MinAPIVersion": "1.12"}'
                self.wfile.write(b"%sContent-Length: %d\r\n" % (ok, len(body)))
                self.wfile.write(b"Connection: close\r\n\r\n" + body)
                return
            self.wfile.write(ok + b"\r\n")
            while not over.wait(0.05):
                self.wfile.write(b"\x01\0\0\0\0\0\0\x01x")

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            """Say nothing: who asked has gone, as it should."""

    path = Path(f"/run/drips-{os.getpid()}.sock")
    with Server(str(path), Drips) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            it = Engine(f"unix://{path}", timedelta(seconds=30))
            began = time.monotonic()
            said = it.logs("f" * 64)
            took = time.monotonic() - began
            it.close()
        finally:
            over.set()
            server.shutdown()
            path.unlink()

    assert set(said) == {"x"}
    assert took < 25  # the deadline is 5 s; a busy machine takes what it takes


def test_a_driver_that_refuses_is_refused_in_its_own_words():
    script = "echo nobody hears this"
    words = ["run", "-d", "--log-driver=none", "--entrypoint=sh", f"{IMAGE}:{OLD}"]
    id_ = docker(*words, "-c", script).strip()
    it = Engine(os.environ["DOCKER_HOST"], timedelta(seconds=30))
    try:
        with pytest.raises(EngineRefused, match="does not support reading"):
            it.logs(id_)
    finally:
        it.close()
        docker("rm", "-f", id_)
