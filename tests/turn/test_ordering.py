"""An order by hand, from the journal to its end, on the path of any rollback."""

from dataclasses import replace

import pytest

from tests.turn.test_transaction import ends, turn_until_it_ended
from tests.worlds import ASHA, AWB, HTTP_5XX, MINUTE, World, a_pair, breached
from watchdog.approve.order import Orders
from watchdog.decide.onward import promotion
from watchdog.facts.event import (
    IncidentClosed,
    OrderRefused,
    PairQuarantined,
    PromotionPaused,
    QuestionClosed,
    RollbackEnded,
    RollbackStarted,
)


@pytest.fixture
def world(folders):
    def world(*, shared=False, count=1):
        services = ("dms", "worker", "relay")[:count]
        made = World(folders(), shared=shared, services=services)
        made.bake("v1.2.0")
        made.compose_up("v1.3.0")
        made.turn()
        return made

    return world


def orders(world):
    return Orders(
        world.memory,
        releases=world.filed(),
        rules=world.rules,
        secret=lambda: str(len(world.memory.entries)),
        unseen=lambda *_: pytest.fail("nothing here is vouched for unseen"),
    )


def order(world, kind, **more):
    given = {"by": ASHA, "reason": "scans look wrong"} | more
    reply = orders(world).take(kind, given, world.clock.now())
    assert reply.status == 200, reply.body
    return reply.body


@pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])
@pytest.mark.parametrize("count", [1, 3], ids=["one service", "three services"])
def test_a_rollback_by_hand_takes_the_same_path(world, shared, count):
    it = world(shared=shared, count=count)
    order(it, "rollback")

    assert it.turn() == "rollback to v1.2.0 proved after 0.0 s"

    assert it.stands_on("v1.2.0") == []
    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert it.docker.names() == it.container_names()
    (begun,) = it.memory.all(RollbackStarted)
    assert (begun.automatic, begun.approved_by, begun.incident) == (False, ASHA, "")
    assert begun.cause == f"rollback by hand, {ASHA}: scans look wrong"
    assert it.memory.all(PromotionPaused) == [PromotionPaused("v1.3.0", begun.cause)]
    assert it.memory.all(PairQuarantined) == []
    assert it.memory.standing.order is None


def test_a_power_cut_at_any_instant_neither_loses_an_order_nor_follows_it_twice(world):
    whole = world()
    order(whole, "rollback")
    before = whole.fuse.count
    turn_until_it_ended(whole)
    for cut in range(1, whole.fuse.count - before + 1):
        it = world()
        order(it, "rollback")
        turn_until_it_ended(it, cut)

        assert it.stands_on("v1.2.0") == []
        assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
        assert len(it.memory.all(RollbackStarted)) == 1
        assert it.docker.names() == it.container_names()


def test_a_person_does_what_was_asked_and_the_question_is_superseded(world):
    it = world()
    it.turn(MINUTE)
    it.numbers.values[HTTP_5XX.name] = 9
    it.turn()
    asked = it.memory.standing.question.asked.question
    order(it, "rollback")

    it.turn()

    (closed,) = it.memory.all(QuestionClosed)
    assert (closed.question, closed.how) == (asked, "superseded")
    (begun,) = it.memory.all(RollbackStarted)
    assert begun.incident == it.memory.standing.incident.id
    it.numbers.values.clear()
    assert it.turn(MINUTE) == f"{HTTP_5XX.name} clear again on v1.2.0"


def test_a_person_may_roll_back_what_the_watchdog_refused_to(world):
    it = world()
    it.docker.crashing.add(a_pair("v1.2.0").image)
    it.turn(MINUTE)
    it.numbers.values[AWB.name] = 9
    it.turn()
    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    it.docker.crashing.clear()
    order(it, "rollback")

    it.turn()

    assert it.stands_on("v1.2.0") == []
    assert [how for how, _, _ in ends(it)] == ["put-back", "proved"]


def test_what_became_impossible_since_the_order_is_refused_by_the_turn(world):
    it = world()
    order(it, "rollback")
    it.memory.add(it.clock.now(), PairQuarantined(a_pair("v1.2.0").key, "it failed"))

    words = it.turn()

    assert words == "v1.2.0 is quarantined: it failed"
    (refused,) = it.memory.all(OrderRefused)
    assert refused.words == words
    assert it.docker.calls == []
    assert it.turn().startswith("watching v1.3.0")


