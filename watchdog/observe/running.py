"""The pair that is deployed now: from the engine and the mounted manifests."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from watchdog.decide.plan import is_nameless
from watchdog.engine import Engine
from watchdog.facts.lack import Lack
from watchdog.facts.pair import (
    Found,
    HeldManifest,
    NotKnown,
    Pair,
    Part,
    Record,
    Replica,
    Running,
)
from watchdog.facts.plan import Deployed, Plan
from watchdog.facts.problem import Problem
from watchdog.observe.lacks import lacks
from watchdog.observe.obstacles import chosen_macs, compose_files, obstacles
from watchdog.stack_folder import StackFolder

_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_ONEOFF = "com.docker.compose.oneoff"
_FOLDER = "com.docker.compose.project.working_dir"
_FILES = "com.docker.compose.project.config_files"
_COMPOSE = "com.docker.compose.version"
_OP = "io.flexli.rollback.op"
# Made ready, put aside or failed: not what serves, unless somebody started it.
_OURS_ASIDE = ".rb-"
_NEVER = "0001-01-01"


class Stack:
    """One Compose project, seen through the engine and its folder.

    *folder* is where the stack's folder is for us; the engine may know it by
    another path. *inside* is the manifest's path in the container, with
    ``{tenant}``. Only containers of *project* and *services* are ever looked at.
    """

    several = False  # may a service have more than one container?

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
    ) -> None:
        self._engine = engine
        self._project = project
        self._services = services
        self._folder = folder
        self._files = StackFolder(folder)
        self._env = folder / env_file
        self._variable = variable
        self._manifests = manifests
        self._inside = inside

    def running(
        self, tenants_of: Callable[[str], tuple[str, ...]]
    ) -> Running | NotKnown:
        """Read what is deployed. *tenants_of* a version names whose manifests to read.

        Raises Unreachable when the engine does not answer; everything else that
        keeps us from seeing one whole pair is a NotKnown with its reason.
        """
        found = self._deployed()
        if isinstance(found, NotKnown):
            return found
        images = {str(c["Image"]) for c in found}
        refs = {str(c["Config"]["Image"]) for c in found}
        if len(images) > 1:
            return NotKnown(
                f"split: the services of {self._project} run {len(images)} different "
                f"images ({', '.join(sorted(refs))})",
                split=True,
            )
        version = _version_of(min(refs))
        manifests: list[tuple[str, str]] = []
        for tenant in tenants_of(version):
            try:
                _, data = self._held(found, tenant)
            except Problem as problem:
                return NotKnown(problem.words)
            manifests.append((tenant, _sha(data)))
        return Running(
            pair=Pair(version, images.pop(), tuple(sorted(manifests))),
            containers=tuple(str(c["Id"]) for c in found),
            since=max(_began(c) for c in found),
            states=tuple(str(c["State"]["Status"]) for c in found),
            rolled_back_by=str(found[0]["Config"]["Labels"].get(_OP, "")),
        )

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
            at, data = self._held(whole, tenant)
            if _sha(data) != sha:
                raise Problem(f"the manifest of {tenant} changed while it was read")
            version = f"{self._manifests}/{kept[tenant]}" if tenant in kept else at
            signature = self._files.read(f"{version}.sig") or b""
            blobs |= {sha: data, _sha(signature): signature}
            manifests.append(HeldManifest(tenant, at, version, sha, _sha(signature)))
        image = self._engine.image(str(whole[0]["Image"])) or {}
        labels = whole[0]["Config"]["Labels"]
        macs = chosen_macs(self._files_of(whole))
        return Record(
            pair=running.pair,
            image_ref=str(whole[0]["Config"]["Image"]),
            repo_digests=tuple(sorted(image.get("RepoDigests") or ())),
            replicas=tuple(_replica(c, macs) for c in whole),
            manifests=tuple(manifests),
            compose_version=str(labels.get(_COMPOSE, "")),
        ), blobs

    def parts(self, tenants_of: Callable[[str], tuple[str, ...]]) -> tuple[Part, ...]:
        """Look at every container of the services, whatever state it is in."""
        parts: list[Part] = []
        for service in self._services:
            labels = {_PROJECT: self._project, _SERVICE: service, _ONEOFF: "False"}
            for listed in self._engine.containers(labels):
                found = self._engine.container(str(listed["Id"]))
                if found is None:
                    continue
                ref, name = str(found["Config"]["Image"]), str(found["Name"])
                version = _version_of(ref)
                held = [self._found(found, tenant) for tenant in tenants_of(version)]
                parts.append(
                    Part(
                        service=service,
                        name=name.lstrip("/"),
                        container=str(found["Id"]),
                        version=version,
                        image_ref=ref,
                        image=str(found["Image"]),
                        state=str(found["State"]["Status"]),
                        aside=_OURS_ASIDE in name and not found["State"]["Running"],
                        manifests=tuple(held),
                    )
                )
        return tuple(parts)

    def _found(self, container: dict[str, Any], tenant: str) -> Found:
        try:
            path, data = self._held([container], tenant)
        except Problem as problem:
            return Found(tenant, problem.words, "")
        return Found(tenant, path, _sha(data))

    def obstacles(self) -> tuple[str, ...]:
        """Say what here cannot be put back by replaying records, each in a sentence."""
        listed = self._engine.containers({_PROJECT: self._project})
        found = [
            self._engine.container(str(one["Id"]))
            for one in listed
            if _OURS_ASIDE not in one["Names"][0]
        ]
        whole = [c for c in found if c is not None]
        return obstacles(self._services, whole, self._files_of(whole))

    def _files_of(self, containers: list[dict[str, Any]]) -> dict[str, str]:
        """Read the Compose files that the services among *containers* came from."""
        files: dict[str, str] = {}
        for labels in (c["Config"].get("Labels") or {} for c in containers):
            if labels.get(_SERVICE) in self._services:
                there = str(labels.get(_FOLDER, "/"))
                files |= compose_files(self._folder, there, labels.get(_FILES, ""))
        return files

    def lacks(self, target: Record, plan: Plan) -> tuple[Lack, ...]:
        """Say what *plan* would not find as it needs it; looked at only."""
        env_file = str(self._env.relative_to(self._folder))
        return lacks(self._engine, target, plan, self._folder, env_file)

    def deployed(self, containers: tuple[str, ...]) -> dict[str, Deployed]:
        """Tell by service what a plan must know of the running containers.

        Raises:
            Problem: they cannot be put back faithfully; nothing may be planned.
        """
        standing_in_the_way = self.obstacles()
        if standing_in_the_way:
            raise Problem(
                f"this stack cannot be replayed: {'; '.join(standing_in_the_way)}",
                "roll back by Compose: pin the version, and `docker compose up -d`",
            )
        result: dict[str, Deployed] = {}
        for id_ in containers:
            found = self._engine.container(id_)
            if found is None:
                raise Problem(f"container {id_[:12]} went away while planning")
            config, host = found["Config"], found["HostConfig"]
            grace = config.get("StopTimeout")
            result[str(config["Labels"][_SERVICE])] = Deployed(
                id=str(found["Id"]),
                restart=host.get("RestartPolicy") or {},
                grace=timedelta(seconds=10 if grace is None else grace),
                mounts={
                    str(m["Destination"]): _mount(m)
                    for m in found.get("Mounts") or ()
                    if m.get("Type") in ("volume", "bind")
                },
            )
        return result

    def health(self, containers: tuple[str, ...]) -> tuple[str, ...]:
        """Give Docker's word for each of *containers* that has a health check."""
        found = [self._engine.container(id_) for id_ in containers]
        checks = [c["State"].get("Health") for c in found if c is not None]
        return tuple(str(check["Status"]) for check in checks if check)

    def pinned(self) -> str:
        """Give the version in the stack's env file; empty when it names none."""
        if not self._env.is_file():
            return ""
        found = ""
        for line in self._env.read_text().splitlines():
            key, sign, value = line.removeprefix("export ").partition("=")
            if sign and key.strip() == self._variable:
                found = value.strip().strip("'\"")  # Compose reads the last one
        return found

    def _deployed(self) -> list[dict[str, Any]] | NotKnown:
        found: list[dict[str, Any]] = []
        for service in self._services:
            labels = {_PROJECT: self._project, _SERVICE: service, _ONEOFF: "False"}
            listed = [
                c
                for c in self._engine.containers(labels)
                # Compose starts what it finds by labels, under any name.
                if c.get("State") == "running" or _OURS_ASIDE not in c["Names"][0]
            ]
            if not listed:
                return NotKnown(
                    f"service {service} of {self._project} has no container"
                )
            if len(listed) > 1 and not self.several:
                return NotKnown(
                    f"service {service} of {self._project} has {len(listed)} "
                    "containers; a deployment may be under way"
                )
            for one in sorted(listed, key=lambda c: str(c["Names"])):
                inspected = self._engine.container(one["Id"])
                if inspected is None:
                    return NotKnown(f"a container of {service} went away while reading")
                found.append(inspected)
            if len({c["Image"] for c in found if _service(c) == service}) > 1:
                return NotKnown(
                    f"the containers of service {service} run different images; "
                    "a deployment may be under way"
                )
        return found

    def _held(self, containers: list[dict[str, Any]], tenant: str) -> tuple[str, bytes]:
        """Read the tenant's manifest: its path in the stack's folder, its bytes."""
        inside = self._inside.format(tenant=tenant)
        for container in containers:
            mounts = [
                m
                for m in container.get("Mounts") or ()
                if inside == m["Destination"]
                or inside.startswith(f"{m['Destination']}/")
            ]
            if not mounts:
                continue
            mount = max(mounts, key=lambda m: len(m["Destination"]))
            rest = inside.removeprefix(mount["Destination"]).lstrip("/")
            there = Path(mount["Source"]) / rest if rest else Path(mount["Source"])
            root = Path(container["Config"]["Labels"].get(_FOLDER, "/"))
            if not there.is_relative_to(root):
                raise Problem(f"the manifest of {tenant} is at {there}, outside {root}")
            here = str(there.relative_to(root))
            data = self._files.read(here)
            if data is None:
                raise Problem(f"the manifest of {tenant}, {here}, is missing")
            return here, data
        raise Problem(
            f"nothing is mounted at {inside}, where {tenant}'s manifest belongs"
        )


