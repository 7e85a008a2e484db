"""Files of the stack that a rollback owns: the pinned version, a shared manifest.

Every write is temp in the same folder, fsync, rename, fsync of the folder: without
the last, a power cut can bring the old file back after the journal says done.
"""

import contextlib
import os
import re
from pathlib import Path

from watchdog.facts.problem import Problem


def put(path: Path, data: bytes) -> None:
    """Replace *path* by *data*, whole or not at all, keeping its mode and owner."""
    new = path.with_name(f".{path.name}.rb-new")
    try:
        before = path.stat() if path.exists() else path.parent.stat()
        mode = before.st_mode & 0o777 if path.exists() else 0o644
        handle = os.open(
            new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode
        )
        try:
            os.fchmod(handle, mode)
            # Only root may give a file away; as anybody else it is ours already.
            with contextlib.suppress(PermissionError):
                os.fchown(handle, before.st_uid, before.st_gid)
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        raise Problem(
            f"could not write {path}: {error.strerror}",
            "the watchdog's user needs to write the stack's folder (not only the file)",
        ) from error


def with_variable(text: str, name: str, value: str) -> str:
    """Set ``NAME=value`` in an env file's text, leaving every other line alone.

    The last assignment is the one that Compose reads, so all of them are set. An
    empty *value* takes the variable out.
    """
    line = re.compile(rf"^(\s*(?:export\s+)?{re.escape(name)}\s*=).*$")
    lines = text.splitlines()
    found = False
    kept: list[str] = []
    for before in lines:
        match = line.match(before)
        if match is None:
            kept.append(before)
        elif value:
            kept.append(f"{match[1]}{value}")
        found = found or match is not None
    if value and not found:
        kept.append(f"{name}={value}")
    return "\n".join(kept) + "\n" if kept else ""


def variable_in(text: str, name: str) -> str:
    """Read ``NAME`` from an env file's text, as Compose would; empty without it."""
    line = re.compile(rf"^\s*(?:export\s+)?{re.escape(name)}\s*=\s*(.*?)\s*$")
    found = [m[1] for m in map(line.match, text.splitlines()) if m]
    return found[-1].strip("'\"") if found else ""
