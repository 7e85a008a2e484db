"""What a target needs of this box and does not find, before anything is touched.

Docker itself says most of it only when the container starts, or not at all: it makes
a folder where a bind mount's source is missing, and an empty volume for one that is
gone.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from watchdog.decide.alike import is_nameless
from watchdog.decide.warm import hint_of
from watchdog.facts.job import AGAIN, ONCE, Jobs
from watchdog.facts.lack import Lack
from watchdog.facts.pair import Record
from watchdog.facts.plan import Plan, Swap
from watchdog.facts.ports import published, taken
from watchdog.observe.replacing import hindrances
from watchdog.outside.engine import Engine
from watchdog.outside.stack_folder import StackFolder

_FOLDER = "com.docker.compose.project.working_dir"
_LEAST = 32 * 1024 * 1024  # bytes; a rollback writes some KiB: below it, all is at risk


def lacks(engine: Engine, target: Record, plan: Plan, folder: Path) -> tuple[Lack, ...]:
    """Say what *plan* would not find; *folder* is the stack's, as we see it.

    Raises:
        Unreachable: the engine does not answer.
    """
    found = list(_image(engine, target))
    found += _files(target, plan, folder)
    for swap in plan.swaps:
        found += _moved(engine, swap)
        found += _sources(swap, target, folder)
        found += _volumes(engine, swap)
        found += _networks(engine, swap)
        found += _joined(engine, swap)
        found += _names(engine, swap)
        found += _cold(swap)
    found += _ports(engine, plan)
    return tuple(dict.fromkeys(found))


def of_jobs(
    services: tuple[str, ...], jobs: Jobs, target: Record, plan: Plan
) -> Iterator[Lack]:
    """Say which jobs nobody knows the end of, and which *plan* leaves as they are."""
    version = target.pair.version
    recorded = {replica.service for replica in target.jobs}
    said, run = jobs.said(version), {swap.service for swap in plan.swaps if swap.job}
    for service in services:
        where = f"release file of {version}"
        if service not in recorded and service not in said:
            yield Lack(
                f"{service} is a job that nobody saw end well at {version}, and its "
                "release file does not say whether it may be run again",
                f"write `jobs: {{{service}: {ONCE}}}` or `{AGAIN}` into the {where}",
            )
        elif service not in run:
            yield Lack(
                f"{service} is a job, and a rollback leaves it as it is: the next "
                f"`docker compose up -d` runs it as {version}, as Compose always does",
                f"know that; with `jobs: {{{service}: {AGAIN}}}` in the {where} the "
                "rollback runs it, once and before the rest",
                doubt=True,
            )


def short_of_space(folders: tuple[Path, ...]) -> tuple[Lack, ...]:
    """Say which of *folders* have no room for the little that a rollback writes."""
    found: list[Lack] = []
    for folder in folders:
        try:
            room = os.statvfs(folder)
        except OSError as error:
            words = f"{folder} cannot be looked at: {error.strerror}"
            found.append(Lack(words, "mount it again"))
            continue
        if room.f_bavail * room.f_frsize < _LEAST:
            words = f"less than {_LEAST >> 20} MiB are free in {folder}"
            found.append(Lack(words, "free some: the journal and the env file need it"))
        elif room.f_files and not room.f_favail:
            found.append(Lack(f"{folder} has no inode left", "remove some files there"))
    return tuple(found)


def _image(engine: Engine, target: Record) -> Iterator[Lack]:
    for image in dict.fromkeys(one.image for one in target.each_image):
        if engine.image(image) is not None:
            continue
        same = [one for one in target.each_image if one.image == image]
        names = ", ".join(dict.fromkeys(d for one in same for d in one.repo_digests))
        yield Lack(
            f"{target.words_of(same[0])} is not here",
            f"pull it while you can: {names}"
            if names
            else "load it again: no registry is known to have it",
            mendable=bool(names),
        )


def _files(target: Record, plan: Plan, folder: Path) -> Iterator[Lack]:
    """Say which files could not be put there."""
    files = StackFolder(folder)
    wanted = [f"{file.path}{end}" for file in plan.files for end in ("", ".bak")]
    wanted += [
        held.kept_at
        for held in target.manifests
        if not os.path.lexists(folder / held.kept_at)
    ]
    for one in wanted:
        yield from hindrances(files, one)


def _moved(engine: Engine, swap: Swap) -> Iterator[Lack]:
    """Say that what runs was deployed from another folder than the target was.

    The target mounts what lies in its own, and one of the two is not the one that we
    read and pin in.
    """
    old = engine.container(swap.old_id) if swap.old_id and not swap.job else None
    was = str((swap.new.get("Labels") or {}).get(_FOLDER, ""))
    now = str((((old or {}).get("Config") or {}).get("Labels") or {}).get(_FOLDER, ""))
    if was and now and was != now:
        yield Lack(
            f"{swap.service} was deployed from {now}, and the target from {was}, which "
            "is what it would mount",
            f"deploy from {was} again; or, where the stack moved for good, vouch for a "
            f"pair that was deployed from {now}",
        )


def _sources(swap: Swap, target: Record, folder: Path) -> Iterator[Lack]:
    """Say which sources are gone of those that lie in the stack's folder.

    Elsewhere we see the box as our own container shows it, which tells nothing.
    """
    root = Path(str((swap.new.get("Labels") or {}).get(_FOLDER, folder)))
    ours = {m.path for m in target.manifests} | {m.kept_at for m in target.manifests}
    for source in sorted(_binds(swap.new)):
        there = Path(source)
        if not there.is_relative_to(root):
            continue
        inside = there.relative_to(root)
        if str(inside) in ours or os.path.lexists(folder / inside):
            continue  # a manifest is put back out of the ledger
        yield Lack(
            f"{inside}, which {swap.service} mounts, is not in the stack's folder",
            "put it back; Docker would mount an empty folder instead",
        )


def _binds(body: Mapping[str, Any]) -> set[str]:
    host = body.get("HostConfig") or {}
    found = {str(bind).partition(":")[0] for bind in host.get("Binds") or ()}
    found |= {
        str(mount["Source"])
        for mount in host.get("Mounts") or ()
        if mount.get("Type") == "bind"
    }
    return {source for source in found if source.startswith("/")}


def _volumes(engine: Engine, swap: Swap) -> Iterator[Lack]:
    host = swap.new.get("HostConfig") or {}
    names = {str(bind).partition(":")[0] for bind in host.get("Binds") or ()}
    names |= {
        str(mount.get("Source") or "")
        for mount in host.get("Mounts") or ()
        if mount.get("Type") == "volume"
    }
    for name in sorted(name for name in names if name and not name.startswith("/")):
        if not is_nameless(name) and engine.volume(name) is None:
            yield Lack(
                f"volume {name} of {swap.service} is gone",
                "restore it; Docker would begin an empty one",
            )


def _networks(engine: Engine, swap: Swap) -> Iterator[Lack]:
    for name, end in swap.networks.items():
        network = engine.network(name)
        if network is None:
            yield Lack(
                f"network {name} of {swap.service} is gone",
                "make it again, as Compose does with `docker compose up -d --no-start`",
            )
            continue
        chosen = (end.get("IPAMConfig") or {}).get("IPv4Address")
        for id_, other in (network.get("Containers") or {}).items():
            address = str(other.get("IPv4Address", "")).partition("/")[0]
            if chosen and address == chosen and id_ != swap.old_id:
                yield Lack(
                    f"{chosen} on {name}, which {swap.service} needs, is the address "
                    f"of {other.get('Name')}",
                    "stop that container, or give it another address",
                )


def _joined(engine: Engine, swap: Swap) -> Iterator[Lack]:
    """Say which containers are gone whose namespace or volumes the target takes."""
    host = swap.new.get("HostConfig") or {}
    named = {
        str(host.get(mode)).removeprefix("container:")
        for mode in ("NetworkMode", "IpcMode", "PidMode")
        if str(host.get(mode)).startswith("container:")
    }
    named |= {str(one).partition(":")[0] for one in host.get("VolumesFrom") or ()}
    for other in sorted(named):
        if engine.container(other) is None:
            yield Lack(
                f"container {other[:12]}, which {swap.service} joins, is gone",
                "roll back by Compose: it knows the new one",
            )


def _names(engine: Engine, swap: Swap) -> Iterator[Lack]:
    other = engine.container(swap.name)
    if other is not None and str(other["Id"]) != swap.old_id:
        yield Lack(
            f"the name {swap.name} is taken by another container, "
            f"{str(other['Id'])[:12]}",
            "rename or remove it",
        )


def _cold(swap: Swap) -> Iterator[Lack]:
    """Say why a service is stopped first although a warm swap was asked for."""
    if swap.cold:
        yield Lack(
            f"{swap.service} is to be swapped warm, and will be stopped first: "
            f"{swap.cold}",
            hint_of(swap.service),
            doubt=True,
        )


def _ports(engine: Engine, plan: Plan) -> Iterator[Lack]:
    """Say which published ports another container has; other programs don't show."""
    wanted = {
        port: swap.service
        for swap in plan.swaps
        for port in published(swap.new.get("HostConfig") or {})
    }
    if not wanted:
        return
    ours = {swap.old_id for swap in plan.swaps}
    for other in engine.containers({}):
        if other["Id"] in ours:
            continue
        for port in taken(other, wanted):
            name = str(other["Names"][0]).lstrip("/")
            yield Lack(
                f"port {'/'.join(port)} of {wanted[port]} is taken by {name}",
                "stop that container, or give it another port",
            )
