"""What one service of a swarm is told: its image, its configs, and since when."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from watchdog.facts.pair import HeldImage
from watchdog.facts.problem import Problem
from watchdog.facts.reference import parse
from watchdog.facts.spec import is_made_from, template_of
from watchdog.observe.labelled import instant
from watchdog.outside.swarm import Swarm, data_of

Service = Mapping[str, Any]
_PINS = "deploy it with `docker stack deploy --resolve-image always`"


class Given:
    """Reads what configs hold, which never changes: each is asked for once."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._configs: dict[str, tuple[str, bytes]] = {}

    def at(self, service: Service, place: str) -> bytes | None:
        """Read what *service* is given at *place*; None where it is given nothing."""
        given = files_of(service["Spec"]).get(place)
        return None if given is None else self.data(given)

    def data(self, given: Mapping[str, Any]) -> bytes:
        """Read the config that a service names, whose name and id must agree.

        Raises:
            Problem: it is gone, or another of that name.
        """
        id_, name = str(given.get("ConfigID")), str(given.get("ConfigName"))
        if id_ not in self._configs:
            config = self._swarm.config(id_)
            if config is None:
                raise Problem(
                    f"config {name} ({id_[:12]}) is gone",
                    "deploy that version again: what is gone has no bytes to compare",
                )
            self._configs[id_] = str(config["Spec"]["Name"]), data_of(config)
        called, data = self._configs[id_]
        if called != name:
            raise Problem(
                f"a service names config {name} by the id of {called}",
                "deploy it again with `docker stack deploy`",
            )
        return data


def images_of(found: Mapping[str, Service]) -> Iterator[HeldImage]:
    """Give each image once, with the services that are made of it."""
    users: dict[str, list[str]] = {}
    for name, one in found.items():
        users.setdefault(_whole_ref(one), []).append(name)
    for whole, services in users.items():
        ref, _, digest = whole.partition("@")
        named = parse(whole)
        repository = named.name if named else ref
        yield HeldImage(tuple(services), ref, digest, (f"{repository}@{digest}",))


def container_of(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what *spec* says of each of its containers."""
    return (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}


def files_of(spec: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Give the configs that a service is given, by their place in a container."""
    return {
        _absolute(str((one.get("File") or {}).get("Name") or "")): one
        for one in container_of(spec).get("Configs") or ()
    }


def _absolute(place: str) -> str:
    return place if place.startswith("/") else f"/{place}"


def _whole_ref(service: Service) -> str:
    return str(container_of(service["Spec"]).get("Image") or "")


def ref_of(service: Service) -> str:
    """Name its image as people do, without the digest."""
    return _whole_ref(service).partition("@")[0]


def pinned_of(service: Service) -> str:
    """Give the digest of its image, where one is pinned."""
    return _whole_ref(service).partition("@")[2]


def digest_of(name: str, service: Service) -> str:
    """Give the digest that is pinned.

    Raises:
        Problem: there is none.
    """
    digest = pinned_of(service)
    if not digest:
        raise Problem(
            f"service {name} runs {ref_of(service)} without a digest: each node may "
            f"mean another image by it; {_PINS}",
            _PINS,
        )
    return digest


def identity(service: Service) -> str:
    """Name this start of it: another service, or another template, is another."""
    return f"{service['ID']}:{template_of(service['Spec'])[:32]}"


def began(service: Service, tasks: list[Service]) -> datetime:
    """Tell when the first task began of what it is told now; else when it was told.

    In a rolling update those of before run on for a while: their time is not this
    one's.
    """
    up = [
        str(task["Status"]["Timestamp"])
        for task in tasks
        if task.get("DesiredState") == "running"
        and task["Status"].get("State") == "running"
        and is_made_from(task, service["Spec"])
    ]
    return min(map(instant, up)) if up else instant(str(service["UpdatedAt"]))


def sha_of(data: bytes | None) -> str:
    """Give the sha256 of *data* in hex; nothing of None."""
    return "" if data is None else hashlib.sha256(data).hexdigest()
