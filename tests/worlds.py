"""Small worlds to run the watchdog in: values, and far ends that behave.

The far ends are state machines of the world, as Docker, Prometheus and a disk are.
"""

import hashlib
import itertools
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests import canary
from watchdog.act.hands import Hands
from watchdog.act.standby import Standby
from watchdog.config.release_file import Releases
from watchdog.decide.fold import stand
from watchdog.decide.plan import Replay
from watchdog.decide.standing import Standing
from watchdog.decide.tidings import message_of
from watchdog.facts.event import (
    BreachConfirmed,
    Entry,
    PairProvedGood,
    PairStarted,
    QuestionAsked,
    ReadinessChanged,
    ReleaseArmed,
)
from watchdog.facts.job import Jobs
from watchdog.facts.pair import HeldManifest, Pair, Record, Replica
from watchdog.facts.plan import staging_of
from watchdog.facts.problem import Claimed, EngineRefused, Unreachable
from watchdog.facts.reading import Blind, Block, Look, Measured
from watchdog.facts.roster import Approver, Key, Roster, Scheme
from watchdog.facts.rules import Rules
from watchdog.facts.standby import SERVICE as STANDBY
from watchdog.facts.swapping import Swapping
from watchdog.facts.trial import Trial
from watchdog.facts.trigger import Action, Release, Trigger, Value
from watchdog.facts.verdict import Clear
from watchdog.observe.running import Stack
from watchdog.observe.standbys import Standbys
from watchdog.outside.stack_folder import StackFolder
from watchdog.record.log import fields_of
from watchdog.turn.cycle import Cycle
from watchdog.turn.gating import Gating
from watchdog.turn.readiness import Checked, Readiness
from watchdog.turn.standing_by import StandingBy
from watchdog.turn.stepping import one_by_one
from watchdog.turn.transaction import Transaction
from watchdog.verify.proof import Answer

