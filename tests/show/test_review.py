"""The page of a question: everything to decide by, and nothing that acts."""

import asyncio
import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import httpx
import pytest
from starlette.applications import Starlette

from tests import canary
from tests.worlds import (
    ASHA,
    AT,
    HEALTHY_THEN_NEXT,
    HOUR,
    HTTP_5XX,
    MINUTE,
    Files,
    Notebook,
    a_pair,
    a_release,
    breached,
    started,
)
from watchdog.config.release_file import Releases
from watchdog.decide.document import digest_of, document
from watchdog.facts.event import Answered, QuestionAsked, QuestionClosed
from watchdog.facts.past import Band, Stretch, Track
from watchdog.show.review import Review

CLI = (
    "watchdog approve apr_1 \\ --as YOUR_NAME --key YOUR_KEY.pem \\ "
    "--url https://watchdog.example"
)
HOSTILE = "<script>alert(1)</script><!channel> \x1b[2J\u202e&amp;\"'"


def a_question(cause="Http5xxRate: 9 of 40 failed", name="apr_1", **other):
    text = document(
        "dms-test",
        name,
        "inc-1",
        cause,
        (a_pair("v1.3.0"), a_pair("v1.2.0")),
        at=AT,
        expires=AT + HOUR,
        needed=1,
    )
    asked = QuestionAsked(
        name,
        "inc-1",
        text,
        digest_of(text),
        (ASHA,),
        AT + HOUR,
        f"{ASHA}: roll v1.3.0 back to v1.2.0? {cause}",
    )
    return replace(asked, **other)


def drawn(trigger, since, until):
    """Draw a metric that rises over its bound when the release starts."""
    step = (until - since) / 10
    bands = [Band(since + n * step, n / 5, n / 4) for n in range(10)]
    clear = Stretch("clear", since, until, "0 of 40 failed")
    return Track(trigger, step, (clear,), tuple(bands), 10)


class Place:
    """The page over real routing, with a question open."""

    def __init__(self, *events, draws=drawn, base="https://watchdog.example/"):
        self.memory = Notebook()
        self.at = AT + 13 * MINUTE
        self.asked_to_draw = []
        self.draws = draws
        self.memory.add(AT, *HEALTHY_THEN_NEXT, breached(HTTP_5XX), *events)
        review = Review(
            memory=self.memory,
            releases=Files(Releases({"v1.3.0": a_release()})),
            now=lambda: self.at,
            draws=self.draw,
            base=base,
        )
        self.app = Starlette(routes=review.routes())

    def draw(self, *what):
        self.asked_to_draw.append(what)
        return self.draws(*what)

    def send(self, method="GET", path="/a/apr_1", **how):
        async def send():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://watchdog"
            ) as client:
                return await client.request(method, path, **how)

        reply = asyncio.run(send())
        canary.heard(f"the answer to {method} {path}", reply.text)
        return reply

    def text(self, path="/a/apr_1"):
        return self.send(path=path).text


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def said(self):
        return " ".join("".join(self.words).split())


def test_the_first_line_is_the_question_and_the_rest_is_what_to_decide_by():
    question = a_question()
    page = Page(Place(question).text())

    assert re.search(r"<h1>(.*?)</h1>", Place(question).text())[1] == (
        "dms-test: roll v1.3.0 back to v1.2.0?"
    )
    for words in (
        "Open for 47 min more, until 04:00:00 UTC. 0 of 1 agreed.",
        "Http5xxRate: 9 of 40 failed",
        "v1.3.0 → v1.2.0",
        f"{a_pair('v1.3.0').image[7:19]} → {a_pair('v1.2.0').image[7:19]}",
        "manifest of meesho",
        f"Nobody yet. Asked: {ASHA}.",
        CLI,
        question.digest,
        question.document,
    ):
        assert words in page.said


def test_the_metric_is_drawn_against_its_bound_with_the_start_of_the_release():
    place = Place(a_question())
    tags = Page(place.text()).tags
    styles = [attributes.get("class") for _, attributes in tags]

    ((trigger, since, until),) = place.asked_to_draw
    assert trigger.name == HTTP_5XX.name
    assert (since, until) == (AT - 5 * MINUTE, AT + 13 * MINUTE)
    assert {"band", "bound", "mark"} <= set(styles)
    assert "v1.3.0 starts" in place.text()


