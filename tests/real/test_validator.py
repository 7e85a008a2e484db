"""The target's image is asked by its own validator before anything is touched."""

import time
import uuid

import pytest

from tests.real.rig import IMAGE, Rig, build, docker, write
from watchdog.facts.event import StepDone, StepFailed
from watchdog.facts.plan import Do
from watchdog.wiring.clock import RealClock

pytestmark = pytest.mark.real

OLD, BAD = "v1.2.0", "v1.3.0"
MOSTLY = pytest.mark.parametrize(
    "executor", ["engine", pytest.param("compose", marks=pytest.mark.campaign)]
)
HOLDS = "grep -qx {} /manifests/meesho.manifest.json"


class Asking(Rig):
    """A project whose rollbacks ask the target's image with a shell's *script*."""

    def __init__(self, folder, layout, script, executor="engine", within="20s"):
        project = f"ask-{uuid.uuid4().hex[:8]}"
        mount = {
            "versioned": "./manifests/meesho.${DMS_VERSION}.manifest.json"
            ":/manifests/meesho.manifest.json",
            "shared-file": "./manifests:/manifests",
        }
        whole = {
            "services": {
                "app": {
                    "image": f"{IMAGE}:${{DMS_VERSION:?}}",
                    "user": "0:0",
                    "environment": {"TRUSTS": "old-${DMS_VERSION}"},
                    "init": True,
                    "stop_grace_period": "1s",
                    "volumes": [mount[layout], "named:/named", "./data:/data"],
                }
            },
            "volumes": {"named": None},
        }
        files = {f"manifests/meesho.{v}.manifest.json": f"{v}\n" for v in (OLD, BAD)}
        write(folder / project, project, whole, files | {"data/file": ""})
        super().__init__(folder / project, project)
        self.layout = layout
        self.how = executor, {"validator": ["sh", "-c", script]}
        self.how[1]["validator_timeout"] = within
        self.restart()

    def restart(self, clock=None):
        """Start a watchdog's executor anew."""
        executor, stack = self.how
        self.wired(executor, stack=stack, clock=clock)

    def deploy(self, version):
        if self.layout == "shared-file":
            text = f"{version}\n"
            (self.folder / "manifests/meesho.manifest.json").write_text(text)
        return super().deploy(version)

    def validators(self):
        label = f"label=io.flexli.watchdog.project={self.project}"
        return docker("ps", "-aq", "--filter", label).split()

    def mounted(self, since):
        """Give the validators of *since*, and those with each volume they mounted."""
        until = f"--until={time.time():.9f}"
        label = f"label=io.flexli.watchdog.project={self.project}"
        told = ["events", f"--since={since:.9f}", until, "--format"]
        made = ["{{.Actor.ID}}", "--filter", "event=create", "--filter", label]
        with_ = ["{{.Actor.Attributes.container}}", "--filter", "type=volume"]
        validators = docker(*told, *made).split()
        places = docker(*told, *with_, "--filter", "event=mount").split()
        return validators, [one for one in places if one in validators]

    def answers(self):
        done = [e.evidence for e in self.events(StepDone) if e.step.do is Do.VALIDATE]
        return done + [
            e.words for e in self.events(StepFailed) if e.step.do is Do.VALIDATE
        ]


@pytest.fixture(scope="module", autouse=True)
def images():
    build()


@pytest.fixture
def asking(tmp_path):
    made = []

    def asking(*args, **more):
        made.append(Asking(tmp_path, *args, **more))
        return made[-1]

    yield asking
    for one in made:
        one.down()


def ready(it):
    """Have v1.2.0 recorded and v1.3.0 running; give the target and what runs."""
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    return target, it.inspect("app")["Id"]


@pytest.mark.parametrize(
    ("layout", "executor"),
    [
        ("versioned", "engine"),
        ("shared-file", "compose"),
        pytest.param("shared-file", "engine", marks=pytest.mark.campaign),
        pytest.param("versioned", "compose", marks=pytest.mark.campaign),
    ],
)
def test_an_image_that_takes_its_manifest_is_put_back(asking, layout, executor):
    it = asking(layout, HOLDS.format(OLD), executor)
    target, _ = ready(it)
    since = time.time()

    it.roll_back(target)

    (answer,) = it.answers()
    assert answer.endswith("in the image of v1.2.0 is fine")
    assert it.inspect("app")["Config"]["Image"] == f"{IMAGE}:{OLD}"
    assert it.validators() == []
    # It mounts no volume, whatever its image declares.
    validators, places = it.mounted(since)
    assert len(validators) == 1
    assert places == []


