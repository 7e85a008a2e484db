"""A fleet of the real DMS whose health, version and smoke checks are asked."""

import json
from dataclasses import replace

from tests.real.rig import docker
from tests.real.test_operator import Fleet
from watchdog.observe.health import ask_stack

OLD, BAD = "v1.2.0", "v1.3.0"


class Asked(Fleet):
    """Services of the DMS, each proved by what its first one answers over HTTP."""

    def __init__(self, folder, layout="versioned", services=("dms",)):
        super().__init__(folder, layout, services)
        self.version_at = ""

        def ask(meant):
            at = self.address()
            version = self.version_at or f"{at}/version"
            return ask_stack(f"{at}/health", version, meant)

        self.ask_stack = ask

    def address(self, service=""):
        """Give where *service*, or the first one, answers inside this machine."""
        service = service or self.services[0]
        wanted = ["project", self.project, "service", service]
        label = [
            f"--filter=label=com.docker.compose.{key}={value}"
            for key, value in zip(wanted[::2], wanted[1::2], strict=True)
        ]
        (id_, *_) = [*docker("ps", "-q", *label).split(), "none"]
        if id_ == "none":
            return "http://127.0.0.1:9"
        found = json.loads(docker("inspect", id_))[0]["NetworkSettings"]["Networks"]
        return f"http://{next(iter(found.values()))['IPAddress'] or '127.0.0.1:9'}:5269"

    def checks(self, *checks, **more):
        """Have these smoke checks in the settings."""
        self.rules = replace(self.rules, smoke=checks, **more)

    def fail(self, version=OLD, **faults):
        """Let *version* misbehave from its next start, or at once."""
        path = self.folder / "data/faults.json"
        path.write_text(json.dumps({version: faults}))

    def ready_to_go_back(self):
        """Have run the old pair, run the bad one; give the old one's record."""
        self.deploy(OLD)
        target = self.record()
        self.deploy(BAD)
        return target

    def serves(self):
        """Give what the first service says its version is."""
        (_, version) = self.ask_stack("?")
        return version.words.partition(" says ")[2].partition(",")[0]

    def left_aside(self):
        """Name the containers that a rollback left beside the stack's own."""
        label = f"--filter=label=com.docker.compose.project={self.project}"
        names = docker("ps", "-a", "--format={{.Names}}", label).split()
        return sorted(name for name in names if ".rb-" in name)
