"""Three services of one image, and an operator who runs `up -d` in the middle."""

import json
import os
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.real.rig import Rig, docker
from tests.worlds import Files
from watchdog.commands.stage import IMAGE
from watchdog.config.release_file import Releases
from watchdog.facts.event import OrderGiven, PairStarted
from watchdog.turn.ordering import Ordering

pytestmark = pytest.mark.real

CHECKOUT = Path(__file__).resolve().parents[2]
OLD, BAD, THIRD = "v1.2.0", "v1.3.0", "v1.3.1"
THREE = ("api", "worker", "scanner")
LAYOUTS = pytest.mark.parametrize("layout", ["versioned", "shared-file"])
HARDER = pytest.mark.parametrize(
    "layout",
    [pytest.param("versioned", marks=pytest.mark.campaign), "shared-file"],
)


class Fleet(Rig):
    """Services of the DMS's image, which notes what it met and refuses a mixed pair."""

    def __init__(self, folder, layout, services=THREE):
        self.layout = layout
        project = f"op-{uuid.uuid4().hex[:8]}"
        whole = folder / project
        make = [sys.executable, str(CHECKOUT / "examples/dms/make-stack"), str(whole)]
        make += ["--layout", layout, "--image", IMAGE, "--project", project]
        subprocess.run(make, check=True, capture_output=True)
        model = yaml.safe_load((whole / "compose.yaml").read_text())
        dms = model["services"]["dms"] | {"ports": []}
        dms["healthcheck"] = {"disable": True}
        dms["stop_grace_period"] = "2s"
        model["services"] = {
            name: dms | {"environment": dms["environment"] | {"ROLE": name}}
            for name in services
        }
        (whole / "compose.yaml").write_text(yaml.safe_dump(model))
        super().__init__(whole, project, services)

    def deploy(self, version):
        """Deploy as the runbook says for the layout; wait until all have started."""
        before = len(self.starts())
        if self.layout == "shared-file":
            manifests = self.folder / "manifests"
            source = manifests / f"meesho.{version}.manifest.json"
            self.compose("stop")
            (manifests / "meesho.manifest.json").write_bytes(source.read_bytes())
        super().deploy(version)
        return self.started(before + len(self.services))

    def starts(self):
        """Give (image, manifest) of each start, as the DMS itself noted it."""
        log = self.folder / "data/starts.jsonl"
        lines = log.read_text().splitlines() if log.is_file() else []
        return [(one["image"], one["manifest"]) for one in map(json.loads, lines)]

    def started(self, count):
        """Wait until *count* starts are noted; a start notes itself a little later."""
        deadline = time.monotonic() + 60
        while len(self.starts()) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.starts()

    def settled(self):
        """Wait until what runs had the time to note its start."""
        for service in self.services:
            id_, deadline = self.inspect(service)["Id"], time.monotonic() + 60
            while not docker("logs", id_) and time.monotonic() < deadline:
                time.sleep(0.05)

    def versions(self):
        """Give the version that each service runs, by inspect; all must run."""
        found = [self.inspect(service) for service in self.services]
        assert [one["State"]["Status"] for one in found] == ["running"] * len(found)
        return [one["Config"]["Image"].rpartition(":")[2] for one in found]

    def known(self, sha):
        """Have the ledger know what runs now, whose record is *sha*."""
        seen = self.eyes.running(lambda _: ("meesho",))
        began = PairStarted(seen.pair, sha, seen.containers, seen.since)
        self.memory.add(datetime.now(UTC), began)

    def repaired(self, to):
        """Follow a person's order to put the pair of the record *to* up whole."""
        given = OrderGiven(
            "ord_1", "repair", "asha", "half", self.memory.record(to).pair.key, ""
        )
        now = datetime.now(UTC)
        self.memory.add(now, given)
        ordering = Ordering(
            parts=lambda: self.eyes.parts(lambda _: ("meesho",)),
            plans=self.plans,
            transaction=self.transaction(),
            memory=self.memory,
            releases=Files(Releases({})),
            rules=self.rules,
        )
        return ordering.follow(self.memory.standing.order, "not one whole pair", now)


