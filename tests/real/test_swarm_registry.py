"""A private registry, on a real swarm: asked with a login, and pulled from with it."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import time
import uuid
from datetime import timedelta

import httpx
import pytest

from tests.real.on_swarm import IMAGE, OLD, URL, a_swarm, build
from tests.real.rig import docker
from watchdog.facts.problem import EngineRefused
from watchdog.outside.swarm import Swarm

pytestmark = [pytest.mark.real, pytest.mark.campaign]

# Of user `dri`: htpasswd -nbB.
_HASHED = "dri:$2b$05$abcdefghijklmnopqrstuuZ0Fx87Pb/Aqb0E90lfvCwzXnaFKUHpS"
_CONFIG = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: private, path: {folder}/htpasswd}}}}
"""


@pytest.fixture
def registry(tmp_path):
    """Serve a registry that asks who one is; give its address."""
    if not shutil.which("docker-registry"):
        pytest.skip("no docker-registry here, as the sandbox has it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "htpasswd").write_text(f"{_HASHED}\n")
    config = tmp_path / "registry.yml"
    config.write_text(_CONFIG.format(folder=tmp_path, port=port))
    with (tmp_path / "log").open("w") as log:
        serving = subprocess.Popen(
            ["docker-registry", "serve", config], stdout=log, stderr=log
        )
    try:
        last = time.monotonic() + 60
        while _answers(port) != 401:
            assert time.monotonic() < last, (tmp_path / "log").read_text()
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        serving.terminate()
        serving.wait(20)


def _answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/", timeout=5).status_code
    except httpx.HTTPError:
        return 0


def test_nodes_pull_from_a_private_registry_with_the_login_of_the_docker_cli(
    registry, tmp_path, monkeypatch
):
    a_swarm()
    build()
    login = tmp_path / "login"
    login.mkdir()
    both = base64.b64encode(b"dri:correct-horse").decode()
    (login / "config.json").write_text(
        json.dumps({"auths": {registry: {"auth": both}}})
    )
    private, name = f"{registry}/swarm-app:{OLD}", f"sw{uuid.uuid4().hex[:8]}_app"
    docker("tag", f"{IMAGE}:{OLD}", private)
    docker("push", "-q", private, env={**os.environ, "DOCKER_CONFIG": str(login)})
    named = "{{range .RepoDigests}}{{println .}}{{end}}"
    ref = next(
        one
        for one in docker("image", "inspect", "-f", named, private).split()
        if one.startswith(registry)
    )
    docker("rmi", private)
    docker("rmi", ref, check=False)
    swarm = Swarm(URL, timedelta(seconds=20), to_act=True)
    create = ("service", "create", "-d", "-q", "--no-healthcheck", "--name", name)
    docker(*create, "--endpoint-mode", "dnsrr", f"{IMAGE}:{OLD}", "sleep", "9999")
    try:
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))
        with pytest.raises(EngineRefused) as refused:
            swarm.in_registry(ref)
        assert "docker login" in refused.value.hint

        monkeypatch.setenv("DOCKER_CONFIG", str(login))
        assert swarm.in_registry(ref) == ref.partition("@")[2]
        one = swarm.service(name)
        one["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] = ref
        swarm.write(one["ID"], one["Version"]["Index"], one["Spec"])

        shown = ("service", "ps", "--no-trunc", name, "--format")
        last, said = time.monotonic() + 90, ""
        while not re.search(rf"^Running .*{ref}", said, re.MULTILINE):
            assert time.monotonic() < last, said
            time.sleep(0.5)
            said = docker(*shown, "{{.CurrentState}} {{.Image}} {{.Error}}")
        assert "correct-horse" not in json.dumps(swarm.service(name))
    finally:
        docker("service", "rm", name, check=False)
        swarm.close()
