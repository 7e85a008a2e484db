"""A real stack, the product's own `watchdog run` beside it, and looks at both."""

import json
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import docker

from tests.chaos.product import Product
from tests.crash.ground import BAD, OLD, ONE, Ground

THIRD = "v1.3.1"
THEIRS = "io.flexli.chaos"  # labels what is no part of the stack, by its project
_PATIENCE = 60


class Yard(Ground):
    """The crash campaign's ground, with a third version and a daemon that goes on.

    Without a published port nothing is asked over HTTP, and nothing but the watchdog
    keeps two versions from running at once.
    """

    def __init__(self, folder, layout, scale=ONE, **more):
        super().__init__(folder, layout, scale, **more)
        self.known = (OLD, BAD, THIRD)
        self.by_image = {}
        self.doctor = Doctor(self)
        self.health = self.doctor.url
        self._daemon, self._shell = Product(inside=self._inside), None

    def deploy(self):
        super().deploy()
        self.stage.file(THIRD)
        self.repository = self.listed()[0]["Image"].rpartition(":")[0]
        for version in self.known:
            with suppress(docker.errors.ImageNotFound):  # not on every engine
                image = self.api.inspect_image(self._reference(version))
                self.by_image[image["Id"]] = version
        self._kept = {
            name: (self.stack / name).read_bytes() for name in (".env", "compose.yaml")
        }
        versions = (self.stack / "manifests").glob("meesho.v*.json")
        self._of_versions = {path: path.read_bytes() for path in versions}
        return self

    def _reference(self, version):
        return f"{self.repository}:{version}"

    def _named_again(self):
        """Give each image its name again, and take away what has another's."""
        named = {"label": [f"{THEIRS}={self.project}"]}
        for one in self.api.containers(all=True, filters=named):
            self.api.remove_container(one["Id"], force=True)
        for image, version in self.by_image.items():
            with suppress(docker.errors.ImageNotFound):
                self.api.tag(image, self.repository, version)

    def case(self, **settings):
        """Begin a case; what runs is one whole pair of the two, or is set up anew."""
        self.doctor.refuses = ""
        self._daemon.kill()
        self._named_again()
        self.stage._let_go()  # what held images for the case before
        if self.whole() not in self.versions or not self._as_made():
            self.again()
        stack = {
            "project": self.project,
            "services": list(self.services),
            "directory": str(self.stack),
            "health": self.health,
        }
        if self.published:
            stack["version"] = f"{self.stage.dms}/version"
        case = super().case(**{"stack": stack} | settings)
        case.old = set(self.containers)
        case.env = (self.stack / ".env").read_bytes()
        shared = self.stack / "manifests/meesho.manifest.json"
        case.manifests = {shared.name: shared.read_bytes()} if shared.exists() else {}
        return case

    # the watchdog

    def watch(self, case, *, armed=None, product=None):
        """Let the daemon of *case* run; give it."""
        one = product or self._daemon
        config = self.configured(case)
        one.run("run", "--config", config, log=case.log, armed=armed)
        return one

    def is_over(self):
        return self._daemon.is_over()

    def reaped(self):
        """Give how the daemon ended that is over."""
        return self._daemon.kill()

    def configured(self, case):
        """Write the settings of *case*, and give their path."""
        self.stage.state = case.state
        self.stage.settings(**case._settings())
        path = self.stage.config / "watchdog.yaml"
        # Of this case alone: two watchdogs may run at once.
        return path.rename(path.with_name(f"{case.state.name}.yaml"))

    def type_(self, case, *words):
        """Run ``watchdog`` *words* on the state of *case*; give (exit code, output)."""
        if self._shell is None:
            self._shell = Product(inside=self._inside)
        out = case.log.with_name(f"typed-{time.monotonic_ns()}")
        self._shell.run(*words, "--config", self.configured(case), log=out)
        code = self._shell.died()
        return code, out.read_text()

    def status(self, case):
        """Give (exit code, what is shown) of ``watchdog status``, {} without JSON."""
        code, text = self.type_(case, "status", "--json")
        try:
            return code, json.loads(text)
        except ValueError:
            return code, {"broken": text[-2000:]}

    # what is there

    def running(self):
        """Give (container, version, version of the manifest inside) of what runs."""
        found = []
        for one in self.listed():
            if one["State"] != "running":
                continue
            try:
                whole = self.api.inspect_container(one["Id"])
                text = self.read_in(one["Id"], "/manifests/meesho.manifest.json")
                manifest = json.loads(text)["version"]
            except (docker.errors.APIError, ValueError, KeyError) as error:
                manifest = repr(error)
            version = self.by_image.get(whole["Image"], whole["Image"])
            found.append((one["Names"][0], version, manifest))
        return found

    def whole(self):
        """Give the version whose one whole pair runs, and nothing else; or nothing."""
        found = self.running()
        versions = {version for _, version, _ in found}
        whole = len(found) == len(self.names) == len(self.listed())
        whole = whole and len(versions) == 1
        return versions.pop() if whole and all(v == m for _, v, m in found) else ""

    def _as_made(self):
        """Tell whether nobody left a file, name or network that is not of what runs."""
        files = self.whole() == self.pinned()
        on = f"{self.project}_default"
        files = files and all(
            on in one["NetworkSettings"]["Networks"] for one in self.listed()
        )
        meant = {f"/{self.project}-{one}" for one in self.names}
        files = files and {one["Names"][0] for one in self.listed()} == meant
        if self.layout == "shared-file":
            files = files and self.shared_manifest() == self.pinned()
        compose = (self.stack / "compose.yaml").read_bytes()
        files = files and compose == self._kept["compose.yaml"]
        files = files and _but_version(self.stack) == _of_lines(self._kept[".env"])
        kept = self._of_versions.items()
        return files and all(p.is_file() and p.read_bytes() == data for p, data in kept)

    def again(self):
        """Set it up anew, whatever is there."""
        for name, data in self._kept.items():
            (self.stack / name).write_bytes(data)
        for path, data in self._of_versions.items():
            if not path.is_file() or path.read_bytes() != data:
                path.unlink(missing_ok=True)
                path.write_bytes(data)
        for path in (self.stack / "manifests").glob("*.rb-theirs-*"):
            path.unlink()
        super().again()

    def strike(self):
        self._named_again()
        for one in (self._daemon, self._shell):
            if one is not None:
                one.end()
        self.doctor.close()
        super().strike()
        self.stage._let_go()