def test_many_who_look_ask_prometheus_once():
    place = Place(a_question())
    for _ in range(5):
        place.text()

    assert len(place.asked_to_draw) == 1
    place.at += MINUTE
    place.text()
    assert len(place.asked_to_draw) == 2


def test_without_prometheus_the_page_says_so_and_stands():
    text = Place(a_question(), draws=lambda *_: "connection refused").text()

    assert "The metric cannot be drawn: connection refused" in text
    assert "<h2>How to decide</h2>" in text


def test_who_answered_is_shown_with_their_reasons():
    said = Answered("apr_1", "m1", "deny", ASHA, "a sale runs", "{}")
    page = Page(Place(a_question(), said).text())

    assert f"Denied by {ASHA}: nothing is rolled back." in page.said
    assert f"{ASHA} denied at 03:00:00 UTC: a sale runs" in page.said


def test_a_closed_question_offers_nothing_to_answer():
    closed = QuestionClosed("apr_1", "superseded", "words")
    text = Place(a_question(), closed).text()

    assert "Closed: superseded. There is nothing to answer any more." in text
    assert "<pre>watchdog approve" not in text
    assert 'id="own"' not in text


def test_a_question_of_another_time_is_shown_too():
    later = (QuestionClosed("apr_1", "superseded", "words"), started("v1.4.0"))
    assert Place(a_question(), *later).send().status_code == 200
    odd = Place(a_question(document="{}", digest=digest_of("{}")))
    assert odd.send().status_code == 200


def test_a_question_that_is_not_there_is_404_with_the_same_headers():
    place = Place(a_question())
    here, gone = place.send(), place.send(path="/a/apr_9")

    assert gone.status_code == 404
    assert (
        gone.headers["content-security-policy"]
        == (here.headers["content-security-policy"])
    )


# G. Browser and links.


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "agent",
    [
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Mozilla/5.0 SafeLinks",
        "facebookexternalhit/1.1",
    ],
)
def test_g_084_looking_changes_nothing_whoever_looks(method, agent):
    place = Place(a_question())
    before, standing = list(place.memory.entries), repr(place.memory.standing)

    reply = place.send(method, headers={"user-agent": agent})

    assert reply.status_code == (405 if method == "OPTIONS" else 200)
    assert place.memory.entries == before
    assert repr(place.memory.standing) == standing


def test_a_post_to_the_page_is_refused():
    assert Place(a_question()).send("POST").status_code == 405


def test_g_087_the_headers_keep_it_out_of_frames_caches_and_indexes():
    headers = Place(a_question()).send().headers

    for name, value in (
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("content-type", "text/html; charset=utf-8"),
    ):
        assert headers[name] == value
    assert "noindex" in headers["x-robots-tag"]
    policy = headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "unsafe" not in headers["content-security-policy"]


def test_the_policy_names_one_style_and_one_script_by_their_hashes():
    reply = Place(a_question()).send()
    for name in ("style", "script"):
        (text,) = re.findall(rf"<{name}>(.*?)</{name}>", reply.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        policy = reply.headers["content-security-policy"]
        assert f"{name}-src 'sha256-{digest}'" in policy

    assert not [
        tag for tag, attributes in Page(reply.text).tags if "style" in attributes
    ]


def test_g_088_what_others_wrote_is_only_text():
    said = Answered("apr_1", "m1", "forward_fix", HOSTILE, HOSTILE, "{}", eta=AT + HOUR)
    evidence = replace(breached(HTTP_5XX), words=HOSTILE, trigger=HOSTILE)
    question = a_question(HOSTILE, dri=(HOSTILE,))
    place = Place(question, evidence, said, draws=lambda *_: HOSTILE)
    text = place.text()
    plain = Page(Place(a_question()).text())

    assert {tag for tag, _ in Page(text).tags} <= {tag for tag, _ in plain.tags} | {
        "li"
    }
    assert "<script>alert" not in text
    assert text.count("<script>") == 1
    assert not any(sign in text for sign in ("\x1b", "\u202e"))
    for _, attributes in Page(text).tags:
        assert not [name for name in attributes if name.startswith("on")]


def test_g_088_a_hostile_host_header_is_not_repeated():
    reply = Place(a_question(), base="").send(headers={"host": "evil.example"})

    assert "evil.example" not in reply.text
