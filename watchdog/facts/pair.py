"""What runs, is good or bad, and is rolled back: images and manifests together."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from watchdog.facts.container import Container
from watchdog.facts.job import Job

# Names the tenants that a version has manifests of; None where no release file says
# so, and what is mounted has to.
Tenants = Callable[[str], tuple[str, ...] | None]

# What a build adds to its release's version: v1.3.0-4f9c2ab is one of v1.3.0.
_BUILD = re.compile(r"-[0-9a-f]{7,40}$")
_WORD = "[A-Za-z0-9_+-]"


@dataclass(frozen=True, slots=True)
class Pair:
    """The images of a release and one manifest per tenant: the unit of every decision.

    *version* is the image tag, the name that people use; two pairs are the same
    when image and manifests are, whatever they are called.
    *image* is the engine's image ID (``sha256:…``) that all services run, or what
    ``together`` makes of several; or ``commit:…`` and the commit where a work tree
    is what runs. On a swarm it is the registry's digest, by which each node pulls it.
    *manifests* holds (tenant, sha256 in hex), ordered by tenant; empty where the
    release has none.
    """

    version: str
    image: str
    manifests: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        """Identity of the pair, usable as a key: image and manifests only."""
        return "+".join([self.image, *(f"{t}={sha}" for t, sha in self.manifests)])

    @property
    def short(self) -> str:
        """Twelve hex digits that stand for the key, for people to read and type."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:12]

    @property
    def is_built(self) -> bool:
        """Tell whether images run; else it is a work tree's commit."""
        return not self.image.startswith("commit:")

    @property
    def images(self) -> dict[str, str]:
        """Give each service's image where there are several; empty for one of all."""
        groups = [one.partition("=") for one in self.image.split("+") if "=" in one]
        return {
            service: image for some, _, image in groups for service in some.split(",")
        }

    def image_of(self, service: str) -> str:
        """Give the image of *service*."""
        return self.images.get(service, self.image)

    @property
    def code(self) -> str:
        """Name the half that is not the manifests: ``image sha256:1a2b3c4d5e6f``."""
        if self.images:
            return self._code
        return f"image {self.image[:19]}" if self.is_built else self.image[:19]

    @property
    def words(self) -> str:
        """Name the pair for people: ``v1.2.0 (image 1a2b3c4d5e6f, meesho 9f…)``."""
        return f"{self.version} ({self.halves})"

    @property
    def halves(self) -> str:
        """Name both halves: ``image 1a2b3c4d5e6f, meesho 9f…``."""
        named = [f"{tenant} {sha[:12]}" for tenant, sha in self.manifests]
        return ", ".join([self._code, *(named or ["no manifests"])])

    @property
    def _code(self) -> str:
        groups = [one.partition("=") for one in self.image.split("+")]
        if not self.images:
            return f"{'image' if self.is_built else 'commit'} {_twelve(self.image)}"
        return f"images {', '.join(f'{s} {_twelve(image)}' for s, _, image in groups)}"


@dataclass(frozen=True, slots=True)
class Replica:
    """How one service's container was made: enough to make the same again.

    *body* is the create body of ``POST /containers/create``. *networks* maps a
    network's name to its endpoint settings; the first is the primary one.
    """

    service: str
    name: str
    body: Mapping[str, Any]
    networks: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class HeldManifest:
    """One tenant's manifest of a pair, as bytes in the ledger.

    *path* and *signature_path* are relative to the stack's folder. Two pairs that
    hold a tenant's manifest at the same path share the file (the runbook's
    layout), and a rollback must swap it; different paths come with the container.
    *kept_at* is the immutable file of that version, *path* itself unless shared.
    """

    tenant: str
    path: str
    kept_at: str
    sha256: str
    signature_sha256: str


