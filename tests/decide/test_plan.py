"""The order of a rollback's steps is what keeps the pair whole whatever dies."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.worlds import SECOND, a_pair, a_record, numbered, sha
from watchdog.decide.alike import another
from watchdog.decide.plan import spell
from watchdog.decide.successor import OP, SERVICE
from watchdog.facts.plan import Deployed, Do, FileSwap, Step, Which
from watchdog.facts.problem import Problem

LAYOUTS = pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])
SIZES = pytest.mark.parametrize("count", [1, 3], ids=["one service", "three services"])
TWICE = {"dms": 2, "worker": 3}
SERVICES = ("dms", "worker", "relay")
NUMBER = "com.docker.compose.container-number"
NAME = sha("inc-1/old dms")[:12]


def running(services, restart="unless-stopped", volumes=None, grace=10, **other):
    scale, names = other.get("scale"), other.get("names", "dms")
    found = {}
    for service, number, _ in numbered(services, scale):
        one = Deployed(
            f"old {service}" if number == 1 else f"old {service} {number}",
            {"Name": restart},
            grace * SECOND,
            {place: mount(place, name) for place, name in (volumes or {}).items()},
            number,
            f"{names}-{service}-{number}",
        )
        found[service] = (*found.get(service, ()), one)
    return found


def mount(place, name):
    return {"Type": "volume", "Source": name, "Target": place}


def plan(
    *,
    shared=False,
    services=("dms",),
    scale=None,
    pinned="v1.3.0",
    deployed=None,
    **body,
):
    how = {"services": services, "shared": shared, "scale": scale}
    return spell(
        incident="inc-1",
        running=a_record("v1.3.0", **how),
        running_sha="running",
        target=a_record("v1.2.0", **how, **body),
        target_sha="target",
        deployed=deployed or running(services, scale=scale),
        services=services,
        stop_within=5 * SECOND,
        pinned={"DMS_VERSION": pinned},
    )


def words(steps):
    return [step.words for step in steps]


def places(steps, do, which=None):
    return [
        place
        for place, step in enumerate(steps)
        if step.do is do and which in (None, step.which)
    ]


# The whole of it.


def test_one_service_with_a_manifest_of_its_own():
    it = plan()

    image, manifest = a_pair().image[7:19], dict(a_pair().manifests)["meesho"][:12]
    assert words(it.steps) == [
        "hold-room folder",
        f"hold-image ghcr.io/flexli/dms:v1.2.0 to {image}",
        f"hold-manifest meesho to {manifest}",
        f"create dms (new) to dms-dms-1.rb-{NAME}",
        "pin variable to v1.2.0",
        "stop dms (old)",
        "start dms (new)",
        f"rename dms (old) to dms-dms-1.rb-old-{NAME}",
        "rename dms (new) to dms-dms-1",
        f"prove v1.2.0 (new) to {image}",
        "remove dms (old)",
    ]
    assert words(it.way_back) == [
        "pin variable to v1.3.0",
        "stop dms (new)",
        f"rename dms (new) to dms-dms-1.rb-failed-{NAME}",
        "rename dms (old) to dms-dms-1",
        "set-restart dms (old) to unless-stopped",
        "start dms (old)",
        f"prove v1.3.0 (old) to {a_pair('v1.3.0').image[7:19]}",
        "remove dms (new)",
    ]
    assert (it.prepared, it.files, it.kind) == (4, (), "both")
    assert (it.variable_before, it.variable_after) == ("v1.3.0", "v1.2.0")
    assert (it.from_record, it.to_record) == ("running", "target")


def test_a_shared_manifest_is_swapped_between_the_stop_and_the_start():
    it = plan(shared=True)

    now, then = (dict(a_pair(v).manifests)["meesho"] for v in ("v1.3.0", "v1.2.0"))
    path = "manifests/meesho.manifest.json"
    assert it.files == (FileSwap("meesho", path, now, then),)
    assert words(it.steps[4:8]) == [
        "bar variable to rolling-back-to-v1.2.0",
        "stop dms (old)",
        f"swap-manifest meesho to {then[:12]}",
        "pin variable to v1.2.0",
    ]
    assert words(it.way_back)[:5] == [
        "bar variable to rolling-back-to-v1.3.0",
        "stop dms (new)",
        "stop dms (old)",
        f"swap-manifest meesho to {now[:12]}",
        "pin variable to v1.3.0",
    ]


def test_several_containers_of_a_service_are_changed_one_after_another():
    it = plan(services=("dms", "worker"), scale={"dms": 2})

    op = it.op
    assert words(it.steps[it.prepared :]) == [
        "pin variable to v1.2.0",
        "stop dms/1 (old)",
        "start dms/1 (new)",
        f"rename dms/1 (old) to dms-dms-1.rb-old-{op}",
        "rename dms/1 (new) to dms-dms-1",
        "await dms/1 (new)",
        "stop dms/2 (old)",
        "start dms/2 (new)",
        f"rename dms/2 (old) to dms-dms-2.rb-old-{op}",
        "rename dms/2 (new) to dms-dms-2",
        "stop worker (old)",
        "start worker (new)",
        f"rename worker (old) to dms-worker-1.rb-old-{op}",
        "rename worker (new) to dms-worker-1",
        f"prove v1.2.0 (new) to {a_pair().image[7:19]}",
        "remove dms/1 (old)",
        "remove dms/2 (old)",
        "remove worker (old)",
    ]


def test_several_containers_are_put_back_one_after_another_the_last_one_first():
    it = plan(services=("dms", "worker"), scale={"dms": 2})

    op = it.op
    assert words(it.way_back) == [
        "pin variable to v1.3.0",
        "stop worker (new)",
        f"rename worker (new) to dms-worker-1.rb-failed-{op}",
        "rename worker (old) to dms-worker-1",
        "set-restart worker (old) to unless-stopped",
        "start worker (old)",
        "stop dms/2 (new)",
        f"rename dms/2 (new) to dms-dms-2.rb-failed-{op}",
        "rename dms/2 (old) to dms-dms-2",
        "set-restart dms/2 (old) to unless-stopped",
        "start dms/2 (old)",
        "await dms/2 (old)",
        "stop dms/1 (new)",
        f"rename dms/1 (new) to dms-dms-1.rb-failed-{op}",
        "rename dms/1 (old) to dms-dms-1",
        "set-restart dms/1 (old) to unless-stopped",
        "start dms/1 (old)",
        f"prove v1.3.0 (old) to {a_pair('v1.3.0').image[7:19]}",
        "remove dms/1 (new)",
        "remove dms/2 (new)",
        "remove worker (new)",
    ]


# What the order promises.


@LAYOUTS
@SIZES
def test_nothing_that_runs_is_touched_while_preparing(shared, count):
    it = plan(shared=shared, services=SERVICES[:count])

    made_ready = {Do.HOLD_ROOM, Do.HOLD_IMAGE, Do.HOLD_MANIFEST, Do.CREATE, Do.CONNECT}
    assert {step.do for step in it.steps[: it.prepared]} <= made_ready
    assert not {step.do for step in it.steps[it.prepared :]} & made_ready


@LAYOUTS
@SIZES
def test_the_version_is_pinned_before_anything_stops(shared, count):
    it = plan(shared=shared, services=SERVICES[:count])

    first = Do.BAR if shared else Do.PIN
    assert places(it.steps, first) == [it.prepared]
    assert places(it.way_back, first) == [0]


def test_no_up_could_start_anything_while_a_shared_manifest_is_swapped():
    it = plan(shared=True, services=SERVICES)

    for steps in (it.steps, it.way_back):
        (bar,), (pin,) = places(steps, Do.BAR), places(steps, Do.PIN)
        swaps, starts = places(steps, Do.SWAP_MANIFEST), places(steps, Do.START)
        assert bar < min(places(steps, Do.STOP)) < max(swaps) < pin < min(starts)


@SIZES
def test_nothing_starts_between_the_first_stop_and_the_last_swap(count):
    it = plan(shared=True, services=SERVICES[:count])

    for steps, which in ((it.steps, Which.NEW), (it.way_back, Which.OLD)):
        swaps, starts = places(steps, Do.SWAP_MANIFEST), places(steps, Do.START)
        stops = places(steps, Do.STOP)
        assert max(stops) < min(swaps) <= max(swaps) < min(starts)
        assert {steps[place].which for place in starts} == {which}
    # On the way back both may run: all of them are stopped before the file changes.
    assert {
        (it.way_back[p].subject, it.way_back[p].which)
        for p in places(it.way_back, Do.STOP)
    } == {(s, w) for s in SERVICES[:count] for w in (Which.OLD, Which.NEW)}


def test_services_of_which_nobody_wrote_what_they_need_are_changed_in_their_order():
    it = plan(services=SERVICES)

    order = [
        (step.do, step.subject) for step in it.steps if step.do in (Do.STOP, Do.START)
    ]
    assert order == [(do, s) for s in SERVICES for do in (Do.STOP, Do.START)]


@LAYOUTS
@SIZES
def test_a_name_is_free_before_it_is_taken(shared, count):
    services = SERVICES[:count]
    it = plan(shared=shared, services=services)

    for service in services:
        for steps, leaves, takes in (
            (it.steps, Which.OLD, Which.NEW),
            (it.way_back, Which.NEW, Which.OLD),
        ):
            moves = [s for s in steps if s.do is Do.RENAME and s.subject == service]
            assert [step.which for step in moves] == [leaves, takes]
            assert moves[1].to == f"dms-{service}-1"
            assert ".rb-" in moves[0].to


@LAYOUTS
@SIZES
def test_the_proof_comes_after_all_starts_and_before_any_removal(shared, count):
    it = plan(shared=shared, services=SERVICES[:count])

    for steps in (it.steps, it.way_back):
        (proof,) = places(steps, Do.PROVE)
        assert max(places(steps, Do.START)) < proof < min(places(steps, Do.REMOVE))
        assert len(places(steps, Do.REMOVE)) == count
        assert max(places(steps, Do.REMOVE)) == len(steps) - 1


@LAYOUTS
@SIZES
def test_the_way_back_undoes_whatever_the_way_forward_touched(shared, count):
    it = plan(
        shared=shared,
        services=SERVICES[:count],
        deployed=running(SERVICES[:count], restart="always"),
    )

    def ends(steps, *dos):
        return {(step.do, step.subject) for step in steps if step.do in dos}

    touched = (Do.PIN, Do.SET_RESTART, Do.SWAP_MANIFEST)
    assert ends(it.steps, *touched) <= ends(it.way_back, *touched)
    assert ends(it.steps, Do.STOP) == {
        (Do.STOP, s.subject) for s in it.way_back if s.do is Do.START
    }
    assert Do.CREATE not in {step.do for step in it.way_back}


@LAYOUTS
def test_every_step_says_something_else(shared):
    """What was done is remembered by the step's words."""
    it = plan(shared=shared, services=SERVICES)

    for steps in (it.steps, it.way_back):
        assert len(set(words(steps))) == len(steps)


