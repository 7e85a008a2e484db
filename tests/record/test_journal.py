"""The memory: nothing acknowledged is lost, nothing changed goes unnoticed."""

import json
import math
import pickle
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings

from tests.record.postgresql import Cluster
from tests.record.strategies import events
from tests.worlds import (
    AT,
    AWB,
    HEALTHY_THEN_NEXT,
    SECOND,
    a_record,
    breached,
    sha,
    started,
)
from watchdog.decide.fold import stand
from watchdog.facts.event import (
    BreachConfirmed,
    Entry,
    HoldPlaced,
    TurnCrashed,
    WatchStarted,
)
from watchdog.facts.problem import Claimed, JournalLost
from watchdog.record.chain import link
from watchdog.record.database import Server, folder_of
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory
from watchdog.turn.roles import Turn

HELLO = WatchStarted("1", "act")


in_a_file = pytest.mark.parametrize("place", ["file"], indirect=True)


@pytest.fixture
def opened(place):
    """Open the journal, again and again; each is closed before the next."""
    held = []

    def opened(folder=place, **how):
        while held:
            held.pop().close()
        held.append(Journal(folder, **how))
        return held[-1]

    yield opened
    while held:
        held.pop().close()


def by_hand(place, *statements):
    """Change what is there behind the journal's back."""
    if isinstance(place, Server):
        Cluster.by_hand(None, place, *statements)
        return
    db = sqlite3.connect(place / "journal.db")
    with db:
        for statement, *values in statements:
            db.execute(statement, values)
    db.close()


# Writing.


def test_what_was_added_is_read_again_in_order(opened):
    told = opened().append(AT, *HEALTHY_THEN_NEXT, breached())
    told += opened().append(AT + SECOND, HELLO)

    assert [entry.seq for entry in told] == [1, 2, 3, 4, 5]
    assert [entry.event for entry in told] == [*HEALTHY_THEN_NEXT, breached(), HELLO]
    assert opened().entries() == told
    assert opened().entries(after=3) == told[3:]


def test_a_restart_gives_the_same_standing(opened):
    told = opened().append(AT, *HEALTHY_THEN_NEXT, breached())

    assert stand(opened().entries()) == stand(told)


def test_times_are_kept_in_utc_to_the_microsecond(opened):
    india = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2026, 3, 11, 8, 30, 0, 123456, tzinfo=india)

    (entry,) = opened().append(at, HELLO)

    assert entry.at == at
    assert entry.at.tzinfo is UTC
    assert opened().entries()[0].at.utcoffset() == timedelta()


def test_what_may_happen_once_happens_once(opened):
    journal = opened()
    journal.append(AT, HELLO, HELLO, claim="rollback/1")
    journal.append(AT, HELLO, claim="rollback/2")

    with pytest.raises(Claimed):
        journal.append(AT, breached(), HELLO, claim="rollback/1")

    assert [entry.event for entry in journal.append(AT, HELLO)] == [HELLO]
    assert [entry.seq for entry in opened().entries()] == [1, 2, 3, 4]
    with pytest.raises(Claimed):
        opened().append(AT, HELLO, claim="rollback/2")


def test_of_many_who_claim_at_once_one_succeeds(opened):
    memory = Memory(opened(), lambda _: None)
    begin = threading.Barrier(8)
    got = []

    def claim():
        begin.wait()
        try:
            memory.add(AT, HELLO, claim="once")
        except Claimed:
            got.append("claimed")
        else:
            got.append("added")

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == ["added"] + 7 * ["claimed"]
    assert len(opened().entries()) == 1


@settings(max_examples=100, deadline=None)
@given(event=events)
def test_every_event_comes_back_as_it_was(folders_once, event):
    journal = folders_once
    (told,) = journal.append(AT, event)

    (again,) = journal.entries(after=told.seq - 1)
    assert again.event == told.event == event


@pytest.fixture(scope="module")
def folders_once(tmp_path_factory):
    journal = Journal(tmp_path_factory.mktemp("journal"))
    journal.database._db.execute("PRAGMA synchronous = OFF")  # hundreds of events
    yield journal
    journal.close()


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_number_that_is_none_comes_back_as_it_was(opened, value):
    event = BreachConfirmed("i", "t", "a", "k", "r", "w", value, value)

    opened().append(AT, event)

    assert repr(opened().entries()[0].event) == repr(event)


