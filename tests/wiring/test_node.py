"""Who follows, and then leads: also where it has to end in that very moment."""

import queue
from contextlib import closing

import pytest

from tests.commands.test_main import Box
from watchdog.config.settings_file import load
from watchdog.facts.problem import JournalLost
from watchdog.record.journal import Journal
from watchdog.wiring.node import Node


@pytest.fixture
def ending(tmp_path):
    """Give a box, and its node, which was told to end."""
    box = Box(tmp_path)
    box.write({})
    node = Node(load(tmp_path / "watchdog.yaml", {}), "1")
    node._end()
    return box, node


def hears(node, word):
    found = queue.SimpleQueue()
    found.put(word)
    node._take_over(found, lambda _: None)


def test_one_that_may_lead_once_it_has_to_end_lets_another_at_once(ending):
    box, node = ending

    hears(node, Journal(box.state))

    with closing(Journal(box.state)) as next_one:
        assert next_one.head == 0


def test_what_is_lost_once_it_has_to_end_is_nobodys_fault(ending):
    _, node = ending

    hears(node, JournalLost("the server is away"))
