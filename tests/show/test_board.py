"""The page of everything: one word first, and nothing good that was not measured."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette

from tests import canary
from tests.decide.test_standing import STEP, begun, ended, verdict
from tests.show.test_review import HOSTILE, Page, drawn
from tests.worlds import (
    ARMED,
    AT,
    AWB,
    HEALTHY_THEN_NEXT,
    HTTP_5XX,
    MINUTE,
    SECOND,
    Files,
    Notebook,
    a_release,
    asked,
    breached,
    readiness,
    rules,
)
from watchdog.config.release_file import Releases
from watchdog.facts.event import (
    FarEndLost,
    HoldPlaced,
    PairUnclear,
    RollbackStuck,
    StepDone,
    StepIntended,
    TriggerUnproven,
)
from watchdog.facts.lack import Lack
from watchdog.facts.message import Backlog
from watchdog.facts.problem import JournalLost, Problem
from watchdog.show.board import Board
from watchdog.show.chronicle import Chronicle
from watchdog.show.following import Following
from watchdog.show.paper import Paper, Words
from watchdog.turn.roles import Turn

READY = readiness()
CLEAR = (ARMED, verdict("clear"), verdict("clear", HTTP_5XX.name), READY)
GOOD = (*HEALTHY_THEN_NEXT, *CLEAR)


PERSON = {"accept": "text/html,*/*;q=0.8"}


class Place:
    """The pages of the private listener over real routing."""

    def __init__(self, *events, draws=drawn, base="", told=(), watched=True, **chosen):
        self.memory = Notebook()
        self.at = AT + 10 * SECOND
        self.drawn = 0
        self.draws = draws
        self.read = 0
        self.memory.add(AT, *events)
        if watched:
            self.memory.mark(Turn(self.at, "watching v1.3.0", {}, looked=self.at))
        self.release = chosen.pop("release", None) or a_release()
        self.following = Following()
        self.board = Board(
            memory=self.memory,
            releases=Files(Releases({"v1.3.0": self.release})),
            rules=rules(**chosen),
            now=self.now,
            untold=lambda: told,
            draws=self.draw,
            base=base,
            following=self.following,
        )
        self.papers = lambda which: Paper(f"report of {which}", (Words("words"),))
        chronicle = Chronicle(
            recent=self.recent,
            reported=self.reported,
            now=self.now,
        )
        self.app = Starlette(routes=[*self.board.routes(), *chronicle.routes()])

    def now(self):
        return self.at

    def draw(self, *what):
        self.drawn += 1
        return self.draws(*what)

    def reported(self, which):
        return self.papers(which)

    def recent(self):
        self.read += 1
        return self.memory.entries

    def send(self, path="/", method="GET", headers=None):
        async def send():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://watchdog"
            ) as client:
                return await client.request(method, path, headers=headers)

        reply = asyncio.run(send())
        canary.heard(f"the answer to {method} {path}", reply.text)
        return reply

    def text(self, path="/"):
        """Give the page once everything is drawn."""
        self.send(path)
        self.board.plots.wait()
        self.at += 2 * SECOND
        return self.send(path).text

    def said(self, path="/"):
        text = self.text(path)
        return Page(text[text.index("<main") : text.index("</main>")]).said


def word(*events, **how):
    """Give the page's first word."""
    return Place(*events, **how).said().partition(":")[0]


@pytest.mark.parametrize(
    ("events", "first"),
    [
        (GOOD, "GOOD"),
        ((), "NOT KNOWN"),
        (HEALTHY_THEN_NEXT, "NOT KNOWN"),
        ((*HEALTHY_THEN_NEXT, verdict("clear"), READY), "NOT KNOWN"),
        ((*GOOD, verdict("blind", cause="stale")), "NOT KNOWN"),
        ((*GOOD, verdict("pending")), "SUSPECTED"),
        ((*GOOD, verdict("breached")), "BAD"),
        ((*GOOD, breached()), "BAD"),
        ((*GOOD, breached(), asked()), "BAD"),
        ((*GOOD, breached(), begun()), "ACTING"),
        ((*GOOD, breached(), begun(), RollbackStuck("op", "no", "hint")), "STUCK"),
        ((*GOOD, HoldPlaced("asha", "a sale runs")), "ON HOLD"),
        ((*GOOD, readiness("v1.3.0", "v1.2.0", Lack("gone", ""))), "NO WAY BACK"),
        ((*GOOD, FarEndLost("prometheus", "refused")), "NOT KNOWN"),
        ((*GOOD, PairUnclear("two versions run", split=True)), "NOT KNOWN"),
        ((*GOOD, TriggerUnproven(AWB.name, "a gauge", "hint")), "NOT KNOWN"),
    ],
)
def test_one_word_tells_good_from_bad(events, first):
    assert word(*events) == first


