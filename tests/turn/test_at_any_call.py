"""Whatever somebody does to a swarm's stack, and at whichever call of ours: it stays.

A manager that speaks the wire, whose tasks run at once; time passes where we wait.
"""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote

import pytest

from tests.act.manager import Manager, a_service, managing
from tests.real.half import Half
from tests.worlds import StillClock, rules
from watchdog.config.sections.executors import Engine as EngineSection
from watchdog.config.sections.stack import Stack as Section
from watchdog.config.settings import Settings
from watchdog.facts.event import RollbackEnded, RollbackStuck
from watchdog.facts.spec import mark_of

OLD, BAD, THIRD = "v1.2.0", "v1.3.0", "v1.3.1"
SERVICES = ("api", "worker")
_MOST = 200  # calls of a rollback


class Stack(Manager):
    """A stack of two services; *acts* is done to it right before call number *at*."""

    def __init__(self):
        super().__init__()
        self.services, self.count, self.at = {}, 0, 0
        self.acts, self.written_over = lambda: None, []
        self.dies = ""  # the version of which no task comes up
        self.leaderless = 0  # calls for which no manager leads
        self.refuses = ""  # why a service cannot be written
        self.configs = {v: (f"meesho_{v}", v.encode()) for v in (OLD, BAD, THIRD)}
        self.deploy(OLD)

    def answer(self, method, path, query, body):
        path = unquote(path)
        self.count += 1
        if self.count == self.at:
            self.acts()
        if self.leaderless and not path.endswith("/version"):
            self.leaderless -= 1
            return 500, {"message": "rpc error: The swarm does not have a leader"}
        if self.refuses and method == "POST":
            return 400, {"message": self.refuses}
        if "/distribution/" in path:
            digest = path.rpartition("@")[2].removesuffix("/json")
            return 200, {"Descriptor": {"digest": digest}}
        self.tasks = [t for one in self.services.values() for t in self._tasks(one)]
        return super().answer(method, path, query, body)

    def _tasks(self, one):
        task = {
            "ID": f"task-{one['ID']}-{mark_of(one['Spec'])[:9]}",
            "ServiceID": one["ID"],
            "NodeID": "n1",
            "DesiredState": "running",
            "Status": {"State": "running", "Timestamp": "2026-03-11T03:00:00Z"},
            "Spec": one["Spec"]["TaskTemplate"],
            "CreatedAt": "2026-03-11T03:00:00Z",
        }
        if not self.dies or f":{self.dies}@" not in str(task["Spec"]):
            return [task]
        failed = {"State": "failed", "Err": "non-zero exit (3)"}
        return [task | {"DesiredState": "shutdown", "Status": failed}] * 2

    def update(self, id_, version, spec):
        if not any(one["ID"] == id_ for one in self.services.values()):
            return 404, {"message": f"service {id_} not found"}
        (one,) = (one for one in self.services.values() if one["ID"] == id_)
        if one.get("theirs") and one["Version"]["Index"] == version:
            self.written_over.append(one["Spec"])
        status, said = super().update(id_, version, spec)
        if status == 200:
            one |= {"theirs": False, "UpdateStatus": {"StartedAt": ""}}
        return status, said

    # what people do

    def _put(self, name, spec):
        if name not in self.services:
            self.services[name] = a_service(name, OLD)
        one = self.services[name]
        before = one["Spec"]
        # What says the same as what was found is nothing that could be kept.
        over_ours = _OP in str(before["Labels"])
        one["theirs"] = over_ours or mark_of(spec) != mark_of(before)
        one |= {"PreviousSpec": before, "Spec": spec}
        one["Version"] = {"Index": one["Version"]["Index"] + 1}

    def deploy(self, version, names=SERVICES):
        for name in names:
            made = a_service(name, version, config=(f"meesho_{version}", version))
            self._put(name, made["Spec"])

    def change(self, do):
        spec = deepcopy(self.services["api"]["Spec"])
        do(spec)
        self._put("api", spec)
        self.services["api"]["theirs"] = False

    def told(self):
        """Give the versions of image and manifest that each service is told."""
        found = {}
        for name, one in self.services.items():
            made = one["Spec"]["TaskTemplate"]["ContainerSpec"]
            given = made["Configs"][0]["ConfigName"].removeprefix("meesho_")
            found[name] = made["Image"].partition("@")[0].removeprefix("dms:"), given
        return found


_OP = "io.flexli.rollback.op"


class Hasty(StillClock):
    """Time that goes by in steps: nothing here is worth looking at more often."""

    def pause(self, seconds):
        super().pause(max(seconds, 3.0))


class OnWire(Half):
    """A watchdog of that stack, in a time of its own."""

    def __init__(self, folder, url):
        super().__init__(folder / "state")
        self.clock, self.ask_stack = Hasty(), lambda *_: ()
        (folder / "stack").mkdir()
        self.rules = rules(services=SERVICES, prove_within=timedelta(seconds=60))
        section = Section(
            project="dms", services=list(SERVICES), directory=folder / "stack"
        )
        self.made = self.wire(
            Settings(
                executor="swarm",
                stack=section,
                engine=EngineSection(url=url),
                state=folder / "state",
            )
        )
        self.smoke = self.made.smoke

    def transaction(self, hands=None):
        return replace(super().transaction(hands), clock=self.clock)

    def more(self):
        return {"agrees": self.made.agrees}

    def rolls(self):
        """Turn until it has ended, or is stuck; say how."""
        for _ in range(5):
            self.carry_on()
            if self.ends():
                return self.ends()[-1]
        raise AssertionError(self.failed())

    def close(self):
        self.journal.close()
        self.eyes._swarm.close()
        self.hands._swarm.close()


