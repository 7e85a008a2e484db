"""A good answer gets through, whoever holds connections and however.

Real sockets: to the listener alone, and in the campaign to a watchdog as it is shipped.
"""

import time
from collections import Counter
from contextlib import ExitStack, closing

import pytest

from tests.abuse.door import ask, connect, raw, status, told, watching
from tests.abuse.floods import GET, KINDS, Callers, Flood, NotReading, Silent
from tests.abuse.test_transport import FINE, a_post, serving
from watchdog.approve.far import Far
from watchdog.approve.limit import network_of
from watchdog.wiring import listening
from watchdog.wiring.listening import Places

OWN = "127.0.0.1"
COUNT = 5
LOOK = (
    b"GET /v1/approvals/apr_1 HTTP/1.1\r\nhost: watchdog\r\nconnection: close\r\n\r\n"
)


@pytest.fixture(scope="module")
def small():
    """Serve the listener alone, with few places, letting nobody go by itself."""
    with serving(patience=600, most=24) as (_, ports):
        yield ports[0]


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with watching(tmp_path_factory.mktemp("door")) as it:
        yield it


def answers(port, look, post, host=OWN):
    """Look and answer, again and again; count what comes back."""
    seen = Counter()
    for _ in range(COUNT):
        seen["look", status(ask(port, look, host))] += 1
        seen["answer", status(ask(port, post(), host))] += 1
    return seen


def each_kind(function):
    names = [kind.__name__ for kind in KINDS]
    return pytest.mark.parametrize("kind", KINDS, ids=names)(function)


@each_kind
def test_an_answer_gets_through_from_the_floods_own_address(small, kind):
    """A whole office, and all who come through one proxy, have one address."""
    with Flood(small, kind, [OWN], most=40) as flood:
        seen = answers(small, FINE, a_post)

    assert seen == {("look", 200): COUNT, ("answer", 200): COUNT}
    assert flood.made >= 40


def test_an_answer_gets_through_when_the_flood_has_many_addresses(small):
    hosts = [f"127.0.0.{n}" for n in range(60, 65)]
    one, other = (Flood(small, kind, hosts, most=8) for kind in (NotReading, Silent))
    with one, other:
        seen = answers(small, FINE, a_post, "127.0.0.70")

    assert seen == {("look", 200): COUNT, ("answer", 200): COUNT}


@pytest.mark.campaign
@each_kind
def test_a_dri_answers_a_real_watchdog_through_any_flood(door, kind):
    with Flood(door.port, kind, [OWN], most=300):
        seen = answers(door.port, LOOK, lambda: raw(*door.promise()))
        door.until_it_turned()

    assert seen == {("look", 200): COUNT, ("answer", 202): COUNT}


@pytest.mark.campaign
@pytest.mark.parametrize(
    "hosts", [[OWN], [f"127.3.{n}.1" for n in range(1, 250)]], ids=["one", "many"]
)
def test_a_dri_answers_through_three_hundred_callers_who_never_stop(door, hosts):
    """They were looked at ten times a second, or less where the machine was busy."""
    with (
        Callers(door.port, hosts) as callers,
        closing(Far(door.url, time.sleep)) as far,
    ):
        before = callers.answered.copy()
        status = [door.answers_from(far)[0] for _ in range(COUNT)]
        door.until_it_turned()
        seen = callers.answered - before

    assert status == [202] * COUNT
    # Who is not looked at is told so, and here hardly anybody needs to be.
    assert seen["503"] < seen["429"]


@pytest.mark.campaign
def test_all_kinds_at_once_from_one_address_keep_no_answer_out(door):
    with ExitStack() as held:
        for kind in KINDS:
            held.enter_context(Flood(door.port, kind, [OWN], most=40))
        seen = answers(door.port, LOOK, lambda: raw(*door.promise()))

    assert seen == {("look", 200): COUNT, ("answer", 202): COUNT}


def test_a_connection_has_one_answer_also_where_it_asks_to_be_kept(small):
    old = GET.replace(b"1.1\r\n", b"1.0\r\nconnection: keep-alive\r\n")
    for sent in (GET * 3, old):
        with connect(small) as made:
            made.sendall(sent)
            found = told(made)
        assert found.count(b"HTTP/1.1 ") == 1
        assert b"connection: close\r\n" in found.lower()


# Whose place is taken, by itself.


class Guest:
    """A connection, as the places see it."""

    def __init__(self, host, *, is_in=False, stalled=False):
        self.network = network_of(host)
        self.is_in = is_in
        self.stalled = stalled
        self.gone = False

    def cut(self):
        self.gone = True


def seated(*guests):
    places = Places()
    assert all(places.take(guest) for guest in guests)
    return places


def test_one_network_of_ipv6_is_one_however_many_addresses_it_has():
    full = listening._MOST
    few = [Guest(f"192.0.2.{n}") for n in range(full // 2)]
    many = [Guest(f"2001:db8:0:1::{n:x}") for n in range(full - len(few))]
    places = seated(*few, *many)

    for n in range(full):
        assert places.take(Guest(f"2001:db8:0:1:{n:x}::1"))

    assert not any(guest.gone for guest in few)
    assert all(guest.gone for guest in many)


def test_who_does_not_read_goes_first_and_who_is_being_answered_stays():
    full = listening._MOST
    asks = [Guest("192.0.2.1", is_in=True) for _ in range(full - 3)]
    silent, deaf, younger = (
        Guest("192.0.2.1"),
        Guest("192.0.2.1", is_in=True, stalled=True),
        Guest("192.0.2.1"),
    )
    places = seated(silent, *asks, deaf, younger)

    gone = []
    for guest in (deaf, silent, younger):
        places.take(Guest("192.0.2.1", is_in=True))
        gone.append(guest.gone)

    assert gone == [True, True, True]
    assert not places.take(Guest("192.0.2.9"))
    assert not any(guest.gone for guest in asks)
