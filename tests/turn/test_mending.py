"""What is split or stuck, mended as a person chose; nothing is guessed."""

import copy

import pytest

from tests.turn.test_ordering import order, orders
from tests.turn.test_transaction import Meddler, ends, turn_until_it_ended
from tests.worlds import (
    ASHA,
    MINUTE,
    SECOND,
    Fuse,
    World,
    a_bad_release,
    a_pair,
)
from watchdog.decide.repair import candidates, split
from watchdog.decide.standing import Standing
from watchdog.facts.event import (
    OrderRefused,
    PairQuarantined,
    RollbackEnded,
    RollbackStarted,
    RollbackStuck,
    WayChosen,
    WentBack,
)
from watchdog.show.repair import picture, words

LAYOUTS = pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])


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


def shown(it):
    eyes = it.eyes()
    parts = eyes.parts(it.tenants_of)
    return picture(it.memory.standing, parts, eyes.astray, it.rules)


def tell(it):
    return words(shown(it)).splitlines()


def change_the_manifest(it):
    """Let somebody write other bytes under the running pair."""
    path = it.folder / it._at("v1.3.0")
    path.write_text("meesho of nobody")
    it.turn()
    return path


def mix(it):
    """Let a deployment be cut off after its first service."""
    services, it.services = it.services, it.services[:1]
    kept = {i: b for i, b in it.docker.boxes.items() if "-dms-" not in b["Name"]}
    for id_ in kept:
        del it.docker.boxes[id_]
    it.compose_up("v1.3.1")
    it.docker.boxes |= kept
    it.services = services
    it.turn()


# Showing.


def test_a_whole_pair_leaves_nothing_to_mend(world):
    it = world()

    assert tell(it)[0] == "dms-test: what runs is one whole pair; nothing to mend"
    assert shown(it)["ways"] == []


def test_a_whole_pair_that_does_not_run_is_not_called_fine(world):
    it = world(count=3)
    (id_, _) = next(box for box in it.docker.boxes.items() if "relay" in str(box[1]))
    it.docker.stop(id_, SECOND)

    told = tell(it)

    assert told[0] == "dms-test: one whole pair, and not all of it runs"
    name = it.docker.boxes[id_]["Name"].lstrip("/")
    hint = "`docker compose up -d`, or `docker stack deploy`, starts it"
    assert told[1] == f"down      {name} is exited; {hint}"
    assert shown(it)["ways"] == []


def test_a_manifest_that_nobody_can_read_is_not_called_whole(world):
    it = world()
    path = change_the_manifest(it)
    path.unlink()
    it.memory.standing = Standing()  # nothing is known of what it started with

    told = tell(it)

    assert told[0] == "dms-test: not known: not all that there is could be read"
    at = path.relative_to(it.folder)
    assert told[1] == f"unread    the manifest of meesho, {at}, is missing"


@LAYOUTS
def test_a_changed_manifest_is_shown_with_the_commands_that_mend_it(world, shared):
    it = world(shared=shared)
    path = change_the_manifest(it)

    told = tell(it)

    assert told[0].startswith(
        "dms-test: not one whole pair: manifests changed under the running v1.3.0: "
        f"manifests/{path.name} is "
    )
    commands = [way["command"] for way in shown(it)["ways"]]
    assert commands == [
        f"watchdog repair --to {a_pair(version).short} --by NAME --reason WHY"
        for version in ("v1.3.0", "v1.2.0")
    ]


def test_different_images_are_shown_service_by_service(world):
    it = world(count=3)
    mix(it)

    told = "\n".join(tell(it))

    assert "the services run different images: " in told
    for name, version in (
        ("dms-dms-1", "v1.3.1"),
        ("dms-worker-1", "v1.3.0"),
        ("dms-relay-1", "v1.3.0"),
    ):
        assert f"{name} is running: ghcr.io/flexli/dms:{version} (" in told