def test_what_nobody_watches_or_nobody_would_act_on_is_not_called_good():
    assert word(*GOOD, watched=False) == "NOT WATCHED"
    assert word(*GOOD, observe_only=True) == "ONLY OBSERVED"
    assert word(*GOOD, release=a_release(triggers=())) == "NOT WATCHED"
    missing = a_release(triggers=(AWB, HTTP_5XX, replace(AWB, name="Another")))
    assert word(*GOOD, release=missing) == "NOT KNOWN"


def test_everything_is_on_one_page():
    lack = Lack("the image is gone", "pull it")
    told = (
        Backlog("slack", 3, 1, "timed out", AT, AT),
        Backlog("webhook", 0, 0, ""),
    )
    said = Place(*GOOD, readiness("v1.3.0", "v1.2.0", lack), told=told).said()

    for words in (
        "NO WAY BACK: dms-test: watching v1.3.0: clear",
        "Watched: the last turn ended 2026-03-11 03:00:10 UTC: watching v1.3.0",
        "Could it be rolled back right now? NO: could roll back to v1.2.0 now: no",
        "the image is gone (pull it)",
        "The gap to expect is not measured yet",
        "May it go onward? PAUSED",
        "AwbRoutingFailures: CLEAR words, since 2026-03-11 03:00:00 UTC",
        "above 1 within 0s leads to rollback",
        "slack: 3 wait, the first since 2026-03-11 03:00:00 UTC; 1 given up: timed out",
        "webhook: nothing waits",
        "v1.2.0, first seen 2026-03-11 03:00:00 UTC: v1.2.0 ran long enough",
        "As of 2026-03-11 03:00:12 UTC.",
    ):
        assert words in said


def test_an_open_question_has_its_way_in():
    events = (*GOOD, breached(), asked())
    page = Page(Place(*events, base="https://watchdog.example/").text())

    assert ("a", {"href": "https://watchdog.example/a/apr_1"}) in page.tags
    assert "/a/apr_1 on the decisions listener" in Place(*events).said()


def test_a_rollback_goes_on_step_by_step():
    on = (*GOOD, breached(), begun(), StepIntended("op", STEP, 1))

    assert f"NOW {STEP.words}" in Place(*on).said()
    assert f"done {STEP.words} so" in Place(*on, StepDone("op", STEP, "so")).said()
    assert "The last rollback: v1.3.0 to v1.2.0, proved" in Place(*on, ended()).said()


def test_each_trigger_is_drawn_with_what_happened():
    place = Place(*GOOD, breached())
    text = place.text()

    assert place.drawn == 2
    assert text.count('class="band"') >= 2
    assert "v1.3.0 starts" in text
    assert ">breach<" in text


def test_nobody_waits_for_a_picture():
    place = Place(*GOOD)
    place.board.plots._busy.acquire()

    assert "The metric is being drawn." in place.send().text
    assert place.drawn == 0


def test_many_who_look_ask_prometheus_once():
    place = Place(*GOOD)
    for _ in range(20):
        place.text()

    assert place.drawn == 2  # one for each trigger
    place.at += MINUTE
    place.text()
    assert place.drawn == 4


def test_who_was_told_of_a_change_sees_it_however_new_the_page_before_it_is():
    place = Place(*GOOD)
    place.text()
    assert "GOOD: " in place.send("/?part=live").text
    place.memory.add(place.at, breached())
    place.following.rang()
    newest = place.following.count

    assert "BAD: " in place.send(f"/?part=live&as_of={newest}").text
    made = len(place.board._texts._drawn)
    for odd in (newest + 1, "9" * 12, "9" * 30, "-1", "x", ""):
        place.send(f"/?part=live&as_of={odd}")
    assert len(place.board._texts._drawn) == made


