"""Jobs that are run to their ends, as migrations are, among the enrolled services."""

from dataclasses import replace

import pytest

from tests.turn.test_transaction import ends, turn_until_it_ended
from tests.worlds import AWB, MINUTE, World, a_pair, a_release
from watchdog.decide.repair import split
from watchdog.facts.event import (
    OneWaySeen,
    PartSeen,
    ReadinessChanged,
    RollbackEnded,
    RollbackRefused,
    RollbackStarted,
    WentBack,
)
from watchdog.facts.pair import Running

SERVICES = ("migrate", "dms", "worker")
LAYOUTS = pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])
WORDS = pytest.mark.parametrize("word", ["", "once", "again"])
GOOD, BAD = a_pair("v1.2.0").image, a_pair("v1.3.0").image


@pytest.fixture
def world(folders):
    def world(word="", *, shared=False, code=0, before=0):
        """*word* is what the target's file says of it, *code* its end at v1.3.0."""
        it = World(folders(), shared=shared, services=SERVICES, jobs=("migrate",))
        if word:
            it.releases["v1.2.0"] = replace(
                it.releases["v1.2.0"], jobs={"migrate": word}
            )
        it.docker.jobs["migrate"] = before
        it.bake("v1.2.0")
        it.docker.jobs["migrate"] = code
        it.compose_up("v1.3.0")
        it.turn()
        it.turn(MINUTE)
        it.numbers.values[AWB.name] = 9
        it.docker.jobs["migrate"] = 0
        it.docker.ran.clear()
        it.docker.starts.clear()
        return it

    return world


def serves(it, image):
    """Tell whether app and worker run *image*, under their names, and nothing else."""
    meant = dict.fromkeys(("dms-dms-1", "dms-worker-1"), (image, it.restart))
    return it.docker.up() == meant


def job_of(it):
    """Give the image of the job's container, which is one, and its name."""
    (box,) = [b for b in it.docker.boxes.values() if "migrate" in b["Name"]]
    return box["Image"], box["Name"].lstrip("/")


@LAYOUTS
@pytest.mark.parametrize("word", ["", "once"])
def test_a_job_is_left_as_it_is_and_proved_by_having_ended(world, word, shared):
    it = world(word, shared=shared)

    it.turn()

    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert serves(it, GOOD)
    assert it.docker.ran == []
    assert job_of(it) == (BAD, "dms-migrate-1")
    (ended,) = it.memory.all(RollbackEnded)
    assert "job migrate of v1.3.0 ended with 0" in ended.proof


@LAYOUTS
def test_a_job_that_may_be_run_again_is_run_once_before_the_app_starts(world, shared):
    it = world("again", shared=shared)

    it.turn()

    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert serves(it, GOOD)
    assert it.docker.ran == [("migrate", GOOD)]
    assert job_of(it) == (GOOD, "dms-migrate-1")
    starts = [what for do, what in it.docker.calls if do == "start"]
    assert "migrate" in starts[0]
    assert len(starts) == 3


@LAYOUTS
@WORDS
def test_the_way_back_never_runs_a_job(world, word, shared):
    it = world(word, shared=shared)
    it.docker.sick.add(GOOD)

    it.turn()

    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert serves(it, BAD)
    assert it.docker.ran == ([("migrate", GOOD)] if word == "again" else [])
    assert job_of(it) == (BAD, "dms-migrate-1")


@LAYOUTS
def test_a_job_that_fails_turns_the_rollback_around(world, shared):
    it = world("again", shared=shared)
    it.docker.jobs["migrate"] = 3

    it.turn()

    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    (back,) = it.memory.all(WentBack)
    assert back.words == "job migrate ended with 3, meant 0"
    assert "the logs of" in back.evidence["migrate"]
    assert serves(it, BAD)
    assert it.docker.ran == [("migrate", GOOD)]
    assert job_of(it) == (BAD, "dms-migrate-1")


@LAYOUTS
@pytest.mark.parametrize(("word", "every"), [("once", 5), ("again", 1)])
def test_whatever_instant_the_power_is_cut_a_job_is_run_once_at_most(
    world, word, every, shared
):
    whole = world(word, shared=shared)
    before = whole.fuse.count
    turn_until_it_ended(whole)
    count = whole.fuse.count - before
    for cut in range(1, count + 1, every):
        it = world(word, shared=shared)
        turn_until_it_ended(it, cut)

        assert ends(it) == [("proved", "v1.3.0", "v1.2.0")], cut
        assert serves(it, GOOD), cut
        assert it.docker.ran == ([("migrate", GOOD)] if word == "again" else []), cut


@WORDS
def test_a_job_whose_container_was_pruned_keeps_nobody_from_going_back(world, word):
    it = world(word)
    for id_, box in list(it.docker.boxes.items()):
        if not box["State"]["Running"]:
            del it.docker.boxes[id_]

    it.turn()

    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert serves(it, GOOD)
    assert it.docker.ran == ([("migrate", GOOD)] if word == "again" else [])


def test_the_job_of_the_bad_release_may_have_failed(world):
    it = world(code=3)

    it.turn()

    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    (ended,) = it.memory.all(RollbackEnded)
    assert "job migrate of v1.3.0 ended with 3" in ended.proof


