"""What every request meets first and every answer has, at each of the doors."""

import asyncio
from contextlib import closing

import httpx
import pytest
import yaml
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.worlds import AT
from watchdog.config.settings_file import load
from watchdog.decide.tidings import message_of
from watchdog.facts.event import Entry, HostRefused, RequestCrashed
from watchdog.wiring.doorway import Troubles, house
from watchdog.wiring.watch import wire

PROBLEM = "application/problem+json"


class Desk:
    """A house of a few rooms; what goes wrong in it is noted."""

    def __init__(self, *hosts):
        self.noted = []
        self.clock = 0.0
        troubles = Troubles("desk", self.noted.append, lambda: self.clock)
        routes = [
            Route("/fine", self.fine, methods=["GET"]),
            Route("/bad", self.bad, methods=["GET", "POST"]),
        ]
        self.app = house(routes, hosts=hosts, troubles=troubles)

    async def fine(self, _):
        return JSONResponse({"fine": True})

    async def bad(self, _):
        raise OverflowError("date value out of range")

    def ask(self, path="/fine", method="GET", **headers):
        return asked(self.app, path, method, headers)


def asked(app, path, method="GET", headers=None):
    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://watchdog"
        ) as client:
            return await client.request(method, path, headers=headers)

    reply = asyncio.run(ask())
    assert reply.headers["cache-control"] == "no-store", path
    assert reply.headers["x-content-type-options"] == "nosniff", path
    return reply


@pytest.fixture
def desk():
    return Desk("watchdog.flexli.example")


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/nowhere", "GET", 404, "unknown"),
        ("/fine/", "GET", 404, "unknown"),
        ("/bad/", "POST", 404, "unknown"),
        ("//fine", "GET", 404, "unknown"),
        ("/fine", "POST", 405, "method"),
        ("/fine", "TRACE", 405, "method"),
        ("/bad", "GET", 500, "crashed"),
        ("/bad", "POST", 500, "crashed"),
    ],
)
def test_whatever_is_refused_is_a_problem_document(desk, path, method, status, code):
    reply = desk.ask(path, method)

    assert reply.status_code == status
    assert reply.headers["content-type"] == PROBLEM
    assert {"type", "status", "code", "title"} <= set(reply.json())
    assert reply.json()["code"] == code
    assert "location" not in reply.headers
    assert ("allow" in reply.headers) == (status == 405)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-big": "y" * 9000}, 431),
        ({f"x-{n}": "y" for n in range(70)}, 431),
        ({"content-length": "0", "transfer-encoding": "chunked"}, 400),
    ],
)
def test_what_no_client_of_ours_sends_is_refused_as_a_problem(desk, headers, status):
    reply = desk.ask(**headers)

    assert (reply.status_code, reply.headers["content-type"]) == (status, PROBLEM)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8470", "LOCALHOST", "dms.localhost", "127.0.0.1"),
        *(
            "127.0.0.1:8471",
            "[::1]:8470",
            "10.3.2.1:1",
            "watchdog",
            "rollback-watchdog",
        ),
        *("watchdog.flexli.example", "Watchdog.Flexli.Example:443"),
        "watchdog.flexli.example.",
    ],
)
def test_a_host_of_ours_is_served(desk, host):
    assert desk.ask(host=host).status_code == 200
    assert desk.noted == []


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8470", "127.0.0.1.evil.example", "a@b.c"),
        *("watchdog.flexli.example.evil.example", "xwatchdog.flexli.example", "[::1"),
        *("localhost.evil.example", "x y", "", "127.0.0.1, evil.example"),
    ],
)
def test_a_host_of_a_stranger_is_refused_and_said_once(desk, host):
    replies = [desk.ask(path, host=host) for path in ("/fine", "/bad", "/fine")]

    for reply in replies:
        assert (reply.status_code, reply.json()["code"]) == (421, "unknown_host")
        assert "evil" not in reply.text
    assert desk.noted == [HostRefused("desk", host)]


