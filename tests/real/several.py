"""A swarm of several engines, each in a network of its own: `examples/sandbox/swarm`.

    with several(3) as swarm:
        swarm.docker(2, "node", "ls")
        swarm.kill(swarm.leader())

Docker's client speaks to any of them by its `url`. Their registry is the sandbox's.
"""

import json
import os
import shutil
import subprocess
import tarfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.real.rig import docker

REGISTRY = os.environ.get("SANDBOX_REGISTRY", "127.0.0.1:5055")
SCRIPT = Path(__file__).parents[2] / "examples" / "sandbox" / "swarm"
HOME = Path(os.environ.get("SANDBOX_HOME", "/nowhere"))


class Several:
    """Nodes 1 to *nodes*, the first *managers* of them managers."""

    def __init__(self, nodes, managers=None):
        self.nodes = range(1, nodes + 1)
        self.managers = self.nodes[:managers]
        self.name = f"t{uuid.uuid4().hex[:8]}"
        self.run("up", str(nodes), str(managers or nodes))
        self.url = {node: self.run("url", str(node)).strip() for node in self.nodes}

    def run(self, *words):
        """Run the script; return what it printed."""
        known = {**os.environ, "SANDBOX_SWARM": self.name}
        done = subprocess.run(
            [SCRIPT, *words], text=True, capture_output=True, env=known, check=False
        )
        assert not done.returncode, f"swarm {' '.join(words)}: {done.stderr}"
        return done.stdout

    def docker(self, node, *words, **more):
        """Run ``docker`` *words* on *node*; return what it printed."""
        return docker("-H", self.url[node], *words, **more)

    def image(self, folder, version, command):
        """Have a small image in the registry that does *command*; return its name.

        It is well once there is /tmp/well.
        """
        path = folder / "small.tar"
        with tarfile.open(path, "w") as tar:
            tar.add(shutil.which("busybox"), "bin/busybox")
            for name in ("sh", "sleep", "touch", "grep", "test", "cat", "wget", "nc"):
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
            for name in ("tmp", "manifests"):
                place = tarfile.TarInfo(name)
                place.type, place.mode = tarfile.DIRTYPE, 0o1777
                tar.addfile(place)
        name = f"{REGISTRY}/{self.name}:{version}"
        check = "--interval=300ms --timeout=9s --retries=9 CMD test -e /tmp/well"
        lines = (
            f"ENV APP_VERSION={version}",
            f"CMD {json.dumps(['sh', '-c', command])}",
            f"HEALTHCHECK {check}",
        )
        words = [word for line in lines for word in ("-c", line)]
        docker("import", *words, str(path), name)
        docker("push", "-q", name)
        docker("rmi", name)
        return name

    # what befalls a node

    def cut(self, node):
        """Take its network cable out."""
        self.run("cut", str(node))

    def mend(self, node):
        """Put it in again."""
        self.run("mend", str(node))

    def kill(self, node):
        """Take its power away, containers and all."""
        self.run("kill", str(node))

    def start(self, node):
        """Give it power again."""
        self.run("start", str(node))

    def pause(self, node):
        """Stop its engine, and not its containers."""
        self.run("pause", str(node))

    def wake(self, node):
        """Let its engine go on."""
        self.run("wake", str(node))

    # how they are

    def seen(self, by):
        """Give each node's status and its part among the managers, as *by* sees it."""
        form = "{{.Hostname}} {{.Status}} {{.ManagerStatus}}"
        said = self.docker(by, "node", "ls", "--format", form, timeout=30)
        found = {}
        for line in said.splitlines():
            name, status, *part = line.split()
            found[int(name.removeprefix("node"))] = status, "".join(part)
        return found

    def leader(self, by=1):
        """Give the manager that leads, as *by* sees it."""
        return next(n for n, (_, part) in self.seen(by).items() if part == "Leader")

    def comes_round(self, nodes=None, patience=120):
        """Wait until *nodes*, all of them, are ready, and each manager says so."""
        wanted = set(nodes or self.nodes)
        managers = [node for node in self.managers if node in wanted]
        deadline = time.monotonic() + patience
        while True:
            try:
                seen = [self.seen(by) for by in managers]
            except (AssertionError, subprocess.TimeoutExpired) as problem:
                seen = problem
            else:
                if all(self._is_well(one, wanted) for one in seen):
                    return
            assert time.monotonic() < deadline, f"the swarm does not come round: {seen}"
            time.sleep(0.2)

    def _is_well(self, seen, wanted):
        if any(seen.get(node, ("",))[0] != "Ready" for node in wanted):
            return False
        parts = [seen[node][1] for node in self.managers if node in wanted]
        return parts.count("Leader") == 1 and set(parts) <= {"Leader", "Reachable"}

    def down(self):
        """Take all of it away."""
        self.run("down")


@contextmanager
def several(nodes, managers=None):
    """Have a swarm of so many *nodes* of its own, and take it away again."""
    if not (HOME / "mode").exists() or (HOME / "mode").read_text().strip() != "private":
        pytest.skip("several engines need the sandbox's private one")
    swarm = Several(nodes, managers)
    try:
        yield swarm
    finally:
        swarm.down()
