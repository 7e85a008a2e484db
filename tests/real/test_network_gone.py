"""A network that somebody removed while nothing of the stack ran."""

import pytest

from tests.real.rig import docker
from tests.real.undo import BAD, Asked, Spoilt
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
