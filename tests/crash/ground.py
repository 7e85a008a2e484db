"""A real stack that is rolled back and forth, and lives of a watchdog beside it."""

import json
import os
import signal
import socket
import subprocess
import time
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import docker
import yaml

from tests.crash.proxy import Cut, Proxy, short_socket
from tests.crash.zygote import CHECKOUT, Zygote, is_alive
from watchdog.act.claim import CLAIMS
from watchdog.commands.stage import IMAGE, Stage
from watchdog.facts.event import (
    BreachConfirmed,
    PairProvedGood,
    PairQuarantined,
    PairStarted,
    PromotionPaused,
)
from watchdog.facts.pair import NotKnown
from watchdog.observe.running import Stack
from watchdog.outside.engine import Engine
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory

OLD, BAD = "v1.2.0", "v1.3.0"
# Services, and how many containers each has. The first one has the host's port.
ONE, THREE = {"dms": 1}, {"api": 1, "worker": 1, "scanner": 1}
REPLICAS = {"api": 1, "worker": 2}
CHECK = {"test": "true", "interval": "500ms"}
_SOCKET = "unix:///var/run/docker.sock"
_TRIGGER = "AwbRoutingFailures"
# By its name, not as a script: a mutant of it must find the same module.
_VICTIM = "from tests.crash.victim import main; main()"


