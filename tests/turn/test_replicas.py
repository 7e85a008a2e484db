"""Several containers of one service: one after another, and all of them or none."""

from dataclasses import replace

import pytest

from tests.worlds import (
    AWB,
    HOUR,
    MINUTE,
    Fuse,
    World,
    a_pair,
    numbered,
)
from watchdog.facts.event import (
    PairProvedGood,
    RollbackEnded,
    RollbackStarted,
    RollbackStuck,
    StepDone,
    VerdictChanged,
    WentBack,
)
from watchdog.facts.pair import NotKnown, Running
from watchdog.facts.plan import Do
from watchdog.show.repair import picture, words

GOOD, BAD = a_pair("v1.2.0").image, a_pair("v1.3.0").image
NUMBER = "com.docker.compose.container-number"
COUNTS = pytest.mark.parametrize("count", [2, 3])


@pytest.fixture
def world(folders):
    def world(count=2, *, shared=False):
        scale = {"dms": count, "worker": 1}
        made = World(folders(), services=tuple(scale), scale=scale, shared=shared)
        made.bad_release()
        return made

    return world


class Witness(Fuse):
    """Counts at each instant how many containers of the service run."""

    def __init__(self, docker, service="dms"):
        super().__init__()
        self.docker, self.service = docker, service
        self.least = 99

    def passes(self):
        super().passes()
        up = [name for name in self.docker.up() if f"-{self.service}-" in name]
        self.least = min(self.least, len(up))


class Meddler(Fuse):
    """Does *deed* at each instant once the engine was told the last of *after*."""

    def __init__(self, docker, deed, after):
        super().__init__()
        self.docker, self.deed, self.after = docker, deed, after

    def passes(self):
        super().passes()
        if self.after in self.docker.calls:
            self.deed()


def how(it):
    return [ended.how for ended in it.memory.all(RollbackEnded)]


def done(it):
    return [event.step.words for event in it.memory.all(StepDone)]


@COUNTS
def test_replicas_go_back_one_after_another_and_all_but_one_serve_at_each_instant(
    world, count
):
    it = world(count)
    it.docker.fuse = Witness(it.docker)

    it.turn()

    assert it.stands_on("v1.2.0") == []
    assert it.docker.names() == it.container_names()
    assert how(it) == ["proved"]
    assert it.docker.fuse.least == count - 1
    stops = [what for do, what in it.docker.calls if do == "stop"]
    assert stops == [*(f"dms-dms-{n}" for n in range(1, count + 1)), "dms-worker-1"]


@pytest.mark.parametrize("then", [1, 3])
def test_replicas_that_were_scaled_meanwhile_go_back_as_many_as_they_are(folders, then):
    it = World(folders(), scale={"dms": then})
    it.bake("v1.2.0")
    it.scale = {"dms": 2}
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)
    it.numbers.values[AWB.name] = 9

    it.turn()

    assert it.stands_on("v1.2.0") == []
    assert how(it) == ["proved"]
    assert it.docker.names() == ["dms-dms-1", "dms-dms-2"]


@COUNTS
def test_with_one_file_for_all_replicas_are_stopped_together(world, count):
    it = world(count, shared=True)
    it.docker.fuse = Witness(it.docker)

    it.turn()

    assert it.stands_on("v1.2.0") == []
    assert how(it) == ["proved"]
    assert it.docker.fuse.least == 0


def test_each_replica_is_the_one_of_its_number_again(world):
    it = world(12)

    it.turn()

    for box in it.docker.boxes.values():
        number = box["Config"]["Labels"][NUMBER]
        assert box["Name"].endswith(f"-{number}")
    (begun,) = it.memory.all(RollbackStarted)
    numbers = [swap.number for swap in begun.plan.swaps]
    assert numbers == [*range(1, 13), 0]


class _AtTheEnd(dict):
    """Refuses the new container of one service, and not the old one."""

    def __init__(self, it, service):
        super().__init__({("start", f"dms-{service}-1"): "out of memory"})
        self.it = it

    def items(self):
        return [] if self.it.memory.all(WentBack) else super().items()


@pytest.mark.parametrize(
    ("services", "needs", "starts"),
    [
        (
            ("dms", "web", "worker", "last"),
            {"web": "dms:service_healthy:true"},
            ["worker", "last", "dms/2", "dms/1", "web"],
        ),
        (
            ("dms", "web", "worker", "last"),
            {
                "web": "worker:service_started:false",
                "worker": "dms:service_started:true",
            },
            ["last", "dms/2", "dms/1", "worker", "web"],
        ),
        (
            ("web", "dms", "worker", "last"),
            {"web": "db:service_started:false,dms:service_started:false"},
            ["worker", "last", "dms/2", "dms/1", "web"],
        ),
    ],
    ids=["proxy", "chain", "named before"],
)
def test_what_needs_a_scaled_service_is_put_back_after_it(
    folders, services, needs, starts
):
    scale = dict.fromkeys(services, 1) | {"dms": 2}
    it = World(folders(), services=services, scale=scale)
    it.needs = needs
    it.bad_release()
    it.docker.refuses = _AtTheEnd(it, "last")

    it.turn()

    assert how(it) == ["put-back"]
    assert it.stands_on("v1.3.0") == []
    (begun,) = it.memory.all(RollbackStarted)
    back = [step.subject for step in begun.plan.way_back if step.do is Do.START]
    assert back == starts
    assert [w for w in done(it) if w.startswith("start") and "(old)" in w] == [
        f"start {one} (old)" for one in starts
    ]


