"""Whoever leads and can ask no manager lets another lead, and is not in a hurry."""

from contextlib import closing

import pytest

from tests.worlds import StillClock
from watchdog.facts.event import FarEndBack, FarEndLost
from watchdog.facts.problem import JournalLost, Unreachable
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory
from watchdog.turn.yielding import Yielding


class Node:
    """A node that leads; *trouble* is what it meets when it asks its manager."""

    def __init__(self, journal):
        self.clock, self.trouble, self.offered = StillClock(), "", []
        self.journal = journal
        self.yielding = Yielding(
            self.asks, self.offers, Memory(journal, lambda _: None), self.clock
        )

    def asks(self):
        if isinstance(self.trouble, Exception):
            raise self.trouble
        return self.trouble

    def offers(self):
        self.offered.append(self.clock.waited)

    def goes_on(self, seconds):
        for _ in range(0, seconds, 5):
            self.yielding.look(self.clock.now())
            self.clock.pause(5)

    def said(self, kind):
        events = (entry.event for entry in self.journal.entries())
        return [event for event in events if isinstance(event, kind)]


@pytest.fixture
def node(folders):
    with closing(Journal(folders())) as journal:
        yield Node(journal)


@pytest.mark.parametrize(
    "trouble",
    [
        "the engine at unix:///x is a worker of its swarm, no manager",
        "The swarm does not have a leader",
        Unreachable("the engine at unix:///x did not answer"),
    ],
)
def test_one_whose_manager_is_away_lets_another_lead_and_says_why(node, trouble):
    node.trouble = trouble
    node.goes_on(30)
    assert node.offered == []

    node.goes_on(5)

    assert node.offered == [30]
    (lost,) = node.said(FarEndLost)
    assert str(trouble).splitlines()[0] in lost.words


def test_one_whose_manager_is_away_for_a_moment_goes_on(node):
    for _ in range(4):
        node.trouble = "The swarm does not have a leader"
        node.goes_on(25)
        node.trouble = ""
        node.goes_on(5)

    assert node.offered == []
    assert node.said(FarEndLost) == []


def test_where_nobody_wants_to_it_is_offered_ever_less_often_and_said_once(node):
    node.trouble = "The swarm does not have a leader"
    node.goes_on(300)

    assert node.offered == [30, 90, 210]
    assert len(node.said(FarEndLost)) == 1
    node.trouble = ""
    node.goes_on(900)
    assert len(node.said(FarEndBack)) == 1


def test_one_that_leads_no_more_ends(node):
    def taken():
        raise JournalLost("another leads")

    node.offers, node.trouble = taken, "The swarm does not have a leader"
    node.yielding.offer = taken
    with pytest.raises(JournalLost):
        node.goes_on(60)
