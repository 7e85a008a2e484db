"""The pair that is deployed now: from the engine and the mounted manifests."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from watchdog.decide.one_release import apart, shared_version
from watchdog.facts.job import Jobs
from watchdog.facts.lack import Lack
from watchdog.facts.pair import (
    HeldManifest,
    NotKnown,
    Pair,
    Part,
    Record,
    Running,
    Tenants,
    together,
)
from watchdog.facts.plan import Deployed, Plan
from watchdog.facts.problem import EngineRefused, Problem, Undone, Unreachable
from watchdog.observe.agreeing import Agreeing
from watchdog.observe.as_written import AsWritten
from watchdog.observe.condition import Condition
from watchdog.observe.images import images_of
from watchdog.observe.labelled import (
    ENV_FILE,
    FOLDER,
    ONEOFF,
    PROJECT,
    SERVICE,
    Labelled,
    began,
    begun,
    label_of,
    listed_of,
    misnamed,
    service_of,
    version_of,
)
from watchdog.observe.lacks import lacks, of_jobs
from watchdog.observe.made import deployed_of, replica_of
from watchdog.observe.memory import free_memory
from watchdog.observe.mounted import Mounted
from watchdog.observe.obstacles import (
    chosen_macs,
    obstacles,
    old_compose,
)
from watchdog.observe.parts import as_listed, inspected, last_line
from watchdog.observe.pin import Pin, other_env_file
from watchdog.observe.referee import Referee
from watchdog.observe.strangers import stranger
from watchdog.outside.engine import Engine
from watchdog.outside.stack_folder import StackFolder

_COMPOSE = "com.docker.compose.version"
_OP = "io.flexli.rollback.op"


class Stack:
    """One Compose project, seen through the engine and its folder.

    *folder* is where the stack's folder is for us; the engine may know it by
    another path. *inside* is the manifest's path in the container, with
    ``{tenant}``. Only containers of *project* and *services* are ever looked at.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        project: str,
        services: tuple[str, ...],
        folder: Path,
        env_file: str,
        variable: str,
        manifests: str,
        inside: str,
        files: StackFolder | None = None,
        referee: Referee | None = None,
        unasked: str = "",
        jobs: Jobs = Jobs(),  # noqa: B008 # frozen
        named: Callable[[str, str], tuple[str, ...]] = lambda *_: (),
    ) -> None:
        """*files* is the folder's reader, where it is not a plain one.

        *referee* says what Compose makes of the stack, or *unasked* why none can be.
        *jobs* is what release files say of them; *named*, which name a service's image.
        """
        self._engine = engine
        self._project = project
        self._services = services
        self._folder = folder
        self._files = files or StackFolder(folder)
        self._env = folder / env_file
        self._pin = Pin(folder, env_file, variable)
        # What was deployed when it was last read: a turn reads it first of all.
        self._seen: list[dict[str, Any]] | NotKnown | None = None
        self._agreeing = Agreeing(
            referee,
            unasked,
            folder=folder,
            env_file=env_file,
            services=services,
            variable=variable,
        )
        self._named = named
        self._manifests = manifests
        self._jobs = jobs
        self._written = AsWritten(referee, services=services, folder=folder)
        self._labelled = Labelled(
            engine,
            project=project,
            services=services,
            named_jobs=jobs.named,
            awaited=self._written.awaited,
        )
        self._mounted = Mounted(self._files, project=project, inside=inside)
        self._condition = Condition(engine)

    def running(self, tenants_of: Tenants) -> Running | NotKnown:
        """Read what is deployed. *tenants_of* a version names whose manifests to read.

        Raises Unreachable when the engine does not answer; everything else that
        keeps us from seeing one whole pair is a NotKnown with its reason.
        """
        try:
            return self._running(tenants_of)
        except EngineRefused as refused:
            return NotKnown(refused.words, refused=True)

    def _running(self, tenants_of: Tenants) -> Running | NotKnown:
        project = self._labelled.project()
        jobs = self._labelled.jobs(project)
        found = self._seen = self._labelled.deployed(jobs, project)
        if isinstance(found, NotKnown):
            return replace(found, versions=begun(self._services, project, self._names))
        images = {service_of(c): str(c["Image"]) for c in found}
        refs = {service_of(c): str(c["Config"]["Image"]) for c in found}
        names = {service: self._names(service, ref) for service, ref in refs.items()}
        version = shared_version(refs, images, names)
        if not version:
            words = apart(self._project, refs)
            return NotKnown(
                words, split=True, versions=begun(self._services, project, self._names)
            )
        manifests = self._mounted.of_all(found, tenants_of(version))
        if isinstance(manifests, NotKnown):
            return replace(manifests, versions=(version,))
        late = [
            (str(c["Id"]), self._mounted.late(c, tenant))
            for tenant, _ in manifests
            for c in found
        ]
        seen, before = self._condition.of(found)
        return Running(
            pair=Pair(version, together(images), manifests),
            containers=tuple(str(c["Id"]) for c in found),
            since=max(began(c) for c in found),
            states=tuple(str(c["State"]["Status"]) for c in found),
            rolled_back_by=str(found[0]["Config"]["Labels"].get(_OP, "")),
            services=tuple(service_of(c) for c in found),
            late=tuple((id_, words) for id_, words in late if words),
            jobs=self._labelled.ended(jobs, project),
            seen=seen,
            before=before,
        )

    def _names(self, service: str, ref: str) -> tuple[str, ...]:
        """Give the versions that *ref*, as the image of *service*, may be of."""
        return self._named(service, ref) or (version_of(ref),)

    def record(
        self, running: Running, kept: Mapping[str, str]
    ) -> tuple[Record, dict[str, bytes]]:
        """Record how *running* was made, with the manifests' and signatures' bytes.

        *kept* maps a tenant to the file name of its immutable manifest. The record
        is complete enough to make the same containers again from nothing else.
        """
        found = [self._engine.container(id_) for id_ in running.containers]
        whole = [c for c in found if c is not None]
        if len(whole) != len(running.containers):
            raise Problem("a container went away while it was being recorded")
        blobs: dict[str, bytes] = {}
        manifests: list[HeldManifest] = []
        for tenant, sha in running.pair.manifests:
            at, data = self._mounted.held(whole, tenant)
            if _sha(data) != sha:
                raise Problem(f"the manifest of {tenant} changed while it was read")
            version = f"{self._manifests}/{kept[tenant]}" if tenant in kept else at
            signature = self._files.read(f"{version}.sig") or b""
            blobs |= {sha: data, _sha(signature): signature}
            manifests.append(HeldManifest(tenant, at, version, sha, _sha(signature)))
        jobs = self._ended_well(running)
        images = images_of(self._engine, [*whole, *jobs])
        labels = whole[0]["Config"]["Labels"]
        macs = chosen_macs(
            self._written.files_of(whole),
            self._written.models_of(whole, filled_in=True),
        )
        return Record(
            pair=running.pair,
            image_ref=images[0].ref,
            repo_digests=images[0].repo_digests,
            replicas=tuple(replica_of(c, macs) for c in whole),
            manifests=tuple(manifests),
            compose_version=str(labels.get(_COMPOSE, "")),
            pins=self._agreeing.pins(whole),
            jobs=tuple(replica_of(c, macs) for c in jobs),
            images=images if len({one.image for one in images}) > 1 else (),
        ), blobs

    def _ended_well(self, running: Running) -> list[dict[str, Any]]:
        version = running.pair.version
        ours = [j for j in running.jobs if j.version == version and j.code == 0]
        found = [self._engine.container(job.container) for job in ours]
        return [c for c in found if c is not None]

    def parts(self, tenants_of: Tenants, *, anyhow: bool = False) -> tuple[Part, ...]:
        """Look at every container of the services, whatever state it is in.

        Of one that the engine refuses to show it is what is listed. *anyhow* also gives
        what those printed last that do not run: for people, who mend it.
        """
        parts: list[Part] = []
        project = self._labelled.project()
        jobs = self._labelled.jobs(project)
        ours = [(s, one) for s in self._services for one in listed_of(s, project)]
        shown = self._engine.each([str(one["Id"]) for _, one in ours])
        for (service, listed), found in zip(ours, shown, strict=True):
            if isinstance(found, EngineRefused):
                names = self._names(service, str(listed.get("Image", "")))
                parts.append(as_listed(service, listed, jobs, names, found.words))
                continue
            if found is None:
                continue
            ref = str(found["Config"]["Image"])
            names = self._names(service, ref)
            held = self._mounted.found(found, tenants_of(names[0]))
            part = inspected(service, found, jobs, held, names)
            if anyhow and part.state not in ("running", "created"):
                part = replace(part, said=last_line(self._engine, part.container))
            parts.append(part)
        return tuple(parts)

    def obstacles(self) -> tuple[str, ...]:
        """Say what here cannot be put back by replaying records, each in a sentence."""
        whole = self._labelled.whole()
        files = self._written.files_of(whole)
        models = self._written.models_of(whole, filled_in=False)
        strange = self._strange(whole)
        return (*strange, *obstacles(self._services, whole, files, models))

    def foreign(self) -> tuple[str, ...]:
        """Say what of the services is not today's Compose's, and what to do."""
        whole = self._labelled.whole()
        ours = [c for c in whole if label_of(c) in self._services]
        return (*self._strange(whole), *(w for c in ours for w in old_compose(c)))

    def about_the_engine(self) -> tuple[Lack, ...]:
        """Say what is to be known of an engine that is not Docker's."""
        podman = self._engine.podman()
        if not podman:
            return ()
        return (
            Lack(
                f"the engine is Podman {podman}, where health checks run by systemd's "
                "timers only, and little was tried",
                "see docs/reference/fidelity.md, Podman",
                doubt=True,
            ),
        )

    def _strange(self, whole: list[dict[str, Any]]) -> tuple[str, ...]:
        """Say of each service without a container what is there in its place."""
        labels = [c["Config"].get("Labels") or {} for c in whole]
        has = {one.get(SERVICE) for one in labels if one.get(ONEOFF) == "False"}
        without = [service for service in self._services if service not in has]
        there = self._engine.containers({}) if without else []
        found = [stranger(self._project, service, there) for service in without]
        return tuple(words for words in found if words)

    def lacks(self, target: Record, plan: Plan) -> tuple[Lack, ...]:
        """Say what *plan* would not find as it needs it; looked at only."""
        named = tuple(self._read_elsewhere(plan))
        return (
            *self._pin.lacks(plan.pins_after),
            # Whoever reads another file makes of it whatever stands there.
            *(named or self._made_otherwise(target, plan)),
            *lacks(self._engine, target, plan, self._folder),
            *of_jobs(self._labelled.jobs(), self._jobs, target, plan),
            *self._mounted.unnamed(target),
            *self.about_the_engine(),
        )

    def _made_otherwise(self, target: Record, plan: Plan) -> tuple[Lack, ...]:
        """Say what Compose would make otherwise than *target*, once *plan* pinned."""
        listed = self._engine.containers({PROJECT: self._project, ONEOFF: "False"})
        # A service whose containers all ended is a job; the others run, or should.
        beside: dict[str, bool] = {}
        for one in listed:
            service = str((one.get("Labels") or {}).get(SERVICE, ""))
            ended = one.get("State") == "exited"
            beside[service] = beside.get(service, True) and ended
        olds = [swap.old_id for swap in plan.swaps if swap.old_id]
        found = [self._engine.container(old) for old in olds]
        whole = [c for c in found if c is not None]
        return self._agreeing.lacks(whole, beside, target, plan.pins_after)

    def _read_elsewhere(self, plan: Plan) -> Iterator[Lack]:
        """Say that Compose was given other env files than the one that is pinned."""
        for swap in plan.swaps:
            found = None if swap.job else self._engine.container(swap.old_id)
            if found is not None:
                yield from self._of_another(found)

    def _of_another(self, container: Mapping[str, Any]) -> Iterator[Lack]:
        """Say that *container* was made with another env file than the pinned one."""
        labels = container["Config"].get("Labels") or {}
        there = Path(labels.get(FOLDER, "/"))
        given = [there / one for one in labels.get(ENV_FILE, "").split(",") if one]
        ours = there / self._env.relative_to(self._folder)
        if ours not in (given or [there / ".env"]):
            yield other_env_file(given or [there / ".env"], ours)

    def deployed(self, containers: tuple[str, ...]) -> dict[str, tuple[Deployed, ...]]:
        """Tell by service what a plan must know of the running containers.

        Raises:
            Undone: one of them went away while it was looked at.
            Problem: they cannot be put back faithfully; nothing may be planned.
        """
        standing_in_the_way = self.obstacles()
        if standing_in_the_way:
            raise Problem(
                f"this stack cannot be replayed: {'; '.join(standing_in_the_way)}",
                "roll back by Compose: pin the version, and `docker compose up -d`",
            )
        result: dict[str, tuple[Deployed, ...]] = {}
        api, free = self._engine.api(), free_memory()
        for id_ in containers:
            found = self._engine.container(id_)
            if found is None:
                raise Undone(f"container {id_[:12]} went away while planning")
            one = deployed_of(found, api, free)
            service = service_of(found)
            result[service] = (*result.get(service, ()), one)
        return result

    def pinned(self, names: Collection[str] = ()) -> dict[str, str]:
        """Give what the stack's env file says of *names*, or of the one variable.

        Raises:
            Problem: of one there is nothing, or nothing that could be pinned anew.
        """
        try:
            return self._pin.values(names)
        except Problem as unset:
            found = self._deployed_now() or ()
            raise self._agreeing.unset(unset, found) from unset

    def astray(self, version: str) -> tuple[Lack, ...]:
        """Say how the env file, or a name, is not as it should be for *version*."""
        found = self._deployed_now() or []
        elsewhere = [lack for one in found for lack in self._of_another(one)]
        if elsewhere:
            return tuple(dict.fromkeys(elsewhere))
        made = self._agreeing.astray(found)
        return (*self._pin.astray(version, made), *misnamed(found))

    def agrees(self, plan: Plan, target: Record) -> str:
        """Say what Compose would make otherwise of *target*, which *plan* put up."""
        del plan
        try:
            found = self._labelled.deployed()
        except EngineRefused:
            return ""
        if isinstance(found, NotKnown):
            return ""  # what runs is looked at on its own
        return self._agreeing.unlike(found, target)

    def _deployed_now(self) -> list[dict[str, Any]] | None:
        """Give the containers that are deployed; None: that cannot be said."""
        try:
            # What this turn has read already is read once.
            found, self._seen = self._seen or self._labelled.deployed(), None
        except (Unreachable, EngineRefused):
            return None
        return None if isinstance(found, NotKnown) else found


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
