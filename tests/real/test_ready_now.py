"""Could it be rolled back right now? Asked of a real stack in which things get lost."""

import json
import subprocess
import sys
import time

import httpx
import pytest
import yaml

pytestmark = pytest.mark.real


def test_it_is_said_whether_a_rollback_could_begin_and_why_not(stage):
    it = stage()
    it.settings(readiness_every="5s")
    it.compose("up", "-d", "--no-build", "--wait")
    kept = it.stack / "manifests/meesho.v1.2.0.manifest.json"
    with it.scanning():
        it.watch()
        first = it.until("decide.readiness_changed")
        assert (first["ready"], first["level"]) == (False, "warning")
        assert "bake_time" in first["lacks"][0]
        it.until("decide.pair_known_good", 120)
        it.deploy("v1.3.1")
        it.until("decide.readiness_changed", 90, ready=True, target="v1.2.0")
        until_said(it, "could roll back to v1.2.0 now: yes (since ")
        until_so(lambda: ready(it) == 1.0)

        data = kept.read_bytes()
        kept.write_bytes(data + b"\n")
        (it.stack / "data").rename(it.stack / "data-away")
        status = until_said(
            it,
            "could roll back to v1.2.0 now: no (since ",
            "               - manifests/meesho.v1.2.0.manifest.json is ",
            "- data, which dms mounts, is not in",
        )
        assert status[1].startswith("could roll back to v1.2.0 now: no (since ")
        until_so(lambda: ready(it) == 0.0)
        until_so(lambda: "data, which dms mounts" in paused(it, "v1.3.1"))

        kept.write_bytes(data)
        (it.stack / "data-away").rename(it.stack / "data")
        until_said(it, "could roll back to v1.2.0 now: yes")

    levels = [
        e["level"] for e in it.story() if e["event"].endswith("readiness_changed")
    ]
    assert "error" in levels
    events = [e["event"] for e in it.story()]
    assert "act.rollback_started" not in events


def test_a_health_url_that_never_answered_is_said_before_a_rollback_needs_it(stage):
    it = stage()
    it.compose("up", "-d", "--no-build", "--wait")
    whole = yaml.safe_load((it.config / "watchdog.yaml").read_text())
    wrong = "http://127.0.0.1:9/health"
    it.settings(
        stack=whole["stack"] | {"health": wrong},
        readiness_every="5s",
        prove_within="2s",
    )
    lack = f"what proves a pair does not hold for what runs now: {wrong} did not answer"
    with it.scanning():
        it.watch()
        it.until("decide.readiness_changed")
        until_said(it, lack)
        live = _check_live(it)
        assert live.returncode == 1
        assert lack in live.stdout
        until_so(lambda: lack in paused(it, "v1.2.0"))

        it.compose("stop", "dms")
        down = until_said(it, "1 of 1 containers of v1.2.0 is exited, not running")
        assert any(line.startswith("deployed ") for line in down)


def until_said(it, *words):
    """Ask until all *words* are in its lines: a busy stack goes to and fro before."""
    patience = time.monotonic() + 90
    while True:
        status = said(it)
        if all(any(one in line for line in status) for one in words):
            return status
        assert time.monotonic() < patience, status
        time.sleep(0.5)


def until_so(is_so):
    """Ask until *is_so* says that it is."""
    patience = time.monotonic() + 90
    while not is_so():
        assert time.monotonic() < patience
        time.sleep(0.5)


def paused(it, version):
    """Give why the gate of *version* is closed; nothing when it is open."""
    gate = httpx.get(f"{it.decisions}/v1/promotion/{version}", timeout=60)
    reasons = gate.json().get("reasons", [])
    return "\n".join(reasons) if gate.status_code in (423, 503) else ""


def _check_live(it):
    words = [sys.executable, "-m", "watchdog", "check", "--live", "-c"]
    words.append(str(it.config / "watchdog.yaml"))
    return subprocess.run(words, capture_output=True, text=True, check=False)


def said(it):
    """Give the lines of ``watchdog status`` on the stage, once its turns are on time.

    On a busy machine a turn may be late, and then it says that nobody watches.
    """
    words = [sys.executable, "-m", "watchdog", "status", "-c"]
    words.append(str(it.config / "watchdog.yaml"))
    patience = time.monotonic() + 90
    while True:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if "NOT WATCHING" not in done.stdout:
            return done.stdout.splitlines()
        assert time.monotonic() < patience, done.stdout
        time.sleep(0.5)


def ready(it):
    """Give the metric."""
    text = httpx.get(f"{it.private}/metrics", timeout=60).text
    found = [line for line in text.splitlines() if line.startswith("watchdog_ready ")]
    return float(json.loads(found[0].split()[1])) if found else None
