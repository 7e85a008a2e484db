"""F of the abuse cases: the transport, by raw sockets to the real server."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest

from tests.abuse.door import ask, connect, status, told
from watchdog.config.sections.listen import Address
from watchdog.facts.problem import Problem
from watchdog.wiring import listening
from watchdog.wiring.listening import bound

# A small app of three routes behind the real listeners, in a process of its own.
_SERVER = """
import json, sys
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from watchdog.wiring import listening
from watchdog.wiring.doorway import Doorway
from watchdog.config.sections.listen import Address
from watchdog.show.following import Following

listening._WHOLE_REQUEST = float(sys.argv[1])
listening._WHOLE_ANSWER = float(sys.argv[1])
listening._MOST = int(sys.argv[2])
listening._WHOLE_EXCHANGE = float(sys.argv[3])
listening._GRACE = 600
following = Following()

async def take(request):
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > 16384:
            return JSONResponse({}, 413)
    return JSONResponse({"took": len(body), "path": request.url.path})

async def fine(_):
    return JSONResponse({"fine": True})

async def ring(_):
    following.rang()
    return JSONResponse({"rang": True})

async def big(_):
    return JSONResponse({"big": "x" * 20_000_000})

async def bad(request):
    raise OverflowError("date value out of range")

def crashed(request, error):
    print(json.dumps({"crashed": [request, repr(error)]}), flush=True)

apps = []
for _ in range(2):
    routes = [Route("/take", take, methods=["POST"]), Route("/fine", fine)]
    routes += [Route("/big", big), Route("/openapi.json", fine)]
    routes += [Route("/ring", ring), *(following.routes() if not apps else ())]
    routes += [Route("/bad", bad, methods=["GET", "POST"])]
    door = [Middleware(Doorway, crashed=crashed)]
    app = Starlette(routes=routes, middleware=door)
    apps.append((app, listening.bound(Address("127.0.0.1", 0))))
print(json.dumps([at.getsockname()[1] for _, at in apps]), flush=True)
def failed(why):
    print(json.dumps({"failed": why}), flush=True)

