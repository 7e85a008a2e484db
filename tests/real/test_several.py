"""The swarm executor on several real engines: what one node cannot show."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import yaml

from tests.real.on_swarm import BAD, OLD, SERVES, OnSwarm
from tests.real.several import several
from watchdog.facts.pair import NotKnown
from watchdog.facts.problem import Problem, Unreachable

pytestmark = pytest.mark.real

# Left alone, the scheduler may put both replicas on one node.
ONE_A_NODE = {
    "deploy": {
        "replicas": 2,
        "endpoint_mode": "dnsrr",
        "placement": {"max_replicas_per_node": 1},
        "update_config": {"parallelism": 1, "failure_action": "pause"},
    }
}


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


class OnHost(OnSwarm):
    """The worker is on its node's own network; and another one has the stack's name."""

    def files(self, version, **changed):
        path = super().files(version, **changed)
        whole = yaml.safe_load(path.read_text())
        whole["services"]["worker"]["networks"] = ["of-node"]
        whole["networks"]["of-node"] = {"external": True, "name": "host"}
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        return path


def test_a_pair_on_two_nodes_goes_back_and_the_next_deployment_changes_nothing(
    swarm, tmp_path
):
    project = f"sw{uuid.uuid4().hex[:8]}"
    swarm.docker(1, "network", "create", "-d", "bridge", f"{project}_net")
    it = OnHost(tmp_path, project, swarm.url[1], swarm.app)
    with closing(it.journal), closing(it.swarm):
        it.deploy(OLD, **ONE_A_NODE)
        told = it.specs()
        target = it.record()
        it.deploy(BAD, **ONE_A_NODE)
        assert it.runs() == {(BAD, BAD)}
        assert len(nodes_of(it)) == 2

        it.begin(target)
        words = it.carry_on()

        assert "proved" in words, f"{words}: {it.failed()}"
        assert it.runs() == {(OLD, OLD)}
        assert len(nodes_of(it)) == 2
        assert it.specs() == told
        running = it.tasks()
        it.post(OLD, **ONE_A_NODE)
        assert it.specs() == told
        assert it.tasks() == running


class OnEachNode(OnSwarm):
    """One task of the api on each node, which is given a secret of its version."""

    def files(self, version, **changed):
        name = f"key_{version.replace('.', '_')}"
        (self.folder / name).write_text(version)
        each = {"mode": "global", "endpoint_mode": "dnsrr"}
        path = super().files(version, deploy=each, secrets=[name], **changed)
        whole = yaml.safe_load(path.read_text())
        whole["secrets"] = {
            name: {"name": f"{self.project}_{name}", "file": f"./{name}"}
        }
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        return path


@pytest.mark.campaign
def test_one_task_on_each_node_goes_back_with_the_secret_that_it_was_given(
    swarm, tmp_path
):
    it = OnEachNode(tmp_path, f"sw{uuid.uuid4().hex[:8]}", swarm.url[1], swarm.app)
    with closing(it.journal), closing(it.swarm):
        it.deploy(OLD)
        it.until(lambda: len(nodes_of(it)) == len(swarm.nodes), "one on each node")
        told, target = it.specs(), it.record()
        it.deploy(BAD)

        it.begin(target)
        words = it.carry_on()

        assert "proved" in words, f"{words}: {it.failed()}"
        assert it.specs() == told
        assert len(nodes_of(it)) == len(swarm.nodes)
        running = it.tasks()
        it.post(OLD)
        assert (it.specs(), it.tasks()) == (told, running)

        # What it needs is gone: said, and nothing is touched.
        it.deploy(BAD)
        it.docker("secret", "rm", f"{it.project}_key_v1_2_0")
        with pytest.raises(Problem, match=r"secret .*key_v1_2_0, which v1\.2\.0 needs"):
            it.begin(target)
        assert it.runs() == {(BAD, BAD)}


# Tasks are drained while they boot.
SLOW = {
    "environment": {"BOOTS": "50"},
    "healthcheck": {"retries": 300},
    "deploy": {"replicas": 2, "endpoint_mode": "dnsrr"},
}


@pytest.mark.campaign
@pytest.mark.parametrize("order", ["start-first", "stop-first"])
def test_a_node_that_is_drained_while_a_task_boots_on_it_does_not_end_it(it, order):
    pace = {"parallelism": 1, "order": order, "failure_action": "pause"}
    slow = SLOW | {"deploy": SLOW["deploy"] | {"update_config": pace}}
    it.deploy(OLD, **slow)
    target = it.record()
    it.deploy(BAD, **slow)
    it.begin(target)
    with ThreadPoolExecutor() as pool:
        ends = pool.submit(it.carry_on)
        it.until(lambda: boots_on(it) or ends.done(), "a task of the target boots")
        (node, *_) = boots_on(it)
        it.docker("node", "update", "--availability", "drain", node)
        try:
            words = ends.result()
        finally:
            it.docker("node", "update", "--availability", "active", node)

    assert "proved" in words, f"{words}: {it.failed()}"
    assert it.runs() == {(OLD, OLD)}


def boots_on(it):
    """Give the nodes on which a task of v1.2.0 boots."""
    return [
        task["NodeID"]
        for task in it.swarm.tasks(it.project)
        if task["Status"]["State"] == "starting"
        and task["DesiredState"] == "running"
        and f":{OLD}@" in task["Spec"]["ContainerSpec"]["Image"]
    ]


@pytest.mark.campaign
@pytest.mark.parametrize("comes", ["back", "to nothing"])
def test_a_node_that_rejects_tasks_for_a_moment_does_not_end_it(swarm, it, comes):
    for stack in swarm.docker(1, "stack", "ls", "--format", "{{.Name}}").split():
        swarm.docker(1, "stack", "rm", stack)  # it uses the image
    it.until(lambda: not swarm.docker(2, "ps", "-q"), "node 2 runs nothing")
    it.deploy(OLD, **ONE_A_NODE)
    target = it.record()
    it.deploy(BAD, **ONE_A_NODE)
    # Node 2 has the image no more, and no way to its registry.
    it.until(lambda: len(it.tasks()) == 3, "those of before have ended")
    swarm.docker(2, "container", "prune", "-f")
    swarm.docker(2, "image", "prune", "-a", "-f")
    refuses = ("OUTPUT", "-p", "tcp", "--dport", "5055", "-j", "REJECT")
    swarm.run("on", "2", "iptables", "-I", *refuses)
    try:
        it.begin(target)
        with ThreadPoolExecutor() as pool:
            ends = pool.submit(it.carry_on)
            it.until(lambda: rejected(it) > 1, "tasks are rejected")
            if comes == "back":
                swarm.run("on", "2", "iptables", "-D", *refuses)
            words = ends.result()
    finally:
        if comes != "back":
            swarm.run("on", "2", "iptables", "-D", *refuses)

    assert ("proved" if comes == "back" else "put-back") in words, it.failed()
    assert len(it.runs()) == 1
    if comes != "back":
        assert "not started by their nodes" in " ".join(it.failed())


def rejected(it):
    """Count the tasks that a node would not start."""
    found = it.swarm.tasks(it.project)
    return sum(task["Status"]["State"] == "rejected" for task in found)


@pytest.mark.campaign
def test_what_nodes_will_not_take_is_said_before_anything_is_touched(swarm, tmp_path):
    it = OnEachNode(tmp_path, f"sw{uuid.uuid4().hex[:8]}", swarm.url[1], swarm.app)
    with closing(it.journal), closing(it.swarm):
        it.deploy(OLD)
        target = it.record()
        it.deploy(BAD)
        plan = it.plan("look", it.record(), target)
        record = it.memory.record(target)
        assert [one.words for one in it.eyes.lacks(record, plan) if not one.doubt] == []

        it.docker("node", "update", "--availability", "pause", "node2")
        extra = ("--name", f"{it.project}_cron", "--restart-condition", "any")
        label = ("--label", f"com.docker.stack.namespace={it.project}")
        image = it.swarm.service(f"{it.project}_api")["Spec"]["TaskTemplate"]
        image = image["ContainerSpec"]["Image"]
        it.docker("service", "create", "-q", "-d", *extra, *label, image)
        try:
            lacks = [one for one in it.eyes.lacks(record, plan) if not one.doubt]
        finally:
            it.docker("node", "update", "--availability", "active", "node2")

        words = " ".join(one.words for one in lacks)
        assert "node node2 is paused: the swarm leaves the task that api has" in words
        assert "cron runs the same image and is not enrolled" in words


def said_of(it):
    """Say why nothing could be written, as readiness would."""
    try:
        return "\n".join(it.eyes.obstacles())
    except Unreachable as problem:
        return problem.words


def by(swarm, node, folder, project):
    folder.mkdir(exist_ok=True)
    return OnSwarm(folder, project, swarm.url[node], swarm.app)


@pytest.mark.campaign
def test_what_keeps_a_swarm_from_being_rolled_back_is_one_sentence(swarm, tmp_path):
    project = f"sw{uuid.uuid4().hex[:8]}"
    it = by(swarm, 1, tmp_path / "one", project)
    it.deploy(OLD)
    told = it.specs()
    swarm.docker(1, "node", "demote", "node2")
    worker = by(swarm, 2, tmp_path / "worker", project)
    it.until(lambda: "no manager" in said_of(worker), "node 2 is a worker")
    assert "\n" not in said_of(worker)
    seen = worker.look()
    assert isinstance(seen, NotKnown)
    assert "no manager of a swarm" in seen.words

    with closing(worker.journal), closing(worker.swarm):
        swarm.docker(1, "node", "promote", "node2")
        swarm.comes_round()
    assert not it.eyes.obstacles()

    swarm.kill(2)
    it.until(lambda: "leader" in said_of(it), "half of the managers are gone")
    assert "\n" not in said_of(it)
    with pytest.raises(Unreachable):
        it.swarm.service(f"{project}_api")
    swarm.start(2)
    swarm.comes_round()
    it.comes_to(OLD)
    assert it.specs() == told

    it.docker("service", "rm", f"{project}_api")
    assert said_of(it) == f"the swarm has no service {project}_api"
    label = "com.docker.stack.namespace=another"
    name = ("--name", f"{project}_api", "--label", label)
    image = f"{swarm.app}:{OLD}"
    it.docker("service", "create", "-q", "-d", *name, "--replicas", "0", image)
    words = f"service {project}_api belongs to stack another, meant {project}"
    assert said_of(it) == words
    it.journal.close()
    it.swarm.close()
