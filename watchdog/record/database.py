"""What the journal and the outbox need of a database, and where theirs is."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from watchdog.facts.problem import JournalLost

Execute = Callable[[str, Sequence[Any]], object]
"""Runs one statement of a transaction; values stand for its question marks."""

Do = Callable[[Execute], object]
"""What a transaction executes."""


class Failed(Exception):
    """A write did not come about, or nobody knows whether it did."""


class Taken(Failed):
    """A claim was taken before: nothing was written."""


class Behind(Failed):
    """Another added an event since the journal was read: nothing was written."""


@dataclass(frozen=True, slots=True)
class Server:
    """A schema of a PostgreSQL database; *folder* is what stays on this machine.

    A leader that says nothing for as long as *lease* may be followed by another. It is
    of one *stack*, which whoever opens it must mean, too.
    """

    folder: Path
    url: str
    password_file: Path | None = None
    schema: str = "watchdog"
    lease: timedelta = timedelta(seconds=15)
    stack: str = ""


Place = Path | Server
"""Where the memory is: all of it in a folder, or most of it on a server."""


def folder_of(place: Place) -> Path:
    """Give the folder on this machine."""
    return place.folder if isinstance(place, Server) else place


class Database(Protocol):
    """Tables, spelled the same for a file and for a server. Safe from many threads."""

    def rows(self, question: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read.

        Raises:
            JournalLost: it cannot be read.
        """
        ...

    def write(self, do: Do, landed: Callable[[], bool] = lambda: False) -> None:
        """Commit what *do* executes, all or none, durable when this returns.

        *landed* tells, where it was opened anew, whether that had come about.

        Raises:
            Taken: one of the claims was taken before.
            Behind: one of the events' numbers was.
            Failed: it may or may not have come about.
        """
        ...

    def slip_in(self, events: Sequence[Sequence[Any]]) -> None:
        """Commit *events*, rows of that table, for one who does not lead.

        All or none, in one statement: whoever sleeps holds no lock meanwhile.

        Raises:
            Taken, Behind, Failed: as ``write`` does.
        """
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Let nobody add an event meanwhile; what is written in it is one commit.

        Raises:
            Failed: it may or may not have come about.
        """
        ...

    def must_be_sound(self) -> None:
        """Read all of it, as far as that finds what reading a row does not.

        Raises:
            JournalLost: it is damaged.
        """
        ...

    def must_lead(self) -> None:
        """Be sure that nobody else writes, for long enough to do one thing more.

        Raises:
            JournalLost: another leads, or it is not known.
        """
        ...

    def offer(self) -> None:
        """Let another lead who follows, or lead on where nobody does.

        Raises:
            JournalLost: another leads now, or it is not known.
        """
        ...

    def leader(self) -> str:
        """Say who leads; nothing where no other could."""
        ...

    def when_lost(self, told: Callable[[JournalLost], None]) -> None:
        """Have *told* called once another leads."""
        ...

    def identity(self) -> str:
        """Give what was drawn by lot for who writes here.

        Raises:
            JournalLost: it cannot be kept.
        """
        ...

    def close(self) -> None:
        """Let it go."""
        ...
