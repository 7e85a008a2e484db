"""A work tree with a service that really runs, rolled back by the git executor."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.real.half import Half
from tests.worlds import SECOND, rules
from watchdog.config.sections.executors import Git
from watchdog.config.sections.stack import Stack
from watchdog.config.settings import Settings
from watchdog.observe.health import ask_stack

OLD, BAD = "v1.2.0", "v1.3.0"
# Serves from memory: what was read at the start is what runs, as in any server.
SERVER = """
import http.server, json, pathlib, sys
VERSION = "{version}"
if pathlib.Path("dies-" + VERSION).exists():
    sys.exit(1)
MANIFEST = pathlib.Path("manifests/meesho.manifest.json").read_text()
with open("starts.log", "a") as log:
    log.write(f"{{VERSION}} {{MANIFEST}}\\n")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({{"version": VERSION}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
# The server holds what it inherits open, as a careless one does.
MAKEFILE = """
backend-bg:
\t@echo starting; sleep {slow}; test ! -f fails-{version}
\t@{python} server.py {port} & echo $$! > backend.pid
backend-stop:
\t@test ! -f backend.pid || kill `cat backend.pid` || true
\t@rm -f backend.pid
"""


class Tree:
    """A repository with two tags; *folder* holds it and the watchdog's state."""

    def __init__(self, folder, port, *, tracked=True):
        self.folder = folder / "tree"
        self.state = folder / "state"
        self.port = port
        self.tracked = tracked
        self.health = f"http://127.0.0.1:{port}/health"

    # what people do

    def make(self, *, slow=0.3):
        """Write the repository, with a commit and a tag for each version."""
        self.folder.mkdir()
        self.git("init", "-q", "-b", "main")
        for version in (OLD, BAD):
            how = {"version": version, "slow": slow}
            how |= {"python": sys.executable, "port": self.port}
            self.write("server.py", SERVER.format(**how))
            self.write("Makefile", MAKEFILE.format(**how))
            ignored = "starts.log\nbackend.pid\ndies-*\nfails-*\n"
            if not self.tracked:
                ignored += "manifests/\n"
            self.write(".gitignore", ignored)
            self.manifest(version)
            self.git("add", "-A")
            self.git("commit", "-q", "-m", version)
            self.git("tag", version)
        return self

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def manifest(self, version):
        self.write("manifests/meesho.manifest.json", version)

    def git(self, *words):
        who = ["-c", "user.name=a", "-c", "user.email=a@example"]
        done = subprocess.run(
            ["git", *who, *words],
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def run(self, target):
        """Run a target of the Makefile, as a developer does."""
        subprocess.run(
            ["make", "-s", target],
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def deploy(self, version):
        """Roll to *version* by hand, as the runbook says; wait until it serves."""
        self.run("backend-stop")
        self.git("checkout", "-q", version)
        if not self.tracked:
            self.manifest(version)
        self.run("backend-bg")
        self.serves(version)

    # what is true of it

    def serves(self, version):
        """Wait until the service says that it is *version*."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError):
                if version in self.answer():
                    return
            time.sleep(0.05)
        raise AssertionError(f"{version} does not serve")

    def answer(self):
        with urllib.request.urlopen(self.health, timeout=2) as answer:
            return answer.read().decode()

    def starts(self):
        """Give (version, manifest) of each start, as the service noted it."""
        lines = (self.folder / "starts.log").read_text().splitlines()
        return [tuple(line.split()) for line in lines]

    def stands_on(self, version):
        """Tell what is not as it is when *version* runs as one whole pair."""
        wrong = []
        if version not in self.answer():
            wrong.append(self.answer())
        if self.git("describe", "--tags") != version:
            wrong.append(f"HEAD is {self.git('describe', '--tags')}")
        if self.git("status", "--porcelain"):
            wrong.append(self.git("status", "--porcelain"))
        return wrong + [f"mixed: {one}" for one in self.starts() if len(set(one)) > 1]

    def processes(self):
        """Give the ids of the servers on our port, as the kernel knows them."""
        found = []
        for one in Path("/proc").iterdir():
            with suppress(OSError):
                words = (one / "cmdline").read_bytes().split(b"\0")
                if b"server.py" in words and str(self.port).encode() in words:
                    found.append(int(one.name))
        return found

    # the watchdog

    def watch(self, **chosen):
        """Start a watchdog that knows only the journal and the world."""
        return Watch(self, **chosen)

    def strike(self):
        """End the service."""
        for id_ in self.processes():
            os.kill(id_, 9)


class Watch(Half):
    """The watchdog's own half: eyes, plans and hands as they are wired."""

    def __init__(self, tree, prove_within=10 * SECOND, unfiled="", **git):
        settings = Settings(
            executor="git",
            stack=Stack(directory=tree.folder, health=tree.health),
            git=Git(**({"timeout": "20s"} | git)),
            state=tree.state,
        )
        super().__init__(tree.state)
        self.tree = tree
        self.unfiled = unfiled
        self.smoke = self.wire(settings).smoke
        self.rules = rules(prove_within=prove_within)

    def ask_stack(self, meant, within):
        """Ask the service for its health, and for its version at the same place."""
        return ask_stack(self.tree.health, self.tree.health, meant, within)

    def by_tenant(self, version):
        """Give no name: a work tree's manifests are where its commit has them."""
        return {}

    def tenants_of(self, version):
        """Name its one tenant: it has a manifest, though none is kept by its name."""
        return None if version == self.unfiled else ("meesho",)

    def finish(self):
        """Turn until nothing is under way; give what each turn said."""
        said = []
        while self.memory.standing.rollback and len(said) < 20:
            said.append(self.carry_on())
            time.sleep(1)
        return said


def a_port():
    """Give a port of loopback that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    where, at = sys.argv[1:]
    print(Tree(Path(where), int(at)).watch().carry_on())
