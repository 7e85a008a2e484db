"""Operators and pipelines at work in the middle of a rollback, at every instant."""

import os
import shutil

import pytest

from tests.turn.test_ordering import order
from tests.turn.test_transaction import Meddler, ends, shown
from tests.worlds import AWB, MINUTE, REPOSITORY, Fuse, PowerCut, a_bad_release, a_pair
from watchdog.decide.policy import forbidden
from watchdog.facts.event import (
    PairStarted,
    PromotionPaused,
    RollbackEnded,
    RollbackRefused,
    RollbackStarted,
    RollbackStuck,
)
from watchdog.facts.problem import EngineRefused

LAYOUTS = pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])
THREE = {"dms": 1, "worker": 1, "relay": 1}
OP = "io.flexli.rollback.op"
SERVICE = "com.docker.compose.service"


@pytest.fixture
def world(folders):
    def world(*, scale=None, **chosen):
        scale = scale or {"dms": 1}
        return a_bad_release(folders(), services=tuple(scale), scale=scale, **chosen)

    return world


class Once(Fuse):
    """Has *deed* done to *it* at the *at*-th instant of a rollback, once."""

    def __init__(self, it, at, deed):
        super().__init__()
        self.it, self.at, self.deed = it, at, deed
        self.done_after = None

    def passes(self):
        if self.it.memory.standing.rollback is None:
            return
        super().passes()
        if self.count == self.at:
            self.done_after = len(self.it.memory.entries)
            self.deed(self.it)

    def came_in_time(self):
        """Tell whether anything was looked at after the deed, before the end."""
        events = self.it.memory.all()[self.done_after :]
        return not isinstance(events[0], RollbackEnded | PromotionPaused)


# What people do.


def removes_ours(it):
    for id_, box in list(it.docker.boxes.items()):
        if OP in box["Config"]["Labels"]:
            del it.docker.boxes[id_]


def removes_what_ran(it):
    for id_, box in list(it.docker.boxes.items()):
        if OP not in box["Config"]["Labels"]:
            del it.docker.boxes[id_]


def removes_what_is_stopped(it):
    for id_, box in list(it.docker.boxes.items()):
        if not box["State"]["Running"]:
            del it.docker.boxes[id_]


def deploys_the_same_again(it):
    it.compose_up("v1.3.0")


def deploys_a_third_version(it):
    it.compose_up("v1.3.1")


def deploys_the_target(it):
    it.compose_up("v1.2.0")


def deploys_with_another_environment(it):
    """Deploy as a pipeline that sets the version in its environment, not the file."""
    env = it.pinned()
    it.compose_up("v1.3.0")
    (it.folder / ".env").write_text(env)


def takes_it_down(it):
    it.docker.boxes.clear()
    it.docker.gone |= set(it.networks)


def saves_the_old_env(it):
    (it.folder / ".env").write_text("TZ=UTC\nDMS_VERSION=v1.3.0\n")


def pins_a_third(it):
    (it.folder / ".env").write_text("TZ=UTC\nDMS_VERSION=v1.3.1\n")


def loses_a_part(it):
    pins_a_third(it)
    for id_, box in list(it.docker.boxes.items()):
        if box["Config"]["Labels"][SERVICE] == "worker":
            del it.docker.boxes[id_]


def moves_the_manifests(it):
    shutil.move(it.folder / "manifests", it.folder / "manifests.moved")


DEEDS = pytest.mark.parametrize(
    "deed",
    [
        removes_ours,
        removes_what_ran,
        removes_what_is_stopped,
        deploys_the_same_again,
        deploys_a_third_version,
        deploys_the_target,
        deploys_with_another_environment,
        saves_the_old_env,
        pins_a_third,
        moves_the_manifests,
    ],
)


def run_with(it, deed, at):
    """Roll back with *deed* at the *at*-th instant; give the fuse."""
    fuse = Once(it, at, deed)
    it.docker.fuse = it.memory.fuse = it.fuse = fuse
    for _ in range(8):
        it.turn(MINUTE)
        if it.memory.all(RollbackEnded):
            break
    it.docker.fuse = it.memory.fuse = it.fuse = Fuse()
    return fuse


