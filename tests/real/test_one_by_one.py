"""Replicas of the real DMS, changed one after another while somebody watches."""

import json
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
import yaml

from tests.real.rig import docker
from tests.real.test_fidelity import differences
from tests.real.undo import BAD, OLD, Asked, Spoilt
from watchdog.facts.event import StepDone, WentBack

pytestmark = pytest.mark.real

SERVICES, MEANT = ("dms", "worker"), {"dms": 2, "worker": 1}


class Scaled(Asked):
    """Two containers of the DMS, with its own health check, and one worker."""

    def __init__(self, folder, layout="versioned"):
        super().__init__(folder, layout, SERVICES)
        self.count = 2
        path = self.folder / "compose.yaml"
        model = yaml.safe_load(path.read_text())
        url = "http://localhost:5269/health"
        asks = f"import urllib.request as u; u.urlopen('{url}', timeout=2)"
        # A volume that nobody named: each container has its own.
        for options in model["services"].values():
            options["volumes"] = [*options["volumes"], "/scratch"]
        model["services"]["dms"] |= {
            "scale": 2,
            "healthcheck": {
                "test": ["CMD", "python", "-c", asks],
                "interval": "500ms",
                "timeout": "4s",
                "retries": 40,
            },
        }
        path.write_text(yaml.safe_dump(model))

    def deploy(self, version):
        """Deploy, and wait until Docker calls every replica healthy."""
        said = super().deploy(version)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            seen = self.containers().values()
            words = [one["State"].get("Health", {}).get("Status") for one in seen]
            if sorted(filter(None, words)) == ["healthy"] * self.count:
                break
            time.sleep(0.1)
        return said

    def scale(self, count):
        """Have *count* replicas from the next deployment on."""
        self.count = count
        self.change("dms", scale=count)

    def names(self):
        """Give (name, version, state, number) of every container, by name."""
        return [
            (
                name.removeprefix(f"{self.project}-"),
                one["Config"]["Image"].rpartition(":")[2],
                one["State"]["Status"],
                one["Config"]["Labels"]["com.docker.compose.container-number"],
            )
            for name, one in sorted(self.containers().items())
        ]

    def whole(self, version):
        """Give what `names` must be when *version* runs, and nothing else."""
        each = [("dms", "1"), ("dms", "2"), ("worker", "1")]
        return [(f"{name}-{n}", version, "running", n) for name, n in each]


@pytest.fixture
def fleet(tmp_path):
    with ExitStack() as after:

        def fleet(*args):
            it = Scaled(tmp_path, *args)
            after.callback(it.down)
            it.checks(prove_within=timedelta(seconds=45))
            return it

        yield fleet


class Poll(threading.Thread):
    """Asks every replica there is, over and over, which version it serves."""

    def __init__(self, it):
        super().__init__(daemon=True)
        self.label = f"label=com.docker.compose.project={it.project}"
        self.over = threading.Event()
        self.seen = []

    def run(self):
        while not self.over.wait(0.05):
            self.seen.append(sorted(filter(None, map(_version, self._addresses()))))

    def _addresses(self):
        ours = "--filter=label=com.docker.compose.service=dms"
        ids = docker("ps", "-q", f"--filter={self.label}", ours, check=False).split()
        found = docker("inspect", *ids, check=False) if ids else "[]"
        try:
            return [
                next(iter(one["NetworkSettings"]["Networks"].values()))["IPAddress"]
                for one in json.loads(found)
            ]
        except ValueError:
            return []  # one went away between the two


def _version(address):
    try:
        with urllib.request.urlopen(f"http://{address}:5269/health", timeout=10) as up:
            return json.load(up)["version"]
    except (OSError, ValueError, urllib.error.URLError):
        return ""


@contextmanager
def polled(it):
    """Watch the replicas from outside meanwhile; give what was seen at each time."""
    poll = Poll(it)
    poll.start()
    try:
        yield poll.seen
    finally:
        poll.over.set()
        poll.join()


