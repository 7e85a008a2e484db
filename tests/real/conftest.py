"""The stage: a real stack with a real watchdog, in the sandbox."""

import os
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


# Stages with a daemon and a Prometheus of their own. xdist hands each worker a part of
# the list: so each part has its share of these, none of them comes last, and few of
# them are at it at the same time.
_LONG = (
    "test_loop",
    "test_by_hand",
    "test_ready_now",
    "test_promotion_wait",
    "test_crash",
    "test_one_by_one",
    "test_compose",
    "test_adopting",
    "test_sick_containers",
    "test_swarm_daemon",
    "test_two_nodes",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the long ones over the parts; the same order in each worker."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.path.stem in _LONG]
    others = [item for item in items if item.path.stem not in _LONG]
    if workers < 2 or not long or len(items) < 100:
        return
    ordered: list[pytest.Item] = []
    left = len(items)
    for worker in range(workers):
        share = left // (workers - worker)
        mine = long[worker::workers]
        part, others = others[: share - len(mine)], others[share - len(mine) :]
        apart = 2 * len(part) // (3 * len(mine) or 1)
        for number, item in reversed(list(enumerate(mine))):
            part.insert(number * apart + worker * apart // workers, item)
        ordered += part
        left -= share
    items[:] = ordered + others
