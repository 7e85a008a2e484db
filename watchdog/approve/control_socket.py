"""The control door's socket: opened by the daemon, knocked at by the command line."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from watchdog.approve.reply import Reply
from watchdog.facts.problem import Problem, Unreachable

_NAME = "control.sock"
_PATIENCE = 10  # s; an order is one commit


@contextmanager
def opened(folder: Path) -> Iterator[socket.socket]:
    """Listen in *folder*, which must be ours alone; take the file away at the end.

    Raises:
        Problem: there can be no socket in that folder.
    """
    path = folder / _NAME
    with _near(folder) as near, socket.socket(socket.AF_UNIX) as bound:
        try:
            # Left by a process that was killed: we hold the folder's lock.
            path.unlink(missing_ok=True)
            # Before `bind`: the file never has another mode.
            os.fchmod(bound.fileno(), 0o600)
            bound.bind(near)
        except OSError as error:
            raise Problem(
                f"cannot listen on {path}: {error.strerror}",
                "`state` needs a local folder in which there may be a socket",
            ) from error
        try:
            yield bound
        finally:
            path.unlink(missing_ok=True)


def knock(folder: Path, kind: str, order: dict[str, Any]) -> Reply | None:
    """Hand an order to the watchdog of *folder*; None when nobody listens there.

    Raises:
        Problem: somebody listens, and did not answer.
    """
    path = folder / _NAME
    if not path.exists():
        return None
    if not os.access(path, os.W_OK):
        raise Problem(
            f"user {os.getuid()} may not open {path}",
            "run this as the watchdog's user",
        )
    try:
        with (
            _near(folder) as near,
            _somebody(near),
            httpx.Client(
                transport=httpx.HTTPTransport(uds=near), timeout=_PATIENCE
            ) as client,
        ):
            said = client.post(f"http://watchdog/v1/orders/{kind}", json=order)
            return Reply(said.status_code, said.json())
    except ConnectionRefusedError:
        return None  # left by one that was killed
    except (httpx.HTTPError, ValueError, OSError) as error:
        raise Unreachable(
            f"the watchdog at {path} did not answer: {error}",
            "whether it took the order is not known: look with `watchdog status`",
        ) from error


@contextmanager
def _somebody(near: str) -> Iterator[None]:
    """Make sure that somebody listens at *near*."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(near)
        yield


@contextmanager
def _near(folder: Path) -> Iterator[str]:
    """Name the socket by its folder's descriptor: a path has 107 bytes at most."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{held}/{_NAME}"
    finally:
        os.close(held)