AT = datetime(2026, 3, 11, 3, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ASHA = "asha@flexli.example"
BELA = "bela@flexli.example"
REPOSITORY = "ghcr.io/flexli/dms"


def sha(text):
    """Give the sha256 of *text* in hex."""
    data = text if isinstance(text, bytes) else text.encode()
    return hashlib.sha256(data).hexdigest()


def manifest_of(tenant, version):
    """Write the manifest of *tenant* for *version*."""
    return f'{{"tenant": "{tenant}", "version": "{version}"}}\n'


# -- values --------------------------------------------------------------------


def a_pair(version="v1.2.0", *, image=None, manifest=None, tenants=("meesho",)):
    """Make the pair of *version*; another *image* or *manifest* by its version."""
    return Pair(
        version,
        f"sha256:{sha(image or version)}",
        tuple(
            (tenant, sha(manifest_of(tenant, manifest or version)))
            for tenant in tenants
        ),
    )


def numbered(services, scale=None):
    """Give the (service, number, number's label) of each container, as Compose does."""
    for service in services:
        for number in range(1, (scale or {}).get(service, 1) + 1):
            label = {"com.docker.compose.container-number": str(number)}
            yield service, number, label


def a_record(
    version="v1.2.0",
    *,
    services=("dms",),
    scale=None,
    shared=False,
    pair=None,
    **body,
):
    """Make the record of a pair; *shared* is the runbook's layout, *body* is added.

    *scale* says of which services there are several containers.
    """
    ref = f"{REPOSITORY}:{version}"
    pair = pair or a_pair(version)
    return Record(
        pair=pair,
        image_ref=ref,
        repo_digests=(f"{REPOSITORY}@{pair.image}",),
        replicas=tuple(
            Replica(
                service,
                f"dms-{service}-{number}",
                {"Image": ref, "Labels": {"a": "b"} | labels, "HostConfig": {}} | body,
                {"dms_default": {"Aliases": [service]}},
            )
            for service, number, labels in numbered(services, scale)
        ),
        manifests=tuple(
            HeldManifest(
                tenant,
                f"manifests/{tenant}.manifest.json"
                if shared
                else f"manifests/{tenant}.{version}.manifest.json",
                f"manifests/{tenant}.{version}.manifest.json",
                digest,
                sha("seal"),
            )
            for tenant, digest in pair.manifests
        ),
        compose_version="2.40.0",
    )


def a_trigger(name="AwbRoutingFailures", action=Action.ROLLBACK, **other):
    """Make a trigger that is breached as soon as its one point is above 1."""
    values = {
        "name": name,
        "kind": Value(name),
        "action": action,
        "window": timedelta(),
        "sustained": False,
        "block": MINUTE,
        "above": 1.0,
    }
    return Trigger(**(values | other))


AWB = a_trigger()
HTTP_5XX = a_trigger("Http5xxRate", Action.PAUSE_AND_ALERT)


def a_release(version="v1.3.0", **other):
    """Make a release file with one immediate and one pausing trigger."""
    values = {
        "version": version,
        "image": f"{REPOSITORY}:{version}",
        "manifests": {"meesho": f"meesho.{version}.manifest.json"},
        "triggers": (AWB, HTTP_5XX),
        "dri": (ASHA, BELA),
        "approved_by": ASHA,
    }
    return Release(**(values | other))


def rules(**other):
    """Make rules with the defaults of the settings."""
    values = {
        "name": "dms-test",
        "services": ("dms",),
        "variable": "DMS_VERSION",
        "on_call": "ops",
        "bake_time": 30 * MINUTE,
        "settle": 30 * SECOND,
        "blind_for": 5 * MINUTE,
        "recover_within": None,
        "prove_within": 60 * SECOND,
        "stop_within": 5 * SECOND,
        "daily_limit": 3,
    }
    return Rules(**(values | other))


# -- a journal's beginning --------------------------------------------------------


def entries(*events, at=AT, every=SECOND):
    """Give *events* numbers and dates, from *at* on; a datetime moves the clock."""
    found = []
    for event in events:
        if isinstance(event, datetime):
            at = event
            continue
        found.append(Entry(len(found) + 1, at, event))
        at += every
    return found


def started(version="v1.2.0", *, pair=None, by="", containers=None, since=AT):
    """Say that *version* was deployed."""
    pair = pair or a_pair(version)
    name = containers or f"{version}{by}"
    return PairStarted(pair, f"record of {version}", (name,), since, by)


def proved_good(version="v1.2.0"):
    """Say that *version* was baked."""
    return PairProvedGood(a_pair(version).key, f"{version} ran long enough")


def breached(trigger=AWB, version="v1.3.0", incident="inc-1"):
    """Say that *trigger* was confirmed on *version*."""
    return BreachConfirmed(
        incident,
        trigger.name,
        str(trigger.action),
        a_pair(version).key,
        version,
        "9 of 40 failed",
        9.0,
        1.0,
    )


def asked(incident="inc-1", question="apr_1", expires=AT + HOUR):
    """Say that the DRIs were asked."""
    return QuestionAsked(
        question,
        incident,
        "{}",
        f"sha256:{sha('{}')}",
        (ASHA, BELA),
        expires,
        "roll back?",
    )


def readiness(running="v1.3.0", target="v1.2.0", *lacks):
    """Say that what runs was seen to be ready to go back, or what it lacks."""
    return ReadinessChanged(
        a_pair(running).key,
        target,
        a_pair(target).key if target else "",
        ready=not lacks,
        words="; ".join(lack.words for lack in lacks) or "all is here",
        lacks=lacks,
    )


HEALTHY_THEN_NEXT = (started("v1.2.0"), proved_good("v1.2.0"), started("v1.3.0"))
"""v1.2.0 is known to be good, v1.3.0 runs."""
ARMED = ReleaseArmed("v1.3.0", "all its triggers were tried live")


# -- the far ends -----------------------------------------------------------------


class PowerCut(BaseException):
    """The machine dies here: nobody may catch it."""


class Fuse:
    """Counts instants, before and after each act, and cuts the power at some."""

    def __init__(self, *cuts):
        self.count = 0
        self.cuts = set(cuts)

    def passes(self):
        """Pass one instant."""
        self.count += 1
        if self.count in self.cuts:
            raise PowerCut(self.count)


class Notebook:
    """A memory without a disk; what was added is there after any power cut."""

    def __init__(self, fuse=None):
        self.fuse = fuse or Fuse()
        self.lock = threading.Lock()
        self.entries = []
        self.claims = set()
        self.blobs = {}
        self.records = {}
        self.turn = None
        self.standing = Standing()
        self.broken = None

    def add(self, at, *events, claim=""):
        with self.lock:
            self._add(at, events, claim)

    def add_if(self, at, weigh, *, claim=""):
        with self.lock:
            found = weigh(self.standing)
            if isinstance(found, tuple):
                self._add(at, found, claim)
            return found

    def _add(self, at, events, claim):
        self.fuse.passes()
        if self.broken:
            problem, self.broken = self.broken, None
            raise problem
        if claim in self.claims:
            raise Claimed(claim)
        self.claims |= {claim} - {""}
        new = [
            Entry(number, at, event)
            for number, event in enumerate(events, len(self.entries) + 1)
        ]
        self.entries += new
        for entry in new:
            _hear(entry)
        self.standing = stand(new, self.standing)
        self.fuse.passes()

    def keep(self, record, blobs):
        name = sha(repr(record))
        self.records[name] = record
        self.blobs |= blobs
        return name

    def record(self, sha256):
        return self.records[sha256]

    def blob(self, sha256):
        self.fuse.passes()
        return self.blobs[sha256]

    def missing(self, sha256):
        return "" if sha256 in self.records else f"no record {sha256[:12]}"

    def last_turn(self):
        return self.turn

    def catch_up(self):
        return False

    def mark(self, turn):
        canary.heard("a turn", str(turn))
        self.turn = turn

    def all(self, *kinds):
        """Give the events of *kinds*, in order; all of them without."""
        events = [entry.event for entry in self.entries]
        return [event for event in events if not kinds or isinstance(event, kinds)]


def _hear(entry):
    """Hear what the log would say of it, and people."""
    canary.heard("the log", str(fields_of(entry.event)))
    message = message_of(entry, "dms-test")
    if message:
        canary.heard("a message", str(message))


class StillClock:
    """Goes on only when somebody waits."""

    def __init__(self, at=AT):
        self.at = at
        self.waited = 0.0

    def now(self):
        return self.at + self.waited * SECOND

    def monotonic(self):
        return self.waited

    def pause(self, seconds):
        self.waited += max(seconds, 0.000001)  # no wait is too short to move it


class Docker:
    """An engine: containers, images, tags, and the folder that is mounted.

    It refuses what Docker refuses (a name twice, removing what runs), is fine with
    what Docker is fine with (stopping what is stopped), and notes for each start
    which image met which manifests. *health* is a health check's word by image. *jobs*
    are services that end as soon as they start, each with its code; *ran* notes them.
    """

    def __init__(self, folder, clock, fuse=None):
        self.folder = folder
        self.clock = clock
        self.fuse = fuse or Fuse()
        self.boxes = {}
        self.tags = {}
        self.starts = []
        self.met = set()
        self.calls = []
        self.down = False
        self.refuses = {}
        self.gone = set()
        self.crashing = set()
        self.lives = {}
        self.sick = set()
        self.jobs = {}
        self.ran = []
        self.mistakes = {}
        self.unreadable = None
        self.is_podman = ""
        self.beside = []
        self.health = {}
        self.repositories = {}
        self.ports = {}
        self.addresses = {}
        self.made = {}
        self._ids = itertools.count(1)

    # looking

    def containers(self, labels):
        self._reached()
        return [
            {
                "Id": id_,
                "Names": [box["Name"]],
                "Image": box["Config"]["Image"],
                "Labels": box["Config"]["Labels"],
                "Ports": self.ports.get(id_, []),
                "ImageID": box["Image"],
                "State": box["State"]["Status"],
                "NetworkSettings": box["NetworkSettings"],
            }
            for id_, box in self.boxes.items()
            if labels.items() <= box["Config"]["Labels"].items()
        ]

    def api(self):
        self._reached()
        return 1, 41

    def podman(self):
        self._reached()
        return self.is_podman

    def container(self, id_or_name):
        self._reached()
        self._die()
        named = (b for b in self.boxes.values() if b["Name"] == f"/{id_or_name}")
        return self.boxes.get(id_or_name) or next(named, None)

    def each(self, ids):
        def one(id_):
            try:
                return self.container(id_)
            except EngineRefused as refused:
                return refused

        return [one(id_) for id_ in ids]

    def image(self, ref):
        self._reached()
        id_ = self.tags.get(ref, ref)
        digests = [f"{self.repositories.get(id_, REPOSITORY)}@{id_}"]
        return (
            {"Id": id_, "RepoDigests": digests} if id_ in self.tags.values() else None
        )

    def network(self, name):
        self._reached()
        there = {"Containers": self.addresses.get(name, {})}
        there |= {"Scope": "local", "Driver": "bridge", "Labels": {"made": "once"}}
        gone = name in self.gone or (_is_ours(name) and name not in self.made)
        return None if gone else there

    def volume(self, name):
        self._reached()
        return None if name in self.gone else {"Name": name}

    def events(self, until):
        self._reached()
        return []

    def logs(self, container, lines=50):
        self._reached()
        if self.unreadable:
            raise self.unreadable
        return f"the logs of {container[:12]}"

    # acting

    def pull(self, repository, digest):
        with self._act("pull", repository):
            self.tags[f"{repository}@{digest}"] = digest

    def tag(self, image, repository, tag):
        with self._act("tag", tag):
            self.tags[f"{repository}:{tag}"] = image

    def create(self, name, body, networks):
        with self._act("create", name):
            self._name_is_free(name)
            id_ = sha(f"container {next(self._ids)}")
            config = {key: value for key, value in body.items() if key != "HostConfig"}
            host = {"RestartPolicy": {"Name": "no"}} | body["HostConfig"]
            binds = host.get("Binds") or ()
            self.boxes[id_] = {
                "Id": id_,
                "Name": f"/{name}",
                "Image": self.mistakes.get(
                    body["Image"], self.tags.get(body["Image"], body["Image"])
                ),
                "Created": self.clock.now().isoformat(),
                "RestartCount": 0,
                "Config": config,
                "HostConfig": host,
                "Mounts": [
                    {"Type": "bind", "Source": source, "Destination": inside}
                    for source, inside in (b.split(":")[:2] for b in binds)
                ],
                "NetworkSettings": {
                    # Like an engine before 1.44: the others by `connect`.
                    "Networks": {key: dict(networks[key]) for key in list(networks)[:1]}
                },
                "State": {
                    "Running": False,
                    "Restarting": False,
                    "Status": "created",
                    "StartedAt": "0001-01-01T00:00:00Z",
                },
            }
            return id_

    def connect(self, container, network, endpoint):
        with self._act("connect", network):
            if self.network(network) is None:
                raise EngineRefused(f"network {network} not found")
            self._box(container)["NetworkSettings"]["Networks"][network] = endpoint
            self._notes_who_runs_beside()

    def disconnect(self, container, network):
        with self._act("disconnect", network):
            on = self._box(container)["NetworkSettings"]["Networks"]
            if network not in on:
                raise EngineRefused(f"it is not connected to network {network}")
            del on[network]

    def create_network(self, name, labels, like=None):
        with self._act("create_network", name):
            if name in self.made:
                raise EngineRefused(f"network with name {name} already exists")
            self.made[name] = labels
            self.gone.discard(name)

    def remove_network(self, name):
        with self._act("remove_network", name):
            if any(_runs(b) and name in _networks(b) for b in self.boxes.values()):
                raise EngineRefused(f"network {name} has active endpoints")
            self.made.pop(name, None)

    def set_restart(self, container, policy):
        with self._act("set_restart", self._short(container)):
            self._box(container)["HostConfig"]["RestartPolicy"] = dict(policy)

    def stop(self, container, within):
        with self._act("stop", self._short(container)):
            state = self._box(container)["State"]
            if state["Running"]:
                state |= {"Running": False, "Status": "exited"}

    def rename(self, container, name):
        with self._act("rename", name):
            self._name_is_free(name)
            self._box(container)["Name"] = f"/{name}"

    def start(self, container):
        with self._act("start", self._short(container)):
            box = self._box(container)
            if box["State"]["Running"]:
                return
            sources = [self.folder / mount["Source"] for mount in box["Mounts"]]
            if not all(source.is_file() for source in sources):
                raise EngineRefused("bind source path does not exist")
            seen = tuple(
                sorted(
                    sha((self.folder / mount["Source"]).read_bytes())
                    for mount in box["Mounts"]
                )
            )
            self.starts.append((box["Image"], seen))
            files = StackFolder(self.folder)
            self.met |= {
                _met(files.look(str(Path(mount["Source"]).relative_to(self.folder))))
                for mount in box["Mounts"]
            }
            service = box["Config"]["Labels"].get(_SERVICE)
            if service in self.jobs:
                self.ran.append((service, box["Image"]))
            dies = box["Image"] in self.crashing or service in self.jobs
            box["State"] |= {
                "Running": not dies,
                "Status": "exited" if dies else "running",
                "StartedAt": self.clock.now().isoformat(),
                "ExitCode": self.jobs.get(service, 0),
            }
            self._notes_who_runs_beside()
            if box["Image"] in self.health:
                box["State"]["Health"] = {"Status": self.health[box["Image"]]}

    def _notes_who_runs_beside(self):
        """Note where two of one service and number run on one network."""
        places = [
            (labels.get(_SERVICE) or labels.get(STANDBY), labels.get(_NUMBER), network)
            for box in self.boxes.values()
            for labels in [box["Config"]["Labels"]]
            for network in _networks(box)
            if _runs(box) and not _is_ours(network)
        ]
        twice = {place[:2] for place in places if places.count(place) > 1}
        self.beside += sorted(twice)

    def remove(self, container):
        with self._act("remove", self._short(container)):
            if self._box(container)["State"]["Running"]:
                raise EngineRefused("cannot remove: the container is running")
            del self.boxes[container]

    # the world

    def answers(self, _meant="", _within=None):
        """Answer as the stack's health endpoint does."""
        ups = [box for box in self.boxes.values() if _runs(box) and _networks(box)]
        fine = bool(ups) and not any(box["Image"] in self.sick for box in ups)
        return (Answer(fine, "health says 200" if fine else "health says 503"),)

    def up(self):
        """Give what runs: name to (image, restart policy)."""
        return {
            box["Name"].lstrip("/"): (
                box["Image"],
                box["HostConfig"]["RestartPolicy"]["Name"],
            )
            for box in self.boxes.values()
            if box["State"]["Running"]
        }

    def names(self):
        """Give the names of all containers in any state."""
        return sorted(box["Name"].lstrip("/") for box in self.boxes.values())

    def created(self):
        """Count the creates of each name, live or not."""
        return [what for do, what in self.calls if do == "create"]

    def _box(self, container):
        """Give the container, or say what Docker says when it is gone."""
        if container not in self.boxes:
            raise EngineRefused("No such container")
        return self.boxes[container]

    def _short(self, container):
        """Name a container for the list of calls; "?" when there is none."""
        return (
            self.boxes[container]["Name"].lstrip("/")
            if container in self.boxes
            else "?"
        )

    def _die(self):
        """Let end what is of an image that lives no longer than so many seconds."""
        for box in self.boxes.values():
            begun = datetime.fromisoformat(box["State"]["StartedAt"])
            most = self.lives.get(box["Image"])
            over = most is not None and self.clock.now() >= begun + most * SECOND
            if box["State"]["Running"] and over:
                box["State"] |= {"Running": False, "Status": "exited"}

    def _name_is_free(self, name):
        if any(box["Name"] == f"/{name}" for box in self.boxes.values()):
            raise EngineRefused(f"Conflict. The name {name} is already in use")

    def _reached(self):
        if self.down:
            raise Unreachable("the engine did not answer")

    def _act(self, do, what):
        return _Act(self, do, what)


class Folder(StackFolder):
    """The stack's folder, whose files changed in the world's time and not in ours.

    What was there at a start of a container changed before all of it, anything else
    after.
    """

    def __init__(self, root, met):
        super().__init__(root)
        self.met = met

    def look(self, path):
        seen = super().look(path)
        if seen is None:
            return None
        return replace(seen, changed=0 if _met(seen) in self.met else 2**62)


def _met(seen):
    return seen.changed, sha(seen.data)


_SERVICE = "com.docker.compose.service"
_NUMBER = "com.docker.compose.container-number"


def _runs(box):
    return box["State"]["Running"]


def _networks(box):
    return box["NetworkSettings"]["Networks"]


def _is_ours(network):
    return network.startswith(staging_of(""))


class _Act:
    """One call that changes something, with an instant before and one after it."""

    def __init__(self, docker, do, what):
        self.docker, self.do, self.what = docker, do, what

    def __enter__(self):
        docker = self.docker
        docker._reached()
        docker.fuse.passes()
        docker.calls.append((self.do, self.what))
        for (do, part), words in docker.refuses.items():
            if do == self.do and part in self.what:
                raise EngineRefused(words)

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.docker.fuse.passes()


class World:
    """A Compose stack with a watchdog beside it, all but the watchdog's rules real.

    ``Stack``, ``Hands``, ``Transaction`` and ``Cycle`` are the real ones; the engine
    is ``Docker``, the journal a ``Notebook``, the folder a folder. Both survive a
    power cut; ``watch()`` makes a new watchdog, that knows only what they say.
    """

    def __init__(
        self,
        folder,
        *,
        shared=False,
        services=("dms",),
        scale=None,
        fuse=None,
        jobs=(),
        images=None,
        bare=False,
        **chosen,
    ):
        """*images* maps services to repositories of their own; *bare*: no manifests."""
        self.folder = folder
        self.images = images or {}
        self.bare = bare
        self.shared = shared
        self.services = services
        self.scale = scale
        self.fuse = fuse or Fuse()
        self.clock = StillClock()
        self.docker = Docker(folder, self.clock, self.fuse)
        self.docker.jobs = dict.fromkeys(jobs, 0)
        self.memory = Notebook(self.fuse)
        self.numbers = Numbers(self.clock)
        self.trials = Trials()
        self.rules = rules(services=services, **chosen)
        self.releases = {v: a_release(v) for v in ("v1.2.0", "v1.3.0", "v1.3.1")}
        self.smoke = {}
        self.holds = None
        self.default = None
        self.sign = lambda data: b"seal"
        self.sealed = lambda *_: "signature valid"
        self.faulty = self.roster_faulty = None
        self.roster = a_roster()
        self.short = []
        self.besides = tuple
        self.whose = None
        self.at_once = one_by_one
        self.lasting = 0.0  # most containers here don't die in silence
        self.checked = Checked
        self.restart = "unless-stopped"
        self.needs = {}
        self.networks = {"dms_default": {}, "dms_back": {"Aliases": ["db"]}}
        self.swapping = Swapping()
        self.free = None
        self.made_with = {}
        self.labels = {}
        self._secrets = itertools.count(1)
        (folder / "manifests").mkdir(parents=True)

    # what people do

    def build(self, version):
        """Have the image and the signed manifest of *version*."""
        for service in self.services:
            id_ = self.image_of(service, version)
            self.docker.tags[f"{self._repository(service)}:{version}"] = id_
            self.docker.repositories[id_] = self._repository(service)
        kept = self.folder / self._kept(version)
        kept.write_text(manifest_of("meesho", version))
        sealed = self.sign(kept.read_bytes())
        kept.with_name(f"{kept.name}.sig").write_bytes(sealed)

    def image_of(self, service, version):
        """Give the image of *service* at *version*."""
        own = self.images.get(service)
        return f"sha256:{sha(f'{own}:{version}')}" if own else a_pair(version).image

    def _repository(self, service):
        return self.images.get(service, REPOSITORY)

    def compose_up(self, version, manifest=None, only=()):
        """Deploy *version* as Compose does; a *manifest* of another makes it mixed.

        *only* some of the services, where they are named.
        """
        self.build(version)
        manifest = manifest or version
        (self.folder / ".env").write_text(f"TZ=UTC\nDMS_VERSION={version}\n")
        if self.shared:
            at = self._at(version)
            (self.folder / at).write_text(manifest_of("meesho", manifest))
        else:
            at = self._kept(manifest)
        fuse, self.docker.fuse = self.docker.fuse, Fuse()
        for id_, box in list(self.docker.boxes.items()):
            # What has none of its labels Compose does not see.
            service = box["Config"]["Labels"].get(_SERVICE)
            if service and (not only or service in only):
                box["State"]["Running"] = False
                self.docker.remove(id_)
        for service, number, labels in numbered(only or self.services, self.scale):
            name = f"dms-{service}-{number}"
            mount = f"{self.folder / at}:/manifests/meesho.manifest.json:ro"
            body = {
                "Image": f"{self._repository(service)}:{version}",
                "Hostname": service,
                "Env": [f"DATABASE_PASSWORD={canary.text()}"],
                "Labels": {
                    "com.docker.compose.project": "dms",
                    "com.docker.compose.service": service,
                    "com.docker.compose.oneoff": "False",
                    "com.docker.compose.project.working_dir": str(self.folder),
                }
                | labels
                | self.labels
                | self._awaits(service),
                "HostConfig": {
                    "NetworkMode": "dms_default",
                    "RestartPolicy": {
                        "Name": "no" if service in self.docker.jobs else self.restart
                    },
                    "Binds": [] if self.bare else [mount],
                },
            } | self.made_with
            id_ = self.docker.create(name, body, self.networks)
            for network in list(self.networks)[1:]:
                self.docker.connect(id_, network, self.networks[network])
            self.docker.start(id_)
        self.docker.fuse = fuse
        self.docker.calls.clear()

    def _awaits(self, service):
        """Write what Compose writes on who needs others, or awaits the jobs."""
        ended = "service_completed_successfully:false"
        waits = [self.needs[service]] if service in self.needs else []
        if service not in self.docker.jobs:
            waits += [f"{job}:{ended}" for job in self.docker.jobs]
        return {"com.docker.compose.depends_on": ",".join(waits)}

    def _kept(self, version):
        return f"manifests/meesho.{version}.manifest.json"

    def _at(self, version):
        return "manifests/meesho.manifest.json" if self.shared else self._kept(version)

    # the watchdog

    def transaction(self):
        """Start a watchdog's hands anew."""
        eyes = self.eyes()
        return Transaction(
            eyes=eyes,
            hands=Hands(
                self.docker,
                folder=self.folder,
                env_file=".env",
                variable="DMS_VERSION",
                blob=self.memory.blob,
                sealed=self.sealed,
            ),
            ask_stack=self.docker.answers,
            smoke=lambda check, _: self.smoke[check],
            tenants_of=self.tenants_of,
            memory=self.memory,
            rules=self.rules,
            clock=self.clock,
            lasting=self.lasting,
            at_once=self.at_once,
        )

    def eyes(self):
        """Start a watchdog's eyes anew."""
        return Stack(
            self.docker,
            project="dms",
            services=self.services,
            folder=self.folder,
            env_file=".env",
            variable="DMS_VERSION",
            manifests="manifests",
            inside="/manifests/{tenant}.manifest.json",
            files=Folder(self.folder, self.docker.met),
            jobs=self.said_of_jobs(),
            named=Releases(self.releases).naming,
        )

    def plans(self, eyes):
        return Replay(
            eyes.deployed,
            eyes.pinned,
            self.services,
            self.rules.stop_within,
            self.said_of_jobs().again,
            self.swapping,
            Standbys(self.docker, "dms", self.clock.now).healthy,
            self.docker.network,
        )

    def said_of_jobs(self):
        """Give what the release files say of jobs."""

        def said(version):
            release = self.filed().for_version(version)
            return release.jobs if release else {}

        files = self.releases.values()
        return Jobs(lambda: {job for one in files for job in one.jobs}, said)

    def readiness(self, eyes):
        """Start a watchdog's look at the way back anew."""
        return Readiness(
            eyes=eyes,
            plans=self.plans(eyes),
            hands=self.transaction().hands,
            memory=self.memory,
            rules=self.rules,
            roster=Enrolled(self.roster),
            besides=lambda: (*self.short, *self.besides()),
            holds=self.holds,
        )

    def tenants_of(self, version):
        return Releases(self.releases, self.default).tenants_of(version)

    def filed(self):
        return Files(Releases(self.releases, self.default), self.faulty)

    def watch(self):
        """Start a watchdog that knows only the journal and the world."""
        eyes = self.eyes()
        return Cycle(
            eyes=eyes,
            parts=lambda: eyes.parts(self.tenants_of),
            plans=self.checked(self.plans(eyes), eyes),
            metrics=self.numbers,
            arms=self.trials,
            transaction=self.transaction(),
            readiness=self.readiness(eyes),
            gating=Gating(self.memory, self.filed(), self.rules),
            memory=self.memory,
            releases=self.filed(),
            roster=Enrolled(self.roster, self.roster_faulty),
            rules=self.rules,
            secret=lambda: f"secret{next(self._secrets)}",
            standing_by=StandingBy(
                self.plans(eyes),
                self.memory,
                self.rules,
                self.swapping,
                Standbys(self.docker, "dms", self.clock.now).seen,
                Standby(self.docker, "dms", self.folder),
                lambda: self.free,
            ),
            **({"whose": self.whose} if self.whose else {}),
        )

    def turn(self, after=5 * SECOND):
        """Do one turn of a new watchdog, *after* the last; give its sentence."""
        self.clock.at += after
        done = self.watch().turn(self.clock.now())
        self.memory.mark(done)
        return done.words

    def bake(self, version="v1.2.0"):
        """Deploy *version*, and watch it until it is known to be good."""
        self.compose_up(version)
        self.turn()
        self.turn(self.rules.settle)
        self.turn(self.rules.bake_time)

    def bad_release(self):
        """Deploy v1.3.0 over a good v1.2.0, and break it: the next turn acts."""
        self.bake("v1.2.0")
        self.compose_up("v1.3.0")
        self.turn()
        self.turn(MINUTE)
        self.numbers.values[AWB.name] = 9

    # what is true of it

    def pairs_started(self):
        """Give each start as the versions of (image, manifest)."""
        images = {self.image_of(s, v): v for v in self.releases for s in self.services}
        texts = {sha(manifest_of("meesho", v)): v for v in self.releases}
        return [
            (images[image], *(texts[one] for one in seen))
            for image, seen in self.docker.starts
        ]

    def pinned(self):
        """Give the env file's text."""
        return (self.folder / ".env").read_text()

    def container_names(self):
        """Name every container that there is when nothing is under way."""
        each = numbered(self.services, self.scale)
        return sorted(f"dms-{service}-{number}" for service, number, _ in each)

    def stands_on(self, version):
        """Tell what is not as it is when *version* runs as one whole pair."""
        meant = {
            f"dms-{service}-{number}": (self.image_of(service, version), self.restart)
            for service, number, _ in numbered(self.services, self.scale)
        }
        wrong = []
        if self.docker.up() != meant:
            wrong.append(f"up: {self.docker.up()}")
        return wrong + self.stands_on_but_names(version)

    def stands_on_but_names(self, version):
        """Tell what of the files is not as it is when *version* runs."""
        wrong = []
        if self.pinned() != f"TZ=UTC\nDMS_VERSION={version}\n":
            wrong.append(f"pinned: {self.pinned()!r}")
        if (self.folder / self._at(version)).read_text() != manifest_of(
            "meesho", version
        ):
            wrong.append("another manifest")
        mixed = [one for one in self.pairs_started() if len(set(one)) > 1]
        return wrong + [f"started mixed: {one}" for one in mixed]


class Numbers:
    """A Prometheus that answers with one point per trigger, by the trigger's name.

    What is not set is 0. A ``Blind`` is given as it is; so is *down* for all.
    """

    def __init__(self, clock):
        self.clock = clock
        self.values = {}
        self.down = None
        self.asked = 0
        self.before = None

    def now(self):
        return self.down or self.clock.now()

    def read_all(self, triggers, at, **_):
        self.asked += 1
        return {trigger.name: self._read(trigger.name, at) for trigger in triggers}

    def _read(self, name, at):
        value = self.values.get(name, 0.0)
        if isinstance(value, Blind):
            return value
        looks = (Look(at, (Block(at, {"worst": value}),)),)
        return Measured(looks, before=self.before)


class Files:
    """Release files that are in force; *faulty* is what is wrong with newer ones."""

    def __init__(self, releases, faulty=None):
        self.for_version = releases.for_version
        self.one_way = releases.one_way
        self.refresh = lambda: faulty


def a_roster(*names, **other):
    """Enrol people with one key each; *other* are whole approvers by name."""
    people = {
        name: Approver(name, (Key(f"{name}#1", Scheme.ED25519, bytes([n]) * 32),))
        for n, name in enumerate(names or (ASHA, BELA), 1)
    }
    return Roster(people | other)


def a_bad_release(folder, *, dead=False, **chosen):
    """Have v1.3.0 fail after a good v1.2.0; *dead*: that one does not come up again."""
    made = World(folder, **chosen)
    made.bad_release()
    if dead:
        made.docker.crashing.add(a_pair("v1.2.0").image)
    return made


class Enrolled:
    """A roster that is in force; *faulty* is what is wrong with a newer one."""

    def __init__(self, roster, faulty=None):
        self.roster = roster
        self.refresh = lambda: faulty


class Trials:
    """A range to try triggers on: all are proven, but those with *faults*."""

    def __init__(self):
        self.faults = {}

    def try_out(self, trigger, at, since=None):
        faults = self.faults.get(trigger.name, ())
        return Trial(trigger.name, 1, Clear("0, not above 1"), faults=tuple(faults))


def changed(release, **other):
    """Give *release* with some fields changed."""
    return replace(release, **other)
