"""What a watchdog left on the engine: found, and taken away when it has to go."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from watchdog.act.claim import CLAIMS
from watchdog.act.keeper import PROJECT, REPOSITORY
from watchdog.act.staging import reaches_nobody
from watchdog.act.standby import network_of
from watchdog.facts.problem import EngineRefused
from watchdog.facts.standby import PROJECT as BESIDE
from watchdog.outside.engine import Engine

_AT_ONCE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Left:
    """A container of ours that was never started, and what it is there for.

    *ref* is the name of ours that its image has; empty where it has none. One that is
    *beside* runs, and serves nobody.
    """

    id: str
    name: str
    ref: str
    beside: bool = False

    def __str__(self) -> str:
        if self.beside:
            return f"container {self.name}, which was kept beside to go back to"
        what = f"holds an image by the name {self.ref}" if self.ref else "is our claim"
        return f"container {self.name}, which {what}"


def left_on(engine: Engine, project: str) -> tuple[Left, ...]:
    """List what every watchdog of *project* made there, whichever of them it was.

    Raises:
        EngineRefused: Docker said no.
        Unreachable: not known.
    """
    found: dict[str, Left] = {}
    for label in (PROJECT, CLAIMS):
        for one in engine.containers({label: project}):
            # Never started, or it is not what we make.
            if one.get("State") == "created":
                ref = str(one.get("Image", ""))
                ours = ref.startswith(f"{REPOSITORY}:{project[:100]}.")
                name = str(one["Names"][0]).lstrip("/")
                found[str(one["Id"])] = Left(str(one["Id"]), name, ref if ours else "")
    for one in engine.containers({BESIDE: project}):
        name = str(one["Names"][0]).lstrip("/")
        found[str(one["Id"])] = Left(str(one["Id"]), name, "", beside=True)
    return tuple(sorted(found.values(), key=lambda one: one.name))


def take_away(engine: Engine, project: str, left: Left) -> str:
    """Remove it, with the name of ours; an image with no other name stays, and is said.

    Raises:
        EngineRefused: Docker said no.
        Unreachable: not known.
    """
    if left.beside:
        found = engine.container(left.id)
        if found is not None and not reaches_nobody(found):
            return (
                f"left {left.name}: it stands in for what served; put a whole pair up "
                "first (`watchdog repair`), or remove it by hand"
            )
        engine.stop(left.id, _AT_ONCE)
    engine.remove(left.id)
    if left.beside and engine.network(network_of(project)) is not None:
        with suppress(EngineRefused):  # the last of them takes it away
            engine.remove_network(network_of(project))
    image = engine.image(left.ref) if left.ref else None
    if image is None:
        return f"removed {left.name}"
    if len(image.get("RepoTags") or ()) < 2:
        return (
            f"removed {left.name}; the image has no other name than {left.ref}, and "
            f"is left: `docker rmi {left.ref}` deletes it"
        )
    engine.untag(left.ref)
    return f"removed {left.name} and the name {left.ref}"
