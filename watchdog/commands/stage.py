"""One DMS stack with its watchdog on real parts: for the demo, and for the tests.

Everything here drives Docker, Compose and the DMS from outside, as a person would;
nothing of it runs in the daemon.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from watchdog.facts.problem import Problem

IMAGE = "127.0.0.1:5055/flexli/dms"
WATCHDOG_IMAGE = "dms-rollback-watchdog:dev"
DRI = "asha@flexli.example"
# The runbook's windows, made short enough to wait for. Scrapes are 1 s apart.
SHORT = {"5m": "20s", "10m": "20s", "15m": "15s", "2m": "10s"}


class Stage:
    """One stack with its watchdog, in a folder of its own and on ports of its own.

    *checkout* is this project's root; the engine is whatever ``docker`` finds.
    *ports* on 127.0.0.1: the DMS, Prometheus, the watchdog's two listeners.
    """

    def __init__(
        self,
        folder: Path,
        checkout: Path,
        *,
        project: str = "dms-demo",
        layout: str = "versioned",
        ports: tuple[int, int, int, int] = (5269, 9090, 8470, 8471),
    ) -> None:
        self.folder = folder
        self.stack = folder / "stack"
        self.config = folder / "config"
        self.state = folder / "state"
        self.log = folder / "watchdog.log"
        self.project = project
        self.dms, self.prometheus, self.decisions, self.private = (
            f"http://127.0.0.1:{port}" for port in ports
        )
        self.key = Ed25519PrivateKey.generate()
        self._checkout = checkout
        self._layout = layout
        self._ports = ports
        self._running: list[subprocess.Popen[bytes]] = []

    # -- the stack -------------------------------------------------------------------

    def make(self, owner: str = "10001:10001") -> None:
        """Make the stack's folder with signed manifests, and short release files."""
        if not (self._checkout / "examples/dms/make-stack").is_file():
            raise Problem(
                f"{self._checkout} is not a checkout of this project",
                "run `make demo` in one, or name it with --folder",
            )
        command = [sys.executable, str(self._checkout / "examples/dms/make-stack")]
        flags = {
            "--layout": self._layout,
            "--image": IMAGE,
            "--dms-port": self._ports[0],
            "--prometheus-port": self._ports[1],
            "--project": self.project,
            "--owner": owner,
        }
        command.append(str(self.stack))
        command += [str(part) for pair in flags.items() for part in pair]
        _run(command)
        (self.config / "releases").mkdir(parents=True)
        for version in ("v1.2.0", "v1.3.0", "v1.3.1"):
            self.file(version)
        public = base64.b64encode(self.key.public_key().public_bytes_raw()).decode()
        people = {"approvers": {DRI: {"keys": [f"whpk_{public}"]}}}
        (self.config / "approvers.yaml").write_text(yaml.safe_dump(people))
        self.settings()

    def file(self, version: str, **changes: Any) -> None:
        """Write the release file of *version*: the shipped one with short windows."""
        source = self._checkout / "config/releases/v1.3.0.yaml"
        text = source.read_text().replace("v1.3.0", version)
        whole = yaml.safe_load(text)
        whole |= {"image": f"{IMAGE}:{version}", **changes}
        whole.pop("rollback_to", None)
        for trigger in whole["triggers"]:
            for key in ("for", "window", "growing_for"):
                if key in trigger:
                    trigger[key] = SHORT.get(trigger[key], trigger[key])
        path = self.config / "releases" / f"{version}.yaml"
        path.write_text(yaml.safe_dump(whole, sort_keys=False))

    def settings(self, **changes: Any) -> None:
        """Write the settings of a watchdog that runs as a process on this stage."""
        whole: dict[str, Any] = {
            "name": f"{self.project}-stage",
            "stack": {
                "project": self.project,
                "services": ["dms"],
                "directory": str(self.stack),
                "health": f"{self.dms}/health",
                "version": f"{self.dms}/version",
            },
            "prometheus": {
                "url": self.prometheus,
                "scrape_interval": "1s",
                "timeout": "5s",
            },
            "engine": {"url": os.environ.get("DOCKER_HOST", _SOCKET)},
            "releases": "releases",
            "state": str(self.state),
            "poll": "1s",
            "bake_time": "5s",
            "blind_for": "10s",
            "listen": {
                "decisions": self.decisions.removeprefix("http://"),
                "private": self.private.removeprefix("http://"),
            },
            "log": {"format": "json"},
        }
        whole |= changes
        path = self.config / "watchdog.yaml"
        path.write_text(yaml.safe_dump(whole, sort_keys=False))

    def compose(self, *words: str) -> str:
        """Run ``docker compose`` in the stack's folder; return what it printed."""
        # The shell's own variables would outrank the stack's .env.
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("DMS_", "COMPOSE_", "PROMETHEUS_"))
        }
        return _run(["docker", "compose", *words], cwd=self.stack, env=env)

    def deploy(self, version: str, *, wait: bool = True) -> None:
        """Deploy as the pipeline does: pin the version, and let Compose do it."""
        env = self.stack / ".env"
        lines = [
            f"DMS_VERSION={version}" if line.startswith("DMS_VERSION=") else line
            for line in env.read_text().splitlines()
        ]
        env.write_text("\n".join(lines) + "\n")
        if self._layout == "shared-file":
            manifests = self.stack / "manifests"
            source = manifests / f"meesho.{version}.manifest.json"
            active = manifests / "meesho.manifest.json"
            self.compose("stop", "dms")
            active.write_bytes(source.read_bytes())
        self.compose("up", "-d", "--no-build", *(["--wait"] if wait else []))

    def misbehave(self, **faults: Any) -> None:
        """Tell the running DMS to misbehave."""
        where = f"{self.dms}/faults"
        httpx.post(where, json=faults, timeout=5, trust_env=False).raise_for_status()

    def starts(self) -> list[dict[str, Any]]:
        """Read the DMS's own log of its starts: which image met which manifest."""
        path = self.stack / "data/starts.jsonl"
        lines = path.read_text().splitlines() if path.is_file() else []
        return [json.loads(line) for line in lines]

    def containers(self) -> list[str]:
        """Name every container of the project, in any state."""
        label = f"label=com.docker.compose.project={self.project}"
        command = ["docker", "ps", "-a", "--filter", label, "--format", "{{.Names}}"]
        return sorted(_run(command).split())

    @contextmanager
    def scanning(self, rate: float = 40) -> Iterator[None]:
        """Let couriers scan for as long as the context lasts."""
        command = [sys.executable, str(self._checkout / "examples/dms/load.py")]
        command += [self.dms, "--rate", str(rate), "--seconds", "900"]
        with (self.folder / "load.log").open("wb") as out:
            load = subprocess.Popen(command, stdout=out, stderr=out)
            try:
                yield
            finally:
                load.terminate()
                load.wait(20)

    # -- the watchdog ----------------------------------------------------------------

    def watch(self, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start ``watchdog run`` as a process; its log is appended to ``log``."""
        command = [sys.executable, "-m", "watchdog", "run"]
        command += ["--config", str(self.config / "watchdog.yaml")]
        with self.log.open("ab") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=out, env={**os.environ, **(env or {})}
            )
        self._running.append(process)
        return process

    def watch_in_container(self) -> None:
        """Start the watchdog's image beside the stack by the project's compose.yaml."""
        _run([*self._beside(), "up", "-d", "--no-build"], env=self._beside_env())

    def in_container(self, *words: str) -> str:
        """Run ``watchdog`` *words* in the watchdog's container."""
        command = [*self._beside(), "exec", "-T", "watchdog", "watchdog", *words]
        return _run(command, env=self._beside_env(), check=False)

    def printed(self) -> list[str]:
        """Read the lines that the watchdog printed, wherever it runs."""
        if self.log.is_file():
            return self.log.read_text().splitlines()
        command = [*self._beside(), "logs", "--no-log-prefix", "watchdog"]
        return _run(command, env=self._beside_env()).splitlines()

    def story(self) -> list[dict[str, Any]]:
        """Read what the watchdog logged, event by event."""
        return [json.loads(line) for line in self.printed() if line.startswith("{")]

    def until(
        self, event: str, within: float = 90, *, count: int = 1, **fields: Any
    ) -> dict[str, Any]:
        """Wait until the log has *event* with *fields* for the *count*-th time.

        Raises:
            Problem: it did not come; the last lines of the log are in it.
        """
        deadline = time.monotonic() + within
        while True:
            story = self.story()
            found = [
                line
                for line in story
                if line["event"] == event
                and all(line.get(key) == value for key, value in fields.items())
            ]
            if len(found) >= count:
                return found[count - 1]
            if time.monotonic() > deadline:
                last = "\n".join(self.printed()[-12:])
                raise Problem(
                    f"no {event} {fields or ''} within {within} s; "
                    f"the watchdog last said:\n{last}"
                )
            time.sleep(0.2)

    def _beside(self) -> list[str]:
        file = str(self._checkout / "compose.yaml")
        return ["docker", "compose", "-p", f"{self.project}-watchdog", "-f", file]

    def _beside_env(self) -> dict[str, str]:
        socket = os.environ.get("DOCKER_HOST", _SOCKET).removeprefix("unix://")
        chosen = {
            "WATCHDOG_IMAGE": WATCHDOG_IMAGE,
            "STACK_DIR": str(self.stack),
            "STACK_PROJECT": self.project,
            "STACK_NETWORK": f"{self.project}_default",
            "DOCKER_SOCKET": socket,
            "DOCKER_GID": str(Path(socket).stat().st_gid),
            "WATCHDOG_CONFIG_DIR": str(self.config),
            "DECISIONS_PORT": str(self._ports[2]),
        }
        return {**os.environ, **chosen}

    def settings_for_container(self) -> None:
        """Write the settings of a watchdog that runs beside the stack."""
        self.settings(
            stack={
                "project": self.project,
                "services": ["dms"],
                "version": "http://dms:5269/version",
            },
            engine={},
            state="/var/lib/watchdog",
            listen={},
        )

    def strike(self) -> None:
        """End what was started here, and remove what was made."""
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(40)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(10)
        down = ["down", "--volumes", "--remove-orphans", "--timeout", "3"]
        _run([*self._beside(), *down], env=self._beside_env(), check=False)
        if self.stack.is_dir():
            self.compose(*down)
        self._let_go()

    def _let_go(self) -> None:
        """Remove what held images for this stage, with the names of ours."""
        for label in ("project", "claims"):
            ours = f"label=io.flexli.watchdog.{label}={self.project}"
            listed = ["docker", "ps", "-aq", "--filter", ours]
            for holder in _run(listed, check=False).split():
                _run(["docker", "rm", holder], check=False)
        keep = f"rollback-watchdog-keep:{self.project}.*"
        names = ["docker", "images", keep, "--format", "{{.Repository}}:{{.Tag}}"]
        for name in _run(names, check=False).split():
            _run(["docker", "rmi", "--no-prune", name], check=False)


_SOCKET = "unix:///var/run/docker.sock"


def _run(
    command: list[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=env, text=True, capture_output=True, check=False
    )
    if check and done.returncode:
        raise Problem(
            f"`{' '.join(command[:8])}` ended with {done.returncode}: "
            f"{(done.stderr or done.stdout).strip()[-2000:]}",
            "is the sandbox up? `make sandbox` says",
        )
    return done.stdout + done.stderr
