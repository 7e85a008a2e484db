"""Three watchdogs, a swarm of three managers, a PostgreSQL and a Prometheus, all real.

Each watchdog has its own manager and its own way to the database. What the engines
themselves tell of it (`docker events`), and what went over the ways, is the referee.
"""

import base64
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket

import httpx
import psycopg
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.leader.app import GOOD, PORT, Stack, command
from tests.leader.wires import Wire
from tests.real import prometheus
from tests.real.several import Several
from tests.record.postgresql import Cluster
from watchdog.facts.problem import Problem
from watchdog.outside.swarm import Swarm
from watchdog.record.journal import Journal
from watchdog.record.lease import this_folder
from watchdog.sign.delivery import signature

PROJECT = "dms"
DRI = "asha@flexli.example"
LEASE, POLL = 5.0, 1.0  # s
NODES = (1, 2, 3)
LIMIT = 360  # s; a busy machine's
# What may be so for a while where something was failed.
TROUBLES = (
    AssertionError,
    Problem,
    httpx.HTTPError,
    OSError,
    subprocess.SubprocessError,
)
_SCRAPES = {
    "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
    "scrape_configs": [
        {
            "job_name": "dms",
            "static_configs": [
                {"targets": [f"10.199.7.{node}:{PORT}" for node in NODES]}
            ],
        }
    ],
}


class Front(BaseHTTPRequestHandler):
    """What is before the stack: it asks one task after another until one answers."""

    def do_GET(self):
        for node in random.sample(NODES, len(NODES)):
            with suppress(httpx.HTTPError, OSError):
                said = httpx.get(f"http://10.199.7.{node}:{PORT}{self.path}", timeout=1)
                self.send_response(said.status_code)
                self.send_header("content-length", str(len(said.content)))
                self.end_headers()
                self.wfile.write(said.content)
                return
        with suppress(OSError):
            self.send_error(503)

    def log_message(self, *_):
        pass


class Node:
    """One watchdog, with a manager and a way to the database of its own."""

    def __init__(self, field, number):
        self.field, self.number, self.process = field, number, None
        self.folder = field.folder / f"node-{number}"
        self.state = self.folder / "state"
        for one in (self.state, self.folder / "database", self.folder / "releases"):
            one.mkdir(parents=True)
        self.name = str(number)
        engine = self.folder / "engine.sock"
        to = field.swarm.url[number].removeprefix("unix://")
        self.engine = Wire(self.name, to, engine)
        port = ".s.PGSQL.5432"
        home = field.cluster.home
        self.database = Wire(self.name, home / port, self.folder / "database" / port)
        self.doors = [field.port(), field.port()]
        self._write(engine, home)

    def _write(self, engine, home):
        field = self.field
        url = field.cluster.url().replace(str(home), str(self.folder / "database"))
        key = base64.b64encode(field.key.public_key().public_bytes_raw()).decode()
        people = {"approvers": {DRI: {"keys": [f"whpk_{key}"]}}}
        (self.folder / "approvers.yaml").write_text(yaml.safe_dump(people))
        whole = {
            "name": PROJECT,
            "executor": "swarm",
            "engine": {"url": f"unix://{engine}"},
            "stack": {
                "project": PROJECT,
                "services": ["dms"],
                "directory": str(field.stack.folder),
                "health": f"{field.front}/health",
                "version": f"{field.front}/version",
            },
            "prometheus": {
                "url": field.prometheus,
                "scrape_interval": "1s",
                "timeout": "5s",
            },
            "approvers": str(self.folder / "approvers.yaml"),
            "releases": str(self.folder / "releases"),
            "state": str(self.state),
            "database": {
                "url": url,
                "schema_name": field.place.schema,
                "lease": f"{field.lease:g}s",
            },
            "poll": f"{field.poll:g}s",
            "bake_time": "30s",
            "blind_for": "2m",
            "daily_limit": 1000,
            "readiness_every": "5s",
            "recover_within": "2m",
            "listen": {
                "decisions": f"127.0.0.1:{self.doors[0]}",
                "private": f"127.0.0.1:{self.doors[1]}",
            },
            "log": {"format": "json"},
        }
        self.config = self.folder / "watchdog.yaml"
        self.config.write_text(yaml.safe_dump(whole))

    def release(self, version, action):
        """Write the release file of *version*."""
        whole = {
            "release": version,
            "image": f"{self.field.stack.image}:{version}",
            "manifests": {"meesho": f"meesho.{version}.manifest.json"},
            "deployment": "cloud",
            "dri": [DRI],
            "approved_by": DRI,
            "watch_for": "24h",
            "triggers": [
                {
                    "alert": "AwbRoutingFailures",
                    "ratio": {
                        "errors": 'dms_awb_routing_failures_total{job="dms"}',
                        "total": 'dms_scans_total{job="dms"}',
                    },
                    "above": "1%",
                    "window": "10s",
                    "action": action,
                    **({"for": "5s"} if action != "rollback" else {}),
                }
            ],
        }
        if action != "rollback":
            whole["triggers"][0].pop("window")
        path = self.folder / "releases" / f"{version}.yaml"
        path.write_text(yaml.safe_dump(whole, sort_keys=False))

    def start(self):
        words = [sys.executable, "-m", "watchdog", "run", "-c", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)

    def follows(self):
        """Tell whether it answers, and does not lead."""
        url = f"http://127.0.0.1:{self.doors[1]}/healthz"
        return not httpx.get(url, timeout=20).json()["leads"]

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how)

    def order(self, *words):
        """Have somebody type ``watchdog`` *words* on this node; give its exit code."""
        env = os.environ | {"WATCHDOG_CONFIG": str(self.config)}
        command = [sys.executable, "-m", "watchdog", *words]
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                command, env=env, capture_output=True, timeout=60, check=False
            )
            return done.returncode
        return -1

    def answer(self, question, message):
        """Have the DRI approve *question* at this node's door; give the status."""
        at = self.field.now()
        data = {
            "approval_id": question.question,
            "incident_id": question.incident,
            "audience": PROJECT,
            "action_digest": question.digest,
            "decision": "approve",
            "approver": DRI,
            "reason": message,
        }
        whole = {
            "type": "rollback.approval.decision",
            "timestamp": at.isoformat(),
            "data": data,
        }
        body = json.dumps(whole).encode()
        headers = signature(message, at, body, self.field.key)
        path = f"/v1/approvals/{question.question}/decision"
        url = f"http://127.0.0.1:{self.doors[0]}{path}"
        with suppress(httpx.HTTPError):
            more = {"content-type": "application/json"}
            return httpx.post(
                url, content=body, headers=headers | more, timeout=20
            ).status_code
        return 0


