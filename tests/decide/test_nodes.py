"""What nodes of a swarm keep from being known or done is said before it counts."""

import pytest

from tests.decide.test_told import a_plan, a_spec, a_task
from watchdog.decide.nodes import lacks, unheard, unseen
from watchdog.decide.swarm import left_out
from watchdog.facts.spec import STACK


def a_node(id_, state="ready", availability="active", role="worker", **labels):
    return {
        "ID": id_,
        "Description": {"Hostname": f"host-{id_}"},
        "Status": {"State": state},
        "Spec": {"Availability": availability, "Role": role, "Labels": labels},
    }


def of(*nodes, then=None, now=None, tasks=()):
    """Give what lacks, in words, for the api to be put back."""
    then, now = then or a_spec("v1.2.0"), now or a_spec("v1.3.0")
    writes = a_plan({"api": now}, {"api": then}, ("api",)).writes
    return [lack.words for lack in lacks(nodes, writes, {"api": tasks})]


def at(*constraints, version="v1.2.0"):
    """Give what is told of a service that asks for a node like that."""
    spec = a_spec(version)
    spec["TaskTemplate"]["Placement"]["Constraints"] = [*constraints]
    return spec


@pytest.mark.parametrize(
    "constraint",
    [
        "node.labels.zone==east",
        "node.labels.zone == EAST",
        "node.labels.zone!=west",
        "node.labels.disk!=ssd",
        "node.hostname==host-n1",
        "node.role==worker",
        "node.id==n1",
        # Not known here: the swarm may know.
        "engine.labels.os==debian",
        "node.platform.arch==x86_64",
    ],
)
def test_a_node_that_is_as_a_service_asks_for_is_enough(constraint):
    assert of(a_node("n1", zone="east"), then=at(constraint)) == []


@pytest.mark.parametrize(
    ("node", "constraint"),
    [
        (a_node("n1", zone="east"), "node.labels.zone==west"),
        (a_node("n1", zone="east"), "node.labels.zone!=east"),
        (a_node("n1"), "node.labels.zone==east"),
        (a_node("n1"), "node.role==manager"),
        (a_node("n1", availability="drain", zone="east"), "node.labels.zone==east"),
        (a_node("n1", availability="pause", zone="east"), "node.labels.zone==east"),
    ],
)
def test_a_service_that_no_node_would_take_is_known_before_it_is_stopped(
    node, constraint
):
    (words,) = of(node, then=at(constraint))

    assert words == f"no node that takes tasks meets {constraint}, as api asks for"


def test_all_that_a_service_asks_for_must_be_of_one_node():
    asked = at("node.labels.zone==east", "node.labels.disk==ssd")

    assert of(a_node("n1", zone="east"), a_node("n2", disk="ssd"), then=asked)
    assert not of(a_node("n1", zone="east", disk="ssd"), then=asked)


def on_each(version):
    return a_spec(version, Mode={"Global": {}})


def test_a_paused_node_keeps_what_it_has_of_a_service_that_is_on_each():
    paused = a_node("n1", availability="pause")
    is_there = {"tasks": [a_task("v1.3.0", node="n1")], "now": on_each("v1.3.0")}

    (words,) = of(paused, then=on_each("v1.2.0"), **is_there)
    assert words.startswith(
        "node host-n1 is paused: the swarm leaves the task that api"
    )

    # What does not change may stay; what is drained goes; replicas go elsewhere.
    assert not of(paused, then=on_each("v1.3.0"), **is_there)
    assert not of(
        a_node("n1", availability="drain"), then=on_each("v1.2.0"), **is_there
    )
    assert not of(paused, tasks=is_there["tasks"])


def test_a_node_that_is_down_is_a_doubt_and_one_not_heard_yet_is_waited_for():
    nodes = [a_node("n1", "down"), a_node("n2", "unknown"), a_node("n3")]
    tasks = [a_task("v1.2.0", node=one["ID"]) for one in nodes]

    (words,) = of(*nodes)
    assert words.startswith("node host-n1 is down")
    assert len(unseen(nodes, {"n1", "n2", "n3"})) == 1
    (words,) = unheard(nodes, tasks)
    assert words.startswith("node host-n2 is not heard yet (unknown)")
    gone = [a_task("v1.2.0", wanted="shutdown", node="n2")]
    assert unheard(nodes, gone) == ()


def behind(**more):
    """Say what would stay behind if there were another service, beside the api."""
    spec = a_spec("v1.3.0", "cron", **{"Labels": {STACK: "dms"}} | more)
    writes = a_plan(services=("api",)).writes
    return [lack.words for lack in left_out(writes, [writes[0].before, spec], "dms")]


def test_a_service_of_the_same_image_that_is_not_enrolled_is_named():
    (words,) = behind()

    assert words.startswith("cron runs the same image and is not enrolled")
    assert not behind(Labels={STACK: "another"})
    assert not behind(Mode={"ReplicatedJob": {}})
    assert not behind(Mode={"Replicated": {"Replicas": 0}})
    assert not behind(TaskTemplate=a_spec("v1.1.0")["TaskTemplate"])
    once = a_spec("v1.3.0")["TaskTemplate"] | {"RestartPolicy": {"Condition": "none"}}
    assert not behind(TaskTemplate=once)
