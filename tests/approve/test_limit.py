"""Failed signatures are counted by address; good ones are taken whatever others do."""

import asyncio
import time
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from watchdog.approve.delivered import as_response
from watchdog.approve.limit import Limit, network_of
from watchdog.approve.reply import Reply, no
from watchdog.sign.delivery import Unauthorized

BAD = no(401, "unauthorized", "words")
GOOD = Reply(202, {"state": "approved"})


class Door:
    """A door that lets in whoever says ``good``; its clock stands still.

    A look takes *dear* seconds of the processor, in no time.
    """

    def __init__(self, a_minute=3, dear=0.0, **other):
        self.at = self.spent = 0.0
        self.dear = dear
        self.told = []
        self.looked = 0
        self.limit = Limit(
            a_minute,
            monotonic=lambda: self.at,
            told=self.told.append,
            **{"cost": lambda: self.spent} | other,
        )
        self.app = Starlette(routes=[Route("/{word}", self.answer, methods=["POST"])])

    async def answer(self, request):
        await request.body()
        is_good = request.path_params["word"] == "good"

        def verify():
            self.looked += 1
            self.spent += self.dear
            if request.path_params["word"] == "odd":
                raise LookupError("a fault of ours")
            if not is_good:
                raise Unauthorized("words")

        async def weigh():
            return GOOD if is_good else BAD

        return as_response(await self.limit.weighed(request, verify, weigh))

    async def post(self, word, host="10.0.0.1"):
        transport = httpx.ASGITransport(self.app, client=(host, 1))
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.post(f"http://door/{word}")

    def posts(self, *words, host="10.0.0.1"):
        async def all_of_them():
            return [(await self.post(word, host)).status_code for word in words]

        return asyncio.run(all_of_them())


def test_past_its_limit_an_address_gets_429_for_what_fails_and_is_told_for_how_long():
    door = Door()

    assert door.posts(*["bad"] * 5) == [401, 401, 401, 429, 429]
    reply = asyncio.run(door.post("bad"))

    assert reply.json()["code"] == "too_many_failures"
    assert reply.headers["retry-after"] == "20"  # one of three a minute
    assert reply.headers["connection"] == "close"
    door.at += 21
    assert door.posts("bad", "bad") == [401, 429]


def test_a_good_signature_is_taken_past_the_limit_and_is_never_counted():
    door = Door()

    assert door.posts(*["good"] * 50) == [202] * 50
    assert door.posts(*["bad"] * 9)[-1] == 429
    assert door.posts("good", "bad", "good") == [202, 429, 202]


def test_one_address_does_not_make_another_wait():
    door = Door()
    door.posts(*["bad"] * 99)  # more than all addresses together may, were it several

    assert door.posts("bad", host="10.0.0.2") == [401]


def test_all_addresses_together_have_a_limit_too():
    door = Door()
    for number in range(15):
        door.posts("bad", "bad", host=f"10.0.1.{number}")

    assert door.posts("bad", host="10.0.2.1") == [429]
    assert door.posts("good", host="10.0.2.2") == [202]


def test_who_is_over_the_limit_waits_in_one_line_that_keeps_its_order():
    door = Door(dear=0.02)
    door.posts(*["bad"] * 9)
    order = []

    async def one(word, number):
        reply = await door.post(word, host=f"10.0.0.{1}")
        order.append((number, reply.status_code))

    async def many():
        tasks = []
        for number in range(10):
            word = "good" if number == 5 else "bad"
            tasks.append(asyncio.create_task(one(word, number)))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)

    asyncio.run(many())

    assert order == [(n, 202 if n == 5 else 429) for n in range(10)]


def test_a_good_one_that_takes_long_holds_up_nobody_in_line():
    door = Door()
    door.posts(*["bad"] * 9)
    going = asyncio.Event()

    async def slow(request):
        async def weigh():
            await going.wait()
            return GOOD

        await request.body()
        return as_response(await door.limit.weighed(request, lambda: None, weigh))

    async def many():
        quick, door.app = (
            door.app,
            Starlette(routes=[Route("/{word}", slow, methods=["POST"])]),
        )
        tasks = [asyncio.create_task(door.post("good")) for _ in range(60)]
        await asyncio.sleep(0.01)
        door.app = quick
        meanwhile = [await door.post("good"), await door.post("bad")]
        going.set()
        return meanwhile + await asyncio.gather(*tasks)

    codes = [reply.status_code for reply in asyncio.run(many())]

    assert codes == [202, 429] + [202] * 60


def test_who_hangs_up_while_waiting_is_not_looked_at_and_holds_nobody_up():
    door = Door()
    door.posts(*["bad"] * 9)
    looked = door.looked

    async def hang_up():
        gone = asyncio.Event()

        def request():
            sent = iter([{"type": "http.request", "body": b""}])

            async def receive():
                found = next(sent, None)
                if found is None:
                    await gone.wait()
                return found or {"type": "http.disconnect"}

            return receive

        async def send(_):
            pass

        scope = {"type": "http", "method": "POST", "path": "/bad", "headers": []}
        scope |= {"client": ("10.0.0.1", 1), "query_string": b"", "root_path": ""}
        scope |= {"server": ("door", 80), "scheme": "http", "http_version": "1.1"}
        with held(door.limit):
            many = [
                asyncio.create_task(door.app(scope, request(), send)) for _ in range(99)
            ]
            await asyncio.sleep(0.01)
            gone.set()
            await asyncio.gather(*many)
        return await door.post("good")

    assert asyncio.run(hang_up()).status_code == 202
    assert door.looked == looked + 1


