"""What must be there before anything is touched: room, networks, what is mounted.

Only looks; without it each of these would show when the old container is stopped.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from watchdog.facts.plan import Plan
from watchdog.facts.ports import published, taken
from watchdog.facts.problem import EngineRefused, Problem
from watchdog.outside.engine import Engine

_NETWORK = "com.docker.compose.network"
_PROJECT = "com.docker.compose.project"
# What of an endpoint is chosen, and not handed out.
_CHOSEN = ("Aliases", "IPAMConfig", "Links", "DriverOpts")
_FOLDER = "com.docker.compose.project.working_dir"


def room(writes: list[tuple[Path, int]]) -> list[tuple[Path, int, int]]:
    """Give by folder how many bytes the *writes* need, and how many fit.

    A folder that we may not write to has room for none.
    """
    found: list[tuple[Path, int, int]] = []
    for folder in dict.fromkeys(folder for folder, _ in writes):
        try:
            disk = os.statvfs(folder)
        except OSError as error:
            raise Problem(f"cannot look at {folder}: {error.strerror}") from error
        block = disk.f_frsize
        needs = sum(-(-size // block) * block for at, size in writes if at == folder)
        closed = disk.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK)
        # Some file systems count no inodes.
        none_left = disk.f_files and not disk.f_favail
        fits = 0 if closed or none_left else disk.f_bavail * block
        found.append((folder, needs, fits))
    return found


def can_start(
    engine: Engine,
    folder: Path,
    called: str,
    body: Mapping[str, Any],
    networks: Mapping[str, Any],
) -> None:
    """Look for the networks of a container, and what it mounts of the stack's *folder*.

    What is missing there, the engine makes as an empty folder of its own.

    Raises:
        EngineRefused: something is gone.
    """
    for name in networks:
        if engine.network(name) is None:
            raise EngineRefused(
                f"network {name}, which {called} was on, is gone",
                f"`docker network create {name}`, with the options that it had",
            )
    there = Path(str(body["Labels"].get(_FOLDER, "/")))
    for source in _sources(body):
        if source.is_relative_to(there) and _is_missing(folder, source, there):
            raise EngineRefused(
                f"{source}, which {called} mounts, is gone",
                "put it back as it was when that version ran",
            )


def _made_again(engine: Engine, plan: Plan, names: Iterable[str]) -> None:
    """Make those of the networks *names* again that somebody removed since *plan*.

    As they were: Compose knows them by their labels, and others by their addresses.
    Whoever took the stack down removed its containers, too, and nothing is started.
    """
    for name in names:
        known = plan.networks.get(name)
        if known is None or engine.network(name) is not None:
            continue
        like = {key: value for key, value in known.items() if key != "labels"}
        try:
            engine.create_network(name, known["labels"], like)
        except EngineRefused:
            if engine.network(name) is None:
                raise


def start(
    engine: Engine,
    plan: Plan,
    container: Mapping[str, Any],
    meant: Mapping[str, Mapping[str, Any]],
) -> None:
    """Start *container*, with what others took from it since *plan* given back.

    *meant* are the endpoints that it serves by.

    Raises:
        EngineRefused: it does not start, with what is in its way as far as it shows.
    """
    _made_again(engine, plan, meant)
    _put_on(engine, container, meant)
    try:
        engine.start(str(container["Id"]))
    except EngineRefused as refused:
        _whose_port(engine, container, refused)
        _put_on_again(engine, container, refused)
        engine.start(str(container["Id"]))


def off_networks(
    container: Mapping[str, Any], meant: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Name the networks of *meant* that somebody took *container* off."""
    on = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return [name for name in meant if name not in on]


def _put_on(
    engine: Engine,
    container: Mapping[str, Any],
    meant: Mapping[str, Mapping[str, Any]],
) -> None:
    """Put *container* on those of *meant* that it is off: it would reach nobody.

    The engine starts one that is on no network at all without a word.
    """
    for name in off_networks(container, meant):
        if engine.network(name) is None:
            raise _no_network(container, name)
        engine.connect(str(container["Id"]), name, meant[name])


def _put_on_again(
    engine: Engine, container: Mapping[str, Any], refused: EngineRefused
) -> None:
    """Put a stopped *container* on networks that were made anew since it was on them.

    The engine knows them by their ids, and *refused* to start it without. *refused*
    is raised again where that is not why.
    """
    on = (container.get("NetworkSettings") or {}).get("Networks") or {}
    moved = False
    for name, end in on.items():
        there, known = engine.network(name), str(end.get("NetworkID") or "")
        if there is None:
            raise _no_network(container, name) from refused
        if known and known != there.get("Id", known):
            chosen = {key: end[key] for key in _CHOSEN if end.get(key)}
            engine.disconnect(str(container["Id"]), name)
            engine.connect(str(container["Id"]), name, chosen)
            moved = True
    if not moved:
        raise refused


def _whose_port(
    engine: Engine, container: Mapping[str, Any], refused: EngineRefused
) -> None:
    """Raise *refused* with who has a port of *container*, where another one has it."""
    wanted = published(container["HostConfig"])
    for other in engine.containers({}) if wanted else ():
        for port in taken(other, wanted):
            name = str(other["Names"][0]).lstrip("/")
            project = (other.get("Labels") or {}).get(_PROJECT)
            of = f" of the project {project}" if project else ""
            raise EngineRefused(
                f"{refused.words}; port {'/'.join(port)} is taken by {name}{of}",
                f"`docker stop {name}` frees it",
            ) from refused


def _no_network(container: Mapping[str, Any], name: str) -> EngineRefused:
    labels = container["Config"].get("Labels") or {}
    return EngineRefused(
        f"network {name}, which {str(container['Name']).lstrip('/')} is on, is gone",
        "make it again, with the options that it had: "
        f"`docker network create --label {_NETWORK}={name.rpartition('_')[2]} "
        f"--label {_PROJECT}={labels.get(_PROJECT)} {name}`",
    )


def _sources(body: Mapping[str, Any]) -> list[Path]:
    """Give the places on the engine's machine that a container mounts."""
    host = body.get("HostConfig") or {}
    binds = [str(bind).split(":")[0] for bind in host.get("Binds") or ()]
    binds += [
        str(mount["Source"])
        for mount in host.get("Mounts") or ()
        if mount.get("Type") == "bind"
    ]
    return [Path(source) for source in binds if source.startswith("/")]


def _is_missing(folder: Path, source: Path, there: Path) -> bool:
    """Tell whether *source* is surely not there; our *folder* is the engine's *there*.

    What we cannot follow or see may be there.
    """
    here = folder
    for part in source.relative_to(there).parts:
        here /= part
        if here.is_symlink():
            return False  # it may lead out of what we can see
        try:
            here.lstat()
        except FileNotFoundError:
            return True
        except OSError:
            return False
    return False