def test_an_order_waits_for_the_engine_and_not_for_ever(world):
    it = world()
    order(it, "rollback")
    it.docker.down = True
    assert it.turn().startswith("cannot follow the order yet: cannot see what runs")
    assert it.turn(MINUTE).startswith("cannot follow the order yet")
    it.docker.down = False
    it.turn(10 * MINUTE)

    assert it.stands_on("v1.3.0") == []
    (refused,) = it.memory.all(OrderRefused)
    assert refused.words == "it could not be followed within 10 minutes"
    assert it.docker.calls == []


def test_a_breach_that_is_not_this_releases_is_closed_by_a_rollback_by_hand(world):
    it = world()
    elsewhere = replace(breached(), elsewhere="over before it started")
    it.memory.add(it.clock.now(), elsewhere)
    assert it.turn().startswith("not this release: ")
    order(it, "rollback")

    it.turn()

    (begun,) = it.memory.all(RollbackStarted)
    (closed,) = it.memory.all(IncidentClosed)
    assert (begun.incident, closed.incident) == ("", "inc-1")
    assert it.stands_on("v1.2.0") == []


# Drills.


@pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])
def test_a_dry_drill_makes_everything_ready_and_touches_nothing_that_runs(
    world, shared
):
    it = world(shared=shared, count=3)
    order(it, "drill", dry=True)

    words = it.turn()

    assert words == "dry-drill to v1.2.0 rehearsed after 0.0 s"
    assert it.stands_on("v1.3.0") == []
    assert it.docker.names() == it.container_names()
    assert {do for do, _ in it.docker.calls} == {"create", "connect", "remove"}
    (ended,) = it.memory.all(RollbackEnded)
    assert (ended.how, ended.what) == ("rehearsed", "dry-drill")
    assert it.memory.standing.last_rollback is None
    assert it.turn().startswith("watching v1.3.0")


def test_a_power_cut_in_a_dry_drill_leaves_nothing_behind(world):
    whole = world(count=3)
    order(whole, "drill", dry=True)
    before = whole.fuse.count
    turn_until_it_ended(whole)
    for cut in range(1, whole.fuse.count - before + 1):
        it = world(count=3)
        order(it, "drill", dry=True)
        turn_until_it_ended(it, cut)

        assert it.stands_on("v1.3.0") == []
        assert it.docker.names() == it.container_names()
        assert [how for how, _, _ in ends(it)] == ["rehearsed"]


def test_a_dry_drill_that_fails_says_which_step_and_clears_away(world):
    it = world()
    it.docker.refuses["connect", ""] = "no such network"
    order(it, "drill", dry=True)

    it.turn()

    assert it.stands_on("v1.3.0") == []
    assert it.docker.names() == it.container_names()
    (ended,) = it.memory.all(RollbackEnded)
    assert ended.how == "unchanged"
    assert ended.proof.endswith("no such network")


def test_a_drill_swaps_and_counts_for_nothing(world):
    it = world()
    order(it, "drill")

    assert it.turn() == "drill to v1.2.0 proved after 0.0 s"
    it.turn()

    assert it.stands_on("v1.2.0") == []
    s = it.memory.standing
    assert (s.automatic, s.by_itself, s.incident, s.paused) == ({}, (), None, {})
    assert it.memory.all(PairQuarantined) == []
    assert it.memory.standing.last_rollback.what == "drill"


def test_promotion_is_paused_while_a_drill_lasts_and_no_longer(world):
    it = world()
    it.turn(MINUTE)
    release = it.releases["v1.3.0"]

    def reasons():
        at = it.clock.now()
        return promotion(it.memory.standing, "v1.3.0", release, it.rules, at)

    assert reasons() == ()
    order(it, "drill")
    seen = []
    it.docker.answers, answers = (
        lambda *a: seen.append(reasons()) or answers(*a),
        it.docker.answers,
    )
    it.turn()

    assert seen
    cause = f"a drill is under way: drill by hand, {ASHA}: scans look wrong"
    assert all(cause in one for one in seen)
    assert "v1.3.0" not in it.memory.standing.paused


def test_after_a_drill_a_real_breach_is_still_rolled_back_once_by_itself(world):
    it = world()
    order(it, "drill")
    it.turn()
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)
    it.numbers.values[AWB.name] = 9

    assert it.turn() == "rollback to v1.2.0 proved after 0.0 s"

    assert it.memory.standing.automatic == {"v1.3.0": 1}
