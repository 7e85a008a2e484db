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
from tests.decide.test_standing import STEP, begun, ended, verdict
from tests.worlds import (
    ASHA,
    AT,
    AWB,
    HEALTHY_THEN_NEXT,
    HOUR,
    HTTP_5XX,
    MINUTE,
    Files,
    Notebook,
    a_pair,
    a_release,
    breached,
    readiness,
    rules,
    sha,
    started,
)
from watchdog.config.release_file import Releases
from watchdog.decide.document import digest_of, document
from watchdog.facts.event import (
    Answered,
    HoldPlaced,
    IncidentClosed,
    QuestionAsked,
    QuestionClosed,
    RecoveryMissed,
    RecoverySeen,
    RollbackStuck,
    StepDone,
    StepIntended,
    WentBack,
)
from watchdog.facts.lack import Lack
from watchdog.facts.pair import together
from watchdog.facts.past import Band, Sampled, Stretch, Track
from watchdog.show.beside import is_link
from watchdog.show.review import Review
from watchdog.turn.roles import Turn

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

    def __init__(
        self,
        *events,
        draws=drawn,
        base="https://watchdog.example/",
        release=None,
        kept=None,
    ):
        self.memory = Notebook()
        self.at = AT + 13 * MINUTE
        self.asked_to_draw = []
        self.draws = draws
        self.memory.add(AT, *HEALTHY_THEN_NEXT, breached(HTTP_5XX), *events)
        review = Review(
            memory=self.memory,
            releases=Files(Releases({"v1.3.0": release or a_release()})),
            rules=rules(),
            now=lambda: self.at,
            draws=self.draw,
            kept=lambda incident: (kept or {}) if incident == "inc-1" else {},
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
        "OPEN: 47 min more, until 04:00:00 UTC. 0 of 1 agreed.",
        "Http5xxRate: 9 of 40 failed",
        "v1.3.0 → v1.2.0",
        f"{a_pair('v1.3.0').image[7:19]} → {a_pair('v1.2.0').image[7:19]}",
        "manifest of meesho",
        f"Nobody answered yet. Asked: {ASHA}.",
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

    assert f"DENIED: {ASHA} said no: nothing is rolled back." in page.said
    assert f"{ASHA} denied at 03:00:00 UTC: a sale runs" in page.said


def test_a_closed_question_offers_nothing_to_answer():
    closed = QuestionClosed("apr_1", "superseded", "another pair runs")
    text = Place(a_question(), closed).text()

    said = Page(text).said
    assert "OVER: it needs no answer any more. another pair runs" in said
    assert "<pre>watchdog approve" not in text
    assert 'id="own"' not in text


def test_a_question_that_was_asked_anew_links_to_the_one_that_took_its_place():
    closed = QuestionClosed("apr_1", "superseded", "the fix did not come")
    newer = a_question(name="apr_2", instead_of="apr_1")
    place = Place(a_question(), closed, newer)

    assert ("a", {"href": "apr_2"}) in Page(place.text()).tags
    assert "a newer question took its place" in place.text()
    assert "OPEN" in Page(place.text("/a/apr_2")).said


# To its end.

CARRIED = QuestionClosed("apr_1", "carried out", "why")
BEGUN = (CARRIED, begun(automatic=False))
PROVED = ended(proof="both halves are v1.2.0's")


def state(*events):
    """Give what the page says first."""
    text = Place(a_question(), *events).text()
    return Page(text[text.index("<h1>") : text.index('id="as-of"')]).said


def test_until_it_is_proved_nothing_is_called_carried_out():
    seen = StepDone("op", STEP, "held as it was")
    said = state(*BEGUN, seen)

    assert "UNDER WAY: v1.3.0 is being rolled back to v1.2.0." in said
    assert "It is not proved yet." in said
    assert "arried out" not in said
    assert f"done {STEP.words} held as it was" in said


def test_the_step_that_is_being_done_is_named():
    assert f"NOW {STEP.words}" in state(*BEGUN, StepIntended("op", STEP, 1))
    assert f"to do {STEP.words}" in state(*BEGUN)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((PROVED,), "DONE: carried out and proved at 03:00:00 UTC"),
        ((PROVED,), "Proof: both halves are v1.2.0's Waiting for Http5xxRate to clear"),
        ((PROVED, RecoverySeen("inc-1", "0 of 90")), "It helped: 0 of 90"),
        (
            (PROVED, RecoverySeen("inc-1", "0 of 90"), IncidentClosed("inc-1", "over")),
            "It helped: 0 of 90",
        ),
        ((PROVED, RecoveryMissed("inc-1", "still over")), "It did NOT help."),
        ((ended("put-back"),), "v1.2.0 did not come up, v1.3.0 was put back"),
        ((ended("unchanged"),), "nothing that runs was touched"),
        ((ended("overtaken"),), "somebody deployed meanwhile"),
        ((ended("unpinned"),), "DONE, BUT: carried out and proved"),
        (
            (RollbackStuck("op", "it will not start", "start it by hand"),),
            "STUCK: it will not start. A person must act. What to do: start it by",
        ),
        (
            (RollbackStuck("op", "gone", "look", again=True),),
            "It is tried again by itself.",
        ),
        ((WentBack("op", "no health"),), "GOING BACK: v1.2.0 did not"),
    ],
)
def test_the_page_tells_how_it_ended(events, words):
    assert words in state(*BEGUN, *events)