class Field:
    """All of it, and what is seen of it from outside."""

    def __init__(self, folder, after, lease=LEASE, poll=POLL):
        self.lease, self.poll, self.patience = lease, poll, LIMIT
        self.folder, self.key = folder, Ed25519PrivateKey.generate()
        self._ports = after.enter_context(ExitStack())
        self.swarm = Several(len(NODES))
        after.callback(self.swarm.down)
        self.swarm.run("plug")
        self.image = self._image(GOOD, 10**6).rpartition(":")[0]
        self.stack = Stack(folder / "stack", PROJECT, self.image)
        self.cluster = Cluster()
        after.callback(self.cluster.remove)
        self.place = self.cluster.server(folder / "reader")
        (folder / "prometheus").mkdir()
        scrapes = yaml.safe_dump(_SCRAPES)
        self.prometheus = after.enter_context(
            prometheus.running(folder / "prometheus", [], scrapes=scrapes)
        )
        front = ThreadingHTTPServer(("127.0.0.1", 0), Front)
        threading.Thread(target=front.serve_forever, daemon=True).start()
        after.callback(front.server_close)
        after.callback(front.shutdown)
        self.front = f"http://127.0.0.1:{front.server_address[1]}"
        self.nodes = {number: Node(self, number) for number in NODES}
        self._ports.close()
        self.release(GOOD, "rollback")
        self.well, self.over = set(NODES), threading.Event()
        self.epochs, self.changes = [], {}
        self.gone, self.ended = set(), Counter()
        self._seq, self._events = 0, []
        after.callback(self.end)

    def end(self):
        self.over.set()
        for node in self.nodes.values():
            if node.process:
                node.kill()
                node.process.wait(60)

    def port(self):
        found = self._ports.enter_context(socket())
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]

    def _image(self, version, one_in):
        return self.swarm.image(self.folder, version, command(one_in))

    def make(self, version, action, one_in=5):
        """Have a release *version* of which one scan of *one_in* fails."""
        self._image(version, one_in)
        self.release(version, action)

    def release(self, version, action):
        for node in self.nodes.values():
            node.release(version, action)

    def now(self):
        return datetime.now(UTC)

    def begin(self):
        """Deploy what is good, and have all watch; give once it is known-good."""
        self.deploy(GOOD)
        for node in self.nodes.values():
            node.start()
        for what, *given in (
            (self._sees_epochs,),
            (self._supervises,),
            *((self._hears, number) for number in NODES),
        ):
            threading.Thread(target=what, args=given, daemon=True).start()

    def deploy(self, version):
        """Have the pipeline deploy it by a manager that is well."""
        path = self.stack.files(version)
        words = ("stack", "deploy", "-c", str(path), PROJECT)
        self.until(
            lambda: self._docker(*words, cwd=self.stack.folder), f"deploy {version}"
        )

    def _docker(self, *words, **more):
        by = random.choice(sorted(self.well))
        self.swarm.docker(by, *words, timeout=60, **more)
        return True

    # what is seen

    def _sees_epochs(self):
        """Note who has which epoch, and since when, by the database's own row."""
        url = self.cluster.url("boss", "watchdog")
        question = f"SELECT epoch, holder FROM {self.place.schema}.leader"
        while not self.over.is_set():
            with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as db:
                while not self.over.is_set():
                    row = db.execute(question).fetchone()
                    if row and row != (self.epochs[-1][1:] if self.epochs else None):
                        self.epochs.append((time.monotonic(), *row))
                    time.sleep(0.02)
            time.sleep(0.1)

    def leader(self):
        """Give the number of whoever leads by that row; 0 if nobody does."""
        holder = self.epochs[-1][2] if self.epochs else ""
        return self.of(holder)

    def of(self, holder):
        held = {this_folder(node.state): n for n, node in self.nodes.items()}
        return held.get(holder, 0)

    def _supervises(self):
        """Start whoever ended, as a supervisor does, but for those that are gone."""
        while not self.over.wait(0.2):
            for number, node in self.nodes.items():
                code = node.process.poll()
                if code is not None and number not in self.gone:
                    self.ended[code] += 1
                    node.start()

    def _hears(self, number):
        """Keep what the engine of that node tells of its services, in its order."""
        kept = self.changes.setdefault(number, [])
        words = ["docker", "-H", self.swarm.url[number], "events"]
        words += ["--filter", "type=service", "--format", "{{json .}}"]
        while not self.over.is_set():
            with subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as it:
                for line in it.stdout:
                    said = json.loads(line)["Actor"]["Attributes"]
                    if "image.new" in said:
                        kept.append(
                            (
                                said["name"],
                                _tag(said["image.old"]),
                                _tag(said["image.new"]),
                            )
                        )
                    if self.over.is_set():
                        it.kill()
            self.over.wait(0.5)

    def changed(self, to):
        """Count by service how often its image became *to*'s, as the engines tell.

        An engine that was away heard less than others.
        """
        found = Counter()
        for kept in self.changes.values():
            found |= Counter(name for name, _, new in kept if new == to)
        return found

    def events(self, kind, after=0):
        """Give the events of *kind* past the *after*-th of all."""
        with suppress(Problem), closing(Journal(self.place, read_only=True)) as it:
            self._events += it.entries(self._seq)
            self._seq = self._events[-1].seq if self._events else 0
        return [e for e in self._events[after:] if isinstance(e.event, kind)]

    @property
    def seen(self):
        return len(self._events)

    def told(self):
        """Give the version that the service is told, image and manifest."""
        with closing(self._asks()) as swarm:
            (one,) = swarm.services(PROJECT)
            return _pair(one["Spec"]["TaskTemplate"])

    def whole(self):
        """Give the version that all is told and all tasks are of, or nothing."""
        told = self.told()
        with closing(self._asks()) as swarm:
            tasks = [t for t in swarm.tasks(PROJECT) if t["DesiredState"] == "running"]
        fine = told[0] == told[1] and tasks
        fine = fine and all(
            _pair(t["Spec"]) == told and t["Status"]["State"] == "running"
            for t in tasks
        )
        return told[0] if fine else ""

    def _asks(self):
        url = self.swarm.url[random.choice(sorted(self.well))]
        return Swarm(url, timedelta(seconds=20), to_act=False)

    def until(self, claim, words, patience=LIMIT):
        end, trouble = time.monotonic() + patience, ""
        while True:
            try:
                if found := claim():
                    return found
            except TROUBLES as problem:
                trouble = str(problem)[:300]
            if time.monotonic() > end:
                raise AssertionError(f"not within {patience} s: {words} ({trouble})")
            time.sleep(0.02)

    def acts(self):
        """Give every write that an engine took, of all nodes, in the order of time."""
        writes = itertools.chain(*(n.engine.writes for n in self.nodes.values()))
        return sorted((w for w in list(writes) if w.is_an_act), key=lambda w: w.at)


def _tag(image):
    return image.partition("@")[0].rpartition(":")[2]


def _pair(template):
    made = template["ContainerSpec"]
    (name,) = (
        c["ConfigName"] for c in made["Configs"] if "_manifest_" in c["ConfigName"]
    )
    return _tag(made["Image"]), name.rpartition("_")[2]
