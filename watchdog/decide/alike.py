"""What the containers of one service have in common, and what is each one's own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from watchdog.facts.pair import Replica
from watchdog.facts.plan import Deployed
from watchdog.facts.problem import Problem

_NUMBER = "com.docker.compose.container-number"


def number_of(labels: Mapping[str, Any] | None) -> int:
    """Give the number that Compose gave the container of these *labels*, or 0."""
    number = str((labels or {}).get(_NUMBER, ""))
    return int(number) if number.isdecimal() else 0


def another(like: Replica, old: Deployed, version: str) -> Replica:
    """Make what was recorded of *like* into what takes *old*'s place, by its number.

    Compose makes the containers of a service alike: they differ in number and name,
    in the alias that is the name, and in the volumes that nobody named.

    Raises:
        Problem: only one container can be as *version* had it.
    """
    number = number_of(like.body.get("Labels"))
    stem = like.name.removesuffix(str(number))
    only = _only_one(like)
    if like.name == stem or old.name != f"{stem}{old.number}":
        only = f"it was called {like.name}"
    if only:
        raise Problem(
            f"{version} ran {like.service} in a container that there can be only one "
            f"of, {only}; now {old.name} is another one",
            f"scale it down: `docker compose up -d --scale {like.service}=1`",
        )
    host = dict(like.body.get("HostConfig") or {})
    host["Mounts"] = [_of_its_own(mount) for mount in host.get("Mounts") or ()]
    labels = {**(like.body.get("Labels") or {}), _NUMBER: str(old.number)}
    return replace(
        like,
        name=old.name,
        body={**like.body, "Labels": labels, "HostConfig": host},
        networks={
            name: _renamed(end, like.name, old.name)
            for name, end in like.networks.items()
        },
    )


def _only_one(like: Replica) -> str:
    """Say what a second container could not have too, or nothing."""
    host = like.body.get("HostConfig") or {}
    for binds in (host.get("PortBindings") or {}).values():
        for bind in binds or ():
            port = str(bind.get("HostPort") or "0")
            if port != "0" and "-" not in port:
                return f"on port {port}"
    for name, end in like.networks.items():
        chosen = end.get("IPAMConfig") or {}
        for key in ("IPv4Address", "IPv6Address"):
            if chosen.get(key):
                return f"at {chosen[key]} on {name}"
    return ""


def _of_its_own(mount: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let a volume that nobody named begin anew; another container has that one."""
    nameless = mount.get("Type") == "volume" and is_nameless(mount.get("Source"))
    kept = {key: value for key, value in mount.items() if key != "Source"}
    return kept if nameless else mount


def _renamed(end: Mapping[str, Any], before: str, now: str) -> Mapping[str, Any]:
    aliases = [now if alias == before else alias for alias in end.get("Aliases") or ()]
    return {**end, "Aliases": aliases}


def is_nameless(volume: str | None) -> bool:
    """Tell whether the engine made this volume's name up, or still has to."""
    name = volume or "0" * 64
    return len(name) == 64 and set(name) <= set("0123456789abcdef")
