"""What releases leave behind on a real engine: python -m bench.releases [--count 500].

So many releases are deployed by Compose one after another, each with an image of its
own, under one daemon with `retention: after 3`. An operator's `docker image prune -a`
comes by before each look at the daemon's memory and descriptors, at its holders and at
the images that are left. All of them must be flat, whatever the count.

The next image is built while the one before is watched, as a pipeline does. A release
took 8 to 60 s on two cores that were busy with other work.
"""

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.real import prometheus
from tests.real.exporter import exporting
from tests.real.rig import docker, write

SETTLED = 20  # releases, after which caches and allocators have what they take
_SOCKET = "unix:///var/run/docker.sock"
_IMAGE = """
FROM python:3.13-slim
LABEL test.releases={name} app.version={version}
CMD ["sh", "-c", "trap exit TERM INT; sleep 9999 & wait"]
"""


@dataclass(frozen=True, slots=True)
class Left:
    """What is there after so many releases; *resident* in MiB."""

    releases: int
    resident: float
    descriptors: int
    holders: int
    images: int
    journal: int

    @property
    def row(self) -> str:
        """Give it as a line of the table."""
        return (
            f"{self.releases:>8}  {self.resident:>12.1f}  {self.descriptors:>11}  "
            f"{self.holders:>7}  {self.images:>6}  {self.journal:>13}"
        )


HEAD = "releases  resident MiB  descriptors  holders  images  journal bytes"


