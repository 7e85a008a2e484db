"""A network that somebody removed while nothing of the stack ran, or a port taken."""

import json
import subprocess

import pytest

from tests.real.rig import docker
from tests.real.undo import BAD, OLD, Asked, Spoilt, a_port
from watchdog.commands.stage import IMAGE
from watchdog.facts.event import RollbackStuck

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    "layout",
    ["versioned", pytest.param("shared-file", marks=pytest.mark.campaign)],
)
def test_a_network_that_was_removed_is_made_again_as_it_was(tmp_path, layout):
    """As `docker network prune` does between a stop and a start."""
    it = Asked(tmp_path, layout)
    name = f"{it.project}_default"
    try:
        target = it.ready_to_go_back()
        it.begin(target)
        before = _made_as(name)

        it.carry_on(Spoilt(it, "stop dms (old)", lambda: docker("network", "rm", name)))

        assert it.ends()[-1] == "proved"
        assert it.versions() == [OLD]
        assert it.serves() == OLD
        assert _made_as(name) == before
        assert "Running" in it.up()
    finally:
        it.down()


def _made_as(name):
    (shown,) = json.loads(docker("network", "inspect", name))
    return {
        key: shown[key]
        for key in ("Driver", "Options", "IPAM", "Internal", "Attachable", "Labels")
    }


@pytest.mark.parametrize(
    "layout",
    ["versioned", pytest.param("shared-file", marks=pytest.mark.campaign)],
)
def test_a_port_that_was_taken_is_named_and_what_ran_comes_up_once_it_is_free(
    tmp_path, layout
):
    """As another project's `up -d` does between a stop and a start."""
    it = Asked(tmp_path, layout)
    it.change("dms", ports=[f"127.0.0.1:{a_port()}:5269"])
    name = f"{it.project}-in-the-way"

    def take():
        whole, *_ = it.containers().values()
        ((port,),) = whole["HostConfig"]["PortBindings"].values()
        more = ("--entrypoint=sleep", "--label=com.docker.compose.project=shop")
        publish = f"-p127.0.0.1:{port['HostPort']}:80"
        docker("run", "-d", f"--name={name}", *more, publish, f"{IMAGE}:{OLD}", "600")

    try:
        target = it.ready_to_go_back()
        it.begin(target)
        it.carry_on(Spoilt(it, "stop dms (old)", take))

        (stuck,) = it.events(RollbackStuck)
        assert f"/tcp is taken by {name} of the project shop" in stuck.words
        assert f"`docker stop {name}` frees it" in stuck.hint
        assert stuck.again
        docker("stop", "-t0", name)

        it.carry_to_its_end()

        assert it.ends()[-1] == "put-back"
        assert it.versions() == [BAD]
        assert it.serves() == BAD
    finally:
        subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
        it.down()


@pytest.mark.parametrize(
    "layout",
    ["shared-file", pytest.param("versioned", marks=pytest.mark.campaign)],
)
def test_what_was_taken_off_its_network_is_put_on_it_before_it_starts(tmp_path, layout):
    """The engine starts what is on no network without a word, and nobody reaches it."""
    it = Asked(tmp_path, layout)
    name = f"{it.project}_default"
    project = f"--filter=label=com.docker.compose.project={it.project}"

    def disconnect():
        for id_ in docker("ps", "-aq", project).split():
            docker("network", "disconnect", "-f", name, id_)

    try:
        target = it.ready_to_go_back()
        it.begin(target)
        it.carry_on(Spoilt(it, "stop dms (old)", disconnect))

        assert it.ends()[-1] == "proved"
        assert it.versions() == [OLD]
        assert it.serves() == OLD
        assert "Running" in it.up()
    finally:
        it.down()
