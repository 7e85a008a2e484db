"""The git executor, on a repository whose service really runs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.real.tree import BAD, OLD, Tree, a_port
from tests.worlds import SECOND
from watchdog.facts.pair import NotKnown
from watchdog.facts.problem import Held, Problem

pytestmark = pytest.mark.real

CHECKOUT = Path(__file__).resolve().parents[2]
TRACKED = pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "beside"])


@pytest.fixture
def tree(tmp_path):
    made = []

    def tree(*, tracked=True, **how):
        made.append(Tree(tmp_path, a_port(), tracked=tracked).make(**how))
        return made[-1]

    yield tree
    for one in made:
        one.strike()


def known(it, **chosen):
    """Run v1.2.0, note it, and go on to v1.3.0: a watch, and the target."""
    it.deploy(OLD)
    watch = it.watch(**chosen)
    target = watch.record()
    it.deploy(BAD)
    return watch, target


@pytest.mark.parametrize(
    ("tracked", "unfiled"),
    [(True, ""), (False, ""), (False, BAD)],
    ids=["tracked", "beside", "beside, and no release file says whose"],
)
def test_the_previous_tag_is_checked_out_and_serves(tree, tracked, unfiled):
    it = tree(tracked=tracked)
    watch, target = known(it, unfiled=unfiled)

    watch.begin(target)
    words = watch.carry_on()

    assert "proved" in words, words
    assert it.stands_on(OLD) == []
    assert it.starts() == [(OLD, OLD), (BAD, BAD), (OLD, OLD)]
    assert len(it.processes()) == 1


def test_a_persons_changes_are_never_lost(tree):
    it = tree()
    watch, target = known(it)
    mine = it.folder / "server.py"
    mine.write_text(mine.read_text() + "# mine\n")
    changed = mine.read_text()

    assert watch.eyes.obstacles() == (
        "the work tree has changes in server.py; commit or stash them",
    )
    watch.begin(target)
    words = watch.carry_on()

    assert "unchanged" in words
    assert mine.read_text() == changed
    assert BAD in it.answer()
    assert it.starts() == [(OLD, OLD), (BAD, BAD)]


def test_changes_made_in_the_middle_are_not_lost_either(tree):
    it = tree()
    watch, target = known(it)
    mine = it.folder / "server.py"

    class Editing:
        is_done, evidence_of = watch.hands.is_done, watch.hands.evidence_of

        def do(self, plan, record, step):
            watch.hands.do(plan, record, step)
            if step.do == "stop":
                mine.write_text(mine.read_text() + "# mine\n")

    watch.begin(target)
    words = watch.carry_on(Editing())

    assert "put-back" in words
    assert mine.read_text().endswith("# mine\n")
    it.serves(BAD)


def test_a_tag_that_moved_is_refused_before_anything_stops(tree):
    it = tree()
    watch, target = known(it)
    it.git("tag", "-f", OLD, BAD)

    watch.begin(target)
    watch.carry_on()

    assert watch.ends() == ["unchanged"]
    assert watch.failed()[0].startswith(f"tag {OLD} is ")
    assert it.starts() == [(OLD, OLD), (BAD, BAD)]


@pytest.mark.parametrize("fault", ["fails", "dies"])
@TRACKED
def test_a_start_that_fails_brings_the_previous_commit_back(tree, fault, tracked):
    it = tree(tracked=tracked)
    it.deploy(OLD)
    watch = it.watch(prove_within=SECOND)
    target = watch.record()
    it.deploy(BAD)
    (it.folder / f"{fault}-{OLD}").touch()

    watch.begin(target)
    words = watch.carry_to_its_end()

    assert "put-back" in words, words
    assert it.stands_on(BAD) == []
    assert it.starts() == [(OLD, OLD), (BAD, BAD), (BAD, BAD)]
    assert len(it.processes()) == 1


def test_the_branch_is_checked_out_again_and_not_its_commit_alone(tree):
    it = tree()
    it.deploy(OLD)
    watch = it.watch()
    target = watch.record()
    it.run("backend-stop")
    it.git("checkout", "-q", "main")
    it.run("backend-bg")
    it.serves(BAD)
    (it.folder / f"fails-{OLD}").touch()

    watch.begin(target)
    watch.carry_on()

    assert watch.ends() == ["put-back"]
    assert it.git("branch", "--show-current") == "main"
    assert it.stands_on(BAD) == []


def test_a_stop_that_stops_nothing_is_noticed(tree):
    it = tree()
    it.deploy(OLD)
    watch = it.watch(stop=["true"], timeout="1s")
    target = watch.record()
    it.deploy(BAD)

    watch.begin(target)
    watch.carry_on()

    assert watch.failed() == [f"`true` ended, but {it.health} still listens"]
    assert watch.ends() == ["put-back"]
    assert it.stands_on(BAD) == []
    assert it.starts() == [(OLD, OLD), (BAD, BAD)]


def test_a_start_that_never_ends_is_killed_and_said(tree):
    it = tree()
    watch, target = known(it)
    front = ["sh", "-c", "echo in front; exec sleep 60"]
    watch = again(watch, timeout="2s", start=front)

    watch.begin(target)
    watch.carry_on()

    words = "did not end within 2 s and was killed; it printed: in front"
    assert words in watch.failed()[0]


class Cut(BaseException):
    """The machine dies here."""


class Dying:
    """Hands that die before or after the k-th thing that they do."""

    def __init__(self, hands, at):
        self.hands, self.left = hands, at
        self.is_done, self.evidence_of = hands.is_done, hands.evidence_of

    def passes(self):
        self.left -= 1
        if self.left == 0:
            raise Cut

    def do(self, plan, target, step):
        self.passes()
        self.hands.do(plan, target, step)
        self.passes()


@pytest.mark.parametrize(
    "tracked",
    [pytest.param(True, marks=pytest.mark.campaign), False],
    ids=["tracked", "beside"],
)
def test_whatever_instant_it_dies_at_one_service_of_one_pair_runs(tree, tracked):
    it = tree(tracked=tracked, slow=0)
    watch, target = known(it)
    cuts = 0
    while True:
        watch.begin(target)
        try:
            watch.carry_on(Dying(watch.hands, cuts + 1))
        except Cut:
            cuts += 1
            watch = again(watch)
            watch.finish()
            assert watch.ends() == ["proved"] * cuts
            assert it.stands_on(OLD) == [], cuts
            assert len(it.processes()) == 1, cuts
            it.deploy(BAD)
            continue
        break

    assert cuts == (6 if tracked else 8)


def when_free(it):
    deadline = time.monotonic() + 60
    while True:
        try:
            return it.watch()
        except Held:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_watchdog_killed_while_the_start_runs_starts_no_second_service(tree):
    it = tree(slow=2)
    watch, target = known(it)
    watch.begin(target)
    watch.journal.close()
    ours = [
        sys.executable,
        "-m",
        "tests.real.tree",
        str(it.folder.parent),
        str(it.port),
    ]
    first = subprocess.Popen(ours, cwd=CHECKOUT, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (it.state / "commands/start.out").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    # The start command is still at work, and nobody waits for it. In the instant
    # before it is itself it is a copy of the killed one, which holds the journal.
    watch = when_free(it)

    said = watch.finish()

    assert watch.ends() == ["proved"], said
    assert "of before may still run" in said[0]
    assert it.stands_on(OLD) == []
    assert it.starts() == [(OLD, OLD), (BAD, BAD), (OLD, OLD)], said
    assert len(it.processes()) == 1


def test_what_no_tag_names_is_not_known(tree):
    it = tree()
    it.git("checkout", "-q", "-b", "work")
    it.git("commit", "-q", "--allow-empty", "-m", "work")

    seen = it.watch().eyes.running(lambda _: ())

    assert isinstance(seen, NotKnown)
    assert "which no tag names" in seen.words


def test_a_folder_without_git_is_refused_at_the_start(tmp_path):
    it = Tree(tmp_path, 1)
    it.folder.mkdir()

    with pytest.raises(Problem, match="is no git work tree with a commit"):
        it.watch()


@pytest.fixture
def signed(tmp_path):
    """Make the example's manifests, with their signatures."""
    folder = tmp_path / "stack"
    make = [sys.executable, str(CHECKOUT / "examples/dms/make-stack"), str(folder)]
    subprocess.run(make, check=True, capture_output=True)
    return folder / "manifests"