def test_it_is_told_later_too_when_another_incident_is_open():
    other = (breached(HTTP_5XX, incident="inc-2"), replace(PROVED, op="another"))
    said = state(*BEGUN, PROVED, IncidentClosed("inc-1", "over"), *other)

    assert "carried out and proved" in said
    assert (
        Place(a_question(), *BEGUN, PROVED, IncidentClosed("inc-1", ""))
        .text()
        .count("<svg")
    )


def test_a_denial_and_silence_say_what_they_came_to():
    denied = Answered("apr_1", "m1", "deny", ASHA, "a sale runs", "{}")

    assert "denied by asha@flexli.example: nothing was rolled back" in state(
        denied, QuestionClosed("apr_1", "denied", "she said no")
    )
    assert "nobody answered until 04:00:00 UTC: nothing was rolled back" in state(
        QuestionClosed("apr_1", "expired", "nobody answered")
    )


# What a person weighs.


def test_what_one_would_weigh_is_on_the_page():
    noted = {
        "runbook": "https://wiki.example/5xx?a=1&b=2",
        "bad": "javascript:alert(1)",
        "summary": "scans fail",
    }
    release = a_release(
        secondary=("joe@flexli.example",),
        triggers=(AWB, replace(HTTP_5XX, annotations=noted)),
    )
    lack = Lack("the image is gone", "pull it")
    place = Place(
        a_question(),
        verdict("blind", cause="stale"),
        readiness("v1.3.0", "v1.2.0", lack),
        release=release,
    )
    place.memory.mark(Turn(place.at, "asked", {}, looked=place.at))
    page = Page(place.text())

    for words in (
        "Could it be rolled back right now? NO: could roll back to v1.2.0 now: no",
        "the image is gone (pull it)",
        "At 04:00:00 UTC the question is closed. Nothing is rolled back",
        "AwbRoutingFailures: blind (stale): words",
        "first seen here 2026-03-11 03:00 UTC, 13 min ago",
        "known good: v1.2.0 ran long enough",
        "0 by the watchdog itself in 24 h; the limit is 3",
        "May answer too, and are told later: joe@flexli.example.",
        "the gap to expect is not measured yet",
        "scans fail",
        "javascript:alert(1)",
    ):
        assert words in page.said
    followed = [a["href"] for tag, a in page.tags if tag == "a"]
    assert followed == ["https://wiki.example/5xx?a=1&b=2"]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://wiki.example/x", True),
        ("http://wiki.example:8080/x#y", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil.example", False),
        ("https:", False),
        ("https://[", False),
        ("https://a.example/ x", False),
        ('https://a.example/"onclick=', False),
        ("see https://a.example", False),
    ],
)
def test_only_a_web_address_is_a_link(text, is_one):
    assert is_link(text) is is_one