def assert_one_whole_pair_serves(it, story):
    up = [image for image, _ in it.docker.up().values()]
    assert len(up) == len(it.container_names()), story
    assert len(set(up)) == 1, story
    mixed = [one for one in it.pairs_started() if len(set(one)) > 1]
    assert mixed == [], story
    (ended,) = it.memory.all(RollbackEnded)
    version = next(v for v in it.releases if a_pair(v).image == up[0])
    if ended.how == "proved":
        assert it.pinned() == "TZ=UTC\nDMS_VERSION=v1.2.0\n", story
    if ended.how in ("proved", "unpinned"):
        assert version == "v1.2.0", story
    if ended.how in ("put-back", "unchanged"):
        assert version == "v1.3.0", story
    assert "rolling-back-to" not in it.pinned(), story
    assert len(it.memory.all(RollbackStarted)) == 1, story


def story_of(it, deed, at):
    return "\n".join(
        [f"{deed.__name__} at {at}: {ends(it)}", shown(it)]
        + [str(it.docker.up()), str(it.docker.names()), it.pinned()]
        + [
            f"{type(e).__name__} {getattr(e, 'words', '')} {getattr(e, 'step', '')}"
            for e in it.memory.all()[-25:]
        ]
    )


@DEEDS
@LAYOUTS
@pytest.mark.parametrize("dead", [False, True], ids=["target lives", "target dies"])
def test_whatever_people_do_at_any_instant_one_whole_pair_serves(
    world, shared, dead, deed
):
    if dead and deed in (deploys_the_target, moves_the_manifests):
        pytest.skip("no pair is left that could serve")
    every = int(os.environ.get("OPERATOR_EVERY", "5"))
    at, beside = 1 + len(deed.__name__) % every, 0
    while True:
        it = world(shared=shared, dead=dead)
        fuse = run_with(it, deed, at)
        if fuse.done_after is None:
            break
        if fuse.came_in_time():
            assert_one_whole_pair_serves(it, story_of(it, deed, at))
        beside += bool(it.docker.beside)
        at += every
    assert at > 20
    # Nobody can see what happens in the very instant of a start.
    assert beside <= 2


@DEEDS
@LAYOUTS
def test_whatever_people_do_to_three_services_one_whole_pair_serves(
    world, shared, deed
):
    every = int(os.environ.get("OPERATOR_EVERY", "37"))
    for at in range(1 + len(deed.__name__) % every, 200, every):
        it = world(shared=shared, scale=THREE)
        fuse = run_with(it, deed, at)
        if fuse.done_after is None:
            break
        if fuse.came_in_time():
            assert_one_whole_pair_serves(it, story_of(it, deed, at))


def takes_all_off_their_networks(it):
    for box in it.docker.boxes.values():
        box["NetworkSettings"]["Networks"].clear()


@LAYOUTS
@pytest.mark.parametrize("dead", [False, True], ids=["lives", "dies"])
def test_what_somebody_took_off_its_networks_is_put_on_them_before_it_serves(
    world, shared, dead
):
    at = 1
    while True:
        it = world(shared=shared, dead=dead)
        it.lasting = 2.0
        fuse = run_with(it, takes_all_off_their_networks, at)
        if fuse.done_after is None:
            break
        story = story_of(it, takes_all_off_their_networks, at)
        assert_one_whole_pair_serves(it, story)
        (up,) = [b for b in it.docker.boxes.values() if b["State"]["Running"]]
        on = set(up["NetworkSettings"]["Networks"])
        # Of what ran before it is not asked how well it is.
        seen = "start dms (old)" if dead else "prove v1.2.0 (new)"
        left = it.memory.all()[fuse.done_after :]
        words = [event.step.words for event in left if hasattr(event, "step")]
        late = not any(one.startswith(seen) for one in words)
        assert late or on == set(it.networks), story
        at += 3


