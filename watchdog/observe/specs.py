"""A pair on a swarm as whole specs: recorded, and fitted to what is there today."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from watchdog.facts.pair import HeldManifest, Record, Replica, Running
from watchdog.facts.problem import Problem
from watchdog.observe.told import (
    Given,
    Service,
    container_of,
    files_of,
    images_of,
    sha_of,
)
from watchdog.outside.stack_folder import StackFolder
from watchdog.outside.swarm import Swarm

_DOCS = "see docs/how-to/roll-back-a-swarm.md"


class Recorded:
    """Makes release records of what a swarm is told, and specs of them again.

    *inside* is a manifest's path in a container, with ``{tenant}``; *files* is where
    signatures are that no config holds, below *manifests*.
    """

    def __init__(
        self,
        swarm: Swarm,
        given: Given,
        *,
        inside: str,
        manifests: str,
        files: StackFolder,
    ) -> None:
        self._swarm = swarm
        self._given = given
        self._inside = inside
        self._manifests = manifests
        self._files = files

    def record(
        self, running: Running, found: Mapping[str, Service], kept: Mapping[str, str]
    ) -> tuple[Record, dict[str, bytes]]:
        """Record the services *found*, which is how *running* is told."""
        blobs: dict[str, bytes] = {}
        manifests: list[HeldManifest] = []
        for tenant, sha in running.pair.manifests:
            place = self._inside.format(tenant=tenant)
            one = next(s for s in found.values() if place in files_of(s["Spec"]))
            name = str(files_of(one["Spec"])[place].get("ConfigName"))
            data = self._given.at(one, place) or b""
            if sha_of(data) != sha:
                raise Problem(f"the manifest of {tenant} changed while it was read")
            file = f"{self._manifests}/{kept[tenant]}" if tenant in kept else name
            signature = self._given.at(one, f"{place}.sig")
            if signature is None:
                signature = self._files.read(f"{file}.sig") or b""
            blobs |= {sha: data, sha_of(signature): signature}
            manifests.append(HeldManifest(tenant, name, file, sha, sha_of(signature)))
        images = tuple(images_of(found))
        return Record(
            pair=running.pair,
            image_ref=images[0].ref,
            repo_digests=images[0].repo_digests,
            replicas=tuple(
                Replica(name, str(one["Spec"]["Name"]), self._by_name(one["Spec"]), {})
                for name, one in found.items()
            ),
            manifests=tuple(manifests),
            compose_version="",
            images=images if len({one.image for one in images}) > 1 else (),
        ), blobs

    def _by_name(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Give *spec* with its networks by name."""

        def name(target: str) -> str:
            network = self._swarm.network(target)
            if network is None:
                raise Problem(f"network {target[:12]} of {spec['Name']} is gone")
            return str(network["Name"])

        return _with_networks(spec, name)

    def fitted(self, record: Record) -> dict[str, dict[str, Any]]:
        """Give the recorded specs with today's ids of what they name.

        Raises:
            Problem: something of that is not there any more.
        """
        version = record.pair.version
        if any("TaskTemplate" not in replica.body for replica in record.replicas):
            raise Problem(
                f"{version} was recorded by another executor",
                "deploy it once on the swarm; pairs are recorded as they run",
            )

        @cache
        def id_of(name: str) -> str:
            network = self._swarm.network(name)
            if network is None:
                raise Problem(
                    f"network {name}, which {version} is on, is gone",
                    f"deploy {version} again, or create the network",
                )
            return str(network["Id"])

        by_name = {
            str(one["Spec"]["Name"]): str(one["ID"]) for one in self._swarm.configs()
        }
        secrets = {
            str(one["Spec"]["Name"]): str(one["ID"]) for one in self._secrets(record)
        }
        meant = {m.path: m.sha256 for m in record.manifests}
        fitted: dict[str, dict[str, Any]] = {}
        for replica in record.replicas:
            spec = _with_networks(replica.body, id_of)
            for kind, here in (("Config", by_name), ("Secret", secrets)):
                for given in container_of(spec).get(f"{kind}s") or ():
                    name = str(given[f"{kind}Name"])
                    id_ = here.get(name)
                    is_manifest = kind == "Config" and name in meant
                    other = id_ is not None and id_ != given[f"{kind}ID"]
                    if id_ is None or (other and not is_manifest):
                        what = "is another than it was" if other else "is gone"
                        raise Problem(
                            f"{kind.lower()} {name}, which {version} needs, {what}",
                            f"deploy {version} again; {_DOCS}",
                        )
                    given[f"{kind}ID"] = id_
                    if is_manifest and sha_of(self._given.data(given)) != meant[name]:
                        raise Problem(
                            f"config {name} is another than {version} ran with",
                            "a config's name means one content: see "
                            "docs/how-to/roll-back-a-swarm.md",
                        )
            fitted[replica.service] = spec
        return fitted

    def _secrets(self, record: Record) -> list[dict[str, Any]]:
        """List the secrets, where *record* names one: a proxy may not let them be."""
        named = any(container_of(r.body).get("Secrets") for r in record.replicas)
        return self._swarm.secrets() if named else []


def _with_networks(
    spec: Mapping[str, Any], rename: Callable[[str], str]
) -> dict[str, Any]:
    whole = deepcopy(dict(spec))
    for place in (whole, whole.get("TaskTemplate") or {}):
        for network in place.get("Networks") or ():
            network["Target"] = rename(str(network["Target"]))
    return whole
