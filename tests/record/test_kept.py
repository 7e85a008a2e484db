"""What a start, a look and a backlog cost does not grow with history."""

import json
import shutil
import tracemalloc
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import watchdog
from tests.commands.test_main import Box
from tests.decide.test_standing import EVENTS, verdict
from tests.record.strategies import events
from tests.record.test_journal import by_hand
from tests.worlds import (
    AT,
    HEALTHY_THEN_NEXT,
    MINUTE,
    SECOND,
    breached,
    entries,
    started,
)
from watchdog.decide.fold import stand
from watchdog.decide.standing import Standing
from watchdog.facts.event import ClockStepped, TurnCrashed, WatchStarted
from watchdog.facts.problem import JournalLost
from watchdog.record import kept
from watchdog.record.journal import Journal
from watchdog.record.kept import Kept
from watchdog.record.memory import Memory, recalled
from watchdog.turn.roles import Turn

HELLO = WatchStarted("1", "act")
DAY = timedelta(days=1)


def silent(_):
    pass


@pytest.fixture
def place(folders):
    return folders()


def years(place, count):
    """Write *count* events of a life as it is, without waiting for the disk."""
    with closing(Journal(place)) as journal:
        journal.database._db.execute("PRAGMA synchronous = OFF")
        journal.append(AT, *HEALTHY_THEN_NEXT)
        for number in range(3, count, 100):
            kinds = ("clear", "pending") * 50
            some = [verdict(kind) for kind in kinds[: min(100, count - number)]]
            journal.append(AT + number * SECOND, *some)


def portions(journal):
    """Note every portion that is read of the events."""
    asked = []
    journal.database._db.set_trace_callback(
        lambda said: asked.append(said) if "FROM event" in said else None
    )
    return asked


def folded(place):
    with closing(Journal(place)) as journal:
        return stand(journal.stream())


# Kept, and read on from.


def test_a_start_reads_no_more_of_a_long_journal_than_of_a_short_one(folders):
    read = {}
    for count in (1_000, 10_000):
        place = folders()
        years(place, count)
        with closing(Journal(place)) as journal:
            Memory(journal, silent).rest()
        with closing(Journal(place)) as journal:
            asked = portions(journal)
            memory = Memory(journal, silent)
            read[count] = len(asked)
            assert memory.standing == folded_anew(journal)

    assert read[10_000] == read[1_000] <= 3


def folded_anew(journal):
    return stand(journal.stream())


def test_what_was_added_since_is_read_and_nothing_before(place):
    years(place, 2_000)
    with closing(Journal(place)) as journal:
        Memory(journal, silent).rest()
        journal.append(AT + DAY, breached())

    with closing(Journal(place)) as journal:
        asked = portions(journal)
        assert recalled(journal) == folded_anew(journal)
        assert "seq > 2000" in asked[1]


def test_it_is_kept_anew_after_so_many_events_and_at_the_end(place):
    with closing(Journal(place)) as journal:
        journal.database._db.execute("PRAGMA synchronous = OFF")
        memory = Memory(journal, silent)
        memory.add(AT, *HEALTHY_THEN_NEXT)
        assert kept.kept(place) is None
        memory.add(AT, *[verdict("clear")] * 1000)
        assert kept.kept(place).seq == 1003
        memory.add(AT, breached())
        memory.rest()
        assert kept.kept(place).standing == memory.standing

    assert (place / kept.NAME).stat().st_mode & 0o777 == 0o600


def test_folding_all_of_it_holds_few_events_at_a_time(folders):
    peaks = {}
    for count in (1_000, 10_000):
        place = folders()
        years(place, count)
        with closing(Journal(place)) as journal:
            tracemalloc.start()
            Memory(journal, silent)
            peaks[count] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()

    assert peaks[10_000] < 1.5 * peaks[1_000], peaks


