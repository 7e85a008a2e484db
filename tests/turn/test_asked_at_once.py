"""A proof that waits for no timer: a container's own check, asked by us at once."""

from dataclasses import replace

import pytest

from tests.turn.test_replicas import how
from tests.worlds import MINUTE, World, a_pair
from watchdog.act.own_check import OwnChecks
from watchdog.facts.event import RollbackEnded, StepFailed
from watchdog.facts.problem import EngineRefused
from watchdog.facts.smoke import Own
from watchdog.verify.proof import Answer

GOOD, BAD = a_pair("v1.2.0").image, a_pair("v1.3.0").image


class Ours(dict):
    """Answers each question for a container's own health."""

    def __init__(self, fine=True):
        super().__init__()
        self.fine, self.asked = fine, 0

    def __getitem__(self, check):
        assert isinstance(check, Own)
        self.asked += 1
        return Answer(self.fine, "its own check")


@pytest.fixture
def world(folders):
    def world(fine=True, *, asks=True):
        made = World(folders(), asks_health=asks)
        made.smoke = Ours(fine)
        made.docker.health = {BAD: "healthy"}
        made.bad_release()
        made.docker.health[GOOD] = "starting"
        return made

    return world


def test_a_container_that_is_well_is_proved_while_the_engine_has_not_asked_yet(world):
    it = world()
    it.turn()

    assert how(it) == ["proved"]
    assert it.clock.waited < 1
    (ended,) = it.memory.all(RollbackEnded)
    assert "container healthy" in ended.proof


@pytest.mark.parametrize("given", [{"fine": False}, {"asks": False}])
def test_without_our_answer_the_engines_word_counts(world, given):
    it = world(**given)
    it.rules = replace(it.rules, prove_within=MINUTE)
    it.turn()

    assert how(it) == ["put-back"]
    assert bool(it.smoke.asked) is ("asks" not in given)


def test_what_the_engine_calls_unhealthy_is_not_asked_by_us(world):
    it = world()
    it.docker.health[GOOD] = "unhealthy"
    it.turn()

    assert how(it) == ["put-back"]
    assert it.smoke.asked == 0


def test_an_unhealthy_of_the_engines_own_before_the_old_one_goes_turns_it_around(world):
    it = world()

    class Later(Ours):
        """Is well when we ask, and then the engine asks, too."""

        def __getitem__(self, check):
            for box in it.docker.boxes.values():
                if box["Image"] == GOOD:
                    box["State"]["Health"]["Status"] = "unhealthy"
            return super().__getitem__(check)

    it.smoke = Later()
    it.turn()

    assert it.stands_on("v1.3.0") == []
    assert how(it) == ["put-back"]
    assert any("a container is unhealthy" in e.words for e in it.memory.all(StepFailed))


class Container:
    """An engine with one container whose check is *test*, and ends with *code*."""

    def __init__(self, test, code=0, **more):
        self.config = {"Healthcheck": {"Test": test} | more}
        self.code, self.ran, self.refuses = code, [], False

    def container(self, _):
        return {"Config": self.config}

    def prepare(self, container, argv):
        if self.refuses:
            raise EngineRefused("403 Forbidden")
        self.ran.append((container, argv))
        return "exec"

    def run(self, _, within):
        self.within = within
        return ""

    def exit_code(self, _):
        return self.code


@pytest.mark.parametrize(
    ("test", "argv"),
    [
        (["CMD", "curl", "-f", "localhost"], ("curl", "-f", "localhost")),
        (
            ["CMD-SHELL", "curl -f a || exit 1"],
            ("/bin/sh", "-c", "curl -f a || exit 1"),
        ),
    ],
)
@pytest.mark.parametrize("code", [0, 1])
def test_the_check_is_the_containers_own_command(world, test, argv, code):
    engine, clock = Container(test, code, Timeout=3_000_000_000), world().clock
    own = OwnChecks(engine, clock)

    assert own.passes("abc", MINUTE) is (code == 0)
    assert engine.ran == [("abc", argv)]
    assert engine.within.total_seconds() == 3


@pytest.mark.parametrize("test", [["NONE"], None, []])
def test_without_a_check_there_is_nothing_to_ask(world, test):
    engine = Container(test)

    assert not OwnChecks(engine, world().clock).passes("abc", MINUTE)
    assert engine.ran == []


def test_one_that_failed_is_not_asked_again_at_once_and_one_that_passed_is(world):
    clock = world().clock
    sick, well = Container(["CMD", "false"], 1), Container(["CMD", "true"])
    for engine, times in ((sick, 1), (well, 3)):
        own = OwnChecks(engine, clock)
        for _ in range(3):
            own.passes("abc", MINUTE)
        assert len(engine.ran) == times


def test_one_that_took_long_to_fail_is_left_alone_as_long(world):
    clock = world().clock
    engine = Container(["CMD", "false"], 1)

    def takes(_, within):
        clock.pause(4)
        return ""

    engine.run = takes
    own = OwnChecks(engine, clock)
    for _ in range(6):
        own.passes("abc", MINUTE)
        clock.pause(1)

    assert len(engine.ran) == 2


def test_where_no_command_is_let_through_it_is_as_the_engine_says(world):
    engine = Container(["CMD", "true"])
    engine.refuses = True

    assert not OwnChecks(engine, world().clock).passes("abc", MINUTE)
