"""The product's promises, on a real engine, registry, Compose v2 and Prometheus."""

import base64
import json
import os
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from watchdog.commands.stage import DRI, Stage

pytestmark = pytest.mark.real


def test_a_bad_release_is_rolled_back_as_a_pair_from_a_container(stage):
    it = stage(owner="10001:10001")
    it.settings_for_container()
    _play_a_bad_release(it, it.watch_in_container)

    status = json.loads(it.in_container("status", "--json"))
    assert status["running"]["version"] == "v1.2.0"
    assert status["last_rollback"]["how"] == "proved"
    assert status["last_rollback"]["previous"] == "v1.3.0"
    beside = f"{it.project}-watchdog"
    mounts = _docker("inspect", "-f", "{{json .Mounts}}", f"{beside}-watchdog-1")
    assert "docker.sock" not in mounts
    passed = _docker("logs", f"{beside}-socket-proxy-1")
    assert "201 POST /v1." in passed  # the create
    assert "\n403 " not in passed


@pytest.mark.campaign  # in short: by hand, in test_by_hand
def test_a_bad_release_is_rolled_back_as_a_pair_in_the_runbooks_layout(stage):
    it = stage("shared-file")
    _play_a_bad_release(it, it.watch)

    backup = it.stack / "manifests/meesho.manifest.json.bak"
    active = it.stack / "manifests/meesho.manifest.json"
    assert json.loads(active.read_text())["version"] == "v1.2.0"
    assert json.loads(backup.read_text())["version"] == "v1.3.0"


def _play_a_bad_release(it: Stage, watch) -> None:
    """Bake v1.2.0, deploy v1.3.0, and hold everything promised against the world."""
    it.compose("up", "-d", "--no-build", "--wait")
    names = it.containers()
    with it.scanning():
        watch()
        it.until("decide.pair_known_good", 120)
        assert _gate(it, "v1.2.0").status_code == 200
        it.deploy("v1.3.0")
        it.until("judge.breach_confirmed", trigger="AwbRoutingFailures")
        audit = it.until("record.rollback_audited", how="proved")
        it.until("verify.recovery_seen")

    assert httpx.get(f"{it.dms}/version", timeout=60).json()["version"] == "v1.2.0"
    assert _pairs(it) == ["v1.2.0", "v1.3.0", "v1.2.0"]
    assert "DMS_VERSION=v1.2.0" in (it.stack / ".env").read_text().splitlines()
    assert it.containers() == names
    six = ("started", "at", "previous", "target", "root_cause", "owner")
    assert all(audit[field] for field in six)
    assert (audit["previous"], audit["target"]) == ("v1.3.0", "v1.2.0")
    story = [line["event"] for line in it.story()]
    assert story.count("act.rollback_started") == 1
    assert story.count("record.rollback_audited") == 1
    paused = _gate(it, "v1.3.0")
    assert paused.status_code == 423
    assert "AwbRoutingFailures" in paused.json()["reasons"][0]
    _opens(it, "v1.2.0")
    assert _gate(it, "v9.9.9").status_code == 404
    _compose_changes_nothing(it)


def _compose_changes_nothing(it: Stage) -> None:
    before = it.compose("ps", "-a", "--format", "json")
    said = it.compose("up", "-d", "--no-build")

    ids = [json.loads(line)["ID"] for line in before.splitlines()]
    after = it.compose("ps", "-a", "--format", "json")
    assert [json.loads(line)["ID"] for line in after.splitlines()] == ids
    states = {line.split()[-1] for line in said.splitlines() if "Container" in line}
    assert states == {"Running"}


def test_a_pause_asks_and_a_signed_answer_rolls_back(stage):
    it = stage()
    it.compose("up", "-d", "--no-build", "--wait")
    with it.scanning():
        it.watch()
        it.until("decide.pair_known_good", 120)
        it.deploy("v1.3.1")
        it.misbehave(errors=0.3)
        asked = it.until("approve.question_asked")
        assert _gate(it, "v1.3.1").status_code == 423
        shown = httpx.get(
            f"{it.decisions}/v1/approvals/{asked['question']}", timeout=60
        ).json()

        assert _answer(it, shown, tamper=True).status_code == 401
        assert _answer(it, shown, digest="sha256:" + "0" * 64).status_code == 409
        story = [line["event"] for line in it.story()]
        assert "act.rollback_started" not in story

        page = httpx.get(f"{it.decisions}/a/{asked['question']}", timeout=60)
        for drawn in ('class="band"', 'class="bound"', "v1.3.1 starts"):
            assert drawn in page.text
        # On a busy machine a turn may be late, and then it ends with 1.
        explained = _says(it, "explain", "-c", str(it.config / "watchdog.yaml"), or_=6)
        assert "not rolling v1.3.1 back: waiting for" in explained

        # As a DRI does: with the key in a file, and neither settings nor stack.
        said = _says(it, "approve", *_signing(it), "--yes", "--url", it.decisions)
        assert "recorded: approved; the rollback to v1.2.0 starts" in said
        started = it.until("act.rollback_started")
        it.until("record.rollback_audited", how="proved")
        it.until("verify.recovery_seen")
        paths = ("/", "/history", f"/report/{started['incident']}")
        *pages, paper = (
            httpx.get(f"{it.private}{path}", timeout=60).text for path in paths
        )
        page = httpx.get(f"{it.decisions}/a/{asked['question']}", timeout=60)

    assert "carried out and proved" in page.text
    assert "It helped: " in page.text
    assert "v1.3.1 to v1.2.0, proved" in pages[0]
    assert "rollback v1.3.1 -&gt; v1.2.0" in pages[1]
    assert "In five lines" in paper
    assert started["approved_by"] == DRI
    assert started["automatic"] is False
    assert _pairs(it) == ["v1.2.0", "v1.3.1", "v1.2.0"]


