"""A network that somebody removed while nothing of the stack ran."""

import pytest

from tests.real.rig import docker
from tests.real.undo import BAD, OLD, Asked, Spoilt
from watchdog.facts.event import RollbackStuck

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    "layout",
    ["versioned", pytest.param("shared-file", marks=pytest.mark.campaign)],
)
def test_a_network_that_was_removed_and_made_again_is_what_runs_on(tmp_path, layout):
    """As `docker network prune` does between a stop and a start, and who mends it."""
    it = Asked(tmp_path, layout)
    name = f"{it.project}_default"
    try:
        target = it.ready_to_go_back()
        it.begin(target)
        gone = Spoilt(it, "stop dms (old)", lambda: docker("network", "rm", name))

        it.carry_on(gone)

        (stuck,) = it.events(RollbackStuck)
        assert f"network {name}, which {it.project}-dms-1 is on, is gone" in stuck.words
        assert stuck.again
        labels = {"network": "default", "project": it.project}
        words = [f"--label=com.docker.compose.{key}={labels[key]}" for key in labels]
        docker("network", "create", *words, name)

        it.carry_to_its_end()

        assert it.ends()[-1] == "put-back"
        assert it.versions() == [BAD]
        assert it.serves() == BAD
        assert "Running" in it.up()
    finally:
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
