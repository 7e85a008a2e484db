"""Which watchdog this is: drawn by lot once, and kept in its state folder."""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from watchdog.facts.problem import JournalLost

_NAME = "watchdog.id"
_DRAWN = re.compile(r"[0-9a-f]{12}")


def identity(folder: Path) -> str:
    """Give the identity of the watchdog whose state is in *folder*; drawn if new.

    Only who holds the journal's lock may ask. What a crash left half written is drawn
    again: nothing was called by it yet.

    Raises:
        JournalLost: it can be neither read nor written.
    """
    path = folder / _NAME
    try:
        found = path.read_text("ascii", "replace").strip() if path.exists() else ""
        if _DRAWN.fullmatch(found):
            return found
        drawn = secrets.token_hex(6)
        new = path.with_name(f"{_NAME}.new")
        with suppress(FileNotFoundError):
            new.unlink()
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, f"{drawn}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        new.replace(path)
        above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(above)
        finally:
            os.close(above)
    except OSError as error:
        raise JournalLost(
            f"the watchdog's identity {path} cannot be kept: {error.strerror}",
            "`state` needs a folder that the watchdog's user may write",
        ) from error
    return drawn