def _service(container: Mapping[str, Any]) -> str:
    return str(container["Config"]["Labels"][_SERVICE])


def _version_of(ref: str) -> str:
    """Take the tag out of an image reference; its last path part when it has none."""
    name = ref.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2] or name


def _began(container: Mapping[str, Any]) -> datetime:
    """Tell when *container* first ran.

    After Docker restarted it, its last start is not its first: what it did before
    is its doing too, so its creation counts.
    """
    state = container["State"]
    if container.get("RestartCount") or str(state["StartedAt"]).startswith(_NEVER):
        return _instant(container["Created"])
    return _instant(state["StartedAt"])


def _instant(text: str) -> datetime:
    # Docker gives nanoseconds, which fromisoformat cuts only since 3.11.
    return datetime.fromisoformat(text).astimezone(UTC)


def _replica(container: Mapping[str, Any], macs: frozenset[str]) -> Replica:
    """Turn an inspected container into the body that makes it again.

    The same image is put back, so its defaults may stay written out. What belongs
    to this one container goes: a host name that is its id, the short-id alias, and
    the addresses that were handed out rather than chosen.
    """
    config, host = dict(container["Config"]), container["HostConfig"]
    short = str(container["Id"])[:12]
    if config.get("Hostname") == short:
        del config["Hostname"]
    # The engine writes these itself there, and refuses to be given them.
    if host.get("UTSMode") == "host":
        config = _without(config, "Hostname", "Domainname")
    if str(host.get("NetworkMode")).startswith("container:"):
        config = _without(
            config, "Hostname", "Domainname", "ExposedPorts", "MacAddress"
        )
    labels = {
        key: value
        for key, value in (config.get("Labels") or {}).items()
        if key != "com.docker.compose.replace"
        and not key.startswith("io.flexli.rollback.")
    }
    config["Labels"] = labels
    config["HostConfig"] = _with_volumes(container)
    primary = str(host.get("NetworkMode") or "")
    found = container["NetworkSettings"].get("Networks") or {}
    names = sorted(found, key=lambda name: (name != primary, name))
    return Replica(
        service=str(labels[_SERVICE]),
        name=str(container["Name"]).lstrip("/"),
        body=json.loads(json.dumps(config)),
        networks={name: _endpoint(found[name], short, macs) for name in names},
    )