@dataclass(frozen=True, slots=True)
class HeldImage:
    """One image of a pair, and how it is found again.

    *ref* is the tag that Compose uses for *services*; *repo_digests* are the
    registry's names for the same image, empty when it was never pushed or pulled.
    """

    services: tuple[str, ...]
    ref: str
    image: str
    repo_digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A pair as it ran: what a rollback to it replays.

    *image_ref* and *repo_digests* are those of its image, or of the first service's;
    *images* has all where there are several, see ``each_image``.
    *pins* are the env file's values that chose image and manifests, by variable;
    empty where that is not known, and the version is taken for its variable's value.
    *jobs* are its jobs that had ended with 0; they are no part of the *replicas*.
    """

    pair: Pair
    image_ref: str
    repo_digests: tuple[str, ...]
    replicas: tuple[Replica, ...]
    manifests: tuple[HeldManifest, ...]
    compose_version: str
    pins: Mapping[str, str] = field(default_factory=dict)
    jobs: tuple[Replica, ...] = ()
    images: tuple[HeldImage, ...] = ()

    @property
    def each_image(self) -> tuple[HeldImage, ...]:
        """Give every image that its services are made of, the first one's first.

        One image that Compose knows by several names is several of these.
        """
        if self.images:
            return self.images
        users: dict[str, list[str]] = {}
        for replica in (*self.replicas, *self.jobs):
            ref = str(replica.body.get("Image") or self.image_ref)
            users.setdefault(ref, []).append(replica.service)
        one, digests = self.pair.image, self.repo_digests
        return tuple(
            HeldImage(tuple(dict.fromkeys(services)), ref, one, digests)
            for ref, services in (users or {self.image_ref: []}).items()
        )

    def words_of(self, held: HeldImage) -> str:
        """Name one of its images for people."""
        whose = f" ({', '.join(held.services)})" if self.images else ""
        return f"the image of {self.pair.version}{whose}, {held.image[:19]},"

    def image_called(self, ref: str) -> HeldImage:
        """Give the image that Compose calls *ref*."""
        each = self.each_image
        return next((one for one in each if one.ref == ref), each[0])

    def image_for(self, service: str) -> HeldImage:
        """Give the image that *service* is made of."""
        each = self.each_image
        return next((one for one in each if service in one.services), each[0])


@dataclass(frozen=True, slots=True)
class Running:
    """The pair that is deployed now, whatever state its containers are in.

    *containers* are full ids in the order of the stack's services; another tuple
    is another start. *since* is when the first of them began to run, by the
    engine's clock. *states* are Docker's words for each (``running``, …), *services*
    whose container each is, where that is known. *late* holds (container, sentence)
    where a manifest's file changed after that had started: unless it was known before,
    nobody knows what it started with. *jobs* are run to their ends and no part of the
    other fields. *seen* is each of its containers by the engine's word, *before* those
    that were seen last in their place; None when nobody looked. *tasks* says of each
    service of a swarm how many of its tasks run, and in words what all come to: its
    state is one for all of them. *up* are the ids of its tasks from when all that are
    wanted run, though those of before may still be ending; else none. *unseen* says, a
    sentence each, what else may run of it where nobody can look; *unheard* what of it
    is only said to run, for some seconds more.
    """

    pair: Pair
    containers: tuple[str, ...]
    since: datetime
    states: tuple[str, ...]
    rolled_back_by: str = ""
    services: tuple[str, ...] = ()
    late: tuple[tuple[str, str], ...] = ()
    jobs: tuple[Job, ...] = ()
    seen: tuple[Container, ...] = field(default=(), compare=False)
    before: tuple[Container, ...] | None = field(default=None, compare=False)
    tasks: tuple[tuple[int, str], ...] = field(default=(), compare=False)
    up: tuple[str, ...] = field(default=(), compare=False)
    unseen: tuple[str, ...] = field(default=(), compare=False)
    unheard: tuple[str, ...] = field(default=(), compare=False)

    @property
    def replicas(self) -> dict[str, int]:
        """Count the containers that run, by service."""
        if self.tasks:
            counts = (count for count, _ in self.tasks)
            return dict(zip(self.services, counts, strict=True))
        pairs = zip(self.services, self.states, strict=False)
        return Counter(service for service, state in pairs if state == "running")

    @property
    def hosts(self) -> dict[str, tuple[str, str]]:
        """Give service and id of each container by what only that is reached by."""
        return {host: (one.service, one.id) for one in self.seen for host in one.hosts}


@dataclass(frozen=True, slots=True)
class Found:
    """A tenant's manifest as a container's mount holds it now.

    Without a *sha256* it cannot be read, and *path* says why. *late* says that its
    file changed after the container had started.
    """

    tenant: str
    path: str
    sha256: str
    late: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One container of the stack, whatever state it is in.

    *aside* when a rollback made it ready or put it aside, and nobody started it.
    *number* is Compose's, which tells the containers of one service apart; *op* is
    the operation that made it, empty for anybody else's. *made* is when the engine
    made it, where that is known. *jobs* are the services of its stack that are run to
    their ends, and serve nobody. *unread* says why it could not be looked at: only
    what the engine lists is known then. *said* is what it printed last, if asked.
    *grace* is how long its engine lets it end by itself.
    *names* are the versions that its image may be of, where that is not its own
    *version* alone. For a service of a swarm *mark* names all that its spec says, and
    *was* the operation that the spec before it was of.
    """

    service: str
    name: str
    container: str
    version: str
    image_ref: str
    image: str
    state: str
    aside: bool
    manifests: tuple[Found, ...]
    number: int = 0
    op: str = ""
    made: datetime | None = None
    jobs: tuple[str, ...] = ()
    unread: str = ""
    said: str = ""
    names: tuple[str, ...] = ()
    mark: str = ""
    was: str = ""
    grace: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Revoked:
    """A version that must never be put back; without a *tenant*, for all of them."""

    version: str
    reason: str
    tenant: str = ""

    def names(self, version: str, tenants: Collection[str]) -> bool:
        """Tell whether it is about *version*, or a build of it, of one of *tenants*."""
        is_it = self.version in (version, release_of(version))
        return is_it and (not self.tenant or self.tenant in tenants)


