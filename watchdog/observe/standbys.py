"""The standbys of one project, by our own labels."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from watchdog.facts.plan import staging_of
from watchdog.facts.standby import IMAGE, MADE, PROJECT, SERVICE, Beside
from watchdog.observe.condition import health_of
from watchdog.outside.engine import Engine


class Standbys:
    """Looks what is kept healthy beside."""

    def __init__(
        self, engine: Engine, project: str, now: Callable[[], datetime]
    ) -> None:
        """*engine* is asked only."""
        self._engine, self._project, self._now = engine, project, now

    def seen(self) -> tuple[Beside, ...]:
        """Give all that there are, whoever made them."""
        listed = self._engine.containers({PROJECT: self._project})
        found = [self._engine.container(str(one["Id"])) for one in listed]
        at = self._now()
        return tuple(_beside(one, at) for one in found if one is not None)

    def healthy(self) -> dict[str, str]:
        """Give the ids of those that could take over now, by what they are made as."""
        return {one.made: one.id for one in self.seen() if one.is_healthy}


def _beside(container: dict[str, Any], at: datetime) -> Beside:
    labels, state = container["Config"].get("Labels") or {}, container["State"]
    health = health_of(container)
    networks = container["NetworkSettings"].get("Networks") or ()
    staged = all(name.startswith(staging_of("")) for name in networks)
    return Beside(
        id=str(container["Id"]),
        service=str(labels.get(SERVICE, "")),
        made=str(labels.get(MADE, "")),
        state=str(state["Status"]),
        health=(health.unasked(at) or health.word) if health else "",
        right=container["Image"] == labels.get(IMAGE),
        # Before it is ever started it may still be where it was made.
        reaches=bool(state["Running"]) and not staged,
        code=int(state.get("ExitCode") or 0),
    )