def test_with_one_file_for_all_several_containers_are_down_at_once():
    it = plan(shared=True, services=("dms", "worker"), scale=TWICE)

    for steps in (it.steps, it.way_back):
        assert max(places(steps, Do.STOP)) < min(places(steps, Do.START))
        assert places(steps, Do.AWAIT) == []


@LAYOUTS
def test_every_step_about_one_of_several_says_which(shared):
    it = plan(shared=shared, services=("dms", "worker"), scale=TWICE)

    for steps in (it.steps, it.way_back):
        assert len(set(words(steps))) == len(steps)
    assert len({swap.subject for swap in it.swaps}) == len(it.swaps) == 5
    assert [swap.old_id for swap in it.swaps[:2]] == ["old dms", "old dms 2"]


def test_one_of_several_is_told_not_to_start_again_only_when_its_turn_comes():
    it = plan(deployed=running(("dms",), "always", scale=TWICE), scale=TWICE)

    quiet, stops = places(it.steps, Do.SET_RESTART), places(it.steps, Do.STOP)
    assert [place + 1 for place in quiet] == stops


# Each part.


@pytest.mark.parametrize(
    ("restart", "quieted"),
    [("always", True), ("on-failure", True), ("unless-stopped", False), ("no", False)],
)
def test_a_container_that_docker_would_start_again_is_told_not_to(restart, quieted):
    it = plan(deployed=running(("dms",), restart=restart))

    quiet = Step(Do.SET_RESTART, "dms", Which.OLD, to="no")
    assert (quiet in it.steps) is quieted
    if quieted:
        assert it.steps.index(quiet) < min(places(it.steps, Do.STOP))
    (swap,) = it.swaps
    assert swap.old_restart == {"Name": restart}
    assert Step(Do.SET_RESTART, "dms", Which.OLD, to=restart) in it.way_back