def _without(whole: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in whole.items() if key not in keys}


def _with_volumes(container: Mapping[str, Any]) -> dict[str, Any]:
    """Name each volume that the engine named: a new one would begin empty."""
    host = dict(container["HostConfig"])
    # Shown as `/db:/self/alias`, wanted as `db:alias`.
    host["Links"] = [
        f"{one.split(':')[0].lstrip('/')}:{one.rpartition('/')[2]}"
        for one in host.get("Links") or ()
    ]
    nameless = {
        str(m["Destination"]): _mount(m)
        for m in container.get("Mounts") or ()
        if m.get("Type") == "volume" and is_nameless(m.get("Name"))
    }
    host["Mounts"] = [
        m for m in host.get("Mounts") or () if m["Target"] not in nameless
    ]
    host["Mounts"] += [nameless[place] for place in sorted(nameless)]
    host["Binds"] = [
        b for b in host.get("Binds") or () if b.split(":")[1] not in nameless
    ]
    return host


def _mount(seen: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a mount as it is shown into one of a create body."""
    source = seen["Name"] if seen["Type"] == "volume" else seen["Source"]
    mount = {"Type": seen["Type"], "Source": source, "Target": seen["Destination"]}
    return mount if seen.get("RW", True) else mount | {"ReadOnly": True}


def _endpoint(
    settings: Mapping[str, Any], short: str, macs: frozenset[str]
) -> dict[str, Any]:
    """Keep what was chosen of an endpoint, never what was handed out.

    A MAC address that was handed out looks like a chosen one; kept, it would meet
    that of whoever gets the free address next. So only one of *macs* is kept.
    """
    aliases = [a for a in settings.get("Aliases") or () if a != short]
    chosen = {key: settings.get(key) for key in ("IPAMConfig", "Links", "DriverOpts")}
    if settings.get("GwPriority"):
        chosen["GwPriority"] = settings["GwPriority"]
    if str(settings.get("MacAddress")).lower() in macs:
        chosen["MacAddress"] = settings["MacAddress"]
    return {"Aliases": aliases} | {k: v for k, v in chosen.items() if v is not None}


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