class Daemon:
    """A daemon over a work tree whose manifests lie beside git, and its commands."""

    def __init__(self, it, signed, folder):
        for file in signed.iterdir():
            (it.folder / "manifests" / file.name).write_bytes(file.read_bytes())
        # Beside the tree, as the runbook's page has it: a copy of a signed one.
        it.manifest = lambda version: it.write(
            "manifests/meesho.manifest.json",
            (signed / f"meesho.{version}.manifest.json").read_text(),
        )
        shutil.copytree(CHECKOUT / "config", folder / "config")
        chosen = {
            "CONFIG": str(folder / "config/watchdog.yaml"),
            "EXECUTOR": "git",
            "STACK__DIRECTORY": str(it.folder),
            "STACK__HEALTH": it.health,
            "STACK__VERSION": it.health,
            "STATE": str(it.state),
            "PROMETHEUS__URL": "http://127.0.0.1:1",
            "LISTEN__DECISIONS": "127.0.0.1:0",
            "LISTEN__PRIVATE": "127.0.0.1:0",
            "POLL": "1s",
            "LOG__FORMAT": "json",
            # There is none, and nobody needs one.
            "ENGINE__URL": "unix:///no/engine.sock",
        }
        named = {f"WATCHDOG_{key}": value for key, value in chosen.items()}
        self.env = os.environ | named
        self.log = folder / "log"

    def run(self):
        run = [sys.executable, "-m", "watchdog", "run"]
        with self.log.open("wb") as out:
            return subprocess.Popen(run, env=self.env, stdout=out, stderr=out)

    def told(self, *words):
        """Run a command; give its code and all that it said."""
        command = [sys.executable, "-m", "watchdog", *words]
        done = subprocess.run(
            command, env=self.env, check=False, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    def story(self, event):
        lines = self.log.read_text().splitlines()
        whole = [json.loads(line) for line in lines if line[0] == "{"]
        return [line for line in whole if line["event"] == event]

    def seen(self, event, count=1):
        deadline = time.monotonic() + 90
        while len(self.story(event)) < count:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)


