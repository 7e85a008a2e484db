"""The images that containers run, and how each is found again."""

from collections.abc import Mapping, Sequence
from typing import Any

from watchdog.facts.pair import HeldImage
from watchdog.observe.labelled import service_of
from watchdog.outside.engine import Engine


def images_of(
    engine: Engine, containers: Sequence[Mapping[str, Any]]
) -> tuple[HeldImage, ...]:
    """Give each image of *containers* by the name that Compose gave it, in order."""
    users: dict[tuple[str, str], list[str]] = {}
    for one in containers:
        called = (str(one["Config"]["Image"]), str(one["Image"]))
        users.setdefault(called, []).append(service_of(one))
    found: list[HeldImage] = []
    for (ref, id_), services in users.items():
        image = engine.image(id_) or {}
        digests = tuple(sorted(image.get("RepoDigests") or ()))
        found.append(HeldImage(tuple(dict.fromkeys(services)), ref, id_, digests))
    return tuple(found)
