"""A manager of a swarm that speaks the engine's API: what no real one can be made to.

Source: Docker Engine API 1.41; the words of its errors are a real manager's.
"""

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

STACK = "com.docker.stack.namespace"
MANAGER = {"LocalNodeState": "active", "ControlAvailable": True}
BEHIND = "rpc error: code = Unknown desc = update out of sequence"


def a_service(name, version, *, stack="dms", config=("meesho", "c1"), **more):
    """Give a service of *stack* as the engine shows it, with one manifest."""
    file = {"Name": "/manifests/meesho.manifest.json"}
    given = {"ConfigName": config[0], "ConfigID": config[1], "File": file}
    container = {"Image": f"dms:{version}@sha256:{version}", "Configs": [given]}
    spec = {
        "Name": f"{stack}_{name}",
        "Labels": {STACK: stack},
        "TaskTemplate": {"ContainerSpec": container} | more,
        "Mode": {"Replicated": {"Replicas": 1}},
    }
    return {
        "ID": f"id-{name}",
        "Version": {"Index": 7},
        "Spec": spec,
        "UpdatedAt": "2026-03-11T03:00:00.000000000Z",
    }


class Manager:
    """Holds what a swarm is told; *noted* writes it was sent, by service."""

    def __init__(self):
        self.swarm = dict(MANAGER)
        self.services = {"api": a_service("api", "v1.3.0")}
        self.configs = {"c1": ("meesho", b"{}")}
        self.nodes = []
        self.tasks = []
        self.elsewhere = {}  # networks by name, and what registries answer, by path
        self.noted = []
        self.between = []  # each is called once before a write, as others write too
        self.loses = 0  # answers to writes
        self.logins = []  # as they came with a question or a write
        self.hangs = 0  # so many lists are not answered while it has no leader

    def update(self, id_, version, spec):
        if self.between:
            self.between.pop(0)()
        one = next(s for s in self.services.values() if s["ID"] == id_)
        if one["Version"]["Index"] != version:
            return 500, {"message": BEHIND}
        self.noted.append(spec)
        one |= {"PreviousSpec": one["Spec"], "Spec": spec}
        one["Version"] = {"Index": version + 1}
        return 200, {}

    def answer(self, method, path, query, body):
        """Give (status, body)."""
        kind, _, rest = re.sub(r"^/v[0-9.]+", "", path).lstrip("/").partition("/")
        if method == "POST":
            return self.update(rest.split("/")[0], int(query["version"][0]), body)
        if kind == "services":
            return 200, list(self.services.values())
        if kind == "configs" and rest:
            return self._config(rest)
        if kind in ("networks", "distribution"):
            found = self.elsewhere.get(rest)
            if isinstance(found, tuple):
                return found
            return (200, found) if found else (404, {"message": f"{rest} not found"})
        simple = {
            "version": {"ApiVersion": "1.41", "MinAPIVersion": "1.12"},
            "info": {"Swarm": self.swarm},
            "tasks": self.tasks,
            "nodes": self.nodes,
            "configs": [
                {"ID": id_, "Spec": {"Name": name}}
                for id_, (name, _) in self.configs.items()
            ],
        }
        return 200, simple[kind]

    def _config(self, id_):
        if id_ not in self.configs:
            return 404, {"message": f"config {id_} not found"}
        name, data = self.configs[id_]
        text = base64.b64encode(data).decode()
        return 200, {"ID": id_, "Spec": {"Name": name, "Data": text}}


@contextmanager
def managing(manager=None):
    """Serve *manager*, or a new one; give it and its address."""
    manager, over = manager or Manager(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Or each answer waits for 40 ms.
        wbufsize, disable_nagle_algorithm = 65536, True

        def do_GET(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            url = urlsplit(self.path)
            manager.logins += [self.headers["X-Registry-Auth"] or ""] * (
                self.command == "POST" or "/distribution/" in url.path
            )
            if manager.hangs and "version" not in url.path:
                manager.hangs -= 1
                over.wait(20)
                self.close_connection = True
                return
            status, found = manager.answer(
                self.command, url.path, parse_qs(url.query), body
            )
            if self.command == "POST" and manager.loses:
                manager.loses -= 1
                self.close_connection = True
                return
            data = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 # the library's word

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield manager, f"tcp://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
