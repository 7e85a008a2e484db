"""What people order by hand, on a real engine with Compose and the DMS."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tests.real.test_operator import BAD, OLD, Fleet
from watchdog.commands.stage import DRI
from watchdog.facts.event import WayChosen
from watchdog.facts.plan import Do
from watchdog.facts.problem import EngineRefused

pytestmark = pytest.mark.real

HARDER = pytest.mark.parametrize(
    "layout",
    [pytest.param("versioned", marks=pytest.mark.campaign), "shared-file"],
)

SAID = ("--by", DRI, "--reason", "scans look wrong")


def watchdog(it, *words):
    """Run ``watchdog`` *words* beside the stage, as a person does."""
    command = [sys.executable, "-m", "watchdog", *words]
    env = os.environ | {"WATCHDOG_CONFIG": str(it.config / "watchdog.yaml")}
    return subprocess.run(
        command, env=env, text=True, capture_output=True, check=False, timeout=120
    )


def versions(it):
    return [(one["image"], one["manifest"]) for one in it.starts()]


def pinned(it):
    lines = (it.stack / ".env").read_text().splitlines()
    return next(line for line in lines if line.startswith("DMS_VERSION="))


@pytest.fixture
def two(stage):
    """v1.2.0 ran and nobody vouched; v1.3.1 runs; a watchdog watches them."""

    def two(layout="versioned"):
        it = stage(layout)
        it.settings(bake_time="1h")
        it.compose("up", "-d", "--no-build", "--wait", "dms")
        it.process = it.watch()
        it.until("observe.pair_started")
        it.deploy("v1.3.1")
        it.until("observe.pair_started", count=2)
        return it

    return two


def test_a_person_vouches_and_rolls_back_through_the_daemon(two):
    it = two()
    candidate = watchdog(it, "rollback", "--to", "v1.2.0", *SAID)
    assert candidate.returncode == 9
    assert "v1.2.0 is a candidate: neither baked nor vouched for" in candidate.stderr
    assert "hint: if you know that it is good: `watchdog releases vouch" in (
        candidate.stderr
    )
    vouched = watchdog(it, "releases", "vouch", "v1.2.0", "--by", DRI)
    assert (vouched.returncode, vouched.stdout) == (0, f"{DRI} vouched for v1.2.0\n")
    names = it.containers()

    dry = watchdog(it, "drill", "--dry", "--by", DRI)
    assert (dry.returncode, dry.stderr) == (0, ""), dry.stdout
    assert "rehearsed: ready for the swap; nothing that runs was touched" in dry.stdout
    assert it.containers() == names
    assert [image for image, _ in versions(it)] == ["v1.2.0", "v1.3.1"]

    done = watchdog(it, "rollback", *SAID)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    told = done.stdout.splitlines()
    assert f"{DRI} ordered a rollback from v1.3.1 to v1.2.0" in told[0]
    assert " s  proved: image sha256:" in told[-1]
    assert versions(it) == [(v, v) for v in ("v1.2.0", "v1.3.1", "v1.2.0")]
    assert pinned(it) == "DMS_VERSION=v1.2.0"
    assert it.containers() == names
    audit = it.until("record.rollback_audited", how="proved")
    assert audit["root_cause"] == f"rollback by hand, {DRI}: scans look wrong"

    again = watchdog(it, "rollback", *SAID)
    assert again.returncode == 9
    assert "--even-though-result-of-a-rollback" in again.stderr
    listed = json.loads(watchdog(it, "releases", "--json").stdout)
    assert [one["version"] for one in listed] == ["v1.3.1", "v1.2.0"]
    assert listed[1]["vouched_by"] == DRI


@HARDER
def test_a_person_rolls_back_although_the_daemon_is_dead(two, layout):
    it = two(layout)
    it.process.send_signal(signal.SIGKILL)
    it.process.wait(20)
    assert watchdog(it, "releases", "vouch", "v1.2.0", "--by", DRI).returncode == 0

    done = watchdog(it, "rollback", "--to", "v1.2.0", *SAID)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert " s  proved: image sha256:" in done.stdout.splitlines()[-1]
    assert versions(it) == [(v, v) for v in ("v1.2.0", "v1.3.1", "v1.2.0")]
    assert pinned(it) == "DMS_VERSION=v1.2.0"
    said = it.compose("up", "-d", "--no-build", "dms")
    assert "Running" in said, said


def test_an_order_without_a_daemon_goes_by_what_runs_now(stage):
    """It died with v1.2.0 running; what was deployed since is what is rolled back."""
    it = stage()
    it.settings(bake_time="1h")
    it.compose("up", "-d", "--no-build", "--wait", "dms")
    it.process = it.watch()
    it.until("observe.pair_started")
    it.process.send_signal(signal.SIGKILL)
    it.process.wait(20)
    assert watchdog(it, "releases", "vouch", "v1.2.0", "--by", DRI).returncode == 0
    it.deploy("v1.3.1")

    done = watchdog(it, "rollback", "--to", "v1.2.0", *SAID)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "ordered a rollback from v1.3.1 to v1.2.0" in done.stdout
    assert versions(it) == [(v, v) for v in ("v1.2.0", "v1.3.1", "v1.2.0")]
    status = json.loads(watchdog(it, "status", "--json").stdout)
    assert status["running"]["version"] == "v1.2.0"
    assert status["last_rollback"]["how"] == "proved"


def test_a_hold_keeps_a_person_and_a_drill_from_it_until_it_is_lifted(two):
    it = two()
    watchdog(it, "releases", "vouch", "v1.2.0", "--by", DRI)
    assert watchdog(it, "hold", "--by", DRI, "--reason", "a migration").returncode == 0
    for order in (("rollback", *SAID), ("drill", "--by", DRI)):
        held = watchdog(it, *order)
        assert held.returncode == 9
        assert held.stderr.startswith(f"operator hold by {DRI} since ")
    assert watchdog(it, "resume", "--by", DRI).returncode == 0

    drilled = watchdog(it, "drill", "--by", DRI, "--json")

    assert drilled.returncode == 0, drilled.stdout + drilled.stderr
    assert json.loads(drilled.stdout)["ended"] == "proved"
    audit = it.until("record.rollback_audited")
    assert (audit["what"], audit["how"]) == ("drill", "proved")
    story = [line["event"] for line in it.story()]
    assert "decide.pair_quarantined" not in story
    assert versions(it)[-1] == ("v1.2.0", "v1.2.0")
    status = json.loads(watchdog(it, "status", "--json").stdout)
    assert status["last_rollback"]["what"] == "drill"


@pytest.mark.campaign  # in short: a bad release from a container
def test_the_command_line_in_the_container_reaches_its_daemon(stage):
    """As a plain user, on a read-only root, through a volume."""
    it = stage(owner="10001:10001")
    it.settings_for_container()
    it.compose("up", "-d", "--no-build", "--wait")
    it.watch_in_container()
    it.until("observe.pair_started")

    assert it.in_container("hold", *SAID).startswith(f"operator hold by {DRI} since ")
    placed = it.until("approve.hold_placed")
    assert placed["words"].endswith(": scans look wrong")
    assert "hold           operator hold by" in it.in_container("status")
    assert it.in_container("resume", "--by", DRI).startswith(f"{DRI} lifted the ")
    refused = it.in_container("rollback", *SAID)
    assert refused.startswith("no target: a known-good pair never ran here before")
    assert "one whole pair; nothing to mend" in it.in_container("repair")
    assert "v1.2.0" in it.in_container("releases")


# What is split or stuck.


@HARDER
@pytest.mark.parametrize(
    "version", ["v1.2.0", pytest.param("v1.3.1", marks=pytest.mark.campaign)]
)
def test_a_manifest_that_was_changed_under_a_running_pair_is_mended(
    two, layout, version
):
    it = two(layout)
    assert watchdog(it, "repair").returncode == 0
    name = "meesho" if layout == "shared-file" else "meesho.v1.3.1"
    held = it.stack / f"manifests/{name}.manifest.json"
    held.write_bytes(held.read_bytes() + b"\n")
    it.until("observe.pair_unclear", split=True)
    before = len(it.starts())

    shown = watchdog(it, "repair")
    assert shown.returncode == 1
    told = shown.stdout.splitlines()
    assert "not one whole pair: manifests changed under the running v1.3.1" in told[0]
    ways = [line for line in told if "watchdog repair --to " in line]
    assert len(ways) == 2
    assert len(it.starts()) == before

    done = watchdog(it, "repair", "--to", version, *SAID)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert versions(it)[-1] == (version, version)
    assert all(image == manifest for image, manifest in versions(it))
    assert pinned(it) == f"DMS_VERSION={version}"
    assert watchdog(it, "repair").returncode == 0
    said = it.compose("up", "-d", "--no-build", "dms")
    assert "Running" in said, said


def test_an_env_file_that_names_another_version_is_shown(two):
    it = two()
    env = it.stack / ".env"
    env.write_text(env.read_text().replace("v1.3.1", "v1.2.0"))

    shown = watchdog(it, "repair", "--json")

    assert shown.returncode == 1
    assert json.loads(shown.stdout)["env"].startswith(
        "DMS_VERSION is v1.2.0 in .env, what runs is v1.3.1"
    )


class Refuses:
    """An engine that starts no container, as one whose disk is sick."""

    def __init__(self, it):
        self.it = it
        self.is_done, self.evidence_of = it.hands.is_done, it.hands.evidence_of

    def do(self, plan, target, step):
        if step.do is Do.START:
            raise EngineRefused(f"{step.words}: input/output error")
        self.it.hands.do(plan, target, step)


@HARDER
@pytest.mark.parametrize(("way", "version"), [("forward", OLD), ("back", BAD)])
def test_what_is_stuck_goes_on_as_a_person_chose(tmp_path, layout, way, version):
    it = Fleet(tmp_path, layout, services=("dms",))
    try:
        it.deploy(OLD)
        target = it.record()
        it.deploy(BAD)
        plan = it.begin(target)
        assert it.carry_on(Refuses(it)).startswith("stuck: ")

        it.memory.add(datetime.now(UTC), WayChosen(plan.op, way, DRI, "it goes on"))
        told = it.carry_on()

        story = f"{told} {it.ends()} {it.starts()}"
        assert it.ends()[-1] == {OLD: "proved", BAD: "put-back"}[version], story
        it.settled()
        assert it.versions() == [version], story
        assert all(image == manifest for image, manifest in it.starts()), story
        assert "Running" in it.up()
    finally:
        it.down()
