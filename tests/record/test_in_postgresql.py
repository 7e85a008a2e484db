"""The memory on a server: the same promises, and one writer among many machines."""

import queue
import signal
import socket
import subprocess
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from tests.record import campaign
from tests.worlds import AT, HEALTHY_THEN_NEXT, SECOND, a_record, breached
from watchdog.facts.event import WatchStarted
from watchdog.facts.message import Message, Severity
from watchdog.facts.problem import Claimed, Held, JournalLost, Problem
from watchdog.record.connecting import refuse_old
from watchdog.record.identity import identity
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory, standing_in
from watchdog.record.moving import move
from watchdog.record.outbox import Outbox
from watchdog.turn.roles import Turn

pytestmark = pytest.mark.real
HELLO = WatchStarted("1", "act")
SEED = 91  # pauses the leader, and cuts one off


# Refused, in one sentence.


def said(server, **how):
    with pytest.raises(JournalLost) as lost:
        Journal(server, **how)
    assert "\n" not in lost.value.words
    return lost.value.words


def test_a_server_that_is_not_there_is_said(here):
    away = replace(here[0], url="postgresql://watchdog@127.0.0.1:1/watchdog")

    assert "is not reached: " in said(away)


def test_who_is_not_let_in_is_said(here, cluster):
    nobody = replace(here[0], url=cluster.url("nobody"))
    nowhere = replace(here[0], url=cluster.url(database="nowhere"))

    assert 'lets us not in: role "nobody" does not exist' in said(nobody)
    assert 'lets us not in: database "nowhere" does not exist' in said(nowhere)


def test_what_the_user_may_not_is_said_and_needs_no_superuser(here, cluster):
    stranger = replace(here[0], url=cluster.url("stranger"))

    assert "lets stranger not do what the journal needs: permission" in said(stranger)
    Journal(here[0]).close()
    assert "lets stranger not do what the journal needs: use of" in said(stranger)


def test_a_schema_of_another_version_is_left_alone(here, cluster):
    Journal(here[0]).close()
    cluster.by_hand(here[0], ("UPDATE about SET version = 7",))

    assert said(here[0]) == "the journal has version 7, meant 1"
    assert said(here[0], read_only=True) == "the journal has version 7, meant 1"


def test_a_reader_makes_nothing(here, cluster):
    assert "there is no journal in the schema" in said(here[0], read_only=True)
    assert "there is no journal in the schema" in said(here[0], read_only=True)


def test_a_password_that_cannot_be_read_is_said(here, folders):
    server = replace(here[0], password_file=folders() / "none")

    assert "password" in said(server)
    assert "cannot be read: no such file" in said(server)


def test_a_server_that_is_too_old_is_refused():
    refuse_old(130002)
    with pytest.raises(JournalLost, match="is PostgreSQL 12, meant 13 or newer"):
        refuse_old(120022)


# Kept.


def test_an_acknowledged_event_is_on_the_disk_whatever_the_user_is_set_to(
    here, cluster
):
    cluster.boss("ALTER ROLE watchdog SET synchronous_commit = off")
    try:
        with closing(Journal(here[0])) as journal:
            ((kept,),) = journal.database.rows("SHOW synchronous_commit")
    finally:
        cluster.boss("ALTER ROLE watchdog RESET synchronous_commit")

    assert kept == "on"


@pytest.mark.parametrize(
    "change", ["UPDATE event SET kind = ''", "DELETE FROM event", "TRUNCATE event"]
)
def test_an_event_is_neither_changed_nor_taken_out(here, change):
    with closing(Journal(here[0])) as journal:
        journal.append(AT, HELLO)
        with psycopg.connect(here[0].url, autocommit=True) as db:
            db.execute(f"SET search_path = {here[0].schema}")
            with pytest.raises(psycopg.Error, match="only ever added to"):
                db.execute(change)

        assert len(journal.entries()) == 1


def test_a_lost_connection_is_final_and_the_next_start_reads_on(here, cluster):
    journal = Journal(here[0])
    told = journal.append(AT, *HEALTHY_THEN_NEXT)
    cluster.hang_up()

    with pytest.raises(JournalLost, match="could not be written"):
        journal.append(AT, HELLO)
    with pytest.raises(JournalLost, match="failed before"):
        journal.mark(Turn(AT, "", {}))
    journal.close()
    with closing(Journal(here[0])) as journal:
        assert journal.entries() == told
        journal.append(AT, HELLO)


def test_an_older_copy_of_the_database_is_refused(here, cluster):
    with closing(Journal(here[0])) as journal:
        journal.append(AT, HELLO, HELLO)
    cluster.by_hand(here[0], ("DELETE FROM event WHERE seq = 2",))

    assert "it is an older copy" in said(here[0])


def test_what_is_to_be_told_is_kept_beside_it(here):
    with closing(Journal(here[0])) as journal:
        outbox = Outbox(journal.place, database=journal.database)
        outbox.put("ops", 3, [Message(2, AT, "a", Severity.INFO, "t", "b\0")], AT)
        outbox.trying("ops", 2)
        outbox.again("ops", 2, AT + SECOND, "503")
    with closing(Outbox(here[1], read_only=True)) as outbox:
        due = outbox.first("ops")
        (waits,) = outbox.backlog()

    assert (due.message.seq, due.attempts, due.next_at) == (2, 1, AT + SECOND)
    assert (waits.waiting, waits.dead, waits.error) == (1, 0, "503")


