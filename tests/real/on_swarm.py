"""A stack on a real swarm of one node, rolled back by the swarm executor."""

import json
import os
import time
from datetime import timedelta

import pytest
import yaml

from tests.real.half import Half
from tests.real.rig import docker
from tests.worlds import rules
from watchdog.config.sections.executors import Engine as EngineSection
from watchdog.config.sections.stack import Stack as Section
from watchdog.config.settings import Settings
from watchdog.facts.spec import canonical
from watchdog.outside.swarm import Swarm
from watchdog.wiring.swarm import swarm_claims_of, swarm_keeper_of

OLD, BAD = "v1.2.0", "v1.3.0"
REGISTRY = os.environ.get("SANDBOX_REGISTRY", "127.0.0.1:5055")
IMAGE = f"{REGISTRY}/swarm-app"
URL = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
# It ends at once when told to, and serves only with the manifest of its own version,
# once it has booted for BOOTS tenths of a second.
SERVES = (
    "trap 'exit 0' TERM;"
    " grep -q $APP_VERSION /manifests/meesho.manifest.json || exit 3;"
    ' test -z "$DIES" || exit 4;'
    " n=0; while test $n -lt ${BOOTS:-0}; do sleep 0.1; n=$((n + 1)); done;"
    " touch /tmp/well; while :; do sleep 0.1; done"
)
_DOCKERFILE = """
FROM python:3.13-slim
ENV APP_VERSION={version}
HEALTHCHECK --interval=300ms --timeout=5s --retries=9 CMD test -e /tmp/well
CMD {command}
"""


def a_swarm():
    """Have a swarm on the sandbox's own engine, or on one that is thrown away."""
    state = docker("info", "--format", "{{.Swarm.LocalNodeState}}").strip()
    if state == "active":
        return
    if "dms-sandbox" not in URL and not os.environ.get("CI"):
        pytest.skip("this machine's engine is in no swarm, and is not ours to put in")
    said = docker("swarm", "init", "--advertise-addr", "127.0.0.1", check=False)
    # Of several workers one makes it.
    assert "initialized" in said or "already part" in said, said


def build():
    """Have both images in the registry."""
    serves = json.dumps(["sh", "-c", SERVES])
    plain = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    for version in (OLD, BAD):
        text = _DOCKERFILE.format(version=version, command=serves)
        docker("build", "-q", "-t", f"{IMAGE}:{version}", "-", input=text, env=plain)
        docker("push", "-q", f"{IMAGE}:{version}")


class People:
    """A stack of two services, of one image and one manifest, and whoever deploys it.

    *url* is the manager that is asked.
    """

    services = ("api", "worker")

    def __init__(self, folder, project, url=URL, image=IMAGE):
        self.url, self.image, self.project = url, image, project
        self.folder = folder / "stack"
        self.folder.mkdir(exist_ok=True)
        self.swarm = Swarm(url, timedelta(seconds=20), to_act=True)

    # what people do

    def docker(self, *words, **more):
        """Run ``docker`` *words* on the manager."""
        return docker("-H", self.url, *words, **more)

    def files(self, version, **changed):
        """Write the stack's file for *version*; *changed* is the api's own."""
        name = f"manifest_meesho_{version.replace('.', '_')}"
        (self.folder / name).write_text(json.dumps({"version": version}))
        given = [{"source": name, "target": "/manifests/meesho.manifest.json"}]
        image = f"{self.image}:{version}"
        common = {"image": image, "configs": given, "networks": ["net"]}
        pace = {"parallelism": 1, "failure_action": "rollback", "monitor": "500ms"}
        whole = {
            "version": "3.8",
            "services": {
                "api": common
                | {
                    "deploy": {
                        "replicas": 2,
                        "endpoint_mode": "dnsrr",
                        "update_config": pace | {"order": "start-first"},
                    }
                }
                | changed,
                "worker": common
                | {
                    "deploy": {
                        "replicas": 1,
                        "endpoint_mode": "dnsrr",
                        "update_config": pace | {"failure_action": "pause"},
                    }
                },
            },
            "configs": {name: {"name": f"{self.project}_{name}", "file": f"./{name}"}},
            "networks": {"net": {"driver": "overlay"}},
        }
        path = self.folder / "stack.yaml"
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        return path

    def post(self, version, **changed):
        """Have `docker stack deploy` do it; return what it said."""
        file = str(self.files(version, **changed))
        words = ("stack", "deploy", "-c", file, self.project)
        return self.docker(*words, cwd=self.folder)

    # what is true of it

    def until(self, claim, words, patience=90):
        """Wait until *claim* holds."""
        deadline = time.monotonic() + patience
        while not claim():
            assert time.monotonic() < deadline, f"not within {patience} s: {words}"
            time.sleep(0.1)

    def specs(self):
        """Give what the swarm is told, by service; without what is empty."""
        found = self.swarm.services(self.project)
        return {one["Spec"]["Name"]: canonical(one["Spec"]) for one in found}

    def tasks(self):
        """Give the ids of the tasks that run."""
        found = self.swarm.tasks(self.project)
        return {t["ID"] for t in found if t["Status"]["State"] == "running"}

    def runs(self):
        """Give (image's version, config) of each task that is to run."""
        both = set()
        for task in self.swarm.tasks(self.project):
            if task["DesiredState"] == "running":
                made = task["Spec"]["ContainerSpec"]
                config = made["Configs"][0]["ConfigName"].rpartition("meesho_")[2]
                tag = made["Image"].partition("@")[0].rpartition(":")[2]
                both.add((tag, config.replace("_", ".")))
        return both


