"""A spec is written over the one that it was made for, and over no other."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.act.manager import MANAGER, a_service, managing
from tests.worlds import AT, a_record
from watchdog.act.swarm import SwarmHands
from watchdog.decide.swarm import WriteSpecs
from watchdog.facts.pair import NotKnown, Replica, Running
from watchdog.facts.plan import Do, Step, Wanted, Which
from watchdog.facts.problem import (
    EngineRefused,
    Foreign,
    NotProven,
    Problem,
    Unreachable,
)
from watchdog.facts.spec import mark_of
from watchdog.observe.holding import by_the_engine
from watchdog.observe.swarm import SwarmStack
from watchdog.outside.stack_folder import StackFolder
from watchdog.outside.swarm import Swarm
from watchdog.verify.proof import NotYet, Proven, prove

SERVICES = ("api",)
WRITE = Step(Do.START, "api", Which.NEW)
BACK = Step(Do.START, "api", Which.OLD)


class OneService:
    """The real eyes and hands on a swarm of one service, and a plan back to v1.2.0."""

    def __init__(self, manager, url, folder):
        self.manager, self.url = manager, url
        self.swarm = Swarm(url, timedelta(seconds=10), to_act=True)
        self.eyes = SwarmStack(
            self.swarm,
            project="dms",
            services=SERVICES,
            inside="/manifests/{tenant}.manifest.json",
            manifests="manifests",
            files=StackFolder(folder),
        )
        self.passed = 0.0  # s
        self.hands = SwarmHands(
            self.swarm,
            self.eyes.found,
            self.eyes.serving,
            lambda *_: "held",
            lambda: self.passed,
        )
        record = a_record("v1.3.0", services=SERVICES)
        now = {"api": self.told()}
        then = {"api": a_service("api", "v1.2.0")["Spec"]}
        self.plan = WriteSpecs(lambda: now, lambda _: then, SERVICES).plan(
            Wanted(
                incident="inc-1",
                running=record,
                running_sha="running",
                target=a_record("v1.2.0", services=SERVICES),
                target_sha="target",
                seen=Running(record.pair, ("a",), AT, ("running",)),
            )
        )

    def told(self):
        return deepcopy(self.manager.services["api"]["Spec"])

    def look(self):
        return self.eyes.running(lambda _: ("meesho",))

    def do(self, step):
        self.hands.do(self.plan, None, step)

    def somebody_deploys(self, version="v1.3.1"):
        one = self.manager.services["api"]
        one["Spec"] = a_service("api", version)["Spec"]
        one["Version"]["Index"] += 1

    def the_swarm_notes(self):
        self.manager.services["api"]["Version"]["Index"] += 1


@pytest.fixture
def it(tmp_path):
    with managing() as (manager, url):
        made = OneService(manager, url, tmp_path)
        yield made
        made.swarm.close()


# What is written.


def test_a_spec_is_written_over_what_it_was_made_for_at_the_scale_of_now(it):
    it.manager.services["api"]["Spec"]["Mode"] = {"Replicated": {"Replicas": 4}}

    it.do(WRITE)

    (written,) = it.manager.noted
    assert mark_of(written) == mark_of(it.plan.writes[0].carrier)
    assert written["Mode"] == {"Replicated": {"Replicas": 4}}
    assert it.hands.is_done(it.plan, None, WRITE)


@pytest.mark.parametrize("step", [WRITE, BACK])
def test_over_what_somebody_deployed_nothing_is_written(it, step):
    it.somebody_deploys()

    with pytest.raises(Foreign, match="somebody deployed it"):
        it.do(step)
    with pytest.raises(Foreign, match="somebody deployed it"):
        it.hands.is_done(it.plan, None, step)

    assert it.manager.noted == []


def test_who_deploys_between_the_look_and_the_write_is_not_written_over(it):
    it.manager.between.append(it.somebody_deploys)

    with pytest.raises(Foreign, match="somebody deployed it"):
        it.do(WRITE)

    assert it.manager.noted == []
    assert it.look().pair.version == "v1.3.1"


def test_what_the_swarm_itself_noted_meanwhile_is_looked_at_and_written_again(it):
    it.manager.between += [it.the_swarm_notes, it.the_swarm_notes]

    it.do(WRITE)

    assert len(it.manager.noted) == 1


def test_a_write_whose_answer_was_lost_is_not_made_twice(it):
    it.manager.loses = 1
    with pytest.raises(Unreachable):
        it.do(WRITE)

    assert it.hands.is_done(it.plan, None, WRITE)
    it.do(WRITE)

    assert len(it.manager.noted) == 1


def test_a_look_that_hangs_is_taken_again_and_a_write_is_not(it):
    hasty = Swarm(it.url, timedelta(seconds=0.5), to_act=True)
    it.manager.hangs = 3
    assert hasty.services("dms")

    it.manager.hangs = 4
    with pytest.raises(Unreachable):
        hasty.services("dms")

    it.manager.hangs = 1
    with pytest.raises(Unreachable):
        hasty.write("id-api", 7, it.plan.writes[0].carrier)
    hasty.close()


def on_node(spec, node, *, wanted="running"):
    return {
        "ID": f"task-{node}",
        "ServiceID": "id-api",
        "NodeID": node,
        "DesiredState": wanted,
        "Status": {"State": "running", "Timestamp": "2026-03-11T03:00:00Z"},
        "Spec": spec["TaskTemplate"],
    }


def test_what_a_node_that_is_down_may_still_serve_is_part_of_the_proof(it):
    before = a_service("api", "v1.2.0")["Spec"]
    it.manager.nodes = [
        {"ID": "n1", "Description": {"Hostname": "one"}, "Status": {"State": "ready"}},
        {"ID": "n2", "Description": {"Hostname": "two"}, "Status": {"State": "down"}},
    ]
    it.manager.tasks = [on_node(it.told(), "n1")]
    seen = it.look()
    assert seen.states == ("running",)
    assert "cannot be known" not in prove(seen.pair, seen, (), ()).words

    it.manager.tasks.append(on_node(before, "n2", wanted="shutdown"))
    seen = it.look()

    assert seen.states == ("running",)
    words = prove(seen.pair, seen, (), ()).words
    assert "node two is down: whether another version still serves there" in words


def test_what_is_said_of_a_node_that_nobody_heard_yet_proves_nothing(it):
    two = {"ID": "n2", "Description": {"Hostname": "two"}, "Status": {}}
    it.manager.nodes = [two]
    it.manager.tasks = [on_node(it.told(), "n2")]
    for state, words in (("unknown", "node two is not heard yet"), ("ready", "")):
        two["Status"]["State"] = state
        seen = it.look()
        proof = prove(seen.pair, seen, (), ())
        assert isinstance(proof, NotYet if words else Proven)
        assert words in proof.words
    two["Status"]["State"] = "down"
    assert it.look().states == ("created",)


def test_tasks_are_up_from_when_all_that_are_wanted_run_though_old_ones_still_end(it):
    it.manager.services["api"]["Spec"]["Mode"] = {"Replicated": {"Replicas": 2}}
    before = a_service("api", "v1.2.0")["Spec"]
    ends = on_node(before, "old", wanted="shutdown")
    one, other = on_node(it.told(), "n1"), on_node(it.told(), "n2")

    it.manager.tasks = [one, ends]
    assert it.look().up == ()
    it.manager.tasks = [one, other, ends]
    seen = it.look()
    assert (seen.states, seen.up) == (("created",), ("task-n1", "task-n2"))
    assert isinstance(prove(seen.pair, seen, (), ()), NotYet)
    it.manager.tasks = [one, other]
    seen = it.look()
    assert (seen.states, seen.up) == (("running",), ("task-n1", "task-n2"))
    assert isinstance(prove(seen.pair, seen, (), ()), Proven)


def test_tasks_that_failed_before_the_write_do_not_count_against_it(it):
    it.do(WRITE)
    template = it.manager.noted[-1]["TaskTemplate"]
    failed = {
        "ServiceID": "id-api",
        "DesiredState": "shutdown",
        "Status": {"State": "failed", "Err": "no network"},
        "Spec": template,
        "CreatedAt": "2026-03-11T03:00:00.5Z",
    }
    it.manager.tasks = [failed | {"ID": "t1"}, failed | {"ID": "t2"}]
    wait = Step(Do.AWAIT, "api", Which.NEW)
    assert it.hands.is_done(it.plan, None, wait) == ""

    service = it.manager.services["api"]
    service["UpdateStatus"] = {"StartedAt": "2026-03-11T03:00:00.51Z"}
    assert it.hands.is_done(it.plan, None, wait) == ""

    service["UpdateStatus"] = {"StartedAt": "2026-03-11T03:00:00.49Z"}
    with pytest.raises(NotProven, match="2 tasks failed, the newest: no network"):
        it.hands.is_done(it.plan, None, wait)


def test_tasks_that_a_node_rejects_for_a_moment_do_not_end_it_and_for_long_do(it):
    it.do(WRITE)
    it.manager.services["api"]["UpdateStatus"] = {"StartedAt": "2026-03-11T03:00:00Z"}
    rejected = {
        "ServiceID": "id-api",
        "DesiredState": "shutdown",
        "Slot": 1,
        "Status": {"State": "rejected", "Err": "network dms_net not found"},
        "Spec": it.manager.noted[-1]["TaskTemplate"],
        "CreatedAt": "2026-03-11T03:00:01Z",
    }
    tries = {**rejected, "DesiredState": "running", "Status": {"State": "assigned"}}
    it.manager.tasks = [rejected | {"ID": "t1"}, rejected | {"ID": "t2"}, tries]
    wait = Step(Do.AWAIT, "api", Which.NEW)

    assert it.hands.is_done(it.plan, None, wait) == ""
    it.passed += 14
    assert it.hands.is_done(it.plan, None, wait) == ""

    # It is taken on, and dies with its node: the time begins anew.
    tries["Status"]["State"] = "starting"
    it.passed += 2
    assert it.hands.is_done(it.plan, None, wait) == ""
    tries["Status"]["State"] = "pending"
    assert it.hands.is_done(it.plan, None, wait) == ""
    it.passed += 15
    with pytest.raises(NotProven, match="not started by their nodes, the newest: net"):
        it.hands.is_done(it.plan, None, wait)


def test_the_way_back_is_written_over_the_carrier_and_over_nothing_else(it):
    it.do(WRITE)
    it.do(BACK)

    assert [mark_of(one) for one in it.manager.noted] == [
        mark_of(it.plan.writes[0].carrier),
        mark_of(it.plan.writes[0].back),
    ]


# What cannot be begun: one sentence each, and nothing is touched.


def _is(**swarm):
    def changed(manager):
        manager.swarm = MANAGER | swarm

    return changed


def _service(**more):
    def changed(manager):
        manager.services = {"api": a_service("api", "v1.3.0", **more)}

    return changed


def _unpinned(manager):
    container = manager.services["api"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    container["Image"] = "dms:v1.3.0"


def _of_another(manager):
    manager.services["api"]["Spec"]["Labels"]["com.docker.stack.namespace"] = "crm"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_is(LocalNodeState="inactive"), "is in no swarm (inactive)"),
        (_is(ControlAvailable=False), "is a worker of its swarm, no manager"),
        (_is(Error="The swarm does not have a leader"), "does not have a leader"),
        (lambda m: m.services.clear(), "the swarm has no service dms_api"),
        (_of_another, "service dms_api belongs to stack crm, meant dms"),
        (_unpinned, "service api runs dms:v1.3.0 without a digest"),
    ],
)
def test_what_keeps_a_stack_from_being_written_is_one_sentence(it, change, words):
    change(it.manager)

    (said,) = it.eyes.obstacles()

    assert words in said
    assert it.manager.noted == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (("meesho", "c9"), "config meesho (c9) is gone"),
        (("meesho_v2", "c1"), "names config meesho_v2 by the id of meesho"),
    ],
)
def test_a_pair_whose_config_is_not_what_it_is_called_is_not_known(it, config, words):
    _service(config=config)(it.manager)

    seen = it.look()

    assert isinstance(seen, NotKnown)
    assert words in seen.words


def a_task(it, state="running", **status):
    """Give one of the api's tasks, of what it is told now."""
    return {
        "ServiceID": "id-api",
        "Spec": it.told()["TaskTemplate"],
        "DesiredState": "running",
        "Status": {"State": state, "Timestamp": "2026-03-11T03:00:01Z"} | status,
    }


