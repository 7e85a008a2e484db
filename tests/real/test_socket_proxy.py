"""The socket proxy of the example stack, before the real engine."""

import json
import os
import re
import socket
import subprocess
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tests.crash.proxy import Proxy, short_socket
from tests.real.rig import docker
from tests.real.undo import BAD, OLD, Asked, own_images
from watchdog.commands.stage import IMAGE
from watchdog.facts.problem import Unreachable
from watchdog.facts.smoke import Runs
from watchdog.facts.swapping import Swapping

pytestmark = pytest.mark.real

CFG = Path(__file__).resolve().parents[2] / "watchdog/adopt/haproxy.cfg"
SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
X = "no-such-container"
EXEC = "0" * 64
DIGEST = f"tag=sha256%3A{'0' * 64}"
PULL = f"/v1.41/images/create?{DIGEST}&fromImage=127.0.0.1%3A5055%2Fno%2Fsuch"

# Asked for by the watchdog; what is not there is answered by the engine itself.
PASSED = [
    ("GET", "/version"),
    ("GET", "/v1.41/containers/json?all=1"),
    ("GET", f"/v1.41/containers/{X}/json"),
    ("GET", f"/v1.41/containers/{X}/logs?stdout=1"),
    ("GET", "/v1.41/images/127.0.0.1:5055/no/such%40sha256:00/json"),
    ("GET", "/v1.41/events?since=1&until=1.000000"),
    ("POST", PULL),
    ("POST", f"/v1.41/containers/{X}/start"),
    ("POST", f"/v1.41/containers/{X}/stop?t=1"),
    ("POST", f"/v1.41/containers/{X}/rename?name=y"),
    ("DELETE", f"/v1.41/containers/{X}?v=False&link=False&force=False"),
    ("GET", f"/v1.41/networks/{X}"),
    ("GET", f"/v1.41/volumes/{X}"),
    ("POST", f"/v1.41/networks/{X}/disconnect"),
    ("DELETE", "/v1.41/networks/rb-staging-0123456789ab"),
    ("DELETE", "/v1.41/images/rollback-watchdog-keep:x?force=False&noprune=True"),
]
REFUSED = [
    ("GET", "/secrets"),
    ("GET", "/info"),
    ("GET", "/events"),
    ("GET", "/v1.41/events"),
    ("GET", "/v1.41/events?since=1"),
    ("POST", "/build"),
    ("POST", f"/containers/{X}/exec"),
    ("POST", f"/exec/{EXEC}/start"),
    ("POST", f"/containers/{X}/attach"),
    ("POST", f"/containers/{X}/kill"),
    ("POST", "/containers/prune"),
    ("GET", f"/containers/{X}/archive?path=/"),
    ("PUT", f"/containers/{X}/archive?path=/"),
    ("POST", f"/commit?container={X}"),
    ("DELETE", "/images/no-such"),
    ("DELETE", "/v1.41/images/rollback-watchdog-keep:x?force=True&noprune=True"),
    ("DELETE", f"/v1.41/images/{X}:x?force=False&noprune=True"),
    ("GET", "/v1.41/networks"),
    ("DELETE", f"/v1.41/networks/{X}"),
    ("POST", "/v1.41/networks/prune"),
    ("POST", "/v1.41/volumes/create"),
    ("DELETE", "/volumes/no-such"),
    ("DELETE", f"/containers/{X}"),
    ("DELETE", f"/containers/{X}?v=False&link=False&force=True"),
    ("DELETE", f"/containers/{X}?v=False&link=False&force=False&force=True"),
    ("POST", "/swarm/init"),
    ("GET", "/plugins"),
    ("GET", "/v1.41//containers/json"),
    ("GET", "/v1.411/containers/json"),
    ("GET", "/containers/json"),
    ("DELETE", f"/containers/{X}?v=False&link=False&force=False"),
    ("GET", "/v1.41/images/x/../../secrets/json"),
    ("GET", "/containers%2Fjson"),
    ("GET", "/%63ontainers/json"),
    ("GET", f"/images/%40%2e%2e/{X}/json"),
    ("HEAD", "/containers/json"),
    ("PUT", "/containers/json"),
    ("POST", "/containers/json"),
    ("OPTIONS", "/version"),
    # What would have the engine fetch any address.
    ("POST", "/v1.41/images/create?fromSrc=http://127.0.0.1:1/x&repo=x"),
    ("POST", "/v1.41/images/create?%66romSrc=http://127.0.0.1:1/x&repo=x"),
    ("POST", f"/v1.41/images/create?{DIGEST}&fromImage=no/such&fromSrc=-"),
    ("POST", f"/v1.41/images/create?{DIGEST}&fromImage=no/such%26fromSrc=-"),
    ("POST", "/v1.41/images/create?tag=latest&fromImage=no/such"),
    ("POST", "/v1.41/images/create?fromImage=no/such"),
    ("POST", "/v1.41/images/create"),
]


