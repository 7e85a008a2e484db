"""Files of the stack that somebody changes in the middle: none keeps the service down.

What was written is somebody's: it is kept, and named.
"""

import os

import pytest

from tests.turn.test_meanwhile import run_with
from tests.turn.test_transaction import Meddler, ends
from tests.worlds import MINUTE, Fuse, a_bad_release, a_pair, manifest_of, sha
from watchdog.facts.event import RollbackEnded, RollbackStuck

LAYOUTS = pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])
TARGETS = pytest.mark.parametrize("dead", [False, True], ids=["lives", "dies"])
THEIRS = "somebody else's\n"
AT = "manifests/meesho.manifest.json"


@pytest.fixture
def world(folders):
    return lambda **chosen: a_bad_release(folders(), **chosen)


def rewrites_the_targets_manifest(it):
    (it.folder / it._kept("v1.2.0")).write_text(THEIRS)


def makes_the_targets_manifest_a_link(it):
    path = it.folder / it._kept("v1.2.0")
    path.unlink()
    path.symlink_to("elsewhere")


def rewrites_what_the_containers_have(it):
    """Rewrite the shared one, or in the other layout that of the pair that ran."""
    (it.folder / it._at("v1.3.0")).write_text(THEIRS)


def breaks_the_env_file(it):
    (it.folder / ".env").write_text(f"{it.pinned()}THIS IS NO LINE\n")


def removes_the_env_file(it):
    (it.folder / ".env").unlink(missing_ok=True)


def makes_the_env_file_a_folder(it):
    (it.folder / ".env").unlink()
    (it.folder / ".env").mkdir()


@pytest.mark.parametrize(
    "deed",
    [
        rewrites_the_targets_manifest,
        makes_the_targets_manifest_a_link,
        rewrites_what_the_containers_have,
        breaks_the_env_file,
        removes_the_env_file,
        makes_the_env_file_a_folder,
    ],
)
@LAYOUTS
@TARGETS
def test_whatever_file_is_changed_at_any_instant_one_pair_serves(
    world, shared, dead, deed
):
    unseen, every = 0, int(os.environ.get("OPERATOR_EVERY", "7"))
    at = 1 + len(deed.__name__) % every
    while True:
        it = world(shared=shared, dead=dead)
        fuse = run_with(it, deed, at)
        if fuse.done_after is None:
            break
        story = "\n".join(
            [f"{deed.__name__} at {at}: {ends(it)}", str(it.docker.up())]
            + [stuck.words for stuck in it.memory.all(RollbackStuck)]
        )
        assert len(it.docker.up()) == 1, story
        # Nobody can see what happens in the very instant of a start.
        mixed = it.docker.starts[-1][1] == (sha(THEIRS),)
        assert len(ends(it)) == 1 or mixed, story
        assert mixed or it.docker.names() == it.container_names(), story
        unseen += mixed
        at += every
    assert unseen <= 1
    assert at > 20


def in_the_swap(it, deed):
    """Have *deed* done once, as soon as what ran was stopped."""
    done = []
    it.docker.fuse = Meddler(it.docker, lambda: done or done.append(deed()))


@pytest.mark.parametrize("kind", ["other bytes", "a link", "a folder"])
def test_what_somebody_puts_at_the_shared_manifests_place_gives_way_and_is_kept(
    world, kind
):
    it = world(shared=True)
    path = it.folder / AT

    def put():
        path.unlink()
        if kind == "a link":
            path.symlink_to("theirs.json")
        elif kind == "a folder":
            path.mkdir()
        else:
            path.write_text(THEIRS)

    in_the_swap(it, put)
    it.turn()

    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.0") == []
    (ended,) = it.memory.all(RollbackEnded)
    (beside,) = it.folder.glob(f"{AT}.rb-theirs-*")
    said = f"what somebody else put there is kept as manifests/{beside.name}"
    assert said in ended.proof
    assert beside.is_symlink() == (kind == "a link")
    if kind == "other bytes":
        assert beside.read_text() == THEIRS


def test_a_shared_manifest_that_was_changed_before_anything_stopped_stops_nothing(
    world,
):
    it = world(shared=True)
    started = list(it.docker.starts)
    it.docker.fuse = Meddler(
        it.docker, lambda: (it.folder / AT).write_text(THEIRS), after="create"
    )
    it.turn()

    assert ends(it) == [("unchanged", "v1.3.0", "v1.2.0")]
    assert it.docker.starts == started
    assert it.pinned() == "TZ=UTC\nDMS_VERSION=v1.3.0\n"
    assert (it.folder / AT).read_text() == THEIRS


def test_who_puts_a_manifest_down_has_the_time_to_deploy_it(world):
    """The runbook's layout: the manifest first, then ``up -d``, some seconds later."""
    it = world(shared=True)
    deployed = []

    def deploys():
        (it.folder / AT).write_text(manifest_of("meesho", "v1.3.1"))
        pause = it.clock.pause

        def waits(seconds):
            pause(seconds)
            if it.clock.waited > 5 and not deployed:
                deployed.append(it.compose_up("v1.3.1"))

        it.clock.pause = waits

    in_the_swap(it, deploys)
    it.turn()

    assert deployed
    assert ends(it) == [("overtaken", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.1") == []


def test_a_stop_that_is_refused_leaves_what_runs_and_nobody_stuck(world):
    it = world(shared=True)
    it.docker.refuses["stop", ""] = "permission denied"

    it.turn()

    assert it.memory.all(RollbackStuck) == []
    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.0") == []


def test_what_ran_comes_up_again_where_its_manifest_was_changed_as_it_started(world):
    """It met other bytes than its own, refused them, and is started again and again."""
    it = world(shared=True, dead=True)
    boxes = it.docker.boxes
    (old,) = boxes
    theirs = []

    def refuses_what_is_not_its_own():
        state = boxes[old]["State"]
        started = it.docker.starts[-1][0] == a_pair("v1.3.0").image
        if started and state["Running"] and not theirs and len(it.docker.starts) > 3:
            theirs.append((it.folder / AT).write_text(THEIRS))
        if theirs and old in boxes:
            fine = (it.folder / AT).read_text() == manifest_of("meesho", "v1.3.0")
            word = "running" if fine else "restarting"
            state |= {"Status": word, "Running": fine, "Restarting": not fine}

    class Lives(Fuse):
        def passes(self):
            if it.memory.standing.rollback is not None:
                refuses_what_is_not_its_own()

    it.docker.fuse = it.memory.fuse = Lives()
    for _ in range(4):
        it.turn(MINUTE)

    assert theirs
    assert ends(it) == [("put-back", "v1.3.0", "v1.2.0")]
    assert it.stands_on("v1.3.0") == []