def test_a_container_without_a_policy_gets_none_back():
    deployed = {"dms": (Deployed("old dms", {}, SECOND, {}),)}

    it = plan(deployed=deployed)

    assert Step(Do.SET_RESTART, "dms", Which.OLD, to="no") in it.way_back


@pytest.mark.parametrize(("grace", "within"), [(2, 2), (10, 5), (0, 0), (-1, 5)])
def test_a_stop_takes_the_shorter_of_both_graces(grace, within):
    """Less than nothing is for ever to the engine: that is nothing to wait for."""
    (swap,) = plan(deployed=running(("dms",), grace=grace)).swaps

    assert swap.stop_within == timedelta(seconds=within)


def test_the_new_container_is_the_recorded_one_with_our_labels():
    (swap,) = plan(User="dms").swaps

    assert (swap.service, swap.name, swap.old_id) == ("dms", "dms-dms-1", "old dms")
    assert swap.networks == {"dms_default": {"Aliases": ["dms"]}}
    assert swap.new == {
        "Image": "ghcr.io/flexli/dms:v1.2.0",
        "User": "dms",
        "HostConfig": {"Mounts": []},
        "Labels": {
            "a": "b",
            NUMBER: "1",
            "io.flexli.rollback.schema": "1",
            OP: NAME,
            SERVICE: "dms",
            "io.flexli.rollback.role": "target",
            "io.flexli.rollback.replaces": "old dms",
            "io.flexli.rollback.pair": "v1.2.0",
            "io.flexli.rollback.image": a_pair().image,
            "io.flexli.rollback.record": "target",
        },
    }


