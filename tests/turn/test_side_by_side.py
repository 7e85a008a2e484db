"""Steps taken side by side: all looked at and intended, each looked at again."""

import pytest

from tests.turn.test_replicas import how
from tests.worlds import Fuse, PowerCut, World
from watchdog.facts.event import StepDone, StepFailed, StepIntended
from watchdog.facts.plan import Do
from watchdog.outside.side_by_side import side_by_side
from watchdog.turn.stepping import one_by_one

SERVICES = ("dms", "worker", "relay")


def last_first(calls):
    """Make the last call first, as a scheduler may."""
    return one_by_one(calls[::-1])[::-1]


ORDERS = pytest.mark.parametrize("order", [one_by_one, last_first, side_by_side])


@pytest.fixture
def world(folders):
    def world(order, **chosen):
        made = World(folders(), services=SERVICES, **chosen)
        made.at_once = order
        made.restart = "always"
        made.bad_release()
        return made

    return world


@ORDERS
@pytest.mark.parametrize("shared", [False, True])
def test_three_services_that_need_nothing_of_each_other_go_back_as_one(
    world, order, shared
):
    it = world(order, shared=shared)
    it.turn()

    assert how(it) == ["proved"]
    assert it.stands_on("v1.2.0") == []
    stops = [what for do, what in it.docker.calls if do == "stop"]
    assert sorted(stops[:3]) == sorted(f"dms-{s}-1" for s in SERVICES)


@ORDERS
def test_every_intent_is_on_the_disk_before_the_first_of_them_is_done(world, order):
    it = world(order)
    noted = []
    stop = it.docker.stop

    def stops(container, within):
        seen = it.memory.all(StepIntended)
        noted.append({e.step.subject for e in seen if e.step.do is Do.STOP})
        stop(container, within)

    it.docker.stop = stops
    it.turn()

    assert noted == [set(SERVICES)] * 3


@ORDERS
def test_one_that_does_not_start_takes_all_of_them_back(world, order):
    it = world(order)
    it.docker.refuses = {("start", "worker-1.rb-"): "no such device"}
    it.turn()

    assert how(it) == ["put-back"]
    assert it.stands_on("v1.3.0") == []
    began = [e.step.subject for e in it.memory.all(StepDone) if e.step.do is Do.START]
    assert {"dms", "relay"} <= set(began)  # what came up beside it was noted


@ORDERS
def test_none_is_done_while_one_of_them_is_not_as_it_was_seen(world, order):
    it = world(order)
    real = it.docker.containers

    def containers(labels):
        is_relay = labels.get("io.flexli.rollback.service") == "relay"
        return [{"Id": "one"}, {"Id": "other"}] if is_relay else real(labels)

    it.docker.containers = containers
    it.turn()

    assert it.docker.created() == []
    assert [do for do, _ in it.docker.calls if do == "stop"] == []
    assert it.stands_on_but_names("v1.3.0") == []


def test_what_is_not_known_of_one_is_asked_again_and_the_others_are_noted(world):
    it = world(one_by_one)
    stop = it.docker.stop

    def stops(container, within):
        stop(container, within)
        if "worker" in it.docker.boxes[container]["Name"]:
            it.docker.down = True

    it.docker.stop = stops
    it.turn()
    it.docker.down, it.docker.stop = False, stop
    it.turn()

    assert how(it) == ["proved"]
    assert it.stands_on("v1.2.0") == []


def listing(it):
    """Note what is asked for whenever the engine lists containers."""
    asked, real = [], it.docker.containers

    def containers(labels):
        asked.append(labels)
        return real(labels)

    it.docker.containers = containers
    return asked


def test_a_look_at_what_runs_is_one_list_however_many_services(world):
    it = world(one_by_one)
    eyes, asked = it.eyes(), listing(it)

    eyes.running(it.tenants_of)
    eyes.parts(it.tenants_of)

    assert len(asked) == 2


@ORDERS
def test_a_container_of_ours_is_searched_for_until_it_is_found(world, order):
    it = world(order)
    asked = listing(it)
    it.turn()

    assert how(it) == ["proved"]
    ours = [
        labels["io.flexli.rollback.service"]
        for labels in asked
        if labels.get("io.flexli.rollback.role") == "target"
    ]
    assert all(ours.count(service) == 2 for service in SERVICES)  # and once it is made


def test_one_of_ours_that_somebody_made_again_is_found_all_the_same(world):
    it = world(one_by_one)
    start, moved = it.docker.start, []

    def starts(container):
        start(container)
        if not moved and "worker" in it.docker.boxes[container]["Name"]:
            moved.append("f" * 64)
            box = it.docker.boxes.pop(container)
            it.docker.boxes[moved[0]] = box | {"Id": moved[0]}

    it.docker.start = starts
    it.turn()

    assert moved
    assert how(it) == ["proved"]
    assert it.stands_on("v1.2.0") == []


@ORDERS
def test_each_that_fails_is_told(world, order):
    it = world(order)
    it.docker.refuses = {("start", ".rb-"): "no such device"}
    it.turn()

    told = [e.step.subject for e in it.memory.all(StepFailed) if e.step.do is Do.START]
    assert sorted(told) == sorted(SERVICES)
    assert how(it) == ["put-back"]


@pytest.mark.parametrize("shared", [False, True])
def test_power_cut_at_every_instant_ends_in_one_whole_pair(folders, shared):
    instants, number = 1, 0
    while number < instants:
        number += 1
        it = World(folders(), services=SERVICES, shared=shared)
        it.at_once = last_first
        it.bad_release()
        it.docker.fuse = it.memory.fuse = it.fuse = Fuse(number)
        try:
            it.turn()
        except PowerCut:
            it.docker.fuse = it.memory.fuse = Fuse()
            it.turn()
            it.turn()
        else:
            break
        instants = number + 1
        assert it.stands_on("v1.2.0") == [], f"cut at {number}"
        assert how(it) == ["proved"], f"cut at {number}"
        created = it.docker.created()
        assert len(created) == len(set(created)) == len(SERVICES)
    assert number > 60
