"""Keeps the images of old pairs from being cleaned away; deletes none itself.

Docker removes no image that a container refers to, not even with ``image prune -a``.
So each has a container of ours that is never started, made from a name of ours: the
engine's newer image store spares the names that containers were made from, and only
those.
"""

from collections.abc import Mapping
from typing import Any

from watchdog.facts.pair import HeldImage, Record
from watchdog.facts.problem import EngineRefused
from watchdog.facts.reference import parse
from watchdog.outside.engine import Engine

HOLDS = "io.flexli.watchdog.holds"
PROJECT = "io.flexli.watchdog.project"
BY = "io.flexli.watchdog.by"
IMAGE = "io.flexli.watchdog.image"
REPOSITORY = "rollback-watchdog-keep"
_NEVER_STARTED = "/held-for-a-rollback/never-started"


class Keeper:
    """Holds images for one Compose project. It touches nothing but its own."""

    def __init__(self, engine: Engine, project: str, identity: str) -> None:
        """*identity* is whose the containers are, among watchdogs on one engine."""
        self._engine = engine
        self._project = project
        self._identity = identity

    def hold(self, record: Record) -> tuple[str, dict[str, int]]:
        """See that each image of *record* is here and held; pull it if it is gone.

        Give what holds them in words, and the bytes that each takes at most.

        Raises:
            EngineRefused: it is gone, or cannot be held.
            Unreachable: not known.
        """
        words: dict[str, str] = {}
        sizes: dict[str, int] = {}
        for held in record.each_image:
            image = self._engine.image(held.image) or self._fetched(record, held)
            id_ = str(image["Id"])
            # What Compose knows it by; a tag that means something else by now stays.
            known_as = parse(held.ref)
            by_tag = known_as is not None and not known_as.digest
            if known_as and by_tag and self._engine.image(held.ref) is None:
                self._engine.tag(id_, known_as.name, known_as.tag or "latest")
            if id_ not in words:
                words[id_] = self._held(record, image)
                sizes[id_] = int(image.get("Size") or 0)
        return "; ".join(words.values()), sizes

    def _held(self, record: Record, image: dict[str, Any]) -> str:
        """Hold one image, by a name and a container of ours."""
        id_, own = str(image["Id"]), self._own(record, str(image["Id"]))
        keep = f"{REPOSITORY}:{self._project[:100]}.{own}"
        kept = self._engine.image(keep)
        if kept is None or kept["Id"] != id_:
            self._engine.tag(id_, *keep.split(":"))
        holder = f"{self._project}-holds-{record.pair.version}-{own}"
        if not self._engine.containers(self._labels(record, id_)):
            self._engine.create(holder, self._body(record, image, keep), {})
        return f"image {id_.removeprefix('sha256:')[:12]} is held by {holder}"

    def let_go(self, record: Record) -> str:
        """Take our containers and our names away; the images themselves stay.

        Raises:
            EngineRefused: Docker said no.
            Unreachable: not known.
        """
        for holder in self._engine.containers(self._labels(record)):
            self._engine.remove(str(holder["Id"]))
        last: list[str] = []
        for id_ in dict.fromkeys(one.image for one in record.each_image):
            keep = f"{REPOSITORY}:{self._project[:100]}.{self._own(record, id_)}"
            image = self._engine.image(keep)
            tags = (image or {}).get("RepoTags") or ()
            if image is not None and len(tags) > 1:
                self._engine.untag(keep)
            elif image is not None:
                # Taking the last name away would delete the image.
                last.append(keep)
        only = f"; its only name is ours, {', '.join(last)}" if last else ""
        return f"nothing holds it{only}"

    def _fetched(self, record: Record, held: HeldImage) -> dict[str, Any]:
        what = f"{record.words_of(held)} is gone"
        said = "no registry is known to have it"
        for name in held.repo_digests:
            repository, _, digest = name.partition("@")
            try:
                self._engine.pull(repository, digest)
            except EngineRefused as refused:
                said = refused.words
                continue
            image = self._engine.image(held.image)
            if image is not None:
                return image
            said = f"{name} is another image"
        raise EngineRefused(
            f"{what}, and could not be pulled: {said}",
            "push or load it again while somebody still has it",
        )

    def _labels(self, record: Record, image: str = "") -> dict[str, str]:
        """Give what our containers for *record* carry, or the one for *image*."""
        ours = {HOLDS: record.pair.short, PROJECT: self._project}
        return ours | ({IMAGE: image} if image and record.pair.images else {})

    def _own(self, record: Record, image: str) -> str:
        """Name an image of a pair: as the pair, with its own digits among several."""
        of_many = f"-{image.rpartition(':')[2][:12]}" if record.pair.images else ""
        return f"{record.pair.short}{of_many}"

    def _body(self, record: Record, image: dict[str, Any], keep: str) -> dict[str, Any]:
        ours = self._labels(record, str(image["Id"])) | {BY: self._identity}
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
