"""The container that takes another's place: how it is made, and what marks it."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from watchdog.decide.alike import another, is_nameless, number_of
from watchdog.facts.pair import Record, Replica
from watchdog.facts.plan import Deployed, Plan, Swap
from watchdog.facts.problem import Problem

OP = "io.flexli.rollback.op"
SERVICE = "io.flexli.rollback.service"
_LABELS = "io.flexli.rollback."


def matched(
    service: str, olds: tuple[Deployed, ...], target: Record
) -> list[tuple[Deployed, Replica]]:
    """Give for each of *olds* how the container is made that takes its place.

    How many a service has is no part of a pair: it is what runs now. Where there is
    one and was one, its number says nothing: Compose counts on.
    """
    theirs = [r for r in target.replicas if r.service == service]
    if len(olds) == len(theirs) == 1:
        return [(olds[0], theirs[0])]
    made = {number_of(r.body.get("Labels")): r for r in theirs}
    like = made[min(made)]
    return [
        (old, made.get(old.number) or another(like, old, target.pair.version))
        for old in olds
    ]


def swap_of(
    op: str,
    replica: Replica,
    target: tuple[Record, str],
    old: Deployed,
    stop_within: timedelta,
    *,
    several: bool,
) -> Swap:
    """Give how *replica* of *target* is made, to take the place of *old*."""
    record, sha = target
    body = dict(replica.body)
    body["Labels"] = {
        **(body.get("Labels") or {}),
        f"{_LABELS}schema": "1",
        OP: op,
        SERVICE: replica.service,
        f"{_LABELS}role": "target",
        f"{_LABELS}replaces": old.id,
        f"{_LABELS}pair": record.pair.version,
        f"{_LABELS}image": record.image_for(replica.service).image,
        f"{_LABELS}record": sha,
    }
    host = dict(body.get("HostConfig") or {})
    host["Mounts"] = _with_volumes(host, set(body.get("Volumes") or ()), old.mounts)
    body["HostConfig"] = host
    return Swap(
        service=replica.service,
        name=replica.name,
        old_id=old.id,
        old_restart=old.restart,
        stop_within=_patience(old.grace, stop_within),
        new=body,
        networks=replica.networks,
        number=old.number if several else 0,
        old_name="" if old.name == replica.name else old.name,
    )


def like(network: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give how *network* is made, as the engine shows it; nothing of a swarm's."""
    if network is None or network.get("Scope") != "local":
        return {}
    return {
        "driver": network["Driver"],
        "options": network.get("Options") or {},
        "ipam": network.get("IPAM"),
        "internal": bool(network.get("Internal")),
        "enable_ipv6": bool(network.get("EnableIPv6")),
        "attachable": bool(network.get("Attachable")),
        "labels": network.get("Labels") or {},
    }


def job_of(
    op: str,
    service: str,
    target: tuple[Record, str],
    olds: tuple[Deployed, ...],
    stop_within: timedelta,
) -> Swap:
    """Give how the job *service* is run again as *target* had it."""
    made = next(replica for replica in target[0].jobs if replica.service == service)
    # Removed since it ran, as `docker container prune` does.
    none = Deployed("", {}, stop_within, {}, name=made.name)
    old = olds[0] if olds else none
    return replace(swap_of(op, made, target, old, stop_within, several=False), job=True)


def again_of(
    target: Record, jobs: Collection[str], again: Collection[str]
) -> tuple[str, ...]:
    """Give those of *again* that can be run again as *target* had them.

    Raises:
        Problem: one of them cannot.
    """
    version, images = (
        target.pair.version,
        {r.body.get("Image") for r in target.replicas},
    )
    recorded = {replica.service: replica for replica in target.jobs}
    for service in again:
        why = ""
        if service not in jobs:
            why = "it is no job here"
        elif service not in recorded:
            why = "nobody saw it end well, so that it is not known how it is made"
        elif recorded[service].body.get("Image") not in images:
            why = "its image is none of those that serve"
        if why:
            raise Problem(
                f"the release file of {version} says that {service} may be run again, "
                f"and {why}",
                f"write `jobs: {{{service}: once}}` there, or take it out",
            )
    return tuple(again)


def remade(plan: Plan, before: Record, swap: Swap) -> Replica:
    """Give how the container that ran is made again, where somebody removed it.

    *before* is the record of the pair that ran. It carries the operation, as the
    new one does, and takes the place of the one that is gone.
    """
    theirs = [r for r in before.replicas if r.service == swap.service]
    if not theirs:
        raise Problem(
            f"it is not recorded how {swap.subject} of {before.pair.version} was made",
            "deploy that version, or another one",
        )
    one = next(
        (r for r in theirs if number_of(r.body.get("Labels")) == swap.number), theirs[0]
    )
    labels = {
        **(one.body.get("Labels") or {}),
        f"{_LABELS}schema": "1",
        OP: plan.op,
        SERVICE: swap.service,
        f"{_LABELS}role": "previous",
        f"{_LABELS}replaces": swap.old_id,
        f"{_LABELS}pair": before.pair.version,
        f"{_LABELS}image": before.image_for(swap.service).image,
        f"{_LABELS}record": plan.from_record,
    }
    return replace(one, body={**one.body, "Labels": labels})


def _patience(grace: timedelta, most: timedelta) -> timedelta:
    """Give how long it may take to end; less than nothing is for ever to the engine."""
    return most if grace < timedelta() else min(grace, most)


def _with_volumes(
    host: Mapping[str, Any], declared: set[str], mounts: Mapping[str, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Hand over what the old container has where the target has a nameless volume.

    As Compose does, and whatever it is: it holds the data that the service wrote
    last. Where the old one has nothing, the target gets back the volume that it had.
    """
    whole: list[Mapping[str, Any]] = []
    for mount in host.get("Mounts") or []:
        nameless = mount.get("Type") == "volume" and is_nameless(mount.get("Source"))
        whole.append(mounts.get(mount["Target"], mount) if nameless else mount)
    taken = {str(mount["Target"]) for mount in whole}
    taken |= {bind.split(":")[1] for bind in host.get("Binds") or []}
    taken |= set(host.get("Tmpfs") or ())
    whole += [mounts[place] for place in sorted(declared - taken) if place in mounts]
    return whole
