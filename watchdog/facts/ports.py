"""Published ports: which a container is made with, and which others have now."""

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

Port: TypeAlias = tuple[str, str]  # its number on the box, tcp or udp


def published(host: Mapping[str, Any]) -> set[Port]:
    """Give those that a container's *host* config asks for by number."""
    return {
        (str(bind["HostPort"]), str(inside).partition("/")[2] or "tcp")
        for inside, binds in (host.get("PortBindings") or {}).items()
        for bind in binds or ()
        if bind.get("HostPort") not in (None, "", "0")
    }


def taken(listed: Mapping[str, Any], wanted: Collection[Port]) -> list[Port]:
    """Give those of *wanted* that a container has, as the engine lists it."""
    has = {
        (str(port.get("PublicPort", "")), str(port.get("Type", "tcp")))
        for port in listed.get("Ports") or ()
    }
    return sorted(has & {*wanted})
