"""What is told a swarm, how its tasks are weighed, and who else was at it."""

from copy import deepcopy
from dataclasses import replace

import pytest

from tests.worlds import AT, a_record
from watchdog.decide.meanwhile import Seen, meanwhile
from watchdog.decide.swarm import WriteSpecs
from watchdog.decide.tasks import serving
from watchdog.facts.pair import Found, Part, Running
from watchdog.facts.plan import Wanted
from watchdog.facts.problem import Problem
from watchdog.facts.spec import OP, canonical, mark_of, put_up_by, template_of

DOWN = {"node-3": "three"}


def a_spec(version, service="api", *, replicas=2, **more):
    """Give what a swarm is told of *service* at *version*."""
    return {
        "Name": f"dms_{service}",
        "Labels": {"com.docker.stack.image": f"dms:{version}"},
        "TaskTemplate": {
            "ContainerSpec": {"Image": f"dms:{version}@sha256:{version}"},
            "Placement": {"Platforms": [{"OS": "linux"}]},
            "Runtime": "container",
        },
        "Mode": {"Replicated": {"Replicas": replicas}},
        "UpdateConfig": {
            "Parallelism": 1,
            "FailureAction": "rollback",
            "Order": "start-first",
        },
        **more,
    }


def a_plan(now=None, then=None, services=("api", "worker")):
    """Plan the way from v1.3.0 to v1.2.0."""
    now = now or {name: a_spec("v1.3.0", name) for name in services}
    then = then or {name: a_spec("v1.2.0", name) for name in services}
    running = a_record("v1.3.0", services=services)
    return WriteSpecs(lambda: now, lambda _: then, services).plan(
        Wanted(
            incident="inc-1",
            running=running,
            running_sha="running",
            target=a_record("v1.2.0", services=services),
            target_sha="target",
            seen=Running(running.pair, ("a", "b"), AT, ("running",) * 2),
        )
    )


def words(steps):
    return [step.words for step in steps]


def test_each_service_is_written_in_order_and_again_as_it_was_once_all_are_proved():
    it = a_plan()

    steps = words(it.steps)[it.prepared :]
    assert steps[:4] == [
        "start api (new)",
        "await api (new)",
        "start worker (new)",
        "await worker (new)",
    ]
    assert steps[4].startswith("prove v1.2.0")
    assert steps[5:] == ["unstage api", "unstage worker"]
    assert words(it.way_back)[:3] == [
        "start worker (old)",
        "await worker (old)",
        "start api (old)",
    ]


def test_what_carries_the_pair_is_never_taken_back_nor_left_half_by_the_swarm():
    (one, _) = a_plan().writes

    assert one.carrier["UpdateConfig"]["FailureAction"] == "continue"
    assert one.carrier["Labels"][OP] == a_plan().op
    assert one.home["UpdateConfig"]["FailureAction"] == "rollback"
    assert OP not in one.home["Labels"]
    # Both are one start, and the image's label goes with the image.
    assert template_of(one.carrier) == template_of(one.home)
    assert one.carrier["Labels"]["com.docker.stack.image"] == "dms:v1.2.0"


@pytest.mark.parametrize(
    ("ports", "order", "parallelism"),
    [([], "start-first", 0), ([{"PublishMode": "host"}], "stop-first", 1)],
    ids=["no port of the node", "a port of the node, which two cannot hold"],
)
def test_the_old_one_ends_first_where_it_holds_a_port_of_its_node(
    ports, order, parallelism
):
    then = {"api": a_spec("v1.2.0", EndpointSpec={"Ports": ports})}
    (one,) = a_plan({"api": a_spec("v1.3.0")}, then, ("api",)).writes

    assert one.carrier["UpdateConfig"]["Order"] == order
    assert one.carrier["UpdateConfig"]["Parallelism"] == parallelism


@pytest.mark.parametrize(("now", "comes_to"), [(5, 5), (0, 2)])
def test_the_scale_of_now_is_kept_unless_it_is_none_at_all(now, comes_to):
    running = {"api": a_spec("v1.3.0", replicas=now)}
    (one,) = a_plan(running, {"api": a_spec("v1.2.0")}, ("api",)).writes

    assert one.home["Mode"]["Replicated"]["Replicas"] == comes_to


