"""Containers that Compose did not make: told apart, so that somebody knows what to do.

What the engine lists is enough; nobody is asked twice for what has its containers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_STACK = "com.docker.stack.namespace"
_IN_SWARM = "com.docker.swarm.service.name"
_PODMAN = "io.podman.compose.project"


def stranger(project: str, service: str, listed: Iterable[Mapping[str, Any]]) -> str:
    """Say what is there in the place of *service*'s containers; empty if nothing is.

    *listed* are all containers of the engine, as it lists them; those of Compose's
    for *service* are not among them.
    """
    there = list(listed)
    for one in there:
        labels = one.get("Labels") or {}
        names = (f"{project}_{service}", service)
        in_swarm = str(labels.get(_IN_SWARM) or "")
        if in_swarm in names or (
            labels.get(_STACK) == project and in_swarm.endswith(f"_{service}")
        ):
            return (
                f"service {service} of {project} runs in Swarm ({_name(one)}), which "
                "replaces whatever anybody else starts or stops: let Swarm put it back "
                f"(`docker service rollback {in_swarm}`), or bring the stack up by "
                "`docker compose up -d` to have it watched here"
            )
        if labels.get(_PODMAN) == project and labels.get(_SERVICE) in (None, service):
            return (
                f"service {service} of {project} was brought up by podman-compose "
                f"({_name(one)}), which marks its containers otherwise than Compose: "
                "bring it up by `docker compose up -d` against Podman's socket"
            )
    wanted = {
        service,
        *(f"{project}{a}{service}{b}" for a in "-_" for b in ("", f"{a}1")),
    }
    for one in there:
        if _name(one) in wanted and not (one.get("Labels") or {}).get(_PROJECT):
            return (
                f"service {service} of {project} has no container of Compose's; "
                f"{_name(one)} was started without Compose, as by `docker run`, so "
                "that no file says how: write it into a Compose file, remove it, and "
                "`docker compose up -d`"
            )
    projects = {str((one.get("Labels") or {}).get(_PROJECT) or "") for one in there}
    others = sorted(
        str((one.get("Labels") or {})[_PROJECT])
        for one in there
        if (one.get("Labels") or {}).get(_SERVICE) == service
        and (one.get("Labels") or {}).get(_PROJECT)
    )
    if others and project not in projects:
        return (
            f"service {service} of {project} has no container; "
            f"{', '.join(dict.fromkeys(others))} has a service of that name: is "
            "stack.project the one that is meant?"
        )
    return ""


def _name(listed: Mapping[str, Any]) -> str:
    return str((listed.get("Names") or ["?"])[0]).lstrip("/")