@dataclass(frozen=True, slots=True)
class NotKnown:
    """What runs could not be read, or is not one whole pair; *words* say why.

    *refused* when the engine answers, and shows it to nobody: it may be whole.
    *versions* are those of which there is anything that was started.
    """

    words: str
    split: bool = False
    refused: bool = False
    versions: tuple[str, ...] = field(default=(), compare=False)


def together(images: Mapping[str, str]) -> str:
    """Name the *images* of all services as one: their ID if it is the same one.

    Several are ``app,worker=sha256:…+web=sha256:…``, however they are ordered.
    """
    services: dict[str, list[str]] = {}
    for service, image in sorted(images.items()):
        services.setdefault(image, []).append(service)
    if len(services) == 1:
        return next(iter(services))
    return "+".join(f"{','.join(some)}={image}" for image, some in services.items())


def release_of(version: str) -> str:
    """Give the release that *version* is, or is a build of by git sha."""
    return _BUILD.sub("", version)


def _twelve(image: str) -> str:
    return image.rpartition(":")[2][:12]


def is_named(file: str, tenant: str, version: str) -> bool:
    """Tell whether *file*'s name says *tenant* and *version*, and not only begins so.

    ``meesho.v1.2.0.manifest.json`` names v1.2.0, ``meesho.v1.2.00.manifest.json``
    and ``meesho.v1.2.0-rc1.manifest.json`` don't. A version may begin with a digit,
    and follow a tenant: ``meesho.1.2.0.manifest.json``.
    """
    return says(file, tenant) and says(file, version, rf"{_WORD}|\.[0-9]")


def says(file: str, word: str, goes_on: str = _WORD) -> bool:
    """Tell whether *file*'s name has *word*, and not one that *goes_on*."""
    pattern = rf"(?<!{_WORD}){re.escape(word)}(?!{goes_on})"
    return re.search(pattern, file) is not None