@settings(max_examples=100, deadline=None)
@given(history=st.lists(EVENTS | events, max_size=20))
def test_every_standing_comes_back_as_it_was(history, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    one = Kept(len(history), "digest", stand(entries(*history)), 3, "d", AT)

    kept.keep(folder, one)

    assert kept.kept(folder) == one


# In doubt.


def spoiled(place, how):
    """Spoil what was kept: its bytes, its form, its build, or what it is of."""
    path = place / kept.NAME
    head, body = path.read_text().splitlines()
    if how == "gone":
        path.unlink()
    elif how == "empty":
        path.write_text("")
    elif how == "noise":
        path.write_bytes(bytes(range(256)) * 9)
    elif how == "cut":
        path.write_text(f"{head}\n{body[: len(body) // 2]}")
    elif how == "deep":
        path.write_text(f"{head}\n{'[' * 100_000}")
    elif how in ("form", "build"):
        other = json.loads(head) | {how: "another"}
        path.write_text(f"{json.dumps(other)}\n{body}\n")
    else:
        one = kept.kept(place)
        wrong = Kept(one.seq, one.digest, Standing())
        if how == "byte":
            path.write_text(f"{head}\n{body.replace('v1.3.0', 'v1.3.1')}\n")
        elif how == "of another event":
            kept.keep(place, replace(wrong, seq=one.seq - 1))
        elif how == "of another journal":
            kept.keep(place, replace(wrong, digest="0" * 64))


@pytest.mark.parametrize(
    "how",
    [
        *("gone", "empty", "noise", "cut", "deep", "form", "build", "byte"),
        *("of another event", "of another journal"),
    ],
)
def test_in_doubt_it_is_as_if_it_were_not_there(place, how):
    years(place, 50)
    with closing(Journal(place)) as journal:
        Memory(journal, silent).rest()
    spoiled(place, how)

    with closing(Journal(place)) as journal:
        asked = portions(journal)
        memory = Memory(journal, silent)
        assert any("seq > 0" in said for said in asked)
        assert memory.standing == folded_anew(journal)


@pytest.mark.parametrize(
    "file", ["facts/pair.py", "facts/event/judged.py", "decide/fold.py"]
)
def test_another_word_in_what_an_event_means_is_another_build(tmp_path, file):
    house = Path(watchdog.__file__).parent
    same, other = tmp_path / "same", tmp_path / "other"
    for copy in (same, other):
        for room in ("facts", "decide"):
            shutil.copytree(house / room, copy / room)
    with (other / file).open("a") as text:
        text.write("# another word\n")

    assert kept.build(same) == kept.build()
    assert kept.build(other) != kept.build()


def test_the_first_start_of_a_build_keeps_what_it_folded(place):
    years(place, 1_500)

    with closing(Journal(place)) as journal:
        Memory(journal, silent)

    assert kept.kept(place).seq == 1_500


def test_who_only_looks_reads_what_was_kept_and_writes_nothing(tmp_path):
    box = Box(tmp_path)
    box.journal(*HEALTHY_THEN_NEXT)
    said = box.says("status").output
    assert not (box.state / kept.NAME).exists()
    with closing(Journal(box.state)) as journal:
        Memory(journal, silent).rest()
    before = (box.state / kept.NAME).read_bytes()

    again = box.says("status").output

    assert again.splitlines()[0] == said.splitlines()[0]
    assert (box.state / kept.NAME).read_bytes() == before


def test_a_full_disk_keeps_what_was_kept_before(place):
    years(place, 50)
    with closing(Journal(place)) as journal:
        memory = Memory(journal, silent)
        memory.rest()
        before = (place / kept.NAME).read_bytes()
        (place / f".{kept.NAME}.new").mkdir()  # nothing can be written there
        memory.add(AT, breached())
        memory.rest()

    assert (place / kept.NAME).read_bytes() == before
    with closing(Journal(place)) as journal:
        assert recalled(journal) == folded_anew(journal)


def test_a_journal_that_is_gone_is_missed_by_what_was_kept(place):
    years(place, 50)
    with closing(Journal(place)) as journal:
        Memory(journal, silent).rest()
    (place / "journal.db").unlink()
    (place / "journal.id").unlink()

    with pytest.raises(JournalLost, match=r"there was one \(standing\.json\)"):
        Journal(place)


# What is old is looked at all the same.


def turned(place, turns, at=AT):
    """Open it and turn; where an old event was changed this raises."""
    with closing(Journal(place)) as journal:
        memory = Memory(journal, silent)
        for number in range(turns):
            memory.mark(Turn(at + number * SECOND, "quiet"))
        memory.rest()


@pytest.mark.parametrize("seq", [1, 700, 2_400])
def test_an_old_event_that_was_changed_is_found_within_a_round(place, seq):
    years(place, 2_500)
    turned(place, 6)
    by_hand(place, ("UPDATE event SET at = '2020' WHERE seq = ?", seq))
    turned(place, 1)  # the round of that day is over

    changed = f"event {seq} of the journal was changed after it was written"
    with pytest.raises(JournalLost, match=changed):
        turned(place, 6, AT + DAY)
    assert kept.kept(place) is None
    with pytest.raises(JournalLost, match=changed):
        turned(place, 0)


def test_a_round_goes_on_where_it_was_after_a_restart(place):
    years(place, 2_500)
    for checked in (500, 1000, 1500):
        turned(place, 1)
        assert kept.kept(place).checked == checked


def test_an_event_that_was_taken_out_is_found_within_a_round(place):
    years(place, 2_500)
    turned(place, 1)
    by_hand(place, ("DELETE FROM event WHERE seq = 900",))

    with pytest.raises(JournalLost, match="event 900 of the journal is missing"):
        turned(place, 6)


def test_a_look_costs_a_turn_no_more_of_a_long_journal(folders):
    read = {}
    for count in (1_500, 15_000):
        place = folders()
        years(place, count)
        with closing(Journal(place)) as journal:
            memory = Memory(journal, silent)
            asked = portions(journal)
            memory.mark(Turn(AT, "quiet"))
            read[count] = len(asked)

    assert read[15_000] == read[1_500] <= 2


# Time.


def test_no_event_is_dated_before_the_one_before_it(place):
    with closing(Journal(place)) as journal:
        memory = Memory(journal, silent)
        memory.add(AT, HELLO)
        memory.add(AT + MINUTE, TurnCrashed("late in the turn"))
        memory.add(AT + SECOND, TurnCrashed("by the turn's beginning"))

        dates = [entry.at for entry in journal.entries()]
    assert dates == [AT, AT + MINUTE, AT + MINUTE]


@pytest.mark.parametrize("event", [HELLO, ClockStepped(-3600.0, "set back")])
def test_where_the_clock_was_set_back_that_is_said_before_the_dates_are(place, event):
    with closing(Journal(place)) as journal:
        memory = Memory(journal, silent)
        memory.add(AT, started())
        memory.add(AT - MINUTE, event, TurnCrashed("so"))
        memory.add(AT - SECOND, TurnCrashed("on"))

        dates = [entry.at for entry in journal.entries()]
    assert dates == [AT, AT - MINUTE, AT - MINUTE, AT - SECOND]
