"""A stack as Compose would make it: the referee's word on what a pin comes to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ANEW = ("always", "refresh", "daily", "weekly", "every_")


@dataclass(frozen=True, slots=True)
class Rendered:
    """One service as ``docker compose up -d`` would make its containers.

    *image* is its name as Compose gives it to the engine. *binds* maps a place in
    the container to the path on the box that is mounted there: binds, and the files
    of configs and secrets. *hash* is what Compose knows its own containers again by.
    *alone* when only a profile that somebody names brings it up. *joins* when it takes
    a namespace or volumes of another service: Compose writes that one's container in
    before it hashes, so that what it made has another hash. *pulls* when ``up -d`` asks
    the registry for an image that is here, *builds* when it builds one that is here.
    """

    image: str
    binds: Mapping[str, str]
    environment: Mapping[str, str]
    hash: str
    alone: bool = False
    joins: bool = False
    pulls: bool = False
    builds: bool = False


# By service: all that the Compose files have.
Rendering = Mapping[str, Rendered]


def joins(service: Mapping[str, Any]) -> bool:
    """Tell whether *service*, as Compose renders it, takes what another one has."""
    modes = (str(service.get(mode) or "") for mode in ("network_mode", "ipc", "pid"))
    return "volumes_from" in service or any(m.startswith("service:") for m in modes)


def pulls(service: Mapping[str, Any]) -> bool:
    """Tell whether *service*, as Compose renders it, is pulled anew."""
    return str(service.get("pull_policy") or "").startswith(_ANEW)


def builds(service: Mapping[str, Any]) -> bool:
    """Tell whether *service*, as Compose renders it, is built at each ``up -d``."""
    return service.get("pull_policy") == "build"