@contextmanager
def standing(engine: Path, executes: str, cfg: Path = CFG):
    """Have the proxy before the socket *engine*; give its name and address."""
    name = f"socket-proxy-{uuid.uuid4().hex[:8]}"
    # A port of the engine's choice would be another one after a restart.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
    docker("run", "-d", "--name", name, "--user", "99:99", "--read-only",
           "--cap-drop", "ALL", "--group-add", str(engine.stat().st_gid),
           "-e", f"ALLOW_EXEC={executes}",
           "-v", f"{engine}:/var/run/docker.sock",
           "-v", f"{cfg}:/usr/local/etc/haproxy/haproxy.cfg:ro",
           "-p", f"{address}:2375", "haproxy:3.2-alpine")  # fmt: skip
    try:
        # The engine listens on the port before the proxy does.
        patience = time.monotonic() + 90
        while answered(address, "GET", "/version") != "200":
            assert time.monotonic() < patience, docker("logs", name)
        yield name, address
    finally:
        docker("rm", "-f", name, check=False)


@pytest.fixture(scope="module", params=["no", "yes"])
def proxy(request):
    """Give the proxy's address and whether it lets exec through."""
    with standing(Path(SOCKET.removeprefix("unix://")), request.param) as (_, address):
        yield address, request.param


@pytest.fixture
def owned():
    """Give what lets a stack have images that no other test has."""
    with ExitStack() as all_of_them:

        def owned(it):
            all_of_them.enter_context(own_images(it))
            return it

        yield owned


@pytest.fixture
def filtered(tmp_path, monkeypatch):
    """Give what makes a stack that we reach through the proxy, and the proxy's name.

    And a socket behind the proxy, which notes what got through.
    """
    path = short_socket(tmp_path)
    noted = Proxy(path, SOCKET)
    path.chmod(0o666)
    with standing(path, "yes") as (name, address):
        made = []

        def stack(layout="versioned"):
            # Compose deploys it as anywhere; only what we ask is filtered.
            with monkeypatch.context() as ours:
                ours.setenv("DOCKER_HOST", f"tcp://{address}")
                made.append(Asked(tmp_path, layout))
            return made[-1]

        try:
            yield stack, name, noted
        finally:
            for one in made:
                one.down()
    noted.close()


def answered(address: str, method: str, path: str, *more: str) -> str:
    """Send *path* as it stands; give the status."""
    command = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--path-as-is"]
    command += more
    command += ["--head"] if method == "HEAD" else ["-X", method]
    command.append(f"http://{address}{path}")
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def test_what_a_rollback_asks_reaches_the_engine(proxy):
    address, _ = proxy
    answers = {ask: answered(address, *ask) for ask in PASSED}

    assert set(answers.values()) <= {"200", "404", "400"}, json.dumps(
        [[*ask, code] for ask, code in answers.items()]
    )


def test_everything_else_is_refused(proxy):
    address, executes = proxy
    refused = [one for one in REFUSED if executes == "no" or "exec" not in one[1]]
    answers = {ask: answered(address, *ask) for ask in refused}

    assert {ask: code for ask, code in answers.items() if code != "403"} == {}
    # To the engine, a form in the body is as good as a query.
    form = ("--data", "fromSrc=http://127.0.0.1:1/x&repo=x")
    assert answered(address, "POST", PULL, *form) == "403"
    upgrade = ("-H", "Connection: Upgrade", "-H", "Upgrade: tcp")
    assert answered(address, "GET", "/version", *upgrade) == "403"


def test_exec_is_let_through_only_when_asked_for(proxy):
    address, executes = proxy
    seen = [
        answered(address, "POST", f"/v1.41/containers/{X}/exec"),
        answered(address, "POST", f"/v1.41/exec/{EXEC}/start"),
        answered(address, "GET", f"/v1.41/exec/{EXEC}/json"),
    ]

    assert ("403" in seen) is (executes == "no")


