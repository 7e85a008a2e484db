"""What a stack is asked, beyond its health, before a pair counts as proved.

A check only looks, and may be asked again at any time: it runs after each start of a
pair, and again while the stack is still waking up.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Asks:
    """A GET of *url* must answer *expect*, with *contains* in its body."""

    url: str
    expect: int = 200
    contains: str = ""
    timeout: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Runs:
    """*argv* in each container of *service* must exit 0 and print *contains*."""

    argv: tuple[str, ...]
    service: str
    contains: str = ""
    timeout: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Own:
    """Each container must be well by its own health check, asked now."""

    timeout: timedelta = timedelta(seconds=30)


SmokeCheck: TypeAlias = Asks | Runs | Own


def said(text: str) -> str:
    """Quote what a stack said: one line, short, nothing that could fool a terminal."""
    line = " ".join(text.split())
    safe = "".join(char if char.isprintable() else "\ufffd" for char in line)
    return safe if len(safe) <= _LONGEST else f"{safe[:_LONGEST]}…"
