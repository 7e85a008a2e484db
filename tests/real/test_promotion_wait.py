"""What the pipeline hears of a release that fails from its first second."""

import subprocess
import sys

import httpx
import pytest
import yaml

pytestmark = pytest.mark.real


def test_a_failing_release_is_never_said_to_be_open_and_not_waited_for(stage):
    """One trigger alone: nothing else keeps the gate closed while it is suspected."""
    it = stage()
    shipped = yaml.safe_load((it.config / "releases/v1.3.0.yaml").read_text())
    (awb,) = [t for t in shipped["triggers"] if t["alert"] == "AwbRoutingFailures"]
    for version in ("v1.2.0", "v1.3.0"):
        it.file(version, triggers=[awb])
    it.compose("up", "-d", "--no-build", "--wait")
    with it.scanning():
        it.watch()
        it.until("decide.pair_known_good", 120)
        body = httpx.get(f"{it.decisions}/v1/promotion/v1.2.0", timeout=60).json()
        image = body["images"]["dms"][0]
        assert _asked(it, "--audience", body["audience"], "--image", image) == 0
        assert _asked(it, "--audience", "another") == 7
        assert _asked(it, "--image", f"sha256:{'0' * 64}") == 8

        it.deploy("v1.3.0")
        waiting = _wait(it, "v1.3.0", "--timeout", "5m", "--every", "100ms")
        it.until("record.rollback_audited", how="proved")
        said = waiting.communicate(timeout=120)[0]

    assert waiting.returncode == 3, said
    assert "v1.3.0 is open" not in said
    assert "AwbRoutingFailures" in said
    changes = [
        line["state"]
        for line in it.story()
        if line["event"] == "decide.promotion_changed" and line["release"] == "v1.3.0"
    ]
    assert changes
    assert set(changes) == {"paused"}


def _asked(it, *more):
    with _wait(it, "v1.2.0", *more) as asked:
        asked.communicate(timeout=60)
    return asked.returncode


def _wait(it, release, *more):
    words = ["promotion", "wait", release, "--url", it.decisions, *more]
    return subprocess.Popen(
        [sys.executable, "-m", "watchdog", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
