"""What really stands in the place of Compose's containers is recognised and said."""

import json
import time
import uuid

import pytest
from typer.testing import CliRunner

from tests.real.rig import Rig, docker, write
from watchdog.__main__ import app
from watchdog.commands.stage import IMAGE
from watchdog.facts.pair import NotKnown

pytestmark = pytest.mark.real

OLD = f"{IMAGE}:v1.2.0"
SLEEPS = ("python", "-c", "import time; time.sleep(600)")


@pytest.fixture
def there(tmp_path):
    """Give a project whose one service nobody has brought up by Compose."""
    name = f"strange-{uuid.uuid4().hex[:8]}"
    write(tmp_path / name, name, {"services": {"app": {"image": OLD}}}, {})
    it = Rig(tmp_path / name, name)
    it.pin("v1.2.0")
    yield it
    it.down()


def what_is_said(it):
    """Ask the eyes, and `repair`: neither may call it fine."""
    seen = it.eyes.running(lambda _: ())
    assert isinstance(seen, NotKnown)
    (obstacle,) = it.eyes.obstacles()
    assert obstacle in seen.words
    home = it.folder.parent
    (home / "releases").mkdir()
    (home / "approvers.yaml").write_text("approvers: {}\n")
    stack = {"project": it.project, "services": ["app"], "directory": str(it.folder)}
    whole = {"stack": stack | {"manifests": "none"}, "engine": {"url": it.url}}
    whole |= {"releases": "releases", "state": str(it.journal.folder)}
    (home / "watchdog.yaml").write_text(json.dumps(whole))
    done = CliRunner().invoke(app, ["repair", "--config", str(home / "watchdog.yaml")])
    assert done.exit_code == 1, done.output
    assert "nothing to mend" not in done.output
    return obstacle


def test_docker_run_is_recognised_and_answered(there):
    name = f"{there.project}-app-1"
    docker("run", "-d", "--init", "--name", name, "--entrypoint=python", OLD,
           *SLEEPS[1:])  # fmt: skip
    try:
        said = what_is_said(there)
    finally:
        docker("rm", "-f", name)

    assert f"{name} was started without Compose, as by `docker run`" in said
    assert "write it into a Compose file" in said


@pytest.mark.campaign  # an engine becomes a swarm of one, and leaves it again
def test_a_swarm_stack_is_recognised_and_answered(there, tmp_path):
    file = tmp_path / "stack.yaml"
    service = {"image": OLD, "entrypoint": list(SLEEPS)}
    # No kernel here balances Swarm's virtual addresses.
    service["deploy"] = {"endpoint_mode": "dnsrr"}
    file.write_text(json.dumps({"version": "3.8", "services": {"app": service}}))
    docker("swarm", "init", "--advertise-addr", "127.0.0.1")
    try:
        words = ["--resolve-image", "never", "-c", str(file), there.project]
        docker("stack", "deploy", *words)
        label = f"label=com.docker.stack.namespace={there.project}"
        end = time.monotonic() + 120
        while not docker("ps", "-q", "--filter", label).strip():
            assert time.monotonic() < end, docker("stack", "ps", there.project)
            time.sleep(0.5)

        said = what_is_said(there)
    finally:
        docker("stack", "rm", there.project, check=False)
        docker("swarm", "leave", "--force", check=False)

    assert f"service app of {there.project} runs in Swarm" in said
    assert f"`docker service rollback {there.project}_app`" in said