def test_a_record_is_not_changed_by_planning():
    before = a_record("v1.2.0", HostConfig={"Mounts": []}, Volumes={"/data": {}})
    target = a_record("v1.2.0", HostConfig={"Mounts": []}, Volumes={"/data": {}})
    spell(
        incident="inc-1",
        running=a_record("v1.3.0"),
        running_sha="running",
        target=target,
        target_sha="target",
        deployed=running(("dms",), volumes={"/data": "v"}),
        services=("dms",),
        stop_within=SECOND,
        pinned={"DMS_VERSION": ""},
    )

    assert target == before


def test_anonymous_volumes_are_handed_over_where_the_target_has_a_place_for_them():
    bound = {"Type": "bind", "Source": "/srv", "Target": "/bound"}
    (swap,) = plan(
        deployed=running(
            ("dms",), volumes={"/data": "v1", "/bound": "v2", "/other": "v3"}
        ),
        Volumes={"/data": {}, "/bound": {}},
        HostConfig={"Mounts": [bound]},
    ).swaps

    assert swap.new["HostConfig"]["Mounts"] == [
        bound,
        mount("/data", "v1"),
    ]


def test_further_networks_are_connected_while_preparing():
    record = a_record("v1.2.0")
    (replica,) = record.replicas
    networks = {"front": {}, "back": {}, "third": {}}
    more = type(replica)(replica.service, replica.name, replica.body, networks)
    it = spell(
        incident="inc-1",
        running=a_record("v1.3.0"),
        running_sha="running",
        target=type(record)(
            *(record.pair, record.image_ref, (), (more,), record.manifests, "")
        ),
        target_sha="target",
        deployed=running(("dms",)),
        services=("dms",),
        stop_within=SECOND,
        pinned={"DMS_VERSION": ""},
    )

    assert words(it.steps[: it.prepared])[-2:] == [
        "connect dms (new) to back",
        "connect dms (new) to third",
    ]


def test_services_follow_the_settings_and_not_the_record():
    backwards = tuple(reversed(SERVICES))
    it = spell(
        incident="inc-1",
        running=a_record("v1.3.0", services=SERVICES),
        running_sha="running",
        target=a_record("v1.2.0", services=SERVICES),
        target_sha="target",
        deployed=running(SERVICES),
        services=backwards,
        stop_within=SECOND,
        pinned={"DMS_VERSION": ""},
    )

    assert tuple(swap.service for swap in it.swaps) == backwards


@pytest.mark.parametrize(
    ("recorded", "now"), [(("dms",), ("dms", "worker")), (("dms", "worker"), ("dms",))]
)
def test_other_services_than_were_recorded_are_refused(recorded, now):
    with pytest.raises(Problem) as refused:
        spell(
            incident="inc-1",
            running=a_record("v1.3.0", services=now),
            running_sha="running",
            target=a_record("v1.2.0", services=recorded),
            target_sha="target",
            deployed=running(now),
            services=now,
            stop_within=SECOND,
            pinned={"DMS_VERSION": ""},
        )

    assert refused.value.words == (
        f"v1.2.0 ran with the services {', '.join(recorded)}, "
        f"now it is {', '.join(now)}"
    )