def test_what_ran_does_not_run_on_where_somebody_started_it_off_its_networks(world):
    it = world()
    (old,) = it.docker.boxes

    def starts_it_reaching_nobody():
        box = it.docker.boxes[old]
        box["NetworkSettings"]["Networks"].clear()
        box["State"] |= {"Running": True, "Status": "running"}

    answers, started = it.docker.answers, []

    def in_the_proof(*asked):
        answer = answers(*asked)
        if it.memory.standing.rollback is not None and not started:
            started.append(starts_it_reaching_nobody())
        return answer

    it.docker.answers = in_the_proof
    for _ in range(3):
        it.turn(MINUTE)

    assert started
    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.2.0") == []
    assert it.docker.names() == it.container_names()


def cleans_up(it):
    """Prune containers, then images, as who needs room does."""
    removes_what_is_stopped(it)
    prunes_images(it)
    it.prunes_on = True


def prunes_images(it):
    used = {box["Image"] for box in it.docker.boxes.values()}
    tags = it.docker.tags
    for ref in [ref for ref, image in tags.items() if image not in used]:
        del tags[ref]


@LAYOUTS
@pytest.mark.parametrize("dead", [False, True], ids=["target lives", "target dies"])
def test_whoever_cleans_up_at_any_instant_one_whole_pair_serves(world, shared, dead):
    at = 1
    while True:
        it = world(shared=shared, dead=dead)
        create, it.prunes_on = it.docker.create, False

        def from_an_image(name, body, networks, it=it, create=create):
            if it.prunes_on:  # what was pulled meanwhile goes, too
                it.prunes_on = False
                prunes_images(it)
            if body["Image"] not in it.docker.tags:
                raise EngineRefused(f"No such image: {body['Image']}")
            return create(name, body, networks)

        it.docker.create = from_an_image
        fuse = run_with(it, cleans_up, at)
        if fuse.done_after is None:
            break
        story = story_of(it, cleans_up, at)
        assert_one_whole_pair_serves(it, story)
        assert ends(it)[0][0] != "overtaken", story
        at += 3
    assert at > 20


@LAYOUTS
def test_what_was_deployed_meanwhile_is_rolled_back_like_any_other(world, shared):
    it = world(shared=shared)
    dies_after(it, "create")
    it.numbers.values[AWB.name] = 0
    deploys_the_same_again(it)

    it.turn()

    assert ends(it) == [("overtaken", "v1.3.0", "v1.2.0")]
    assert it.docker.calls == []
    assert it.stands_on("v1.3.0") == []
    it.turn()
    it.turn(MINUTE)
    it.numbers.values[AWB.name] = 9
    it.turn()

    assert ends(it)[1:] == [("proved", "v1.3.0", "v1.2.0")]
    assert it.memory.all(RollbackStarted)[-1].automatic
    assert it.stands_on("v1.2.0") == []


class PowerCutAfter(Fuse):
    """Cuts the power once the engine was told *what*."""

    def __init__(self, docker, what):
        super().__init__()
        self.docker, self.what = docker, what

    def passes(self):
        if self.what in {do for do, _ in self.docker.calls}:
            raise PowerCut


def dies_after(it, call):
    """Let the watchdog turn, and die once it told the engine *call*."""
    it.docker.fuse = PowerCutAfter(it.docker, call)
    with pytest.raises(PowerCut):
        it.turn()
    it.docker.fuse = Fuse()


@LAYOUTS
def test_a_stack_that_was_taken_down_is_left_down_and_its_env_names_a_version(
    world, shared
):
    for at in range(1, 60, 7):
        it = world(shared=shared)
        fuse = run_with(it, takes_it_down, at)
        if fuse.done_after is None or not fuse.came_in_time():
            break

        story = story_of(it, takes_it_down, at)
        assert it.docker.up() == {}, story
        (ended,) = it.memory.all(RollbackEnded)
        assert ended.how == "overtaken", story
        assert "somebody took the stack down" in ended.proof, story
        assert "`docker compose up -d` puts the version up" in ended.hint, story
        assert ("rolling-back-to-" in ended.hint) == shared, story
        assert "rolling-back-to" not in it.pinned(), story


