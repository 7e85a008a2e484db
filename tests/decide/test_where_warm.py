"""Where a service cannot be swapped warm, and in which words."""

from dataclasses import replace

import pytest

from tests.worlds import SECOND, a_record
from watchdog.decide.plan import spell
from watchdog.facts.plan import Deployed, Do
from watchdog.facts.swapping import Swapping, wishes_of

NET = {"dms_default": {"Aliases": ["dms"]}}
CHECKED = {
    "Healthcheck": {"Test": ["CMD", "true"]},
    "HostConfig": {"NetworkMode": "dms_default"},
}


def host(**more):
    return CHECKED | {"HostConfig": {"NetworkMode": "dms_default"} | more}


def old(**more):
    one = Deployed("old", {}, SECOND, {}, 1, "dms-dms-1", networks=NET)
    return replace(one, **more)


def swap_of(body=CHECKED, *, deployed=None, running=None, target=None, **more):
    """Spell a plan for one service; give its swap and the plan."""
    swapping = Swapping({"dms": "warm"}, **more.pop("said", {}))
    plan = spell(
        incident="inc-1",
        running=running or a_record("v1.3.0", **body),
        running_sha="1" * 64,
        target=target or a_record("v1.2.0", **body),
        target_sha="2" * 64,
        deployed={"dms": (deployed or old(),)},
        services=("dms",),
        stop_within=SECOND,
        pinned={"DMS_VERSION": "v1.3.0"},
        swapping=swapping,
        **more,
    )
    return plan.swaps[-1], plan


def with_volume(place, how=""):
    mount = {"Type": "volume", "Source": "data", "Target": place}
    return {
        "deployed": old(mounts={place: mount}),
        "body": host(Binds=[f"data:{place}{how}"]),
    }


def needing(label):
    return {"Labels": {"com.docker.compose.depends_on": label}}


ON_DB = a_record("v1.3.0", **CHECKED | needing("db:service_healthy:true"))


def test_what_is_asked_for_and_can_be_gives_its_endpoints():
    swap, plan = swap_of()

    assert swap.cold == ""
    assert swap.gives == NET
    assert [s.do for s in plan.steps if s.subject == "dms"] == [
        *(Do.CREATE, Do.STAGE, Do.WARM, Do.AWAIT),
        *(Do.HAND_OVER, Do.RENAME, Do.RENAME, Do.REMOVE),
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"body": {}}, "no health check"),
        ({"body": CHECKED | {"Healthcheck": {"Test": ["NONE"]}}}, "no health check"),
        ({"body": host(NetworkMode="host")}, "its network is host"),
        ({"body": host(NetworkMode="bridge")}, "its network is bridge"),
        ({"body": host(NetworkMode="container:abc")}, "its network is container:abc"),
        ({"body": {**CHECKED, "HostConfig": {}}}, "its network is default"),
        ({"deployed": old(networks={})}, "which has no address to hand over"),
        (
            {"target": a_record(shared=True, **CHECKED)},
            "a file that all versions share",
        ),
        (with_volume("/data"), "both versions would write data"),
        ({"body": host(VolumesFrom=["db"])}, "volumes of another container"),
        ({"body": host(Devices=[{"PathOnHost": "/dev/ttyUSB0"}])}, "it has devices"),
        ({"body": CHECKED | {"MacAddress": "02:42:ac:11:00:09"}}, "MAC address"),
        (
            {"body": host(Memory=2**30), "deployed": old(free=2**29)},
            "it may take 1024 MiB, and 512 MiB are free",
        ),
        (
            {"running": ON_DB},
            "it depends on db",
        ),
    ],
)
def test_where_it_cannot_be_it_is_stopped_first_in_words(more, words):
    swap, plan = swap_of(**more)

    assert words in swap.cold
    assert not swap.is_warm
    assert not {step.do for step in plan.steps} & {Do.STAGE, Do.HAND_OVER, Do.UNSTAGE}
    assert Do.STOP in {step.do for step in plan.steps}