class Ground:
    """One stack in *folder*; its containers are the engine's at *url*.

    Deployed by Compose once; after that each case rolls from the version that runs
    to the other one, so that the next case begins where this one ended. *scale* gives
    each service's number of containers; *restart* is their policy. What the DMS notes
    of its starts lies outside the stack's folder *stack*, which a power cut may take
    back in time; so may the journals, in *states*. *inside* is what comes before a
    command in the engine's network namespace. Only with *published* has it a port; with
    *warm* each service is swapped so.
    """

    def __init__(
        self,
        folder,
        layout,
        scale=ONE,
        *,
        restart="unless-stopped",
        url="",
        inside=(),
        stack=None,
        states=None,
        published=True,
        warm=False,
    ):
        self.folder, self.layout, self.scale = folder, layout, scale
        self.services = tuple(scale)
        self.names = [f"{s}-{n}" for s in scale for n in range(1, scale[s] + 1)]
        self.restart, self.published, self.warm = restart, published, warm
        self.versions = (OLD, BAD)
        self.url = url or os.environ.get("DOCKER_HOST", _SOCKET)
        self.project = f"crash-{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True, exist_ok=True)
        self.stage = Stage(
            folder, CHECKOUT, project=self.project, layout=layout, ports=_ports()
        )
        if stack is not None:
            self.stage.stack = stack
        self.stack = self.stage.stack
        self.data = folder / "data"
        self.states = states or folder
        self._inside = inside
        self.proxy = Proxy(short_socket(folder), self.url)
        self.connect()
        self.cases = 0
        self._zygote, self._under = None, ()

    def connect(self):
        """Have a connection to the engine; a new one after it was restarted."""
        self.api = docker.APIClient(base_url=self.url, version="auto", timeout=30)

    def deploy(self):
        """Have both versions deployed once, and recorded as they were made."""
        self.stage.make("0:0")
        triggers = yaml.safe_load(
            (CHECKOUT / "config/releases/v1.3.0.yaml").read_text()
        )["triggers"]
        triggers = [t for t in triggers if t["alert"] == _TRIGGER]
        for version in self.versions:
            self.stage.file(version, triggers=triggers)
        self.data.mkdir()
        self.data.chmod(0o777)
        path = self.stack / "compose.yaml"
        model = yaml.safe_load(path.read_text())
        dms = model["services"]["dms"]
        dms["volumes"] = [v for v in dms["volumes"] if not v.startswith("./data:")]
        dms["volumes"] += [f"{self.data}:/var/lib/dms"]
        dms |= {
            "healthcheck": CHECK if self.warm else {"disable": True},
            "stop_grace_period": "2s",
            "restart": self.restart,
        }
        if not self.published:
            dms["ports"] = []
        first, *others = self.services
        model["services"] = {first: dms} | {
            name: dms | {"ports": [], "scale": self.scale[name]} for name in others
        }
        path.write_text(yaml.safe_dump(model))
        self.records = {}
        for version in self.versions:
            self._up(version)
            self.records[version] = self._record()
        return self

    def _up(self, version):
        before = len(self.starts())
        self.pin(version)
        if self.layout == "shared-file":
            manifests = self.stack / "manifests"
            source = manifests / f"meesho.{version}.manifest.json"
            self.compose("stop")
            (manifests / "meesho.manifest.json").write_bytes(source.read_bytes())
        self.compose("up", "-d")
        self.noted(before + len(self.names))

    def compose(self, *words, check=True, env=None):
        """Run ``docker compose`` *words*, with *env* outranking the env file."""
        outer = {k: v for k, v in os.environ.items() if not k.startswith("DMS_")}
        done = subprocess.run(
            ["docker", "compose", *words],
            cwd=self.stack,
            env=outer | {"DOCKER_HOST": self.url} | (env or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"compose {words}: {done.stderr}")
        return done.stdout + done.stderr

    def _eyes(self, engine):
        return Stack(
            engine,
            project=self.project,
            services=self.services,
            folder=self.stack,
            env_file=".env",
            variable="DMS_VERSION",
            manifests="manifests",
            inside="/manifests/{tenant}.manifest.json",
        )

    def _record(self):
        engine = Engine(self.url, timedelta(seconds=30))
        try:
            eyes = self._eyes(engine)
            seen = eyes.running(lambda _: ("meesho",))
            assert not isinstance(seen, NotKnown), seen.words
            kept = {"meesho": f"meesho.{seen.pair.version}.manifest.json"}
            self.containers = seen.containers
            return eyes.record(seen, kept)
        finally:
            engine.close()

    # what is there

    def pin(self, version):
        env = self.stack / ".env"
        lines = [
            f"DMS_VERSION={version}" if line.startswith("DMS_VERSION=") else line
            for line in env.read_text().splitlines()
        ]
        env.write_text("\n".join(lines) + "\n")

    def pinned(self):
        lines = (self.stack / ".env").read_text().splitlines()
        (line,) = (one for one in lines if one.startswith("DMS_VERSION="))
        return line.partition("=")[2]

    def shared_manifest(self):
        """Name the version whose manifest the shared file holds, or what is wrong."""
        try:
            text = (self.stack / "manifests/meesho.manifest.json").read_text()
            return json.loads(text)["version"]
        except (OSError, ValueError, KeyError) as error:
            return repr(error)

    def listed(self):
        label = f"com.docker.compose.project={self.project}"
        return self.api.containers(all=True, filters={"label": [label]})

    def seen(self):
        """Give (name, version, state) of every container of the project."""
        return [
            (c["Names"][0], c["Image"].rpartition(":")[2], c["State"])
            for c in self.listed()
        ]

    def inspected(self):
        return [self.api.inspect_container(c["Id"]) for c in self.listed()]

    def read_in(self, container, path):
        data = b""
        # A busy engine may hand over nothing of a command that is over at once.
        for _ in range(5):
            one = self.api.exec_create(container, ["cat", path])["Id"]
            data = self.api.exec_start(one)
            if data:
                break
        return data

    def starts(self):
        """Give (image, manifest) of each start, as the DMS itself noted it."""
        log = self.data / "starts.jsonl"
        lines = log.read_text().splitlines() if log.is_file() else []
        return [(one["image"], one["manifest"]) for one in map(json.loads, lines)]

    def noted(self, count):
        """Wait until *count* starts are noted; it takes a moment after the start."""
        deadline = time.monotonic() + 20
        while len(self.starts()) < count and time.monotonic() < deadline:
            time.sleep(0.02)

    # what is done

    def case(self, **settings):
        """Begin a case: what runs is bad, the other version is known to be good."""
        self.cases += 1
        self.free()
        return Case(self, self.folder / f"case-{self.cases}", settings)

    def free(self):
        """Take the claim away of a watchdog that is no more, and nobody waits for."""
        for one in self.api.containers(
            all=True, filters={"label": f"{CLAIMS}={self.project}"}
        ):
            self.api.remove_container(one["Id"], force=True)

    def again(self):
        """Set the stack up anew, after a case that left it as it must not be."""
        for one in self.listed():
            self.api.remove_container(one["Id"], force=True)
        self._up(self.versions[0])

    def under(self, *words):
        """Let the lives from here on be lived under *words*, such as strace."""
        self._end()
        self._under = words

    def _end(self):
        if self._zygote is not None:
            self._zygote.end()
            self._zygote = None

    def live(self, spec):
        """Begin a life of the watchdog; give its pid."""
        if self._zygote is None:
            self._zygote = Zygote(_VICTIM, inside=self._inside, under=self._under)
        return self._zygote.live(spec)

    def died(self):
        """Wait for the life to end; give its exit code, -9 when it was killed."""
        return self._zygote.died()

    def strike(self):
        """Remove all of it."""
        self._end()
        self.free()
        for one in self.listed():
            self.api.remove_container(one["Id"], force=True)
        self.compose("down", "--volumes", "--timeout=1", check=False)
        self.api.close()
        self.proxy.close()


class Case:
    """One breach, and the lives of the watchdog that must bring it to its end."""

    def __init__(self, ground, folder, settings):
        self.ground = ground
        self.state = ground.states / f"{folder.name}-state"
        self.log = folder / "log"
        self.acknowledged = folder / "acknowledged"
        folder.mkdir()
        self.acknowledged.touch()
        self.kills = self.lives = 0
        record, blobs = ground._record()
        self.before = record.pair.version
        (self.target,) = (v for v in ground.versions if v != self.before)
        self.starts = len(ground.starts())
        self.settings = settings
        self.instead = {}
        self._seed(record, blobs)

    def _seed(self, record, blobs):
        """Journal what came before: the target baked, then this release breached."""
        journal = Journal(self.state)
        memory = Memory(journal, lambda _: None)
        now = datetime.now(UTC)
        target, theirs = self.ground.records[self.target]
        good, bad = memory.keep(target, theirs), memory.keep(record, blobs)
        early, words = now - timedelta(hours=2), "9 of 40 scans failed (22.5%)"
        memory.add(early, PairStarted(target.pair, good, ("gone",), early))
        memory.add(now, PairProvedGood(target.pair.key, "it baked", record=good))
        ids = self.ground.containers
        memory.add(now, PairStarted(record.pair, bad, ids, now))
        memory.add(
            now,
            BreachConfirmed(
                incident="inc-crash",
                trigger=_TRIGGER,
                action="rollback",
                key=record.pair.key,
                release=self.before,
                words=words,
                value=0.225,
                bound=0.01,
            ),
            PromotionPaused(self.before, words),
            PairQuarantined(record.pair.key, words),
        )
        journal.close()

    def live(self, *, die=None, rule=None, after=None, within=60):
        """One life of the watchdog, until it ends by itself or is killed.

        *die* is a place in the journal, *rule* one for the proxy (it gets the kill
        as its last argument), *after* seconds. It gives up *within* seconds. Returns
        the exit code.
        """
        self.lives += 1
        ground = self.ground
        ground.stage.state = self.state
        ground.stage.settings(**self._settings())
        spec = {
            "config": str(ground.stage.config / "watchdog.yaml"),
            "log": str(self.log),
            "acknowledged": str(self.acknowledged),
            "die": die,
            "instead": self.instead,
            "within": within,
        }
        ground.proxy.count = 0
        pid = ground.live(spec)

        def kill():
            os.kill(pid, signal.SIGKILL)
            raise Cut

        if rule:
            ground.proxy.rule = lambda *seen: rule(*seen, kill)
        if after is not None:
            time.sleep(after)
            # The zygote reaps it only after we asked: the pid is still its own.
            is_alive(pid) and os.kill(pid, signal.SIGKILL)
        code = ground.died()
        ground.proxy.rule = lambda *seen: None
        self.kills += code == -signal.SIGKILL
        return code

    def _settings(self):
        ground = self.ground
        whole = {
            "stack": {
                "project": ground.project,
                "services": list(ground.services),
                "directory": str(ground.stack),
                "health": f"{ground.stage.dms}/health",
                "version": f"{ground.stage.dms}/version",
                "swap": dict.fromkeys(ground.services if ground.warm else (), "warm"),
                "overlap": dict.fromkeys(ground.services, "safe"),
            },
            "engine": {"url": ground.proxy.url},
            "prove_within": "20s",
            "stop_within": "2s",
        }
        return whole | self.settings

    def converge(self, lives=5):
        """Start it again until it ends by itself, and once more: that does nothing."""
        codes = []
        while len(codes) < lives:
            codes.append(self.live())
            if codes[-1] == 0:
                break
        return codes

    def said(self, lines=15):
        return "\n".join(self.log.read_text().splitlines()[-lines:])


def _ports():
    with ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in range(4)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return tuple(one.getsockname()[1] for one in found)


assert IMAGE  # the sandbox's image is what the stage deploys
