"""An operator's ``docker compose start``, which starts all that is there, ours too."""

import os

import pytest

from tests.turn.test_meanwhile import LAYOUTS, dies_after, run_with, story_of
from tests.turn.test_transaction import Meddler, ends
from tests.worlds import a_bad_release, a_pair
from watchdog.facts.event import (
    RollbackEnded,
    RollbackStarted,
    RollbackStuck,
    StepFailed,
    StepUndone,
)
from watchdog.facts.problem import EngineRefused


@pytest.fixture
def world(folders):
    return lambda **chosen: a_bad_release(folders(), **chosen)


UP = {"Running": True, "Status": "running"}


def starts_everything(it):
    """Start it as Compose does where no port forbids it."""
    for id_ in list(it.docker.boxes):
        it.docker.start(id_)


@LAYOUTS
@pytest.mark.parametrize("dead", [False, True], ids=["target lives", "target dies"])
def test_a_start_of_everything_at_any_instant_ends_with_one_whole_pair_and_is_told(
    world, shared, dead
):
    every = int(os.environ.get("OPERATOR_EVERY", "13"))
    at = told = 0
    while True:
        at += every
        it = world(shared=shared, dead=dead)
        fuse = run_with(it, starts_everything, at)
        if fuse.done_after is None:
            break
        story = story_of(it, starts_everything, at)
        (ended,) = it.memory.all(RollbackEnded)
        if not fuse.came_in_time():
            continue
        # What comes up goes back all the way: nobody asked for what is bad.
        assert ended.how == ("put-back" if dead else "proved"), story
        wrong = it.stands_on("v1.3.0" if dead else "v1.2.0")
        # With a shared file it is the image that refuses such a start.
        assert not wrong or (shared and "started mixed" in wrong[0]), (wrong, story)
        assert set(it.docker.up()) == set(it.container_names()), story
        assert it.docker.names() == it.container_names(), story
        assert len(it.memory.all(RollbackStarted)) == 1, story
        if it.docker.beside:
            told += 1
            assert it.memory.all(StepUndone, StepFailed), story
    assert at > 20
    assert told or dead


def test_that_somebody_started_the_target_beside_what_ran_is_told_once(world):
    it = world()
    dies_after(it, "create")
    starts_everything(it)

    it.turn()

    assert it.docker.beside
    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    (told,) = it.memory.all(StepUndone)
    assert told.words.startswith("somebody started dms of the target before its turn")


def test_a_target_that_we_started_ourselves_is_nobodys_doing(world):
    it = world()
    dies_after(it, "start")

    it.turn()

    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert it.memory.all(StepUndone) == []


@LAYOUTS
def test_what_somebody_started_again_while_the_watchdog_was_dead_is_told(world, shared):
    it = world(shared=shared)
    dies_after(it, "rename")
    starts_everything(it)

    it.turn()

    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    told = [event.words for event in it.memory.all(StepUndone)]
    assert told == ["`stop dms (old)` was undone"]


@LAYOUTS
def test_what_somebody_starts_in_the_instant_of_its_stop_is_stopped_again(
    world, shared
):
    it = world(shared=shared)
    (old,) = it.docker.boxes
    left = [old]
    it.docker.fuse = Meddler(
        it.docker, lambda: left and it.docker.boxes[left.pop()]["State"].update(UP)
    )

    it.turn()

    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert [event.words for event in it.memory.all(StepUndone)] == [
        "`stop dms (old)` was done, but does not show: somebody started it again"
    ]
    assert set(it.docker.up()) == set(it.container_names())


@LAYOUTS
def test_what_failed_and_was_started_again_does_not_keep_what_ran_from_its_port(
    world, shared
):
    it = world(shared=shared)
    it.docker.sick.add(a_pair("v1.2.0").image)
    (old,) = it.docker.boxes
    started, asked = it.docker.start, []

    def start(id_):
        others = [box for one, box in it.docker.boxes.items() if one != id_]
        if id_ == old and not asked:
            asked.append(id_)  # somebody was a moment quicker
            for box in others:
                box["State"] |= UP
        if any(box["State"]["Running"] for box in others):
            raise EngineRefused("port is already allocated")
        started(id_)

    it.docker.start = start
    it.turn()

    assert asked
    assert it.memory.all(RollbackStuck) == []
    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.0") == []
    assert it.docker.names() == it.container_names()
