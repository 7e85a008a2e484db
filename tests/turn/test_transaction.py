"""A rollback, cut off anywhere: one whole pair, one create each, one end."""

import contextlib
import copy
import itertools
from dataclasses import replace

import pytest

from tests.worlds import (
    AWB,
    MINUTE,
    REPOSITORY,
    SECOND,
    Fuse,
    PowerCut,
    World,
    a_pair,
    manifest_of,
)
from watchdog.facts.event import (
    BreachConfirmed,
    FarEndLost,
    RollbackEnded,
    RollbackMended,
    RollbackRefused,
    RollbackReopened,
    RollbackStarted,
    RollbackStuck,
    StepFailed,
    WentBack,
)
from watchdog.facts.problem import EngineRefused, JournalLost, Unreachable
from watchdog.facts.smoke import Asks
from watchdog.show.status import picture, words
from watchdog.verify.proof import Answer

LAYOUTS = pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])
ONE, THREE = {"dms": 1}, {"dms": 1, "worker": 1, "relay": 1}
TWICE = {"dms": 2, "worker": 1}
SIZES = pytest.mark.parametrize(
    "scale",
    [ONE, THREE, TWICE],
    ids=["one service", "three services", "two replicas and a worker"],
)
# Three services in one place each are as many steps as a replica and a worker.
SHORT = pytest.mark.parametrize(
    "scale",
    [ONE, pytest.param(THREE, marks=pytest.mark.campaign), TWICE],
    ids=["one service", "three services", "two replicas and a worker"],
)
SERVICES = tuple(THREE)


@pytest.fixture
def world(folders):
    def world(*, shared=False, scale=ONE, restart="unless-stopped"):
        made = World(folders(), shared=shared, services=tuple(scale), scale=scale)
        made.restart = restart
        made.bad_release()
        return made

    return world


def turn_until_it_ended(world, *cuts, limit=12):
    """Turn, with the power cut at these instants, until the rollback is over."""
    world.fuse.cuts = {world.fuse.count + cut for cut in cuts}
    for _ in range(limit):
        try:
            words = world.turn()
        except PowerCut:
            continue
        if world.memory.all(RollbackEnded, RollbackStuck):
            return words
    raise AssertionError("it did not come to an end")


def instants_of(world):
    """Count the instants of a rollback that nobody interrupts."""
    before = world.fuse.count
    turn_until_it_ended(world)
    return world.fuse.count - before


def ends(world):
    return [(e.how, e.previous, e.target) for e in world.memory.all(RollbackEnded)]


def first(world):
    """Give the subject of the steps about the first container."""
    return "dms/1" if world.scale["dms"] > 1 else "dms"


def assert_rolled_back_once(world):
    assert world.stands_on("v1.2.0") == []
    assert ends(world) == [("proved", "v1.3.0", "v1.2.0")]
    assert world.docker.names() == world.container_names()
    assert len(world.docker.created()) == len(world.container_names())
    assert len(world.memory.all(RollbackStarted)) == 1
    assert len(world.memory.all(BreachConfirmed)) == 1


def assert_put_back_once(world):
    assert world.stands_on("v1.3.0") == []
    assert ends(world) == [("put-back", "v1.3.0", "v1.2.0")]
    assert world.docker.names() == world.container_names()
    assert len(world.docker.created()) == len(world.container_names())
    assert len(world.memory.all(RollbackStarted)) == 1


# Forward.


@LAYOUTS
@SIZES
def test_a_confirmed_breach_puts_the_last_good_pair_back_in_the_same_turn(
    world, shared, scale
):
    it = world(shared=shared, scale=scale)

    assert it.turn() == "rollback to v1.2.0 proved after 0.0 s"

    assert_rolled_back_once(it)
    assert it.memory.all(StepFailed) == []


@LAYOUTS
def test_the_audit_has_the_six_fields_of_the_runbook(world, shared):
    it = world(shared=shared)
    it.turn()

    (ended,) = it.memory.all(RollbackEnded)
    assert (ended.started, it.memory.entries[-1].at) == (it.clock.at, it.clock.at)
    assert (ended.previous, ended.target, ended.owner) == ("v1.3.0", "v1.2.0", "ops")
    assert ended.root_cause == f"{AWB.name}: 9, above 1 for 0s without a gap"
    manifest = dict(a_pair("v1.2.0").manifests)["meesho"][:12]
    assert ended.proof == (
        f"image {a_pair('v1.2.0').image[:19]}; manifests meesho {manifest}; "
        "container running; health says 200"
    )


