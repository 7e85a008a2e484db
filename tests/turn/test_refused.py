"""An engine that answers, and refuses: at any call, once, for a while, or for ever."""

import pytest

from tests.turn.test_ordering import order
from tests.turn.test_transaction import ends
from tests.worlds import MINUTE, a_bad_release, a_pair
from watchdog.facts.event import (
    FarEndLost,
    OrderRefused,
    PairUnclear,
    RollbackDelayed,
    RollbackEnded,
    RollbackRefused,
    RollbackStuck,
    WentBack,
)
from watchdog.facts.problem import EngineRefused
from watchdog.show.status import _incident

LAYOUTS = pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])
TARGETS = pytest.mark.parametrize("dead", [False, True], ids=["lives", "dies"])
SAID = "the engine refused to show it"
OP = "io.flexli.rollback.op"


@pytest.fixture
def world(folders):
    return lambda **chosen: a_bad_release(folders(), **chosen)


def refuse(it, call, which):
    """Refuse those of *call* that *which* tells, of the number and what is asked."""
    asked, count = getattr(it.docker, call), []

    def one(*words, **more):
        if it.memory.standing.rollback is not None:
            count.append(words)
            if which(len(count), str(words[0])):
                raise EngineRefused(SAID)
        return asked(*words, **more)

    setattr(it.docker, call, one)
    return count


def carried_on(it, turns=12):
    for _ in range(turns):
        it.turn(MINUTE)
        if it.memory.all(RollbackEnded):
            return
    raise AssertionError(it.memory.standing.rollback)


CALLS = ("container", "containers", "network", "create", "stop", "rename", "start")


@pytest.mark.parametrize("call", [*CALLS, "remove", "logs"])
@pytest.mark.parametrize("often", [1, 10])
@LAYOUTS
@TARGETS
def test_a_call_that_is_refused_for_a_while_ends_in_one_whole_pair(
    world, shared, dead, often, call
):
    at = 1
    while True:
        it = world(shared=shared, dead=dead)
        count = refuse(it, call, lambda n, _, at=at: at <= n < at + often)
        carried_on(it)  # and no turn crashes
        if len(count) < at:
            break
        ((how, *_),) = ends(it)
        version = "v1.2.0" if how == "proved" else "v1.3.0"
        # Nothing is found by its name: one that is refused is told.
        up = [(a_pair(version).image, it.restart)]
        assert list(it.docker.up().values()) == up, (at, how)
        assert it.stands_on_but_names(version) == [], (at, how)
        at += 1 if call not in ("container", "containers") else 13


@LAYOUTS
def test_a_target_that_the_engine_does_not_show_is_never_waited_for(world, shared):
    it = world(shared=shared, dead=True)

    def of_ours(_, asked):
        labels = it.docker.boxes.get(asked, {"Config": {"Labels": {}}})["Config"]
        started = [box for box in it.docker.boxes.values() if _was_started(box)]
        return OP in labels["Labels"] and len(started) > 1

    def _was_started(box):
        return not box["State"]["StartedAt"].startswith("0001")

    refuse(it, "container", of_ours)
    carried_on(it)

    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.0") == []
    assert it.docker.names() == it.container_names()
    assert it.memory.all(WentBack)


@LAYOUTS
def test_what_ran_is_started_again_although_the_engine_does_not_show_it(world, shared):
    it = world(shared=shared, dead=True)
    (old,) = it.docker.boxes
    begun = []

    def of_the_old(_, asked):
        went_back = bool(it.memory.all(WentBack))
        begun.append(went_back and asked == old)
        return begun[-1] and sum(begun) < 200

    refuse(it, "container", of_the_old)
    carried_on(it, 40)

    assert it.docker.up() == {"dms-dms-1": (a_pair("v1.3.0").image, it.restart)}
    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]


@LAYOUTS
@TARGETS
def test_what_ran_is_put_back_where_nothing_is_shown_any_more_but_listed(
    world, shared, dead
):
    it = world(shared=shared, dead=dead)
    (old,) = it.docker.boxes
    refuse(it, "container", lambda *_: "start" in {do for do, _ in it.docker.calls})

    carried_on(it)

    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.memory.all(RollbackStuck) == []
    (ended,) = it.memory.all(RollbackEnded)
    assert "v1.3.0 is listed as running, and no more is shown of it" in ended.proof
    assert it.docker.names() == it.container_names()
    assert list(it.docker.up()) == ["dms-dms-1"]
    assert [*it.docker.boxes] == [old]
    assert it.stands_on_but_names("v1.3.0") == []


