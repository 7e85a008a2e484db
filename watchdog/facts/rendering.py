"""A stack as Compose would make it: the referee's word on what a pin comes to."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rendered:
    """One service as ``docker compose up -d`` would make its containers.

    *image* is its name as Compose gives it to the engine. *binds* maps a place in
    the container to the path on the box that is mounted there: binds, and the files
    of configs and secrets. *hash* is what Compose knows its own containers again by.
    *alone* when only a profile that somebody names brings it up. *joins* when it takes
    a namespace or volumes of another service: Compose writes that one's container in
    before it hashes, so that what it made has another hash.
    """

    image: str
    binds: Mapping[str, str]
    environment: Mapping[str, str]
    hash: str
    alone: bool = False
    joins: bool = False


# By service: all that the Compose files have.
Rendering = Mapping[str, Rendered]
