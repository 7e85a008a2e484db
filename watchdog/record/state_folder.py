"""The state folder: held by one watchdog, and what in it knows of a journal."""

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

from watchdog.facts.problem import Held, JournalLost
from watchdog.record import kept, left
from watchdog.record.opening import NAME

# Says that a journal was here, and how far it went: a missing file and a new one look
# alike otherwise, and so do an old copy and the journal.
_SENTINEL = "journal.id"
# What was told of it lies beside it, and outlives an older copy of it.
_TOLD = "outbox.db"
_UPTO = "SELECT max(seq) FROM told"
_REACHED = re.compile(r"[0-9]{18}\n")


class StateFolder:
    """Where a journal is, with what outlives it there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = -1

    def let_go(self) -> None:
        """Let another one hold it."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def hold(self) -> None:
        """Make the folder, and keep every other watchdog out of it.

        Raises:
            JournalLost: it cannot be written, or another watchdog holds it.
        """
        try:
            above = (self.path, *self.path.parents)
            new = [folder for folder in above if not folder.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            for folder in new:
                _settle(folder.parent)
            self._held = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.access(self.path, os.W_OK):
                raise PermissionError(0, f"user {os.getuid()} may not write there")
        except BlockingIOError as error:
            self.let_go()
            raise Held(
                f"another watchdog holds the journal in {self.path}",
                "one watchdog per engine: stop the other one",
            ) from error
        except OSError as error:
            self.let_go()
            raise JournalLost(
                f"the state folder {self.path} cannot be used: {error.strerror}",
                "`state` needs a folder that the watchdog's user may write",
            ) from error

    def be_known(self, *paths: Path, moved: bool = True) -> None:
        """Note that there is a journal, here at *paths*, which are its owner's alone.

        Without *paths* it is elsewhere; *moved* tells whether what is here, if it is,
        was copied there.

        Raises:
            JournalLost: that cannot be noted, or there are two.
        """
        if not moved and (self.path / NAME).exists():
            raise JournalLost(
                f"{self.path} has a journal, and the database has none yet",
                f"`watchdog move` copies it; or move {NAME} and {_SENTINEL} aside",
            )
        sentinel = self.path / _SENTINEL
        try:
            new = not sentinel.exists()
            os.close(os.open(sentinel, os.O_WRONLY | os.O_CREAT, 0o600))
            for file in (*paths, sentinel):  # those of earlier builds: for all to read
                file.chmod(0o600)
            if new:
                _settle(self.path)
        except OSError as error:
            raise JournalLost(
                f"{sentinel} cannot be kept: {error.strerror}",
                "`state` needs a folder that the watchdog's user may write",
            ) from error

    def must_have(self, path: Path, *, read_only: bool) -> None:
        """Refuse to begin anew where there was a journal, and to read where none is."""
        there = path.exists() and path.stat().st_size > 0
        known = {} if there else self._known_beside()
        if known:
            raise JournalLost(
                f"the journal {path} is gone, though there was one "
                f"({', '.join(known)})",
                "restore it from a backup; or, to begin anew, move "
                f"{' and '.join(known)} aside, knowing that all standing and every "
                "known-good pair is forgotten",
            )
        if read_only and not path.exists():
            raise JournalLost(
                f"there is no journal in {self.path}",
                "has the watchdog run with this `state` folder yet?",
            )

    def _known_beside(self) -> dict[str, int]:
        """Give the files that know of a journal here, and up to which event."""
        sentinel, told = self.path / _SENTINEL, self.path / _TOLD
        known: dict[str, int] = {}
        if sentinel.exists():
            text = sentinel.read_text("ascii", "replace")
            known[_SENTINEL] = int(text) if _REACHED.fullmatch(text) else 0
        if told.is_file():
            upto = left.reached(told, _UPTO)
            known |= {_TOLD: upto} if upto else {}
        folded = kept.reached(self.path)
        return known | ({kept.NAME: folded} if folded else {})

    def must_end_last(self, head: int) -> None:
        """Refuse a journal that ends before the one that was here last.

        What was written to it was known to others: replayed, an answer of yesterday
        would be new to the copy of the day before.
        """
        known = self._known_beside()
        further = {name: upto for name, upto in known.items() if upto > head}
        if further:
            name, upto = max(further.items(), key=lambda one: one[1])
            raise JournalLost(
                f"the journal ends at event {head}, and had {upto} when it "
                f"was last written, as {name} says: it is an older copy",
                "put the newest copy back; or move "
                f"{' and '.join(further)} aside, knowing that all since then is "
                "forgotten, and look at what runs",
            )

    def reach(self, head: int) -> None:
        """Note how far the journal goes, once it is on the disk itself.

        Not waited for: after a power cut this may be older than the journal, which
        tells nothing, and never newer.
        """
        with suppress(OSError):
            handle = os.open(self.path / _SENTINEL, os.O_WRONLY)
            try:
                os.pwrite(handle, f"{head:018}\n".encode(), 0)
            finally:
                os.close(handle)


def _settle(folder: Path) -> None:
    """Have the names in *folder* on the disk: a power cut forgets new ones else."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
