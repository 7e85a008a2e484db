"""The README's way from a clone to a watch: as it is written, and no file edited."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.real.test_adopting import until_scraped
from watchdog.commands.stage import WATCHDOG_IMAGE

README = (Path(__file__).parents[2] / "README.md").read_text()
PART = README.partition("## Put it beside your stack")[2]
BLOCK = re.search(r"```sh\n(.*?)```", PART, re.DOTALL)
COMMANDS = BLOCK[1].splitlines() if BLOCK else []


def test_a_stranger_needs_eight_commands_and_no_editor():
    assert 0 < len(COMMANDS) <= 8
    assert COMMANDS[0].startswith("git clone")
    assert COMMANDS[-1].endswith("watchdog status")
    edits = re.compile(r"\b(?:vi|vim|nano|sed|tee|cat|echo|cp)\b|[^\w]>")
    assert [one for one in COMMANDS if edits.search(one)] == []


@pytest.mark.real
@pytest.mark.campaign
def test_they_lead_from_a_clone_to_a_watch_that_needs_one_more_release(stage, tmp_path):
    it = stage()
    file = it.stack / "compose.yaml"
    whole = yaml.safe_load(file.read_text())
    worker = {k: v for k, v in whole["services"]["dms"].items() if k != "ports"}
    whole["services"]["worker"] = worker
    file.write_text(yaml.safe_dump(whole, sort_keys=False))
    it.compose("up", "-d", "--no-build", "--wait")
    socket = os.environ["DOCKER_HOST"].removeprefix("unix://")
    script = "\n".join(COMMANDS)
    # The image of this checkout is there: nothing can be fetched in the sandbox.
    script = re.sub(
        r"docker build -t (\S+) \S+", rf"docker tag {WATCHDOG_IMAGE} \1", script
    )
    script = script.replace("/srv/dms", str(it.stack))
    script = script.replace("dms_default", f"{it.project}_default")
    script = script.replace("-v /var/run/docker.sock:", f"-v {socket}:")
    script = script.replace("%g /var/run/docker.sock", f"%g {socket}")
    script = script.replace(" init ", f" init --project {it.project} ")
    env = {k: v for k, v in os.environ.items() if not k.startswith("WATCHDOG_")}
    env |= {"REPOSITORY": str(Path(__file__).parents[2]), "DECISIONS_PORT": "0"}
    folder = tmp_path / "mine"
    folder.mkdir()
    try:
        with it.scanning():
            until_scraped(it.prometheus)
            # The status once the first turn is over.
            waits = "for i in $(seq 60); do docker compose exec -T watchdog "
            waits += "watchdog status >/dev/null && break; sleep 1; done"
            *first, last = script.splitlines()
            done = subprocess.run(
                ["bash", "-exc", "\n".join([*first, waits, last])],
                cwd=folder,
                env=env,
                capture_output=True,
                text=True,
                check=False,
            )
    finally:
        subprocess.run(
            ["docker", "compose", "down", "--volumes", "--timeout", "1"],
            cwd=folder / "dms-watchdog",
            env=env,
            check=False,
        )
    print(done.stdout)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "v1.2.0: dms, worker" in done.stdout
    assert "6 triggers tried live: all can be relied on" in done.stdout
    assert ": watching v1.2.0" in done.stdout
    assert "could roll back now: no" in done.stdout
