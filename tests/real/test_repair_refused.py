"""`watchdog repair` on an engine that refuses: what cannot be read is said, and so."""

import base64
import json

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from tests.crash.proxy import Proxy, short_socket
from tests.real.rig import docker
from tests.real.undo import OLD, Asked
from watchdog.__main__ import app
from watchdog.commands.stage import IMAGE

pytestmark = pytest.mark.real

NOT_LISTED = "this path is not on the proxy's list"


@pytest.fixture
def stopped(tmp_path):
    """Make a stack of two that log nowhere, and stop the second one."""
    it = Asked(tmp_path, services=("dms", "worker"))
    it.change(logging={"driver": "none"})
    it.deploy(OLD)
    it.worker = it.inspect("worker")["Id"]
    docker("stop", "-t", "1", it.worker)
    engine = Proxy(short_socket(tmp_path), it.url)
    (tmp_path / "releases").mkdir()
    release = {
        "release": OLD,
        "image": f"{IMAGE}:{OLD}",
        "manifests": {"meesho": it.kept(OLD)},
        "dri": ["asha"],
        "triggers": [{"alert": "Down", "value": "up", "below": 1, "for": "2m"}],
    }
    release["triggers"][0]["action"] = "pause-and-alert"
    (tmp_path / f"releases/{OLD}.yaml").write_text(yaml.safe_dump(release))
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    key = f"whpk_{base64.b64encode(public).decode()}"
    people = {"approvers": {"asha": {"keys": [key]}}}
    (tmp_path / "approvers.yaml").write_text(yaml.safe_dump(people))
    stack = {"project": it.project, "directory": str(it.folder)}
    settings = {
        "stack": stack | {"services": ["dms", "worker"]},
        "engine": {"url": engine.url},
        "releases": "releases",
        "state": str(it.journal.folder),
    }
    it.settings = tmp_path / "watchdog.yaml"
    it.settings.write_text(yaml.safe_dump(settings))
    yield it, engine
    engine.close()
    it.down()


def repaired(it, *words):
    return CliRunner().invoke(app, ["repair", "--config", str(it.settings), *words])


def test_repair_shows_all_that_is_and_says_what_the_engine_refuses(stopped):
    it, engine = stopped

    done = repaired(it)

    assert isinstance(done.exception, SystemExit), done.output
    # The whole truth of what nobody wrote down: it is exited, and its words are gone.
    assert done.exit_code == 1, done.output
    lines = done.output.splitlines()
    assert lines[0].endswith(": one whole pair, and not all of it runs")
    assert lines[1].endswith(
        "-worker-1 is exited; "
        "`docker compose up -d`, or `docker stack deploy`, starts it"
    )
    (exited,) = (n for n, line in enumerate(lines) if " is exited: " in line)
    assert lines[exited].startswith("worker ")
    assert any("could not be read" in line for line in lines[exited + 1 : exited + 4])

    engine.refuse = lambda request: (
        NOT_LISTED if f"/containers/{it.worker}/json" in request else ""
    )
    done = repaired(it)
    told = json.loads(repaired(it, "--json").output)

    assert done.exit_code == 1
    unread = told["unread"][0]
    assert f"{it.project}-worker-1: the engine refused to inspect" in unread
    assert all(NOT_LISTED in words for words in told["unread"])
    assert f"unread    {unread}" in done.output
    assert {part["service"]: part["state"] for part in told["parts"]} == {
        "dms": "running",
        "worker": "exited",
    }
    # Nothing of it is fine, whatever else could be read.
    assert "nothing to mend" not in done.output

    engine.refuse = lambda _: NOT_LISTED
    done = repaired(it)

    assert done.exit_code == 1
    assert done.output.splitlines()[0].endswith(
        "not known: not all that there is could be read"
    )
    assert NOT_LISTED in done.output