class OnSwarm(Half, People):
    """The same with a watchdog's half."""

    def __init__(self, folder, project, url=URL, image=IMAGE):
        People.__init__(self, folder, project, url, image)
        self.ask_stack = lambda *_: ()
        super().__init__(folder / "state")
        self.rules = rules(services=self.services, prove_within=timedelta(seconds=90))
        self.settings = Settings(
            executor="swarm",
            stack=Section(
                project=project,
                services=list(self.services),
                directory=self.folder,
            ),
            engine=EngineSection(url=url),
            state=folder / "state",
        )
        self.made = self.wire(self.settings)
        self.smoke = self.made.smoke

    def deploy(self, version, **changed):
        """Deploy it, and wait until the swarm has come to it."""
        self.post(version, **changed)
        self.comes_to(version)

    def known(self):
        """Run v1.2.0, note it, and go on to v1.3.0; give the record of the first."""
        self.deploy(OLD)
        target = self.record()
        self.deploy(BAD)
        return target

    def strike(self):
        """Take all of it away."""
        self.docker("stack", "rm", self.project, check=False)
        self.journal.close()
        for one in self.swarm.labelled({"io.flexli.watchdog.project": self.project}):
            self.swarm.remove_service(one["ID"])
        self.until(lambda: not self.tasks(), "the tasks of the stack are gone")
        for one in self.swarm.configs():
            if str(one["Spec"]["Name"]).startswith(self.project):
                self.swarm.remove_config(one["ID"])
        self.swarm.close()

    def comes_to(self, version):
        """Wait until *version* runs, and nothing else."""

        def is_up():
            seen = self.look()
            states = set(getattr(seen, "states", ("?",)))
            return states == {"running"} and seen.pair.version == version

        self.until(is_up, f"{version} runs: {self.look()}")

    def keeper(self):
        """Give what holds old pairs here."""
        return swarm_keeper_of(self.settings, "the test")

    def claims(self, whose="one"):
        """Give what claims the stack for a watchdog."""
        return swarm_claims_of(self.settings, whose)

    def more(self):
        return {"agrees": self.made.agrees}

    def kept(self, version):
        return f"meesho.{version}.manifest.json"


class Dying:
    """Hands that die before, or right after, their step of that number."""

    def __init__(self, hands, at, dies, *, after):
        self.hands, self.at, self.dies, self.after = hands, at, dies, after
        self.count = 0

    def is_done(self, plan, target, step):
        return self.hands.is_done(plan, target, step)

    def evidence_of(self, plan, step):
        return self.hands.evidence_of(plan, step)

    def do(self, plan, target, step):
        self.count += 1
        if self.count == self.at and not self.after:
            self.dies()
        self.hands.do(plan, target, step)
        if self.count == self.at:
            self.dies()
