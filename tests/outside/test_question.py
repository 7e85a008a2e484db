"""A sick far end is not fine, within its time, and costs no memory."""

import gzip
import socket
import threading
import time
import tracemalloc
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from watchdog.facts.smoke import Asks
from watchdog.observe.health import ask, ask_stack
from watchdog.outside import question
from watchdog.outside.question import MOST_BODY, NoAnswer, get

HALF = timedelta(seconds=0.5)
OK = b"HTTP/1.1 200 OK\r\n"
# Far beyond any deadline here: who waits for the far end waits this long.
FOR_EVER = 20.0


@contextmanager
def far_end(speak):
    """Serve each connection with *speak(wire, over)* on a free port of loopback."""
    over = threading.Event()
    door = socket.create_server(("127.0.0.1", 0))

    def one(wire):
        with wire, suppress(OSError):
            wire.recv(65536)
            speak(wire, over)

    def serve():
        with suppress(OSError):
            while True:
                wire, _ = door.accept()
                threading.Thread(target=one, args=(wire,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}/health"
    finally:
        over.set()
        door.close()


def drip(wire, over, first, piece, every=0.02):
    wire.sendall(first)
    last = time.monotonic() + FOR_EVER
    while time.monotonic() < last and not over.wait(every):
        wire.sendall(piece)


def pour(wire, over, first, piece):
    wire.sendall(first)
    last = time.monotonic() + FOR_EVER
    while time.monotonic() < last and not over.is_set():
        wire.sendall(piece)


BOMB = gzip.compress(b"[" * 50_000_000)
DRIPS = {
    "silence": lambda w, over: over.wait(FOR_EVER),
    "headers that drip": lambda w, o: drip(w, o, OK, b"X: y\r\n"),
    "one header that drips": lambda w, o: drip(w, o, OK + b"X: ", b"y"),
    "a body that drips": lambda w, o: drip(w, o, OK + b"\r\n", b" "),
    "a body of a known length that drips": lambda w, o: drip(
        w, o, OK + b"Content-Length: 9999\r\n\r\n", b" "
    ),
    "chunks that drip": lambda w, o: drip(
        w, o, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"
    ),
    "a promise to go on": lambda w, o: drip(
        w, o, b"", b"HTTP/1.1 100 Continue\r\n\r\n"
    ),
    "promises without end": lambda w, o: pour(
        w, o, b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100
    ),
}
SICK = DRIPS | {
    "a body without end": lambda w, o: pour(w, o, OK + b"\r\n", b" " * 65536),
    "headers without end": lambda w, o: pour(w, o, OK, b"X: " + b"y" * 65536 + b"\r\n"),
    "a redirect": lambda w, o: w.sendall(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n"
        b"Content-Length: 0\r\n\r\n"
    ),
    "no HTTP": lambda w, o: w.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "nothing": lambda w, o: None,
    "half a body": lambda w, o: w.sendall(OK + b"Content-Length: 9999\r\n\r\n{"),
    "a status that is none": lambda w, o: w.sendall(b"HTTP/1.1 999999 What\r\n\r\n"),
    "a length that is none": lambda w, o: w.sendall(OK + b"Content-Length: -4\r\n\r\n"),
}


@pytest.mark.parametrize("sick", SICK)
def test_a_sick_health_endpoint_is_not_fine_within_its_time(sick):
    with far_end(SICK[sick]) as url:
        began = time.monotonic()
        (answer,) = ask_stack(url, "", "v1.2.0", HALF)
        took = time.monotonic() - began

    assert not answer.fine
    assert answer.words.startswith(url)
    assert len(answer.words) > len(url) + len(" says ")
    assert took < FOR_EVER / 2


@pytest.mark.parametrize("sick", SICK)
def test_a_sick_smoke_check_is_not_fine_within_its_time(sick):
    with far_end(SICK[sick]) as url:
        began = time.monotonic()
        answer = ask(Asks(url, contains="meesho", timeout=HALF))
        took = time.monotonic() - began

    assert not answer.fine
    assert took < FOR_EVER / 2


@pytest.mark.parametrize("sick", DRIPS)
def test_health_and_version_have_one_deadline_together(sick):
    with far_end(DRIPS[sick]) as url:
        began = time.monotonic()
        health, version = ask_stack(url, url, "v1.2.0", HALF)
        took = time.monotonic() - began

    # Which of the two ends it first is the machine's to say.
    assert "no whole answer within" in health.words or "timed out" in health.words
    assert not (health.fine)
    assert not (version.fine)
    assert took < FOR_EVER / 2


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"version":' * 5_000,
        b'{"version": "v1.2.0"' + b" " * MOST_BODY + b"}",
        b'["v1.2.0"]',
        b"v1.2.0",
        b"\xff\xfe",
        b'{"version": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_version_that_cannot_be_read_is_not_fine(body):
    def speak(wire, _):
        wire.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    with far_end(speak) as url:
        _, version = ask_stack(url, url, "v1.2.0")

    assert not version.fine
    assert version.words == f"{url} names no version"


@pytest.mark.parametrize("status", ["503 Service Unavailable", "302 Found"])
def test_a_version_that_an_error_or_a_redirect_names_proves_nothing(status):
    body = b'{"version": "v1.2.0"}'
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
    with far_end(lambda wire, _: wire.sendall(head.encode() + body)) as url:
        _, version = ask_stack(url, url, "v1.2.0")

    assert not version.fine
    assert version.words.startswith(f"{url} says {status[:3]}: ")


def test_a_packed_answer_is_not_unpacked():
    def speak(wire, _):
        head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
        wire.sendall(OK + head + BOMB)

    with far_end(speak) as url:
        said = get(url, FOR_EVER)

    assert said.body[:2] == BOMB[:2]
    assert len(said.body) <= MOST_BODY


def test_an_answer_without_end_costs_no_memory():
    with far_end(SICK["a body without end"]) as url:
        get(url, FOR_EVER)
        tracemalloc.start()
        try:
            said = get(url, FOR_EVER)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert not said.is_whole
    assert len(said.body) == MOST_BODY
    assert most < 4 * 1024 * 1024


def test_a_cut_question_leaves_no_thread_behind():
    with far_end(DRIPS["a body that drips"]) as url:
        with pytest.raises(NoAnswer):
            get(url, 0.2)
        last = time.monotonic() + FOR_EVER / 2
        while any(thread.name == "question" for thread in threading.enumerate()):
            assert time.monotonic() < last
            time.sleep(0.01)


@pytest.mark.parametrize("sick", SICK)
def test_a_cut_question_leaves_no_socket_behind(sick):
    """One was kept for each, and in a day of a sick far end all that there are."""
    pool = question._client()._transport._pool
    with far_end(SICK[sick]) as url:
        for _ in range(3):
            with suppress(NoAnswer):
                get(url, 0.1)
        last = time.monotonic() + FOR_EVER / 2
        while pool.connections:
            assert time.monotonic() < last
            time.sleep(0.01)


def test_a_large_page_passes_by_its_first_64_kib():
    def speak(wire, _):
        body = b"meesho" + b" " * 200_000
        wire.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    with far_end(speak) as url:
        assert ask(Asks(url, contains="meesho")).fine


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://no-such-host.invalid/"])
def test_nobody_there_is_said(url):
    (answer,) = ask_stack(url, "", "v1.2.0")

    assert not answer.fine
    assert answer.words.startswith(f"{url} did not answer: ")
    assert not answer.words.endswith(": ")
