"""What replaying a record cannot put back: found while there is time, in sentences.

Most shows in the engine. What Compose itself does after the engine's create (writing
inline configs into the container, hooks) leaves no trace there: for that Compose's own
rendering is taken, and without a Compose to ask the files are read.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from watchdog.decide.alike import number_of
from watchdog.facts.reference import parse
from watchdog.observe.labelled import ENDED_WELL

_SERVICE = "com.docker.compose.service"
_ONEOFF = "com.docker.compose.oneoff"
_SWARM = ("com.docker.swarm.", "com.docker.stack.")
_LEFT_OVER = re.compile(r"[0-9a-f]{12}_(.+)")
_JOINED = {"NetworkMode": "network", "IpcMode": "IPC", "PidMode": "process"}
_HOOKS = ("post_start", "pre_stop", "pre_start")
_DEPENDS = "com.docker.compose.depends_on"
_COMPOSE = "com.docker.compose.version"

# A stack as Compose reads it: its files merged, as ``config --format json`` gives it.
Model = Mapping[str, Any]


def obstacles(
    services: tuple[str, ...],
    containers: Iterable[Mapping[str, Any]],
    compose_files: Mapping[str, str] | None = None,
    models: Sequence[Model] | None = None,
) -> tuple[str, ...]:
    """Say what keeps *services* from being replayed faithfully; empty when nothing.

    *services* are in the order in which they are replayed. *containers* are all of
    the project, inspected, in any state. *models* are the stack as Compose itself
    reads it, with the variables left as they are written; None without a Compose to
    ask, and then *compose_files* are read: the texts of its files by name.
    """
    project = [c for c in containers if _label(c, _ONEOFF) != "True"]
    ours = [c for c in project if _label(c, _SERVICE) in services]
    found = [words for c in ours for words in _of_one(c)]
    for service in services:
        names: dict[int, list[str]] = {}
        for c in ours:
            if _label(c, _SERVICE) == service:
                names.setdefault(number_of(c["Config"]["Labels"]), []).append(_name(c))
        found += [
            f"service {service} has {len(same)} containers of number {number} "
            f"({', '.join(sorted(same))}); one of each is replayed"
            for number, same in names.items()
            if len(same) > 1
        ]
    for one in ours:
        found += [
            words for other in project if other is not one for words in _on(one, other)
        ]
    # Who lives in another's namespaces is restarted with it, and said already.
    apart = [c for c in project if not any(any(_on(one, c)) for one in ours)]
    found += _left_behind(services, apart, models)
    if models is None:
        found += _in_files(services, compose_files or {})
    else:
        for model in models:
            for service in services:
                options = _mapping(_mapping(model, "services"), service)
                found += _by_compose(service, options, _written([model]), "")
    return tuple(dict.fromkeys(found))


def restarted_with(
    services: Iterable[str],
    containers: Iterable[Mapping[str, Any]],
    models: Sequence[Model] | None,
) -> dict[str, tuple[str, ...]]:
    """Give the services that run and that Compose restarts after one of *services*.

    Each with those whose replacement restarts it. Without *models* it is what Compose
    wrote on the *containers*, which may be what the files said some time ago.
    """
    found: dict[str, tuple[str, ...]] = {}
    for one in containers:
        if _label(one, _ONEOFF) == "True" or not _runs(one):
            continue
        service = _label(one, _SERVICE)
        if models is None:
            needs = _needs_by_label(one)
        else:
            needs = {name for m in models for name in _needs(m, service)}
        if after := tuple(name for name in services if name in needs):
            found[service] = after
    return found


def old_compose(container: Mapping[str, Any]) -> Iterator[str]:
    """Say that *container* was made by a Compose that nobody keeps any more."""
    version = _label(container, _COMPOSE)
    if version.startswith("1."):
        yield (
            f"{_name(container)} was made by Compose v1 ({version}), whose containers "
            "today's Compose does not know again: bring the stack up once with "
            "`docker compose up -d` (v2 or later)"
        )


def _of_one(container: Mapping[str, Any]) -> Iterator[str]:
    name, host = _name(container), container["HostConfig"]
    if host.get("AutoRemove"):
        yield f"{name} is removed by the engine when it stops: no way back (AutoRemove)"
    if any(key.startswith(_SWARM) for key in container["Config"].get("Labels") or ()):
        yield f"{name} belongs to Swarm, which would replace whatever we start"
    yield from old_compose(container)
    yield from nameless(container)
    left = _LEFT_OVER.fullmatch(name)
    if left:
        yield (
            f"{name} was left by a Compose that was killed while replacing {left[1]}: "
            "`docker compose up -d --force-recreate`"
        )


def nameless(container: Mapping[str, Any]) -> Iterator[str]:
    """Say that *container*'s image is named by nothing that tells releases apart."""
    ref, service = str(container["Config"]["Image"]), _label(container, _SERVICE)
    named = parse(ref)
    if named is None:
        yield (
            f"the image of service {service}, {ref}, is no name that a registry could "
            "have: name it as `repository:version`"
        )
    elif named.tag in ("", "latest") and not named.digest:
        which = "has no tag" if not named.tag else "is tagged latest"
        yield (
            f"the image of service {service}, {ref}, {which}, so that which release it "
            "means changes with time: write the version as its tag"
        )