@MOSTLY
def test_an_image_that_refuses_its_manifest_is_no_target_and_nothing_is_touched(
    asking, executor
):
    script = "echo it trusts $TRUSTS only; exit 3"
    it = asking("versioned", script, executor)
    target, running = ready(it)
    env = (it.folder / ".env").read_text()

    it.begin(target)
    words = it.carry_on()

    assert "unchanged" in words
    (answer,) = it.answers()
    assert answer == (
        f"the image of v1.2.0 does not take its manifests: `sh -c {script}` exited 3: "
        "it trusts old-v1.2.0 only"
    )
    assert it.inspect("app")["Id"] == running
    assert it.inspect("app")["State"]["Status"] == "running"
    assert (it.folder / ".env").read_text() == env
    assert it.validators() == []


def test_a_validator_has_no_network_no_right_and_nothing_to_write_to(asking):
    look = (
        "cat /sys/class/net/*/operstate /proc/self/status; ls /sys/class/net; "
        "for there in / /data /manifests /named /keep; do "
        "touch $there/x 2>/dev/null && echo wrote $there; done; "
        "ls /named /data; exit 1"
    )
    it = asking("shared-file", look)
    target, _ = ready(it)
    printed = []
    logs = it.hands._engine.logs

    def kept(container, lines=50):
        printed.append(logs(container, 500))
        return printed[-1]

    it.hands._engine.logs = kept
    it.begin(target)
    it.carry_on()

    (said,) = printed
    assert "CapEff:\t0000000000000000" in said
    assert "NoNewPrivs:\t1" in said
    lines = said.splitlines()
    # A volume that the image declares is an empty place in memory.
    assert [line for line in lines if line.startswith("wrote")] == ["wrote /keep"]
    assert "lo" in lines
    assert "eth0" not in lines
    assert "ls: cannot access '/named'" in said
    assert list((it.folder / "data").iterdir()) == [it.folder / "data/file"]


def test_a_validator_that_does_not_end_is_removed_with_what_it_said(asking):
    it = asking("versioned", "echo thinking; sleep 600", within="5s")
    target, running = ready(it)

    it.begin(target)
    it.carry_on()

    assert it.answers()[0].endswith("did not end within 5 s: thinking")
    assert it.inspect("app")["Id"] == running
    assert it.validators() == []


def test_a_validator_that_is_not_in_the_image_is_a_refusal(asking):
    it = asking("versioned", "exit 0")
    it.hands._argv = ["/no/such/validator"]
    target, running = ready(it)

    it.begin(target)
    it.carry_on()

    assert it.ends() == ["unchanged"]
    assert "/no/such/validator" in it.answers()[0]
    assert it.inspect("app")["Id"] == running
    assert it.validators() == []


class Cut(BaseException):
    """The machine dies here."""


class Mortal:
    """An engine to which nothing more is said once the machine has died."""

    def __init__(self, engine):
        self._engine, self.dead = engine, False

    def __getattr__(self, name):
        if self.dead:
            raise Cut
        return getattr(self._engine, name)


def killed_while_it_asks(it, target):
    """Die while the validator runs; it must be left behind, or nothing is shown."""
    clock = RealClock()
    it.restart(clock)
    engine = Mortal(it.hands._engine)
    it.hands._engine = engine

    def pause(_):
        engine.dead = True
        raise Cut

    clock.pause = pause
    it.begin(target)
    with pytest.raises(Cut):
        it.carry_on()
    (left,) = it.validators()
    return left


def test_what_a_crash_leaves_of_a_question_is_removed_and_it_is_asked_again(asking):
    it = asking("versioned", f"sleep 1; {HOLDS.format(OLD)}")
    target, _ = ready(it)
    killed_while_it_asks(it, target)

    it.restart()
    words = it.carry_on()

    assert "proved" in words
    assert it.validators() == []
    assert it.ends() == ["proved"]


def test_what_a_crash_leaves_goes_even_if_it_is_not_asked_again(asking):
    it = asking("versioned", "sleep 600")
    target, running = ready(it)
    left = killed_while_it_asks(it, target)
    assert docker("inspect", "--format={{.State.Running}}", left).strip() == "true"
    (it.folder / f"manifests/meesho.{OLD}.manifest.json").write_text("other\n")

    it.restart()
    words = it.carry_on()

    assert "unchanged" in words
    assert it.validators() == []
    assert it.inspect("app")["Id"] == running


def test_an_answer_that_was_noted_is_not_asked_for_again(asking):
    it = asking("versioned", "exit 0")
    target, _ = ready(it)
    plan = it.begin(target)
    record = it.memory.record(target)
    step = next(step for step in plan.steps if step.do is Do.VALIDATE)
    it.hands.do(plan, record, step)
    evidence = it.hands.is_done(plan, record, step)
    assert evidence

    it.restart()
    assert it.hands.is_done(plan, record, step) == ""
    it.memory.add(RealClock().now(), StepDone(plan.op, step, evidence))
    assert it.hands.is_done(plan, record, step) == evidence
