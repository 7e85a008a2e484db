"""The page of everything in a real Chromium: it fits, it follows, it asks nobody."""

from contextlib import closing

import pytest

from tests.commands.test_by_key import now, served
from tests.decide.test_standing import STEP, begun, ended
from tests.real.browser import Browser
from tests.real.test_page import pictured
from tests.show.test_board import GOOD, Place
from tests.worlds import AT, breached
from watchdog.facts.event import StepIntended
from watchdog.turn.roles import Turn

pytestmark = pytest.mark.real


@pytest.fixture
def browser(tmp_path):
    with closing(Browser(tmp_path / "profile")) as browser:
        yield browser


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


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_the_page_of_everything_fits_and_follows(browser, width, height):
    place = Living(*GOOD)
    with served(place.app) as url:
        browser.size(width, height)
        browser.scripts(run=False)
        place.turned()
        browser.open(f"{url}/")
        assert browser.text().startswith("GOOD: dms-test: watching v1.3.0: clear")
        assert browser.run("document.documentElement.scrollWidth") <= width

        browser.scripts(run=True)
        browser.open(f"{url}/?again")
        browser.wait("document.querySelector('.plot .bound')")
        pictured(browser, f"board-{width}")
        place.turned(breached(), begun(), StepIntended("op", STEP, 1))
        browser.wait(f"document.body.innerText.includes('NOW {STEP.words}')")
        place.turned(ended())
        browser.wait("document.body.innerText.includes('v1.3.0 to v1.2.0, proved')")
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.complaints == []
