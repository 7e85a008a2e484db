"""What is kept healthy beside, made and taken away: never what serves."""

import hashlib
from datetime import timedelta
from pathlib import Path

from watchdog.act.ground import can_start
from watchdog.decide.meanwhile import NEVER_RAN
from watchdog.decide.standby import body_of, made_as
from watchdog.facts.plan import Swap, staging_of
from watchdog.facts.problem import EngineRefused
from watchdog.facts.standby import MADE, PROJECT
from watchdog.outside.engine import Engine

_AT_ONCE = timedelta(seconds=1)  # it serves nobody, and a turn waits for it


class Standby:
    """Makes a standby as far as it is not made, on a network that leads nowhere."""

    def __init__(self, engine: Engine, project: str, folder: Path) -> None:
        """*engine* is the one that acts, *folder* the stack's."""
        self._engine, self._project, self._folder = engine, project, folder
        self._network = network_of(project)

    def make(self, swap: Swap) -> None:
        """Create, stage and start what is to stand in for *swap*, as far as it is not.

        Raises:
            EngineRefused: something that it needs is gone, or Docker said no.
            Unreachable: not known.
        """
        made, body = made_as(swap), body_of(swap, self._project)
        mine = {PROJECT: self._project, MADE: made}
        listed = self._engine.containers(mine)
        if not listed:
            can_start(self._engine, self._folder, swap.name, swap.new, swap.networks)
            name = f"{swap.name}.rb-standby-{made[:8]}"
            first = dict(list(swap.networks.items())[:1])
            id_ = self._engine.create(name, body, first)
        else:
            id_ = str(listed[0]["Id"])
        found = self._engine.container(id_)
        if found is None:
            raise EngineRefused(f"the standby of {swap.service} is gone")
        if found["State"]["Status"] != NEVER_RAN:
            return
        if self._engine.network(self._network) is None:
            self._engine.create_network(self._network, {PROJECT: self._project})
        on = set(found["NetworkSettings"].get("Networks") or ())
        if self._network not in on:
            ends = swap.networks.values()
            aliases = {one for end in ends for one in end.get("Aliases") or ()}
            end = {"Aliases": sorted(aliases)}
            self._engine.connect(id_, self._network, end)
        for other in sorted(on - {self._network}):
            self._engine.disconnect(id_, other)
        self._engine.start(id_)

    def take_away(self, id_: str) -> None:
        """Stop and remove one; fine when it is gone.

        Raises:
            EngineRefused: Docker said no.
            Unreachable: not known.
        """
        found = self._engine.container(id_)
        if found is None or self._project != _project_of(found):
            return
        if found["State"]["Running"]:
            self._engine.stop(id_, _AT_ONCE)
        self._engine.remove(id_)

    def clear(self) -> None:
        """Remove the network, once nobody is on it."""
        if self._engine.network(self._network) is not None:
            self._engine.remove_network(self._network)


def network_of(project: str) -> str:
    """Name the network of *project*'s standbys, as that of an operation."""
    digest = hashlib.sha256(f"standby/{project}".encode()).hexdigest()
    return staging_of(digest[:12])


def _project_of(container: dict[str, object]) -> str:
    config = container["Config"]
    labels = config.get("Labels") if isinstance(config, dict) else None
    return str((labels or {}).get(PROJECT, ""))