@pytest.fixture
def fleet(tmp_path):
    made = []

    def fleet(*args, **more):
        made.append(Fleet(tmp_path, *args, **more))
        return made[-1]

    yield fleet
    for one in made:
        one.down()


@LAYOUTS
def test_three_services_of_one_image_go_back_together(fleet, layout):
    it = fleet(layout)
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)

    it.roll_back(target)

    assert it.versions() == [OLD] * 3
    whole = [(OLD, OLD)] * 3 + [(BAD, BAD)] * 3 + [(OLD, OLD)] * 3
    assert it.started(9) == whole
    said = it.up()
    assert said.count("Running") == 3, said
    assert len(it.starts()) == 9
    names = {it.inspect(service)["Name"] for service in THREE}
    assert names == {f"/{it.project}-{service}-1" for service in THREE}


class Interrupted:
    """Hands beside which an operator runs ``up -d`` after the k-th thing they did."""

    def __init__(self, it, at, deed=None):
        self.it, self.at = it, at
        self.deed = deed or (lambda: it.up(check=False))
        self.did = []
        self.said = ""

    def is_done(self, plan, target, step):
        return self.it.hands.is_done(plan, target, step)

    def evidence_of(self, plan, step):
        return self.it.hands.evidence_of(plan, step)

    def do(self, plan, target, step):
        self.it.hands.do(plan, target, step)
        self.did.append(step.words)
        if self.at in (len(self.did), step.words):
            self.said, self.at = self.deed(), None


def _instants():
    wanted = os.environ.get("OPERATOR_INSTANTS", "2,3,5")
    return [int(one) for one in wanted.split(",")]


@HARDER
@pytest.mark.parametrize("at", _instants())
def test_an_operators_up_in_the_middle_never_starts_a_mixed_pair(fleet, layout, at):
    it = fleet(layout, services=("dms",))
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    it.begin(target)
    hands = Interrupted(it, at)
    turns = []
    while it.memory.standing.rollback and len(turns) < 5:
        turns.append(it.carry_on(hands))
    it.settled()
    story = f"{hands.did}\n{hands.said}\n{turns}\n{it.ends()}\n{it.starts()}"
    assert all(image == manifest for image, manifest in it.starts()), story
    (version,) = it.versions()
    how = it.ends()[-1]
    ends = {("proved", OLD), ("put-back", BAD), ("unchanged", BAD)}
    assert (how, version) in ends, story
    assert it.inspect("dms")["Name"] == f"/{it.project}-dms-1", story
    said = it.up()
    assert "Running" in said, f"{story}\n{said}"


@pytest.mark.parametrize(
    ("part", "after"),
    [
        ("api", "start api (new)"),
        pytest.param("worker", "pin variable to v1.2.0", marks=pytest.mark.campaign),
    ],
)
def test_a_part_that_an_operator_deploys_comes_to_one_whole_pair(fleet, part, after):
    """One of three services, at a third version, in the middle of the rollback.

    Either Compose puts it up, and the command that is named puts one pair up over it;
    or Compose removes what ran, and fails over a name: then that is put back.
    """
    it = fleet("versioned")
    it.deploy(OLD)
    target = it.record()
    it.known(target)
    it.deploy(BAD)
    ran = it.record()
    it.known(ran)

    def deploys_a_part():
        it.pin(THIRD)
        return it.compose("up", "-d", part, check=False)

    it.begin(target, ran)
    hands = Interrupted(it, after, deploys_a_part)
    it.carry_on(hands)

    story = f"{hands.did}\n{hands.said}\n{it.ends()}"
    rollback = it.memory.standing.rollback
    if rollback:
        assert it.ends() == ["stuck"], story
        assert f"`watchdog repair --to {OLD} --by NAME --reason WHY`" in rollback.hint
        assert "stuck" in it.carry_on(), story
        story += it.repaired(target)
        assert it.ends() == ["stuck", "overtaken", "proved"], story
    (version,) = set(it.versions())
    assert (it.ends()[-1], version) in (("proved", OLD), ("put-back", BAD)), story
    assert all(image == manifest for image, manifest in it.starts()), story
    names = {it.inspect(service)["Name"] for service in THREE}
    assert names == {f"/{it.project}-{service}-1" for service in THREE}, story
    if rollback:
        assert it.up().count("Running") == 3, story