def test_an_env_file_that_names_another_version_is_shown(world):
    it = world()
    (it.folder / ".env").write_text("DMS_VERSION=v1.2.0\n")

    assert tell(it)[1] == (
        "env       DMS_VERSION is v1.2.0 in .env, what runs is v1.3.0: the next "
        "`docker compose up -d` would change that (deploy v1.2.0, or write "
        "`DMS_VERSION=v1.3.0` into .env)"
    )


def test_a_service_without_a_container_is_shown(world):
    it = world(count=3)
    it.docker.boxes = {
        i: b for i, b in it.docker.boxes.items() if "worker" not in b["Name"]
    }

    assert (
        tell(it)[0] == "dms-test: not one whole pair: service worker has no container"
    )


def test_no_quarantined_pair_is_proposed(world):
    it = world()
    it.memory.add(it.clock.now(), PairQuarantined(a_pair("v1.3.0").key, "it failed"))

    assert [k.pair.version for k in candidates(it.memory.standing)] == ["v1.2.0"]


# Mending what is split.


@LAYOUTS
@pytest.mark.parametrize("version", ["v1.2.0", "v1.3.0"])
def test_a_recorded_pair_is_put_up_whole_where_a_manifest_was_changed(
    world, shared, version
):
    it = world(shared=shared)
    change_the_manifest(it)
    order(it, "repair", to=version)

    assert it.turn() == f"repair to {version} proved after 0.0 s"

    assert it.stands_on(version) == []
    assert it.docker.names() == it.container_names()
    (ended,) = it.memory.all(RollbackEnded)
    assert (ended.how, ended.what) == ("proved", "repair")
    assert it.turn().startswith(f"watching {version}")
    assert it.memory.standing.unclear is None


@LAYOUTS
def test_a_recorded_pair_is_put_up_whole_where_the_images_differ(world, shared):
    it = world(shared=shared, count=3)
    mix(it)
    order(it, "repair", to="v1.3.0")

    assert it.turn() == "repair to v1.3.0 proved after 0.0 s"

    assert it.docker.up() == {
        name: (a_pair("v1.3.0").image, it.restart) for name in it.container_names()
    }
    assert not split(
        it.memory.standing, it.eyes().parts(it.tenants_of), it.rules.services
    )


@LAYOUTS
def test_a_power_cut_at_any_instant_of_a_repair_still_ends_in_that_pair(world, shared):
    def broken():
        it = world(shared=shared)
        change_the_manifest(it)
        order(it, "repair", to="v1.3.0")
        return it

    whole = broken()
    before = whole.fuse.count
    turn_until_it_ended(whole)
    for cut in range(1, whole.fuse.count - before + 1):
        it = broken()
        turn_until_it_ended(it, cut)

        assert it.stands_on("v1.3.0") == []
        assert it.docker.names() == it.container_names()
        assert len(it.memory.all(RollbackStarted)) == 1


def test_what_is_whole_is_not_repaired(world):
    it = world()
    order(it, "repair", to="v1.2.0")

    words = it.turn()

    assert words == "what runs is one whole pair: there is nothing to mend"
    assert it.memory.all(OrderRefused)
    assert it.docker.calls == []


def test_what_is_whole_is_not_repaired_either_where_the_engine_comes_and_goes(world):
    """That it is back is told late then, and it answers all the same."""
    it = world()
    for down in [True, False] * 4:
        it.docker.down = down
        it.turn()
    assert "engine" in it.memory.standing.lost
    order(it, "repair", to="v1.2.0")

    assert it.turn() == "what runs is one whole pair: there is nothing to mend"
    assert it.docker.calls == []


def test_a_repair_waits_for_an_engine_that_is_away(world):
    it = world()
    it.docker.down = True
    order(it, "repair", to="v1.2.0")

    assert it.turn().startswith("cannot follow the order yet: ")
    assert it.memory.all(OrderRefused) == []