@pytest.mark.parametrize("windows", [1, pytest.param(3, marks=pytest.mark.campaign)])
def test_a_healthy_release_is_left_alone_under_load_for_several_windows(stage, windows):
    it = stage()
    it.compose("up", "-d", "--no-build", "--wait")
    with it.scanning():
        it.watch()
        it.until("decide.pair_known_good", 120)
        it.deploy("v1.3.1")
        it.until("decide.pair_known_good", 120, count=2)
        time.sleep(windows * 20)  # of the longest trigger

    story = it.story()
    assert not _breaches(story)
    # A busy machine may well make it slow enough to be suspected for a while.
    kinds = {line["kind"] for line in story if "kind" in line}
    assert "clear" in kinds
    assert "breached" not in kinds
    assert _pairs(it) == ["v1.2.0", "v1.3.1"]
    _opens(it, "v1.3.1")


def test_without_prometheus_a_bad_release_is_said_blind_and_not_rolled_back(stage):
    it = stage()
    it.compose("up", "-d", "--no-build", "--wait")
    with it.scanning():
        it.watch()
        it.until("decide.pair_known_good", 120)
        it.compose("stop", "prometheus")
        it.until("observe.far_end_lost", what="prometheus")
        env = (it.stack / ".env").read_text().replace("v1.2.0", "v1.3.0")
        (it.stack / ".env").write_text(env)
        it.compose("up", "-d", "--no-build", "--wait", "dms")
        blind = it.until(
            "judge.verdict_changed", trigger="AwbRoutingFailures", cause="unreachable"
        )
        time.sleep(30)  # longer than any window here
        assert not _breaches(it.story())
        assert "prometheus" in blind["words"].lower() or it.prometheus in blind["words"]
        assert httpx.get(f"{it.private}/readyz", timeout=60).status_code == 503
        gate = _gate(it, "v1.3.0")
        assert gate.status_code == 423
        it.compose("up", "-d", "--no-build", "--wait")
        it.until("observe.far_end_back", what="prometheus")
        # Sight is back, and the truth with it.
        it.until("record.rollback_audited", how="proved")

    assert _pairs(it) == ["v1.2.0", "v1.3.0", "v1.2.0"]


@pytest.mark.campaign  # in short: killed at every boundary, in test_crash
@pytest.mark.parametrize(
    ("faults", "event", "step"),
    [
        ({"v1.3.0": {"ignore_sigterm": True}}, "act.step_intended", "stop dms (old)"),
        ({"v1.2.0": {"start_delay": 6}}, "act.step_done", "start dms (new)"),
    ],
    ids=["while-stopping-the-bad-one", "while-proving-the-good-one"],
)
def test_killed_in_mid_rollback_the_next_start_ends_with_one_whole_pair(
    stage, faults, event, step
):
    it = stage()
    it.settings(log={"format": "json", "level": "debug"})
    it.compose("up", "-d", "--no-build", "--wait")
    names = it.containers()
    with it.scanning():
        watch = it.watch()
        it.until("decide.pair_known_good", 120)
        (it.stack / "data/faults.json").write_text(json.dumps(_with_bug(faults)))
        it.deploy("v1.3.0")
        it.until(event, step=step)
        watch.kill()
        watch.wait()
        it.watch()
        it.until("record.rollback_audited", how="proved")
        it.until("verify.recovery_seen")

    assert _pairs(it) == ["v1.2.0", "v1.3.0", "v1.2.0"]
    assert it.containers() == names
    story = [line["event"] for line in it.story()]
    assert story.count("act.rollback_started") == 1
    assert story.count("record.rollback_audited") == 1
    _compose_changes_nothing(it)


def _with_bug(faults: dict) -> dict:
    """Keep v1.3.0's own bug: a faults file replaces what is built in."""
    bad = {"awb_failures": 0.08} | faults.get("v1.3.0", {})
    return faults | {"v1.3.0": bad}