def are_side_by_side(it):
    """Tell whether one was well before the other was stopped, each a whole pair.

    By the steps: on a busy box whoever polls may miss the moment.
    """
    steps = [event.step.words for event in it.events(StepDone)]
    return steps.index("await dms/1 (new)") < steps.index("stop dms/2 (old)")


def test_replicas_go_back_one_after_another_while_one_serves_at_each_instant(fleet):
    it = fleet()
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)

    with polled(it) as seen:
        it.roll_back(target)

    assert it.names() == it.whole(OLD)
    assert all(seen), seen  # at each look somebody answered
    assert [BAD, BAD] in seen
    assert are_side_by_side(it)
    assert all(image == manifest for image, manifest in it.starts()), it.starts()
    ids = {one["Id"] for one in it.containers().values()}
    said = it.up()
    assert said.count("Running") == 3, said
    assert {one["Id"] for one in it.containers().values()} == ids
    it.deploy(BAD)
    assert it.names() == it.whole(BAD)


def test_replicas_on_one_file_go_back_together(fleet):
    it = fleet("shared-file")
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)

    it.roll_back(target)

    assert it.names() == it.whole(OLD)
    assert all(image == manifest for image, manifest in it.starts()), it.starts()
    assert it.up().count("Running") == 3


@pytest.mark.parametrize("then", [pytest.param(1, marks=pytest.mark.campaign), 3])
def test_as_many_replicas_go_back_as_there_are_and_as_compose_makes_them(fleet, then):
    it = fleet()
    it.scale(then)
    it.deploy(OLD)
    target = it.record()
    it.scale(2)
    it.deploy(BAD)
    # Which of three it keeps is Compose's choice.
    meant = [(name, OLD, state, number) for name, _, state, number in it.names()]

    it.roll_back(target)

    assert it.names() == meant
    ours = it.containers()
    volumes = {m["Name"] for c in ours.values() for m in c["Mounts"] if "Name" in m}
    assert len(volumes) == 3  # no two share one
    assert it.up().count("Running") == 3
    assert it.names() == meant
    it.deploy(BAD)
    it.deploy(OLD)
    theirs = it.containers()
    assert ours.keys() == theirs.keys()
    for name, one in ours.items():
        assert one["Id"] != theirs[name]["Id"]
        assert differences(one, theirs[name]) == []


@pytest.mark.campaign  # in short: in memory, in test_replicas
def test_a_failure_at_the_second_replica_undoes_the_first(fleet):
    it = fleet()
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    it.begin(target)
    # The first one is well already when the version begins to fail.
    hands = Spoilt(it, "stop dms/2 (old)", lambda: it.fail(refuse_start=True))

    with polled(it) as seen:
        it.carry_on(hands)

    assert it.ends() == ["put-back"]
    assert it.names() == it.whole(BAD)
    assert all(seen), seen
    assert are_side_by_side(it)
    assert all(image == manifest for image, manifest in it.starts()), it.starts()
    steps = [event.step.words for event in it.events(StepDone)]
    assert "await dms/1 (new)" in steps
    assert "await dms/2 (old)" in steps
    (back,) = it.events(WentBack)
    assert "told to, by a fault" in back.evidence["dms/2"]
    assert it.up().count("Running") == 3


@pytest.mark.parametrize(
    "after",
    [
        "stop dms/1 (old)",
        pytest.param("stop dms/2 (old)", marks=pytest.mark.campaign),
    ],
)
def test_an_operators_up_between_two_replicas_leads_to_one_whole_pair(fleet, after):
    it = fleet()
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    it.begin(target)
    hands = Spoilt(it, after, lambda: it.up(check=False))

    turns = []
    while it.memory.standing.rollback and len(turns) < 5:
        turns.append(it.carry_on(hands))

    assert it.ends() == ["proved"], turns
    assert it.names() == it.whole(OLD)
    assert all(image == manifest for image, manifest in it.starts()), it.starts()
    assert it.up().count("Running") == 3
