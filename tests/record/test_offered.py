"""A schema is one stack's, a lease is as long as its leader says, and may be left."""

import queue
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.worlds import AT
from watchdog.facts.event import WatchStarted
from watchdog.facts.problem import JournalLost
from watchdog.record.journal import Journal

pytestmark = pytest.mark.real
HELLO = WatchStarted("1", "act")


def said(server, **how):
    with pytest.raises(JournalLost) as lost:
        Journal(server, **how)
    assert "\n" not in lost.value.words
    return lost.value.words


def test_the_journal_of_another_stack_is_neither_followed_nor_read(here):
    dms, crm = replace(here[0], stack="dms"), replace(here[1], stack="crm")
    Journal(dms).close()

    words = f"the journal in the schema {dms.schema} is of the stack dms, meant crm"
    assert said(crm) == words
    assert said(crm, follows=True) == words
    assert said(crm, read_only=True) == words
    Journal(replace(here[1], stack="dms"), read_only=True).close()


def test_a_journal_that_was_begun_without_a_stack_is_whose_opens_it_next(here, cluster):
    one = here[0]
    Journal(one).close()
    cluster.by_hand(one, ("DROP TABLE led",))  # as an earlier build left it
    Journal(replace(one, stack="crm"), read_only=True).close()
    Journal(replace(one, stack="dms")).close()

    assert "is of the stack dms, meant crm" in said(replace(one, stack="crm"))


def follows(server, heard):
    """Have a thread wait for the lead; give it and what it came to."""
    came = []

    def wait():
        came.append(Journal(server, waits=heard.put))

    thread = threading.Thread(target=wait)
    thread.start()
    return thread, came


def test_whoever_follows_waits_as_long_as_the_leader_means_to_be_heard(here, leading):
    one, two = here
    long = replace(one, lease=timedelta(seconds=6))
    began = time.monotonic()
    old = leading(long)
    old.kill()  # it was heard a moment ago
    old.wait()
    thread, came = follows(two, queue.SimpleQueue())
    thread.join(90)

    assert time.monotonic() - began > 6
    came[0].append(AT, HELLO)
    came[0].close()


def test_a_lead_that_nobody_wants_is_taken_again_in_the_next_epoch(here):
    with closing(Journal(here[0])) as journal:
        journal.append(AT, HELLO)
        journal.database.offer()
        journal.must_lead()
        journal.append(AT, HELLO)

        epochs = journal.database.rows("SELECT epoch FROM event ORDER BY seq")
        assert epochs == [(1,), (2,)]
        assert journal.leader.endswith("(epoch 2)")


def test_a_lead_that_is_left_is_taken_by_whoever_follows_and_by_one_only(here):
    one, two = here
    first, heard = Journal(one), queue.SimpleQueue()
    thread, came = follows(two, heard)
    heard.get(timeout=60)  # it waits

    with pytest.raises(JournalLost, match=r"leads no more: .* does, to whom it was"):
        first.database.offer()
    thread.join(60)
    with pytest.raises(JournalLost, match="to whom it was left"):
        first.must_lead()
    with pytest.raises(JournalLost, match="another watchdog leads"):
        first.append(AT, HELLO)
    first.close()

    came[0].append(AT, HELLO)
    assert came[0].leader.endswith("(epoch 2)")
    came[0].close()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("default_transaction_read_only = on", "takes no writes: "),
        ("CONNECTION LIMIT 0", "has no connection left: "),
    ],
)
def test_a_server_that_cannot_take_it_now_is_one_sentence(
    here, cluster, setting, words
):
    how, back = f"SET {setting}", "RESET default_transaction_read_only"
    if "LIMIT" in setting:
        how, back = setting, "CONNECTION LIMIT -1"
    Journal(here[0]).close()
    cluster.boss(f"ALTER ROLE watchdog {how}")
    try:
        assert words in said(here[0])
    finally:
        cluster.boss(f"ALTER ROLE watchdog {back}")


def test_whoever_shares_the_server_by_stricter_rules_is_no_reason_to_fail(
    here, cluster
):
    strict = "default_transaction_isolation"
    cluster.boss(f"ALTER ROLE watchdog SET {strict} = 'serializable'")
    try:
        with closing(Journal(here[0])) as journal:
            ((level,),) = journal.database.rows(f"SHOW {strict}")
    finally:
        cluster.boss(f"ALTER ROLE watchdog RESET {strict}")

    assert level == "read committed"
