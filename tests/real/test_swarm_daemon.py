"""A watchdog's whole way on a real swarm of one node, with a real Prometheus."""

import os
import uuid
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.real.on_swarm import a_swarm
from tests.real.rig import docker
from tests.real.stage_on_swarm import CHECKOUT, StageOnSwarm
from tests.real.test_socket_proxy import answered, standing
from watchdog.commands.stage import DRI

pytestmark = pytest.mark.real

CFG = CHECKOUT / "examples/swarm/haproxy.cfg"
SOCKET = Path(os.environ.get("DOCKER_HOST", "/var/run/docker.sock").split("://")[-1])
X = "no-such-service"
REFUSED = [
    ("GET", "/services"),
    ("GET", "/v1.41/swarm"),
    ("GET", "/v1.41/swarm/unlockkey"),
    ("POST", "/v1.41/swarm/leave?force=1"),
    ("POST", "/v1.41/nodes/x/update?version=1"),
    ("DELETE", "/v1.41/nodes/x"),
    ("GET", "/v1.41/containers/json"),
    ("POST", "/v1.41/containers/create"),
    ("GET", "/v1.41/images/json"),
    ("POST", "/v1.41/images/create?fromImage=x"),
    ("GET", "/v1.41/secrets/x"),
    ("POST", "/v1.41/secrets/create"),
    ("DELETE", "/v1.41/secrets/x"),
    ("GET", "/v1.41/networks"),
    ("DELETE", "/v1.41/networks/x"),
    ("GET", f"/v1.41/services/{X}/logs?stdout=1"),
    ("POST", f"/v1.41/services/{X}/update"),
    ("POST", f"/v1.41/services/{X}/update?version=1&rollback=previous"),
    ("GET", "/v1.41/distribution/../swarm/x/json"),
    ("GET", "/v1.41/events"),
    ("POST", "/build"),
]
_FAILS = {
    "alert": "AwbRoutingFailures",
    "ratio": {
        "errors": 'dms_awb_routing_failures_total{job="dms"}',
        "total": 'dms_scans_total{job="dms"}',
    },
    "above": "1%",
    "window": "6s",
    "action": "rollback",
}
SAID = ("--by", DRI, "--reason", "scans look wrong")


@pytest.fixture
def it(tmp_path):
    """Set a stage whose watchdog speaks to its manager through the example's proxy."""
    a_swarm()
    with standing(SOCKET, "no", CFG) as (name, address):
        project = f"sw{uuid.uuid4().hex[:8]}"
        made = StageOnSwarm(tmp_path, project, f"tcp://{address}")
        made.make("0:0")
        try:
            yield made
            said = docker("logs", name).splitlines()
            assert [line for line in said if line.startswith("403 ")] == []
        finally:
            made.strike()


def test_the_examples_proxy_refuses_what_the_swarm_executor_does_not_ask():
    a_swarm()
    with standing(SOCKET, "no", CFG) as (_, address):
        said = {one: answered(address, *one) for one in REFUSED}
        gone = answered(address, "DELETE", f"/v1.41/services/{X}")

    assert set(said.values()) == {"403"}, said
    assert gone == "404"


def gate(it, version):
    return httpx.get(f"{it.decisions}/v1/promotion/{version}", timeout=60)


def test_a_bad_release_on_a_swarm_is_rolled_back_as_a_pair(it):
    for version in ("v1.2.0", "v1.3.0"):
        it.file(version, triggers=[_FAILS])
    it.deploy("v1.2.0")
    with it.measured(bake_time="1s"):
        it.watch()
        it.until("decide.pair_known_good", 120)
        it.deploy("v1.3.0")
        it.until("judge.breach_confirmed", 120, trigger="AwbRoutingFailures")
        audit = it.until("record.rollback_audited", 120, how="proved")

        assert it.told() == ("v1.2.0", "v1.2.0")
        assert httpx.get(f"{it.dms}/version", timeout=60).json()["version"] == "v1.2.0"
        assert (audit["previous"], audit["target"]) == ("v1.3.0", "v1.2.0")
        assert gate(it, "v1.3.0").status_code == 423
        paper = httpx.get(f"{it.private}/report/{audit['incident']}", timeout=60).text
        assert "In five lines" in paper
    story = [line["event"] for line in it.story()]
    assert story.count("act.rollback_started") == 1


@pytest.mark.campaign
def test_a_question_on_a_swarm_is_answered_and_a_hold_is_heeded(it):
    it.deploy("v1.2.0")
    with it.measured():
        it.watch()
        it.until("decide.pair_known_good", 180)
        it.deploy("v1.3.1")
        it.until("decide.pair_known_good", 180, count=2)
        live = it.says("check", "--live", within=90)
        assert "15 triggers tried live: all can be relied on" in live

        # While it is held, nothing goes back.
        it.says("hold", *SAID)
        it.says("rollback", *SAID, ends=9)
        it.says("resume", "--by", DRI)
        dry = it.says("drill", "--dry", "--by", DRI)
        assert "rehearsed: ready for the swap; nothing that runs was touched" in dry
        assert it.told() == ("v1.3.1", "v1.3.1")

        it.misbehave(errors=0.3)
        it.until("approve.question_asked", 180)
        assert gate(it, "v1.3.1").status_code == 423
        it.says("approve", *signing(it), "--yes", "--url", it.decisions)
        audit = it.until("record.rollback_audited", 120, how="proved")
        it.until("verify.recovery_seen", 180)
        assert it.told() == ("v1.2.0", "v1.2.0")
        it.says("promotion", "wait", "v1.3.1", "--url", it.decisions, ends=3)
        found = it.says("doctor", within=90)
        assert "it manages a swarm of 1 nodes, 1 of them managers" in found
        assert audit["root_cause"] in it.says("report")


@pytest.mark.campaign
def test_by_hand_on_a_swarm_although_the_daemon_is_dead_and_then_taken_away(it):
    it.settings(bake_time="1h")
    it.deploy("v1.2.0")
    process = it.watch()
    it.until("observe.pair_started")
    it.deploy("v1.3.1")
    it.until("observe.pair_started", count=2)
    it.says("releases", "vouch", "v1.2.0", "--by", DRI)
    process.kill()
    process.wait()

    done = it.says("rollback", "--to", "v1.2.0", *SAID)

    assert " s  proved: image sha256:" in done.splitlines()[-1]
    assert it.told() == ("v1.2.0", "v1.2.0")
    assert "what runs is one whole pair; nothing to mend" in it.says("repair")
    it.says("audit", "verify")
    left = it.ours()
    said = it.says("uninstall", "--yes")
    assert f"{it.project}-watchdog-claim" in left
    assert all(f"removed {kind} " in said for kind in ("config", "service")), said
    assert it.ours() == []
    assert it.told() == ("v1.2.0", "v1.2.0")


def signing(it):
    path = it.config / "dri.pem"
    path.touch(0o600)
    path.write_bytes(
        it.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return ("--as", DRI, "--key", str(path))
