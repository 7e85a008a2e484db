"""Compose as the referee: what it says it would make is what it makes."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.real.rig import IMAGE, Rig, build, write
from watchdog.facts.env_file import EnvFile
from watchdog.facts.problem import Problem
from watchdog.observe.referee import Deployed, Referee
from watchdog.outside.command import Commands

pytestmark = pytest.mark.real

MANIFEST = "manifests/meesho.${DMS_VERSION}.manifest.json"
HASH = "com.docker.compose.config-hash"
# All that the hash is made of and that a rendering could get wrong.
SERVICES = {
    "app": {
        "image": f"{IMAGE}:${{DMS_VERSION:?}}",
        "env_file": [".env", {"path": "more.env", "required": False}],
        "environment": {"PRICE": "5$$", "OF": "${DMS_VERSION}"},
        "labels": {"cost": "$$1"},
        "volumes": [
            f"./{MANIFEST}:/manifests/meesho.manifest.json:ro",
            "kept:/kept",
        ],
        "configs": [{"source": "zone", "target": "/etc/zone"}],
        "secrets": ["word"],
        "depends_on": ["db"],
        "healthcheck": {"test": "test -n $$HOME", "interval": "1s"},
        "deploy": {"resources": {"limits": {"memory": "64M"}}},
        "tmpfs": ["/scratch"],
    },
    "db": {
        "extends": {"file": "common.yaml", "service": "base"},
        "environment": ["PLAIN=1"],
    },
    "tool": {"image": f"{IMAGE}:v1.3.0", "profiles": ["by-hand"]},
    "beside": {"image": f"{IMAGE}:v1.2.0", "network_mode": "service:db"},
}
WHOLE = {
    "services": SERVICES,
    "volumes": {"kept": {}},
    "configs": {"zone": {"file": "./zone.conf"}},
    "secrets": {"word": {"file": "./word"}},
}
FILES = {
    "common.yaml": f"services: {{base: {{image: '{IMAGE}:v1.2.0', env_file: db.env}}}}",
    "more.env": "MORE='a b'\n",
    "db.env": "NAME=db\n",
    "zone.conf": "one",
    "word": "xyzzy",
    **{f"manifests/meesho.{v}.manifest.json": v for v in ("v1.2.0", "v1.3.0")},
}


def a_referee(folder: Path, state: Path) -> Referee:
    kept = ("PATH", "HOME", "DOCKER_CONFIG")
    env = {key: os.environ[key] for key in kept if key in os.environ}
    commands = Commands(state, timedelta(minutes=1), env)
    return Referee(commands, ("docker", "compose"), folder, folder / ".env")


@pytest.fixture
def rig(tmp_path):
    build()
    project = f"ref-{tmp_path.name[-24:].lower().strip('-_').replace('_', '-')}"
    write(tmp_path / "stack", project, WHOLE, FILES)
    made = Rig(tmp_path / "stack", project, ("app",))
    yield made
    made.down()


def labels_of(rig, service):
    return rig.inspect(service)["Config"]["Labels"]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_is_rendered_after_a_pin_is_what_compose_makes(rig, tmp_path, elsewhere):
    rig.deploy("v1.3.0")
    deployed = Deployed.of(labels_of(rig, "app"))
    folder = rig.folder
    if elsewhere:  # as a container sees it, under another path
        folder = tmp_path / "mounted"
        shutil.copytree(rig.folder, folder)
    referee = a_referee(folder, tmp_path / "state")

    now = referee.render(deployed, {})
    then = referee.render(deployed, {"DMS_VERSION": "v1.2.0"})

    assert {s: now[s].hash for s in ("app", "db")} == {
        s: labels_of(rig, s)[HASH] for s in ("app", "db")
    }
    assert now["app"].image == f"{IMAGE}:v1.3.0"
    assert now["tool"].alone
    # Compose hashes it with the container's id in it.
    assert [name for name in now if now[name].joins] == ["beside"]
    assert now["beside"].hash != labels_of(rig, "beside")[HASH]
    rig.deploy("v1.2.0")
    made = rig.inspect("app")
    assert then["app"].hash == made["Config"]["Labels"][HASH]
    assert then["db"] == now["db"]
    assert then["app"].image == made["Config"]["Image"]
    assert {
        m["Destination"]: m["Source"] for m in made["Mounts"] if m["Type"] == "bind"
    } == dict(then["app"].binds)
    assert then["app"].environment["DMS_VERSION"] == "v1.2.0"
    env = EnvFile.read((folder / ".env").read_bytes())
    assert referee.choosers(deployed, ("app",), env) == ("DMS_VERSION",)


class Counting:
    """The real programs, and how often one was run."""

    def __init__(self, commands):
        self._commands = commands
        self.count = 0

    def look(self, argv, folder):
        self.count += 1
        return self._commands.look(argv, folder)


def test_it_is_asked_again_only_when_a_file_has_changed(rig, tmp_path):
    rig.deploy("v1.3.0")
    deployed = Deployed.of(labels_of(rig, "app"))
    referee = a_referee(rig.folder, tmp_path / "state")
    counting = referee._commands = Counting(referee._commands)
    first = referee.render(deployed, {})
    referee.render(deployed, {})  # by now it knows which env files the services read
    asked = counting.count
    assert referee.render(deployed, {}) == first
    assert counting.count == asked

    (rig.folder / "more.env").write_text("MORE='c d'\n")
    referee.render(deployed, {})
    assert counting.count > asked

    # What it cannot render it says again, without trying each time.
    (rig.folder / "common.yaml").write_text("services: {base: {imagee: x}}")
    for _ in range(3):
        with pytest.raises(Problem, match=r"Compose cannot render the stack: .*imagee"):
            referee.render(deployed, {})
    asked = counting.count
    with pytest.raises(Problem):
        referee.render(deployed, {})
    assert counting.count == asked