def test_a_repair_that_fails_is_stuck_and_never_puts_the_split_back(world):
    it = world(shared=True)
    change_the_manifest(it)
    it.docker.crashing.add(a_pair("v1.2.0").image)
    order(it, "repair", to="v1.2.0")

    it.turn()

    assert it.memory.all(RollbackStuck)
    assert it.docker.up() == {}
    commands = [way["command"] for way in shown(it)["ways"]]
    assert commands == [
        "watchdog repair --forward --by NAME --reason WHY",
        f"watchdog repair --to {a_pair('v1.3.0').short} --by NAME --reason WHY",
    ]
    refused = orders(it).take(
        "repair", {"by": ASHA, "reason": "x", "way": "back"}, it.clock.now()
    )
    assert refused.body["words"] == "a repair has no way back"

    it.docker.crashing.clear()
    order(it, "repair", way="forward")
    it.turn()
    assert it.stands_on("v1.2.0") == []


def test_what_a_repair_put_up_is_rolled_back_like_any_deployment(world):
    it = world(shared=True)
    change_the_manifest(it)
    order(it, "repair", to="v1.3.0")
    it.turn()
    it.turn(MINUTE)
    it.numbers.values["AwbRoutingFailures"] = 9

    assert it.turn() == "rollback to v1.2.0 proved after 0.0 s"


# Letting go on what is stuck.


@pytest.fixture
def stuck(world):
    def stuck(**more):
        it = world(**more)
        it.docker.refuses["start", ""] = "not now"
        order(it, "rollback")
        it.turn()
        assert it.memory.all(RollbackStuck)
        it.docker.refuses.clear()
        return it

    return stuck


@LAYOUTS
@pytest.mark.parametrize(
    ("way", "version"), [("forward", "v1.2.0"), ("back", "v1.3.0")]
)
@pytest.mark.parametrize("named", [False, True], ids=["by its way", "by its pair"])
def test_a_person_lets_what_is_stuck_go_on(stuck, shared, way, version, named):
    it = stuck(shared=shared, count=3)
    commands = [way["command"] for way in shown(it)["ways"]]
    assert commands == [
        f"watchdog repair --{one} --by NAME --reason WHY" for one in ("forward", "back")
    ]
    order(it, "repair", **({"to": version} if named else {"way": way}))

    it.turn()

    assert it.stands_on(version) == []
    assert it.docker.names() == it.container_names()
    how = {"forward": "proved", "back": "put-back"}[way]
    assert ends(it) == [(how, "v1.3.0", "v1.2.0")]
    (chosen,) = it.memory.all(WayChosen)
    assert (chosen.way, chosen.by) == (way, ASHA)


@LAYOUTS
@pytest.mark.parametrize("way", ["forward", "back"])
def test_a_power_cut_at_any_instant_of_the_chosen_way_ends_in_its_pair(
    stuck, shared, way
):
    whole = stuck(shared=shared)
    order(whole, "repair", way=way)
    before = whole.fuse.count
    while not whole.memory.all(RollbackEnded):
        whole.turn()
    for cut in range(1, whole.fuse.count - before + 1):
        it = stuck(shared=shared)
        order(it, "repair", way=way)
        it.fuse.cuts = {it.fuse.count + cut}
        cut_off(it)

        assert it.stands_on("v1.2.0" if way == "forward" else "v1.3.0") == []
        assert it.docker.names() == it.container_names()


def cut_off(it):
    for _ in range(6):
        try:
            it.turn()
        except BaseException as cut:
            if type(cut).__name__ != "PowerCut":
                raise
            continue
        if it.memory.all(RollbackEnded):
            return
    raise AssertionError("it did not come to an end")


@pytest.fixture
def between(world):
    def between(**more):
        """Three recorded pairs; the way from the last to the first is stuck."""
        it = world(**more)
        it.compose_up("v1.3.1")
        it.turn()
        it.docker.refuses["start", ""] = "not now"
        order(it, "rollback", to="v1.2.0")
        it.turn()
        assert it.memory.all(RollbackStuck)
        it.docker.refuses.clear()
        return it

    return between