def test_half_a_character_from_outside_does_not_stop_the_journal(opened):
    journal = opened()

    (told,) = journal.append(AT, TurnCrashed("the engine said \ud800!"))
    journal.mark(Turn(AT, "the engine said \ud800!", {"a": "\ud800"}))
    journal.append(AT, HELLO)

    assert told.event == TurnCrashed("the engine said ?!")
    assert [entry.event for entry in opened().entries()] == [told.event, HELLO]
    assert opened().last_turn().words == "the engine said ?!"


def test_a_record_and_its_bytes_are_found_by_their_sha256(opened):
    memory = Memory(opened(), lambda _: None)

    name = memory.keep(a_record("v1.2.0"), {sha("seal"): b"seal"})

    assert memory.keep(a_record("v1.2.0"), {}) == name
    assert memory.record(name) == a_record("v1.2.0")
    assert opened().blob(sha("seal")) == b"seal"


def test_bytes_that_are_gone_or_changed_are_not_given(opened, place):
    journal = opened()
    name = journal.put(b"seal")
    with pytest.raises(JournalLost, match="does not hold"):
        journal.blob(sha("other"))

    by_hand(place, ("UPDATE blob SET bytes = ?", b"forged"))
    with pytest.raises(JournalLost, match=f"does not hold {name[:12]} any more"):
        journal.blob(name)


def test_the_last_complete_turn_is_kept(opened):
    assert opened().last_turn() is None

    turn = Turn(AT, "watching v1.2.0", {"A": "0 of 40"})
    opened().mark(Turn(AT - SECOND, "before", {}))
    opened().mark(turn)

    assert opened().last_turn() == turn


# On the disk.


@in_a_file
def test_a_power_cut_loses_nothing_that_was_acknowledged(opened):
    db = opened().database._db

    assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert db.execute("PRAGMA synchronous").fetchone() == (3,)  # EXTRA


KEEPS_APPENDING = """
import pickle, sys
from datetime import UTC, datetime
from watchdog.facts.event import TurnCrashed
from watchdog.record.journal import Journal

journal = Journal(pickle.loads(bytes.fromhex(sys.argv[1])))
while True:
    told = journal.append(datetime.now(UTC), TurnCrashed("a"), TurnCrashed("b"))
    print(told[-1].seq, flush=True)
"""


