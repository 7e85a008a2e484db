"""The swarm executor, on a real swarm of one node."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.real.on_swarm import BAD, IMAGE, OLD, Dying, OnSwarm, a_swarm, build
from tests.real.rig import docker
from watchdog.decide.repair import as_found
from watchdog.facts.event import PairStarted, RollbackEnded, RollbackStarted
from watchdog.facts.pair import NotKnown
from watchdog.facts.plan import Wanted
from watchdog.facts.problem import EngineRefused
from watchdog.show.repair import picture
from watchdog.show.repair import words as words_of

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", autouse=True)
def _swarm():
    a_swarm()
    build()


@pytest.fixture
def it(tmp_path):
    made = OnSwarm(tmp_path, f"sw{uuid.uuid4().hex[:8]}")
    yield made
    made.strike()


@pytest.mark.campaign  # on two nodes it is in every run
def test_both_halves_go_back_and_the_next_deployment_changes_nothing(it):
    it.deploy(OLD)
    told = it.specs()
    target = it.record()
    it.deploy(BAD)
    assert it.runs() == {(BAD, BAD)}

    it.begin(target)
    words = it.carry_on()

    assert "proved" in words, f"{words}: {it.failed()}"
    assert it.runs() == {(OLD, OLD)}
    assert it.specs() == told
    running = it.tasks()
    it.post(OLD)
    assert it.specs() == told
    assert it.tasks() == running
    (ended,) = it.events(RollbackEnded)
    assert ended.how == "proved"


class Cut(Exception):
    """The watchdog died here."""


def cut():
    raise Cut


@pytest.mark.campaign
def test_whoever_dies_at_a_write_goes_on_and_ends_in_one_whole_pair(it):
    it.deploy(OLD)
    told, target = it.specs(), it.record()
    it.deploy(BAD)
    it.begin(target)

    # Two services are written twice each. What died before its write is to write yet.
    for after in (False, True) * 4:
        with pytest.raises(Cut):
            it.carry_on(Dying(it.hands, 1, cut, after=after))
    words = it.carry_on()

    assert "proved" in words, f"{words}: {it.failed()}"
    assert it.specs() == told
    assert it.ends() == ["proved"]


@pytest.mark.campaign
def test_a_deployment_in_the_middle_overtakes_and_is_left_alone(it):
    target = it.known()
    it.begin(target)
    with pytest.raises(Cut):
        it.carry_on(Dying(it.hands, 2, cut, after=False))
    assert len(it.runs()) == 2

    it.post(BAD)
    told = it.specs()
    words = it.carry_on()

    assert "overtaken" in words, words
    assert it.specs() == told
    it.comes_to(BAD)


@pytest.mark.campaign
def test_a_target_that_does_not_come_up_is_taken_back_as_a_pair(it):
    it.post(OLD, environment={"DIES": "yes"})
    target = it.record()
    it.deploy(BAD)
    told = it.specs()

    it.begin(target)
    words = it.carry_on()

    assert "put-back" in words, words
    assert "non-zero exit (4)" in " ".join(it.failed())
    assert it.specs() == told
    assert it.runs() == {(BAD, BAD)}


@pytest.mark.campaign
@pytest.mark.parametrize("half", ["a service", "an image"])
def test_what_somebody_left_mixed_is_said_and_put_up_whole_by_an_order(it, half):
    it.deploy(OLD)
    told, target = it.specs(), it.record()
    it.deploy(BAD)
    running, before = it.record(), it.look()
    whole = it.memory.record(running)
    at = datetime.now(UTC)
    it.memory.add(at, PairStarted(before.pair, running, before.containers, at))
    worker = f"{it.project}_worker"
    new, old = (f"{it.project}_manifest_meesho_{v}" for v in ("v1_2_0", "v1_3_0"))
    config = ("--config-rm", old, "--config-add")
    config += (f"source={new},target=/manifests/meesho.manifest.json",)
    more = config if half == "a service" else ()
    docker("service", "update", "-d", "--image", f"{IMAGE}:{OLD}", *more, worker)

    seen = it.look()
    assert isinstance(seen, NotKnown)
    assert seen.split, seen.words
    parts = it.eyes.parts(it.tenants_of)
    shown = picture(it.memory.standing, parts, it.eyes.astray, it.rules)
    assert "not one whole pair: the services run different images" in words_of(shown)

    record, found = as_found(whole, before, parts, it.services)
    wanted = Wanted("order-1", record, running, it.memory.record(target), target, found)
    plan = replace(it.plans.plan(wanted), way_back=())  # nobody wants that back
    begun = RollbackStarted(
        incident="",
        plan=plan,
        from_pair=before.pair,
        to_pair=it.memory.record(target).pair,
        cause="a person said so",
        approved_by="a person",
        automatic=False,
        order="order-1",
        what="repair",
    )
    it.memory.add(at, begun)
    words = it.carry_on()

    assert "proved" in words, f"{words}: {it.failed()}"
    assert it.specs() == told
    assert it.runs() == {(OLD, OLD)}


@pytest.mark.campaign
def test_what_people_scaled_stays_so(it):
    target = it.known()
    docker("service", "scale", "-d", f"{it.project}_api=1")
    it.comes_to(BAD)
    it.begin(target)

    words = it.carry_on()

    assert "proved" in words, words
    assert it.specs()[f"{it.project}_api"]["Mode"]["Replicated"]["Replicas"] == 1


@pytest.mark.campaign
def test_configs_of_a_pair_that_is_kept_cannot_be_removed_and_one_has_the_stack(it):
    it.deploy(OLD)
    record = it.memory.record(it.record())
    keeper, name = it.keeper(), f"{it.project}_manifest_meesho_v1_2_0"

    words, _ = keeper.hold(record)
    assert "held by the service" in words
    assert keeper.hold(record)[0] == words
    docker("stack", "rm", it.project, check=False)
    it.until(lambda: not it.tasks(), "the stack is gone")
    assert "in use" in docker("config", "rm", name, check=False)

    gone = replace(record, repo_digests=(f"{IMAGE}@sha256:{'0' * 64}",))
    with pytest.raises(EngineRefused, match="the registry has no"):
        keeper.hold(gone)
    keeper.let_go(record)
    assert "in use" not in docker("config", "rm", name, check=False)

    one, other = it.claims("one"), it.claims("other")
    one.take()
    with pytest.raises(EngineRefused):
        other.take()
    assert other.look().by == "one"
    assert one.renew(one.look()).count == 1
    one.clear(one.look())
    assert one.look() is None