def test_strange_hosts_without_number_are_not_all_said(desk):
    for number in range(100):
        assert desk.ask(host=f"a{number}.example").status_code == 421

    assert len(desk.noted) == 8


def test_what_crashed_is_said_in_one_line_each_and_not_without_end(desk):
    desk.ask("/bad")
    desk.ask("/bad", "POST")

    first, second = desk.noted
    assert isinstance(first, RequestCrashed)
    assert (first.listener, first.request, first.again) == ("desk", "GET /bad", False)
    assert first.words.startswith("OverflowError: date value out of range in bad, ")
    assert (second.request, second.again) == ("POST /bad", True)
    assert "\n" not in first.words
    for _ in range(100):
        desk.ask("/bad")
    assert len(desk.noted) == 30
    desk.clock += 61
    desk.ask("/bad")
    assert (len(desk.noted), desk.noted[-1].again) == (31, False)


def test_a_crash_that_is_made_for_days_is_noted_so_often_in_a_day():
    noted, clock = [], [0.0]
    troubles = Troubles("desk", noted.append, lambda: clock[0])
    for _ in range(2 * 24 * 60):
        clock[0] += 60
        troubles.crashed("GET /bad", OverflowError("date value out of range"))

    assert len(noted) == 2 * 300


def test_people_are_told_of_the_first_crash_of_a_minute():
    first, again = (
        RequestCrashed("decisions", "GET /x", "KeyError: 'x'", again=again)
        for again in (False, True)
    )

    told = message_of(Entry(1, AT, first), "dms")
    assert told.title == "dms: a request crashed at the decisions listener"
    assert message_of(Entry(2, AT, again), "dms") is None


@pytest.fixture(scope="module")
def watch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watch")
    (folder / "stack").mkdir()
    (folder / "releases").mkdir()
    (folder / "approvers.yaml").write_text("approvers: {}\n")
    whole = {
        "stack": {"directory": str(folder / "stack")},
        "state": str(folder / "state"),
        "listen": {"hosts": ["inside.flexli.example"]},
        "notify": {"base_url": "https://outside.flexli.example/"},
    }
    path = folder / "watchdog.yaml"
    path.write_text(yaml.safe_dump(whole))
    made = wire(load(path, {}), "test", lambda _: None)
    with closing(made.journal):
        yield made


@pytest.mark.parametrize("door", ["decisions", "private", "control"])
def test_every_answer_of_every_door_is_kept_by_nobody(watch, door):
    app = getattr(watch.doors, door)
    for route in app.routes:
        path = route.path.replace("{id}", "x").replace("{release}", "v1.2.0")
        path = path.replace("{kind}", "nothing").replace("{which}", "x")
        if path == "/follow":  # an answer without an end
            continue
        for method in ("GET", "POST", "DELETE", "HEAD", "OPTIONS"):
            reply = asked(app, path, method)
            # These answer with a state, whatever it is; orders are for our own command.
            if path not in ("/readyz", "/v1/orders/nothing"):
                is_refusal = reply.status_code >= 400
                assert is_refusal == (reply.headers.get("content-type") == PROBLEM)
    assert asked(app, "/nowhere").headers["content-type"] == PROBLEM


@pytest.mark.parametrize("door", ["decisions", "private"])
def test_the_hosts_of_the_settings_are_ours_at_every_door(watch, door):
    app = getattr(watch.doors, door)
    told = {
        host: asked(app, "/nowhere", headers={"host": host}).status_code
        for host in (
            "inside.flexli.example",
            "outside.flexli.example",
            "other.flexli.example",
        )
    }

    assert list(told.values()) == [404, 404, 421]


def test_a_host_in_the_settings_is_a_name_alone(tmp_path):
    path = tmp_path / "watchdog.yaml"
    for host in ("https://x.example", "x.example:1", "*", "", "a..b"):
        path.write_text(yaml.safe_dump({"listen": {"hosts": [host]}}))
        with pytest.raises(Exception, match=r"listen\.hosts\[0\]"):
            load(path, {})
