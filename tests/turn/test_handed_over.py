"""A warm swap: healthy first, then given the place; cut off anywhere, one pair."""

from dataclasses import replace

import pytest

from tests.turn.test_ordering import order
from tests.turn.test_replicas import done, how
from tests.turn.test_transaction import (
    assert_put_back_once,
    instants_of,
    turn_until_it_ended,
)
from tests.worlds import AWB, MINUTE, Fuse, World, a_pair
from watchdog.facts.event import (
    ReadinessChanged,
    RollbackEnded,
    RollbackStarted,
    RollbackStuck,
    StepFailed,
    WentBack,
)
from watchdog.facts.pair import Running
from watchdog.facts.plan import Do
from watchdog.facts.swapping import Swapping

GOOD, BAD = a_pair("v1.2.0").image, a_pair("v1.3.0").image
CHECKED = {"Healthcheck": {"Test": ["CMD", "true"]}}
CAMPAIGN = pytest.mark.campaign
BOTH = {"dms": "warm", "relay": "warm"}
KINDS = pytest.mark.parametrize(
    "swap",
    [{"dms": "warm"}, {"dms": "warm", "worker": "stop-first"}, BOTH],
    ids=["one service", "one of two", "two services"],
)

SHORT = pytest.mark.parametrize(
    "swap",
    [
        {"dms": "warm"},
        pytest.param({"dms": "warm", "worker": "stop-first"}, marks=CAMPAIGN),
        pytest.param(BOTH, marks=CAMPAIGN),
    ],
    ids=["one service", "one of two", "two services"],
)


@pytest.fixture
def world(folders):
    def world(swap, **more):
        made = World(folders(), services=tuple(swap), scale=dict.fromkeys(swap, 1))
        made.swapping = Swapping(swap, **more)
        made.made_with = CHECKED
        made.docker.health = {GOOD: "healthy", BAD: "healthy"}
        made.bad_release()
        return made

    return world


class Serving(Fuse):
    """Counts at each instant who of a service is on the stack's network."""

    def __init__(self, docker, service="dms"):
        super().__init__()
        self.docker, self.service = docker, service
        self.seen = []

    def passes(self):
        super().passes()
        there = [
            box["Image"]
            for box in self.docker.boxes.values()
            if box["State"]["Running"]
            and box["Config"]["Labels"]["com.docker.compose.service"] == self.service
            and "dms_default" in box["NetworkSettings"]["Networks"]
        ]
        if not self.seen or self.seen[-1] != there:
            self.seen.append(there)


def assert_one_whole_pair(it, version):
    assert it.stands_on(version) == []
    assert it.docker.names() == it.container_names()
    assert it.docker.made == {}
    assert it.docker.beside == []
    for box in it.docker.boxes.values():
        assert set(box["NetworkSettings"]["Networks"]) == set(it.networks)


def acts(it):
    return [do for do, _ in it.docker.calls if do not in ("create", "rename", "tag")]


@KINDS
def test_the_new_one_is_healthy_before_the_old_one_gives_its_place(world, swap):
    it = world(swap)
    it.docker.fuse = Serving(it.docker)

    it.turn()

    assert_one_whole_pair(it, "v1.2.0")
    assert how(it) == ["proved"]
    assert it.memory.all(StepFailed) == []
    assert it.docker.fuse.seen == [[BAD], [], [GOOD]]


def test_nothing_is_done_between_the_old_ones_leave_and_the_new_ones_arrival(world):
    it = world({"dms": "warm"})
    it.turn()

    calls = [call for call in it.docker.calls if call[0] in ("connect", "disconnect")]
    at = it.docker.calls.index(("disconnect", "dms_back"))
    staging = calls[0][1]
    assert staging.startswith("rb-staging-")
    moved = [
        ("disconnect", "dms_default"),
        ("disconnect", "dms_back"),
        ("connect", "dms_default"),
        ("connect", "dms_back"),
        ("disconnect", staging),
    ]
    assert it.docker.calls[at - 1 : at + 4] == moved
    assert calls == [("connect", staging), ("disconnect", "dms_default"), *moved]


def test_the_old_one_runs_on_until_the_target_is_proved(world):
    it = world({"dms": "warm"})
    it.turn()

    order = [words.split(" ")[0] for words in done(it)]
    assert order.index("hand-over") < order.index("prove") < order.index("remove")
    stops = [n for n, (do, _) in enumerate(it.docker.calls) if do == "stop"]
    renames = [n for n, (do, _) in enumerate(it.docker.calls) if do == "rename"]
    assert len(stops) == 1
    assert stops[0] > renames[-1]


def test_what_gave_its_place_is_stopped_with_its_grace_and_then_removed(world):
    it = world({"dms": "warm"})
    within, stop = [], it.docker.stop

    def stops(container, grace):
        within.append(grace)
        stop(container, grace)

    it.docker.stop = stops
    it.turn()

    (started,) = it.memory.all(RollbackStarted)
    assert within == [swap.stop_within for swap in started.plan.swaps]
    assert within[0].total_seconds() > 0