def test_a_target_of_several_images_is_known_too():
    both = {"web": f"sha256:{sha('web')}", "jobs": f"sha256:{sha('jobs')}"}
    pair = replace(a_pair("v1.2.0"), image=together(both))
    text = document(
        *("dms-test", "apr_1", "inc-1", "why", (a_pair("v1.3.0"), pair)),
        at=AT,
        expires=AT + HOUR,
        needed=1,
    )
    question = a_question(document=text, digest=digest_of(text))
    place = Place(question)
    standing = place.memory.standing
    known = replace(standing.pairs[a_pair("v1.2.0").key], pair=pair)
    place.memory.standing = replace(standing, pairs={pair.key: known})

    assert "known good: v1.2.0 ran long enough" in Page(place.text()).said


def test_silence_that_rolls_back_is_said():
    place = Place(a_question(), release=a_release(on_no_answer="roll-back"))

    assert "At 04:00:00 UTC the rollback starts by itself" in Page(place.text()).said


def test_silence_that_would_be_refused_is_not_said_to_roll_back():
    """The release file says so, and what is decided then is something else."""
    held = HoldPlaced(ASHA, "operator hold by asha: a migration")
    place = Place(a_question(), held, release=a_release(on_no_answer="roll-back"))

    said = Page(place.text()).said
    assert "starts by itself" not in said
    assert (
        "The release file would have it rolled back then; as things stand it is not: "
        "operator hold by asha: a migration."
    ) in said
    assert "Nothing is rolled back, promotion stays paused" in said


def test_a_promise_is_said_in_words_for_people():
    said = Answered("apr_1", "m1", "forward_fix", ASHA, "", "{}", eta=AT + 40 * MINUTE)
    page = Page(Place(a_question(), said).text())

    assert "A fix was promised until 03:40 by asha@flexli.example" in page.said
    assert "promised a fix until 03:40 UTC" in page.said
    assert "forward_fix" not in page.said.replace('"forward_fix"', "")


def test_the_plot_has_a_legend_and_values():
    page = Page(Place(a_question()).text())

    assert "Http5xxRate: when asked 0.5, now 2.25; the rule is above 1 " in page.said
    assert "the metric its bound" in page.said
    assert ("span", {"class": "tag z"}) in page.tags


def test_what_follows_asks_prometheus_nothing():
    place = Place(a_question())
    text = place.text("/a/apr_1?part=live")

    assert place.asked_to_draw == []
    assert 'id="now" data-live' in text
    assert "How to decide" not in text


def test_a_question_of_another_time_is_shown_too():
    later = (QuestionClosed("apr_1", "superseded", "words"), started("v1.4.0"))
    assert Place(a_question(), *later).send().status_code == 200
    odd = Place(a_question(document="{}", digest=digest_of("{}")))
    assert odd.send().status_code == 200


def test_a_question_that_is_not_there_is_404_with_the_same_headers():
    place = Place(a_question())
    here = place.send()
    gone = place.send(path="/a/apr_9", headers={"accept": "text/html,*/*;q=0.8"})

    assert gone.status_code == 404
    assert "There is no such question" in gone.text
    assert (
        gone.headers["content-security-policy"]
        == (here.headers["content-security-policy"])
    )
    program = place.send(path="/a/apr_9")
    assert program.headers["content-type"] == "application/problem+json"
    assert program.json()["title"] == "There is no such question"


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


KEPT = {HTTP_5XX.name: Sampled(AT, AT + HOUR, drawn(HTTP_5XX, AT, AT + HOUR))}


def test_a_closed_question_keeps_its_plot_and_asks_nobody_for_it():
    events = (a_question(), QuestionClosed("apr_1", "denied", "no"))
    place = Place(*events, kept=KEPT, draws=lambda *_: "it has forgotten")

    text = place.text()
    assert 'class="band"' in text
    assert "at 04:00:00 UTC 2.25" in text
    assert "now 2.25" not in text
    assert place.asked_to_draw == []


def test_an_open_one_is_drawn_anew_and_what_was_kept_stands_in_for_it():
    fresh = Place(a_question(), kept=KEPT)
    assert "now " in fresh.text()
    assert len(fresh.asked_to_draw) == 1

    away = Place(a_question(), kept=KEPT, draws=lambda *_: "refused")
    assert 'class="band"' in away.text()
    gone = Place(a_question(), kept=KEPT, release=a_release(triggers=()))
    assert 'class="band"' in gone.text()


def test_what_nobody_kept_and_nobody_has_is_said():
    gone = Place(a_question(), release=a_release(triggers=()))

    assert "no release file has Http5xxRate any more" in gone.text()