@LAYOUTS
def test_an_env_file_that_was_set_back_is_said_and_not_called_proved(world, shared):
    it = world(shared=shared)
    whole = Once(it, 10_000, saves_the_old_env)
    it.docker.fuse = it.memory.fuse = whole
    it.turn()

    other = world(shared=shared)
    run_with(other, saves_the_old_env, whole.count - 6)

    (ended,) = other.memory.all(RollbackEnded)
    assert (ended.how, other.pinned()) == ("unpinned", "TZ=UTC\nDMS_VERSION=v1.3.0\n")
    assert ended.proof.startswith(
        "the env file does not say v1.2.0 any more: somebody set it back; "
    )
    assert "promotion" not in ended.hint
    assert "write DMS_VERSION=v1.2.0 into the env file" in ended.hint
    assert any(ended.proof in why for why in other.memory.standing.paused["v1.2.0"])


def test_the_way_back_makes_again_what_somebody_removed_before_it_stops_anything(world):
    it = world()
    (old,) = it.docker.boxes
    it.docker.sick.add(a_pair("v1.2.0").image)
    it.docker.fuse = Meddler(it.docker, lambda: it.docker.boxes.pop(old, None))
    it.turn()

    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.0") == []
    done = [do for do, _ in it.docker.calls]
    assert done.index("create", 1) < done.index("stop", done.index("stop") + 1)
    it.turn()
    assert it.memory.all(PairStarted)[-1].by
    # What was put back can be rolled back by people, as if it had never stopped.
    assert "result-of-a-rollback" not in forbidden(it.memory.standing, None)


def test_a_target_that_runs_is_left_running_where_nothing_leads_back(world):
    it = world()
    (old,) = it.docker.boxes
    it.docker.sick.add(a_pair("v1.2.0").image)
    it.docker.fuse = Meddler(it.docker, lambda: it.docker.boxes.pop(old, None))
    it.docker.refuses["create", ".rb-back-"] = "no space left on device"

    it.turn()

    (stuck,) = it.memory.all(RollbackStuck)
    assert stuck.words.endswith(
        "no space left on device; the way back is gone, and v1.2.0 is left running, "
        "not proved"
    )
    assert [image for image, _ in it.docker.up().values()] == [a_pair("v1.2.0").image]

    it.docker.refuses.clear()
    it.docker.fuse = Fuse()
    it.turn(MINUTE)

    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.0") == []


def recreates_and_fails(it, also=()):
    """Have Compose remove what ran, and fail over a name with the next half made.

    *also* is removed with it.
    """
    boxes = it.docker.boxes.values()
    (ran,) = [box for box in boxes if OP not in box["Config"]["Labels"]]
    labels = ran["Config"]["Labels"]
    for id_ in {ran["Id"], *also}:
        del it.docker.boxes[id_]
    body = {"Image": f"{REPOSITORY}:v1.2.0", "Labels": labels}
    body["HostConfig"] = ran["HostConfig"]
    fuse, it.docker.fuse = it.docker.fuse, Fuse()
    id_ = it.docker.create(f"{ran['Id'][:12]}_dms-dms-1", body, it.networks)
    it.docker.fuse = fuse
    return id_


@pytest.mark.parametrize("ours_too", [False, True], ids=["ours stays", "ours went"])
@pytest.mark.parametrize("call", ["create", "stop"])
def test_what_compose_left_half_made_keeps_nobody_waiting_twice(world, call, ours_too):
    it = world()
    dies_after(it, call)
    ours = [i for i, b in it.docker.boxes.items() if OP in b["Config"]["Labels"]]
    half = recreates_and_fails(it, ours if ours_too else ())
    began = it.clock.waited

    it.turn()

    assert it.clock.waited - began < 30
    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.2.0") == []
    assert half not in it.docker.boxes
    assert "_dms-dms-1 half made; it never ran, and is removed" in ends_of(it).proof