@pytest.mark.parametrize("restart", ["always", "on-failure", "unless-stopped", "no"])
@LAYOUTS
def test_the_restart_policy_survives_forward_and_back(world, shared, restart):
    there, back = (world(shared=shared, restart=restart) for _ in range(2))
    back.docker.crashing.add(a_pair("v1.2.0").image)

    there.turn()
    turn_until_it_ended(back)

    assert_rolled_back_once(there)
    assert_put_back_once(back)


def test_all_networks_are_the_ones_of_the_target(world):
    it = world()
    it.turn()

    (box,) = it.docker.boxes.values()
    assert set(box["NetworkSettings"]["Networks"]) == {"dms_default", "dms_back"}


def test_a_shared_manifest_is_backed_up_beside_itself(world):
    it = world(shared=True)
    it.turn()

    backup = it.folder / "manifests" / "meesho.manifest.json.bak"
    assert backup.read_text() == manifest_of("meesho", "v1.3.0")


# Cut off.


@LAYOUTS
@SHORT
def test_a_power_cut_at_any_instant_still_ends_in_one_whole_pair(world, shared, scale):
    for cut in range(1, instants_of(world(shared=shared, scale=scale)) + 1):
        it = world(shared=shared, scale=scale)
        turn_until_it_ended(it, cut)

        assert_rolled_back_once(it)


@LAYOUTS
def test_two_power_cuts_still_end_in_one_whole_pair(world, shared):
    all_ = instants_of(world(shared=shared))
    for first in range(1, all_ + 1):
        # Near after the first for one, and far for the next.
        it = world(shared=shared)
        turn_until_it_ended(
            it, first, first + 1 + (5 * first) % (all_ + 3 - first or 1)
        )

        assert_rolled_back_once(it)


@pytest.mark.campaign
@LAYOUTS
def test_two_power_cuts_at_any_instants_still_end_in_one_whole_pair(world, shared):
    all_ = instants_of(world(shared=shared))
    for first in range(1, all_ + 1):
        # Every third instant: what lies between is covered by the first cut.
        for second in range(first + 1, all_ + 4, 3):
            it = world(shared=shared)
            turn_until_it_ended(it, first, second)

            assert_rolled_back_once(it)


@LAYOUTS
@SHORT
def test_a_power_cut_while_a_dead_target_is_turned_around_ends_in_the_old_pair(
    world, shared, scale
):
    def dead(world):
        world.docker.crashing.add(a_pair("v1.2.0").image)
        return world

    for cut in range(1, instants_of(dead(world(shared=shared, scale=scale))) + 1):
        it = dead(world(shared=shared, scale=scale))
        turn_until_it_ended(it, cut)

        assert_put_back_once(it)


@LAYOUTS
def test_a_power_cut_while_nothing_can_be_prepared_touches_nothing(world, shared):
    def full(world):
        world.docker.refuses["connect", ""] = "no space left on device"
        return world

    for cut in range(1, instants_of(full(world(shared=shared))) + 1):
        it = full(world(shared=shared))
        turn_until_it_ended(it, cut)

        assert it.stands_on("v1.3.0") == []
        assert it.docker.names() == ["dms-dms-1"]
        assert ends(it) == [("unchanged", "v1.3.0", "v1.2.0")]
        assert {do for do, _ in it.docker.calls} == {"create", "connect", "remove"}


# The target fails.


@pytest.mark.parametrize("how", ["crashing", "sick"])
@LAYOUTS
@SIZES
def test_a_target_that_never_comes_up_is_put_back_as_a_pair(world, shared, scale, how):
    it = world(shared=shared, scale=scale)
    getattr(it.docker, how).add(a_pair("v1.2.0").image)

    it.turn()

    assert_put_back_once(it)
    (back,) = it.memory.all(WentBack)
    assert (
        back.words
        == {
            "crashing": f"`start {first(it)} (new)` was done, but does not show",
            "sick": "v1.2.0 did not come up as meant within 60 s: health says 503",
        }[how]
    )
    (removed,) = [
        event
        for event in it.memory.all()
        if getattr(event, "step", None)
        and event.step.words == f"remove {first(it)} (new)"
        and hasattr(event, "evidence")
    ]
    assert "the logs of" in removed.evidence


@LAYOUTS
def test_d_059_a_container_of_another_image_than_was_asked_for_is_never_a_success(
    world, shared
):
    it = world(shared=shared)
    # An engine that makes the container of another image, and says nothing of it.
    it.docker.mistakes[f"{REPOSITORY}:v1.2.0"] = a_pair("v1.3.1").image

    turn_until_it_ended(it)

    assert ends(it) == [("unchanged", "v1.3.0", "v1.2.0")]
    assert it.docker.up() == {"dms-dms-1": (a_pair("v1.3.0").image, "unless-stopped")}
    failed = [event.words for event in it.memory.all(StepFailed)]
    meant = f"meant image {a_pair('v1.2.0').image[:19]}"
    assert any(meant in words for words in failed), failed


