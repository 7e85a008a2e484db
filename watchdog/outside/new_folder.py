"""A folder that is there whole or not at all; never one that was there before."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from watchdog.facts.problem import Problem


def refuse_taken(folder: Path) -> None:
    """Refuse a *folder* that holds something, or that cannot be made.

    Raises:
        Problem: it is not for us to write there.
    """
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise Problem(
            f"{folder} is there already, and is never written over",
            "name another folder with --into, or move this one away",
        )
    if folder.is_mount():
        raise Problem(
            f"{folder} is mounted, so that it cannot come to be whole at once",
            "mount the folder above it, and name a new one in there with --into",
        )
    above = folder.absolute().parent
    while not above.exists():
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise Problem(
            f"{folder} cannot be made: {above} is not for this user to write",
            "name a folder of your own with --into; in a container, say who you are: "
            '--user "$(id -u):$(id -g)"',
        )


def make(
    folder: Path,
    files: Mapping[str, str],
    checked: Callable[[Path], None],
) -> None:
    """Write *files* into a new *folder*, by their paths in it.

    They are written beside it first, where *checked* may look and raise.

    Raises:
        Problem: it could not be written; nothing of it is there.
    """
    refuse_taken(folder)
    above = folder.absolute().parent
    try:
        above.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=above))
    except OSError as error:
        raise Problem(f"cannot write {folder}: {error.strerror}") from error
    try:
        for name, text in files.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        checked(beside)
        beside.chmod(0o755)
        beside.rename(folder)
    except OSError as error:
        raise Problem(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
