"""A warm swap on the engine: booted where it reaches nobody, then given a place."""

from collections.abc import Mapping, Sequence
from typing import Any

from watchdog.decide.meanwhile import NEVER_RAN
from watchdog.decide.successor import OP
from watchdog.facts.plan import Plan, Swap, staging_of
from watchdog.outside.engine import Engine

_Container = Mapping[str, Any]
_Ends = Mapping[str, Mapping[str, Any]]
_Givers = Sequence[_Container | None]


class Staging:
    """Looks where containers of an operation are, and moves them.

    Nothing is remembered: whatever was cut off goes on from where it is seen.
    """

    def __init__(self, engine: Engine) -> None:
        """*engine* is the one that acts."""
        self._engine = engine

    def staged(self, plan: Plan, made: _Container) -> str:
        """Tell whether *made* is where it reaches nobody, or was started since."""
        if made["State"]["Status"] != NEVER_RAN:
            return f"{_short(made)} was started"
        name = staging_of(plan.op)
        return f"{_short(made)} is on {name} alone" if _on(made) == {name} else ""

    def stage(self, plan: Plan, swap: Swap, made: _Container) -> None:
        """Take *made*, which never ran, off its networks, onto the operation's own.

        It has its aliases there: the services of one operation find each other.
        """
        name, on = staging_of(plan.op), _on(made)
        if self._engine.network(name) is None:
            self._engine.create_network(name, {OP: plan.op})
        if name not in on:
            ends = swap.networks.values()
            aliases = {one for end in ends for one in end.get("Aliases") or ()}
            self._engine.connect(made["Id"], name, {"Aliases": sorted(aliases)})
        for other in sorted(on - {name}):
            self._engine.disconnect(made["Id"], other)

    def handed_over(self, givers: _Givers, taker: _Container, ends: _Ends) -> str:
        """Tell whether *taker* has all of *ends*, and *givers* reach nobody."""
        seen = taker["NetworkSettings"].get("Networks") or {}
        left = [one for giver in givers for one in _others(giver)]
        if not has(taker, ends) or _beside(taker) or left:
            return ""
        where = (f"{seen[end].get('IPAddress') or 'on it'} on {end}" for end in ends)
        return f"{_short(taker)} is {', '.join(where)}"

    def hand_over(self, givers: _Givers, taker: _Container, ends: _Ends) -> None:
        """Take *givers* off their networks, then put *taker* on them.

        In this order the engine gives the address that became free, and no two ever
        have one. Nothing else is done in between: that is the whole gap.
        """
        for giver in givers:
            for one in _others(giver):
                self._engine.disconnect(str((giver or {})["Id"]), one)
        for one, end in ends.items():
            if one not in _on(taker):
                self._engine.connect(taker["Id"], one, end)
        for one in _beside(taker):
            self._engine.disconnect(taker["Id"], one)

    def unstaged(self, name: str) -> str:
        """Tell whether the operation's network is gone."""
        return "" if self._engine.network(name) else "there is none"

    def unstage(self, name: str) -> None:
        """Remove the operation's network."""
        self._engine.remove_network(name)


def has(container: _Container, ends: _Ends) -> bool:
    """Tell whether *container* has all of *ends*."""
    return set(ends) <= _on(container)


def reaches_nobody(container: _Container) -> bool:
    """Tell whether *container* is on no network but those of ours."""
    return not _others(container)


def _on(container: _Container) -> set[str]:
    return set(container["NetworkSettings"].get("Networks") or ())


def _beside(container: _Container) -> list[str]:
    """Name the networks of *container* on which nobody is reached."""
    return sorted(one for one in _on(container) if one.startswith(staging_of("")))


def _others(container: _Container | None) -> list[str]:
    """Name the other networks of *container*, the one with its ports first."""
    if container is None:
        return []
    mode = str(container["HostConfig"].get("NetworkMode") or "")
    return sorted(
        _on(container) - {*_beside(container)}, key=lambda one: (one != mode, one)
    )


def _short(container: _Container) -> str:
    return str(container["Id"])[:12]