def test_a_put_back_pair_is_not_rolled_back_again(world):
    it = world()
    it.docker.crashing.add(a_pair("v1.2.0").image)
    it.turn()
    calls = len(it.docker.calls)

    words = {it.turn() for _ in range(5)}

    assert len(it.docker.calls) == calls
    assert len(words) == 1
    assert words.pop().startswith("the rollback failed (`start dms (new)` was done")


@pytest.mark.parametrize("step", ["pull", "tag", "create", "connect"])
@LAYOUTS
def test_what_cannot_be_prepared_leaves_everything_as_it_was(world, shared, step):
    it = world(shared=shared, scale=THREE)
    it.docker.refuses[step, ""] = f"no {step} today"
    if step in ("pull", "tag"):
        # The tag was moved by a rebuild, or the image is gone altogether.
        del it.docker.tags["ghcr.io/flexli/dms:v1.2.0"]
    if step == "tag":
        it.docker.tags["elsewhere:v1.2.0"] = a_pair("v1.2.0").image

    it.turn()

    assert it.stands_on("v1.3.0") == []
    assert it.docker.names() == it.container_names()
    assert ends(it) == [("unchanged", "v1.3.0", "v1.2.0")]
    (ended,) = it.memory.all(RollbackEnded)
    assert ended.proof.startswith("nothing that runs was touched: ")
    assert ended.proof.endswith(f"no {step} today")


def test_a_manifest_that_changed_under_its_version_is_no_target(world):
    it = world()
    (it.folder / "manifests/meesho.v1.2.0.manifest.json").write_text("changed")

    it.turn()

    assert it.stands_on("v1.3.0") == []
    assert ends(it) == [("unchanged", "v1.3.0", "v1.2.0")]
    assert it.docker.calls == []


def test_a_manifest_and_seal_that_were_deleted_come_back_from_the_ledger(world):
    it = world()
    kept = it.folder / "manifests/meesho.v1.2.0.manifest.json"
    seal = kept.with_name(f"{kept.name}.sig")
    kept.unlink()
    seal.unlink()

    it.turn()

    assert_rolled_back_once(it)
    assert (kept.read_text(), seal.read_text()) == (
        manifest_of("meesho", "v1.2.0"),
        "seal",
    )


@pytest.mark.parametrize("part", [0, 1, 2])
@LAYOUTS
def test_a_service_that_cannot_be_started_brings_all_of_them_back(world, shared, part):
    it = world(shared=shared, scale=THREE)
    it.docker.refuses["start", f"dms-{SERVICES[part]}-1"] = "port is already allocated"

    class OnlyOnce(dict):
        """Refuses the new container, and not the old one on its way back."""

        def items(self):
            return [] if it.memory.all(WentBack) else super().items()

    it.docker.refuses = OnlyOnce(it.docker.refuses)
    it.turn()

    assert_put_back_once(it)


# Somebody else is at work.


class Meddler(Fuse):
    """Does *deed* as soon as the engine was told *after* (to stop the old one)."""

    def __init__(self, docker, deed, after="stop"):
        super().__init__()
        self.docker, self.deed, self.after = docker, deed, after

    def passes(self):
        if self.after in {do for do, _ in self.docker.calls}:
            self.deed()


@LAYOUTS
def test_new_containers_that_somebody_removes_again_and_again_are_given_up(
    world, shared
):
    it = world(shared=shared)
    (old,) = it.docker.boxes

    def remove_ours():
        for new in set(it.docker.boxes) - {old}:
            del it.docker.boxes[new]

    it.docker.fuse = Meddler(it.docker, remove_ours)
    it.turn()

    assert it.memory.all(RollbackStuck) == []
    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.0") == []
    assert it.docker.names() == it.container_names()


@LAYOUTS
def test_an_old_container_that_somebody_removed_is_no_reason_to_stop(world, shared):
    """It is what Compose does when an operator types `up -d` at that moment."""
    it = world(shared=shared)
    (old,) = it.docker.boxes
    it.docker.fuse = Meddler(it.docker, lambda: it.docker.boxes.pop(old, None))

    it.turn()

    assert_rolled_back_once(it)