def test_a_process_that_is_killed_loses_nothing_that_it_acknowledged(opened, place):
    acknowledged = 0
    for lines in (1, 40, 97):
        child = subprocess.Popen(
            [sys.executable, "-c", KEEPS_APPENDING, pickle.dumps(place).hex()],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(lines):
            acknowledged = int(child.stdout.readline())
        child.kill()
        rest = child.stdout.read().splitlines()
        acknowledged = int(rest[-1]) if rest else acknowledged
        child.stdout.close()
        child.wait()

        entries = opened().entries()
        assert len(entries) >= acknowledged
        assert len(entries) % 2 == 0  # both or none
        opened().append(AT, HELLO, HELLO)
        opened().close()
        opened(place, read_only=True)  # lets the lock go for the next child


def test_a_second_watchdog_is_refused(opened, place):
    opened()

    with pytest.raises(JournalLost) as refused:
        Journal(place)

    assert str(refused.value) == (
        f"another watchdog holds the journal in {folder_of(place)}\n"
        "hint: one watchdog per engine: stop the other one"
    )


@in_a_file
def test_another_process_is_refused_too(opened, place):
    opened()
    says = "from pathlib import Path; from watchdog.record.journal import Journal\n"
    says += f"Journal(Path({str(place)!r}))"

    child = subprocess.run(
        [sys.executable, "-c", says], capture_output=True, text=True, check=False
    )

    assert child.returncode == 1
    assert f"another watchdog holds the journal in {place}" in child.stderr


@in_a_file
def test_a_refused_watchdog_lets_go_of_what_it_held(opened, place):
    opened()
    with pytest.raises(JournalLost):
        Journal(place)
    by_hand(place, ("PRAGMA user_version = 3",))

    for _ in range(2):
        with pytest.raises(JournalLost, match="has version 3, meant 2"):
            opened()


def test_readers_may_look_while_it_is_held_and_change_nothing(opened, place):
    opened().append(AT, HELLO)
    reader = Journal(place, read_only=True)

    assert [entry.event for entry in reader.entries()] == [HELLO]
    with pytest.raises(JournalLost, match=r"read-?only"):
        reader.append(AT, HELLO)
    reader.close()


@in_a_file
def test_where_nothing_was_watched_yet_a_reader_says_so(place):
    with pytest.raises(JournalLost) as lost:
        Journal(place, read_only=True)

    assert str(lost.value) == (
        f"there is no journal in {place}\n"
        "hint: has the watchdog run with this `state` folder yet?"
    )
    assert list(place.iterdir()) == []


@in_a_file
@pytest.mark.parametrize("name", ["with a space", "100%41", "a?mode=ro", "a#b"])
def test_a_folder_may_have_any_name(opened, place, name):
    opened(place / name).append(AT, HELLO)

    assert len(opened(place / name).entries()) == 1
    assert sorted(at.name for at in (place / name).iterdir()) == [
        "journal.db",
        "journal.id",
    ]


# Lost.


@in_a_file
@pytest.mark.parametrize("how", ["missing", "empty"])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_journal_that_was_there_and_is_gone_is_not_begun_anew(
    opened, place, how, read_only
):
    opened().append(AT, HELLO)
    opened().close()
    if how == "missing":
        (place / "journal.db").unlink()
    else:
        (place / "journal.db").write_bytes(b"")

    with pytest.raises(JournalLost, match=r"is gone, though there was one"):
        Journal(place, read_only=read_only)


@in_a_file
def test_b_033_an_older_copy_of_the_journal_is_refused(opened, place):
    journal = opened()
    journal.append(AT, HoldPlaced("asha", "one"))
    journal.close()
    copy = (place / "journal.db").read_bytes()
    journal = opened()
    journal.append(AT, HoldPlaced("asha", "two"))
    journal.close()
    newest = (place / "journal.db").read_bytes()

    (place / "journal.db").write_bytes(copy)
    with pytest.raises(JournalLost, match="it is an older copy"):
        opened()

    (place / "journal.db").write_bytes(newest)
    journal = opened()
    assert [e.event.words for e in journal.entries()] == ["one", "two"]
    journal.append(AT, HoldPlaced("asha", "three"))


@pytest.mark.parametrize("text", ["", "\0" * 19, "0000"])
def test_b_033_a_sentinel_that_a_power_cut_tore_says_nothing(opened, place, text):
    journal = opened()
    journal.append(AT, HoldPlaced("asha", "one"))
    journal.close()
    (folder_of(place) / "journal.id").write_text(text)

    assert len(opened().entries()) == 1


@in_a_file
def test_the_journal_is_for_its_owner_alone(opened, place):
    opened().append(AT, HoldPlaced("asha", "one"))

    assert (place / "journal.db").stat().st_mode & 0o777 == 0o600


@in_a_file
def test_a_file_that_is_no_journal_is_left_alone(opened, place):
    place.joinpath("journal.db").write_text("these are not the events " * 99)

    with pytest.raises(JournalLost, match="cannot be opened: file is not a database"):
        opened()

    assert place.joinpath("journal.db").read_text().startswith("these are not")


@in_a_file
def test_a_newer_journal_is_refused(opened, place):
    opened()
    by_hand(place, ("PRAGMA user_version = 7",))

    with pytest.raises(JournalLost) as refused:
        opened()

    assert str(refused.value) == (
        "the journal has version 7, meant 2\nhint: a newer watchdog wrote it: "
        "run that one"
    )


@in_a_file
def test_a_journal_of_the_version_before_is_brought_on_by_its_writer(opened, place):
    opened().append(AT, HELLO)
    by_hand(
        place,
        ("ALTER TABLE turn DROP COLUMN looked",),
        ("INSERT INTO turn VALUES (1, '2026-03-11T03:00:00+00:00', 'quiet', '{}')",),
        ("PRAGMA user_version = 1",),
    )

    with pytest.raises(JournalLost, match="an older watchdog wrote it"):
        Journal(place, read_only=True)
    journal = opened()

    assert journal.last_turn() == Turn(AT, "quiet")
    assert [entry.event for entry in journal.entries()] == [HELLO]
    journal.mark(Turn(AT, "loud", looked=AT))
    assert journal.last_turn() == Turn(AT, "loud", looked=AT)


def test_an_event_of_a_kind_that_is_not_known_is_refused(opened, place):
    opened()
    stamp, kind, body = "2026-03-11T03:00:00+00:00", "PigsFlew", "{}"
    digest = link("0" * 64, 1, stamp, kind, body)
    by_hand(
        place,
        (
            "INSERT INTO event VALUES (1, ?, ?, ?, NULL, ?, ?)",
            *(stamp, kind, body, "0" * 64, digest),
        ),
    )

    with pytest.raises(JournalLost, match="event 1 is a PigsFlew, which this version"):
        opened().entries()


@pytest.mark.parametrize(
    "change",
    [
        "body = replace(body, 'act', 'observe')",
        "at = '2020-01-01T00:00:00+00:00'",
        "kind = 'TurnCrashed'",
        f"previous = '{'0' * 63}1'",
        f"hash = '{'0' * 64}'",
    ],
)
@pytest.mark.parametrize("seq", [1, 2, 3])
def test_an_event_that_was_changed_is_found(opened, place, change, seq):
    opened().append(AT, HELLO, HELLO, HELLO)
    by_hand(place, (f"UPDATE event SET {change} WHERE seq = ?", seq))

    with pytest.raises(JournalLost, match="was changed after it was written"):
        opened().entries()


@pytest.mark.parametrize("seq", [1, 2])
def test_an_event_that_was_taken_out_is_found(opened, place, seq):
    opened().append(AT, HELLO, HELLO, HELLO)
    by_hand(place, ("DELETE FROM event WHERE seq = ?", seq))

    with pytest.raises(JournalLost, match=f"event {seq} of the journal is missing"):
        opened().entries()


def test_events_that_changed_places_are_found(opened, place):
    opened().append(AT, HELLO, started("v1.2.0"))
    by_hand(
        place,
        ("UPDATE event SET seq = 9 WHERE seq = 1",),
        ("UPDATE event SET seq = 1 WHERE seq = 2",),
        ("UPDATE event SET seq = 2 WHERE seq = 9",),
    )

    with pytest.raises(JournalLost, match="event 1 of the journal was changed"):
        opened().entries()


@in_a_file
def test_after_one_write_that_failed_nothing_is_written_any_more(opened, place):
    """Whether a commit that raised is on the disk, only a new start can tell."""
    journal = opened()
    journal.append(AT, HELLO)
    journal.database._db.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalLost, match="could not be written: attempt to write"):
        journal.append(AT, HELLO)
    journal.database._db.execute("PRAGMA query_only = OFF")

    for write in (
        lambda: journal.append(AT, HELLO),
        lambda: journal.put(b""),
        lambda: journal.mark(Turn(AT, "", {})),
    ):
        with pytest.raises(JournalLost, match="failed before: attempt to write"):
            write()

    assert len(opened().append(AT, HELLO) + opened().entries()) == 3


