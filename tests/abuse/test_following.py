"""A page that is followed: told at once, never for ever, and in nobody's way."""

import json
import os
import signal
import time
from contextlib import ExitStack, closing

import pytest

from tests.abuse.door import ask, connect, status
from tests.abuse.test_transport import FINE, serving

FOLLOW = b"GET /follow HTTP/1.1\r\nhost: x\r\n\r\n"
RING = b"GET /ring HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture(scope="module")
def port():
    with serving(exchange=1.0) as (_, ports):
        yield ports[0]


def follow(port):
    """Begin to follow; wait until the answer has begun."""
    made = connect(port)
    made.sendall(FOLLOW)
    heard(made, b"retry: 3000\n\ndata: ")
    return made


def heard(made, words):
    """Read until *words* were said; give all that was."""
    said = b""
    while words not in said:
        more = made.recv(65536)
        assert more, said
        said += more
    return said


def test_who_follows_is_told_that_something_changed_for_longer_than_an_answer_lasts(
    port,
):
    with closing(follow(port)) as made:
        for _ in range(3):
            ask(port, RING)
            heard(made, b"data: ")
            time.sleep(0.8)  # three of them outlast the exchange of any other answer


def test_a_burst_is_told_once(port):
    with closing(follow(port)) as made:
        began = time.monotonic()
        for _ in range(40):
            ask(port, RING)
        took = time.monotonic() - began
        said = heard(made, b"data: ")
        made.settimeout(2.5)
        while True:
            try:
                said += made.recv(65536)
            except TimeoutError:
                break

    assert said.count(b"data: ") <= took + 3


def test_so_many_may_follow_and_the_next_is_told_so_while_others_look(port):
    with ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(closing(follow(port)))
        refused = ask(port, FOLLOW)
        assert status(refused) == 503
        words = json.loads(refused.partition(b"\r\n\r\n")[2])
        assert words["code"] == "too_many_follow"
        assert "32 pages are followed already" in words["title"]
        assert status(ask(port, FINE)) == 200
    deadline = time.monotonic() + 60
    while status(ask(port, FINE)) != 200 or b" 503 " in refused[:20]:
        assert time.monotonic() < deadline
        with closing(connect(port)) as made:
            made.sendall(FOLLOW)
            refused = made.recv(65536)


def test_told_to_stop_nobody_is_followed_any_more():
    with serving() as (process, ports), closing(follow(ports[0])) as made:
        os.kill(process.pid, signal.SIGTERM)
        assert json.loads(process.stdout.readline()) == "stopped"
        assert process.wait(60) == 0
        while made.recv(65536):
            pass


def test_who_asks_only_for_the_head_is_answered_and_takes_no_place(port):
    for _ in range(40):
        answer = ask(port, FOLLOW.replace(b"GET", b"HEAD"))
        assert status(answer) == 200
        assert answer.endswith(b"\r\n\r\n")
    with closing(follow(port)):
        pass