listening.listen(apps, failed, crashed)
print(json.dumps("stopped"), flush=True)
"""


@contextmanager
def serving(patience=2.0, most=listening._MOST, exchange=60.0):
    numbers = map(str, (patience, most, exchange))
    command = [sys.executable, "-c", _SERVER, *numbers]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            found = json.loads(process.stdout.readline())
            for port in found:
                until_open(port)
            yield process, found
        finally:
            process.kill()


def until_open(port):
    """Wait until it serves; what asked is known to be gone, and takes no place."""
    deadline = time.monotonic() + 20
    while True:
        try:
            assert status(ask(port, FINE)) == 200
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


@pytest.fixture(scope="module")
def ports():
    with serving() as (_, ports):
        yield ports


def drip(made, piece, apart=0.1):
    """Send *piece* again and again until the server hangs up, which it must."""
    with pytest.raises(OSError):  # noqa: PT012 - whichever of them meets it
        for _ in range(400):
            made.sendall(piece)
            time.sleep(apart)


FINE = b"GET /fine HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


def a_post(body=b"{}", *headers, path=b"/take"):
    lines = [b"POST " + path + b" HTTP/1.1", b"host: x", b"connection: close"]
    if not any(h.lower().startswith((b"content-length", b"transfer")) for h in headers):
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join([*lines, *headers, b"", b""]) + body


def test_f_071_a_header_that_drips_is_cut_off(ports):
    with connect(ports[0]) as made:
        made.sendall(b"GET /fine HTTP/1.1\r\n")
        began = time.monotonic()
        drip(made, b"x-y: z\r\n")
        # It would have gone on for 20 s.
        assert time.monotonic() - began < 15
    assert status(ask(ports[0], FINE)) == 200


def test_f_072_a_body_that_drips_is_cut_off(ports):
    with connect(ports[0]) as made:
        made.sendall(a_post(b"", b"content-length: 9999"))
        drip(made, b"x")


def test_f_073_silent_connections_of_one_peer_keep_nobody_else_out():
    # So patient that none of them is let go meanwhile, however busy the machine is.
    with serving(patience=600) as (_, ports), ExitStack() as held:
        for _ in range(100):
            held.enter_context(connect(ports[0]))
        assert status(ask(ports[0], FINE, "127.0.0.2")) == 200
        assert status(ask(ports[1], FINE)) == 200  # the other door is another one
        assert status(ask(ports[0], FINE)) == 200  # and so are others behind one proxy


def test_f_073_who_let_go_is_served_again(ports):
    with ExitStack() as held:
        for _ in range(20):
            held.enter_context(connect(ports[1]))
    deadline = time.monotonic() + 20
    while status(ask(ports[1], FINE)) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_f_074_a_body_of_twenty_megabytes_is_refused_and_not_kept(ports):
    with connect(ports[0]) as made:
        made.sendall(a_post(b"", b"content-length: 20000000"))
        drip(made, b"x" * 65536, 0)
        assert status(ask(ports[0], FINE)) == 200


def test_f_074_chunks_without_an_end_are_refused(ports):
    with connect(ports[0]) as made:
        made.sendall(a_post(b"", b"transfer-encoding: chunked"))
        drip(made, b"10000\r\n" + b"x" * 65536 + b"\r\n", 0)


def test_f_075_headers_beyond_all_reason_are_refused(ports):
    big = FINE.replace(b"host: x", b"host: x\r\nx-big: " + b"y" * 9000)
    many = FINE.replace(b"host: x", b"host: x" + b"\r\nx: y" * 3000)

    assert status(ask(ports[0], big)) == 431
    assert status(ask(ports[0], many)) in (400, 431)
    huge = FINE.replace(b"host: x", b"host: x\r\nx-big: " + b"y" * 100_000)
    assert status(ask(ports[0], huge)) in (400, 431)


@pytest.mark.parametrize(
    "raw",
    [
        a_post(b"{}", b"content-length: 2", b"transfer-encoding: chunked"),
        a_post(b"{}", b"content-length: 2", b"content-length: 3"),
        a_post(b"{}", b"content-length: +2"),
        a_post(b"{}", b"content-length : 2"),
        a_post(b"{}", b"transfer-encoding: gzip"),
        FINE.replace(b"host: x\r\n", b""),
        FINE.replace(b"host: x", b"host: x\r\nhost: y"),
    ],
)
def test_f_076_what_could_have_two_ends_is_refused(ports, raw):
    assert status(ask(ports[0], raw)) in (400, 501)


@pytest.mark.parametrize("path", [b"/nowhere", b"/fine", b"/bad"])
def test_f_077_what_follows_a_request_is_not_answered(ports, path):
    """A connection is one exchange: who does not read cannot ask for more."""
    first = b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n\r\n"
    answer = ask(ports[0], first + FINE)

    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.lower().count(b"\r\nconnection: close\r\n") == 1


def deaf(port, path):
    """Ask for *path* and read nothing."""
    made = connect(port)
    made.sendall(b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n\r\n")
    return made


def until_hung_up_on(made, read):
    """Wait until the server hangs up, reading *read* bytes now and then."""
    hung_up = select.poll()
    hung_up.register(made, 0)  # what has come is not asked for, only the end
    deadline = time.monotonic() + 60
    while not hung_up.poll(100):
        assert time.monotonic() < deadline, "it was held"
        if read:
            made.recv(read)


@pytest.mark.parametrize("read", [0, 1], ids=["not at all", "byte by byte"])
def test_who_does_not_read_their_answer_is_hung_up_on(ports, read):
    with deaf(ports[0], b"/big") as made:
        until_hung_up_on(made, read)
    assert status(ask(ports[0], FINE)) == 200


def test_a_large_answer_is_given_whole_to_who_reads_it():
    with serving(patience=120) as (_, ports):
        answer = ask(ports[0], b"GET /big HTTP/1.1\r\nhost: x\r\n\r\n")

    assert len(answer.partition(b"\r\n\r\n")[2]) == 20_000_000 + len('{"big":""}')


def test_whatever_is_raised_is_a_problem_document_and_one_line():
    with serving(patience=20) as (process, ports):
        for sent in (b"GET /bad HTTP/1.1\r\nhost: x\r\n\r\n", a_post(path=b"/bad")):
            answer = ask(ports[0], sent)
            head, _, body = answer.lower().partition(b"\r\n\r\n")
            assert status(answer) == 500
            assert b"content-type: application/problem+json" in head
            assert json.loads(body)["code"] == "crashed"
            assert b"overflow" not in answer.lower()
        assert [json.loads(process.stdout.readline()) for _ in "ab"] == [
            {"crashed": [f"{method} /bad", "OverflowError('date value out of range')"]}
            for method in ("GET", "POST")
        ]


@pytest.mark.parametrize("sent", [b"rubbish\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", FINE])
def test_every_answer_says_that_it_is_not_to_be_kept(ports, sent):
    head = ask(ports[0], sent).lower().partition(b"\r\n\r\n")[0]

    assert head.count(b"\r\ncache-control: no-store") == 1
    assert head.count(b"\r\nx-content-type-options: nosniff") == 1
    if b" 400 " in head:
        assert b"\r\ncontent-type: application/problem+json" in head


@pytest.mark.parametrize(
    "raw",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"TRACE /fine HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"FINE\r\n\r\n",
    ],
)
def test_f_078_other_protocols_get_nothing(ports, raw):
    assert status(ask(ports[0], raw)) in (0, 400, 404, 405)
    assert status(ask(ports[0], FINE)) == 200


def test_f_078_an_old_client_is_served_and_hung_up_on(ports):
    assert status(ask(ports[0], b"GET /fine HTTP/1.0\r\n\r\n")) == 200


@pytest.mark.parametrize(
    "path",
    [
        b"//take",
        b"/%2e%2e/take",
        b"/take/",
        b"/TAKE",
        b"/take;x",
        b"/./take",
        b"/x/../take",
    ],
)
def test_f_079_a_path_has_one_spelling(ports, path):
    assert status(ask(ports[0], a_post(b"{}", path=path))) in (307, 404, 405)


def test_f_080_a_port_in_use_is_known_before_anything_runs():
    with bound(Address("127.0.0.1", 0)) as one:
        one.listen()
        with pytest.raises(Problem, match="cannot listen on"):
            bound(Address("127.0.0.1", one.getsockname()[1]))


def test_f_081_told_to_stop_a_request_in_hand_is_finished():
    with serving(patience=20) as (process, ports), connect(ports[0]) as made:
        made.sendall(a_post(b"{}")[:-1])
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(0.3)
        made.sendall(b"}")
        assert status(told(made)) == 200
        assert json.loads(process.stdout.readline()) == "stopped"
        assert process.wait(20) == 0


def test_a_server_that_fails_is_begun_again_and_told():
    """The watch's own thread would go on: it is not in this loop."""
    told_, over = [], threading.Event()

    class Broken:
        async def serve(self, sockets):
            for one in sockets:
                one.close()
            raise RuntimeError("boom")

    made = iter([Broken(), Broken()])
    usual = listening._Server

    def server(config):
        return next(made, None) or usual(config)

    def failed(why):
        told_.append(why)
        if told_.count("") == 2:
            over.set()

    port = bound(Address("127.0.0.1", 0))
    number = port.getsockname()[1]

    async def app(scope, receive, send):
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def ask_then_stop():
        over.wait(30)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                told_.append(status(ask(number, FINE)))
                break
            except OSError:
                time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)

    listening._Server = server
    try:
        thread = threading.Thread(target=ask_then_stop)
        thread.start()
        listening.listen([(app, port)], failed)
        thread.join(30)
    finally:
        listening._Server = usual

    assert told_ == ["RuntimeError: boom", "", "RuntimeError: boom", "", 200]
