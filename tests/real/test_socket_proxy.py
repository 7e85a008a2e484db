"""The socket proxy of the example stack, before the real engine."""

import json
import os
import subprocess
import time
import uuid
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

CFG = Path(__file__).resolve().parents[2] / "examples/socket-proxy/haproxy.cfg"
SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
X = "no-such-container"
EXEC = "0" * 64

# Asked for by the watchdog; what is not there is answered by the engine itself.
PASSED = [
    ("GET", "/version"),
    ("GET", "/v1.41/containers/json?all=1"),
    ("GET", f"/v1.41/containers/{X}/json"),
    ("GET", f"/v1.41/containers/{X}/logs?stdout=1"),
    ("GET", "/v1.41/images/127.0.0.1:5055/no/such%40sha256:00/json"),
    ("POST", f"/v1.41/containers/{X}/start"),
    ("POST", f"/v1.41/containers/{X}/stop?t=1"),
    ("POST", f"/v1.41/containers/{X}/rename?name=y"),
    ("DELETE", f"/v1.41/containers/{X}?v=False&link=False&force=False"),
]
REFUSED = [
    ("GET", "/secrets"),
    ("GET", "/info"),
    ("GET", "/events"),
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
    ("DELETE", "/volumes/no-such"),
    ("DELETE", f"/containers/{X}"),
    ("DELETE", f"/containers/{X}?v=False&link=False&force=True"),
    ("DELETE", f"/containers/{X}?v=False&link=False&force=False&force=True"),
    ("POST", "/swarm/init"),
    ("GET", "/plugins"),
    ("GET", "/v1.41//containers/json"),
    ("GET", "/v1.411/containers/json"),
    ("GET", "/v1.41/images/x/../../secrets/json"),
    ("GET", "/containers%2Fjson"),
    ("GET", "/%63ontainers/json"),
    ("GET", f"/images/%40%2e%2e/{X}/json"),
    ("HEAD", "/containers/json"),
    ("PUT", "/containers/json"),
    ("POST", "/containers/json"),
    ("OPTIONS", "/version"),
]


def docker(*words: str, check: bool = True) -> str:
    return subprocess.run(
        ["docker", *words], check=check, capture_output=True, text=True, timeout=60
    ).stdout


@pytest.fixture(scope="module", params=["no", "yes"])
def proxy(request):
    """Give the proxy's name and whether it lets exec through."""
    name = f"socket-proxy-{uuid.uuid4().hex[:8]}"
    socket = SOCKET.removeprefix("unix://")
    docker("run", "-d", "--name", name, "--user", "99:99", "--read-only",
           "--cap-drop", "ALL", "--group-add", str(Path(socket).stat().st_gid),
           "-e", f"ALLOW_EXEC={request.param}",
           "-v", f"{socket}:/var/run/docker.sock",
           "-v", f"{CFG}:/usr/local/etc/haproxy/haproxy.cfg:ro",
           "-p", "127.0.0.1::2375", "haproxy:3.2-alpine")  # fmt: skip
    try:
        port = docker("port", name, "2375").split(":")[-1].strip()
        address = f"127.0.0.1:{port}"
        # The engine listens on the port before the proxy does.
        patience = time.monotonic() + 30
        while _ask(address, "GET", "/version") != "200":
            assert time.monotonic() < patience, docker("logs", name)
        yield address, request.param
    finally:
        docker("rm", "-f", name, check=False)


def _ask(address: str, method: str, path: str, *more: str) -> str:
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
    answers = {ask: _ask(address, *ask) for ask in PASSED}

    assert set(answers.values()) <= {"200", "404", "400"}, json.dumps(
        [[*ask, code] for ask, code in answers.items()]
    )


def test_everything_else_is_refused(proxy):
    address, executes = proxy
    refused = [one for one in REFUSED if executes == "no" or "exec" not in one[1]]
    answers = {ask: _ask(address, *ask) for ask in refused}

    assert {ask: code for ask, code in answers.items() if code != "403"} == {}
    upgrade = ("-H", "Connection: Upgrade", "-H", "Upgrade: tcp")
    assert _ask(address, "GET", "/version", *upgrade) == "403"


def test_exec_is_let_through_only_when_asked_for(proxy):
    address, executes = proxy
    seen = [
        _ask(address, "POST", f"/v1.41/containers/{X}/exec"),
        _ask(address, "POST", f"/v1.41/exec/{EXEC}/start"),
        _ask(address, "GET", f"/v1.41/exec/{EXEC}/json"),
    ]

    assert ("403" in seen) is (executes == "no")
