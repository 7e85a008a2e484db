"""What `repair` shows of an engine that does not show everything."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.worlds import rules
from watchdog.decide.standing import Standing
from watchdog.observe.running import Stack
from watchdog.outside.engine import Engine
from watchdog.show.repair import picture, words

APP, WORKER = "a" * 64, "b" * 64
REFUSED = "no such driver"


def listed(id_, service, state="running"):
    labels = {
        "com.docker.compose.project": "dms",
        "com.docker.compose.service": service,
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.container-number": "1",
    }
    return {
        "Id": id_,
        "Names": [f"/dms-{service}-1"],
        "Image": "ghcr.io/flexli/dms:v1.3.0",
        "ImageID": f"sha256:{'1' * 64}",
        "Labels": labels,
        "State": state,
    }


def whole(id_, service, state="running"):
    one = listed(id_, service)
    return {
        "Id": id_,
        "Name": one["Names"][0],
        "Image": one["ImageID"],
        "Created": "2026-03-01T12:00:00Z",
        "Config": {"Image": one["Image"], "Labels": one["Labels"]},
        "State": {"Status": state, "Running": state == "running"},
        "Mounts": [],
    }


@pytest.fixture
def stack(tmp_path):
    """Give what sees a stack through an engine whose answers are *said* by path."""
    said, made = {}, []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):  # the server's own name
            path = self.path.partition("?")[0].removeprefix("/v1.41")
            code, body = said.get(path, (500, {"message": REFUSED}))
            if path == "/containers/json":
                service = self.path.partition("service%3D")[2].partition("%22")[0]
                names = f"/dms-{service}-1" if service else "/dms"
                body = [c for c in body if c["Names"][0].startswith(names)]
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def stack(**answers):
        said.update({"/version": (200, {"ApiVersion": "1.41"})})
        said.update(answers.pop("paths"))
        engine = Engine(f"tcp://127.0.0.1:{server.server_port}", timedelta(seconds=10))
        made.append(engine)
        return Stack(
            engine,
            project="dms",
            services=("app", "worker"),
            folder=tmp_path,
            env_file=".env",
            variable="DMS_VERSION",
            manifests="manifests",
            inside="/manifests/{tenant}.manifest.json",
        )

    yield stack
    for engine in made:
        engine.close()
    server.shutdown()
    server.server_close()


def told(seen, unread=""):
    parts = () if unread else seen.parts(lambda _: (), anyhow=True)
    shown = picture(
        Standing(), parts, lambda _: (), rules(services=("app", "worker")), unread
    )
    return words(shown).splitlines()


def test_a_container_that_is_not_shown_is_said_and_the_other_is_shown(stack):
    there = [listed(APP, "app"), listed(WORKER, "worker")]
    seen = stack(
        paths={
            "/containers/json": (200, there),
            f"/containers/{APP}/json": (200, whole(APP, "app")),
        }
    )

    lines = told(seen)

    assert lines[0] == "dms-test: not known: not all that there is could be read"
    assert lines[1].startswith("unread    dms-worker-1: the engine refused to inspect")
    assert REFUSED in lines[1]
    image = "ghcr.io/flexli/dms:v1.3.0 (111111111111)"
    assert lines[2:4] == [
        f"app       dms-app-1 is running: {image}",
        f"worker    dms-worker-1 is running: {image}",
    ]


def test_a_log_that_is_refused_is_said_where_it_would_stand(stack):
    there = [listed(APP, "app"), listed(WORKER, "worker", "exited")]
    seen = stack(
        paths={
            "/containers/json": (200, there),
            f"/containers/{APP}/json": (200, whole(APP, "app")),
            f"/containers/{WORKER}/json": (200, whole(WORKER, "worker", "exited")),
        }
    )

    shown = "\n".join(told(seen))

    assert "worker    dms-worker-1 is exited" in shown
    assert (
        f"its log could not be read: the engine refused to read the logs of {'b' * 12}"
        in shown
    )
    assert "app       dms-app-1 is running" in shown


def test_an_engine_that_is_away_leaves_what_the_journal_says():
    lines = told(None, "the engine at unix:///x did not answer")

    assert lines[:2] == [
        "dms-test: not known: not all that there is could be read",
        "unread    the engine at unix:///x did not answer",
    ]