def test_what_no_update_can_do_is_refused_in_words():
    then = {"api": a_spec("v1.2.0", Mode={"Global": {}})}
    with pytest.raises(Problem, match="replicated and was global"):
        a_plan({"api": a_spec("v1.3.0")}, then, ("api",))
    with pytest.raises(Problem, match="ran with the services api, now it is api, w"):
        a_plan(then={"api": a_spec("v1.2.0")})


def test_what_the_engine_leaves_out_is_no_difference():
    one, other = a_spec("v1.2.0"), a_spec("v1.2.0", replicas=9)
    other["UpdateConfig"] |= {"Delay": 0, "MaxFailureRatio": 0}
    other["TaskTemplate"] |= {"ForceUpdate": 3}

    assert mark_of(one) == mark_of(other)
    assert canonical({"a": 0, "b": [], "c": {"d": ""}, "e": "f"}) == {"e": "f"}


def test_who_put_a_service_up_is_told_by_the_spec_before_the_last_only_if_it_is_it():
    (one, _) = a_plan().writes
    op = a_plan().op

    assert put_up_by({"Spec": one.home, "PreviousSpec": one.carrier}) == op
    assert put_up_by({"Spec": one.before, "PreviousSpec": one.carrier}) == ""
    assert put_up_by({"Spec": one.before, "PreviousSpec": one.back}) == ""


# -- tasks -------------------------------------------------------------------------


def a_task(version, state="running", wanted="running", node="node-1", error=""):
    made = deepcopy(a_spec(version)["TaskTemplate"])
    del made["Runtime"]
    return {
        "Spec": made,
        "DesiredState": wanted,
        "NodeID": node,
        "Status": {"State": state, "Err": error},
    }


NEW, OLD = "v1.2.0", "v1.3.0"
DIED = {"state": "failed", "wanted": "shutdown", "error": "non-zero exit (3)"}


@pytest.mark.parametrize(
    ("tasks", "state"),
    [
        ([a_task(NEW), a_task(NEW)], "running"),
        ([a_task(NEW)], "created"),
        ([a_task(NEW), a_task(OLD)], "created"),
        ([a_task(NEW), a_task(NEW), a_task(OLD, wanted="shutdown")], "up"),
        # A node that is down says running for ever.
        (
            [a_task(NEW), a_task(NEW), a_task(OLD, wanted="shutdown", node="node-3")],
            "running",
        ),
        ([a_task(NEW), a_task(NEW, node="node-3")], "created"),
        ([a_task(NEW), a_task(NEW, "preparing")], "created"),
        # What failed of before says nothing of what is told now.
        ([a_task(NEW), a_task(NEW), *[a_task(OLD, **DIED)] * 3], "running"),
        ([a_task(NEW), a_task(NEW, "starting"), a_task(NEW, **DIED)], "created"),
        ([a_task(NEW), *[a_task(NEW, **DIED)] * 2], "restarting"),
    ],
)
def test_a_service_runs_once_all_of_its_tasks_are_of_its_spec_and_no_other_is_left(
    tasks, state
):
    assert serving(a_spec(NEW), tasks, DOWN).state == state


def test_why_tasks_failed_or_wait_is_said():
    tasks = [a_task(NEW, **DIED)] * 2
    assert "non-zero exit (3)" in serving(a_spec(NEW), tasks, ()).failed
    waits = [a_task(NEW, "pending", error="no suitable node (host port in use)")]
    assert "no suitable node" in serving(a_spec(NEW), waits, ()).words


REFUSED = {"state": "rejected", "wanted": "shutdown", "error": "No such image"}
NO_NETWORK = {
    "state": "failed",
    "wanted": "shutdown",
    "error": "starting container failed: container 5f: endpoint join on GW Network "
    "failed: No such image",  # in the words of Engine 20.10 but for the last three
}


def in_slot(slot, *given, **more):
    return a_task(*given, **more) | {"Slot": slot}