@LAYOUTS
def test_a_pair_that_is_no_end_of_what_is_stuck_is_put_up_in_its_place(between, shared):
    it = between(shared=shared)
    wanted = a_pair("v1.3.0").short
    commands = [way["command"] for way in shown(it)["ways"]]
    assert f"watchdog repair --to {wanted} --by NAME --reason WHY" in commands

    order(it, "repair", to="v1.3.0")
    it.turn()

    assert it.memory.all(WayChosen) == []
    assert it.stands_on("v1.3.0") == []
    assert it.docker.names() == it.container_names()
    assert ends(it) == [
        ("overtaken", "v1.3.1", "v1.2.0"),
        ("proved", "v1.3.1", "v1.3.0"),
    ]


def test_what_cannot_be_planned_leaves_what_is_stuck_as_it_is(between):
    it = between()
    for id_, box in list(it.docker.boxes.items()):
        if not box["State"]["Running"]:
            del it.docker.boxes[id_]

    order(it, "repair", to="v1.3.0")
    words = it.turn()

    assert words == "service dms has no container"
    assert it.memory.all(OrderRefused)[-1].hint.startswith("`docker compose up -d`")
    assert ends(it) == []
    assert it.memory.standing.rollback.stuck


def test_nothing_that_is_not_stuck_is_let_go_on(world):
    refused = orders(it := world()).take(
        "repair", {"by": ASHA, "reason": "x", "way": "forward"}, it.clock.now()
    )

    assert (refused.status, refused.body["words"]) == (409, "no rollback is stuck")


@LAYOUTS
def test_forward_stops_again_what_the_way_back_had_started(world, shared):
    it = world(shared=shared)
    it.docker.crashing.add(a_pair("v1.2.0").image)
    it.docker.sick.add(a_pair("v1.3.0").image)
    order(it, "rollback")
    it.turn()
    (stuck,) = it.memory.all(RollbackStuck)
    assert stuck.words.startswith("prove v1.3.0 (old)")
    it.docker.crashing.clear()
    order(it, "repair", way="forward")

    it.turn()

    assert it.stands_on("v1.2.0") == []
    assert it.docker.names() == it.container_names()


# A name that somebody else had.


@pytest.mark.parametrize("sick", [set(), {a_pair("v1.2.0").image}], ids=["on", "back"])
@LAYOUTS
def test_a_name_that_was_taken_is_given_once_it_is_free(folders, shared, sick):
    it = a_bad_release(folders(), shared=shared)
    it.docker.sick |= sick
    it.docker.fuse = Meddler(it.docker, lambda: _takes_the_name(it.docker), "rename")

    it.turn()

    (up,) = it.docker.up()
    assert up.startswith("dms-dms-1.rb-")
    it.turn(MINUTE)
    (lack,) = (one for one in it.memory.standing.readiness.lacks if one.doubt)
    assert lack.words == f"dms runs as {up}, the name that a rollback gave it"
    assert lack.hint == (
        f"`docker rename {up} dms-dms-1`, once nothing else is called so"
    )
    assert "without Compose" not in it.memory.standing.readiness.words

    it.docker.fuse = Fuse()
    del it.docker.boxes["theirs"]
    it.turn(MINUTE)
    it.turn(MINUTE)

    assert [*it.docker.up()] == ["dms-dms-1"]
    assert not any(lack.doubt for lack in it.memory.standing.readiness.lacks)
    calls = len(it.docker.calls)
    it.turn(MINUTE)
    assert len(it.docker.calls) == calls