@pytest.mark.parametrize("away", ["connection refused", RuntimeError("odd")])
def test_without_prometheus_the_page_says_so_and_stands(away):
    def draws(*_):
        if isinstance(away, str):
            return away
        raise away

    said = Place(*GOOD, draws=draws).said()

    assert f"It cannot be drawn: {away}" in said.replace("RuntimeError: ", "")
    assert said.startswith("GOOD: ")


def test_an_outbox_that_cannot_be_read_is_said():
    assert "NOT KNOWN: the outbox cannot be read." in Place(*GOOD, told=None).said()
    assert "No channel is set up" in Place(*GOOD).said()


def test_what_others_wrote_is_only_text():
    evil = replace(AWB, name=HOSTILE)
    place = Place(
        *GOOD,
        verdict("breached", HOSTILE),
        replace(breached(evil), words=HOSTILE),
        HoldPlaced(HOSTILE, HOSTILE),
        readiness("v1.3.0", "v1.2.0", Lack(HOSTILE, HOSTILE)),
        FarEndLost(HOSTILE, HOSTILE),
        draws=lambda *_: HOSTILE,
        told=(Backlog(HOSTILE, 1, 1, HOSTILE, AT, AT),),
        release=a_release(triggers=(evil, HTTP_5XX)),
    )
    for path in ("/", "/history"):
        text = place.text(path)
        assert "<script>alert" not in text
        assert not any(sign in text for sign in ("\x1b", "\u202e"))
        for _, attributes in Page(text).tags:
            assert not [name for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("path", ["/", "/history", "/report/inc-1", "/report/odd"])
def test_every_page_has_the_headers_of_the_review_page(path):
    place = Place(*GOOD)
    reply = place.send(path)

    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'; style-src 'sha256-" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["cache-control"] == "no-store"
    assert place.send(path, "POST").status_code == 405


def test_the_pages_hold_no_style_of_their_own_and_load_nothing():
    for path in ("/", "/history"):
        tags = Page(Place(*GOOD, breached()).text(path)).tags
        assert not [t for t, a in tags if "style" in a or "src" in a or t == "link"]


# What happened.


def test_the_history_is_a_page_with_each_incidents_report():
    place = Place(*GOOD, breached(), begun(), ended())
    said = place.said("/history")

    assert "incident v1.3.0 AwbRoutingFailures: 9 of 40 failed" in said
    assert "rollback v1.3.0 -> v1.2.0" in said
    assert ("a", {"href": "report/inc-1"}) in Page(place.text("/history")).tags
    for _ in range(20):
        place.send("/history")
    assert place.read == 1


def test_the_report_is_a_page_and_one_that_is_not_there_says_so():
    place = Place(*GOOD)
    assert "report of inc-1" in place.send("/report/inc-1").text

    def none(which):
        raise Problem(f"there is no {which} in the journal", "newest: inc-1")

    place.papers = none
    reply = place.send("/report/inc-9%3Cscript%3E", headers=PERSON)
    assert reply.status_code == 404
    assert "there is no inc-9&lt;script&gt; in the journal" in reply.text
    reply = place.send("/report/inc-9")
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown")
    assert reply.headers["content-type"] == "application/problem+json"


def test_while_a_report_waits_for_prometheus_nobody_else_does():
    place = Place(*GOOD)
    replies = []

    def slow(which):
        place.papers = lambda _: Paper("another", ())
        replies.append(place.send("/report/inc-2"))
        return Paper(f"report of {which}", ())

    place.papers = slow
    assert "report of inc-1" in place.send("/report/inc-1").text
    assert replies[0].status_code == 503
    assert "being written: load the page again" in replies[0].text


@pytest.mark.parametrize("path", ["/history", "/report/inc-1"])
def test_an_event_that_this_version_does_not_know_is_said_in_place(path):
    place = Place(*GOOD)

    def lost(*_):
        raise JournalLost("event 7 is a Strange, which this version does not know")

    place.app = Starlette(
        routes=Chronicle(recent=lost, reported=lost, now=lambda: place.at).routes()
    )
    reply = place.send(path)

    assert reply.status_code == 503
    assert "event 7 is a Strange, which this version does not know" in reply.text