def _on(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Say what *other* takes from *one*: it would hold on to the replaced one."""
    names = {f"container:{one['Id']}", f"container:{_name(one)}"}
    for mode, word in _JOINED.items():
        if other["HostConfig"].get(mode) in names:
            yield f"{_name(other)} shares the {word} namespace of {_name(one)}"
    sources = {v.split(":")[0] for v in other["HostConfig"].get("VolumesFrom") or ()}
    if sources & {one["Id"], _name(one)}:
        yield f"{_name(other)} takes its volumes from {_name(one)}"


def _left_behind(
    services: tuple[str, ...],
    project: Iterable[Mapping[str, Any]],
    models: Sequence[Model] | None,
) -> Iterator[str]:
    """Say which services would go on with the address of a container that is gone."""
    for name, needs in restarted_with(services, project, models).items():
        if name not in services:
            yield (
                f"Compose restarts {name} whenever it replaces {' or '.join(needs)} "
                "(`depends_on` with `restart: true`, or `links`), and replaying does "
                "not: `executor: compose` does, or let it look names up anew and take "
                "that away"
            )
            continue
        later = [n for n in needs if services.index(n) > services.index(name)]
        if later:
            yield (
                f"Compose restarts {name} after it replaced {' or '.join(later)} "
                "(`depends_on` with `restart: true`), and it is replayed before: "
                f"name it after {' and '.join(later)} in stack.services"
            )


def awaited(model: Model) -> set[str]:
    """Name the services that others await to have ended well."""
    services = _mapping(model, "services")
    return {
        name
        for service in services
        for name, how in _mapping(_mapping(services, service), "depends_on").items()
        if isinstance(how, dict) and how.get("condition") == ENDED_WELL
    }


def _needs(model: Model, service: str) -> set[str]:
    """Name those that *service* is restarted with."""
    needs = _mapping(_mapping(_mapping(model, "services"), service), "depends_on")
    return {
        name
        for name, how in needs.items()
        if isinstance(how, dict) and how.get("restart") is True
    }


def _needs_by_label(container: Mapping[str, Any]) -> set[str]:
    parts = [one.split(":") for one in _label(container, _DEPENDS).split(",")]
    return {part[0] for part in parts if part[2:] == ["true"]}


def _runs(container: Mapping[str, Any]) -> bool:
    state = container.get("State") or {}
    return bool(state.get("Running", True) or state.get("Restarting"))


def _written(models: Iterable[Model]) -> set[tuple[str, str]]:
    """Name the configs and secrets that Compose itself writes into a container."""
    return {
        (kind, name)
        for model in models
        for kind in ("configs", "secrets")
        for name, source in _mapping(model, kind).items()
        if {"content", "environment"} & set(source or ())
    }


def _by_compose(
    service: str, options: Mapping[str, Any], written: set[tuple[str, str]], where: str
) -> Iterator[str]:
    """Say what only Compose does for *service*; *where* it stands, if that is known."""
    for kind in ("configs", "secrets"):
        for entry in options.get(kind) or ():
            name = entry.get("source") if isinstance(entry, dict) else entry
            if (kind, name) in written:
                yield (
                    f"{kind[:-1]} {name} of service {service} has its content"
                    f"{where or ' in the files'}: only Compose writes that into a "
                    "container"
                )
    for name, end in _mapping(options, "networks").items():
        if "$" in str((end or {}).get("mac_address", "")):
            yield (
                f"network {name} of service {service} takes its MAC address "
                f"from a variable{where}: the engine does not show whether "
                "it was chosen"
            )
    if options.get("use_api_socket"):
        yield (
            f"use_api_socket of service {service}{where}: only Compose writes the "
            "logins that come with it into a container"
        )
    for hook in _HOOKS:
        if options.get(hook):
            yield f"{hook} of service {service}{where}: only Compose runs it"


def _in_files(services: tuple[str, ...], files: Mapping[str, str]) -> Iterator[str]:
    models = {name: model_of(text) for name, text in files.items()}
    written = _written(models.values())
    for file in models:
        for service in services:
            for place, _, options in with_bases(models, file, service):
                yield from _by_compose(service, options, written, f" in {place}")


def with_bases(
    models: Mapping[str, Model], file: str, service: str
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Give *service* as *file* has it, and what it extends: file, name, options."""
    seen: set[tuple[str, str]] = set()
    while (file, service) not in seen and file in models:
        seen.add((file, service))
        options = _mapping(_mapping(models[file], "services"), service)
        yield file, service, options
        base = options.get("extends")
        if isinstance(base, dict):
            service = str(base.get("service") or service)
            if base.get("file"):
                file = os.path.normpath(Path(file).parent / str(base["file"]))
        else:
            service = str(base or service)


def chosen_macs(
    files: Mapping[str, str], models: Sequence[Model] | None = None
) -> frozenset[str]:
    """Give the MAC addresses that *files* choose for a service or a network of it.

    The engine shows which was chosen on the first network only; from API 1.52 on,
    it does not show that either. Where there are *models*, Compose's own reading of
    the files with its variables filled in, it is what those say.
    """
    if models is None:
        models = [model_of(text) for text in files.values()]
    services = [
        options
        for model in models
        for options in _mapping(model, "services").values()
        if isinstance(options, dict)
    ]
    ends = [end for s in services for end in _mapping(s, "networks").values() if end]
    found = (str(one.get("mac_address", "")) for one in (*services, *ends))
    return frozenset(mac.lower() for mac in found) - {""}


class _Lenient(yaml.SafeLoader):
    """Reads Compose's own tags (``!reset``, ``!override``) as what follows them."""


def _any_tag(loader: _Lenient, _: str, node: yaml.Node) -> Any:
    match node:
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
        case _:
            return None


_Lenient.add_multi_constructor("!", _any_tag)


def model_of(text: str) -> Mapping[str, Any]:
    """Give a Compose file as it is written; empty where it is no YAML."""
    try:
        whole = yaml.load(text, Loader=_Lenient)  # noqa: S506 # a SafeLoader
    except yaml.YAMLError:
        return {}  # Compose would not run it either
    return whole if isinstance(whole, dict) else {}


def _mapping(whole: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = whole.get(key)
    return inner if isinstance(inner, dict) else {}


def compose_files(folder: Path, there: str, names: str) -> dict[str, str]:
    """Read the project's Compose files, and those that they include or extend.

    *names* is Compose's own label: paths as the one who deployed saw them, with
    *there* for our *folder*. What lies elsewhere cannot be read, and is left out.
    Those that count most come first: the last of several, and a file before what it
    includes or extends.
    """
    inside = folder.resolve()
    wanted = [Path(name) for name in names.split(",") if name]
    found: dict[str, str] = {}
    while wanted:
        path = wanted.pop()
        if path.is_absolute() and path.is_relative_to(there):
            path = path.relative_to(there)
        here = (inside / path).resolve()
        if not here.is_relative_to(inside) or not here.is_file():
            continue
        name = str(here.relative_to(inside))
        if name not in found:
            found[name] = here.read_text(errors="replace")
            further = _further(model_of(found[name]))
            wanted += [here.parent / other for other in further]
    return found


def _further(model: Mapping[str, Any]) -> Iterator[str]:
    for entry in model.get("include") or ():
        paths = entry.get("path") if isinstance(entry, dict) else entry
        yield from [paths] if isinstance(paths, str) else paths or ()
    for options in _mapping(model, "services").values():
        extends = options.get("extends") if isinstance(options, dict) else None
        if isinstance(extends, dict) and extends.get("file"):
            yield str(extends["file"])


def _label(container: Mapping[str, Any], key: str) -> str:
    return str((container["Config"].get("Labels") or {}).get(key, ""))


def _name(container: Mapping[str, Any]) -> str:
    return str(container["Name"]).lstrip("/")
