"""Keeps the images of old pairs from being cleaned away; deletes none itself.

Docker removes no image that a container refers to, not even with ``image prune -a``.
So each has a container of ours that is never started, made from a name of ours: the
engine's newer image store spares the names that containers were made from, and only
those.
"""

from collections.abc import Mapping
from typing import Any

from watchdog.facts.pair import Record
from watchdog.facts.problem import EngineRefused
from watchdog.facts.reference import parse
from watchdog.outside.engine import Engine

HOLDS = "io.flexli.watchdog.holds"
PROJECT = "io.flexli.watchdog.project"
BY = "io.flexli.watchdog.by"
_REPOSITORY = "rollback-watchdog-keep"
_NEVER_STARTED = "/held-for-a-rollback/never-started"


class Keeper:
    """Holds images for one Compose project. It touches nothing but its own."""

    def __init__(self, engine: Engine, project: str, identity: str) -> None:
        """*identity* is whose the containers are, among watchdogs on one engine."""
        self._engine = engine
        self._project = project
        self._identity = identity

    def hold(self, record: Record) -> tuple[str, int]:
        """See that the image of *record* is here and held; pull it if it is gone.

        Give what holds it in words, and what it takes at most, in bytes.

        Raises:
            EngineRefused: it is gone, or cannot be held.
            Unreachable: not known.
        """
        image = self._engine.image(record.pair.image) or self._fetched(record)
        id_, keep = str(image["Id"]), self._name_of(record)
        kept = self._engine.image(keep)
        if kept is None or kept["Id"] != id_:
            self._engine.tag(id_, *keep.split(":"))
        # What Compose knows it by; a tag that means something else by now stays.
        known_as = parse(record.image_ref)
        by_tag = known_as is not None and not known_as.digest
        if known_as and by_tag and self._engine.image(record.image_ref) is None:
            self._engine.tag(id_, known_as.name, known_as.tag or "latest")
        holder = f"{self._project}-holds-{record.pair.version}-{record.pair.short}"
        if not self._holders(record):
            self._engine.create(holder, self._body(record, image, keep), {})
        words = f"image {id_.removeprefix('sha256:')[:12]} is held by {holder}"
        return words, int(image.get("Size") or 0)

    def let_go(self, record: Record) -> str:
        """Take our container and our name away; the image itself stays.

        Raises:
            EngineRefused: Docker said no.
            Unreachable: not known.
        """
        for holder in self._holders(record):
            self._engine.remove(str(holder["Id"]))
        keep = self._name_of(record)
        image = self._engine.image(keep)
        tags = (image or {}).get("RepoTags") or ()
        if image is not None and len(tags) > 1:
            self._engine.untag(keep)
        elif image is not None:
            # Taking the last name away would delete the image.
            return f"nothing holds it; its only name is ours, {keep}"
        return "nothing holds it"

    def _fetched(self, record: Record) -> dict[str, Any]:
        what = f"the image of {record.pair.version}, {record.pair.image[:19]}, is gone"
        said = "no registry is known to have it"
        for name in record.repo_digests:
            repository, _, digest = name.partition("@")
            try:
                self._engine.pull(repository, digest)
            except EngineRefused as refused:
                said = refused.words
                continue
            image = self._engine.image(record.pair.image)
            if image is not None:
                return image
            said = f"{name} is another image"
        raise EngineRefused(
            f"{what}, and could not be pulled: {said}",
            "push or load it again while somebody still has it",
        )

    def _holders(self, record: Record) -> list[dict[str, Any]]:
        ours = {HOLDS: record.pair.short, PROJECT: self._project}
        return self._engine.containers(ours)

    def _name_of(self, record: Record) -> str:
        return f"{_REPOSITORY}:{self._project[:100]}.{record.pair.short}"

    def _body(self, record: Record, image: dict[str, Any], keep: str) -> dict[str, Any]:
        ours = {HOLDS: record.pair.short, PROJECT: self._project, BY: self._identity}
        return never_started(image, keep, ours)


def never_started(
    image: Mapping[str, Any], ref: str, labels: Mapping[str, str]
) -> dict[str, Any]:
    """Give the body of a container of *image*, by its name *ref*, that only is there.

    It is never started; by mistake it could not be, and Compose takes no notice.
    """
    config = image.get("Config") or {}
    # An image that Compose built carries labels by which it finds containers.
    blank = {key: "" for key in config.get("Labels") or () if "docker." in key}
    return {
        "Image": ref,
        # Nothing that the image holds: started by mistake, it fails at once.
        "Entrypoint": [_NEVER_STARTED],
        "Labels": blank | dict(labels),
        "HostConfig": {
            "NetworkMode": "none",
            "RestartPolicy": {"Name": "no"},
            # Else the engine makes a volume for each that the image declares.
            "Mounts": [
                {"Type": "tmpfs", "Target": place}
                for place in config.get("Volumes") or ()
            ],
        },
    }