def test_what_compose_left_half_made_does_not_spoil_the_proof_of_the_way_back(world):
    it = world()
    it.docker.sick.add(a_pair("v1.2.0").image)
    dies_after(it, "remove")
    half = recreates_and_fails(it)

    it.turn()

    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.0") == []
    assert half not in it.docker.boxes


def test_what_never_ran_is_left_alone_while_somebody_may_be_at_it(world):
    it = world()
    dies_after(it, "create")
    half = recreates_and_fails(it)
    clock, pause = it.clock, it.clock.pause

    def starts_it(seconds):
        pause(seconds)
        if clock.waited > 5 and half in it.docker.boxes:
            it.docker.boxes[half]["Name"] = "/dms-dms-1"
            it.docker.start(half)

    clock.pause = starts_it
    it.turn()

    assert half in it.docker.boxes
    assert list(it.docker.up()) == ["dms-dms-1"]
    assert it.docker.beside == []


@pytest.mark.parametrize("grace", [40, -1])
def test_what_waited_for_a_slow_stop_is_not_taken_for_left_over(world, grace):
    it = world()
    dies_after(it, "create")
    (ran,) = [b for b in it.docker.boxes.values() if b["State"]["Running"]]
    ran["Config"]["StopTimeout"] = grace
    half = recreates_and_fails(it)
    it.docker.boxes[half]["Config"]["StopTimeout"] = grace
    it.clock.pause(35)  # what ran took so long to end
    clock, pause, looked = it.clock, it.clock.pause, it.clock.waited

    def starts_it(seconds):
        pause(seconds)
        if clock.waited > looked + 2 and it.docker.boxes[half]["Name"] != "/dms-dms-1":
            it.docker.boxes[half]["Name"] = "/dms-dms-1"
            it.docker.start(half)

    clock.pause = starts_it
    it.turn()

    assert half in it.docker.boxes
    assert list(it.docker.up()) == ["dms-dms-1"]


def test_what_somebody_started_of_the_target_and_failed_does_not_stay_put_aside(world):
    it = world()
    it.docker.sick.add(a_pair("v1.2.0").image)
    deeds = []

    def changes_compose():
        if deeds:
            return
        deeds.append(True)
        removes_what_ran(it)
        removes_ours(it)
        fuse, it.docker.fuse = it.docker.fuse, Fuse()
        calls = list(it.docker.calls)
        it.compose_up("v1.2.0")
        it.docker.calls, it.docker.fuse = calls, fuse

    it.docker.fuse = Meddler(it.docker, changes_compose)
    it.turn()

    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.docker.names() == ["dms-dms-1"]


def ends_of(it):
    (ended,) = it.memory.all(RollbackEnded)
    return ended


# A part of the stack deployed by somebody.


def beside_a_part(world, at, *, shared=False, version="v1.3.1"):
    """Roll back, and have one of three services deployed at the *at*-th instant."""
    it = world(shared=shared, scale=THREE)
    fuse = Once(it, at, lambda it: it.compose_up(version, only=("worker",)))
    it.docker.fuse = it.memory.fuse = it.fuse = fuse
    for _ in range(4):
        it.turn(MINUTE)
    it.docker.fuse = it.memory.fuse = it.fuse = Fuse()
    it.numbers.values[AWB.name] = 0
    return it, fuse.done_after is not None


def is_mixed(it):
    return len({image for image, _ in it.docker.up().values()}) > 1


