"""How a container was made, as the engine shows it: the body that makes it again."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from watchdog.decide.alike import is_nameless, number_of
from watchdog.facts.pair import Replica
from watchdog.facts.plan import Deployed
from watchdog.facts.swapping import wishes_of

# Between these a chosen MAC address is given in the create call, and by no other.
_MAC_OF_THE_START, _MAC_BY_CONNECT = (1, 44), (1, 54)
_SERVICE = "com.docker.compose.service"


def replica_of(container: Mapping[str, Any], macs: frozenset[str]) -> Replica:
    """Turn an inspected container into the body that makes it again.

    The same image is put back, so its defaults may stay written out. What belongs
    to this one container goes: a host name that is its id, the short-id alias, and
    the addresses that were handed out rather than chosen.
    """
    config, host = dict(container["Config"]), container["HostConfig"]
    short = str(container["Id"])[:12]
    if config.get("Hostname") == short:
        del config["Hostname"]
    # The engine writes these itself there, and refuses to be given them.
    if host.get("UTSMode") == "host":
        config = _without(config, "Hostname", "Domainname")
    if str(host.get("NetworkMode")).startswith("container:"):
        config = _without(
            config, "Hostname", "Domainname", "ExposedPorts", "MacAddress"
        )
    # Podman's engine writes the id there too, as the recorded container's.
    if config.get("Env"):
        config["Env"] = [v for v in config["Env"] if v != f"HOSTNAME={short}"]
    labels = {
        key: value
        for key, value in (config.get("Labels") or {}).items()
        if key != "com.docker.compose.replace"
        and not key.startswith("io.flexli.rollback.")
    }
    config["Labels"] = labels
    config["HostConfig"] = _with_volumes(container)
    primary = str(host.get("NetworkMode") or "")
    found = container["NetworkSettings"].get("Networks") or {}
    names = sorted(found, key=lambda name: (name != primary, name))
    return Replica(
        service=str(labels[_SERVICE]),
        name=str(container["Name"]).lstrip("/"),
        body=json.loads(json.dumps(config)),
        networks={name: _endpoint(found[name], short, macs) for name in names},
    )


def _without(whole: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in whole.items() if key not in keys}


def _with_volumes(container: Mapping[str, Any]) -> dict[str, Any]:
    """Name each volume that the engine named: a new one would begin empty."""
    host = dict(container["HostConfig"])
    # Shown as `/db:/self/alias`, wanted as `db:alias`.
    host["Links"] = [
        f"{one.split(':')[0].lstrip('/')}:{one.rpartition('/')[2]}"
        for one in host.get("Links") or ()
    ]
    nameless = {
        str(m["Destination"]): mount_of(m)
        for m in container.get("Mounts") or ()
        if m.get("Type") == "volume" and is_nameless(m.get("Name"))
    }
    host["Mounts"] = [
        m for m in host.get("Mounts") or () if m["Target"] not in nameless
    ]
    host["Mounts"] += [nameless[place] for place in sorted(nameless)]
    # None is what Compose has, and what the engine shows, of no binds at all.
    host["Binds"] = [
        b for b in host.get("Binds") or () if b.split(":")[1] not in nameless
    ] or None
    return host


def mount_of(seen: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a mount as it is shown into one of a create body."""
    source = seen["Name"] if seen["Type"] == "volume" else seen["Source"]
    mount = {"Type": seen["Type"], "Source": source, "Target": seen["Destination"]}
    return mount if seen.get("RW", True) else mount | {"ReadOnly": True}


def _endpoint(
    settings: Mapping[str, Any], short: str, macs: frozenset[str]
) -> dict[str, Any]:
    """Keep what was chosen of an endpoint, never what was handed out.

    A MAC address that was handed out looks like a chosen one; kept, it would meet
    that of whoever gets the free address next. So only one of *macs* is kept.
    """
    aliases = [a for a in settings.get("Aliases") or () if a != short]
    chosen = {key: settings.get(key) for key in ("IPAMConfig", "Links", "DriverOpts")}
    if settings.get("GwPriority"):
        chosen["GwPriority"] = settings["GwPriority"]
    if str(settings.get("MacAddress")).lower() in macs:
        chosen["MacAddress"] = settings["MacAddress"]
    return {"Aliases": aliases} | {k: v for k, v in chosen.items() if v is not None}


def grace_of(config: Mapping[str, Any]) -> timedelta:
    """Give how long the engine lets a container of *config* end by itself."""
    seconds = config.get("StopTimeout")
    return timedelta(seconds=10 if seconds is None else seconds)


def deployed_of(
    container: Mapping[str, Any], api: tuple[int, int], free: int | None
) -> Deployed:
    """Give what a plan must know of a *container* that runs, beside its record.

    *api* is the engine's; *free* how much memory the box could still give.
    """
    config, host = container["Config"], container["HostConfig"]
    return Deployed(
        id=str(container["Id"]),
        restart=host.get("RestartPolicy") or {},
        grace=grace_of(config),
        mounts={
            str(m["Destination"]): mount_of(m)
            for m in container.get("Mounts") or ()
            if m.get("Type") in ("volume", "bind")
        },
        number=number_of(config["Labels"]),
        name=str(container["Name"]).lstrip("/"),
        # Which MAC address was chosen, the record of what runs says.
        networks=replica_of(container, frozenset()).networks,
        wishes=wishes_of(config["Labels"]),
        moves_macs=not _MAC_OF_THE_START <= api < _MAC_BY_CONNECT,
        free=free,
    )