# One leader.


def test_of_two_machines_one_writes_and_the_other_is_told_who(here):
    one, two = here
    first = Journal(one)
    with pytest.raises(Held) as held:
        Journal(two)

    assert "another watchdog leads: " in held.value.words
    assert "(epoch 1)" in held.value.words
    first.append(AT, HELLO)
    first.close()
    with closing(Journal(two)) as second:
        assert len(second.append(AT, HELLO) + second.entries()) == 3


def asked(process):
    process.stdin.write("\n")
    process.stdin.flush()
    return [process.stdout.readline().strip() for _ in range(2)]


def test_a_leader_that_slept_while_another_took_over_does_nothing(here, leading):
    one, two = here
    old = leading(one)
    assert asked(old) == ["done", "done"]
    old.send_signal(signal.SIGSTOP)

    with closing(Journal(two)) as journal:
        journal.append(AT, HELLO)
        old.send_signal(signal.SIGCONT)
        lead, write = asked(old)
        again = asked(old)

        assert "leads no more" in lead
        assert "what this one would write is refused" in write
        assert "failed before" in again[1]
        assert len(journal.entries()) == 2
        journal.append(AT, HELLO)


def test_who_was_killed_takes_its_own_lease_again_at_once(here, leading):
    one = replace(here[0], lease=timedelta(minutes=5))
    old = leading(one)
    old.kill()
    old.wait()

    with closing(Journal(one)) as journal:  # or this test would take five minutes
        journal.append(AT, HELLO)


@pytest.mark.campaign
def test_who_slept_and_was_not_missed_goes_on(here, leading):
    old = leading(here[0])
    old.send_signal(signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        old.wait(3)
    old.send_signal(signal.SIGCONT)

    assert asked(old) == ["done", "done"]


def test_whoever_is_killed_paused_or_cut_off_no_two_act(cluster):
    """In short; ``make campaign-leader`` is this at length, with the server too."""
    tally, _, broken = campaign.run(cluster, 2, seed=SEED)

    assert broken == []
    assert tally["epochs"] > 1


def test_who_waits_is_told_who_leads_and_follows_when_it_lets_go(here):
    one, two = here
    first, said, led = Journal(one), queue.SimpleQueue(), []
    waiting = threading.Thread(target=lambda: led.append(Journal(two, waits=said.put)))
    waiting.start()
    words = said.get(timeout=60)
    with closing(Journal(two, read_only=True)) as reader:
        assert reader.leader == f"{socket.gethostname()} (epoch 1)"
    first.append(AT, HELLO)
    first.close()
    waiting.join(60)

    assert words == (
        f"{socket.gethostname()} (epoch 1) leads; this watchdog follows, and does "
        "nothing"
    )
    assert led[0].leader.endswith("(epoch 2)")
    led[0].append(AT, HELLO)
    led[0].close()


# Moved.


@pytest.fixture
def filled(here):
    """Fill the folder of the first machine with a journal of every kind of row."""
    folder = here[0].folder
    with closing(Journal(folder)) as journal:
        memory = Memory(journal, lambda _: None)
        name = identity(folder)
        kept = memory.keep(a_record("v1.2.0"), {"x": b"\0seal"})
        memory.add(AT, *HEALTHY_THEN_NEXT, breached(), claim="once")
        memory.mark(Turn(AT, "watching", {"A": "fine"}, AT))
        outbox = Outbox(folder)
        outbox.put("ops", 3, [Message(2, AT, "a", Severity.INFO, "t", "b")], AT)
        outbox.close()
    return name, kept


def test_a_journal_is_moved_whole_and_once(here, filled):
    one, two = here
    name, kept = filled
    before = {p.name: p.read_bytes() for p in one.folder.iterdir()}
    assert "has a journal, and the database has none yet" in said(one)

    assert move(one) == (4, True)
    assert move(one) == (4, False)

    after = {p.name: p.read_bytes() for p in one.folder.iterdir()}
    assert {n: after[n] for n in before} == before
    assert standing_in(two) == standing_in(one.folder)
    with closing(Journal(two)) as journal:
        assert journal.identity == name
        assert journal.record(kept) == a_record("v1.2.0")
        assert journal.last_turn() == Turn(AT, "watching", {"A": "fine"}, AT)
        assert Outbox(two, database=journal.database).told("ops") == 3
        with pytest.raises(Claimed):
            journal.append(AT, HELLO, claim="once")
        journal.append(AT, HELLO)
    assert move(one) == (4, False)
    with closing(Journal(one)) as journal:
        journal.append(AT, HELLO)
    with pytest.raises(JournalLost, match="it is an older copy"):
        Journal(one.folder)


def test_another_journal_is_not_written_over(here, filled):
    with closing(Journal(here[1])) as journal:
        journal.append(AT, HELLO)

    with pytest.raises(Problem, match="holds another journal than"):
        move(here[0])
    with closing(Journal(here[1], read_only=True)) as journal:
        assert len(journal.entries()) == 1