def _takes_the_name(docker):
    """Have another container called so as soon as it is free."""
    if "/dms-dms-1" in [box["Name"] for box in docker.boxes.values()]:
        return
    theirs = copy.deepcopy(next(iter(docker.boxes.values())))
    theirs |= {"Id": "theirs", "Name": "/dms-dms-1"}
    theirs["Config"]["Labels"] = {}
    theirs["State"] |= {"Running": False, "Status": "created"}
    docker.boxes["theirs"] = theirs


# A network that somebody removed, and a port that somebody took.


@LAYOUTS
def test_a_network_that_is_gone_is_made_again_as_the_plan_has_it(folders, shared):
    it = a_bad_release(folders(), shared=shared)
    it.docker.fuse = Meddler(it.docker, lambda: _removed(it.docker))

    it.turn()

    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert it.docker.made == {"dms_default": {"made": "once"}}


@LAYOUTS
def test_one_that_cannot_be_made_again_is_named_with_its_command(folders, shared):
    it = a_bad_release(folders(), shared=shared)
    it.docker.fuse = Meddler(it.docker, lambda: _removed(it.docker))
    it.docker.refuses["create_network", "dms_default"] = "no address is left"

    it.turn()

    assert "no address is left" in it.memory.all(RollbackStuck)[-1].words
    it.docker.refuses.clear()
    it.turn(MINUTE)
    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]


def _removed(docker):
    if "dms_default" not in docker.made:
        docker.gone.add("dms_default")


@LAYOUTS
def test_who_has_the_port_is_named_with_the_command_that_frees_it(folders, shared):
    it = a_bad_release(folders(), shared=shared)
    for box in it.docker.boxes.values():
        box["HostConfig"]["PortBindings"] = {"5269/tcp": [{"HostPort": "80"}]}
    theirs = a_box_of("shop")
    it.docker.boxes["theirs"] = theirs
    it.docker.refuses["start", "dms"] = "port is already allocated"
    it.docker.fuse = Meddler(it.docker, lambda: it.docker.ports.update(PORTS))

    it.turn()

    stuck = it.memory.all(RollbackStuck)[-1]
    assert stuck.words.endswith(
        "port 80/tcp is taken by shop-web-1 of the project shop"
    )
    assert stuck.hint.startswith("mend that (`docker stop shop-web-1` frees it), and")


PORTS = {"theirs": [{"PublicPort": 80, "Type": "tcp"}]}


def a_box_of(project):
    return {
        "Id": "theirs",
        "Name": f"/{project}-web-1",
        "Image": "sha256:theirs",
        "Config": {
            "Image": "theirs",
            "Labels": {"com.docker.compose.project": project},
        },
        "NetworkSettings": {"Networks": {}},
        "State": {
            "Running": True,
            "Status": "running",
            "StartedAt": "0001-01-01T00:00:00Z",
        },
    }


# What is left beside a deployment.


@LAYOUTS
def test_what_we_put_aside_is_named_where_somebody_deployed_beside_it(folders, shared):
    """As an `up --scale` does that makes one of its own, and fails to start ours."""
    it = a_bad_release(folders(), shared=shared)
    it.docker.sick.add(a_pair("v1.2.0").image)
    (old,) = it.docker.boxes
    it.docker.fuse = Meddler(it.docker, lambda: _deployed_beside(it, old), "start")

    turn_until_it_ended(it)

    assert ends(it) == [("overtaken", "v1.3.0", "v1.2.0")]
    aside = it.docker.boxes[old]["Name"].lstrip("/")
    assert aside.startswith("dms-dms-1.rb-old-")
    (ended,) = it.memory.all(RollbackEnded)
    assert f"`docker rm {aside}`" in ended.hint


def _deployed_beside(it, old):
    """Deploy once the way back began, and leave *old* as it is."""
    if it.memory.all(WentBack) and len(it.docker.boxes) < 3:
        kept = {
            id_: box
            for id_, box in it.docker.boxes.items()
            if id_ == old or not box["State"]["Running"]
        }
        it.compose_up("v1.3.0")
        it.docker.boxes |= kept
