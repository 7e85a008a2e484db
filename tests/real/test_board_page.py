"""The pages of everything in a real Chromium: they fit, follow, and ask nobody else."""

import importlib.util
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette

from tests.commands.test_by_key import now, served
from tests.decide.test_standing import STEP, begun, ended
from tests.real.browser import Browser
from tests.real.test_page import pictured
from tests.show.test_board import GOOD, Place
from tests.show.test_review import HOSTILE, a_question, drawn
from tests.wiring.test_looking import TOKEN, door
from tests.worlds import AT, AWB, Files, a_release, breached, readiness, rules
from watchdog.config.release_file import Releases
from watchdog.facts.event import Answered, HoldPlaced, StepIntended
from watchdog.facts.lack import Lack
from watchdog.facts.message import Backlog
from watchdog.show import plot
from watchdog.show.paper import Drawing
from watchdog.show.report import report
from watchdog.show.review import Review
from watchdog.show.threads import Threads
from watchdog.turn.roles import Turn

pytestmark = pytest.mark.real
__all__ = ("door",)

WIDTH = "document.documentElement.scrollWidth"
# Each page is found by everything that axe knows to look for, in the state it is in.
CHECK = """axe.run(document, {resultTypes: ["violations"]}).then((found) =>
  found.violations.map((one) => [one.id, one.nodes.map((node) => node.html)]))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    with closing(Browser(folder / "profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def axe():
    """Give axe-core's script; its package is not loaded, it wants a driver."""
    (where,) = importlib.util.find_spec(
        "axe_playwright_python"
    ).submodule_search_locations
    return (Path(where) / "axe.min.js").read_text("utf-8")


class Living(Place):
    """The same, and time goes on."""

    begun = None

    def now(self):
        self.begun = self.begun or now()
        return AT + (now() - self.begun)

    def turned(self, *events):
        self.memory.add(self.now(), *events)
        self.memory.mark(Turn(self.now(), "watching", {}, looked=self.now()))
        self.following.rang()


def full():
    """Make the pages with everything on them that there can be, some of it hostile."""
    place = Living(
        *GOOD,
        breached(),
        a_question(),
        Answered("apr_1", "m", "deny", "asha", HOSTILE, "{}"),
        HoldPlaced("ravi", HOSTILE),
        readiness("v1.3.0", "v1.2.0", Lack("the image is gone", "pull it")),
        begun(),
        StepIntended("op", STEP, 1),
        told=(Backlog("slack", 3, 1, "timed out", AT, AT),),
    )
    review = Review(
        memory=place.memory,
        releases=Files(Releases({"v1.3.0": a_release()})),
        rules=rules(),
        now=place.now,
        draws=drawn,
        base="",
    )
    place.app = Starlette(routes=[*place.app.routes, *review.routes()])
    place.papers = lambda _: reported(place.memory.entries)
    return place


def reported(entries):
    """Write the report of all of it, with a plot and its queries."""
    threads = Threads()
    for entry in entries:
        threads.hear(entry)

    def draws(breach, since, until):
        track = drawn(AWB, since, until)
        figure = plot.figure(track, since, until, breach.words)
        return Drawing(figure, "above 1", ("sum(increase(dms_scans_total[15s]))",))

    return report(entries, threads, name="dms-test", draws=draws)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_the_page_of_everything_fits_and_follows(browser, width, height):
    place = Living(*GOOD)
    browser.complaints.clear()
    with served(place.app) as url:
        browser.size(width, height)
        browser.scripts(run=False)
        place.turned()
        browser.open(f"{url}/")
        assert browser.text().startswith("GOOD: dms-test: watching v1.3.0: clear")
        assert browser.run(WIDTH) <= width

        browser.scripts(run=True)
        browser.open(f"{url}/?again")
        browser.wait("document.querySelector('.plot .bound')")
        pictured(browser, f"board-{width}")
        place.turned(breached(), begun(), StepIntended("op", STEP, 1))
        browser.wait(f"document.body.innerText.includes('NOW {STEP.words}')")
        place.turned(ended())
        browser.wait("document.body.innerText.includes('v1.3.0 to v1.2.0, proved')")
        assert browser.run(WIDTH) <= width
        assert browser.complaints == []
        browser.open("about:blank")  # it is followed no more


@pytest.fixture(scope="module")
def pages():
    place = full()
    with served(place.app) as url:
        place.send("/")
        place.board.plots.wait()
        place.turned()
        yield url


@pytest.mark.parametrize("path", ["/", "/history", "/report/inc-1", "/a/apr_1"])
@pytest.mark.parametrize("size", [(390, 844), (1280, 900)])
def test_axe_finds_nothing_on_a_phone_or_a_desk_in_light_and_dark_and_large(
    browser, axe, pages, path, size
):
    width, _ = size
    browser.size(*size)
    browser.open(f"{pages}{path}")
    browser.run(f"{axe}; 0")
    try:
        for dark in (False, True):
            browser.dark(on=dark)
            assert browser.run(CHECK) == [], (path, dark)
        pictured(browser, f"dark{path.replace('/', '-')}-{width}")
    finally:
        browser.dark(on=False)
    browser.run("document.documentElement.style.fontSize = '200%'")
    assert browser.run(CHECK) == [], path
    assert browser.run(WIDTH) <= width
    browser.run("document.documentElement.removeAttribute('lang')")
    assert [name for name, _ in browser.run(CHECK)] == ["html-has-lang"]  # it looks
    pictured(browser, f"large{path.replace('/', '-')}-{width}")


def test_by_the_keyboard_alone_everything_is_reached_and_seen_to_be(browser, pages):
    browser.size(1280, 900)
    browser.open(f"{pages}/?keys")
    ways = browser.run("document.querySelectorAll('a[href], [tabindex]').length")
    reached = []
    for _ in range(ways):
        browser.press("Tab")
        reached.append(
            browser.run(
                """(() => {
                  const at = document.activeElement;
                  return [at.textContent, getComputedStyle(at).outlineStyle];
                })()"""
            )
        )
    assert ways >= 2
    assert len({tuple(one) for one in reached}) >= 2
    assert "none" not in [outline for _, outline in reached]
    assert reached[-1][0] == "All that happened here"
    browser.press("Enter", "\r")
    browser.wait("location.pathname === '/history'")


def test_with_the_token_as_a_password_a_page_is_read_and_followed(browser, door):
    browser.complaints.clear()
    with served(door(TOKEN)) as url:
        browser.asked.clear()
        browser.do("Page.navigate", url=url.replace("//", f"//ravi:{TOKEN}@"))
        browser.wait("document.body?.innerText.includes('What runs')")
        # Asked for once the server has said over the stream that something changed.
        deadline = time.monotonic() + 60
        while not [one for one in browser.asked if "part=live&as_of=" in one]:
            assert time.monotonic() < deadline, browser.asked
            browser.run("new Promise((done) => setTimeout(done, 50))")
        assert browser.complaints == []
        browser.open("about:blank")


def test_nothing_is_asked_of_anybody_else(browser, pages):
    """Of all that was opened in this file: the other tests' pages are in it."""
    for path in ("/", "/history", "/report/inc-1"):
        browser.open(f"{pages}{path}")
    hosts = {urlsplit(url).hostname for url in browser.asked}
    assert len(browser.asked) >= 3
    assert hosts <= {"127.0.0.1", None}  # None: about:blank
