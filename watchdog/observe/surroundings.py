"""What is on this box: its Compose projects, by the engine and by their own folders.

Nothing is set up yet, so nothing is known of what is meant: all is looked at.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from watchdog.facts.problem import Problem
from watchdog.facts.spec import STACK
from watchdog.facts.surroundings import Mount, Project, Service
from watchdog.observe.labelled import (
    ENDED_WELL,
    ENV_FILE,
    FILES,
    FOLDER,
    ONEOFF,
    OURS_ASIDE,
    PROJECT,
    SERVICE,
    awaits,
)
from watchdog.observe.obstacles import compose_files, model_of
from watchdog.outside.engine import Engine
from watchdog.outside.stack_folder import StackEnv

_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_OURS = "io.flexli.watchdog."
_MOST_FILES = 200  # of a folder that is mounted; manifests are some dozens


def projects(engine: Engine) -> tuple[Project, ...]:
    """Give every Compose project that has containers, by its name.

    Raises:
        Unreachable: the engine does not answer.
        Problem: two folders are one project, for Compose.
    """
    whole: dict[str, list[dict[str, Any]]] = {}
    for listed in engine.containers({}):
        labels = listed.get("Labels") or {}
        is_ours = any(name.startswith(_OURS) for name in labels)
        aside = OURS_ASIDE in str((listed.get("Names") or [""])[0])
        if not labels.get(PROJECT) or is_ours or aside or labels.get(ONEOFF) == "True":
            continue
        found = engine.container(str(listed["Id"]))
        if found is not None:
            whole.setdefault(str(labels[PROJECT]), []).append(found)
    return tuple(_project(name, found) for name, found in sorted(whole.items()))


def stacks(engine: Engine) -> tuple[str, ...]:
    """Name the stacks of a swarm that have containers on this node."""
    labels = (one.get("Labels") or {} for one in engine.containers({}))
    return tuple(sorted({str(one[STACK]) for one in labels if one.get(STACK)}))


def image_of_ours(engine: Engine, name: str) -> str:
    """Name the image of the container that we run in, called *name*; empty: none."""
    found = engine.container(name) if name else None
    labels = found["Config"].get("Labels") or {} if found else {}
    is_ours = any(label.startswith(_OURS) for label in labels)
    return str(found["Config"]["Image"]) if found and is_ours else ""


def socket_of_ours(engine: Engine, name: str, path: str) -> str:
    """Give where *path* is on the box, for the container called *name*; empty: none."""
    found = engine.container(name) if name else None
    for mount in (found or {}).get("Mounts") or ():
        if mount.get("Destination") in (path, f"/run/{path.rpartition('/')[2]}"):
            return str(mount.get("Source") or "")
    return ""


def _project(name: str, containers: Sequence[Mapping[str, Any]]) -> Project:
    labels = [c["Config"].get("Labels") or {} for c in containers]
    folders = sorted({str(one.get(FOLDER, "")) for one in labels})
    if len(folders) > 1:
        raise Problem(
            f"two folders are one Compose project, {name}: {', '.join(folders)}",
            "give one of them a name of its own (`name:` in its compose.yaml, or "
            "COMPOSE_PROJECT_NAME), and deploy both again",
        )
    folder = Path(folders[0] or "/")
    env_files = _env_files(labels[0], folder)
    env_file = env_files[-1]
    unread, files, env, owner = "", dict[str, str](), dict[str, str](), (0, 0)
    try:
        seen = folder.stat()
        owner = (seen.st_uid, seen.st_gid)
        list(folder.iterdir())
        files = compose_files(folder, str(folder), str(labels[0].get(FILES, "")))
        env_file = _that_chooses(folder, env_files, _written(files).values())
        env = dict(_said(folder, env_file))
    except OSError as error:
        unread = f"{folder} cannot be read: {str(error.strerror).lower()}"
    except Problem as problem:
        unread = problem.words
    written = _written(files)
    jobs = {
        service
        for one in labels
        for service, condition in awaits(one)
        if condition == ENDED_WELL
    }
    by_service: dict[str, list[Mapping[str, Any]]] = {}
    for container in containers:
        service = str((container["Config"].get("Labels") or {}).get(SERVICE, ""))
        by_service.setdefault(service, []).append(container)
    services = [
        _service(
            service, found, written.get(service, ""), folder, is_job=service in jobs
        )
        for service, found in sorted(by_service.items())
    ]
    needs = {str(one.get(SERVICE, "")): {s for s, _ in awaits(one)} for one in labels}
    return Project(
        name,
        str(folder),
        tuple(_in_order(services, needs)),
        tuple(files),
        env_file,
        env,
        owner,
        unread,
    )


def _env_files(labels: Mapping[str, Any], folder: Path) -> list[str]:
    """Name the env files that Compose was given, as seen from *folder*.

    Of two that say the same variable, the last one counts.
    """
    given = [one for one in str(labels.get(ENV_FILE, "")).split(",") if one]
    paths = [folder / one for one in given or [".env"]]
    inside = [path for path in paths if path.is_relative_to(folder)]
    return [str(path.relative_to(folder)) for path in inside] or [".env"]


def _that_chooses(folder: Path, names: Sequence[str], images: Iterable[str]) -> str:
    """Give the one of the env files *names* that chooses what *images* are."""
    variables = {name for image in images for name in _VARIABLE.findall(image)}
    for name in reversed(names):
        with suppress(Problem):
            if variables & dict(_said(folder, name)).keys():
                return name
    return names[-1]


def _said(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    env = StackEnv(folder, name).read()
    for said in env.said:
        try:
            yield said.name, env.value_of(said.name)
        except Problem:
            continue


def _written(files: Mapping[str, str]) -> dict[str, str]:
    """Give each service's image as the files write it; the first file is the base."""
    found: dict[str, str] = {}
    for text in files.values():
        services = model_of(text).get("services")
        for name, options in (services if isinstance(services, dict) else {}).items():
            image = options.get("image") if isinstance(options, dict) else None
            if isinstance(image, str):
                found.setdefault(str(name), image)
    return found