def _but_version(stack):
    return _of_lines((stack / ".env").read_bytes())


def _of_lines(data):
    lines = data.decode(errors="replace").splitlines()
    return [line for line in lines if not line.startswith("DMS_VERSION=")]


class Doctor:
    """Answers at *url* for the health of what runs: not well while it is *refuses*."""

    def __init__(self, yard):
        self.refuses = ""
        self._api = docker.APIClient(base_url=yard.url, version="auto", timeout=5)
        doctor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    seen = doctor.seen(yard.project)
                except (OSError, docker.errors.DockerException):
                    seen = set()
                well = seen and doctor.refuses not in seen
                self.send_response(200 if well else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/health"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,))
        self._thread.start()

    def seen(self, project):
        """Give the versions that run; by the engine, for some have no port."""
        label = f"com.docker.compose.project={project}"
        named = {"label": [label], "status": ["running"]}
        found = self._api.containers(filters=named)
        return {one["Image"].rpartition(":")[2] for one in found}

    def close(self):
        self._api.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Hold:
    """Holds the watchdog at one of its requests until it is let go.

    *call* is what the request does (create, stop, start, rename, remove), *nth* of
    its kind, *phase* the proxy's; or ``look``: the first one that only looks, after
    the *nth* request of that kind was answered.
    """

    def __init__(self, call, nth, phase):
        self.call, self.nth, self.phase = call, nth, phase
        self.reached, self._go = threading.Event(), threading.Event()
        self._cut = None
        self._seen = []

    def rule(self, number, phase, request):
        if not _does(request, self.call):
            return
        if number not in self._seen:
            self._seen.append(number)
        if len(self._seen) == self.nth and phase == self.phase:
            self._held()

    def look(self, request):
        if self.phase == "look" and len(self._seen) >= self.nth:
            self._held()

    def _held(self):
        if self._go.is_set():
            return
        self.reached.set()
        self._go.wait(_PATIENCE)
        if self._cut:
            raise self._cut

    def go(self, cut=None):
        """Let it go on; *cut* is raised where it was held, when it is dead."""
        self._cut = cut
        self._go.set()


def _does(request, call):
    method, _, target = request.partition(" ")
    path, _, query = target.partition("?")
    if call == "create":
        return path.endswith("/containers/create") and ".rb-" in query
    if call == "remove":
        return method == "DELETE" and "/containers/" in path
    return path.endswith(f"/{call}")


class Witness:
    """Hears from the engine when containers of *yard* start and end."""

    def __init__(self, yard):
        self._yard = yard
        self._api = docker.APIClient(base_url=yard.url, version="auto", timeout=None)
        self.before = {
            one["Id"]: yard.by_image.get(one["ImageID"], "?")
            for one in yard.listed()
            if one["State"] == "running"
        }
        label = f"com.docker.compose.project={yard.project}"
        named = {"type": ["container"], "label": [label], "event": ["start", "die"]}
        self._stream = self._api.events(decode=True, filters=named)
        self.heard = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        try:
            for event in self._stream:
                version = event["from"].rpartition(":")[2]
                at = event["timeNano"] / 1e9
                self.heard.append((event["Action"], event["id"], version, at))
        except Exception:  # noqa: BLE001 # it was closed while it was read
            return

    def close(self):
        self._stream.close()
        self._api.close()

    @property
    def at_once(self):
        """Give every time that several versions ran at once: (versions, from, to).

        In the engine's own seconds; *to* is None while they still do.
        """
        up, found = dict(self.before), []
        for action, id_, version, at in self.heard:
            before = frozenset(up.values())
            if action == "start":
                up[id_] = version
            else:
                up.pop(id_, None)
            now = frozenset(up.values())
            if now == before:
                continue
            if len(before) > 1:
                found[-1] = (*found[-1][:2], at)
            if len(now) > 1:
                found.append((now, at, None))
        return found


@contextmanager
def witness(yard):
    one = Witness(yard)
    try:
        yield one
    finally:
        one.close()
