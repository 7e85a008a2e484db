"""The target's images, under the names that its record has."""

from watchdog.facts.pair import HeldImage, Record
from watchdog.facts.plan import Step
from watchdog.facts.problem import EngineRefused
from watchdog.facts.reference import parse
from watchdog.outside.engine import Engine


class Images:
    """Looks whether a name means the recorded image, and makes it mean that."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def held(self, step: Step) -> str:
        """Look; give the evidence when the name means the recorded image."""
        seen = self._id_of(step.subject)
        return f"{step.subject} is {seen[:19]}" if seen == step.to else ""

    def hold(self, target: Record, held: HeldImage) -> None:
        """Make the name mean the recorded image again: from here, or by digest."""
        named = parse(held.ref)
        meant = held.image
        if named is None:
            raise EngineRefused(
                f"{held.ref} is no image's name",
                "roll back by Compose: pin the version, and `docker compose up -d`",
            )
        # A name with a digest is found by the digest alone, and no tag can give it.
        here = self._id_of(held.ref if named.digest else meant)
        if here != meant:
            digests = [d for d in held.repo_digests if named.names(d)]
            if named.digest:
                digests = [f"{named.name}@{named.digest}"]
            if not digests:
                raise EngineRefused(
                    f"image {meant[:19]} of {target.pair.version} is not "
                    "here, and the record names no registry that has it",
                    "load it again, or vouch for another version",
                )
            self._engine.pull(named.name, digests[0].partition("@")[2])
            if self._id_of(meant) != meant:
                raise EngineRefused(
                    f"image {meant[:19]} of {target.pair.version} is not in this "
                    f"engine's store; {digests[0]} is {self._id_of(digests[0])[:19]} "
                    "here: the image store was changed since the record was made",
                    f"roll back by Compose: pin {target.pair.version}, and `docker "
                    "compose up -d`; pairs that start from now on are recorded anew",
                )
        if not named.digest:
            self._engine.tag(meant, named.name, named.tag or "latest")

    def _id_of(self, ref: str) -> str:
        return str((self._engine.image(ref) or {}).get("Id", ""))