def test_what_is_not_shown_before_anything_is_touched_leaves_it_as_it_is(world):
    it = world()
    started = list(it.docker.starts)
    refuse(it, "container", lambda *_: True)

    carried_on(it)

    assert ends(it) == [("unchanged", "v1.3.0", "v1.2.0")]
    assert it.docker.starts == started


def test_an_engine_that_lists_nothing_to_us_is_waited_for_and_told(world):
    it = world()
    allowed = []
    refuse(it, "containers", lambda *_: not allowed)

    said = [it.turn(MINUTE) for _ in range(3)]

    assert said == [f"rolling back, but waiting: {SAID}"] * 3
    assert [lost.words for lost in it.memory.all(FarEndLost)] == [SAID]
    allowed.append(True)
    it.turn(MINUTE)
    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]


def test_a_stack_that_the_engine_does_not_show_is_not_known_and_crashes_no_turn(world):
    it = world()
    container = it.docker.container

    def refused(_):
        raise EngineRefused(SAID)

    it.docker.container = refused
    assert it.turn() == SAID
    (unclear,) = it.memory.all(PairUnclear)
    assert (unclear.words, unclear.split) == (SAID, False)

    it.docker.container = container
    it.turn()
    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]


def refused_while_it_is_planned(it, often):
    """Have the engine show what runs, and refuse the looks that a plan takes."""
    looks, refused = it.plans, []

    def plans(eyes):
        made = looks(eyes)
        plan = made.plan

        class Planning:
            def plan(self, wanted):
                if wanted.incident == "readiness" or len(refused) >= often:
                    return plan(wanted)
                shows, it.docker.container = it.docker.container, refuses
                try:
                    return plan(wanted)
                finally:
                    it.docker.container = shows

        return Planning()

    def refuses(_):
        refused.append(SAID)
        raise EngineRefused(SAID)

    it.plans = plans
    return refused


@LAYOUTS
def test_a_look_that_is_refused_while_it_is_planned_is_taken_again(world, shared):
    it = world(shared=shared)
    refused_while_it_is_planned(it, 3)

    said = [it.turn() for _ in range(3)]

    assert set(said) == {f"cannot plan the rollback yet: {SAID}"}
    (late,) = it.memory.all(RollbackDelayed)
    assert (late.incident, late.words) == (it.memory.standing.incident.id, SAID)
    assert f"not rolled back yet: {SAID}; " in _incident(it.memory.standing)["words"]
    it.turn()
    assert it.memory.all(RollbackRefused) == []
    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.2.0") == []


def test_looks_that_are_refused_for_ever_end_in_a_refusal_that_says_why(world):
    it = world()
    refused_while_it_is_planned(it, 1000)

    for _ in range(7):
        it.turn(MINUTE)

    assert len(it.memory.all(RollbackDelayed)) == 1
    (refused,) = it.memory.all(RollbackRefused)
    assert refused.words == SAID
    assert it.stands_on("v1.3.0") == []


def test_an_order_whose_look_is_refused_is_followed_at_the_next_turn(world):
    it = world()
    it.numbers.values.clear()
    it.turn()
    refused_while_it_is_planned(it, 2)
    order(it, "rollback")

    said = [it.turn() for _ in range(2)]

    assert set(said) == {f"cannot follow the order yet: {SAID}"}
    it.turn()
    assert it.memory.all(OrderRefused) == []
    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]


@pytest.mark.parametrize("call", ["container", "containers"])
def test_an_engine_that_shows_nothing_after_a_rollback_crashes_no_turn(world, call):
    it = world()
    it.turn()
    shows = getattr(it.docker, call)

    def refused(*_):
        raise EngineRefused(SAID)

    setattr(it.docker, call, refused)
    assert [it.turn(MINUTE) for _ in range(2)] == [SAID] * 2
    setattr(it.docker, call, shows)
    assert "waiting for the trigger to clear" in it.turn(MINUTE)
