"""The watchdog is killed at every boundary of a rollback; the next one ends it."""

import pytest

from tests.crash import mutants, runs
from tests.crash.ground import ONE, REPLICAS, THREE, Ground
from watchdog.facts.event import StepDone
from watchdog.facts.plan import Do
from watchdog.record.journal import Journal

pytestmark = pytest.mark.real


@pytest.fixture
def ground(tmp_path):
    made = []

    def ground(*args, **more):
        made.append(Ground(tmp_path / "ground", *args, **more))
        return made[-1].deploy()

    yield ground
    for one in made:
        one.strike()


@pytest.mark.parametrize(
    "scale",
    [ONE, pytest.param(THREE, marks=pytest.mark.campaign)],
    ids=["one", "three"],
)
@pytest.mark.parametrize(
    "layout", [pytest.param("versioned", marks=pytest.mark.campaign), "shared-file"]
)
def test_a_rollback_that_is_killed_at_every_boundary_comes_to_one_whole_pair(
    ground, layout, scale
):
    here, tally = ground(layout, scale), runs.Tally("all boundaries")

    case = runs.chain(here, tally)

    assert tally.faults == []
    # Each thing that was done was killed three times: intended, done, noted.
    assert case.kills > 20 * len(here.names)


@pytest.mark.campaign
@pytest.mark.parametrize("scale", [ONE, THREE], ids=["one", "three"])
def test_a_warm_swap_that_is_killed_at_every_boundary_comes_to_one_whole_pair(
    ground, scale
):
    here, tally = ground("versioned", scale, warm=True), runs.Tally("all boundaries")

    case = runs.chain(here, tally)

    assert tally.faults == []
    journal = Journal(case.state)
    steps = {
        e.event.step.do for e in journal.entries() if isinstance(e.event, StepDone)
    }
    journal.close()
    assert Do.HAND_OVER in steps
    assert case.kills > 20 * len(here.names)


@pytest.mark.campaign
def test_a_warm_swap_that_is_killed_while_the_engine_is_at_it_ends_as_it_would_have(
    ground,
):
    here, tally = ground("versioned", ONE, warm=True), runs.Tally("each request")
    runs.places(here)
    count = here.proxy.count

    runs.each_request(here, tally, count)

    assert tally.faults == []
    assert tally.kills == tally.runs == len(runs.PHASES) * count


@pytest.mark.campaign  # in short: in memory, in test_replicas
def test_killed_between_two_replicas_it_comes_to_one_whole_pair(ground):
    here, tally = ground("versioned", REPLICAS), runs.Tally("between two replicas")

    # The first one is waited for; the second one is stopped, and not started yet.
    for call in ((2, "start", "answered"), (3, "stop", "forwarded")):
        runs.kill_at(here, tally, {"rule": runs.at_call(*call)})
    runs.kill_at(here, tally, {"rule": runs.at_call(3, "start", "received")})

    assert tally.faults == []
    assert tally.kills == tally.runs == 3


@pytest.mark.parametrize(
    ("phase", "every"),
    [
        ("answered", 3),  # done, and we shall never hear of it: the worst of the three
        pytest.param("answered", 1, marks=pytest.mark.campaign),
        pytest.param("received", 1, marks=pytest.mark.campaign),
        pytest.param("forwarded", 1, marks=pytest.mark.campaign),
    ],
)
def test_killed_while_the_engine_is_at_it_the_rollback_ends_as_it_would_have(
    ground, phase, every
):
    here, tally = ground("shared-file", ONE), runs.Tally("each request")
    runs.places(here)
    numbers = range(1, here.proxy.count + 1, every)

    for number in numbers:
        runs.kill_at(here, tally, {"rule": runs.at_request(number, phase)})

    assert tally.faults == []
    assert tally.kills == tally.runs == len(numbers)


@pytest.mark.campaign  # of the test above, not of the product
def test_a_transaction_that_never_looks_would_be_seen(ground):
    here, tally = ground("versioned", ONE), runs.Tally("mutant")

    for number in range(1, 7):
        rule = runs.at_request(number, "answered")
        broken = mutants.instead("NeverLooks")
        runs.kill_at(here, tally, {"rule": rule}, instead=broken)
        if tally.faults:
            break

    assert tally.faults
