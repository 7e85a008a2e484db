"""A journal of the first form, kept from a real rollback, is brought on and read."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.test_main import Box
from tests.worlds import AT
from watchdog.facts.event import BreachConfirmed, WatchStarted
from watchdog.record.checkpoint import drawn_key
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory

KEPT = Path(__file__).with_name("first_form.sql")


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path)
    box.state.mkdir(mode=0o700)
    with closing(sqlite3.connect(box.state / "journal.db")) as db:
        db.executescript(KEPT.read_text())
    (box.state / "journal.id").touch()
    return box


def test_before_a_start_it_is_said_what_brings_it_on(box):
    said = box.refuses("status")
    assert "the journal has version 1, meant 2" in said
    assert "an older watchdog wrote it: start this one once" in said


def test_a_start_goes_on_with_all_that_it_knew(box):
    with closing(Journal(box.state)) as journal:
        memory = Memory(journal, lambda _: None)
        standing = memory.standing
        running = standing.running
        assert running.pair.version == "v1.2.0"
        # What it takes to make that pair's containers again is still read.
        assert journal.record(running.record).pair == running.pair
        good, bad = standing.pairs.values()
        assert (good.pair.version, bad.pair.version) == ("v1.2.0", "v1.3.0")
        assert bad.quarantined.startswith("AwbRoutingFailures: 19 of 240")
        assert standing.last_rollback.how == "proved"
        assert standing.rollback is None
        memory.add(AT, WatchStarted("now", "act"))
        head = journal.head
    with closing(Journal(box.state)) as journal:
        assert journal.head == head == 58


def test_every_face_tells_it(box):
    Journal(box.state).close()
    drawn_key(box.state)
    told = {
        words: box.says(*words.split())
        for words in ("releases", "history", "report", "audit verify", "explain")
    }

    assert "v1.3.0" in told["releases"].output
    assert "rollback  v1.3.0 -> v1.2.0 · by itself" in told["history"].output
    assert "AwbRoutingFailures: 19 of 240 (7.92%)" in told["report"].output
    # Nobody signed it then.
    assert "the chain fits" in told["audit verify"].output
    told = box.says("status", "--json")
    status = json.loads(told.output)
    assert status["running"]["version"] == "v1.2.0"
    assert status["last_rollback"]["how"] == "proved"


def test_each_of_its_events_is_what_it_was(box):
    with closing(Journal(box.state)) as journal:
        events = [entry.event for entry in journal.entries()]
    (breach,) = [event for event in events if isinstance(event, BreachConfirmed)]
    assert breach.trigger == "AwbRoutingFailures"
    assert len(events) == 57