@pytest.mark.parametrize("part", [1, 2, 3])
def test_a_replica_that_cannot_start_brings_back_those_before_it(world, part):
    it = world(3)
    it.docker.fuse = Witness(it.docker)

    class OnlyOnce(dict):
        """Refuses the new container, and not the old one on its way back."""

        def items(self):
            return [] if it.memory.all(WentBack) else super().items()

    it.docker.refuses = OnlyOnce({("start", f"dms-dms-{part}"): "out of memory"})
    it.turn()

    assert it.stands_on("v1.3.0") == []
    assert it.docker.names() == it.container_names()
    assert how(it) == ["put-back"]
    assert it.docker.fuse.least == 2
    (back,) = it.memory.all(WentBack)
    assert back.words == "out of memory"


def test_a_replica_that_never_gets_healthy_keeps_the_next_one_from_being_touched(world):
    it = world(3)
    it.docker.health[GOOD] = "starting"
    it.docker.fuse = Witness(it.docker)

    it.turn()

    assert it.stands_on("v1.3.0") == []
    assert how(it) == ["put-back"]
    assert it.docker.fuse.least == 2
    (back,) = it.memory.all(WentBack)
    assert back.words == "dms/1 did not serve within 60 s"
    assert '"starting"' in back.evidence["dms/1"]
    assert "stop dms/2 (old)" not in done(it)


def test_a_replica_that_dies_while_it_is_waited_for_is_not_waited_for(world):
    it = world()
    it.rules = replace(it.rules, prove_within=HOUR)

    def dies():
        for box in it.docker.boxes.values():
            if box["Image"] == GOOD:
                box["State"] |= {"Running": False, "Status": "exited"}

    after = ("rename", "dms-dms-1")
    it.docker.fuse = Meddler(it.docker, dies, after)
    it.turn()

    assert it.stands_on("v1.3.0") == []
    assert it.clock.waited < 1
    (back,) = it.memory.all(WentBack)
    assert back.words in (
        "dms/1 is exited, meant running",
        "`rename dms/1 (new) to dms-dms-1` was done, but does not show",
    )


def test_a_wrong_image_under_the_targets_tag_ends_with_the_first_replica(world):
    it = world()

    def rebuilt():
        for box in it.docker.boxes.values():
            if box["Image"] == GOOD:
                box["Image"] = a_pair("v1.3.1").image

    it.docker.fuse = Meddler(it.docker, rebuilt, ("rename", "dms-dms-1"))
    it.turn()

    assert how(it) == ["put-back"]
    (back,) = it.memory.all(WentBack)
    assert back.words.startswith(f"dms/1 runs image {a_pair('v1.3.1').image[:19]}")


def test_old_replicas_that_are_not_well_either_are_all_put_back_all_the_same(world):
    """What ran before may be bad, and ran: none of it is left aside."""
    it = world()
    it.docker.health[BAD] = "unhealthy"

    class OnlyOnce(dict):
        def items(self):
            return [] if it.memory.all(WentBack) else super().items()

    it.docker.refuses = OnlyOnce({("start", "dms-dms-2"): "out of memory"})
    it.turn()

    assert it.stands_on("v1.3.0") == []
    (stuck,) = it.memory.all(RollbackStuck)
    assert stuck.words.endswith("a container is unhealthy, meant healthy")
    assert "await dms/2 (old)" in done(it)
    waited = it.clock.waited
    it.turn()
    assert it.clock.waited == waited  # a turn that only looks does not wait


def test_replicas_that_were_not_touched_are_not_waited_for_on_the_way_back(world):
    it = world(3)
    for box in it.docker.boxes.values():
        box["State"]["Health"] = {"Status": "unhealthy"}
    it.docker.health[GOOD] = "starting"
    it.turn()
    it.docker.health[BAD] = "healthy"

    (one,) = [
        event
        for event in it.memory.all(StepDone)
        if event.step.words == "await dms/3 (old)"
    ]
    assert one.evidence == "it was not stopped"


def test_an_operators_up_in_the_middle_leads_where_the_rollback_goes(world):
    """Compose removes what is of the other version, and starts ours."""
    it = world()
    olds = list(it.docker.boxes)

    def up():
        for id_ in olds:
            it.docker.boxes.pop(id_, None)
        for box in it.docker.boxes.values():
            box["State"] |= {"Running": True, "Status": "running"}

    it.docker.fuse = Meddler(it.docker, up, ("rename", "dms-dms-1"))
    it.turn()

    assert it.stands_on("v1.2.0") == []
    assert how(it) == ["proved"]
    assert it.docker.names() == it.container_names()


