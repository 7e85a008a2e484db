"""An audit finds what was changed, taken out, cut off or written anew, and where."""

import json
import sqlite3
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.worlds import AT
from watchdog.facts.event import CheckpointSigned, HoldPlaced, WatchStarted
from watchdog.facts.problem import JournalLost, Problem
from watchdog.record.audit import Row, Unsound, audited, row_of, segments
from watchdog.record.chain import link
from watchdog.record.checkpoint import KEY_NAME, Checkpoints, drawn_key, signer_of
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory

DAY = timedelta(days=1)


def a_signer(*seeds):
    keys = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in seeds]
    return signer_of("dms prod", "0123456789ab", keys)


@pytest.fixture
def history(folders):
    """Give what three days with a checkpoint each wrote, and who signed."""
    journal, signer = Journal(folders()), a_signer(1)
    memory = Memory(journal, lambda _: None)
    checkpoints = Checkpoints(memory, journal, signer)
    notes = []
    for day in range(3):
        memory.add(AT + day * DAY, WatchStarted("1", "act"), WatchStarted("2", "act"))
        checkpoints.turned(AT + day * DAY)
        checkpoints.turned(AT + day * DAY)  # once a day, however many turns
        notes.append(signer.newest)
    memory.add(AT + 4 * DAY, WatchStarted("3", "act"))
    rows = [Row(*row) for row in journal.rows()]
    journal.close()
    return rows, signer, notes


def forged(rows, signer=None):
    """Chain *rows* anew, as somebody could who can write the whole file."""
    done, previous = [], "0" * 64
    for seq, row in enumerate(rows, 1):
        body = row.body
        if row.kind == CheckpointSigned.__name__ and signer:
            event = {"count": seq - 1, "note": signer.sign(seq - 1, previous, AT)}
            body = json.dumps(event)
        digest = link(previous, seq, row.at, row.kind, body)
        done.append(Row(seq, row.at, row.kind, body, previous, digest))
        previous = digest
    return done


def edited(rows, at):
    other = rows[at].body.replace('"act"', '"observe"')
    assert other != rows[at].body
    return [*rows[:at], Row(*_but(rows[at], body=other)), *rows[at + 1 :]]


def _but(row, **changed):
    names = ("seq", "at", "kind", "body", "previous", "hash")
    return [changed.get(name, getattr(row, name)) for name in names]


def test_what_was_written_holds(history):
    rows, signer, notes = history

    done = audited(rows, signer.public, notes)

    assert (done.first, done.last, done.signed, done.kept) == (1, 10, 3, 3)
    assert done.trusted.count == 8


def test_what_was_changed_is_named(history):
    rows, signer, _ = history

    with pytest.raises(Unsound, match="event 5 was changed"):
        audited(edited(rows, 4), signer.public)


def test_what_was_taken_out_is_named(history):
    rows, signer, _ = history

    with pytest.raises(Unsound, match="event 5 is missing"):
        audited([*rows[:4], *rows[5:]], signer.public)


def test_a_history_chained_anew_does_not_fit_its_own_checkpoints(history):
    rows, signer, _ = history

    with pytest.raises(Unsound, match="event 6 holds a checkpoint of another history"):
        audited(forged(edited(rows, 3)), signer.public)


def test_a_history_signed_anew_by_another_key_is_not_trusted(history):
    rows, signer, _ = history

    with pytest.raises(Unsound, match="no checkpoint here is signed by a key"):
        audited(forged(edited(rows, 3), a_signer(2)), signer.public)


def test_a_history_signed_anew_with_the_stolen_key_does_not_fit_one_kept(history):
    rows, signer, notes = history

    with pytest.raises(
        Unsound, match=r"event 5 is not what was signed .* from event 3"
    ):
        audited(forged(edited(rows, 3), signer), signer.public, notes)


def test_an_end_that_was_cut_off_does_not_fit_one_kept(history):
    rows, signer, notes = history

    assert audited(rows[:7], signer.public).last == 7
    with pytest.raises(Unsound, match=r"ends with event 7, .* counts 8: event 8"):
        audited(rows[:7], signer.public, notes)


def test_a_segment_says_where_it_begins(history):
    rows, signer, notes = history

    done = audited(rows[5:], signer.public, notes)

    assert (done.first, done.kept, done.outside) == (6, 2, 1)


def test_a_checkpoint_of_a_stranger_is_refused(history):
    rows, signer, _ = history

    with pytest.raises(Problem, match="no key that is trusted here signed"):
        audited(rows, signer.public, [a_signer(2).sign(2, "0" * 64, AT)])


def test_while_a_key_is_changed_both_count(folders):
    journal, both = Journal(folders()), a_signer(1, 2)
    memory = Memory(journal, lambda _: None)
    Checkpoints(memory, journal, both).turned(AT)
    rows = [Row(*row) for row in journal.rows()]
    journal.close()

    for one in (a_signer(1), a_signer(2)):
        assert audited(rows, one.public).signed == 1


def test_an_export_is_read_as_it_was_written(history):
    rows, signer, _ = history
    lines = [str(row) for row in rows]

    found = list(segments([("a", lines[:4]), ("b", [*lines[4:], ""])]))

    assert found == rows
    assert audited(found, signer.public).last == 10


@pytest.mark.parametrize(
    "line", ["{", "[]", "7", '{"seq": 1}', '{"seq": "1"}', "[" * 5000]
)
def test_a_line_that_is_no_event_is_named(line):
    with pytest.raises(Problem, match="line 3 of it is not an event of an export"):
        row_of(line, "line 3 of it")


def test_events_of_a_later_build_are_checked_too(history):
    """They need not be understood: their bytes are what is hashed."""
    rows, signer, _ = history
    strange = link(rows[-1].hash, 11, rows[-1].at, "FromTheFuture", "{}")
    later = Row(11, rows[-1].at, "FromTheFuture", "{}", rows[-1].hash, strange)

    assert audited([*rows, later], signer.public).last == 11


def test_a_rollback_that_ended_is_signed_at_once(folders):
    journal, signer = Journal(folders()), a_signer(1)
    memory = Memory(journal, lambda _: None)
    it = Checkpoints(memory, journal, signer)
    it.turned(AT)
    it._rollback = object()  # as if another had ended

    it.turned(AT)

    assert journal.head == 2
    journal.close()


def test_the_key_is_drawn_once_and_is_its_owners_alone(folders):
    folder = folders()

    first, second = drawn_key(folder), drawn_key(folder, only_look=True)

    assert first.private_bytes_raw() == second.private_bytes_raw()
    assert (folder / KEY_NAME).stat().st_mode & 0o777 == 0o600


def test_who_only_looks_draws_no_key(folders):
    folder = folders()

    with pytest.raises(JournalLost, match="is not there"):
        drawn_key(folder, only_look=True)
    (folder / KEY_NAME).write_text("none")
    with pytest.raises(JournalLost, match="holds no Ed25519 private key"):
        drawn_key(folder)


def test_a_row_changed_in_the_file_is_found(history, folders):
    folder = folders()
    journal = Journal(folder)
    journal.append(AT, HoldPlaced("asha", "why"))
    journal.append(AT, WatchStarted("1", "act"))
    journal.close()
    with sqlite3.connect(folder / "journal.db") as db:
        db.execute("UPDATE event SET body = replace(body, 'why', 'not')")
    db.close()
    journal = Journal(folder, read_only=True)

    with pytest.raises(Unsound, match="event 1 was changed"):
        audited((Row(*row) for row in journal.rows()), a_signer(1).public)
    journal.close()
