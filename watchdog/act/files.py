"""The one door for writing files of the stack: the env file, a shared manifest.

Every write is temp in the same folder, fsync, rename, fsync of the folder: without
the last, a power cut can bring the old file back after the journal says done. Only a
way back may do with less, where the disk is full and the service would stay down.
"""

import contextlib
import errno
import os
import secrets
import stat

from watchdog.facts.problem import Problem
from watchdog.outside.stack_folder import StackFolder

_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# Made by us or not at all: who can write to the folder may have put a pipe, a link
# or a folder at any name that can be guessed.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def put(files: StackFolder, path: str, data: bytes, *, anyhow: bool = False) -> None:
    """Replace the file at *path* by *data*, whole or not at all.

    It keeps its mode, its owner as far as we may, and what else is written on it.
    On a full disk it is written *anyhow* into the blocks that it has, if it fits.
    """
    try:
        with files.opened(path) as (folder, name):
            try:
                _put(folder, name, data)
            except OSError as error:
                if not anyhow or error.errno not in _FULL:
                    raise
                _put_into(folder, name, data)
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


def _put_into(folder: int, name: str, data: bytes) -> None:
    """Write *data* over what *name* has: no other block is needed."""
    handle = os.open(name, os.O_WRONLY | _LOOK, dir_fd=folder)
    try:
        has = os.fstat(handle)
        if not stat.S_ISREG(has.st_mode) or len(data) > has.st_blocks * 512:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.pwrite(handle, data, 0)
        os.ftruncate(handle, len(data))
        os.fsync(handle)
    finally:
        os.close(handle)


def exchange(files: StackFolder, path: str, other: str) -> None:
    """Let *path* and *other*, in one folder, have each other's name: it needs no room.

    Cut off, *path* is one of the two, and what it was may have no name of its own.
    """
    try:
        with files.opened(path) as (folder, name):
            kept, beside = f".{name}.rb-new", other.rpartition("/")[2]
            coming = os.open(beside, _LOOK, dir_fd=folder)
            try:
                _alike(folder, name, coming)
            finally:
                os.close(coming)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(kept, dir_fd=folder)
            os.link(name, kept, src_dir_fd=folder, dst_dir_fd=folder)
            os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.rename(kept, beside, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
    except OSError as error:
        raise Problem(
            f"could not put {files.root / other} in the place of {path}: "
            f"{error.strerror}",
            "make room, and let the watchdog's user write to the stack's folder",
        ) from error


def set_aside(files: StackFolder, path: str, other: str) -> None:
    """Let what is at *path*, whatever it is, have the name of *other* beside it.

    A file stays at *path* too, until another one is put there: whoever starts
    meanwhile finds one.
    """
    try:
        with files.opened(path) as (folder, name):
            beside = other.rpartition("/")[2]
            with contextlib.suppress(FileNotFoundError):
                os.stat(beside, dir_fd=folder, follow_symlinks=False)
                beside = f"{beside}-{secrets.token_hex(4)}"
            try:
                ends = {"src_dir_fd": folder, "dst_dir_fd": folder}
                os.link(name, beside, **ends, follow_symlinks=False)
            except OSError:  # of a folder, or of what is not ours to link
                os.rename(name, beside, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
    except OSError as error:
        raise Problem(
            f"could not set {files.root / path} aside: {error.strerror}",
            "the watchdog's user needs to write the stack's folder (not only the file)",
        ) from error


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
