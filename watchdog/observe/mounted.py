"""The tenant's manifest as the containers of a stack have it mounted."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from watchdog.facts.lack import Lack
from watchdog.facts.pair import Found, NotKnown, Record
from watchdog.facts.problem import Problem
from watchdog.observe.labelled import FILES, FOLDER, instant, service_of
from watchdog.outside.stack_folder import StackFolder
from watchdog.verify.rendering import binds_of

_EPOCH = datetime.fromtimestamp(0, UTC)


class Mounted:
    """Finds the manifests of a project's containers in its folder, and reads them.

    *inside* is the manifest's path in the container, with ``{tenant}``.
    """

    def __init__(self, files: StackFolder, *, project: str, inside: str) -> None:
        self._files = files
        self._project = project
        self._inside = inside

    def apart(self, containers: list[dict[str, Any]], tenant: str) -> NotKnown | None:
        """Say that not all of *containers* hold the same manifest; nothing if they do.

        A service may hold none, but then none of its containers does.
        """
        held: dict[str, set[str]] = {}
        for container in containers:
            place = self._place(container, tenant)
            seen = _sha(self._bytes(place, tenant)) if place else ""
            held.setdefault(service_of(container), set()).add(seen)
        for service, several in held.items():
            if len(several) > 1:
                return NotKnown(
                    f"the containers of service {service} hold different manifests of "
                    f"{tenant}; a deployment may be under way"
                )
        found = set().union(*held.values()) - {""}
        if len(found) > 1:
            return NotKnown(
                f"split: the services of {self._project} hold {len(found)} different "
                f"manifests of {tenant} "
                f"({', '.join(sorted(sha[:12] for sha in found))})",
                split=True,
            )
        return None

    def of_all(
        self, containers: list[dict[str, Any]], said: tuple[str, ...] | None
    ) -> tuple[tuple[str, str], ...] | NotKnown:
        """Read the manifests that *containers* run with: (tenant, sha256), in order.

        They are those that a release file *said*; where none does, those that are
        mounted: what runs has its second half, whoever wrote it down.
        """
        try:
            tenants = self._mounted_for(containers) if said is None else {*said}
            manifests: list[tuple[str, str]] = []
            for tenant in sorted(tenants):
                unlike = self.apart(containers, tenant)
                _, data = self.held(containers, tenant)
                if unlike:
                    return unlike
                manifests.append((tenant, _sha(data)))
        except Problem as problem:
            return NotKnown(problem.words)
        return tuple(manifests)

    def found(
        self, container: dict[str, Any], said: tuple[str, ...] | None
    ) -> tuple[Found, ...]:
        """Look at the same of one *container*, each as far as it can be read."""
        try:
            tenants = self._mounted_for([container]) if said is None else {*said}
        except Problem as problem:
            return (Found("any tenant", problem.words, ""),)
        return tuple(self._found(container, tenant) for tenant in sorted(tenants))

    def _found(self, container: dict[str, Any], tenant: str) -> Found:
        try:
            path, data = self.held([container], tenant)
        except Problem as problem:
            return Found(tenant, problem.words, "")
        return Found(tenant, path, _sha(data), self.late(container, tenant))

    def _mounted_for(self, containers: list[dict[str, Any]]) -> set[str]:
        """Name the tenants whose manifests are mounted, each file or their folder."""
        folder, named = self._inside.rpartition("/")[0], named_by(self._inside)
        tenants: set[str] = set()
        for container in containers:
            mounts = {m["Destination"]: m for m in container.get("Mounts") or ()}
            places = {*mounts}
            above = [
                p for p in (folder, *map(str, Path(folder).parents)) if p in mounts
            ]
            # In a volume nobody can look, and no rollback would change it.
            if above and mounts[above[0]].get("Type") == "bind":
                place = self._where(container, folder)
                places |= {f"{folder}/{name}" for name in self._files.names(place)}
            found = (named.fullmatch(place) for place in places)
            tenants |= {one["tenant"] for one in found if one}
        return tenants

    def unnamed(self, target: Record) -> Iterator[Lack]:
        """Say what *target* mounts as a manifest, though it is of none.

        Without its bytes a rollback would put half of a pair back.
        """
        if target.manifests:
            return
        inside = named_by(self._inside)
        version = target.pair.version
        for replica in target.replicas:
            for place, source in binds_of(replica.body).items():
                if inside.fullmatch(place):
                    yield Lack(
                        f"{replica.service} of {version} mounts {source} at {place}, "
                        f"and no manifest of {version} is recorded",
                        "name it in its release file, under `manifests:`, and deploy "
                        f"{version} again; or `stack.manifest_in_container` is another "
                        "place",
                    )

    def held(self, containers: list[dict[str, Any]], tenant: str) -> tuple[str, bytes]:
        """Read the tenant's manifest: its path in the stack's folder, its bytes."""
        for container in containers:
            place = self._place(container, tenant)
            if place:
                return place, self._bytes(place, tenant)
        inside = self._inside.format(tenant=tenant)
        raise Problem(
            f"nothing is mounted at {inside}, where {tenant}'s manifest belongs"
        )

    def late(self, container: Mapping[str, Any], tenant: str) -> str:
        """Say that the tenant's file changed after *container* had started.

        A container holds on to the file that was there when it started, and shows no
        trace of what took its place: a rename, a rewrite or a mere `chmod` all move
        the file's change time, which nobody can set. So does a whole folder that is
        put in the place of another.
        """
        state = container["State"]
        place = self._place(container, tenant)
        seen = self._files.look(place) if place and state["Running"] else None
        if seen is None:
            return ""
        latest = max(seen.changed, self._files.moved(place))
        if latest <= _nanoseconds(str(state["StartedAt"])):
            return ""
        changed = datetime.fromtimestamp(latest / 1e9, UTC)
        return (
            f"{place} changed at {changed:%Y-%m-%d %H:%M:%S} UTC, after "
            f"{str(container['Name']).lstrip('/')} had started "
            f"({instant(state['StartedAt']):%Y-%m-%d %H:%M:%S} UTC): what that "
            "started with is not known; `docker compose up -d --force-recreate` starts "
            "it with what is there now"
        )

    def _bytes(self, place: str, tenant: str) -> bytes:
        data = self._files.read(place)
        if data is None:
            raise Problem(f"the manifest of {tenant}, {place}, is missing")
        return data

    def _place(self, container: Mapping[str, Any], tenant: str) -> str:
        """Say where in the stack's folder *container* has the tenant's manifest.

        Nothing where none is mounted.
        """
        return self._where(container, self._inside.format(tenant=tenant))

    def _where(self, container: Mapping[str, Any], inside: str) -> str:
        """Say where in the stack's folder *inside* of *container* is; or nothing."""
        mounts = [
            m
            for m in container.get("Mounts") or ()
            if inside == m["Destination"] or inside.startswith(f"{m['Destination']}/")
        ]
        if not mounts:
            return ""
        mount = max(mounts, key=lambda m: len(m["Destination"]))
        rest = inside.removeprefix(mount["Destination"]).lstrip("/")
        there = Path(mount["Source"]) / rest if rest else Path(mount["Source"])
        labels = container["Config"]["Labels"]
        root = Path(labels.get(FOLDER, "/"))
        if _is_another(root, labels.get(FILES, ""), self._files.root):
            raise Problem(
                f"{str(container['Name']).lstrip('/')} was deployed from {root}, and "
                f"the stack's folder is {self._files.root}: what it mounts is not what "
                "is read here; set stack.directory to where it is deployed from"
            )
        if not there.is_relative_to(root):
            raise Problem(
                f"{inside} is at {there}, outside {root}: mount it from that folder, "
                "which is the one that Compose runs in"
            )
        return str(there.relative_to(root))


def _is_another(root: Path, files: str, ours: Path) -> bool:
    """Tell whether *root*, with its Compose *files*, is here and is not *ours*.

    Where the box is seen from a container of our own, it mostly is not here.
    """
    try:
        here = any(Path(one).is_file() for one in files.split(",") if one)
        return here and root.is_dir() and not root.samefile(ours)
    except OSError:
        return False


def named_by(inside: str) -> re.Pattern[str]:
    """Tell by a manifest's place, as *inside* has it, whose it is: ``tenant``."""
    before, _, after = inside.partition("{tenant}")
    tenant = "(?P<tenant>[A-Za-z0-9][A-Za-z0-9_-]*)"
    return re.compile(f"{re.escape(before)}{tenant}{re.escape(after)}")


def _nanoseconds(text: str) -> int:
    """Give the engine's time in ns since 1970, as a file has its own; to the µs."""
    return (instant(text) - _EPOCH) // timedelta(microseconds=1) * 1000


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
