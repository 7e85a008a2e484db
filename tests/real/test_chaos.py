"""What was seen to end in an outage, played from outside; the campaign has the rest."""

import pytest

from tests.chaos import neighbours, table
from tests.chaos.campaign import yard

pytestmark = pytest.mark.real

# By layout, so that each stack is deployed once.
_CELLS = (
    "versioned: editor in the proof",
    "versioned: up after start, target sick",
    "versioned: prune before start",
    pytest.param(
        "versioned: compose changed after stop, target sick",
        marks=pytest.mark.campaign,
    ),
    # Whether Compose that failed comes back is known after some seconds only.
    pytest.param(
        "versioned: recreate before stop, the watchdog dead",
        marks=pytest.mark.campaign,
    ),
    # The way back comes up with a container that was made again.
    pytest.param(
        "versioned: prune after stop, target sick", marks=pytest.mark.campaign
    ),
    pytest.param(
        "versioned: recreate back: before remove, the watchdog dead, target sick",
        marks=pytest.mark.campaign,
    ),
    "shared-file: ci again before stop",
    # Where no port forbids it, Compose has both run for a moment, and no longer.
    pytest.param(
        "versioned without a port: start after stop", marks=pytest.mark.campaign
    ),
    pytest.param(
        "shared-file without a port: restart in the proof", marks=pytest.mark.campaign
    ),
)


@pytest.fixture(scope="module")
def yards():
    """Give the one yard of a layout; another layout's is struck before."""
    made = {}

    def yard_of(layout):
        if layout not in made:
            while made:
                made.popitem()[1].__exit__(None, None, None)
            made[layout] = yard(layout)
            yard_of.here = made[layout].__enter__()
        return yard_of.here

    yield yard_of
    for one in made.values():
        one.__exit__(None, None, None)


@pytest.mark.parametrize("words", _CELLS)
def test_whatever_an_operator_does_one_whole_pair_runs_and_is_said(yards, words):
    cell = table.Cell.read(words)

    seen = table.tried(yards(cell.layout), cell)

    assert seen.faults == [], "\n".join(seen.faults)


@pytest.mark.campaign  # in short: test_two_watchdogs
def test_of_two_watchdogs_on_one_stack_one_acts_and_the_other_says_so(yards):
    words, seen = neighbours.tried(yards("versioned"), apart=0.0)

    assert seen.faults == [], "\n".join([words, *seen.faults])