def test_a_target_that_does_not_come_up_puts_the_previous_pair_back_whole(stage):
    it = stage()
    it.settings(prove_within="10s")
    it.compose("up", "-d", "--no-build", "--wait")
    names = it.containers()
    with it.scanning():
        it.watch()
        it.until("decide.pair_known_good", 120)
        faults = _with_bug({"v1.2.0": {"refuse_start": True}})
        (it.stack / "data/faults.json").write_text(json.dumps(faults))
        it.deploy("v1.3.0")
        back = it.until("record.rollback_audited", 120)
        went = it.until("act.went_back")

    assert back["how"] == "put-back"
    assert "refuse" in went["evidence"]["dms"]  # the failed container's own words
    assert went["level"] == back["level"] == "error"
    assert back["hint"].startswith("v1.3.0 serves again: ")
    assert httpx.get(f"{it.dms}/version", timeout=60).json()["version"] == "v1.3.0"
    assert it.containers() == names
    assert "DMS_VERSION=v1.3.0" in (it.stack / ".env").read_text().splitlines()
    assert all(start["image"] == start["manifest"] for start in it.starts())
    assert _gate(it, "v1.3.0").status_code == 423


def test_an_engine_that_is_away_at_the_start_is_waited_for(stage):
    it = stage()
    it.compose("up", "-d", "--no-build", "--wait")
    socket = it.folder / "docker.sock"
    it.settings(engine={"url": f"unix://{socket}"})
    process = it.watch()
    it.until("observe.far_end_lost", what="engine")
    assert httpx.get(f"{it.private}/healthz", timeout=60).status_code == 200
    assert httpx.get(f"{it.private}/readyz", timeout=60).status_code == 503
    assert process.poll() is None

    socket.symlink_to(_engine_socket())
    it.until("observe.pair_started")


def test_a_port_in_use_is_one_clear_error(stage):
    it = stage()
    it.compose("up", "-d", "--no-build", "--wait")
    taken = it.dms.removeprefix("http://")
    it.settings(listen={"decisions": taken})
    command = [sys.executable, "-m", "watchdog", "run", "-c"]
    done = subprocess.run(
        [*command, str(it.config / "watchdog.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert f"cannot listen on {taken}" in done.stderr
    assert "Traceback" not in done.stderr


# -- asking the world -------------------------------------------------------------


def _docker(*words: str) -> str:
    done = subprocess.run(
        ["docker", *words], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


def _engine_socket() -> str:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return host.removeprefix("unix://")


def _gate(it: Stage, version: str) -> httpx.Response:
    """Ask the gate; again while it says 503, as it does when turns are late."""
    patience = time.monotonic() + 60
    while True:
        said = httpx.get(f"{it.decisions}/v1/promotion/{version}", timeout=60)
        if said.status_code != 503 or time.monotonic() > patience:
            return said
        time.sleep(1)


def _opens(it: Stage, version: str) -> None:
    """Wait for the gate: it is shut while a trigger that was measured is blind.

    A window that is still filling after a rollback, or scrapes that a busy machine
    missed, make it so for longer than this stage's short ``blind_for``.
    """
    patience = time.monotonic() + 60
    while (gate := _gate(it, version)).status_code != 200:
        print(f"the gate of {version} is shut: {gate.text}")
        assert time.monotonic() < patience, gate.text
        time.sleep(1)


def _pairs(it: Stage) -> list[str]:
    """Give the versions in the order of their starts; every start was a whole pair."""
    starts = it.starts()
    assert all(start["image"] == start["manifest"] for start in starts)
    return [start["image"] for start in starts]


def _breaches(story: list[dict]) -> list[dict]:
    bad = ("judge.breach_confirmed", "act.rollback_started", "approve.question_asked")
    return [line for line in story if line["event"] in bad]


def _says(it: Stage, *words: str, or_: int = 0) -> str:
    """Run a command as a shell does; it must end with 0, or with *or_*."""
    done = subprocess.run(
        [sys.executable, "-m", "watchdog", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, or_), done.stdout + done.stderr
    return done.stdout


def _signing(it: Stage) -> tuple[str, ...]:
    path = it.config / "dri.pem"
    text = it.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(0o600)
    path.write_bytes(text)
    return ("--as", DRI, "--key", str(path))


def _answer(
    it: Stage, shown: dict, *, digest: str = "", tamper: bool = False
) -> httpx.Response:
    """Answer the question as an approver's tool does, signed."""
    now = datetime.now(UTC)
    body = json.dumps(
        {
            "type": "rollback.approval.decision",
            "timestamp": now.isoformat(),
            "data": {
                "approval_id": shown["approval_id"],
                "incident_id": shown["incident_id"],
                "audience": json.loads(shown["action_document"])["audience"],
                "action_digest": digest or shown["action_digest"],
                "decision": "approve",
                "approver": DRI,
                "reason": "one in three scans fails",
            },
        }
    ).encode()
    message, stamp = f"dec_{uuid.uuid4().hex}", str(int(now.timestamp()))
    seal = it.key.sign(f"{message}.{stamp}.".encode() + body)
    headers = {
        "content-type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1a,{base64.b64encode(seal).decode()}",
    }
    url = f"{it.decisions}/v1/approvals/{shown['approval_id']}/decision"
    sent = body.replace(b"one in", b"two in") if tamper else body
    return httpx.post(url, content=sent, headers=headers, timeout=60)