@pytest.mark.parametrize(
    "more",
    [
        with_volume("/data") | {"said": {"overlap": {"dms": "safe"}}},
        with_volume("/data", ":ro"),
        {
            "running": ON_DB,
            "said": {"staging": {"dms": "alone"}},
        },
        {
            "running": a_record(
                "v1.3.0",
                **CHECKED | needing("migrate:service_completed_successfully:false"),
            )
        },
        {
            "body": CHECKED | {"MacAddress": "02:42:ac:11:00:09"},
            "deployed": old(moves_macs=True),
        },
        {"body": host(Memory=2**29), "deployed": old(free=2**30)},
        {"body": host(Binds=["/srv/one:/x"]), "deployed": old(
            mounts={"/x": {"Type": "bind", "Source": "/srv/oneself", "Target": "/x"}})},
    ],
)  # fmt: skip
def test_what_is_known_to_be_fine_is_swapped_warm(more):
    swap, _ = swap_of(**more)

    assert swap.cold == ""
    assert swap.is_warm


@pytest.mark.parametrize(("one", "other"), [("/srv", "/srv/a"), ("/srv/a/", "/srv")])
def test_a_folder_within_another_is_written_by_both(one, other):
    theirs = {"/x": {"Type": "bind", "Source": other, "Target": "/x"}}
    swap, _ = swap_of(host(Binds=[f"{one}:/y:rw"]), deployed=old(mounts=theirs))

    assert "both versions would write" in swap.cold


def test_a_nameless_volume_is_told_by_its_place():
    theirs = {"/keep": {"Type": "volume", "Source": "a" * 64, "Target": "/keep"}}
    swap, _ = swap_of(CHECKED | {"Volumes": {"/keep": {}}}, deployed=old(mounts=theirs))

    assert "both versions would write the volume at /keep" in swap.cold


def test_a_word_that_is_no_way_to_swap_is_said():
    swap, _ = swap_of(deployed=old(wishes={"swap": "hot"}), said={})
    assert swap.is_warm  # the settings are stronger

    plan = spell_labelled("hot")
    assert "`hot` is no way to swap" in plan.swaps[0].cold


def spell_labelled(word):
    return spell(
        incident="inc-1",
        running=a_record("v1.3.0", **CHECKED),
        running_sha="1" * 64,
        target=a_record("v1.2.0", **CHECKED),
        target_sha="2" * 64,
        deployed={"dms": (old(wishes=wishes_of({"io.flexli.watchdog.swap": word})),)},
        services=("dms",),
        stop_within=SECOND,
        pinned={"DMS_VERSION": "v1.3.0"},
    )


def test_a_label_alone_is_enough():
    assert spell_labelled("warm").swaps[0].is_warm
    assert not spell_labelled("stop-first").swaps[0].cold


def test_the_endpoints_to_give_back_are_the_recorded_ones_and_those_given_since():
    record = a_record("v1.3.0", **CHECKED)
    chosen = {"dms_default": {"Aliases": ["dms"], "IPAMConfig": {"IPv4Address": "1.2"}}}
    record = replace(record, replicas=(replace(record.replicas[0], networks=chosen),))
    seen = {"dms_default": {"Aliases": ["dms"]}, "added": {"Aliases": []}}
    swap, _ = swap_of(running=record, deployed=old(networks=seen))

    assert swap.gives == chosen | {"added": {"Aliases": []}}


def test_the_way_back_gives_the_place_back_before_anything_else_is_stopped():
    _, plan = swap_of()

    assert [step.do for step in plan.way_back] == [
        *(Do.PIN, Do.HAND_OVER, Do.START, Do.RENAME, Do.RENAME),
        *(Do.PROVE, Do.REMOVE, Do.UNSTAGE),
    ]


def test_services_that_boot_side_by_side_must_fit_together():
    body = host(Memory=2**30)
    services = ("dms", "relay")
    plan = spell(
        incident="inc-1",
        running=a_record("v1.3.0", services=services, **body),
        running_sha="1" * 64,
        target=a_record("v1.2.0", services=services, **body),
        target_sha="2" * 64,
        deployed={
            name: (old(id=f"old {name}", free=2**30 + 2**29),) for name in services
        },
        services=services,
        stop_within=SECOND,
        pinned={"DMS_VERSION": "v1.3.0"},
        swapping=Swapping(dict.fromkeys(services, "warm")),
    )

    first, second = plan.swaps
    assert first.is_warm
    assert "it may take 1024 MiB, and 512 MiB are free" in second.cold