@SHORT
def test_a_power_cut_at_any_instant_still_ends_in_one_whole_pair(world, swap):
    for cut in range(1, instants_of(world(swap)) + 1):
        it = world(swap)
        turn_until_it_ended(it, cut)

        assert_one_whole_pair(it, "v1.2.0")
        assert how(it) == ["proved"]
        assert len(it.docker.created()) == len(it.container_names())


@CAMPAIGN
def test_two_power_cuts_still_end_in_one_whole_pair(world):
    all_ = instants_of(world({"dms": "warm"}))
    for first in range(1, all_ + 1):
        it = world({"dms": "warm"})
        turn_until_it_ended(
            it, first, first + 1 + (5 * first) % (all_ + 3 - first or 1)
        )

        assert_one_whole_pair(it, "v1.2.0")
        assert how(it) == ["proved"]


class _OnItsNetwork(dict):
    """Refuses to put anybody on the stack's network, until the way back is taken."""

    def __init__(self, it):
        super().__init__({("connect", "dms_default"): "address already in use"})
        self.it = it

    def items(self):
        return [] if self.it.memory.all(WentBack) else super().items()


@KINDS
def test_what_cannot_be_given_the_place_gives_it_back_at_once(world, swap):
    it = world(swap)
    it.docker.refuses = _OnItsNetwork(it)
    it.turn()

    assert_one_whole_pair(it, "v1.3.0")
    assert_put_back_once(it)
    # It ran all the while: nothing was stopped to be started again.
    assert [do for do, what in it.docker.calls if do == "start" and "old" in what] == []


def broken_after_the_move(it):
    """Let the target be unwell as soon as it serves, and what ran before be well."""
    it.rules = replace(it.rules, prove_within=5 * it.rules.settle / 30)
    it.docker.sick = _Unwell(it)


class _Unwell(set):
    def __init__(self, it):
        super().__init__()
        self.it = it

    def __contains__(self, image):
        on = [
            box["Image"]
            for box in self.it.docker.boxes.values()
            if box["State"]["Running"]
            and "dms_default" in box["NetworkSettings"]["Networks"]
        ]
        return GOOD in on


@KINDS
def test_a_target_that_is_not_proved_gives_the_place_back(world, swap):
    it = world(swap)
    broken_after_the_move(it)
    it.turn()

    assert_one_whole_pair(it, "v1.3.0")
    assert_put_back_once(it)


@SHORT
def test_a_power_cut_at_any_instant_of_the_way_back_still_ends_in_it(world, swap):
    there = world(swap)
    broken_after_the_move(there)
    # The way there was cut at each instant above; here at each third one is enough.
    for cut in range(1, instants_of(there) + 1, 3):
        it = world(swap)
        broken_after_the_move(it)
        turn_until_it_ended(it, cut)

        assert_one_whole_pair(it, "v1.3.0")
        assert how(it) == ["put-back"]


def test_what_never_gets_healthy_beside_leaves_everything_as_it_was(world):
    it = world({"dms": "warm"})
    it.docker.health[GOOD] = "starting"
    it.docker.fuse = Serving(it.docker)
    it.turn()

    assert_one_whole_pair(it, "v1.3.0")
    assert how(it) == ["unchanged"]
    assert it.docker.fuse.seen == [[BAD]]
    assert it.pinned() == "TZ=UTC\nDMS_VERSION=v1.3.0\n"


@pytest.mark.parametrize("cut", range(1, 60, 3))
def test_what_never_gets_healthy_is_cleared_away_after_a_power_cut_too(world, cut):
    it = world({"dms": "warm"})
    it.docker.health[GOOD] = "starting"
    turn_until_it_ended(it, cut)

    assert_one_whole_pair(it, "v1.3.0")


def test_a_dry_drill_boots_the_target_beside_and_clears_it_away(world):
    it = world({"dms": "warm"})
    it.numbers.values.clear()
    it.turn()
    order(it, "drill", dry=True)
    it.turn()

    assert_one_whole_pair(it, "v1.3.0")
    assert how(it) == ["rehearsed"]
    assert "await dms (new)" in done(it)
    assert "hand-over dms (new)" not in done(it)


# Somebody at work in the middle.


class Meanwhile(Serving):
    """Does *deed* once, as soon as the env file names the target."""

    def __init__(self, it, deed):
        super().__init__(it.docker)
        self.it, self.deed, self.ready = it, deed, []

    def passes(self):
        super().passes()
        if self.deed and "v1.2.0" in self.it.pinned():
            deed, self.deed = self.deed, None
            deed()
        if self.seen[-1] == []:
            up = [image for image, _ in self.docker.up().values()]
            self.ready.append(GOOD in up)


def test_an_up_that_removes_what_was_booted_is_made_good_before_the_move(world):
    """Compose takes it for one container too many of the service."""
    it = world({"dms": "warm"})

    def up():
        for id_, box in list(it.docker.boxes.items()):
            if box["Image"] == GOOD:
                del it.docker.boxes[id_]

    it.docker.fuse = it.memory.fuse = Meanwhile(it, up)
    it.turn()

    assert_one_whole_pair(it, "v1.2.0")
    assert how(it) == ["proved"]
    assert it.docker.fuse.seen == [[BAD], [], [GOOD]]
    assert all(it.docker.fuse.ready)