def test_it_is_said_once_when_it_begins_and_once_when_it_is_over():
    door = Door(quiet=0.02)

    async def some_time():
        for _ in range(20):
            await door.post("bad")
        begun = list(door.told)
        door.at += 1
        await over.wait()
        return begun

    over = asyncio.Event()
    door.limit._told = lambda words: (door.told.append(words), words or over.set())
    begun = asyncio.run(asyncio.wait_for(some_time(), 30))

    (words,) = begun
    assert words.startswith("more than 3 signatures of 10.0.0.1 failed within a minute")
    assert door.told == [words, ""]


def test_while_it_goes_on_it_is_not_said_to_be_over():
    door = Door(quiet=0.02)

    async def some_time():
        for _ in range(9):
            await door.post("bad")
            await asyncio.sleep(0.01)  # the clock itself stands still

    asyncio.run(some_time())

    assert len(door.told) == 1


def test_what_is_remembered_of_addresses_has_a_bound():
    door = Door()
    for number in range(3000):
        door.limit._takes_one(network_of(f"2001:db8:0:{number:x}::1"))
        door.at += 1

    assert len(door.limit._left) == 1024
    door.at += 61
    assert door.limit._left_of("2001:db8:0:bb7::/64", 3) == 3
    assert "2001:db8:0:bb7::/64" not in door.limit._left


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_of_an_ipv6_address_the_network_counts(host, network):
    assert network_of(host) == network


def test_who_finds_no_room_in_the_line_is_told_and_others_still_find_some():
    door = Door()
    door.posts(*["bad"] * 9)
    door.limit._waiting.update({"10.0.0.1": 48})
    assert door.posts("good") == [503]
    reply = asyncio.run(door.post("good"))
    assert (reply.json()["code"], reply.headers["retry-after"]) == ("busy", "1")

    door.limit._left["*"] = (0.0, door.at)
    door.limit._waiting.update({"10.0.0.2": 16})
    assert door.posts("good", host="10.0.0.2") == [503]
    assert door.posts("good", host="10.0.0.3") == [202]


@contextmanager
def held(limit):
    """Let nobody in line be looked at, and then all of them at once."""
    limit._free_at = asyncio.get_running_loop().time() + 3600
    yield
    if limit._due:
        limit._due.cancel()
    limit._free_at = 0.0
    limit._look_again()


def test_a_line_of_cheap_looks_is_gone_in_one_go():
    """A turn of the loop for each made it as slow as those who are connected."""
    door = Door()
    door.posts(*["bad"] * 9)
    looked = door.looked

    async def many():
        with held(door.limit):
            words = ["bad"] * 30 + ["good"]
            tasks = [asyncio.create_task(door.post(word)) for word in words]
            for _ in range(1000):  # turns of the loop, until all are in line
                await asyncio.sleep(0)
        assert door.looked == looked + len(tasks)
        return [reply.status_code for reply in await asyncio.gather(*tasks)]

    assert asyncio.run(many()) == [429] * 30 + [202]


def test_a_fault_of_ours_at_one_look_is_that_callers_alone():
    door = Door()
    door.posts(*["bad"] * 9)

    async def three():
        with held(door.limit):
            words = ["odd", "bad", "good"]
            tasks = [asyncio.create_task(door.post(word)) for word in words]
            for _ in range(200):  # turns of the loop, until all are in line
                await asyncio.sleep(0)
        return await asyncio.gather(*tasks, return_exceptions=True)

    odd, bad, good = asyncio.run(three())
    assert isinstance(odd, LookupError)
    assert (bad.status_code, good.status_code) == (429, 202)


def test_what_a_busy_machine_adds_to_a_look_makes_nobody_wait():
    """The time that it took was counted, and a flood made its own line slow."""
    door = Door(cost=time.thread_time)
    door.posts(*["bad"] * 9)

    async def one():
        request = Request({"type": "http", "client": ("10.0.0.1", 1)}, never)

        def slow():
            time.sleep(0.05)
            raise Unauthorized("words")

        await door.limit.weighed(request, slow, never)
        return door.limit._free_at < asyncio.get_running_loop().time()

    async def some():
        return [await one() for _ in range(4)]

    assert asyncio.run(some()) == [True] * 4


async def never():
    await asyncio.sleep(60)


def test_what_costs_much_is_looked_at_half_of_the_time():
    door = Door(dear=0.1)
    door.posts(*["bad"] * 3)
    began = time.monotonic()

    assert door.posts(*["bad"] * 5, "good") == [429] * 5 + [202]

    # Six looks; the last one's share is not waited for, nor is what may be in one go.
    assert time.monotonic() - began >= 5 * 0.2 - 0.05


def test_what_is_raised_by_a_look_is_its_own_and_the_line_goes_on():
    door = Door()
    door.posts(*["bad"] * 9)

    async def both():
        def broken():
            raise ZeroDivisionError

        request = Request({"type": "http", "client": ("10.0.0.1", 1)}, never)
        with pytest.raises(ZeroDivisionError):
            await door.limit.weighed(request, broken, never)
        return await door.post("good")

    assert asyncio.run(both()).status_code == 202
    assert not door.limit._waiting
