"""A release whose containers are sick, with Prometheus away and without."""

import pytest

from tests.worlds import MINUTE, SECOND, World, a_release, a_trigger
from watchdog.facts.event import (
    BreachConfirmed,
    PairStarted,
    PromotionPaused,
    RollbackStarted,
)
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trigger import Sick, Sickness

SICK = a_trigger("DmsSick", kind=Sick(tuple(Sickness)), window=2 * MINUTE)
RATIO = a_trigger("AwbRoutingFailures")
AWAY = Blind(Cause.UNREACHABLE, "connection refused")


def loops(world, version="v1.3.0"):
    """Let what runs of *version* end again and again, each time by itself."""
    for box in world.docker.boxes.values():
        if box["Image"] == world.image_of("dms", version):
            count = box.get("RestartCount", 0) + 1
            box["RestartCount"] = count
            box["State"] |= {
                "Status": "restarting",
                "ExitCode": 3,
                "FinishedAt": world.clock.now().isoformat(),
            }


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    for version in world.releases:
        world.releases[version] = a_release(version, triggers=(RATIO, SICK))
    return world


def watched(world, turns=60):
    """Let one watchdog turn, and the containers of v1.3.0 end before each."""
    watch = world.watch()
    for _ in range(turns):
        world.clock.at += 5 * SECOND
        if world.memory.standing.rollback is None:
            loops(world)
        world.memory.mark(watch.turn(world.clock.now()))
        if world.memory.all(RollbackStarted):
            break


def test_a_release_that_crashes_again_and_again_is_rolled_back_without_prometheus(
    world,
):
    world.bake("v1.2.0")
    watch = world.watch()
    watch.turn(world.clock.now())
    world.compose_up("v1.3.0")
    watch.turn(world.clock.now())
    world.numbers.down = AWAY

    watched(world)

    (started,) = world.memory.all(RollbackStarted)
    assert started.to_pair.version == "v1.2.0"
    (breach,) = world.memory.all(BreachConfirmed)
    assert breach.elsewhere == ""
    assert "dms-dms-1 restarts again and again" in breach.words


def test_a_pair_that_nobody_saw_before_is_not_charged(world):
    """The watchdog was down while it was deployed: it may have been sick already."""
    world.bake("v1.2.0")
    world.compose_up("v1.3.0")

    watched(world)

    assert not world.memory.all(RollbackStarted)
    (breach,) = world.memory.all(BreachConfirmed)
    assert "nobody looked" in breach.elsewhere
    assert world.memory.all(PromotionPaused)


def test_a_release_that_takes_over_a_crash_loop_is_not_charged(world):
    world.bake("v1.2.0")
    watch = world.watch()
    for _ in range(4):
        world.clock.at += 5 * SECOND
        loops(world, "v1.2.0")
        watch.turn(world.clock.now())
    world.compose_up("v1.3.0")
    watch.turn(world.clock.now())

    assert world.memory.all(PairStarted)[-1].sick == (
        "dms: restarting again and again",
    )
    watched(world)
    assert not world.memory.all(RollbackStarted)
