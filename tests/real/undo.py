"""A fleet of the real DMS whose answers are asked, and which can be spoilt."""

import json
import shutil
import socket
import subprocess
import uuid
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
import yaml

from tests.real.rig import docker
from tests.real.test_operator import Fleet
from watchdog.act.hands import Hands
from watchdog.commands.stage import IMAGE
from watchdog.observe.health import ask_stack
from watchdog.outside.engine import Engine

OLD, BAD = "v1.2.0", "v1.3.0"
_NOWHERE = "http://127.0.0.1:9"


class Asked(Fleet):
    """Services of the DMS, proved by what the first one answers over HTTP."""

    def __init__(self, folder, layout="versioned", services=("dms",)):
        super().__init__(folder, layout, services)
        self.version_at = ""

        def ask(meant, within):
            at = self.address()
            version = self.version_at or f"{at}/version"
            return ask_stack(f"{at}/health", version, meant, within)

        self.ask_stack = ask

    def address(self):
        """Give where the first service answers, inside this machine."""
        labels = {"project": self.project, "service": self.services[0]}
        wanted = [
            f"--filter=label=com.docker.compose.{k}={v}" for k, v in labels.items()
        ]
        running = docker("ps", "-q", *wanted).split()
        if not running:
            return _NOWHERE
        (found,) = json.loads(docker("inspect", running[0]))
        networks = found["NetworkSettings"]["Networks"].values()
        return f"http://{next(iter(networks))['IPAddress']}:5269"

    # what a test chooses

    def checks(self, *checks, **more):
        """Have these smoke checks in the settings, and *more* rules."""
        self.rules = replace(self.rules, smoke=checks, **more)

    def change(self, service="", whole=None, **options):
        """Change options of *service*, or of each, in the Compose file."""
        path = self.folder / "compose.yaml"
        model = yaml.safe_load(path.read_text())
        for name in [service] if service else self.services:
            for key, value in options.items():
                kept = model["services"][name].get(key) or []
                both = [*kept, *value] if isinstance(value, list) else value
                model["services"][name][key] = both
        path.write_text(yaml.safe_dump({**model, **(whole or {})}))

    def set(self, **variables):
        """Change variables of the stack's env file."""
        env = self.folder / ".env"
        lines = [
            line
            for line in env.read_text().splitlines()
            if line.partition("=")[0] not in variables
        ]
        lines += [f"{name}={value}" for name, value in variables.items()]
        env.write_text("\n".join([*lines, ""]))

    def has_scripts(self, service):
        """Start *service* by a script of its version's own, mounted into it."""
        for version in (OLD, BAD):
            script = self.folder / f"start.{version}"
            script.write_text("#!/bin/sh\nexec python -m dms\n")
            script.chmod(0o755)
        mount = "./start.${DMS_VERSION}:/start:ro"
        self.change(service, entrypoint=["/start"], volumes=[mount])

    def fail(self, **faults):
        """Let the old version misbehave from its next start."""
        path = self.folder / "data/faults.json"
        path.write_text(json.dumps({OLD: faults}))

    def patience(self, **limits):
        """Give the engine other limits."""
        self.to_act.close()
        self.to_act = Engine(self.url, limits.pop("timeout"), to_act=True, **limits)
        self.hands = Hands(
            self.to_act,
            folder=self.folder,
            env_file=".env",
            variable="DMS_VERSION",
            blob=self.journal.blob,
            sealed=lambda *_: None,
        )

    # what is seen

    def ready_to_go_back(self):
        """Have run the old pair, run the bad one; give the old one's record."""
        self.deploy(OLD)
        target = self.record()
        self.deploy(BAD)
        return target

    def serves(self):
        """Give what the first service says its version is."""
        (_, version) = ask_stack(
            f"{self.address()}/health", f"{self.address()}/version", BAD
        )
        return version.words.partition(" says ")[2].partition(",")[0]

    def containers(self):
        """Inspect every container of the project, by name."""
        label = f"--filter=label=com.docker.compose.project={self.project}"
        ids = docker("ps", "-aq", label).split()
        found = json.loads(docker("inspect", *ids))
        for one in found:
            one["Mounts"].sort(key=lambda mount: mount["Destination"])
        return {one["Name"].lstrip("/"): one for one in found}

    def files(self):
        """Read every file of the stack's folder; what the DMS writes is left out."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and "data" not in path.relative_to(self.folder).parts
        }

    def dirs(self):
        """Name every folder of the stack's folder."""
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*/")}


@contextmanager
def on_a_small_disk(it, place=".", size="512k"):
    """Move *place* of the stack's folder onto a disk of its own; give what fills it.

    What the DMS writes stays elsewhere.
    """
    data = it.folder.with_name(f"{it.folder.name}-data")
    (it.folder / "data").rename(data)
    (it.folder / "data").symlink_to(data)
    model = (it.folder / "compose.yaml").read_text()
    (it.folder / "compose.yaml").write_text(model.replace("./data:", f"{data}:"))
    where = (it.folder / place).resolve()
    aside = where.with_name(f"{where.name}-aside")
    shutil.copytree(where, aside, symlinks=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)]
    subprocess.run(mount, check=True)
    try:
        (where / "seen").touch()
        look = ["--entrypoint=ls", f"--volume={where}:/place:ro", f"{IMAGE}:{OLD}"]
        if "seen" not in docker("run", "--rm", *look, "/place").split():
            pytest.skip("the engine has mounts of its own, and does not see this disk")
        (where / "seen").unlink()
        shutil.copytree(aside, where, symlinks=True, dirs_exist_ok=True)
        yield where / "ballast"
    finally:
        it.down()
        subprocess.run(["umount", "-l", str(where)], check=True)


def fill(ballast):
    """Leave no room on the disk that *ballast* lies on."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"0" * 4096):
                pass
        except OSError:
            return


class Spoilt:
    """Hands beside which *deed* is done once, right after a step *after*."""

    def __init__(self, it, after, deed):
        self.it, self.after, self.deed = it, after, deed

    def is_done(self, plan, target, step):
        return self.it.hands.is_done(plan, target, step)

    def evidence_of(self, plan, step):
        return self.it.hands.evidence_of(plan, step)

    def do(self, plan, target, step):
        self.it.hands.do(plan, target, step)
        if self.deed and step.words.startswith(self.after):
            deed, self.deed = self.deed, None
            deed()


def a_port():
    """Find a port that nobody has."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def taken(port):
    """Take *port*, as another process does."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", port))
    one.listen()
    return one


@contextmanager
def own_images(it):
    """Let *it* have images that no other test has, in the registry too.

    A name that is taken away, or pruned, is then not one that another test deploys.
    """
    it.repository = f"{IMAGE}-{uuid.uuid4().hex[:8]}"
    names = [f"{it.repository}:{version}" for version in (OLD, BAD)]
    for version, name in zip((OLD, BAD), names, strict=True):
        text = f"FROM {IMAGE}:{version}\nLABEL of={it.repository}\n"
        docker("build", "-q", "-t", name, "-", input=text)
        docker("push", "-q", name)
    env = it.folder / ".env"
    env.write_text(env.read_text().replace(IMAGE, it.repository))
    try:
        yield
    finally:
        for name in names:
            docker("rmi", "-f", name, check=False)