def test_a_row_that_somebody_else_added_is_not_taken_for_a_claim(opened, place):
    memory = Memory(opened(), lambda _: None)
    memory.add(AT, HELLO)
    by_hand(place, ("INSERT INTO event VALUES (2, '', '', '', NULL, '', '')",))

    with pytest.raises(JournalLost, match=r"failed: event\.seq|event 2 .* was changed"):
        memory.add(AT, HELLO, claim="mine")


# The memory.


def test_the_standing_follows_what_was_added_and_the_log_echoes_it(opened):
    said = []
    memory = Memory(opened(), said.append)

    memory.add(AT, *HEALTHY_THEN_NEXT)
    memory.add(AT, breached())

    assert memory.standing == stand(opened().entries())
    assert memory.standing.breached == {AWB.name}
    assert said == opened().entries()


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("closed file")])
def test_a_log_that_cannot_be_written_stops_nothing(opened, error):
    def say(_entry: Entry) -> None:
        raise error

    memory = Memory(opened(), say)

    memory.add(AT, *HEALTHY_THEN_NEXT)

    assert memory.standing.running.pair.version == "v1.3.0"
    assert len(opened().entries()) == 3


def test_what_is_claimed_twice_is_neither_counted_nor_said(opened):
    said = []
    memory = Memory(opened(), said.append)
    memory.add(AT, HELLO, claim="once")
    before = memory.standing

    with pytest.raises(Claimed):
        memory.add(AT, *HEALTHY_THEN_NEXT, claim="once")

    assert memory.standing is before
    assert [entry.event for entry in said] == [HELLO]


@in_a_file
def test_bodies_are_json_that_other_tools_can_read(opened, place):
    opened().append(AT, breached())

    db = sqlite3.connect(place / "journal.db")
    (body,) = db.execute("SELECT body FROM event").fetchone()
    db.close()
    assert json.loads(body)["trigger"] == AWB.name
