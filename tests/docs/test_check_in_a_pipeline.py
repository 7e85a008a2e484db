"""The hook and the steps of the docs, run as they are written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/check-in-a-pipeline.md"
BLOCKS = [
    yaml.safe_load(block)
    for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
]
HOOK = next(one for one in BLOCKS if isinstance(one, dict))["repos"][0]["hooks"][0]
STEPS = [one[0]["run"] for one in BLOCKS if isinstance(one, list)]
COMMANDS = {"the hook": HOOK["entry"], "the step": STEPS[0]}


@pytest.fixture
def checkout(tmp_path):
    """Give a repository with a config, and ``watchdog`` in PATH, as in a pipeline."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    found = tmp_path / "bin/watchdog"
    found.parent.mkdir()
    found.write_text(f'#!/bin/sh\nexec {sys.executable} -m watchdog "$@"\n')
    found.chmod(0o755)
    return tmp_path


def run(command, checkout):
    env = {k: v for k, v in os.environ.items() if not k.startswith("WATCHDOG_")}
    env |= {"PATH": f"{checkout}/bin:{env['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["sh", "-c", command],
        cwd=checkout,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("which", COMMANDS)
def test_as_written_it_passes_what_is_right_and_stops_all_that_is_wrong(
    checkout, which
):
    done = run(COMMANDS[which], checkout)
    shown = re.search(r"```text\n\$ .*?\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown
    assert (done.returncode, done.stdout) == (0, shown[1]), done.stderr

    for version, wrong in (("v1.2.0", "above: 5"), ("v1.3.0", "above: much")):
        file = checkout / f"config/releases/{version}.yaml"
        file.write_text(file.read_text().replace("above: 5%", wrong))
    done = run(COMMANDS[which], checkout)

    assert done.returncode == 2
    assert "v1.2.0.yaml refused" in done.stderr
    assert "v1.3.0.yaml refused" in done.stderr


def test_the_hook_looks_when_the_config_changes_and_at_all_of_it():
    assert re.search(HOOK["files"], "config/releases/v1.2.0.yaml")
    assert HOOK["pass_filenames"] is False


def test_the_step_with_the_image_asks_the_same():
    mounted, asked = STEPS[1].split(" dms-rollback-watchdog:26.11.0 ")

    assert asked == "check --files-only"
    assert '-v "$PWD/config:/etc/watchdog:ro"' in mounted
