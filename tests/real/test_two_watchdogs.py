"""Two watchdogs on one stack, each with a state folder of its own, on a real engine."""

import json
import threading
import time
from datetime import timedelta

import pytest

from tests.crash.ground import BAD, OLD, ONE, Ground
from tests.real.rig import docker
from watchdog.act.claim import CLAIMS
from watchdog.act.keeper import PROJECT
from watchdog.config.settings_file import load
from watchdog.facts.event import (
    ClaimTaken,
    ImageHeld,
    OrderRefused,
    RollbackEnded,
    RollbackStarted,
    StackClaimed,
)
from watchdog.show.status import picture, words
from watchdog.turn import claiming
from watchdog.wiring.chosen import rules_of
from watchdog.wiring.watch import wire

pytestmark = pytest.mark.real


@pytest.fixture
def ground(tmp_path):
    it = Ground(tmp_path / "ground", "versioned", ONE).deploy()
    yield it
    it.strike()


class Wired:
    """A watchdog, and what it has told."""

    def __init__(self, watch, told):
        self.told = told
        self.schedule, self.orders = watch.schedule, watch.doors.orders
        self.memory, self.journal = watch.memory, watch.journal
        self.settings, self.clock = watch.settings, watch.clock


def wired(ground, name):
    """Wire a watchdog with a state folder of its own, in which v1.3.0 has breached."""
    case = ground.case()
    ground.stage.state = case.state
    ground.stage.settings(**case._settings())
    told = []
    config = ground.stage.config / "watchdog.yaml"
    watch = wire(load(config, {}), name, told.append)
    return Wired(watch, told)


def at_once(*what):
    """Do all of *what* in the same moment, each on a thread of its own."""
    gate = threading.Barrier(len(what))

    def do(one):
        gate.wait()
        one()

    threads = [threading.Thread(target=do, args=(one,)) for one in what]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)


def all_of(watch, kind):
    return [entry.event for entry in watch.told if isinstance(entry.event, kind)]


def test_of_two_that_start_in_the_same_moment_one_rolls_back_and_the_other_says_so(
    ground,
):
    pair = [wired(ground, "one"), wired(ground, "other")]
    try:
        last = time.monotonic() + 90
        while time.monotonic() < last:
            at_once(*(watch.schedule.turn for watch in pair))
            if any(all_of(watch, RollbackEnded) for watch in pair):
                break
        at_once(*(watch.schedule.turn for watch in pair))

        acted = [watch for watch in pair if all_of(watch, RollbackStarted)]
        assert len(acted) == 1, [all_of(watch, StackClaimed) for watch in pair]
        (first,) = acted
        (second,) = [watch for watch in pair if watch is not first]
        assert [end.how for end in all_of(first, RollbackEnded)] == ["proved"]
        assert len(all_of(first, ClaimTaken)) == 1
        assert [state for _, _, state in ground.seen()] == ["running"]
        assert [version for _, version, _ in ground.seen()] == [OLD]
        assert ground.pinned() == OLD

        (said,) = all_of(second, StackClaimed)
        assert said.by == (first.settings.state / "watchdog.id").read_text().strip()
        _says_so_and_does_nothing(second, said)
        _is_let_in_once_the_first_is_gone(first, second, said)
    finally:
        for watch in pair:
            watch.journal.close()


def _says_so_and_does_nothing(second, said):
    before = _there(second)
    order = {"by": "ops", "reason": "why", "to": ""}
    reply = second.orders.take("rollback", order, second.clock.now())
    for beside in second.schedule._scheduler.get_jobs():
        if beside.id.startswith("beside"):
            beside.func()
    second.schedule.turn()

    assert reply.status == 409
    assert reply.body["words"] == said.words
    assert _there(second) == before
    assert all_of(second, ImageHeld) == all_of(second, OrderRefused) == []
    turn, s = second.memory.last_turn(), second.memory.standing
    rules, poll = rules_of(second.settings), second.settings.poll
    status = picture(s, None, rules, turn, poll=poll, at=second.clock.now())
    assert status["readiness"]["ready"] is False
    assert status["promotion"]["state"] == "paused"
    lines = words(status).splitlines()
    assert lines[0].endswith("NOT ACTING: another watchdog has this stack")
    assert said.words in lines


def _there(watch):
    """List what is of this stack, and of its watchdogs: others test beside it."""
    project = watch.settings.stack.project
    labels = ("com.docker.compose.project", CLAIMS, PROJECT)
    return [
        docker("ps", "-aq", "--no-trunc", "--filter", f"label={label}={project}")
        for label in labels
    ]


def _is_let_in_once_the_first_is_gone(first, second, said):
    """As the words say: by hand, or by itself after a while."""
    cure = said.hint.partition("`docker rm ")[2].partition("`")[0]
    docker("rm", cure)
    second.schedule.turn()
    assert second.memory.standing.claimed, "it may be at work, and make it again"
    with pytest.MonkeyPatch.context() as later:
        later.setattr(claiming, "GONE_AFTER", timedelta(0))
        second.schedule.turn()
    first.schedule.turn()

    assert second.memory.standing.claimed is None
    assert first.memory.standing.claimed.by != said.by
    label = f"label={CLAIMS}={second.settings.stack.project}"
    (id_,) = docker("ps", "-aq", "--filter", label).split()
    (found,) = json.loads(docker("inspect", id_))
    assert found["State"]["Status"] == "created"
    assert found["HostConfig"]["NetworkMode"] == "none"


def test_a_claim_is_renewed_on_a_real_engine_and_kept_through_a_restart(ground):
    watch = wired(ground, "one")
    watch.schedule.turn()
    renew = next(
        job for job in watch.schedule._scheduler.get_jobs() if job.id == "beside-1"
    )
    renew.func()  # once more by the image of what runs now, and of it alone
    (before,) = json.loads(docker("inspect", f"{ground.project}-watchdog-claim"))
    renew.func()
    (after,) = json.loads(docker("inspect", f"{ground.project}-watchdog-claim"))
    watch.schedule.turn()
    watch.journal.close()

    assert after["Id"] == before["Id"]
    again = [one["HostConfig"]["RestartPolicy"] for one in (before, after)]
    assert again[1]["MaximumRetryCount"] == again[0]["MaximumRetryCount"] + 1
    assert [after["Image"]] == [one["Image"] for one in ground.inspected()]
    assert after["State"]["Status"] == "created"
    assert ground.seen()[0][1] in (OLD, BAD)
    assert watch.memory.standing.claimed is None
    told = []
    again = wire(watch.settings, "again", told.append)
    again.schedule.turn()
    again.journal.close()
    assert not [e for e in told if isinstance(e.event, StackClaimed | ClaimTaken)]