def test_who_deploys_right_before_the_move_is_not_joined_by_ours(world):
    it = world({"dms": "warm"})

    def deploys():
        ours = {id_: b for id_, b in it.docker.boxes.items() if b["Image"] == GOOD}
        for id_ in ours:
            del it.docker.boxes[id_]
        it.docker.health[a_pair("v1.3.1").image] = "healthy"
        it.compose_up("v1.3.1")
        it.docker.boxes |= ours

    it.docker.fuse = it.memory.fuse = Meanwhile(it, deploys)
    it.turn()

    assert it.docker.beside == []
    assert it.docker.made == {}
    assert how(it) == ["overtaken"]
    assert it.stands_on("v1.3.1") == []


@pytest.mark.parametrize("part", range(1, 31, 3))
def test_another_version_that_is_deployed_meanwhile_stays_alone(world, part):
    it = world({"dms": "warm"})
    deployed = []

    class Deploys(Fuse):
        def passes(self):
            super().passes()
            if self.count == part and not deployed:
                deployed.append(part)
                # Compose removes what it finds of the service, and starts its own.
                it.docker.boxes.clear()
                it.docker.health[a_pair("v1.3.1").image] = "healthy"
                it.compose_up("v1.3.1")

    it.docker.fuse = it.fuse = Deploys()
    for _ in range(4):
        it.turn()
        if it.memory.all(RollbackEnded, RollbackStuck):
            break

    assert it.docker.beside == []
    assert it.docker.made == {}
    assert deployed, "it was over before: try no part beyond its last"
    up = {image for image, _ in it.docker.up().values()}
    assert up == {a_pair("v1.3.1").image}, (part, how(it))


# What is seen.


def test_what_is_booted_beside_is_nothing_that_serves(world):
    it = world({"dms": "warm"})
    looks = []

    class Looks(Fuse):
        def passes(self):
            super().passes()
            if it.docker.beside == [] and len(it.docker.up()) > 1:
                looks.append(it.eyes().running(it.tenants_of))

    it.docker.fuse = Looks()
    it.turn()

    seen = [one for one in looks if isinstance(one, Running)]
    assert {one.pair.version for one in seen} == {"v1.2.0", "v1.3.0"}


def test_an_operators_plan_names_both_ways(world):
    it = world(BOTH)
    it.turn()

    (begun,) = it.memory.all(RollbackStarted)
    plan = begun.plan
    assert [s.is_warm for s in plan.swaps] == [True, True]
    prepared = [step.do for step in plan.steps[: plan.prepared]]
    assert prepared[-6:] == [
        *(Do.STAGE, Do.STAGE),
        *(Do.WARM, Do.WARM),
        *(Do.AWAIT, Do.AWAIT),
    ]


# Where it cannot be.


def told(it):
    (*_, last) = it.memory.all(ReadinessChanged)
    return last.words


@pytest.mark.parametrize(
    ("body", "more", "words"),
    [
        ({}, {}, "v1.2.0 has no health check"),
        ({"Healthcheck": {"Test": ["NONE"]}}, {}, "has no health check"),
        (CHECKED | {"MacAddress": "02:42:ac:11:00:02"}, {}, ""),
    ],
)
def test_where_it_cannot_be_it_is_stopped_first_and_said_when_armed(
    folders, body, more, words
):
    it = World(folders())
    it.swapping = Swapping({"dms": "warm"}, **more)
    it.made_with = body
    it.docker.health = {GOOD: "healthy", BAD: "healthy"}
    it.bake("v1.2.0")
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)

    assert it.memory.standing.readiness.ready
    assert words in told(it)
    assert ("will be stopped first" in told(it)) == bool(words)
    it.numbers.values[AWB.name] = 9
    it.turn()
    assert it.stands_on("v1.2.0") == []
    assert ("hand-over dms (new)" in done(it)) == (not words)


def test_a_shared_manifest_file_is_swapped_while_nothing_runs(folders):
    it = World(folders(), shared=True)
    it.swapping = Swapping({"dms": "warm"})
    it.made_with = CHECKED
    it.docker.health = {GOOD: "healthy", BAD: "healthy"}
    it.bake("v1.2.0")
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)

    assert "its manifest is a file that all versions share" in told(it)


@pytest.mark.parametrize(
    ("labels", "warm"),
    [
        ({"io.flexli.watchdog.swap": "warm"}, True),
        ({"io.flexli.watchdog.swap": "stop-first"}, False),
        ({}, False),
    ],
)
def test_a_service_says_by_its_label_how_it_is_swapped(folders, labels, warm):
    it = World(folders())
    it.made_with = CHECKED
    it.labels = labels
    it.docker.health = {GOOD: "healthy", BAD: "healthy"}
    it.bad_release()
    it.turn()

    assert it.stands_on("v1.2.0") == []
    assert ("hand-over dms (new)" in done(it)) is warm
