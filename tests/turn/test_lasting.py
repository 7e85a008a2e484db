"""What has no health check must last before it counts as proved."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from tests.worlds import (
    AT,
    AWB,
    HOUR,
    MINUTE,
    SECOND,
    StillClock,
    World,
    a_pair,
    rules,
)
from watchdog.facts.container import Container, Health, Probe
from watchdog.facts.event import RollbackEnded, StepDone, WentBack
from watchdog.facts.pair import Running
from watchdog.facts.plan import Do
from watchdog.facts.problem import NotProven
from watchdog.turn.proving import Proving
from watchdog.verify.proof import Answer, Proven, prove

PAIR = a_pair("v1.2.0")


@pytest.mark.parametrize(
    ("health", "watched"),
    [((), False), (("healthy",), False), (("healthy", "healthy"), True)],
)
def test_a_container_without_a_health_check_is_not_proved_by_one_look(health, watched):
    seen = Running(PAIR, ("one", "two"), None, ("running", "running"))

    outcome = prove(PAIR, seen, health, ())

    assert isinstance(outcome, Proven)
    assert outcome.watched is watched


@pytest.fixture
def world(folders):
    """v1.2.0 was good, v1.3.0 is breached; no container has a health check."""
    it = World(folders())
    it.restart = "no"
    it.bake("v1.2.0")
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)
    it.numbers.values[AWB.name] = 9
    it.lasting = 2.0
    return it


def ends(it):
    return [event.how for event in it.memory.all(RollbackEnded)]


def proofs(it):
    return [e.step.subject for e in it.memory.all(StepDone) if e.step.do is Do.PROVE]


def test_a_target_that_lasts_is_proved_when_its_time_is_over_and_not_before(world):
    assert world.turn() == "rollback to v1.2.0 proved after 2.0 s"

    assert world.stands_on("v1.2.0") == []


@pytest.mark.parametrize("seconds", [0.5, 1, 1.9])
def test_a_target_that_dies_in_its_first_seconds_gives_way_to_the_previous_pair(
    world, seconds
):
    world.docker.lives[PAIR.image] = seconds

    world.turn()

    assert ends(world) == ["put-back"]
    assert world.stands_on("v1.3.0") == []
    # The target was up at the first look, and is in no proof all the same.
    assert proofs(world) == ["v1.3.0"]
    (back,) = world.memory.all(WentBack)
    assert "a container is exited, meant running" in back.words


def test_the_time_in_which_it_boots_counts(world):
    def answers(_meant, _within):
        fine = world.clock.monotonic() - begun > 1.5
        return (Answer(fine, f"health says {200 if fine else 503}"),)

    world.docker.answers = answers
    begun = world.clock.monotonic()

    assert world.turn() == "rollback to v1.2.0 proved after 2.0 s"


def test_one_that_is_started_again_while_it_boots_begins_its_time_anew(world):
    again = []

    def answers(_meant, _within):
        now = world.clock.monotonic() - begun
        if now > 1 and not again:
            again.append(now)
            for box in world.docker.boxes.values():
                box["State"]["StartedAt"] = world.clock.now().isoformat()
                box["RestartCount"] = 1
        return (Answer(now > 1.5, f"health says {now}"),)

    world.docker.answers = answers
    begun = world.clock.monotonic()

    assert world.turn() == "rollback to v1.2.0 proved after 3.0 s"


def test_what_falters_in_between_begins_its_time_anew(world):
    sick = []

    def answers(_meant, _within):
        now = world.clock.monotonic() - begun
        fine = not 0.9 < now < 1.5
        sick.append(not fine)
        return (Answer(fine, f"health says {200 if fine else 503}"),)

    world.docker.answers = answers
    begun = world.clock.monotonic()

    words = world.turn()

    assert any(sick)
    assert words == "rollback to v1.2.0 proved after 3.5 s"


def test_the_previous_pair_must_last_as_well_before_it_counts_as_put_back(world):
    world.docker.lives[PAIR.image] = 1
    begun = world.clock.monotonic()

    world.turn()

    assert ends(world) == ["put-back"]
    assert world.clock.monotonic() - begun >= 1 + world.lasting


def whose_probes_stopped(smoke, **more):
    """Give what proves a pair of one container, healthy as of an hour ago."""
    clock = StillClock()
    last = clock.now() - HOUR
    probe = Probe(last, last, failed=False)
    health = Health("healthy", 0, 3, (probe,), every=SECOND, patience=SECOND)
    box = Container("dms", "dms-1", "c1", "running", AT, health=health)
    seen = Running(PAIR, ("c1",), AT, ("running",), seen=(box,))
    eyes = SimpleNamespace(running=lambda _: seen)
    must = rules(prove_within=timedelta(seconds=5), **more)
    return Proving(eyes, lambda *_: (), smoke, lambda _: (), must, clock)


def test_a_container_whose_probes_stopped_is_not_proved_healthy():
    proving = whose_probes_stopped(None)

    with pytest.raises(NotProven) as refused:
        proving.prove(PAIR, as_it_was=True)

    assert "and no probe was run since, meant healthy" in refused.value.words


def test_a_container_whose_probes_stopped_is_asked_at_once_where_that_is_allowed():
    asked = []

    def smoke(check, _containers):
        asked.append(check)
        return SimpleNamespace(fine=True)

    proving = whose_probes_stopped(smoke, asks_health=True)

    assert "healthy" in proving.prove(PAIR, as_it_was=True)
    assert asked


class Rolls(StillClock):
    """A swarm's service as time goes by: (seconds, its state, the tasks that are up).

    A fourth says of which node nobody has heard yet. While tasks of before still end,
    its state is ``created``.
    """

    def __init__(self, *shown):
        super().__init__()
        self.shown = shown

    def pause(self, seconds):
        super().pause(max(seconds, 0.001))  # a float's last digit is no time

    def running(self, _tenants_of):
        state, up, *unheard = [r for at, *r in self.shown if at <= self.waited][-1]
        return Running(PAIR, ("spec",), AT, (state,), up=up, unheard=tuple(unheard))

    def proved_after(self):
        must = rules(prove_within=timedelta(seconds=20))
        proving = Proving(
            self, lambda *_: (), None, lambda _: (), must, self, lasting=2.0
        )
        proving.prove(PAIR, as_it_was=False)
        return round(self.waited, 1)


ENDS, ALONE = "created", "running"


@pytest.mark.parametrize(
    ("shown", "seconds"),
    [
        # It must last, and the old ones be gone: whichever comes later.
        ([(0, ENDS, ("a",)), (1.5, ALONE, ("a",))], 2),
        ([(0, ENDS, ("a",)), (5, ALONE, ("a",))], 5),
        ([(0, ENDS, ()), (1, ENDS, ("a",)), (2, ALONE, ("a",))], 3),
        # One that died unseen between two looks: another has its place.
        ([(0, ALONE, ("a",)), (1, ALONE, ("b",))], 3),
        ([(0, ENDS, ("a",)), (1, ENDS, ("b",)), (2, ALONE, ("b",))], 3),
        ([(0, ENDS, ("a",)), (1, ENDS, ()), (2, ALONE, ("a",))], 4),
    ],
)
def test_a_swarms_tasks_last_from_when_they_run_though_old_ones_still_end(
    shown, seconds
):
    assert Rolls(*shown).proved_after() == seconds


def test_while_a_node_is_not_heard_of_nothing_is_proved_and_no_time_passes():
    away = (0, ALONE, ("a",), "node two is not heard yet")
    then = [(35, ENDS, ()), (45, ALONE, ("b",))]

    assert Rolls(away, *then).proved_after() == 47
    for_ever = Rolls(away)
    with pytest.raises(NotProven, match="node two is not heard yet"):
        for_ever.proved_after()
    assert round(for_ever.waited) == 80