TWICE = [in_slot(1, NEW, **REFUSED)] * 2


@pytest.mark.parametrize(
    ("tasks", "failed", "rejected"),
    [
        # What a node would not start ran nowhere: that says little of the image.
        ([in_slot(1, NEW, **REFUSED), in_slot(2, NEW, **REFUSED)], False, True),
        ([in_slot(1, NEW, **REFUSED), in_slot(1, NEW, **DIED)], False, True),
        ([in_slot(1, NEW, **NO_NETWORK), in_slot(2, NEW, **NO_NETWORK)], False, True),
        ([in_slot(1, NEW, **NO_NETWORK), *[in_slot(2, NEW, **DIED)] * 2], True, False),
        ([in_slot(1, NEW, **REFUSED), *[in_slot(2, NEW, **DIED)] * 2], True, False),
        ([in_slot(1, NEW, **REFUSED), in_slot(2, NEW, "pending")], False, False),
        # Another node took it on, or the same one later.
        (
            [*[in_slot(1, NEW, **REFUSED)] * 2, in_slot(1, NEW, "starting")],
            False,
            False,
        ),
        ([*TWICE, in_slot(1, NEW, "assigned")], False, True),
        ([*TWICE, in_slot(2, NEW, "starting")], False, True),
    ],
)
def test_what_nodes_would_not_start_is_told_from_what_ran_and_failed(
    tasks, failed, rejected
):
    seen = serving(a_spec(NEW), tasks, ())

    assert (bool(seen.failed), bool(seen.rejected)) == (failed, rejected)
    assert ("No such image" in seen.words) == rejected


# -- others ------------------------------------------------------------------------


def a_part(spec, was="", version="v1.3.0", service="api"):
    held = (Found("meesho", "/manifests", version),)
    return Part(
        service=service,
        name=f"dms_{service}",
        container="",
        version=version,
        image_ref=f"dms:{version}",
        image=version,
        state="running",
        aside=False,
        manifests=held,
        mark=mark_of(spec),
        was=was,
    )


def seen(plan, parts, done=(), before=None):
    target = a_record("v1.2.0").pair
    return meanwhile(plan, parts, ("api", "worker"), target, before, done=done).seen


def test_a_deployment_of_what_ran_before_is_told_from_what_was_never_written():
    plan = a_plan()
    api, worker = plan.writes
    before = [a_part(api.before), a_part(worker.before, service="worker")]
    assert seen(plan, before) is Seen.NOTHING

    # By the journal, or by the spec that it was written over.
    assert seen(plan, before, done=["start api (new)"]) is Seen.DEPLOYED
    written = [replace(before[0], was=plan.op), before[1]]
    assert seen(plan, written) is Seen.DEPLOYED


def test_on_the_way_back_the_target_is_somebodys_once_it_was_written_over():
    plan, before = a_plan(), a_record("v1.3.0").pair
    api, worker = plan.writes
    parts = [
        a_part(api.carrier, version="v1.2.0"),
        a_part(worker.before, service="worker"),
    ]
    assert seen(plan, parts, before=before) is Seen.NOTHING
    back = ["start worker (old)", "start api (old)"]
    assert seen(plan, parts, back, before) is Seen.UNSETTLED
    both = [parts[0], a_part(worker.home, version="v1.2.0", service="worker")]
    assert seen(plan, both, back, before) is Seen.DEPLOYED
    assert seen(plan, [a_part(api.back), parts[1]], back, before) is Seen.NOTHING


def test_half_of_a_deployment_is_no_pair_and_ours_is_nobodys():
    plan = a_plan()
    api, worker = plan.writes
    ours = a_part(api.carrier, version="v1.2.0")
    ours_too = a_part(worker.home, version="v1.2.0", service="worker")
    theirs = a_part(a_spec("v1.4.0"), version="v1.4.0", service="worker")

    assert seen(plan, [ours, ours_too]) is Seen.NOTHING
    assert seen(plan, [ours, theirs]) is Seen.UNSETTLED
    assert seen(plan, [ours]) is Seen.UNSETTLED
    assert seen(plan, []) is Seen.DOWN
