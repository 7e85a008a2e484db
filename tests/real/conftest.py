"""The stage: a real stack with a real watchdog, in the sandbox."""

import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import canary
from watchdog.commands.stage import Stage

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Set a stage with ports and a project of its own; strike it afterwards."""
    with ExitStack() as after:

        def setting(layout: str = "versioned", owner: str = "0:0") -> Stage:
            with ExitStack() as held:
                found = [held.enter_context(socket.socket()) for _ in range(4)]
                for one in found:
                    one.bind(("127.0.0.1", 0))
                ports = tuple(one.getsockname()[1] for one in found)
            name = f"stage-{uuid.uuid4().hex[:8]}"
            made = Stage(tmp_path, CHECKOUT, project=name, layout=layout, ports=ports)
            after.callback(made.strike)
            made.make(owner)
            canary.plant_in(made.stack)
            after.callback(canary.all_of, made)
            return made

        yield setting