def a_rollback(folder, act=lambda _: None, at=0, *, dies=""):
    """Roll back from v1.3.0; *act* is done to the stack right before our call *at*.

    Of the version *dies* no task comes up from then on. Gives how it ended, the stack,
    and the event that says so.
    """
    with managing(Stack()) as (stack, url):
        it = OnWire(folder, url)
        try:
            target = it.record()
            stack.deploy(BAD)
            for one in stack.services.values():
                one["theirs"] = False
            it.begin(target)
            stack.noted.clear()
            stack.count, stack.at, stack.dies = 0, at, dies
            stack.acts = lambda: act(stack)
            how = it.rolls()
            (last,) = it.events(RollbackEnded)[-1:] or it.events(RollbackStuck)[-1:]
            return how, stack, last
        finally:
            it.close()


def test_a_rollback_on_the_wire_writes_each_service_twice_and_is_proved(folders):
    how, stack, _ = a_rollback(folders())

    assert how == "proved"
    assert stack.told() == dict.fromkeys(SERVICES, (OLD, OLD))
    assert len(stack.noted) == 4
    assert stack.count < _MOST


def _one_service(stack):
    stack.deploy(THIRD, ("api",))


def _the_target(stack):
    stack.deploy(OLD)
    _says_what_ours_says(stack)


def _says_what_ours_says(stack):
    for name, (version, _) in stack.told().items():
        stack.services[name]["theirs"] &= version != OLD


def _take_down(stack):
    stack.services.clear()


def _roll_back(stack):
    one = stack.services["api"]
    stack._put("api", one["PreviousSpec"])
    _says_what_ours_says(stack)


def _scale(stack):
    stack.change(lambda spec: spec.update(Mode={"Replicated": {"Replicas": 1}}))


def _force(stack):
    stack.change(lambda spec: spec["TaskTemplate"].update(ForceUpdate=3))


def _label(stack):
    stack.change(lambda spec: spec["Labels"].update(team="dms"))


def _lose_answers(stack):
    stack.loses = 1


def _lose_its_leader(stack):
    stack.leaderless = 3


FAULTS = {
    "the next answer to a write is lost": _lose_answers,
    "no manager leads for a while": _lose_its_leader,
}
ACTS = FAULTS | {
    "deploys what ran": lambda stack: stack.deploy(BAD),
    "deploys the target": _the_target,
    "deploys another": lambda stack: stack.deploy(THIRD),
    "deploys one service": _one_service,
    "takes it down": _take_down,
    "has one service rolled back": _roll_back,
    "scales": _scale,
    "forces a start": _force,
    "labels": _label,
}


def is_kept(folder, name, at, dies=""):
    """Have somebody do it at that call; tell whether there was such a call."""
    how, stack, last = a_rollback(folder, ACTS[name], at, dies=dies)
    told, where = set(stack.told().values()), f"{name} at call {at}: {how}"
    fine, back = ("put-back", BAD) if dies else ("proved", OLD)
    assert not stack.written_over, where
    if stack.count < at:
        assert how == fine, where
        return False
    if at >= stack.count - 2:
        return True  # our last look was before it
    if how != "stuck":
        assert len(told) <= 1, f"{where}: {told}"
    if name == "takes it down":
        assert not stack.services, where
        assert "compose" not in last.hint, last.hint
    if name == "deploys another":
        assert told == {(THIRD, THIRD)}, where
    if name in ("scales", "forces a start", *FAULTS):
        assert how == fine, where
    if name == "deploys what ran":
        assert how in ("proved", "put-back", "overtaken"), where
    if name == "deploys the target" and not dies:
        assert how == "proved", where
    if (
        how == "unpinned" and at < stack.count - 2
    ):  # it is said that it is not as it was recorded
        assert name in ("has one service rolled back", "labels"), where
    if how == fine:
        assert told == {(back, back)}, where
    return True


@pytest.mark.campaign
@pytest.mark.parametrize("dies", ["", OLD], ids=["", "the target dies"])
@pytest.mark.parametrize("name", ACTS)
def test_what_somebody_does_at_any_call_is_not_written_over(folders, name, dies):
    at = 1
    while is_kept(folders(), name, at, dies):
        at += 1
    assert at > 20


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("at", [25, 55])
def test_what_somebody_does_in_the_middle_is_not_written_over(folders, name, at):
    assert is_kept(folders(), name, at)


def test_a_write_that_is_refused_before_any_was_taken_leaves_all_as_it_is(folders):
    words = "invalid argument: port '80' is already in use by service 'other'"

    def refuse(stack):
        # What is to be put back is bad, and will not be proved.
        stack.refuses, stack.dies = words, BAD

    how, stack, last = a_rollback(folders(), refuse, 1)

    assert how == "unchanged", last
    assert words in last.proof
    assert stack.noted == []
    assert stack.told() == dict.fromkeys(SERVICES, (BAD, BAD))