def test_a_rollback_asks_for_all_that_is_let_through_and_for_nothing_else(
    owned, filtered
):
    stack, name, noted = filtered
    noted.asked.clear()  # so far only whether it is there
    theirs = _anothers()
    try:
        before = json.loads(docker("inspect", theirs))
        failing = stack("shared-file")
        _demanding(failing)
        target = failing.ready_to_go_back()
        failing.checks(Runs(("false",), "dms"), prove_within=timedelta(seconds=3))
        failing.begin(target)
        failing.carry_to_its_end()
        assert failing.ends()[-1] == "put-back"

        it = owned(stack())
        _demanding(it)
        warm = Swapping({"dms": "warm"}, overlap={"dms": "safe"})
        it.plans = replace(it.plans, swapping=warm)
        target = it.ready_to_go_back()
        docker("rmi", "-f", f"{it.repository}:{OLD}")
        it.to_act.pull(*it.memory.record(target).repo_digests[0].split("@"))
        it.checks(Runs(("true",), "dms"))
        it.roll_back(target)

        assert it.versions() == [OLD]
        assert json.loads(docker("inspect", theirs)) == before
    finally:
        docker("rm", "-f", theirs)
    said = docker("logs", name).splitlines()
    assert [line for line in said if line.startswith("403 ")] == []
    assert sorted(_never_asked(noted.asked)) == sorted(_not_by_this_one())


def _anothers() -> str:
    """Have a container of another project, of the same image and service name."""
    label = "com.docker.compose"
    labels = ("--label", f"{label}.project=other", "--label", f"{label}.service=dms")
    image = f"{IMAGE}:{BAD}"
    return docker("run", "-d", *labels, "--entrypoint", "sleep", image, "9999").strip()


# What the lists of `haproxy.cfg` are of.
METHODS = {"look": "GET", "happened": "GET", "change": "POST", "pull": "POST",
           "remove": "DELETE", "unstage": "DELETE",
           "unkeep": "DELETE", "exec_ask": "GET", "exec_run": "POST"}  # fmt: skip


def _never_asked(asked: list[tuple[str, str]]) -> list[str]:
    """Give the endpoints of `haproxy.cfg` that nothing in *asked* needs."""
    acl = re.compile(r"^ +acl (\w+) path_reg (\^/\S+)$", re.MULTILINE)
    listed = acl.findall(CFG.read_text())
    listed = [(name, path) for name, path in listed if name in METHODS]
    assert len(listed) > 15
    return [
        path
        for name, path in listed
        if not any(
            method == METHODS[name] and re.search(path, target.partition("?")[0])
            for method, target in asked
        )
    ]


# Not part of a rollback.
ASKED_BESIDE = (
    "/volumes/[A-Za-z0-9][A-Za-z0-9_.-]*$",  # could one begin now?
    "/images/rollback-watchdog-keep:[A-Za-z0-9_.-]+$",  # an old pair is let go
)


def _not_by_this_one() -> list[str]:
    """Name what this rollback need not ask."""
    return [rf"^/v1\.[0-9]{{1,2}}{one}" for one in ASKED_BESIDE]


def _demanding(it: Asked) -> None:
    """Have what is joined later, and what is told not to start again meanwhile."""
    path = it.folder / "compose.yaml"
    model = yaml.safe_load(path.read_text())
    model["services"]["dms"] |= {
        "networks": ["default", "side"],
        "restart": "always",
        "healthcheck": {"test": "true", "interval": "500ms"},
    }
    model["networks"] = (model.get("networks") or {}) | {"side": {}}
    path.write_text(yaml.safe_dump(model))


# Each step and each phase; the campaign has all of both.
SHORT = {
    ("create", "answered"),
    ("stop", "forwarded"),
    ("start", "answered"),
    ("rename", "forwarded"),
}


@pytest.mark.parametrize(
    ("step", "phase"),
    [
        pytest.param(
            step, phase, marks=[] if (step, phase) in SHORT else pytest.mark.campaign
        )
        for step in ("create", "stop", "start", "rename")
        for phase in ("forwarded", "answered")
    ],
)
def test_a_proxy_that_dies_in_mid_rollback_is_waited_out(filtered, step, phase):
    stack, name, noted = filtered
    it = stack()
    target = it.ready_to_go_back()
    killed = []

    def kill(_, now, request):
        if now == phase and f"/{step}" in request and not killed:
            killed.append(request)
            docker("kill", name)

    noted.rule = kill
    it.begin(target)
    turns, patience = [], time.monotonic() + 60
    while not it.ends() and time.monotonic() < patience:
        if killed and len(turns) == 2:  # it stays away for a turn
            docker("start", name)
        try:
            turns.append(it.carry_on())
        except Unreachable as lost:
            turns.append(lost.words)
        time.sleep(0.2)  # as between two turns

    assert len(killed) == 1
    assert it.ends() == ["proved"], turns
    assert it.versions() == [OLD]
    assert it.started(3) == [(v, v) for v in (OLD, BAD, OLD)]
    # It is the only one, so that nothing was left aside.
    assert it.inspect("dms")["Name"] == f"/{it.project}-dms-1"
