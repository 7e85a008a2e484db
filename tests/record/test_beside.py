"""Who does not lead adds what people say; and whoever leads goes by it."""

import signal
import threading
from contextlib import closing

import psycopg
import pytest

from tests.worlds import AT, HEALTHY_THEN_NEXT
from watchdog.facts.event import HoldLifted, HoldPlaced, WatchStarted
from watchdog.facts.problem import Claimed, JournalLost, Problem
from watchdog.record.chain import link, text_of
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory, standing_in

pytestmark = pytest.mark.real
HELLO = WatchStarted("1", "act")
HOLD = HoldPlaced("asha", "a hold by asha")
LIFTED = HoldLifted("asha", "asha lifted it")


def silent(_):
    pass


@pytest.fixture
def two(here):
    """Give the memory of who leads, and of who follows; and what each heard."""
    with closing(Journal(here[0])) as leads:
        leads.append(AT, *HEALTHY_THEN_NEXT)
        with closing(Journal(here[1], follows=True)) as follows:
            heard = []
            yield Memory(leads, heard.append), Memory(follows, silent), heard


def placed(standing):
    return "there is one" if standing.hold else (HOLD,)


def test_what_a_follower_takes_is_what_the_leader_goes_by(two):
    leads, follows, heard = two
    assert follows.add_if(AT, placed) == (HOLD,)

    assert leads.standing.hold is None
    assert leads.catch_up()
    assert leads.standing == follows.standing
    assert leads.standing.hold
    assert [entry.event for entry in heard] == [HOLD]
    assert not leads.catch_up()


def test_who_leads_goes_on_after_what_another_added(two, here):
    leads, follows, heard = two
    follows.add_if(AT, placed)

    leads.add(AT, HELLO)  # nobody told it before

    assert [entry.event for entry in heard] == [HOLD, HELLO]
    assert leads.standing == standing_in(here[0])
    with closing(Journal(here[0], read_only=True)) as journal:
        assert [e.seq for e in journal.entries()] == list(range(1, journal.head + 1))


def test_who_leads_is_never_kept_from_writing_by_those_who_say_much(two):
    """Whoever follows is quicker, with one statement for a transaction."""
    leads, follows, _ = two
    over = threading.Event()

    def say():
        while not over.is_set():
            follows.add_if(AT, lambda _: (LIFTED,))

    thread = threading.Thread(target=say)
    thread.start()
    try:
        for _ in range(20):
            leads.add(AT, HELLO)
    finally:
        over.set()
        thread.join(60)
    leads.catch_up()
    follows.catch_up()

    assert leads.standing == follows.standing


def test_who_leads_keeps_those_who_say_something_waiting_while_it_is_alone(two):
    leads, follows, _ = two
    says = threading.Thread(target=follows.add, args=(AT, LIFTED))

    with leads._journal.alone():
        says.start()
        says.join(1)
        waits = says.is_alive()
        leads.add(AT, HELLO)
    says.join(60)

    assert waits
    assert not says.is_alive()
    leads.catch_up()
    assert leads.standing == follows.standing


def test_a_follower_weighs_what_is_there_and_not_what_it_read(two):
    leads, follows, _ = two
    leads.add(AT, HOLD)

    assert follows.add_if(AT, placed) == "there is one"


def test_of_many_who_say_it_once_only_one_is_taken(two, here):
    """The leader's door and two followers', at once, again and again."""
    leads, follows, _ = two
    with closing(Journal(here[1], follows=True)) as third:
        memories, taken = (leads, follows, Memory(third, silent)), []
        for number in range(10):
            start = threading.Barrier(len(memories))

            def say(memory, claim=f"answer/{number}", start=start):
                start.wait()
                try:
                    taken.append(memory.add_if(AT, lambda _: (LIFTED,), claim=claim))
                except Claimed:
                    taken.append("again")

            threads = [threading.Thread(target=say, args=(m,)) for m in memories]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for memory in memories:
            memory.catch_up()

    assert taken.count((LIFTED,)) == 10
    assert taken.count("again") == 20
    assert memories[0].standing == memories[1].standing == memories[2].standing


def test_the_same_said_at_both_is_weighed_again_and_answered_alike(two):
    leads, follows, _ = two
    follows.add_if(AT, placed, claim="answer/1")

    assert leads.add_if(AT, placed, claim="answer/1") == "there is one"


def test_a_follower_adds_nothing_that_is_done(two, here):
    _, follows, _ = two
    with pytest.raises(Problem, match="is added by who leads, and by nobody else"):
        follows.add(AT, HOLD, HELLO)

    assert standing_in(here[0]).hold is None


def by_hand(journal, statement, *values):
    db = psycopg.connect(journal.place.url)
    db.execute(f"SET search_path = {journal.place.schema}")
    db.execute("SET watchdog.epoch = '9'")
    db.execute(statement, values)
    return db


def test_a_leader_that_finds_what_only_it_may_add_stops(two):
    leads, _, _ = two
    journal = leads._journal
    seq, at, body = journal.head + 1, AT.isoformat(), text_of(HELLO)
    digest = link(journal.digest, seq, at, "WatchStarted", body)
    row = (seq, at, "WatchStarted", body, journal.digest, digest)
    statement = "INSERT INTO event VALUES (%s, %s, %s, %s, NULL, %s, %s)"
    with by_hand(journal, statement, *row) as db:
        db.commit()

    with pytest.raises(JournalLost, match="is a WatchStarted that another watchdog"):
        leads.catch_up()


def test_a_follower_waits_for_a_commit_in_hand(two, until, cluster):
    """As of a leader that sleeps in the middle of one; its session ends in the end."""
    _, follows, _ = two
    journal, taken = follows._journal, []
    row = (journal.head + 1, "", "", "", "", "")
    statement = "INSERT INTO event VALUES (%s, %s, %s, %s, NULL, %s, %s)"
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'transactionid'"
    with closing(by_hand(journal, statement, *row)):
        thread = threading.Thread(
            target=lambda: taken.append(follows.add_if(AT, placed))
        )
        thread.start()
        until(lambda: cluster.boss(waits))
    thread.join(60)

    assert taken == [(HOLD,)]


def test_a_follower_that_sleeps_holds_up_nobody(two):
    """What it adds is one statement: between two of them it holds no lock."""
    leads, follows, _ = two
    follows.add_if(AT, placed)
    slipped = follows._journal.database._in

    assert slipped.autocommit
    assert slipped.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    leads.add(AT, HELLO)


def test_a_follower_outlives_its_leader_and_loses_nothing(here, leading):
    old = leading(here[0])
    with closing(Journal(here[1], follows=True)) as journal:
        follows = Memory(journal, silent)
        old.send_signal(signal.SIGSTOP)
        follows.add_if(AT, placed, claim="answer/1")
        old.kill()
        with pytest.raises(Claimed):
            follows.add_if(AT, lambda _: (HOLD,), claim="answer/1")
        with closing(Journal(here[1])) as next_one:  # in the same folder, as it follows
            assert Memory(next_one, silent).standing.hold
