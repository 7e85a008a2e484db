"""What would keep a file of the stack from being replaced, found before it is tried.

Source: proc(5), ``/proc/PID/mountinfo``; ioctl_iflags(2) for what chattr(1) sets.
"""

import fcntl
import os
import re
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from watchdog.facts.lack import Lack
from watchdog.outside.stack_folder import StackFolder

_FLAGS = 0x80086601  # FS_IOC_GETFLAGS; no file system is asked twice that has none
_FROZEN = 0x10 | 0x20  # immutable, append only
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OCTAL = re.compile(r"\\([0-7]{3})")
_MOUNTS = Path("/proc/self/mountinfo")


def hindrances(
    files: StackFolder, path: str, us: int | None = None
) -> tuple[Lack, ...]:
    """Say what keeps *us*, a user, from replacing the file at *path* by a rename.

    The file need not be there.
    """
    us = os.geteuid() if us is None else us
    return tuple(_hindrances(files.root / path, us))


def _hindrances(file: Path, us: int) -> Iterator[Lack]:
    folder = file.parent
    for place in (folder, file):
        if _is_frozen(place):
            yield Lack(f"{place} is immutable", f"`chattr -i -a {place}`")
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Lack(
            f"user {os.getuid()} may not write {folder}",
            "the watchdog's user must own it; is it mounted read-only?",
        )
        return
    if str(Path(os.path.realpath(folder)) / file.name) in _mounted():
        yield Lack(
            f"{file} is mounted by itself: such a file cannot be replaced",
            "mount the folder that it is in, and not the file alone",
        )
    try:
        there, around = file.lstat(), folder.stat()
    except OSError:
        return
    if stat.S_ISDIR(there.st_mode):
        yield Lack(f"{file} is a folder, and a file belongs there", "move it away")
    theirs = there.st_mode & 0o400 and not there.st_mode & 0o004
    if theirs and us != 0 and there.st_uid not in (0, us):
        yield Lack(
            f"{file} belongs to user {there.st_uid}, and not all may read it: once it "
            f"was replaced it belongs to user {us}",
            f"give it to a group that user {there.st_uid} is in, and `chmod g+rw` it",
            doubt=True,
        )
    if around.st_mode & stat.S_ISVTX and us not in (0, there.st_uid, around.st_uid):
        yield Lack(
            f"{file} belongs to user {there.st_uid}, and in {folder} only the owner "
            "of a file may replace it (sticky bit)",
            f"`chmod -t {folder}`, or give the file to user {us}",
        )


def _is_frozen(path: Path) -> bool:
    try:
        handle = os.open(path, _OPEN)
    except OSError:
        return False
    try:
        raw = fcntl.ioctl(handle, _FLAGS, b"\0" * 8)
    except OSError:
        return False
    finally:
        os.close(handle)
    return bool(struct.unpack("@l", raw)[0] & _FROZEN)


def _mounted() -> set[str]:
    """Give every place at which something is mounted, as we see it."""
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return set()
    places = (line.split(" ")[4] for line in lines)
    return {_OCTAL.sub(lambda m: chr(int(m[1], 8)), place) for place in places}
