"""Nodes of a swarm: what they keep from being known, and what from being done.

Source: Docker Engine API 1.41, ``GET /nodes``; how a constraint is met: SwarmKit.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from watchdog.facts.lack import Lack
from watchdog.facts.plan import Write
from watchdog.facts.spec import replicas_of, template_of

Node = Mapping[str, Any]
Task = Mapping[str, Any]
_CONSTRAINT = re.compile(r"\s*(\S+?)\s*(==|!=)\s*(.*?)\s*")


def down(nodes: Sequence[Node]) -> dict[str, str]:
    """Name those that are down, by id."""
    return {str(n["ID"]): name_of(n) for n in nodes if _state(n) == "down"}


def unseen(nodes: Sequence[Node], lost: Collection[str]) -> tuple[str, ...]:
    """Say which of *lost*, nodes that are down, may still serve another version."""
    names = sorted(name for id_, name in down(nodes).items() if id_ in lost)
    return tuple(
        f"node {name} is down: whether another version still serves there cannot "
        "be known"
        for name in names
    )


def unheard(nodes: Sequence[Node], tasks: Sequence[Task]) -> tuple[str, ...]:
    """Say on which nodes *tasks* are listed as running though nobody heard of them.

    A new leader among the managers has heard of no node yet, and lists what the one
    before it was told, of its own node, too. Within seconds each is heard, or down.
    """
    on = {t.get("NodeID") for t in tasks if t.get("DesiredState") == "running"}
    return tuple(
        f"node {name_of(n)} is not heard yet ({_state(n)}): whether its tasks run is "
        "not known"
        for n in nodes
        if n["ID"] in on and _state(n) not in ("ready", "down", "")
    )


def lacks(
    nodes: Sequence[Node],
    writes: Sequence[Write],
    tasks: Mapping[str, Sequence[Task]],
) -> Iterator[Lack]:
    """Say what of *nodes* keeps *writes* from coming about.

    *tasks* are those that are there now, by service.
    """
    for name in down(nodes).values():
        yield Lack(
            f"node {name} is down: whether anything of before still serves there "
            "cannot be known",
            "bring it back, or take it out: `docker node rm`",
            doubt=True,
        )
    for one in writes:
        yield from _nowhere(nodes, one)
        begins = template_of(one.before) != template_of(one.home)
        if begins and replicas_of(one.home) is None:
            yield from _paused(nodes, one.service, tasks.get(one.service, ()))


def _nowhere(nodes: Sequence[Node], write: Write) -> Iterator[Lack]:
    placement = (write.home.get("TaskTemplate") or {}).get("Placement") or {}
    given = [str(one) for one in placement.get("Constraints") or ()]
    takes = [n for n in nodes if _state(n) != "down" and _availability(n) == "active"]
    if given and not any(all(_meets(n, one) for one in given) for n in takes):
        yield Lack(
            f"no node that takes tasks meets {' and '.join(given)}, as "
            f"{write.service} asks for",
            "label a node so, or have one take tasks again: `docker node update`",
        )


def _paused(
    nodes: Sequence[Node], service: str, tasks: Sequence[Task]
) -> Iterator[Lack]:
    on = {t.get("NodeID") for t in tasks if t.get("DesiredState") == "running"}
    for node in nodes:
        if node["ID"] in on and _availability(node) == "pause":
            name = name_of(node)
            yield Lack(
                f"node {name} is paused: the swarm leaves the task that {service} has "
                "there as it is",
                f"`docker node update --availability active {name}`, or drain it",
            )


def _meets(node: Node, constraint: str) -> bool:
    """Tell whether *node* meets *constraint*; what is not known here is met."""
    found = _CONSTRAINT.fullmatch(constraint)
    if not found:
        return True
    key, how, value = found.groups()
    spec = node.get("Spec") or {}
    kind, _, label = key.partition("node.labels.")
    if not kind and label:
        seen = str((spec.get("Labels") or {}).get(label, ""))
    elif key == "node.hostname":
        seen = name_of(node)
    elif key == "node.role":
        seen = str(spec.get("Role") or "")
    elif key == "node.id":
        seen = str(node["ID"])
    else:
        return True
    return (seen.lower() == value.lower()) == (how == "==")


def name_of(node: Node) -> str:
    """Give the name that people know it by."""
    return str((node.get("Description") or {}).get("Hostname"))


def _state(node: Node) -> str:
    return str((node.get("Status") or {}).get("State") or "")


def _availability(node: Node) -> str:
    return str((node.get("Spec") or {}).get("Availability") or "active")
