"""An engine of the campaign's own, which may be restarted, killed and made to forget.

Debian and root only: it lives in a network namespace beside the sandbox's, since two
engines in one wipe each other's firewall rules.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import docker

from tests.crash.ground import BAD, IMAGE, OLD

_PATIENCE = 60


class OwnEngine:
    """A dockerd with its data in *folder*; every process of it is ours to kill."""

    def __init__(self, folder, *, live_restore=False):
        self.folder = folder
        self.name = f"crash{os.getpid()}"
        self.volatile = Path(f"/run/{self.name}")
        self.url = f"unix://{self.volatile}/docker.sock"
        self.inside = ["nsenter", f"--net=/run/netns/{self.name}", "--"]
        self._more = ["--live-restore"] if live_restore else []
        self._dockerd = None
        self.kept = []

    def up(self, images_from):
        """Start it for the first time, with the DMS's images of another engine."""
        run = subprocess.run
        run(["ip", "netns", "add", self.name], check=True)
        run([*self.inside, "ip", "link", "set", "lo", "up"], check=True)
        self.start()
        refs = [f"{IMAGE}:{version}" for version in (OLD, BAD)]
        with subprocess.Popen(
            ["docker", "-H", images_from, "save", *refs], stdout=subprocess.PIPE
        ) as save:
            load = ["docker", "-H", self.url, "load", "-q"]
            run(load, stdin=save.stdout, check=True, capture_output=True)
        return self

    def start(self):
        """Start the daemon, and wait until it answers."""
        self.volatile.mkdir(exist_ok=True)
        # A pid file of a containerd that is not reaped yet makes it wait 15 s.
        for left in ("exec/containerd/containerd.pid", "dockerd.pid"):
            (self.volatile / left).unlink(missing_ok=True)
        command = [*self.inside, "dockerd", "--data-root", str(self.folder / "data")]
        command += ["--exec-root", str(self.volatile / "exec"), "--host", self.url]
        command += ["--pidfile", str(self.volatile / "dockerd.pid")]
        command += ["--storage-driver", "overlay2", "--shutdown-timeout", "3"]
        command += ["--default-address-pool", "base=172.28.0.0/14,size=24"]
        with (self.folder / "engine.log").open("ab") as out:
            self._dockerd = subprocess.Popen(
                [*command, *self._more], stdout=out, stderr=out
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            assert self._dockerd.poll() is None, (
                self.folder / "engine.log"
            ).read_text()
            assert time.monotonic() < deadline, "the engine does not start"
            time.sleep(0.05)

    def _answers(self):
        try:
            client = docker.APIClient(base_url=self.url, version="auto", timeout=5)
        except docker.errors.DockerException:
            return False
        client.close()
        return True

    def stop(self):
        """Stop the daemon as an init system does."""
        self._dockerd.terminate()
        self._dockerd.wait(_PATIENCE)

    def kill(self):
        """Let the daemon crash; what it started may live on."""
        self._dockerd.kill()
        self._dockerd.wait(_PATIENCE)
        self._gone([pid for pid in self._ours() if "shim" not in _command(pid)])

    def tell(self, number):
        """Send the daemon a signal, such as SIGSTOP; what it started is not told."""
        self._dockerd.send_signal(number)

    def cut(self):
        """Let everything of it die at once, as when the machine's power is cut."""
        every = {self._dockerd.pid, *self._ours()}
        grown = True
        while grown:
            more = {pid for pid, parent in _parents().items() if parent in every}
            grown = not more <= every
            every |= more
        self._dockerd.kill()
        for pid in every:
            _kill(pid)
        self._dockerd.wait(_PATIENCE)
        self._gone(every)
        shutil.rmtree(self.volatile / "exec", ignore_errors=True)
        self._unmount()

    def _unmount(self):
        data = str(self.folder / "data")
        lines = Path("/proc/mounts").read_text().splitlines()
        places = [line.split()[1] for line in lines]
        for place in sorted(places, reverse=True):
            if place.startswith((data, f"{self.volatile}/")):
                subprocess.run(["umount", "-l", place], check=False)

    def _ours(self):
        """Find the daemons by their command line: each names our folder."""
        return [pid for pid in _parents() if f"{self.volatile}/" in _command(pid)]

    def _gone(self, pids):
        deadline = time.monotonic() + _PATIENCE
        while any(_command(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.02)

    def down(self):
        """End it, and remove all of it."""
        if self._dockerd is not None:
            self.cut()
        subprocess.run(["ip", "netns", "del", self.name], check=False)
        shutil.rmtree(self.volatile, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    # what it knows, and may forget

    def note(self):
        """Keep what it has on the disk now of its containers."""
        place = self.folder / f"kept-{len(self.kept)}"
        for part in self._parts():
            _copy(self.folder / "data" / part, place / part)
        self.kept.append(place)

    def forget(self, writes):
        """Bring back what was there *writes* notes ago; it must not run meanwhile."""
        place = self.kept[-min(writes, len(self.kept))]
        for part in ("containers", "image/overlay2/layerdb/mounts"):
            shutil.rmtree(self.folder / "data" / part)
        for part in sorted(path.relative_to(place) for path in _leaves(place)):
            here = self.folder / "data" / part
            if not here.exists():
                _copy(place / part, here)

    def notes_done(self):
        """Forget the notes themselves."""
        for place in self.kept:
            shutil.rmtree(place, ignore_errors=True)
        self.kept = []

    def _parts(self):
        """Name what a container is on the disk: its settings, its layer, its diff."""
        data = self.folder / "data"
        mounts = data / "image/overlay2/layerdb/mounts"
        yield from (path.relative_to(data) for path in data.glob("containers/*"))
        for mount in mounts.iterdir():
            yield mount.relative_to(data)
            for what in ("mount-id", "init-id"):
                layer = (mount / what).read_text()
                yield Path("overlay2") / layer
                link = data / "overlay2" / layer / "link"
                if link.is_file():
                    yield Path("overlay2/l") / link.read_text()


def _leaves(place):
    for pattern in (
        "containers/*",
        "image/overlay2/layerdb/mounts/*",
        "overlay2/*",
        "overlay2/l/*",
    ):
        yield from (path for path in place.glob(pattern) if path.name != "l")


def _copy(source, target):
    if not (source.exists() or source.is_symlink()):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # cp knows devices, sockets and whiteouts; what is removed under it is forgotten.
    subprocess.run(
        ["cp", "-a", "-x", str(source), str(target)], check=False, capture_output=True
    )


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _parents():
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                text = Path(f"/proc/{entry.name}/stat").read_text()
            except OSError:
                continue
            found[int(entry.name)] = int(text.rpartition(")")[2].split()[1])
    return found


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
