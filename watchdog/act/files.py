"""The one door for writing files of the stack: the env file, a shared manifest.

Every write is temp in the same folder, fsync, rename, fsync of the folder: without
the last, a power cut can bring the old file back after the journal says done.
"""

import contextlib
import os
import secrets
import stat

from watchdog.facts.problem import Problem
from watchdog.stack_folder import StackFolder

_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# Made by us or not at all: who can write to the folder may have put a pipe, a link
# or a folder at any name that can be guessed.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def put(files: StackFolder, path: str, data: bytes) -> None:
    """Replace the file at *path* by *data*, whole or not at all.

    It keeps its mode, its owner as far as we may, and what else is written on it.
    """
    try:
        with files.opened(path) as (folder, name):
            _put(folder, name, data)
    except OSError as error:
        raise Problem(
            f"could not write {files.root / path}: {error.strerror}",
            "the watchdog's user needs to write the stack's folder (not only the file)",
        ) from error


def _put(folder: int, name: str, data: bytes) -> None:
    handle, new = _fresh(folder, f".{name}.rb-new")
    try:
        try:
            _alike(folder, name, handle)
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=folder)
        raise
    os.fsync(folder)


def _fresh(folder: int, name: str) -> tuple[int, str]:
    """Make a file that was not there; what a crash left of ours goes first."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)
    with contextlib.suppress(FileExistsError):
        return os.open(name, _NEW, 0o600, dir_fd=folder), name
    name = f"{name}-{secrets.token_hex(8)}"
    return os.open(name, _NEW, 0o600, dir_fd=folder), name


def _alike(folder: int, name: str, handle: int) -> None:
    """Give the new file what the one at *name* has; else what its folder has."""
    try:
        before = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        before = os.fstat(folder)
    is_file = stat.S_ISREG(before.st_mode)
    # Only root may give a file away; to a group of theirs anybody may.
    for owner in (before.st_uid, -1):
        with contextlib.suppress(PermissionError):
            os.fchown(handle, owner, before.st_gid)
            break
    os.fchmod(handle, before.st_mode & 0o777 if is_file else 0o644)
    if not is_file:
        return
    # Access lists and labels; some only a machine's own administrator may set.
    with contextlib.suppress(OSError):
        old = os.open(name, _LOOK, dir_fd=folder)
        try:
            for attribute in os.listxattr(old):
                with contextlib.suppress(OSError):
                    os.setxattr(handle, attribute, os.getxattr(old, attribute))
        finally:
            os.close(old)