@LAYOUTS
@pytest.mark.parametrize("to", ["v1.2.0", "v1.3.0"])
def test_a_part_that_somebody_deploys_is_never_proved_and_one_command_mends_it(
    world, shared, to
):
    """At whatever instant: it says so with the command, which puts one pair up."""
    every = int(os.environ.get("OPERATOR_EVERY", "9"))
    at, stuck, mixed = 2, 0, 0
    while True:
        it, came = beside_a_part(world, at, shared=shared)
        if not came:
            break
        story = f"at {at}: {it.docker.up()} {it.docker.names()} {shown(it)}"
        how = [ended.how for ended in it.memory.all(RollbackEnded)]
        standing = it.memory.standing
        if standing.rollback is None:
            # It had ended, or had touched nothing yet: what runs is said to be split.
            assert not is_mixed(it) or standing.unclear, story
        else:
            stuck += 1
            assert how == [], story
            assert "watchdog repair --to v1.2.0 --by" in standing.rollback.hint, story
            if to == "v1.3.0":
                order(it, "repair", way="back")
            else:
                order(it, "repair", to=to)
            for _ in range(3):
                it.turn(MINUTE)
            wrong = [w for w in it.stands_on(to) if not w.startswith("started mixed")]
            assert wrong == [], story
            mixed += bool(it.stands_on(to))
            assert it.docker.names() == it.container_names(), story
            one, two = it.memory.all(RollbackEnded)[-2:]
            assert (one.how, one.what) == ("overtaken", "rollback"), story
            assert (two.how, two.what) == ("proved", "repair"), story
        at += every
    assert stuck > 2
    # Nobody can see a shared file that changes in the very instant of a start.
    assert mixed <= (3 if shared else 0)


def test_a_part_that_somebody_deploys_and_then_finishes_ends_it_as_overtaken(world):
    it, _ = beside_a_part(world, 12)
    assert it.memory.standing.rollback.theirs

    it.compose_up("v1.3.1")
    it.turn()

    assert ends(it) == [("overtaken", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.1") == []


@LAYOUTS
def test_a_part_that_a_deployment_lost_is_made_again_although_nothing_was_stopped(
    world, shared
):
    """Compose met our container beside it, removed both, and failed over a name."""
    for at in (8, 14, 20):
        it = world(shared=shared, scale=THREE)
        it.docker.fuse = it.memory.fuse = it.fuse = Once(it, at, loses_a_part)
        it.turn()
        it.docker.fuse = it.memory.fuse = it.fuse = Fuse()

        story = f"{at}: {ends(it)} {it.docker.up()} {shown(it)}"
        assert len(it.docker.up()) == 3, story
        assert not is_mixed(it), story
        (how, *_), *_ = ends(it)
        assert how in ("put-back", "proved", "unpinned"), story
        assert it.docker.names() == it.container_names(), story


@LAYOUTS
def test_a_target_that_somebody_started_too_early_is_started_again_on_its_manifest(
    world, shared
):
    it = world(shared=shared)
    dies_after(it, "create")
    ours = [i for i, box in it.docker.boxes.items() if OP in box["Config"]["Labels"]]
    before = len(it.pairs_started())
    for id_ in ours:  # as `docker compose start` does
        it.docker.start(id_)

    it.turn()

    assert [how for how, *_ in ends(it)] == ["proved"]
    whole, early = ("v1.2.0", "v1.2.0"), ("v1.2.0", "v1.3.0")
    assert it.pairs_started()[before:] == ([early, whole] if shared else [whole])
    assert set(it.docker.up()) == set(it.container_names())


class WhilePlanning(Fuse):
    """Has the running release deployed anew, once, before the rollback is planned."""

    def __init__(self, it):
        super().__init__()
        self.it, self.is_done = it, False

    def passes(self):
        s = self.it.memory.standing
        if s.incident is None or s.rollback is not None or self.is_done:
            return
        self.is_done = True
        deploys_the_same_again(self.it)


@LAYOUTS
def test_what_is_deployed_anew_while_it_is_planned_is_no_refusal_and_rolled_back(
    world, shared
):
    it = world(shared=shared)
    it.docker.fuse = it.memory.fuse = it.fuse = fuse = WhilePlanning(it)

    it.turn()
    it.docker.fuse = it.memory.fuse = it.fuse = Fuse()
    assert fuse.is_done
    assert ends(it) == []
    it.turn()  # it is another deployment, and is measured as one
    it.turn(MINUTE)
    it.turn(MINUTE)

    assert it.memory.all(RollbackRefused) == []
    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
    assert it.memory.all(RollbackStarted)[-1].automatic