def _service(
    name: str,
    containers: Sequence[Mapping[str, Any]],
    written: str,
    folder: Path,
    *,
    is_job: bool,
) -> Service:
    first = containers[0]
    config, network = first["Config"], first.get("NetworkSettings") or {}
    exposed = {*(config.get("ExposedPorts") or {}), *(network.get("Ports") or {})}
    published = {
        int(end["HostPort"]): int(inside.partition("/")[0])
        for inside, ends in (network.get("Ports") or {}).items()
        for end in ends or ()
        if inside.endswith("/tcp") and end.get("HostPort")
    }
    every = [(c.get("NetworkSettings") or {}).get("Networks") or {} for c in containers]
    ends = [end for networks in every for end in networks.values() if end]
    states = [c["State"] for c in containers]
    names = [str(c["Name"]).lstrip("/") for c in containers]
    names += [str(alias) for end in ends for alias in end.get("Aliases") or ()]
    return Service(
        name=name,
        image=str(config["Image"]),
        written=written,
        states=tuple(str(state["Status"]) for state in states),
        healths=tuple(str(s["Health"]["Status"]) for s in states if s.get("Health")),
        check=" ".join((config.get("Healthcheck") or {}).get("Test") or ()),
        ports=tuple(
            sorted(int(p.partition("/")[0]) for p in exposed if p.endswith("/tcp"))
        ),
        published=published,
        networks=tuple(every[0]),
        names=tuple(dict.fromkeys(names)),
        addresses=tuple(str(end["IPAddress"]) for end in ends if end.get("IPAddress")),
        mounts=tuple(_mounts(first, folder)),
        is_job=is_job,
    )


def _mounts(container: Mapping[str, Any], folder: Path) -> Iterator[Mount]:
    for mount in container.get("Mounts") or ():
        source = Path(str(mount.get("Source") or ""))
        if mount.get("Type") != "bind" or not source.is_relative_to(folder):
            continue
        try:
            files = sorted(one.name for one in source.iterdir())[:_MOST_FILES]
        except NotADirectoryError:
            files = [""]
        except OSError:
            files = []
        yield Mount(str(source), str(mount["Destination"]), tuple(files))


def _in_order(
    services: Sequence[Service], needs: Mapping[str, set[str]]
) -> Iterator[Service]:
    """Give what others need before those that need it; else by their names."""
    left = list(services)
    while left:
        names = {service.name for service in left}
        ready = [s for s in left if not (needs.get(s.name, set()) - {s.name}) & names]
        yield from ready or left
        left = [service for service in left if ready and service not in ready]
