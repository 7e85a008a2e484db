"""A stack that nobody has set up: looked at, written down, and found right."""

import os
import subprocess
import sys
import time

import httpx
import pytest
import yaml

from watchdog.commands.stage import DRI, WATCHDOG_IMAGE

pytestmark = pytest.mark.real


def ran(*words, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WATCHDOG_")}
    return subprocess.run(
        words, env=clean | env, capture_output=True, text=True, check=False
    )


def until_scraped(url):
    """Wait until Prometheus has some scrapes of the DMS."""
    question = {"query": 'count_over_time(up{job="dms"}[1m]) > 4'}
    for _ in range(300):
        answer = httpx.get(
            f"{url}/api/v1/query", params=question, trust_env=False, timeout=60
        )
        if answer.json().get("data", {}).get("result"):
            return
        time.sleep(0.4)
    raise AssertionError("nothing was scraped")


def test_what_init_writes_is_found_right_by_check_live(stage, tmp_path):
    it = stage()
    it.compose("up", "-d", "--no-build", "--wait")
    people = yaml.safe_load((it.config / "approvers.yaml").read_text())["approvers"]
    (tmp_path / "asha.line").write_text(people[DRI]["keys"][0])
    folder = tmp_path / "out"
    words = ["--yes", "--project", it.project, "--into", str(folder)]
    words += ["--dri", f"{DRI}={tmp_path / 'asha.line'}"]
    compose = ["docker", "compose", "--project-directory", str(folder)]
    with it.scanning():
        until_scraped(it.prometheus)
        made = ran(sys.executable, "-m", "watchdog", "init", *words)
        assert made.returncode == 0, made.stdout + made.stderr
        try:
            live = ran(
                *compose,
                *("run", "--rm", "watchdog", "check", "--live"),
                WATCHDOG_IMAGE=WATCHDOG_IMAGE,
            )
        finally:
            ran(*compose, "down", "--volumes", "--timeout", "1")

    assert live.returncode == 0, live.stdout + live.stderr
    assert "6 triggers tried live: all can be relied on" in live.stdout
    assert "what proves v1.2.0: http://dms:5269/health says 200" in live.stdout
