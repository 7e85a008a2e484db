"""What is worth keeping of a container before it goes: told, and never waited for."""

import json
from collections.abc import Mapping
from typing import Any

from watchdog.facts.problem import Problem
from watchdog.outside.engine import Engine

_MOST = 8 * 1024  # characters of each of the two; the last lines tell


def last_words(engine: Engine, container: Mapping[str, Any]) -> str:
    """Give the last state of *container* and what it printed last, or why not.

    Many log drivers give nothing back (``none``, ``syslog``), and some hang.
    """
    state = json.dumps(container.get("State"), sort_keys=True, default=str)
    return f"{state[:_MOST]}\n{printed(engine, str(container['Id']))}"


def printed(engine: Engine, container: str) -> str:
    """Give what *container* printed last, or why it cannot be read."""
    try:
        return engine.logs(container)[-_MOST:]
    except Problem as problem:
        return f"what it printed could not be read: {problem.words}"
