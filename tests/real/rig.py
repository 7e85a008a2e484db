"""A Compose project of its own, rolled back by the real hands without a Prometheus."""

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path

import yaml

from tests import canary
from tests.real.half import Half
from tests.worlds import rules
from watchdog.act.hands import Hands
from watchdog.config.sections.executors import Engine as EngineSection
from watchdog.config.sections.stack import Stack as Section
from watchdog.config.settings import Settings
from watchdog.decide.plan import Replay
from watchdog.observe.running import Stack
from watchdog.outside.engine import Engine
from watchdog.wiring.clock import RealClock
from watchdog.wiring.executors import smoke_of

IMAGE = "fidelity-app"
_SOCKET = "unix:///var/run/docker.sock"
# Two images that are alike in nothing that a container may inherit.
_DOCKERFILES = {
    "v1.2.0": """
        FROM python:3.13-slim
        ENV APP_VERSION=v1.2.0 ONLY_IN_120=1
        LABEL app.version=v1.2.0 app.only-in-120=1
        RUN mkdir -p /app /keep /only-in-120 && touch /keep/from-image
        VOLUME /keep /only-in-120
        WORKDIR /app
        EXPOSE 7000 7120/udp
        STOPSIGNAL SIGTERM
        HEALTHCHECK --interval=500ms --timeout=5s --retries=9 CMD test -d /app
        CMD ["sh", "-c", "trap exit TERM INT QUIT USR1; sleep 9999 & wait"]
        """,
    "v1.3.0": """
        FROM python:3.13-slim
        ENV APP_VERSION=v1.3.0 ONLY_IN_130=1
        LABEL app.version=v1.3.0 app.only-in-130=1
        RUN mkdir -p /srv /keep /only-in-130 && touch /keep/from-image
        VOLUME /keep /only-in-130
        WORKDIR /srv
        USER 1000:1000
        EXPOSE 7000 9130
        STOPSIGNAL SIGQUIT
        HEALTHCHECK --interval=1s --timeout=9s --retries=3 CMD test -d /srv
        ENTRYPOINT ["sh", "-c"]
        CMD ["trap exit TERM INT QUIT USR1; sleep 9999 & wait"]
        """,
}


def docker(*words, check=True, **more):
    """Run ``docker`` *words*; return what it printed."""
    done = subprocess.run(
        ["docker", *words], text=True, capture_output=True, check=False, **more
    )
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(words[:6])}: {done.stderr.strip()}")
    return done.stdout + done.stderr


def build():
    """Have both images, and nothing in any registry."""
    for version, text in _DOCKERFILES.items():
        lines = "\n".join(line.strip() for line in text.strip().splitlines())
        # A provenance record would be another one at each build, and with it the image.
        plain = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        tag = f"{IMAGE}:{version}"
        docker("build", "-q", "-t", tag, "-", input=lines, env=plain)


class Rig(Half):
    """One project in *folder*: deployed by Compose, rolled back by our hands."""

    def __init__(self, folder, project, services=("app",)):
        self.folder = folder
        self.project = project
        self.services = services
        self.ask_stack = lambda *_: ()
        self._volumes = set()
        self.url = os.environ.get("DOCKER_HOST", _SOCKET)
        self.to_look = Engine(self.url, timedelta(seconds=30))
        self.to_act = Engine(self.url, timedelta(seconds=30), to_act=True)
        super().__init__(folder.with_name(f"{folder.name}-state"))
        self.rules = rules(services=services, prove_within=timedelta(seconds=20))
        self.eyes = Stack(
            self.to_look,
            project=project,
            services=services,
            folder=folder,
            env_file=".env",
            variable="DMS_VERSION",
            manifests="manifests",
            inside="/manifests/{tenant}.manifest.json",
        )
        self.hands = Hands(
            self.to_act,
            folder=folder,
            env_file=".env",
            variable="DMS_VERSION",
            blob=self.journal.blob,
            sealed=lambda *_: "signature valid",
        )
        self.plans = Replay(
            self.eyes.deployed,
            self.eyes.pinned,
            services,
            timedelta(seconds=2),
            network=self.to_look.network,
        )

    # what people do

    def compose(self, *words, check=True):
        """Run ``docker compose`` *words* in the project's folder."""
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("DMS_", "COMPOSE_"))
        }
        return docker("compose", *words, check=check, cwd=self.folder, env=env)

    def pin(self, version):
        """Write the version into the stack's env file, as the pipeline does."""
        env = self.folder / ".env"
        rest = [
            line
            for line in (env.read_text().splitlines() if env.is_file() else [])
            if not line.startswith("DMS_VERSION=")
        ]
        env.write_text("\n".join([*rest, f"DMS_VERSION={version}", ""]))

    def deploy(self, version):
        """Pin *version* and let Compose do it; return what Compose said."""
        self.pin(version)
        return self.up()

    def up(self, check=True):
        """Run ``up -d`` as an operator would; return what Compose said."""
        return self.compose("up", "-d", check=check)

    def inspect(self, service):
        """Inspect the one container of *service*."""
        ids = self.compose("ps", "-aq", service).split()
        assert len(ids) == 1, ids
        found = json.loads(docker("inspect", ids[0]))[0]
        self._volumes |= {m["Name"] for m in found["Mounts"] if m["Type"] == "volume"}
        return found

    def run_in(self, service, *words):
        """Run *words* as root in the container of *service*."""
        return docker("exec", "-u", "0", self.inspect(service)["Id"], *words)

    def down(self):
        """Remove all of it, and let go."""
        canary.events_of(self.journal.folder)
        self.compose(
            "down", "--volumes", "--timeout=1", "--remove-orphans", check=False
        )
        # `down` knows the networks of the version that is pinned now, and no volume
        # that a container had before.
        label = f"label=com.docker.compose.project={self.project}"
        for kind, listed in (
            ("container", ["ps", "-aq", "--filter", label]),
            ("network", ["network", "ls", "-q", "--filter", label]),
        ):
            for one in docker(*listed).split():
                docker(kind, "rm", "-f" if kind == "container" else "--", one)
        for volume in self._volumes:
            docker("volume", "rm", "-f", volume, check=False)
        self.to_look.close()
        self.to_act.close()
        self.journal.close()

    # what the watchdog does

    def wired(
        self, executor, *, stack=None, clock=None, more=None, engine=None, **settings
    ):
        """Have what the settings of *executor* give, instead of a plain replay.

        *stack*, *engine* and *settings* are keys of theirs, *more* is the executor's
        own.
        """
        whole = Settings(
            executor=executor,
            stack=Section(
                project=self.project,
                services=list(self.services),
                directory=self.folder,
                **(stack or {}),
            ),
            engine=EngineSection(url=self.url, **(engine or {})),
            state=self.folder.with_name(f"{self.folder.name}-state"),
            stop_within="2s",
            **settings,
        )
        self.wire(whole, clock, **(more or {}))
        return whole

    @property
    def smoke(self):
        """Give who asks smoke checks, by whatever acts now."""
        return smoke_of(self.to_act, RealClock())

    def incident(self):
        return f"inc-{self.project}"

    def more(self):
        return {"agrees": self.eyes.agrees}

    def roll_back(self, to):
        """Roll back from what runs to the record *to*: proved, in one turn."""
        self.begin(to)
        words = self.carry_on()
        assert "proved" in words, f"{words}: {self.failed()}"


def write(folder: Path, project, whole, files):
    """Write a Compose file, its env file and other *files* into *folder*."""
    folder.mkdir()
    (folder / "compose.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    (folder / ".env").write_text(f"COMPOSE_PROJECT_NAME={project}\n")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
