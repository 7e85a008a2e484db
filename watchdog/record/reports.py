"""The newest reports, as files beside the journal that they were written from."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

NAME = "reports"
"""The folder of them, in the state folder."""
_KEPT = 200  # files
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def is_a_name(name: str) -> bool:
    """Tell whether *name* can be a file's, and leads nowhere else."""
    return bool(_PLAIN.fullmatch(name))


def keep(state: Path, name: str, texts: Mapping[str, str]) -> None:
    """Write the report *name*, one file for each ending of *texts*; old ones go.

    Each is there whole or not at all, for its owner alone.

    Raises:
        OSError: one cannot be written.
        ValueError: *name* is no name for a file.
    """
    if not is_a_name(name):
        raise ValueError(f"{name!r} is no name for a report")
    folder = state / NAME
    folder.mkdir(mode=0o700, exist_ok=True)
    for ending, text in texts.items():
        new = folder / f".{name}.{ending}.new"
        with suppress(FileNotFoundError):
            new.unlink()
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)
        new.replace(folder / f"{name}.{ending}")
    files = sorted(folder.glob("[!.]*"), key=lambda file: file.stat().st_mtime)
    for old in files[:-_KEPT]:
        old.unlink(missing_ok=True)
