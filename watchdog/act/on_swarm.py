"""What a watchdog has of its own on a swarm: its claim, and holds on old pairs.

A config's name is the swarm's to give, once, on any manager; of a config only labels
change, and only over the version that was read. What a service names cannot be
removed, and a service with no replicas costs no node anything.
"""

import re
from typing import Any

from watchdog.act.claim import CLAIMS
from watchdog.act.keeper import BY, HOLDS, PROJECT
from watchdog.facts.claim import Claim
from watchdog.facts.pair import Record
from watchdog.facts.problem import EngineRefused
from watchdog.outside.swarm import Swarm

_COUNT = "io.flexli.watchdog.count"
_LONGEST = 63  # of a service's name


class OnSwarm:
    """The claim on a stack: a config, whose renewals are counted in a label."""

    def __init__(self, swarm: Swarm, project: str, identity: str) -> None:
        self._swarm = swarm
        self._project = project
        self._identity = identity
        self._name = f"{project}-watchdog-claim"

    def look(self) -> Claim | None:
        """See whose claim there is."""
        found = self._found()
        if found is None:
            return None
        labels = found["Spec"].get("Labels") or {}
        ours = labels.get(CLAIMS) == self._project
        return Claim(
            id=str(found["ID"]),
            by=str(labels.get(BY, "")) if ours else "",
            count=int(labels.get(_COUNT) or 0),
            where=f"by the config {self._name} on the swarm",
            cure=f"`docker config rm {self._name}`",
        )

    def at_work(self) -> str:
        """Say nothing: nobody cleans configs away that have labels of ours."""
        return ""

    def take(self) -> None:
        """Make the config of that name, unless it is there."""
        self._swarm.create_config(
            self._name, self._identity.encode(), self._labels(count=0)
        )

    def renew(self, claim: Claim) -> Claim | None:
        """Count one on."""
        found = self._swarm.config(claim.id)
        if found is None:
            raise EngineRefused(f"somebody removed the config {self._name}")
        self._swarm.label_config(found, self._labels(count=claim.count + 1))
        return self.look()

    def clear(self, claim: Claim) -> None:
        """Remove that very config."""
        self._swarm.remove_config(claim.id)

    def _found(self) -> dict[str, Any] | None:
        for one in self._swarm.configs():
            if one["Spec"].get("Name") == self._name:
                return one
        return None

    def _labels(self, *, count: int) -> dict[str, str]:
        return {CLAIMS: self._project, BY: self._identity, _COUNT: str(count)}


class HeldOnSwarm:
    """Holds the configs and secrets of old pairs, and asks for their images.

    No image can be held on the nodes: they pull it from its registry by its digest.
    """

    def __init__(self, swarm: Swarm, project: str, identity: str) -> None:
        self._swarm = swarm
        self._project = project
        self._identity = identity

    def hold(self, record: Record) -> tuple[str, dict[str, int]]:
        """See that the registry has each image, and that nobody can remove a config.

        Raises:
            EngineRefused: one is gone.
            Unreachable: not known.
        """
        for held in record.each_image:
            self._swarm.in_registry(held.repo_digests[0])
        given = _given(record)
        said = "its registry has the image, which no node is made to keep"
        if not any(given.values()):
            return said, {}
        name = self._name(record)
        if self._swarm.service(name) is None:
            self._swarm.create_service(self._holder(name, record, given))
        return f"{said}; its configs are held by the service {name}", {}

    def let_go(self, record: Record) -> str:
        """Take our service away; configs and image stay."""
        ours = {HOLDS: record.pair.short, PROJECT: self._project}
        for one in self._swarm.labelled(ours):
            self._swarm.remove_service(str(one["ID"]))
        return "nothing holds it"

    def _name(self, record: Record) -> str:
        version = re.sub(r"[^A-Za-z0-9]+", "-", record.pair.version).strip("-")
        tail = f"-{record.pair.short}"
        return f"{self._project}-holds-{version}"[: _LONGEST - len(tail)] + tail

    def _holder(
        self, name: str, record: Record, given: dict[str, list[dict[str, Any]]]
    ) -> dict[str, Any]:
        # Without the stack's label, or `docker stack deploy --prune` removes it.
        return {
            "Name": name,
            "Labels": {
                HOLDS: record.pair.short,
                PROJECT: self._project,
                BY: self._identity,
            },
            "TaskTemplate": {
                "ContainerSpec": {"Image": record.each_image[0].repo_digests[0]} | given
            },
            "Mode": {"Replicated": {"Replicas": 0}},
        }


def left_on_swarm(swarm: Swarm, project: str) -> dict[str, str]:
    """List what every watchdog of *project* made there, in words, by its id."""
    found = {
        str(one["ID"]): f"service {one['Spec']['Name']}, which holds configs"
        for one in swarm.labelled({PROJECT: project})
        if HOLDS in (one["Spec"].get("Labels") or {})
    }
    for one in swarm.configs():
        if (one["Spec"].get("Labels") or {}).get(CLAIMS) == project:
            found[str(one["ID"])] = f"config {one['Spec']['Name']}, which is our claim"
    return found


def take_from_swarm(swarm: Swarm, id_: str, words: str) -> str:
    """Remove one of them; what it held stays."""
    if words.startswith("service"):
        swarm.remove_service(id_)
    else:
        swarm.remove_config(id_)
    return f"removed {words.partition(',')[0]}"


def _given(record: Record) -> dict[str, list[dict[str, Any]]]:
    """Give the configs and secrets that any service of *record* names, each once."""
    found: dict[str, dict[str, dict[str, Any]]] = {"Configs": {}, "Secrets": {}}
    for replica in record.replicas:
        container = (replica.body.get("TaskTemplate") or {}).get("ContainerSpec") or {}
        for kind, ours in found.items():
            for one in container.get(kind) or ():
                name = str(one[f"{kind.removesuffix('s')}Name"])
                file = {"Name": f"/held/{name}", "UID": "0", "GID": "0", "Mode": 292}
                ours[name] = {**one, "File": file}
    return {kind: list(ours.values()) for kind, ours in found.items() if ours}
