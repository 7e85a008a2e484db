"""The door of a real watchdog: what of A, F and G needs the wire, or all its routes."""

import asyncio
import hashlib
import json
import re
import threading
from collections import Counter
from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from tests import canary
from tests.abuse.door import KEYS, Watched, ask, now, raw, status, watching
from tests.decide.test_standing import begun, ended
from tests.worlds import ASHA, HOUR, asked
from watchdog.config.settings_file import load
from watchdog.decide.tidings import message_of
from watchdog.facts.event import Answered, Entry, Reminded
from watchdog.notify.slack import Slack
from watchdog.notify.webhook import SignedWebhook
from watchdog.wiring.watch import wire

FAILED = (401, 429)


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with watching(tmp_path_factory.mktemp("door")) as it:
        yield it


def test_a_016_a_header_in_two_lines_is_no_signature(door):
    for name in (b"webhook-id: ", b"webhook-timestamp: ", b"webhook-signature: "):
        for fold in (b"\r\n ", b"\r\n\t"):
            body, headers = door.promise()
            sent = raw(body, headers).replace(name, name + b"x" + fold)
            assert status(ask(door.port, sent, "127.0.0.16")) in (400, *FAILED)


def test_a_016_spaces_around_a_value_are_none_of_it(door):
    body, headers = door.promise()
    around = {name: f"  {value} \t " for name, value in headers.items()}

    assert status(ask(door.port, raw(body, around), "127.0.0.16")) == 202


def flooding(door, host, over, seen):
    """Send what is well made and badly signed, one after the other, until *over*."""
    while not over.is_set():
        body, headers = door.promise()
        answer = ask(door.port, raw(body + b" ", headers), host)
        seen[status(answer)] += 1
        if status(answer) == 429:
            seen["waits"] += b"\r\nretry-after: " in answer.lower()


def test_f_082_a_good_signature_is_taken_in_the_midst_of_a_flood_of_bad_ones(door):
    over, seen = threading.Event(), Counter()
    how = {"target": flooding, "args": (door, "127.0.0.1", over, seen)}
    flood = [threading.Thread(**how) for _ in range(8)]
    for one in flood:
        one.start()
    try:
        while seen[429] < 8:
            over.wait(0.05)
        replies = [
            status(ask(door.port, raw(*door.promise()), host))
            for host in ("127.0.0.1", "127.0.0.2", "127.0.0.1")
        ]
        door.until_it_turned()
    finally:
        over.set()
        for one in flood:
            one.join(60)

    assert replies == [202, 202, 202]
    assert set(seen) == {401, 429, "waits"}
    assert seen["waits"] == seen[429]
    said = [line for line in door.log.splitlines() if "signatures_failing" in line]
    assert len(said) == 1
    assert re.search(r"more than 5 signatures of 127\.0\.0\.[0-9]+ failed", said[0])


def test_g_089_a_forged_forward_is_somebody_elses_word(door):
    """Neither a new address nor a person is made of a header."""
    seen = Counter()
    for number in range(12):
        body, headers = door.promise()
        forged = headers | {"x-forwarded-for": f"10.0.0.{number}"}
        forged |= {"forwarded": f"for=10.0.0.{number}", "x-real-ip": "10.1.1.1"}
        sent = raw(body + b" ", forged)
        seen[status(ask(door.port, sent, "127.0.0.89"))] += 1
    assert set(seen) == set(FAILED) or set(seen) == {429}

    body, headers = door.promise(reason="as somebody else")
    unsigned = {"content-type": "application/json", "x-forwarded-user": ASHA}
    assert status(ask(door.port, raw(body, unsigned), "127.0.0.89")) in FAILED
    as_bela = headers | {"x-forwarded-user": "bela@flexli.example"}
    assert status(ask(door.port, raw(body, as_bela), "127.0.0.89")) == 202
    assert door.answers[-1].by == ASHA


# What is sent out, and what follows when it is looked at.


def every_message(base):
    """Give every link of every message that has one, as its readers get it."""
    at = now()
    asks = replace(asked(), document=json.dumps({"v": 1}), expires=at + HOUR)
    events = (
        asks,
        Reminded("apr_1", "50%", (ASHA,), "words"),
        Answered("apr_1", "m", "deny", ASHA, "because", "{}"),
        begun(),
        ended(),
    )
    for seq, event in enumerate(events, 1):
        message = message_of(Entry(seq, at, event), "dms")
        hook = SignedWebhook("hook", "http://x", KEYS[ASHA], "dms", base)
        yield json.dumps(hook.body(message))
        yield json.dumps(Slack("room", "http://x", base, buttons=True).body(message))


def test_g_083_looking_at_every_link_of_every_message_changes_nothing(tmp_path):
    it = Watched(tmp_path)
    it.open_a_question()
    settings = load(it.settings(), {})
    base = "http://watchdog"
    links = {
        link
        for text in every_message(base)
        for link in re.findall(rf"{base}[^\s\"|>\\]*", text)
    }
    assert len(links) >= 2, links
    watch = wire(settings, "test", lambda _: None)
    file = settings.state / "journal.db"
    before = hashlib.sha256(file.read_bytes()).hexdigest()

    async def look():
        transport = httpx.ASGITransport(watch.doors.decisions)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            for link in links:
                for method in ("GET", "HEAD", "OPTIONS"):
                    reply = await client.request(method, link)
                    canary.heard(f"{method} {link}", reply.text)
                    yield reply.status_code

    async def all_of_it():
        return [code async for code in look()]

    with closing(watch.journal):
        codes = asyncio.run(all_of_it())

    assert set(codes) <= {200, 405}
    assert 200 in codes
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
