"""The page in a real Chromium: read on a phone, and signed with the browser's key."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from tests.commands.test_by_key import Desk, a_question, now, served
from tests.decide.test_standing import begun, ended
from tests.real.browser import Browser
from tests.show.test_review import drawn
from tests.worlds import ASHA, MINUTE, Files, a_release, rules, started
from watchdog.config.release_file import Releases
from watchdog.facts.event import QuestionClosed
from watchdog.show.review import Review

pytestmark = pytest.mark.real

BOTTOM = "document.getElementById('{}').getBoundingClientRect().bottom"


class Crowded:
    """Stands before *app* and does to each POST what is next in *does*, if anything.

    ``busy`` refuses it unlooked at; ``breaks`` hands it on, and then the line breaks.
    """

    def __init__(self, app):
        self.app = app
        self.does = []
        self.came = []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        self.came.append(dict(scope["headers"])[b"webhook-id"])
        next_ = self.does.pop(0) if self.does else ""
        if next_ == "busy":
            busy = JSONResponse({"code": "busy", "title": "words"}, 503)
            await busy(scope, receive, send)
        elif next_ == "breaks":

            async def nowhere(_):
                pass

            await self.app(scope, receive, nowhere)
            start = {"type": "http.response.start", "status": 202}
            await send(start | {"headers": [(b"content-length", b"20")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            raise ConnectionResetError
        else:
            await self.app(scope, receive, send)


@pytest.fixture
def desk(tmp_path):
    """Serve the door and the page with one open question, over real HTTP."""
    desk = Desk(tmp_path)
    since = now() - 20 * MINUTE
    both = (started("v1.2.0", containers="old"), started("v1.3.0", since=since))
    desk.memory.add(now(), *both, a_question())
    review = Review(
        memory=desk.memory,
        releases=Files(Releases({"v1.3.0": a_release()})),
        rules=rules(),
        now=now,
        draws=drawn,
        base="",
    )
    application = Starlette(routes=[*desk.application.routes, *review.routes()])
    desk.crowd = Crowded(application)
    with served(desk.crowd) as desk.url:
        yield desk


@pytest.fixture
def browser(tmp_path):
    with closing(Browser(tmp_path / "profile")) as browser:
        yield browser


def click(browser, name):
    browser.run(f"document.getElementById('own-{name}').click()")


def write(browser, name, text):
    browser.run(f"document.getElementById('own-{name}').value = '{text}'")


def seen(browser, name):
    return f"!document.getElementById('own-{name}').hidden"


def said(browser, words):
    browser.wait(f"document.getElementById('own-said').innerText.includes('{words}')")


def told(browser, words):
    """Wait until the page, which nobody loads again, says so by itself."""
    browser.wait(f"document.getElementById('now').innerText.includes('{words}')")


def pictured(browser, name):
    """Keep a picture for people where PICTURES names a folder."""
    folder = os.environ.get("PICTURES")
    if folder:
        browser.picture(Path(folder) / f"{name}.png")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_without_a_script_the_page_stands_and_fits(desk, browser, width, height):
    browser.size(width, height)
    browser.scripts(run=False)
    browser.open(f"{desk.url}/a/apr_1")
    browser.scripts(run=True)

    text = browser.text()
    assert text.startswith("dms-test: roll v1.3.0 back to v1.2.0?")
    assert "watchdog approve apr_1" in text
    assert "v1.3.0 starts" in text
    assert "Make a key" not in text
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.complaints == []
    pictured(browser, f"plain-{width}")


def make_a_key(desk, browser):
    """Open the question and have the browser make a key for its answer."""
    browser.open(f"{desk.url}/a/apr_1")
    browser.wait(seen(browser, "new"))
    write(browser, "name", ASHA)
    click(browser, "make")
    browser.wait(seen(browser, "answer"))


def test_a_key_that_cannot_leave_the_browser_approves(desk, browser):
    browser.size(390, 844)
    make_a_key(desk, browser)
    desk.roster = desk.enrolled(
        browser.run("document.getElementById('own-line').textContent")
    )

    click(browser, "approve")
    said(browser, "To approve, write v1.2.0")
    assert desk.answers == []
    browser.open(f"{desk.url}/a/apr_1?again")
    browser.wait(seen(browser, "answer"))
    pictured(browser, "key-390")
    assert browser.run(BOTTOM.format("own-approve")) <= 844
    assert browser.run(BOTTOM.format("own-deny")) <= 844
    write(browser, "typed", "v1.2.0")
    write(browser, "reason", "a \\u003cb\\u003e reason")
    click(browser, "approve")
    said(browser, "Recorded: approved; 1 of 1 agreed.")

    assert desk.answers == [(ASHA, "approve")]
    assert desk.memory.standing.question.answers[0].reason == "a <b> reason"
    assert not browser.run(
        """new Promise((done) => {
          const opening = indexedDB.open("watchdog", 1);
          opening.onsuccess = () => {
            const keys = opening.result.transaction("keys").objectStore("keys");
            const asked = keys.get("own");
            asked.onsuccess = () => done(asked.result.pair.privateKey.extractable);
          };
        })"""
    )
    carried = QuestionClosed("apr_1", "carried out", "")
    desk.memory.add(now(), carried, begun(automatic=False))
    told(browser, "UNDER WAY")
    pictured(browser, "under-way-390")
    desk.memory.add(now(), ended())
    told(browser, "DONE: carried out and proved")
    assert browser.complaints == []


def test_in_a_crowd_the_page_sends_the_same_again_and_it_is_taken_once(desk, browser):
    make_a_key(desk, browser)
    desk.roster = desk.enrolled(
        browser.run("document.getElementById('own-line').textContent")
    )
    desk.crowd.does = ["busy", "breaks", "busy"]
    click(browser, "deny")
    said(browser, "it is being sent again")
    said(browser, "Recorded: denied")

    assert desk.answers == [(ASHA, "deny")]
    assert (len(desk.crowd.came), len(set(desk.crowd.came))) == (4, 1)


def test_a_key_of_nobody_is_told_so(desk, browser):
    browser.size(1280, 900)
    make_a_key(desk, browser)
    click(browser, "deny")
    said(browser, "Not taken (401 unauthorized)")

    assert desk.answers == []
    pictured(browser, "key-1280")


def test_a_document_that_was_changed_on_the_way_is_not_signed(desk, browser):
    make_a_key(desk, browser)
    browser.run("document.getElementById('own-document').append(' ')")
    click(browser, "deny")
    said(browser, "nothing is signed")

    assert desk.answers == []


def test_an_injected_script_does_not_run(desk, browser):
    browser.open(f"{desk.url}/a/apr_1")
    browser.run(
        """(() => {
          const evil = document.createElement("script");
          evil.textContent = "window.evil = 1";
          document.body.append(evil);
          const image = document.createElement("img");
          image.setAttribute("onerror", "window.evil = 1");
          image.src = "x:";
          document.body.append(image);
        })()"""
    )

    assert not browser.run("window.evil")


def test_where_a_browser_has_no_ed25519_the_page_says_so(desk, browser):
    browser.do(
        "Page.addScriptToEvaluateOnNewDocument",
        source="crypto.subtle.generateKey = () => Promise.reject(new Error('no'))",
    )
    browser.open(f"{desk.url}/a/apr_1")
    said(browser, "This browser cannot sign with Ed25519")


def test_chromium_is_there():
    assert shutil.which("chromium"), "apt-get install chromium"