def test_where_nobody_knows_how_a_job_ended_nor_whether_it_may_run_again_it_is_red(
    world,
):
    it = world(before=3)

    it.turn()

    words = str(it.memory.all(ReadinessChanged)[-1:] or it.memory.all(RollbackRefused))
    assert "migrate is a job that nobody saw end well at v1.2.0" in words
    assert ends(it) == []
    assert serves(it, BAD)


def test_a_word_in_the_release_file_is_enough(world):
    it = world("once", before=3)

    it.turn()

    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]


def test_what_was_never_seen_to_end_well_is_not_run_again(world):
    it = world("again", before=3)

    it.turn()

    assert ends(it) == []
    assert it.docker.ran == []
    said = " ".join(str(event) for event in it.memory.all())
    assert "says that migrate may be run again, and nobody saw it end well" in said


def test_a_job_that_nobody_awaits_is_one_by_the_release_file(world):
    it = world("once")
    for box in it.docker.boxes.values():
        box["Config"]["Labels"].pop("com.docker.compose.depends_on", None)

    it.turn()

    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert it.docker.ran == []


def test_a_job_is_no_half_of_a_pair(world):
    """Compose runs it at each `up -d`, and it may be of another version."""
    it = world()
    it.turn()
    eyes = it.eyes()

    seen = eyes.running(it.tenants_of)

    assert isinstance(seen, Running)
    assert seen.pair.image == GOOD
    parts = eyes.parts(it.tenants_of)
    assert split(it.memory.standing, parts, it.rules.services) == ""


def one_way(it):
    it.releases["v1.2.1"] = a_release("v1.2.1", rollback_safe=False)


def refused(it):
    """Deploy v1.3.0, let it fail, and give why it is not rolled back by itself."""
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)
    it.numbers.values[AWB.name] = 9
    it.turn()
    assert not it.memory.all(RollbackStarted)
    (why,) = it.memory.all(RollbackRefused)
    return why.words


IN_PART = (
    "v1.2.1 says rollback_safe: false (a one-way change) and was deployed in part "
    "between v1.2.0 and v1.3.0: only a person may go back over it"
)


def test_a_migration_that_ran_alone_is_not_gone_back_over(folders):
    """The app of v1.2.1 could not be pulled: its job had run before."""
    it = World(folders(), services=SERVICES, jobs=("migrate",))
    one_way(it)
    it.bake("v1.2.0")

    it.compose_up("v1.2.1", only=("migrate",))
    it.turn()
    it.turn()

    (seen,) = it.memory.all(OneWaySeen)
    assert seen.release == "v1.2.1"
    assert refused(it) == IN_PART


def test_half_a_deployment_of_a_one_way_release_is_not_gone_back_over(folders):
    it = World(folders(), services=("dms", "worker"))
    one_way(it)
    it.bake("v1.2.0")

    it.compose_up("v1.2.1", only=("worker",))
    it.turn()
    it.turn()

    (seen,) = it.memory.all(OneWaySeen)
    assert seen.release == "v1.2.1"
    assert refused(it) == IN_PART


@pytest.mark.parametrize("deployed_since", [False, True])
@pytest.mark.parametrize("before", [{"v1.2.1": a_release("v1.2.1")}, {}])
def test_nor_is_one_whose_file_says_so_only_later(folders, before, deployed_since):
    """Its job ran before its file came, or was corrected; and that is journaled."""
    it = World(folders(), services=SERVICES, jobs=("migrate",))
    it.releases.pop("v1.2.1", None)
    it.releases |= before
    it.bake("v1.2.0")
    it.compose_up("v1.2.1", only=("migrate",))
    it.turn()
    it.turn()
    (part,) = it.memory.all(PartSeen)
    assert (part.release, it.memory.all(OneWaySeen)) == ("v1.2.1", [])
    if deployed_since:
        it.compose_up("v1.3.0")
        it.turn()
        it.turn()

    one_way(it)

    assert refused(it) == IN_PART
    (seen,) = it.memory.all(OneWaySeen)
    assert (seen.release, seen.ran) == ("v1.2.1", False)


def test_what_came_to_be_a_whole_pair_ran_in_part_no_more(folders):
    it = World(folders(), services=SERVICES, jobs=("migrate",))
    it.bake("v1.2.0")
    it.compose_up("v1.3.0", only=("migrate",))
    it.turn()
    assert it.memory.standing.parts == {"v1.3.0"}

    it.compose_up("v1.3.0")
    it.turn()

    assert it.memory.standing.parts == frozenset()
    assert not it.memory.standing.running_pair.parts


def test_what_is_left_of_a_job_of_before_says_nothing(folders):
    it = World(folders(), services=SERVICES, jobs=("migrate",))
    it.releases["v1.1.0"] = a_release("v1.1.0", rollback_safe=False)
    it.compose_up("v1.1.0")
    it.compose_up("v1.2.0", only=("dms", "worker"))
    it.turn()

    it.turn()

    assert it.memory.standing.running.pair.version == "v1.2.0"
    assert not it.memory.all(OneWaySeen)
