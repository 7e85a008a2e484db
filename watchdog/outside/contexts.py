"""Where the Docker command line finds its engine: ``DOCKER_HOST``, or its context.

Source: Docker CLI, ``docker context``; a context is a file beside ``config.json``.
"""

import os

from docker.context import ContextAPI
from docker.context.config import get_current_context_name

from watchdog.facts.problem import Problem

_DEFAULT = "default"


def engine_in_use() -> str:
    """Give the URL that the command line would ask; empty: its default.

    Raises:
        Problem: the context in use cannot be read.
    """
    if host := os.environ.get("DOCKER_HOST", ""):
        return host
    name = os.environ.get("DOCKER_CONTEXT", "") or get_current_context_name()
    if name in ("", _DEFAULT):
        return ""
    try:
        found = ContextAPI.get_context(name)
        host = str(found.Host or "") if found else ""
    except Exception as error:  # the SDK raises nothing narrower
        raise Problem(f"Docker's context {name}: {error}", _HINT) from error
    if not host:
        raise Problem(f"Docker's context {name} names no engine", _HINT)
    return host


_HINT = "name the engine's socket: `--engine unix:///var/run/docker.sock`"
