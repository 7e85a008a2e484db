"""Standby: healthy beside while a release is young; then it only has to be moved."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.turn.test_handed_over import BAD, BOTH, CHECKED, GOOD, assert_one_whole_pair
from tests.turn.test_replicas import done, how
from tests.turn.test_transaction import instants_of, turn_until_it_ended
from tests.worlds import AWB, MINUTE, Fuse, PowerCut, World
from watchdog.act.leaving import left_on, take_away
from watchdog.facts.event import RollbackStarted, StandbyChanged, StepFailed
from watchdog.facts.standby import PROJECT
from watchdog.facts.swapping import Swapping

HOUR = timedelta(hours=1)
GIB = 1 << 30


@pytest.fixture
def world(folders):
    def world(swap=("dms",), stay="1h", **more):
        made = World(folders(), services=tuple(swap), scale=dict.fromkeys(swap, 1))
        made.swapping = Swapping(
            dict.fromkeys(swap, "warm"), standby=dict.fromkeys(swap, stay), **more
        )
        made.made_with = CHECKED
        made.docker.health = {GOOD: "healthy", BAD: "healthy"}
        made.rules = replace(made.rules, bake_time=10 * HOUR)
        made.bake("v1.2.0")
        made.compose_up("v1.3.0")
        return made

    return world


def standbys(it):
    boxes = it.docker.boxes.values()
    return [box for box in boxes if PROJECT in box["Config"]["Labels"]]


def said(it):
    return [(one.state, one.words) for one in it.memory.all(StandbyChanged)]


def nothing_is_left(it):
    return standbys(it) == [] and it.docker.made == {}


def young(it):
    """Turn until the standby is healthy."""
    it.turn()
    it.turn(MINUTE)
    it.turn(MINUTE)
    return it


def breaks(it):
    it.numbers.values[AWB.name] = 9


class OnTheNetwork(Fuse):
    """Notes at each instant which images serve."""

    def __init__(self, docker):
        super().__init__()
        self.docker, self.seen = docker, []

    def passes(self):
        super().passes()
        there = [
            ("standby " if PROJECT in box["Config"]["Labels"] else "")
            + ("good" if box["Image"] == GOOD else "bad")
            for box in self.docker.boxes.values()
            if box["State"]["Running"]
            and "dms_default" in box["NetworkSettings"]["Networks"]
        ]
        if not self.seen or self.seen[-1] != there:
            self.seen.append(there)


def test_while_a_release_is_young_what_is_gone_back_to_is_healthy_beside(world):
    it = young(world())

    (box,) = standbys(it)
    assert box["Image"] == GOOD
    assert box["State"]["Running"]
    assert [
        n.startswith("rb-staging-") for n in box["NetworkSettings"]["Networks"]
    ] == [True]
    assert not [k for k in box["Config"]["Labels"] if k.startswith("com.docker")]
    assert box["HostConfig"]["RestartPolicy"] == {"Name": "no"}
    assert [state for state, _ in said(it)] == ["booting", "healthy"]
    assert "what memory it takes nobody knows" in said(it)[0][1]
    readiness = it.memory.standing.readiness
    assert readiness.ready
    assert "standby of v1.2.0 healthy since" in readiness.words


def test_it_is_said_before_it_is_made_and_made_once(world):
    it = world()
    it.turn()
    assert said(it)[0][0] == "booting"
    for _ in range(5):
        it.turn(MINUTE)

    assert len(standbys(it)) == 1
    assert [call for call in it.docker.calls if call[0] == "create"] == [
        ("create", standbys(it)[0]["Name"].lstrip("/"))
    ]


def test_a_rollback_moves_it_into_the_place_before_anything_boots(world):
    it = young(world())
    it.docker.fuse = OnTheNetwork(it.docker)
    breaks(it)
    it.turn()

    assert_one_whole_pair(it, "v1.2.0")
    assert how(it) == ["proved"]
    assert it.memory.all(StepFailed) == []
    steps = [words.split(" ")[0] for words in done(it)]
    assert steps.index("stand-in") < steps.index("warm") < steps.index("hand-over")
    seen = it.docker.fuse.seen
    assert seen == [["bad"], [], ["standby good"], [], ["good"]]
    it.turn(MINUTE)
    assert nothing_is_left(it)
    assert said(it)[-1] == ("ended", "v1.2.0 was put up by a rollback")


@pytest.mark.parametrize(
    ("swap", "every"),
    [
        (["dms"], 5),
        pytest.param(["dms"], 1, marks=pytest.mark.campaign),
        pytest.param([*BOTH], 1, marks=pytest.mark.campaign),
    ],
    ids=["some", "any", "any of two services"],
)
def test_a_power_cut_at_an_instant_of_the_rollback_ends_in_one_whole_pair(
    world, swap, every
):
    def broken():
        it = young(world(swap))
        breaks(it)
        return it

    for cut in range(1, instants_of(broken()) + 1, every):
        it = broken()
        turn_until_it_ended(it, cut)
        it.turn(MINUTE)

        assert_one_whole_pair(it, "v1.2.0")
        assert how(it) == ["proved"]
        assert nothing_is_left(it)


def test_a_power_cut_while_it_is_made_leaves_one(world):
    cut = 0
    while True:
        cut += 1
        it = world()
        it.fuse = it.docker.fuse = it.memory.fuse = Fuse(cut)
        try:
            it.turn()
            break
        except PowerCut:
            pass
        it.fuse = it.docker.fuse = it.memory.fuse = Fuse()
        young(it)

        assert len(standbys(it)) == 1
        assert said(it)[-1][0] == "healthy"
        it.swapping = Swapping({"dms": "warm"})
        it.turn(MINUTE)
        assert nothing_is_left(it)
    assert cut > 8


@pytest.mark.parametrize("word", ["unhealthy", "healthy"])
def test_one_that_is_not_healthy_does_not_stand_in(world, word):
    """Nor one that was healthy, and whose health check is not run any more."""
    it = young(world())
    (box,) = standbys(it)
    last = (it.clock.now() - HOUR).isoformat()
    probe = {"Start": last, "End": last, "ExitCode": 0}
    box["State"]["Health"] = {"Status": word, "Log": [probe]}
    breaks(it)
    it.turn()

    assert_one_whole_pair(it, "v1.2.0")
    assert not any(words.startswith("stand-in") for words in done(it))
    it.turn(MINUTE)
    assert nothing_is_left(it)


class FallsIll(Fuse):
    """Lets the standby die once the plan is journaled."""

    def __init__(self, it, after):
        super().__init__()
        self.it, self.left = it, after

    def passes(self):
        super().passes()
        if self.it.memory.all(RollbackStarted):
            self.left -= 1
            for box in standbys(self.it) if self.left == 0 else ():
                box["State"] |= {"Running": False, "Status": "exited"}


@pytest.mark.parametrize("after", range(1, 40, 3))
def test_one_that_dies_on_the_way_leaves_one_whole_pair(world, after):
    it = young(world())
    breaks(it)
    it.docker.fuse = it.memory.fuse = FallsIll(it, after)
    it.turn()
    it.docker.fuse = it.memory.fuse = Fuse()
    it.turn(MINUTE)

    assert_one_whole_pair(it, "v1.2.0")
    assert how(it) == ["proved"]
    assert nothing_is_left(it)


def test_what_is_not_proved_goes_back_and_nothing_stays(world):
    it = young(world())
    breaks(it)
    it.rules = replace(it.rules, prove_within=5 * it.rules.settle / 30)

    class Unwell(set):
        def __contains__(self, image):
            return any(
                b["Image"] == GOOD
                and PROJECT not in b["Config"]["Labels"]
                and "dms_default" in b["NetworkSettings"]["Networks"]
                for b in it.docker.boxes.values()
            )

    it.docker.sick = Unwell()
    it.turn()
    it.docker.sick = set()

    assert how(it) == ["put-back"]
    assert it.stands_on("v1.3.0") == []
    assert standbys(it) == []


def test_one_that_dies_is_made_again_later_and_not_for_ever(world):
    it = young(world(stay="24h"))
    made = 0
    for _ in range(40):
        for box in standbys(it):
            box["State"] |= {"Running": False, "Status": "exited", "ExitCode": 3}
            made += 1
        it.turn(5 * MINUTE)

    assert made == 5
    assert standbys(it) == []
    states = [state for state, _ in said(it)]
    assert states.count("lost") == 4
    assert states[-1] == "given-up"
    assert "dms ended with 3" in said(it)[-1][1]
    assert (
        "there is no standby: it cannot be kept" in it.memory.standing.readiness.words
    )
    assert it.memory.standing.readiness.ready


ENDS = {
    "known good": lambda it: setattr(it, "rules", replace(it.rules, bake_time=MINUTE)),
    "time over": lambda it: setattr(it.clock, "at", it.clock.at + 2 * HOUR),
    "settings": lambda it: setattr(it, "swapping", Swapping({"dms": "warm"})),
    "observed": lambda it: setattr(it, "rules", replace(it.rules, observe_only=True)),
}


@pytest.mark.parametrize("end", ENDS)
def test_it_ends(world, end):
    it = young(world())
    assert standbys(it)
    ENDS[end](it)
    it.turn(MINUTE)
    it.turn(MINUTE)

    assert nothing_is_left(it)
    assert said(it)[-1][0] == "ended"
    assert "standby" not in it.memory.standing.readiness.words


def test_a_newer_release_gets_one_of_its_own_target(world):
    it = young(world())
    it.compose_up("v1.3.1")
    young(it)

    (box,) = standbys(it)
    assert box["Image"] == GOOD
    assert said(it)[-1][0] == "healthy"
    running = it.memory.standing.running.pair
    assert it.memory.standing.standby.running == running.key


def test_it_gives_its_memory_back_first_and_comes_again_once_there_is_enough(world):
    it = world()
    it.free = 4 * GIB
    young(it)
    assert standbys(it)
    it.free = 100 << 20
    it.turn(MINUTE)
    assert standbys(it) == []
    assert said(it)[-1][0] == "yielded"

    it.free = 4 * GIB
    it.turn(MINUTE)
    assert standbys(it) == []  # not to and fro
    it.turn(15 * MINUTE)
    it.turn(MINUTE)
    assert said(it)[-1][0] == "healthy"


def test_it_is_not_made_where_two_more_do_not_fit(world):
    it = world()
    it.free = 200 << 20
    it.turn()

    assert standbys(it) == []
    assert said(it)[-1][0] == "yielded"


def test_a_pair_has_one_whole_or_none(world):
    it = world([*BOTH])
    it.swapping = Swapping(BOTH, standby={"dms": "1h"})
    it.turn()
    it.turn(MINUTE)

    assert standbys(it) == []
    assert said(it)[-1][0] == "refused"
    assert "relay has none" in it.memory.standing.readiness.words


def test_where_it_cannot_be_swapped_warm_there_is_none_and_it_is_said(world):
    it = world()
    it.swapping = Swapping(standby={"dms": "1h"})
    it.turn()
    it.turn(MINUTE)

    assert standbys(it) == []
    assert "dms: it is not swapped warm" in it.memory.standing.readiness.words


def test_what_cannot_be_read_is_said(world):
    it = world()
    it.swapping = Swapping({"dms": "warm"}, standby={"dms": "soon"})
    it.turn()
    it.turn(MINUTE)

    assert "dms: soon: write it like `1h`" in it.memory.standing.readiness.words


def test_without_the_setting_nobody_looks(world):
    it = world()
    it.swapping = Swapping({"dms": "warm"})
    it.turn()
    it.turn(MINUTE)

    assert said(it) == []
    assert it.docker.calls == []


def test_an_engine_that_refuses_it_is_asked_again_later(world):
    it = world()
    it.docker.refuses = {("create", "standby"): "no space left on device"}
    it.turn()

    assert said(it)[-1][0] == "lost"
    assert "no space left on device; it is made again in 1 min" in said(it)[-1][1]
    it.docker.refuses = {}
    it.turn(2 * MINUTE)
    it.turn(MINUTE)
    assert said(it)[-1][0] == "healthy"


class CutOnceItStandsIn(Fuse):
    """Cuts the power as soon as the standby has the place."""

    def __init__(self, it):
        super().__init__()
        self.it = it

    def passes(self):
        super().passes()
        if any(words.startswith("stand-in") for words in done(self.it)):
            raise PowerCut


def test_who_uninstalls_takes_it_away_and_never_one_that_serves(world):
    it = young(world())
    (left,) = (one for one in left_on(it.docker, "dms") if one.beside)
    breaks(it)
    it.docker.fuse = CutOnceItStandsIn(it)
    with pytest.raises(PowerCut):
        it.turn()
    it.docker.fuse = Fuse()

    assert "it stands in for what served" in take_away(it.docker, "dms", left)
    assert len(standbys(it)) == 1

    beside = young(world())
    (left,) = (one for one in left_on(beside.docker, "dms") if one.beside)
    assert take_away(beside.docker, "dms", left) == f"removed {left.name}"
    assert nothing_is_left(beside)


class Deploys(Fuse):
    """Lets somebody deploy *version* once the standby has the place."""

    def __init__(self, it, version):
        super().__init__()
        self.it, self.version = it, version

    def passes(self):
        super().passes()
        if self.version and any(
            words.startswith("stand-in") for words in done(self.it)
        ):
            version, self.version = self.version, ""
            self.it.compose_up(version)


@pytest.mark.parametrize("version", ["v1.3.1", "v1.2.0"], ids=["another", "the target"])
def test_who_deploys_while_it_stands_in_is_not_fought(world, version):
    it = young(world())
    breaks(it)
    it.docker.fuse = Deploys(it, version)
    it.turn()
    it.docker.fuse = Fuse()
    it.numbers.values[AWB.name] = 0
    it.turn(MINUTE)
    it.turn(MINUTE)

    assert it.stands_on_but_names(version) == []
    serving = [
        box["Image"]
        for box in it.docker.boxes.values()
        if box["State"]["Running"]
        and "dms_default" in box["NetworkSettings"]["Networks"]
    ]
    assert serving == [it.image_of("dms", version)]
    assert not it.memory.standing.rollback
    assert all(
        name.startswith("rb-staging-")
        for box in standbys(it)
        for name in box["NetworkSettings"]["Networks"]
    )
