"""The DMS of `examples/swarm` on a real swarm of one node, with a watchdog beside."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.real import prometheus
from tests.real.rig import docker
from watchdog.commands.stage import IMAGE, Stage

CHECKOUT = Path(__file__).resolve().parents[2]
_SCRAPES = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: dms
    static_configs: [targets: ["{target}"]]
"""


class StageOnSwarm(Stage):
    """A stack that `docker stack deploy` puts up, by the example's own file.

    No kernel of a sandbox need have IPVS: a port of the node, and no virtual address.
    """

    def __init__(self, folder, project, manager):
        """Take ports of its own; the watchdog asks at *manager*."""
        self.manager = manager
        with ExitStack() as held:
            found = [held.enter_context(socket.socket()) for _ in range(4)]
            for one in found:
                one.bind(("127.0.0.1", 0))
            ports = tuple(one.getsockname()[1] for one in found)
        super().__init__(folder, CHECKOUT, project=project, ports=ports)

    def settings(self, **changes):
        """Write the settings of a watchdog that speaks to this manager."""
        stack = {
            "project": self.project,
            "services": ["dms"],
            "directory": str(self.stack),
            "health": f"{self.dms}/health",
            "version": f"{self.dms}/version",
        }
        whole = {"executor": "swarm", "stack": stack, "readiness_every": "2s"}
        whole["engine"] = {"url": self.manager}
        super().settings(**whole | changes)

    def deploy(self, version, *, wait=True):
        """Deploy as the pipeline does."""
        file = self.stack / "dms.yaml"
        file.write_text((CHECKOUT / "examples/swarm/dms.yaml").read_text())
        env = {
            **os.environ,
            "STACK": self.project,
            "DMS_VERSION": version,
            "DMS_IMAGE": IMAGE,
            "DMS_PORT": str(self._ports[0]),
            "DMS_PORT_MODE": "host",
            "DMS_ENDPOINTS": "dnsrr",
            "DMS_REPLICAS": "1",
            "DMS_ORDER": "stop-first",
        }
        docker("stack", "deploy", "-c", str(file), self.project, env=env)
        if wait:
            self.serves(version)

    def serves(self, version, patience=90):
        """Wait until *version* answers."""
        deadline = time.monotonic() + patience
        said = ""
        while version not in said:
            assert time.monotonic() < deadline, f"{version} does not answer: {said}"
            time.sleep(0.2)
            try:
                said = httpx.get(f"{self.dms}/version", timeout=5).text
            except httpx.HTTPError as error:
                said = str(error)

    @contextmanager
    def measured(self, **changes):
        """Have a Prometheus scrape the DMS, and couriers scan."""
        folder = self.folder / "prometheus"
        folder.mkdir()
        scrapes = _SCRAPES.format(target=self.dms.removeprefix("http://"))
        with (
            prometheus.running(folder, [], scrapes=scrapes) as url,
            self.scanning(100),
        ):
            self.prometheus = url
            self.settings(**changes)
            yield

    def says(self, *words, ends=0, within=0):
        """Run a command as a shell does; it ends with *ends*. Give what it printed.

        It is asked again for *within* s: a busy machine may be late to answer.
        """
        command = [sys.executable, "-m", "watchdog", *words]
        env = {**os.environ, "WATCHDOG_CONFIG": str(self.config / "watchdog.yaml")}
        deadline = time.monotonic() + within
        while True:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env=env
            )
            said = done.stdout + done.stderr
            if done.returncode == ends:
                return said
            late = time.monotonic() > deadline
            assert not late, f"{words} ended with {done.returncode}: {said}"
            time.sleep(1)

    def told(self):
        """Give (image's tag, manifest's config) of the service, as it is told."""
        said = docker("service", "inspect", f"{self.project}_dms")
        made = json.loads(said)[0]["Spec"]["TaskTemplate"]["ContainerSpec"]
        tag = made["Image"].partition("@")[0].rpartition(":")[2]
        names = [one["ConfigName"] for one in made["Configs"]]
        (manifest,) = (name for name in names if "_manifest_" in name)
        return tag, manifest.rpartition("_")[2]

    def ours(self):
        """Name what a watchdog made on the swarm: services and configs."""
        labels = ("project", "claims")
        return [
            name
            for kind in ("service", "config")
            for label in labels
            for name in docker(
                *(kind, "ls", "--format", "{{.Name}}", "--filter"),
                f"label=io.flexli.watchdog.{label}={self.project}",
            ).split()
        ]

    def strike(self):
        """End what was started here, and remove what was made."""
        self.compose = lambda *_: ""
        docker("stack", "rm", self.project, check=False)
        super().strike()
        for name in self.ours():
            docker("service", "rm", name, check=False)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            left = docker("config", "ls", "--format", "{{.Name}}").split()
            mine = [name for name in left if name.startswith(self.project)]
            for name in mine:
                docker("config", "rm", name, check=False)
            if not mine:
                break
            time.sleep(0.5)