@LAYOUTS
def test_a_version_that_somebody_pinned_meanwhile_is_left_alone(world, shared):
    it = world(shared=shared)

    def pin_another():
        (it.folder / ".env").write_text("DMS_VERSION=v1.3.1\n")

    it.docker.fuse = Meddler(it.docker, pin_another, after="create")
    it.turn()

    assert it.pinned() == "DMS_VERSION=v1.3.1\n"
    assert ends(it) == [("unchanged", "v1.3.0", "v1.2.0")]
    assert it.docker.names() == it.container_names()


@LAYOUTS
def test_a_pair_that_was_deployed_meanwhile_ends_it_as_overtaken(world, shared):
    it = stuck_on_its_way_back(world, shared=shared)

    it.docker.refuses.clear()
    it.compose_up("v1.3.1")
    it.turn()

    assert ends(it) == [("overtaken", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.1") == []


def stuck_on_its_way_back(world, **more):
    """Neither the target nor the old pair can be started: the port is taken."""
    it = world(**more)
    it.docker.refuses["start", ""] = "port is already allocated"
    it.turn()
    (stuck,) = it.memory.all(RollbackStuck)
    assert stuck.words == f"start {first(it)} (old): port is already allocated"
    assert stuck.again
    return it


def shown(world):
    whole = picture(
        world.memory.standing,
        None,
        world.rules,
        None,
        poll=5 * SECOND,
        at=world.clock.now(),
    )
    return words(whole).splitlines()[0]


@LAYOUTS
def test_a_way_back_that_is_stuck_goes_on_by_itself_once_it_can(world, shared):
    it = stuck_on_its_way_back(world, shared=shared)
    assert [it.turn() for _ in range(3)] == [
        "stuck: start dms (old): port is already allocated"
    ] * 3
    assert shown(it) == (
        "dms-test: STUCK, trying again by itself: start dms (old): port is already "
        "allocated; mend that, and the way back goes on by itself within a minute; "
        "or put one whole pair up: docs/how-to/repair-a-split-pair.md"
    )

    it.docker.refuses.clear()
    it.turn(MINUTE)

    assert_put_back_once(it)
    assert len(it.memory.all(RollbackStuck)) == 1  # said once, not at each turn


@LAYOUTS
@SHORT
def test_a_power_cut_while_a_way_back_is_tried_again_ends_in_the_old_pair(
    world, shared, scale
):
    def free_again(cut=None):
        it = stuck_on_its_way_back(world, shared=shared, scale=scale)
        it.docker.refuses.clear()
        it.fuse.cuts = {it.fuse.count + cut} if cut else set()
        return it

    whole = free_again()
    begun = whole.fuse.count
    whole.turn(MINUTE)
    for cut in range(1, whole.fuse.count - begun + 1):
        it = free_again(cut)
        for _ in range(4):
            with contextlib.suppress(PowerCut):
                it.turn(MINUTE)

        assert_put_back_once(it)


def test_a_way_back_is_tried_often_at_first_and_once_a_minute_later(world):
    it = stuck_on_its_way_back(world)
    stuck_at = it.clock.now()
    tries = []

    for _ in range(360):
        before = len(it.docker.calls)
        it.turn()
        if len(it.docker.calls) > before:
            tries.append((it.clock.now() - stuck_at) / SECOND)

    assert tries[:3] == [5, 10, 15]
    apart = [late - early for early, late in itertools.pairwise(tries)]
    assert apart == sorted(apart)
    assert apart[-1] == 60
    assert len(it.memory.all(RollbackStuck)) == 1


@LAYOUTS
@pytest.mark.parametrize(
    "deed",
    ["pins the target", "starts the target", "removes the old one", "renames it"],
)
def test_a_way_back_is_never_tried_against_somebody_at_work(world, shared, deed):
    it = stuck_on_its_way_back(world, shared=shared)
    it.docker.refuses.clear()
    (new,) = [i for i, box in it.docker.boxes.items() if ".rb-failed-" in box["Name"]]
    (old,) = set(it.docker.boxes) - {new}
    if deed == "pins the target":
        (it.folder / ".env").write_text("TZ=UTC\nDMS_VERSION=v1.2.0\n")
    elif deed == "starts the target":
        it.docker.boxes[new]["State"] |= {"Running": True, "Status": "running"}
    elif deed == "removes the old one":
        del it.docker.boxes[old]
    else:
        it.docker.boxes[old]["Name"] = "/kept-for-later"
    calls = len(it.docker.calls)

    said = [it.turn(MINUTE) for _ in range(3)]

    assert len(it.docker.calls) == calls
    assert ends(it) == []
    assert not it.memory.all(RollbackStuck)[-1].again
    assert len(set(said)) == 1
    assert "STUCK, a person must act: " in shown(it)


def test_a_way_back_that_fails_otherwise_says_so_anew(world):
    it = stuck_on_its_way_back(world)
    it.docker.refuses["start", ""] = "no such network"

    it.turn()
    it.turn()

    told = [stuck.words for stuck in it.memory.all(RollbackStuck)]
    assert told == [
        "start dms (old): port is already allocated",
        "start dms (old): no such network",
    ]


def test_an_old_pair_that_comes_up_late_by_itself_ends_what_was_stuck(world):
    it = world()
    it.docker.crashing.add(a_pair("v1.2.0").image)
    it.docker.sick.add(a_pair("v1.3.0").image)
    it.turn()
    (stuck,) = it.memory.all(RollbackStuck)
    assert "v1.3.0 did not come up as meant within 60 s" in stuck.words
    waited = it.clock.waited
    it.turn()
    assert it.clock.waited == waited  # a turn that only looks does not wait

    it.docker.sick.clear()
    it.turn()

    assert_put_back_once(it)


@LAYOUTS
def test_an_old_pair_that_was_made_again_and_comes_up_late_leaves_nothing_beside_it(
    world, shared
):
    it = world(shared=shared)
    (old,) = it.docker.boxes
    it.docker.crashing.add(a_pair("v1.2.0").image)
    it.docker.sick.add(a_pair("v1.3.0").image)
    it.docker.fuse = Meddler(it.docker, lambda: it.docker.boxes.pop(old, None))
    it.turn()
    assert it.memory.all(RollbackStuck)

    it.docker.sick.clear()
    it.turn()

    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.0") == []
    assert it.docker.names() == it.container_names()


def test_what_is_left_over_when_a_person_mended_what_was_stuck_is_named(world):
    it = stuck_on_its_way_back(world)
    (new,) = [box["Name"] for box in it.docker.boxes.values() if ".rb-" in box["Name"]]
    (it.folder / ".env").write_text("TZ=UTC\nDMS_VERSION=v1.2.0\n")
    it.docker.refuses.clear()
    it.turn()  # somebody is at work: it waits
    for box in it.docker.boxes.values():
        if ".rb-" not in box["Name"]:
            box["State"] |= {"Running": True, "Status": "running"}

    it.turn()

    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    (ended,) = it.memory.all(RollbackEnded)
    assert f"`docker rm {new.strip('/')}`" in ended.hint


@pytest.mark.parametrize(
    ("version", "how"), [("v1.2.0", "proved"), ("v1.3.0", "overtaken")]
)
def test_a_person_who_puts_one_whole_pair_up_ends_what_was_stuck(world, version, how):
    it = stuck_on_its_way_back(world)

    it.docker.refuses.clear()
    it.compose_up(version)
    it.turn()

    assert ends(it) == [(how, "v1.3.0", "v1.2.0")]
    (ended,) = it.memory.all(RollbackEnded)
    said = "by hand, after it was stuck: "
    if how == "overtaken":
        said = "v1.3.0 was deployed meanwhile: dms-dms-1 (v1.3.0); "
    assert ended.proof.startswith(said)
    assert it.docker.calls == []


@LAYOUTS
def test_what_failed_is_told_with_what_a_person_must_do(world, shared):
    """The failed container goes; its last words and state stay with the incident."""
    it = world(shared=shared)
    it.docker.crashing.add(a_pair("v1.2.0").image)

    it.turn()

    (back,) = it.memory.all(WentBack)
    assert list(back.evidence) == ["dms"]
    assert "the logs of" in back.evidence["dms"]
    assert '"Status": "exited"' in back.evidence["dms"]
    (ended,) = it.memory.all(RollbackEnded)
    assert ended.hint == (
        "v1.3.0 serves again: find out why v1.2.0 did not come up, or deploy a good "
        "version; see docs/how-to/when-a-rollback-failed.md"
    )


UNREADABLE = pytest.mark.parametrize(
    "why",
    [
        EngineRefused("configured logging driver does not support reading"),
        Unreachable("the engine did not answer to read the logs"),
    ],
    ids=["refused", "hangs"],
)


@LAYOUTS
@UNREADABLE
def test_a_log_that_cannot_be_read_never_keeps_the_old_pair_from_coming_back(
    world, shared, why
):
    it = world(shared=shared)
    it.docker.crashing.add(a_pair("v1.2.0").image)
    it.docker.unreadable = why

    it.turn()

    assert_put_back_once(it)
    (back,) = it.memory.all(WentBack)
    assert '"Status": "exited"' in back.evidence["dms"]
    assert f"what it printed could not be read: {why.words}" in back.evidence["dms"]


@LAYOUTS
@UNREADABLE
def test_a_log_that_cannot_be_read_never_keeps_the_bad_container(world, shared, why):
    it = world(shared=shared)
    it.docker.unreadable = why

    it.turn()

    assert_rolled_back_once(it)
    assert it.memory.all(StepFailed) == []


def test_a_state_that_cannot_be_read_never_keeps_the_old_pair_from_coming_back(world):
    it = world()
    it.docker.crashing.add(a_pair("v1.2.0").image)
    made = it.transaction

    class Blind:
        """Hands that find no words for what they shall tell."""

        def __init__(self, hands):
            self.is_done, self.do = hands.is_done, hands.do

        def evidence_of(self, plan, step):
            raise KeyError("State")

    def blind():
        whole = made()
        return replace(whole, hands=Blind(whole.hands))

    it.transaction = blind
    it.turn()

    assert_put_back_once(it)
    (back,) = it.memory.all(WentBack)
    assert back.evidence == {"dms": "what it came to could not be read: 'State'"}


@pytest.mark.parametrize("gone", ["network", "source", "room"])
@LAYOUTS
def test_what_would_keep_the_target_from_starting_is_found_before_anything_stops(
    world, shared, gone, monkeypatch
):
    it = world(shared=shared, scale=THREE)
    # As if it had gone after the look that comes before a plan.
    it.checked = lambda plans, eyes: plans
    if gone == "network":
        it.docker.gone.add("dms_back")
    elif gone == "source":
        # Mounted by the record of the target, and not by what runs.
        for record in it.memory.records.values():
            for replica in record.replicas:
                replica.body["HostConfig"]["Binds"].append(f"{it.folder}/hubs:/h:ro")
    else:
        monkeypatch.setattr("os.access", lambda *_: False)
    before = {
        path: path.read_bytes() for path in it.folder.rglob("*") if path.is_file()
    }

    it.turn()

    assert it.stands_on("v1.3.0") == []
    assert ends(it) == [("unchanged", "v1.3.0", "v1.2.0")]
    assert it.docker.calls == []
    assert before == {
        path: path.read_bytes() for path in it.folder.rglob("*") if path.is_file()
    }
    (ended,) = it.memory.all(RollbackEnded)
    assert {
        "network": "network dms_back, which dms-dms-1 was on, is gone",
        "source": f"{it.folder}/hubs, which dms-dms-1 mounts, is gone",
        "room": "has room for 0 bytes, ",
    }[gone] in ended.proof
    assert ended.hint.startswith("v1.3.0 runs as before: ")


# The engine goes away.


@LAYOUTS
def test_an_engine_that_goes_away_at_any_call_is_waited_for(world, shared):
    """Each mutation in turn finds the engine gone; it comes back three turns later."""
    calls = world(shared=shared)
    calls.turn()
    for number in range(1, len(calls.docker.calls) + 1):
        it = world(shared=shared)
        begin = len(it.docker.calls)

        class Gone(Fuse):
            """Takes the engine down once it made *number* calls."""

            def __init__(self, docker, begin, number):
                super().__init__()
                self.docker, self.begin, self.number = docker, begin, number

            def passes(self):
                super().passes()
                if len(self.docker.calls) - self.begin == self.number:
                    self.docker.down = True

        it.docker.fuse = Gone(it.docker, begin, number)
        words = [it.turn() for _ in range(3)]
        it.docker.fuse = Fuse()
        it.docker.down = False
        turn_until_it_ended(it)

        assert_rolled_back_once(it)
        if number < len(calls.docker.calls):
            assert words == ["rolling back, but waiting: the engine did not answer"] * 3
            lost = it.memory.all(FarEndLost)
            assert lost == [FarEndLost("engine", "the engine did not answer")]


# The end.


@LAYOUTS
@SIZES
def test_an_old_container_that_stays_after_the_proof_turns_nothing_around(
    world, shared, scale
):
    it = world(shared=shared, scale=scale)
    it.docker.refuses["remove", ".rb-old-"] = "device or resource busy"

    it.turn()

    assert it.stands_on("v1.2.0") == []
    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert it.memory.all(WentBack, RollbackStuck) == []
    assert len(it.memory.all(StepFailed)) == len(it.container_names())
    assert [n for n in it.docker.names() if ".rb-old-" not in n] == it.container_names()


@pytest.mark.parametrize("removed", range(3))
def test_after_the_proof_a_target_that_falters_is_not_turned_around(world, removed):
    """The power went after the proof; the target is not well when it comes back."""
    it = world(scale=THREE)
    whole = world(scale=THREE)
    whole.turn()
    calls = [do for do, _ in whole.docker.calls]
    before_removing = len(calls) - 3 + removed

    class Dies(Fuse):
        def passes(self):
            if len(it.docker.calls) == before_removing + 1:
                raise PowerCut
            super().passes()

    it.docker.fuse = Dies()
    with pytest.raises(PowerCut):
        it.turn()
    it.docker.fuse = Fuse()
    it.docker.sick.add(a_pair("v1.2.0").image)
    turn_until_it_ended(it)

    assert_rolled_back_once(it)
    assert it.memory.all(WentBack, RollbackStuck) == []


def test_a_journal_that_fails_stops_everything_at_once(world):
    whole = world()
    begun = len(whole.memory.entries)
    whole.turn()

    for after in range(begun, len(whole.memory.entries) - 1):
        it = world()
        it.memory.fuse = FullAfter(it.memory, after)
        with pytest.raises(JournalLost, match="the disk is full"):
            it.turn()

        troubles = (StepFailed, WentBack, RollbackStuck, RollbackRefused)
        assert it.memory.all(*troubles) == []
        turn_until_it_ended(it)
        assert_rolled_back_once(it)


class FullAfter(Fuse):
    """Lets one journal entry fail, once it holds *after* of them."""

    def __init__(self, memory, after):
        super().__init__()
        self.memory, self.after = memory, after

    def passes(self):
        if len(self.memory.entries) >= self.after and not self.count:
            self.count = 1
            self.memory.broken = JournalLost("the disk is full")


def test_leftovers_that_cannot_be_cleared_do_not_keep_it_from_its_end(world):
    it = world()
    it.docker.refuses["connect", ""] = "no such network"
    it.docker.refuses["remove", ""] = "device or resource busy"

    it.turn()

    assert it.stands_on("v1.3.0") == []
    assert ends(it) == [("unchanged", "v1.3.0", "v1.2.0")]
    (ended,) = it.memory.all(RollbackEnded)
    assert it.turn() == ended.proof


def test_turning_takes_no_longer_than_it_is_given(world):
    it = world()
    it.docker.sick.add(a_pair("v1.2.0").image)
    before = it.clock.now()

    it.turn(0 * SECOND)

    assert 60 * SECOND <= it.clock.now() - before < 61 * SECOND


@pytest.mark.parametrize(
    "text",
    ["DMS_VERSION=v0\nDMS_VERSION=v1.3.0\n", "export DMS_VERSION='v1.3.0'\n"],
    ids=["written twice", "exported"],
)
def test_the_way_back_pins_what_compose_read(world, text):
    it = world()
    (it.folder / ".env").write_text(text)
    it.docker.crashing.add(a_pair("v1.2.0").image)

    it.turn()

    (begun,) = it.memory.all(RollbackStarted)
    assert begun.plan.variable_before == "v1.3.0"
    assert it.pinned() == text


def test_another_stacks_container_of_an_operation_of_the_same_name_is_let_alone(world):
    """Two stacks on one engine, with incidents of one second, once met here."""
    for cut in itertools.count(1):
        it = world()
        it.fuse.cuts = {it.fuse.count + cut}
        with contextlib.suppress(PowerCut):
            it.turn()
        made = [b for b in it.docker.boxes.values() if ".rb-" in b["Name"]]
        if made:
            break
    theirs = copy.deepcopy(made[0]) | {"Id": "f" * 64, "Name": "/other-dms-1.rb-x"}
    theirs["Config"]["Labels"] |= {
        "com.docker.compose.project": "other",
        "io.flexli.rollback.replaces": "what ran there",
    }
    it.docker.boxes[theirs["Id"]] = theirs
    before = copy.deepcopy(theirs)

    turn_until_it_ended(it)

    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert it.docker.boxes[theirs["Id"]] == before


# Smoke checks.

CHECK = Asks("http://dms:5269/version")


class Warming(dict):
    """Answers that come right at the *n*-th time of asking."""

    def __init__(self, n):
        super().__init__()
        self.n, self.asked = n, 0

    def __getitem__(self, check):
        self.asked += 1
        fine = self.asked >= self.n
        return Answer(fine, "GET says 200" if fine else "GET says 503, meant 200")


def test_smoke_checks_are_asked_again_each_second_until_they_pass(world):
    it = world()
    it.rules = replace(it.rules, smoke=(CHECK,))
    it.smoke = Warming(4)

    it.turn()

    assert_rolled_back_once(it)
    assert it.smoke.asked == 4
    assert it.clock.waited == 3.0
    (ended,) = it.memory.all(RollbackEnded)
    assert ended.proof.endswith("; GET says 200")


def test_no_question_outlasts_the_proofs_own_deadline(world):
    it = world()
    given = []

    def hangs(_meant, within):
        given.append(within.total_seconds())
        it.clock.at += min(within, 3 * SECOND)
        return (Answer(fine=False, words="it did not answer"),)

    it.docker.answers = hangs
    it.turn()

    patience = it.rules.prove_within.total_seconds()
    assert given[0] == patience
    assert min(given) < 3  # the last one has what is left
    failed = it.memory.all(StepFailed)[0]
    assert f"within {patience:g} s: it did not answer" in failed.words


def test_smoke_checks_wait_for_health_and_stop_at_the_first_that_fails(world):
    it = world()
    it.rules = replace(it.rules, smoke=(CHECK, Asks("http://dms:5269/scan")))
    it.smoke = Warming(99)
    it.docker.sick.add(a_pair("v1.2.0").image)

    it.turn()

    assert_put_back_once(it)
    # Never of the sick target; once of what was put back.
    assert it.smoke.asked == 1


@LAYOUTS
def test_a_target_that_never_passes_is_put_back_whatever_the_old_one_says(
    world, shared
):
    it = world(shared=shared)
    it.rules = replace(it.rules, smoke=(CHECK,))
    it.smoke = Warming(99)

    it.turn()

    assert_put_back_once(it)
    (back,) = it.memory.all(WentBack)
    assert back.words == (
        "v1.2.0 did not come up as meant within 60 s: smoke check failed: "
        "GET says 503, meant 200"
    )
    (ended,) = it.memory.all(RollbackEnded)
    assert ended.proof.endswith(
        "smoke check failed, as it may have before: GET says 503, meant 200"
    )


# An engine that restarts, or forgets.


def before_the_last_removal(it):
    """Bring *it* to where everything is proved, and nothing removed yet."""

    class Dies(Fuse):
        def passes(self):
            if any(do == "remove" for do, _ in it.docker.calls):
                raise PowerCut
            super().passes()

    it.docker.fuse = Dies()
    with pytest.raises(PowerCut):
        it.turn()
    it.docker.fuse = Fuse()


def put_aside(box):
    box["State"] |= {"Running": False, "Status": "exited"}
    box["Name"] += ".rb-old-0"


@LAYOUTS
@SIZES
def test_a_container_that_the_engine_forgot_to_have_removed_is_removed_again(
    world, shared, scale
):
    it = world(shared=shared, scale=scale)
    olds = copy.deepcopy(it.docker.boxes)
    it.turn()
    it.turn()
    assert_rolled_back_once(it)
    for old in olds.values():
        # It was stopped and put aside when the engine wrote for the last time.
        put_aside(old)
    it.docker.boxes |= olds

    said = it.turn()

    assert said == "rollback to v1.2.0 proved again"
    (again,) = it.memory.all(RollbackReopened)
    assert f"the engine forgot `remove {first(it)} (old)`" in again.words
    assert [e.how for e in it.memory.all(RollbackMended)] == ["proved"]
    assert_rolled_back_once(it)
    it.turn()
    assert len(it.memory.all(RollbackReopened)) == 1


def test_an_engine_that_starts_the_old_one_again_does_not_keep_it(world):
    it = world()
    olds = copy.deepcopy(it.docker.boxes)
    it.turn()
    it.turn()
    for old in olds.values():
        old["Name"] += ".rb-old-0"
    it.docker.boxes |= olds

    it.turn()

    assert_rolled_back_once(it)


def test_nothing_is_taken_up_again_once_somebody_deployed(world):
    it = world()
    olds = copy.deepcopy(it.docker.boxes)
    it.turn()
    it.numbers.values[AWB.name] = 0
    it.compose_up("v1.3.1")
    it.turn(MINUTE)
    for old in olds.values():
        put_aside(old)
    it.docker.boxes |= olds

    it.turn()

    assert it.memory.all(RollbackReopened) == []
    assert it.stands_on("v1.3.1") == []


@SIZES
def test_a_proved_target_that_the_engine_took_down_is_started_before_the_rest_goes(
    world, scale
):
    it = world(scale=scale)
    before_the_last_removal(it)
    for box in it.docker.boxes.values():
        box["State"] |= {"Running": False, "Status": "exited"}

    turn_until_it_ended(it)

    assert_rolled_back_once(it)


@LAYOUTS
def test_a_name_that_the_engine_forgot_is_given_again_before_the_rest_goes(
    world, shared
):
    it = world(shared=shared)
    before_the_last_removal(it)
    (new,) = (box for box in it.docker.boxes.values() if box["State"]["Running"])
    new["Name"] += ".rb-0"

    turn_until_it_ended(it)

    assert_rolled_back_once(it)
