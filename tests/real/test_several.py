"""The swarm executor on several real engines: what one node cannot show."""

import uuid

import pytest

from tests.real.on_swarm import BAD, OLD, SERVES, OnSwarm
from tests.real.several import several

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def swarm(tmp_path_factory):
    with several(2) as made:
        folder = tmp_path_factory.mktemp("image")
        for version in (OLD, BAD):
            name = made.image(folder, version, SERVES)
        made.app = name.rpartition(":")[0]
        yield made


@pytest.fixture
def it(swarm, tmp_path):
    project = f"sw{uuid.uuid4().hex[:8]}"
    made = OnSwarm(tmp_path, project, swarm.url[1], swarm.app)
    yield made
    made.journal.close()  # the swarm goes as a whole
    made.swarm.close()


def nodes_of(it):
    """Give the nodes that tasks of the api run on."""
    found = it.swarm.tasks(it.project)
    api = it.swarm.service(f"{it.project}_api")["ID"]
    up = [one for one in found if one["Status"]["State"] == "running"]
    return {one["NodeID"] for one in up if one["ServiceID"] == api}


def test_a_pair_on_two_nodes_goes_back_and_the_next_deployment_changes_nothing(it):
    it.deploy(OLD)
    told = it.specs()
    target = it.record()
    it.deploy(BAD)
    assert it.runs() == {(BAD, BAD)}
    assert len(nodes_of(it)) == 2

    it.begin(target)
    words = it.carry_on()

    assert "proved" in words, f"{words}: {it.failed()}"
    assert it.runs() == {(OLD, OLD)}
    assert len(nodes_of(it)) == 2
    assert it.specs() == told
    running = it.tasks()
    it.post(OLD)
    assert it.specs() == told
    assert it.tasks() == running
