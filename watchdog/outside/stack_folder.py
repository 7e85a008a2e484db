"""The stack's folder: what is read there is opened once, and is what it seems."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from watchdog.facts.env_file import EnvFile
from watchdog.facts.problem import Altered, Problem

_MOST = 1024 * 1024  # bytes; a manifest is some kilobytes, and is held in memory
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK a pipe that took the file's place meanwhile would hold us.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PLAIN = "put a plain file of its own there, whose bytes nothing else can change"
_AT_ONCE = 10**9  # ns; one call changes both
_LOOKS = 3  # at a file that somebody writes at this moment


@dataclass(frozen=True, slots=True)
class Seen:
    """A file's bytes, and when it last changed in any way, in ns since 1970.

    That is by the clock of the machine that has the disk.
    """

    data: bytes
    changed: int


class StackFolder:
    """Reads files below *root*, which may itself be reached over links.

    Paths are relative to it. On the way no link is followed: what is read lies
    where its path says, whoever moves folders about meanwhile.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        """Give the bytes of the plain file at *path*; None when there is none.

        Raises:
            Altered: it is something else than a small plain file of its own.
            Problem: it could not be read.
        """
        seen = self.look(path)
        return None if seen is None else seen.data

    def look(self, path: str) -> Seen | None:
        """Give what ``read`` gives, and when it changed; None when there is none."""
        try:
            for _ in range(_LOOKS):
                with self.opened(path) as (folder, name):
                    _plain(os.stat(name, dir_fd=folder, follow_symlinks=False), path)
                    handle = os.open(name, _FILE, dir_fd=folder)
                    try:
                        seen = _whole(handle, path)
                    finally:
                        os.close(handle)
                if seen is not None:
                    return seen
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unread(path, error) from error
        raise Altered(
            f"{path} changed while it was read",
            "let nothing write there; replace a file whole, by a rename",
        )

    def moved(self, path: str) -> int:
        """Tell when a folder on the way to *path* was put in its place, in ns.

        A rename leaves the folder's own change time, and at the same time the other
        one's it lies in. 0 where that is not so, or not to be seen any more.
        """
        found, above = 0, self.root
        try:
            for part in _parts(path)[:-1]:
                outer, inner = above.stat(), (above / part).lstat()
                renamed = inner.st_ctime_ns > inner.st_mtime_ns
                at_once = abs(outer.st_mtime_ns - inner.st_ctime_ns) < _AT_ONCE
                found = max(found, inner.st_ctime_ns) if renamed and at_once else found
                above /= part
        except OSError:
            return 0  # said by who reads it
        return found

    def names(self, folder: str) -> tuple[str, ...]:
        """Name what is in *folder*; nothing when there is none."""
        try:
            with self.opened(f"{folder}/any") as (handle, _):
                return tuple(one.name for one in os.scandir(handle))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _unread(folder, error) from error

    def sha_of(self, path: str) -> str:
        """Give the sha256 in hex of what ``read`` gives; empty when there is none."""
        data = self.read(path)
        return "" if data is None else hashlib.sha256(data).hexdigest()

    @contextmanager
    def opened(self, path: str) -> Iterator[tuple[int, str]]:
        """Open the folder that *path* is in; give it with the name in there."""
        *parents, name = _parts(path)
        folder = os.open(self.root, _FOLDER)
        try:
            for part in parents:
                inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder, name
        finally:
            os.close(folder)


class StackEnv:
    """The stack's env file, called *name* in *folder*; it may be a link.

    What counts is the file behind the link: that is read, and that is changed.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name
        self._name = name

    def place(self) -> tuple[StackFolder, str] | None:
        """Say where the file really is; None where there is none.

        Raises:
            Altered: it is a link to what is not there for us.
            Problem: it could not be looked at.
        """
        try:
            os.lstat(self._path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unread(self._name, error) from error
        try:
            real = Path(os.path.realpath(self._path, strict=True))
        except OSError as error:
            raise Altered(
                f"{self._name} is a link that leads nowhere for the watchdog "
                f"({error.strerror})",
                "mount what is behind it into the watchdog's container at the same "
                "path, or set stack.env_file to a plain file",
            ) from error
        return StackFolder(real.parent), real.name

    def read(self) -> EnvFile:
        """Read it; one that is not there says nothing.

        Raises:
            Altered: it is something else than a small plain file.
            Problem: it could not be read, by us or by Compose.
        """
        place = self.place()
        if place is None:
            return EnvFile.read(b"", self._name)
        files, name = place
        data = files.read(name)
        return EnvFile.read(data or b"", self._name)


def _unread(path: str, error: OSError) -> Problem:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return Altered(
            f"{path} is reached over a link or a file",
            "make every folder on the way a real one, or name the real path",
        )
    return Problem(
        f"could not read {path}: {error.strerror}",
        "the watchdog's user needs to read the stack's folder",
    )


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        raw = b"\0"  # no file can be called so
    if b"\0" in raw or {"", "."} & set(parts[-1:]) or path.startswith("/"):
        raise Altered(f"{path!r} is not a path in the stack's folder", _PLAIN)
    if ".." in parts:
        raise Altered(f"{path!r} leads out of the stack's folder", _PLAIN)
    return [part for part in parts if part not in ("", ".")]


def _plain(seen: os.stat_result, path: str) -> None:
    for is_kind, what in _KINDS:
        if is_kind(seen.st_mode):
            raise Altered(f"{path} is {what}, meant a plain file", _PLAIN)
    if seen.st_nlink > 1:
        raise Altered(f"{path} has {seen.st_nlink} names, meant one", _PLAIN)
    if seen.st_size > _MOST:
        raise Altered(f"{path} has {seen.st_size} bytes, meant at most {_MOST}", _PLAIN)


def _whole(handle: int, path: str) -> Seen | None:
    """Read it to its end; None when somebody wrote there meanwhile."""
    before = os.fstat(handle)
    _plain(before, path)
    data = bytearray()
    # One byte more than allowed: it may grow while it is read.
    while more := os.read(handle, _MOST + 1 - len(data)):
        data += more
    after = os.fstat(handle)
    _plain(after, path)
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not same or len(data) != after.st_size:
        return None
    return Seen(bytes(data), after.st_ctime_ns)
