"""What proves a pair is asked of what runs, all the time, and beside the turn."""

import threading
import time
from concurrent.futures import Future

import pytest

from tests.worlds import AT, MINUTE, SECOND, a_pair
from watchdog.facts.container import Container, Health, Probe
from watchdog.facts.pair import Running
from watchdog.observe.holding import Holding
from watchdog.verify.proof import Answer

FINE = (Answer(fine=True, words="http://dms:5269/health says 200"),)
AWAY = (Answer(fine=False, words="http://dms:5269/health did not answer: refused"),)
OLD = AT + 10 * MINUTE


class Inline:
    """Answers at once, on the caller's own thread."""

    def submit(self, question):
        done = Future()
        try:
            done.set_result(question())
        except Exception as error:  # noqa: BLE001 # as a pool of threads does
            done.set_exception(error)
        return done


def checked(word, *ends):
    """Make a health check of every 10 s, whose probes ended at *ends*."""
    probes = tuple(Probe(end - SECOND, end, failed=False) for end in ends)
    return Health(word, 0, 3, probes, every=10 * SECOND, patience=5 * SECOND)


class Place:
    """A stack whose answers a test chooses; it runs since AT."""

    def __init__(self, *answers, health=("healthy",), states=("running",)):
        self.answers = list(answers)
        self.health = [
            one if isinstance(one, Health) else checked(one) for one in health
        ]
        self.states = states
        self.asked = 0
        self.containers = ("c1",)
        self.at = OLD
        self.holding = Holding(
            lambda _: {"the stack": self.answer},
            MINUTE,
            _threads=Inline(),
        )

    def answer(self):
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    def look(self):
        """Look once, half a minute later; give what is said."""
        self.at += 30 * SECOND
        seen = Running(
            a_pair("v1.2.0"),
            self.containers,
            AT,
            self.states,
            seen=tuple(
                Container("dms", f"dms-{n}", f"c{n}", "running", AT, health=health)
                for n, health in enumerate(self.health, 1)
            ),
        )
        return [lack.words for lack in self.holding.lacks(seen, self.at)]


SAID = (
    "what proves a pair does not hold for what runs now: "
    "http://dms:5269/health did not answer: refused"
)


def test_what_answers_lacks_nothing():
    it = Place(FINE)

    assert [it.look(), it.look()] == [[], []]
    assert not it.holding.is_unsure


def test_a_url_that_never_answered_is_said_at_the_first_look():
    """F2: a wrong `stack.health` was found out by an outage."""
    assert Place(AWAY).look() == [SAID]


def test_a_short_hiccup_is_looked_at_again_and_not_told():
    it = Place(FINE, FINE, AWAY, FINE)

    assert [it.look() for _ in range(3)] == [[], [], []]
    assert it.holding.is_unsure
    assert it.look() == []
    assert not it.holding.is_unsure


def test_what_stopped_answering_is_told_with_when_it_last_did_and_in_the_same_words():
    other = (Answer(fine=False, words="http://dms:5269/health says 503"),)
    it = Place(FINE, AWAY, other, AWAY, other)

    looks = [it.look() for _ in range(5)]

    told = (
        "what proves a pair does not hold for what runs now: http://dms:5269/health "
        "says 503; it last held at 03:10:30 UTC"
    )
    assert looks == [[], [], [told], [told], [told]]


def test_one_good_answer_of_a_stack_that_comes_and_goes_is_not_believed():
    it = Place(AWAY, FINE, AWAY, FINE, FINE)

    looks = [it.look() for _ in range(5)]

    assert looks == [[SAID], [SAID], [SAID], [SAID], []]


def test_a_pair_that_is_young_may_still_be_on_its_way():
    it = Place(AWAY)
    it.at = AT

    assert it.look() == []
    assert it.holding.is_unsure
    assert it.look() == [SAID]


def test_other_containers_are_asked_anew():
    it = Place(AWAY, FINE)
    assert it.look() == [SAID]

    it.containers = ("c2",)

    assert it.look() == []


@pytest.mark.parametrize("state", ["exited", "created", "paused", "restarting"])
def test_a_container_that_does_not_run_is_said(state):
    it = Place(FINE, states=("running", state))

    assert it.look() == [
        f"1 of 2 containers of v1.2.0 is {state}, not running",
    ]


def test_an_engine_that_runs_no_health_checks_is_said():
    it = Place(FINE, health=("healthy", "starting"))

    assert it.look() == [
        (
            "what proves a pair does not hold for what runs now: the health check of "
            "dms-2 has not come to an end since its start; does this engine run health "
            "checks at all?"
        ),
    ]
    assert "unhealthy" in Place(FINE, health=("unhealthy",)).look()[0]


def test_a_container_whose_probes_stopped_is_not_called_healthy():
    it = Place(FINE, health=(checked("healthy", OLD),))

    looks = [it.look() for _ in range(3)]

    told = (
        "what proves a pair does not hold for what runs now: dms-1 is healthy as of "
        "03:10:00 UTC, and no probe was run since: restart it, which starts its health "
        "check anew; on Podman, systemd's timers run it; it last held at 03:10:30 UTC"
    )
    assert looks == [[], [], [told]]


def test_a_question_that_breaks_is_what_does_not_hold():
    (said,) = Place(ValueError("odd")).look()

    assert said.endswith("the stack could not be asked: ValueError: odd")


def test_a_stack_that_hangs_costs_a_turn_no_more_than_its_patience():
    go = threading.Event()
    asked = []

    def hang():
        asked.append(1)
        go.wait(30)
        return AWAY

    holding = Holding(lambda _: {"the stack": hang}, MINUTE, patience=0.05)
    seen = Running(a_pair("v1.2.0"), ("c1",), AT, ("running",))
    began = time.monotonic()
    try:
        first = [holding.lacks(seen, OLD) for _ in range(3)]
        took = time.monotonic() - began
    finally:
        go.set()

    assert first == [(), (), ()]
    assert took < 15  # of 30 s, on whatever machine
    assert asked == [1]
    assert holding.is_unsure
    until = time.monotonic() + 30
    while not holding.lacks(seen, OLD) and time.monotonic() < until:
        pass
    assert holding.lacks(seen, OLD)
