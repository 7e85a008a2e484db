"""File systems of their own on loop devices, whose power can be cut; and small ones.

Source: FS_IOC_SHUTDOWN of the kernel, as ``xfs_io -x -c shutdown`` calls it.
"""

import fcntl
import os
import struct
import subprocess
import time
from pathlib import Path

_SHUTDOWN = 0x8004587D  # _IOR('X', 125, u32)
_NO_LOG_FLUSH = 2  # what is not on the disk now is lost


class Disk:
    """A file system of *kind* (ext4, xfs or tmpfs), mounted at *place*."""

    def __init__(self, place, kind, size="320M"):
        self.place, self.kind, self.size = place, kind, size
        self.image = place.with_name(f"{place.name}.{kind}")
        place.mkdir(parents=True)
        if kind != "tmpfs":
            _run("truncate", "-s", size, str(self.image))
            _run(f"mkfs.{kind}", "-q", str(self.image))
        self._mount()

    def _mount(self):
        if self.kind == "tmpfs":
            how = ["-t", "tmpfs", "-o", f"size={self.size}", "none"]
        else:
            more = ",nouuid" if self.kind == "xfs" else ""
            how = ["-o", f"loop{more}", str(self.image)]
        _run("mount", *how, str(self.place))

    def sync(self):
        """Have everything on the disk that was written until now."""
        handle = os.open(self.place, os.O_RDONLY)
        os.sync()
        os.close(handle)

    def cut(self):
        """Cut its power: nothing that is not on the disk yet will ever be."""
        handle = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def back(self):
        """Mount it again; whoever held it is dead."""
        deadline = time.monotonic() + 20
        while subprocess.run(
            ["umount", str(self.place)], check=False, capture_output=True
        ).returncode:
            assert time.monotonic() < deadline, f"{self.place} is held by somebody"
            time.sleep(0.05)
        # Another mount namespace may hold the dead one: the same image would be the
        # same dead file system.
        again = self.image.with_name(f"{self.image.name}.again")
        _run("cp", "--sparse=always", str(self.image), str(again))
        again.replace(self.image)
        self._mount()

    def read_only(self, yes):
        """Let nobody write, or let them again."""
        _run("mount", "-o", f"remount,{'ro' if yes else 'rw'}", str(self.place))

    def fill(self, leave=0):
        """Leave only *leave* bytes; `empty` gives the rest back."""
        space = os.statvfs(self.place)
        with (self.place / "ballast").open("wb") as out:
            left = space.f_bavail * space.f_frsize - leave
            while left > 0:
                try:
                    left -= os.write(out.fileno(), b"\0" * min(left, 65536))
                except OSError:
                    return

    def empty(self):
        """Give back what `fill` took."""
        (self.place / "ballast").unlink(missing_ok=True)

    def strike(self):
        """Unmount it and remove it."""
        subprocess.run(["umount", "-l", str(self.place)], check=False)
        Path(self.image).unlink(missing_ok=True)


def _run(*words):
    subprocess.run(words, check=True, capture_output=True)