@pytest.fixture
def two(tree, signed, tmp_path):
    """Give a daemon that knows v1.2.0 to be good and sees v1.3.0 run."""
    it = tree(tracked=False)
    daemon = Daemon(it, signed, tmp_path)
    it.deploy(OLD)
    process = daemon.run()
    try:
        daemon.seen("observe.pair_started")
        vouched = daemon.told("releases", "vouch", OLD, "--by", "asha")
        assert vouched == (0, f"asha vouched for {OLD}\n")
        it.deploy(BAD)
        daemon.seen("observe.pair_started", 2)
        yield it, daemon
    finally:
        process.terminate()
        process.wait(30)


def test_the_daemon_rolls_a_work_tree_back_when_a_person_says_so(two):
    it, daemon = two

    _, said = daemon.told("rollback", "--by", "asha", "--reason", "scans look wrong")

    assert f"proved: commit:{it.git('rev-parse', OLD)[:12]}; manifests" in said
    assert it.git("describe", "--tags") == OLD
    assert OLD in it.answer()
    assert len(it.processes()) == 1
    daemon.seen("observe.pair_started", 3)
    (audit,) = daemon.story("record.rollback_audited")
    assert (audit["previous"], audit["target"]) == (BAD, OLD)
    assert daemon.story("observe.pair_started")[2]["by"] == audit["op"]


@pytest.mark.parametrize(
    "version", [OLD, pytest.param(BAD, marks=pytest.mark.campaign)]
)
def test_a_manifest_that_was_changed_under_a_work_tree_is_mended(two, version):
    it, daemon = two
    code, said = daemon.told("repair")
    assert code == 0, said
    assert "is one whole pair; nothing to mend" in said
    active = it.folder / "manifests/meesho.manifest.json"
    active.write_text(f"{active.read_text()}\n")
    daemon.seen("observe.pair_unclear")

    code, said = daemon.told("repair")
    assert code == 1
    assert f"manifests changed under the running {BAD}" in said.splitlines()[0]
    assert f"is checked out: {BAD} ({it.git('rev-parse', BAD)[:12]})" in said
    assert said.count("watchdog repair --to ") == 2
    who = ("--by", "asha", "--reason", "somebody edited it")
    code, said = daemon.told("repair", "--to", version, *who)

    assert code == 0, said
    assert it.git("describe", "--tags") == version
    assert version in it.answer()
    kept = it.folder / f"manifests/meesho.{version}.manifest.json"
    assert active.read_bytes() == kept.read_bytes()
    assert len(it.processes()) == 1
    assert daemon.told("repair")[0] == 0


def again(watch, **git):
    """Start another watchdog over what *watch* left."""
    watch.journal.close()
    return watch.tree.watch(**git)
