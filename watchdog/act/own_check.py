"""A container's own health check, run at once instead of at the engine's next interval.

Source: Docker Engine, ``HEALTHCHECK``: the engine runs it as a command in the container
too, for the first time once an interval is over.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from watchdog.act.smoke import run_in
from watchdog.facts.problem import EngineRefused
from watchdog.facts.smoke import Runs
from watchdog.outside.engine import Engine
from watchdog.turn.roles import Clock

# s; as long as it took, but no less: a check is the stack's own work, and some begin
# an interpreter, but a stack that just boots may be well at any moment.
_LEAST_APART = 0.1
_TIMEOUT = timedelta(seconds=30)  # the engine's, where none is written


class OwnChecks:
    """Asks containers by their own checks; one that failed not again at once."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """*engine* is the one that acts: to run a command is to write to it."""
        self._engine, self._clock = engine, clock
        self._not_before: dict[str, float] = {}

    def passes(self, container: str, within: timedelta) -> bool:
        """Tell whether *container* is well by its own check, asked just now.

        False when that is not known: then it is as the engine says. Raises
        Unreachable when the engine does not answer.
        """
        began = self._clock.monotonic()
        if began < self._not_before.get(container, began):
            return False
        found = self._engine.container(container)
        argv, timeout = _check_of(found["Config"]) if found else ((), _TIMEOUT)
        check = Runs(argv, "", timeout=min(timeout, within))
        try:
            if argv and not run_in(self._engine, self._clock, check, container):
                return True
        except EngineRefused:
            pass  # it ended, or a proxy lets no command through
        ended = self._clock.monotonic()
        self._not_before[container] = ended + max(ended - began, _LEAST_APART)
        return False


def _check_of(config: Mapping[str, Any]) -> tuple[tuple[str, ...], timedelta]:
    """Give the command of a container's health check, and its patience."""
    check = config.get("Healthcheck") or {}
    kind, *words = check.get("Test") or ["NONE"]
    nanoseconds = int(check.get("Timeout") or 0)
    patience = timedelta(microseconds=nanoseconds // 1000) or _TIMEOUT
    match kind:
        case "CMD":
            return tuple(words), patience
        case "CMD-SHELL":
            shell = config.get("Shell") or ["/bin/sh", "-c"]
            return (*shell, *words), patience
        case _:
            return (), patience
