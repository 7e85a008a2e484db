"""`retention` and `releases` say of when they speak, while nobody looks any more."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.commands.test_main import Box
from tests.worlds import a_pair, a_record, manifest_of, sha
from watchdog.facts.event import ImageHeld, PairStarted
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory
from watchdog.turn.roles import Turn

LONG_AGO = timedelta(days=9)


@pytest.fixture
def box(tmp_path):
    """Give a box whose one pair had all that it needs when it was last looked at."""
    made, now = Box(tmp_path), datetime.now(UTC)
    pair = a_pair("v1.3.0")
    blobs = [manifest_of("meesho", "v1.3.0").encode(), b"seal"]
    with closing(Journal(made.state)) as journal:
        memory = Memory(journal, lambda _: None)
        kept = {sha(text.decode()): text for text in blobs}
        name = memory.keep(a_record("v1.3.0"), kept)
        held = ImageHeld(pair.key, "v1.3.0", "image is held", pair.image, 1)
        memory.add(now - LONG_AGO, PairStarted(pair, name, ("one",), now), held)
    return made


def turned(box, ago=timedelta()):
    with closing(Journal(box.state)) as journal:
        journal.mark(Turn(datetime.now(UTC) - ago, "watching v1.3.0", {}))


def test_what_is_held_is_a_yes_while_somebody_watches(box):
    turned(box)

    done = box.says("retention")

    assert done.exit_code == 0, done.output
    assert "image is held" in done.output
    assert "NOT WATCHING" not in done.output


@pytest.mark.parametrize("ever", [True, False], ids=["no more", "never"])
def test_what_was_held_is_no_yes_while_nobody_watches(box, ever):
    if ever:
        turned(box, LONG_AGO)

    done = box.says("retention")

    assert done.exit_code == 6, done.output
    seen = "this is as it was seen at" if ever else "this is as nobody looked yet"
    assert f"NOT WATCHING: {seen}" in done.output


def test_what_ran_when_somebody_last_looked_is_not_said_to_run_now(box):
    turned(box, LONG_AGO)

    done = box.says("releases")

    assert "<- running" in done.output
    assert "NOT WATCHING: this is as it was seen at" in done.output
    turned(box)
    assert "NOT WATCHING" not in box.says("releases").output


def test_programs_are_told_by_the_exit_code_and_read_the_same_list(box):
    turned(box, LONG_AGO)

    done = box.says("retention", "--json")

    assert done.exit_code == 6
    (one,) = json.loads(done.stdout)
    assert one["image"]["held"]
    assert "NOT WATCHING" in done.stderr