@pytest.mark.parametrize(("then", "now"), [(1, 3), (3, 2), (2, 1)])
def test_as_many_containers_go_back_as_there_are_whatever_was_recorded(then, now):
    it = plan(scale={"dms": then}, deployed=running(("dms",), scale={"dms": now}))

    assert [swap.name for swap in it.swaps] == [f"dms-dms-{n + 1}" for n in range(now)]
    numbers = [swap.new["Labels"][NUMBER] for swap in it.swaps]
    assert numbers == [str(n + 1) for n in range(now)]


def test_one_more_container_is_like_the_others_but_for_what_is_its_own():
    host = {
        "Mounts": [mount("/keep", "f" * 64), mount("/named", "v")],
        "PortBindings": {"5269/tcp": [{"HostPort": "8000-8009"}], "1/tcp": None},
    }
    record = a_record("v1.2.0", User="dms", HostConfig=host)
    (one,) = record.replicas
    ends = {"dms_default": {"Aliases": ["dms-dms-1", "dms"], "IPAMConfig": None}}

    it = another(replace(one, networks=ends), old(number=4), "v1.2.0")

    assert (it.name, it.body["User"], it.body["Labels"]) == (
        "dms-dms-4",
        "dms",
        {"a": "b", NUMBER: "4"},
    )
    begun_anew = {"Type": "volume", "Target": "/keep"}
    assert it.body["HostConfig"] == host | {
        "Mounts": [begun_anew, mount("/named", "v")]
    }
    assert it.networks["dms_default"]["Aliases"] == ["dms-dms-4", "dms"]


def old(number):
    return Deployed("old", {}, SECOND, {}, number, f"dms-dms-{number}")


@pytest.mark.parametrize(
    ("host", "end", "name", "why"),
    [
        ({"PortBindings": {"1/tcp": [{"HostPort": "80"}]}}, {}, "", "on port 80"),
        ({}, {"IPv4Address": "10.0.0.9"}, "", "at 10.0.0.9 on dms_default"),
        ({}, {"IPv6Address": "fd00::9"}, "", "at fd00::9 on dms_default"),
        ({}, {}, "dms", "it was called dms"),
        ({}, {}, "other-1", "it was called other-1"),
    ],
)
def test_what_there_can_be_only_one_of_is_not_made_twice(host, end, name, why):
    (one,) = a_record("v1.2.0", HostConfig=host).replicas
    one = replace(one, networks={"dms_default": {"IPAMConfig": end}})

    with pytest.raises(Problem) as refused:
        another(replace(one, name=name or one.name), old(number=2), "v1.2.0")

    assert refused.value.words == (
        "v1.2.0 ran dms in a container that there can be only one of, "
        f"{why}; now dms-dms-2 is another one"
    )
    assert refused.value.hint.endswith("--scale dms=1`")


def test_the_only_container_needs_no_number_to_be_known_by():
    (old,) = running(("dms",))["dms"]

    it = plan(deployed={"dms": (replace(old, number=4),)})

    assert [swap.subject for swap in it.swaps] == ["dms"]


def test_a_container_that_was_called_otherwise_gets_its_own_name_back():
    """A `container_name` may hold the version."""
    it = plan(deployed=running(("dms",), names="other"))

    assert Step(Do.RENAME, "dms", Which.NEW, to="dms-dms-1") in it.steps
    assert Step(Do.RENAME, "dms", Which.OLD, to="other-dms-1") in it.way_back


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        (a_pair("v1.2.0", manifest="v1.3.0"), "code"),
        (a_pair("v1.2.0", image="v1.3.0"), "config"),
        (a_pair("v1.2.0"), "both"),
    ],
)
def test_a_rollback_is_of_code_of_config_or_of_both(target, kind):
    it = spell(
        incident="inc-1",
        running=a_record("v1.3.0", shared=True),
        running_sha="running",
        target=a_record("v1.2.0", shared=True, pair=target),
        target_sha="target",
        deployed=running(("dms",)),
        services=("dms",),
        stop_within=SECOND,
        pinned={"DMS_VERSION": ""},
    )

    assert it.kind == kind
    assert bool(it.files) is (kind != "code")


def test_a_variable_that_was_not_set_is_taken_out_again():
    it = plan(pinned="")

    assert Step(Do.PIN, "variable", to="") in it.way_back


def test_an_incident_has_one_operation_whoever_plans_it():
    assert plan().op == plan(shared=True).op == NAME


def test_two_stacks_with_incidents_of_one_name_have_two_operations():
    """Two stacks on one engine once took each other's containers for their own."""
    (old,) = running(("dms",))["dms"]
    other = {"dms": (replace(old, id="of another stack"),)}

    assert plan(deployed=other).op != plan().op