def test_as_many_containers_run_as_tasks_do_and_not_one_for_a_service(it):
    it.manager.services["api"]["Spec"]["Mode"] = {"Replicated": {"Replicas": 3}}
    it.manager.tasks = [a_task(it) for _ in range(3)]

    assert it.look().states == ("running",)
    assert it.look().replicas == {"api": 3}


def test_why_a_service_does_not_run_whole_is_said_of_its_tasks(it):
    it.manager.tasks = [a_task(it, "pending", Err="no suitable node")]

    (words, *_) = by_the_engine(it.look(), (), is_young=False).values()

    assert words == (
        "service api of v1.3.0 does not run whole: 0 of 1 tasks run; no suitable node"
    )


def test_a_manifest_is_shown_where_its_containers_have_it(it):
    (part,) = it.eyes.parts(lambda _: ("meesho",))

    assert [one.path for one in part.manifests] == ["/manifests/meesho.manifest.json"]


def recorded(**given):
    """Give the record of v1.2.0 as it ran on the swarm."""
    spec = a_service("api", "v1.2.0", **given)["Spec"]
    replica = Replica("api", "dms_api", spec, {})
    return replace(a_record("v1.2.0", services=SERVICES), replicas=(replica,))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"Networks": [{"Target": "back"}]}, "network back, which v1.2.0 is on, is"),
        ({"config": ("meesho_v0", "c0")}, "config meesho_v0, which v1.2.0 needs, is g"),
        ({"config": ("meesho", "c0")}, "which v1.2.0 needs, is another than it was"),
    ],
)
def test_what_a_target_needs_and_is_gone_is_named(it, given, words):
    with pytest.raises(Problem, match=words):
        it.eyes.fitted(recorded(**given))


def test_a_target_is_fitted_to_the_networks_of_today(it):
    it.manager.elsewhere["back"] = {"Id": "n2", "Name": "back"}

    fitted = it.eyes.fitted(recorded(Networks=[{"Target": "back"}]))

    assert fitted["api"]["TaskTemplate"]["Networks"] == [{"Target": "n2"}]


def test_a_digest_that_its_registry_has_no_more_is_said(it):
    with pytest.raises(EngineRefused, match="the registry has no dms@sha256:aa"):
        it.swarm.in_registry("dms@sha256:aa")