class Site:
    """One stack in *folder*, its daemon, and what both leave."""

    def __init__(self, folder: Path, server: str, health: str) -> None:
        self.name = f"many-{uuid.uuid4().hex[:8]}"
        self.folder, self.config = folder / self.name, folder / "config"
        self.state, self.log = folder / "state", folder / "daemon.log"
        self._read, self._heard = 0, set[tuple[str, str]]()
        app = {"image": f"{self.name}:${{DMS_VERSION}}", "stop_grace_period": "1s"}
        write(self.folder, self.name, {"services": {"app": app}}, {})
        (self.config / "releases").mkdir(parents=True)
        public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        keys = [f"whpk_{base64.b64encode(public).decode()}"]
        people = {"approvers": {"asha": {"keys": keys}}}
        (self.config / "approvers.yaml").write_text(yaml.safe_dump(people))
        settings = {
            "name": self.name,
            "stack": {
                "project": self.name,
                "services": ["app"],
                "directory": str(self.folder),
                "manifests": "none",
                "health": health,
            },
            "prometheus": {"url": server, "scrape_interval": "1s"},
            "engine": {"url": os.environ.get("DOCKER_HOST", _SOCKET)},
            "releases": "releases",
            "state": str(self.state),
            "poll": "1s",
            "bake_time": "1s",
            "readiness_every": "1s",
            "retain": 3,
            "retention": "after 3",
            "listen": {"decisions": "127.0.0.1:0", "private": "127.0.0.1:0"},
            "log": {"format": "json"},
        }
        self.settings = self.config / "watchdog.yaml"
        self.settings.write_text(yaml.safe_dump(settings))

    def file(self, version: str) -> None:
        """Write the release file of *version*, whose one trigger is always clear."""
        trigger = {"alert": "Never", "value": "vector(0)", "above": 1, "for": "2s"}
        whole = {
            "release": version,
            "image": f"{self.name}:{version}",
            "dri": ["asha"],
            "triggers": [trigger | {"action": "pause-and-alert"}],
        }
        path = self.config / "releases" / f"{version}.yaml"
        path.with_suffix(".new").write_text(yaml.safe_dump(whole))
        path.with_suffix(".new").rename(path)

    def build(self, version: str) -> None:
        """Build the image of *version*; nothing else is like it."""
        text = _IMAGE.format(name=self.name, version=version)
        docker("build", "-q", "-t", f"{self.name}:{version}", "-", input=text)

    def deploy(self, version: str) -> None:
        """File *version*, pin it, and let Compose put it up."""
        self.file(version)
        (self.folder / ".env").write_text(f"DMS_VERSION={version}\n")
        env = {k: v for k, v in os.environ.items() if not k.startswith("DMS_")}
        docker("compose", "up", "-d", cwd=self.folder, env=env)

    @contextmanager
    def watched(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon until the block ends."""
        command = [sys.executable, "-m", "watchdog", "run"]
        env = os.environ | {"WATCHDOG_CONFIG": str(self.settings)}
        with self.log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, env=env)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)

    def until(self, event: str, version: str, within: float = 120) -> None:
        """Wait until the daemon logged *event* of *version*."""
        end = time.monotonic() + within
        while (event, version) not in self._heard:
            if time.monotonic() > end:
                last = self.log.read_text().splitlines()[-6:]
                raise SystemExit("\n".join([f"no {event} of {version}", *last]))
            time.sleep(0.2)
            self._hear()

    def _hear(self) -> None:
        """Read the whole lines that the log has since the last look."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            data = log.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode().splitlines():
            said = json.loads(line) if line.startswith("{") else {}
            version = said.get("version") or str(said.get("words", "")).split(" ")[0]
            self._heard.add((str(said.get("event")), version))

    def prune(self) -> None:
        """Clean up as an operator does; only what was built here."""
        label = f"label=test.releases={self.name}"
        docker("image", "prune", "-a", "-f", "--filter", label)

    def left(self, releases: int, process: subprocess.Popen[bytes]) -> Left:
        """Look at what is there, between two turns where that makes a difference."""
        self.prune()
        proc = Path(f"/proc/{process.pid}")
        looks = []
        for _ in range(20):
            looks.append(len(list((proc / "fd").iterdir())))
            time.sleep(0.05)
        resident = re.search(r"VmRSS:\s+(\d+)", (proc / "status").read_text())
        assert resident is not None
        return Left(
            releases,
            int(resident[1]) / 1024,
            min(looks),
            len(self.holders()),
            len({*self._images()}),
            (self.state / "journal.db").stat().st_size,
        )

    def holders(self) -> list[str]:
        """Name the containers of ours that hold images."""
        label = f"label=io.flexli.watchdog.project={self.name}"
        return docker("ps", "-aq", "--filter", label).split()

    def _images(self) -> list[str]:
        label = f"label=test.releases={self.name}"
        return docker("images", "-q", "--no-trunc", "--filter", label).split()

    def strike(self) -> None:
        """Remove all that was made here."""
        docker("compose", "down", "-t", "1", check=False, cwd=self.folder)
        claims = f"label=io.flexli.watchdog.claims={self.name}"
        other = docker("ps", "-aq", "--filter", claims).split()
        for one in [*self.holders(), *other]:
            docker("rm", "-f", one, check=False)
        for image in {*self._images()}:
            docker("rmi", "-f", image, check=False)


def _version(number: int) -> str:
    return f"v{1 + number // 100}.{number % 100}.0"


def deployed(
    count: int, apart: int = 10, say: Callable[[str], None] = print
) -> list[Left]:
    """Deploy *count* releases, and look every *apart* of them."""
    rows: list[Left] = []
    with tempfile.TemporaryDirectory(prefix="releases-") as temp:
        folder = Path(temp)
        past = [prometheus.line("nothing", {}, 1, 1)]
        fine = exporting(lambda: "fine")
        with prometheus.running(folder, past) as server, fine as health:
            site = Site(folder, server, f"http://{health}/health")
            try:
                with site.watched() as process, ThreadPoolExecutor(1) as builder:
                    say(HEAD)
                    built = builder.submit(site.build, _version(1))
                    for number in range(1, count + 1):
                        built.result()
                        site.deploy(_version(number))
                        ahead = _version(number + 1)
                        # An operator who prunes takes away what is only built.
                        looked_at = number % apart == 0 or number == count
                        if not looked_at:
                            built = builder.submit(site.build, ahead)
                        site.until("decide.pair_known_good", _version(number))
                        site.until("act.image_held", _version(number))
                        if looked_at:
                            rows.append(site.left(number, process))
                            say(rows[-1].row)
                            built = builder.submit(site.build, ahead)
            finally:
                site.strike()
    return rows


def main() -> None:
    """Say what is left, as a table."""
    parse = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parse.add_argument("--count", type=int, default=500)
    parse.add_argument("--apart", type=int, default=10)
    given = parse.parse_args()
    deployed(given.count, given.apart, lambda row: print(row, flush=True))


if __name__ == "__main__":
    main()