# What is seen.


def look(it):
    return it.eyes().running(it.tenants_of)


def test_all_replicas_are_seen_and_recorded_in_the_order_of_their_numbers(world):
    it = world(11)

    seen = look(it)

    assert isinstance(seen, Running)
    names = [it.docker.boxes[id_]["Name"] for id_ in seen.containers]
    each = numbered(it.services, it.scale)
    assert names == [f"/dms-{service}-{number}" for service, number, _ in each]
    record, _ = it.eyes().record(seen, {})
    assert [f"/{replica.name}" for replica in record.replicas] == names


def test_two_containers_of_one_number_are_half_a_deployment(world):
    it = world()
    second = it.docker.container("dms-dms-2")
    second["Config"]["Labels"][NUMBER] = "1"

    assert look(it) == NotKnown(
        "service dms of dms has 2 containers of number 1; a deployment may be under way"
    )


def test_the_one_of_them_that_never_ran_is_named_with_its_command(world):
    """As an `up --scale` leaves it, that met a name which was taken."""
    it = world()
    second = it.docker.container("dms-dms-2")
    second["Config"]["Labels"][NUMBER] = "1"
    second["State"] |= {"Running": False, "Status": "created"}

    assert look(it).words.endswith(
        "; if none is, `docker rm dms-dms-2`, which never ran"
    )


def test_replicas_of_two_images_are_half_a_deployment(world):
    it = world()
    it.docker.container("dms-dms-2")["Image"] = GOOD

    assert look(it) == NotKnown(
        "the containers of service dms run different images; "
        "a deployment may be under way"
    )


def remount(it, name):
    """Let one container hold the other version's manifest, of the same image."""
    (mount,) = it.docker.container(name)["Mounts"]
    mount["Source"] = mount["Source"].replace("v1.3.0", "v1.2.0")


@pytest.mark.parametrize("number", [1, 2])
def test_every_replicas_manifest_is_looked_at(world, number):
    it = world()
    remount(it, f"dms-dms-{number}")

    assert look(it) == NotKnown(
        "the containers of service dms hold different manifests of meesho; "
        "a deployment may be under way"
    )
    parts = it.eyes().parts(it.tenants_of)
    shown = words(picture(it.memory.standing, parts, it.eyes().astray, it.rules))
    assert "not one whole pair: the containers hold different manifests" in shown


def test_services_with_other_manifests_are_a_split_pair(world):
    it = world()
    remount(it, "dms-worker-1")

    seen = look(it)

    assert isinstance(seen, NotKnown)
    assert seen.split
    assert seen.words.startswith(
        "split: the services of dms hold 2 different manifests of meesho"
    )


def test_replicas_are_one_whole_pair_and_nothing_to_mend(world):
    it = world()

    parts = it.eyes().parts(it.tenants_of)
    shown = words(picture(it.memory.standing, parts, it.eyes().astray, it.rules))

    assert shown.startswith("dms-test: what runs is one whole pair; nothing to mend")
    assert it.eyes().obstacles() == ()


def test_a_manifest_that_one_replica_alone_holds_is_half_a_deployment(world):
    it = world()
    it.docker.container("dms-dms-2")["Mounts"] = []

    assert look(it) == NotKnown(
        "the containers of service dms hold different manifests of meesho; "
        "a deployment may be under way"
    )


def test_the_judge_is_told_how_many_containers_run(world):
    it = world(3)
    told = []
    read = it.numbers.read_all

    def read_all(triggers, at, **how):
        told.append(how["replicas"])
        return read(triggers, at, **how)

    it.numbers.read_all = read_all
    it.numbers.values.clear()
    it.turn()

    assert told == [{"dms": 3, "worker": 1}]


def test_what_is_measured_on_some_containers_only_bakes_nothing(world):
    it = world(3)
    it.numbers.values.clear()
    read = it.numbers.read_all
    some = {"of": (2, 3)}

    def read_all(triggers, at, **how):
        found = read(triggers, at, **how)
        on = some["of"]
        return {name: replace(one, measured_on=on) for name, one in found.items()}

    it.numbers.read_all = read_all
    good = len(it.memory.all(PairProvedGood))
    for _ in range(3):
        it.turn(it.rules.bake_time)
    assert len(it.memory.all(PairProvedGood)) == good
    words = [e.words for e in it.memory.all(VerdictChanged) if e.kind == "blind"]
    assert words
    assert all(one.startswith("measured on 2 of 3 containers; ") for one in words[-2:])

    some["of"] = None
    for _ in range(3):
        it.turn(it.rules.bake_time)
    assert len(it.memory.all(PairProvedGood)) == good + 1
