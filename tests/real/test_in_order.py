"""A service that needs another one healthy waits for it, as it does under Compose."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.real import rig
from tests.real.test_fidelity import BAD, MANIFEST, OLD, images
from watchdog.facts.event import StepDone
from watchdog.facts.plan import Do

__all__ = ["images"]
pytestmark = pytest.mark.real

# Listens three seconds after its start.
SLOW = (
    "import time, http.server as h; time.sleep(3); "
    "h.test(h.SimpleHTTPRequestHandler, port=7000)"
)
PROBE = "import socket; socket.create_connection(('127.0.0.1', 7000), 5)"
# Looks once for what it needs, and is over without it.
EAGER = (
    "import socket, time; socket.create_connection(('slow', 7000), 5); time.sleep(9999)"
)


@pytest.fixture
def it(tmp_path, images):
    app = {
        "image": f"{rig.IMAGE}:${{DMS_VERSION:?}}",
        "entrypoint": [],
        "init": True,
        "stop_grace_period": "1s",
        "volumes": [MANIFEST],
        "healthcheck": {"disable": True},
    }
    check = {"test": ["CMD", "python", "-c", PROBE], "interval": "500ms"}
    whole = {
        "services": {
            "eager": app
            | {
                "command": ["python", "-c", EAGER],
                "depends_on": {"slow": {"condition": "service_healthy"}},
            },
            "slow": app
            | {
                "command": ["python", "-c", SLOW],
                "healthcheck": check | {"timeout": "9s", "retries": 60},
            },
        }
    }
    project = f"order-{uuid.uuid4().hex[:8]}"
    files = {f"manifests/meesho.{v}.manifest.json": v for v in (OLD, BAD)}
    rig.write(tmp_path / project, project, whole, files)
    one = rig.Rig(tmp_path / project, project, ("eager", "slow"))
    one.rules = replace(one.rules, prove_within=timedelta(seconds=90))
    try:
        yield one
    finally:
        one.down()


def test_who_looks_at_once_for_what_it_needs_finds_it_healthy(it):
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)

    it.roll_back(target)

    walk = [
        (str(event.step.do), event.step.subject)
        for event in it.events(StepDone)
        if event.step.do in (Do.START, Do.AWAIT)
    ]
    assert walk == [("start", "slow"), ("await", "slow"), ("start", "eager")]
    assert "Running" in it.up()
