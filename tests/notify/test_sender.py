"""Messages reach their receivers once, in order, whatever dies on the way."""

import json
import sqlite3
import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest

from tests import canary
from tests.notify.receiver import receiving
from tests.worlds import ASHA, AT, HTTP_5XX, a_pair, asked, breached
from watchdog.facts.event import (
    Answered,
    HoldPlaced,
    PromotionChanged,
    QuestionClosed,
    RollbackRefused,
)
from watchdog.facts.problem import JournalLost
from watchdog.facts.roster import Key, Scheme
from watchdog.notify.sender import Sender
from watchdog.notify.webhook import SignedWebhook
from watchdog.record.journal import Journal
from watchdog.record.outbox import OUTBOX, Outbox
from watchdog.sign.delivery import who_signed

KEY = canary.key(5)
S = timedelta(seconds=1)


class Post:
    """A journal, an outbox and one webhook to a receiver, by a clock of its own."""

    def __init__(self, folder, url):
        self.folder = folder
        self.at = AT
        self.journal = Journal(folder)
        self.hook = SignedWebhook("bridge", url, KEY, "dms-test", "https://wd.example")
        self.start()

    def start(self):
        """Start anew: only what is on the disk is left."""
        self.outbox = Outbox(self.folder)
        self.sender = Sender(
            [self.hook],
            self.outbox,
            name="dms-test",
            entries=self.journal.entries,
            head=lambda: self.journal.head,
            now=lambda: self.at,
        )
        if self.outbox.told("bridge") is None:
            self.outbox.put("bridge", self.journal.head, (), self.at)

    def tell(self):
        return self.sender.tell(self.hook)

    def close(self):
        self.outbox.close()
        self.journal.close()


@pytest.fixture
def to():
    with receiving() as to:
        yield to


@pytest.fixture
def post(tmp_path, to):
    made = Post(tmp_path, to.url)
    yield made
    made.close()


def kinds(to):
    return [json.loads(body)["type"] for _, _, body in to.came]


def ids(to):
    return [headers["webhook-id"] for _, headers, _ in to.came]


HOLD = HoldPlaced(ASHA, "operator hold by asha: a migration")


def test_one_change_is_one_message_and_most_events_are_none(post, to):
    post.journal.append(AT, breached(HTTP_5XX), asked())
    post.journal.append(AT, RollbackRefused("inc-1", "no target"))

    post.tell()
    post.tell()

    assert kinds(to) == ["rollback.approval.requested", "rollback.refused"]


def test_a_message_is_signed_with_the_watchdogs_own_key(post, to):
    post.journal.append(AT, HOLD)
    post.tell()

    ((_, headers, body),) = to.came
    given = {name.lower(): [value] for name, value in headers.items()}
    public = KEY.public_key().public_bytes_raw()
    keys = [("dms-test", Key("own", Scheme.ED25519, public))]
    assert who_signed(given, body, keys, AT).who == "dms-test"


def test_a_question_carries_the_exact_bytes_that_are_to_be_signed(post, to):
    post.journal.append(AT, asked())
    post.tell()

    data = json.loads(to.came[0][2])["data"]
    assert data["action_digest"] == asked().digest
    assert data["action_b64"] == "e30="
    assert data["review_url"] == "https://wd.example/a/apr_1"
    assert data["callback_url"] == "https://wd.example/v1/approvals/apr_1/decision"


def test_a_receiver_that_is_ill_is_asked_again_with_the_same_id(post, to):
    to.answers = [(503, {}), (500, {})]
    post.journal.append(AT, HOLD)

    rests = []
    for _ in range(3):
        rests.append(post.tell())
        post.at += 10 * S

    assert rests[:2] == [1.0, 5.0]
    assert len(set(ids(to))) == 1
    assert len(to.came) == 3
    stamps = [headers["webhook-timestamp"] for _, headers, _ in to.came]
    assert len(set(stamps)) == 3
    assert post.outbox.backlog() == []


def test_how_long_a_receiver_wants_to_be_left_alone_is_heeded(post, to):
    to.answers = [(429, {"retry-after": "77"})]
    post.journal.append(AT, HOLD)

    assert post.tell() == 77.0
    post.at += 76 * S
    assert post.tell() == 1.0
    assert len(to.came) == 1


@pytest.mark.parametrize(
    "odd", ["soon", "-5", "9" * 40, "Wed, 21 Oct 2026 07:28:00 GMT"]
)
def test_an_odd_wish_to_be_left_alone_is_passed_over(post, to, odd):
    to.answers = [(429, {"retry-after": odd})]
    post.journal.append(AT, HOLD)

    assert post.tell() == 1.0


def test_what_a_receiver_never_takes_is_given_up_and_seen_and_holds_nothing_up(
    post, to
):
    to.answers = [(400, {}), (200, {})]
    post.journal.append(AT, HOLD, PromotionChanged("v1.3.0", "open", ()))

    post.tell()

    assert kinds(to) == ["hold.placed", "promotion.changed"]
    (left,) = post.outbox.backlog()
    assert (left.channel, left.waiting, left.dead) == ("bridge", 0, 1)
    assert left.error == "127.0.0.1 answered 400"
    canary.heard("the outbox", left.error)


def test_of_what_is_given_up_the_reason_is_kept_and_not_the_message(post, to):
    """A channel may take nothing for years."""
    to.answers = [(400, {}), (404, {}), (200, {})]
    post.journal.append(AT, HOLD, PromotionChanged("v1.3.0", "open", ()), HOLD)
    post.tell()

    kept = "SELECT state, length(body) > 0, error FROM delivery ORDER BY seq"
    with closing(sqlite3.connect(post.folder / OUTBOX)) as db:
        assert db.execute(kept).fetchall() == [
            ("dead", 0, "127.0.0.1 answered 400"),
            ("dead", 0, "127.0.0.1 answered 404"),
            ("sent", 1, ""),
        ]
    (left,) = post.outbox.backlog()
    assert (left.dead, left.error) == (2, "127.0.0.1 answered 404")


def test_after_a_day_a_message_is_given_up(post, to):
    to.answers = [(503, {})] * 20
    post.journal.append(AT, HOLD)
    for _ in range(3):
        post.tell()
        post.at += timedelta(hours=12)
    post.tell()

    (left,) = post.outbox.backlog()
    assert (left.waiting, left.dead) == (0, 1)


def test_the_order_of_events_is_kept_while_the_first_waits(post, to):
    to.answers = [(503, {})]
    post.journal.append(AT, asked(), QuestionClosed("apr_1", "superseded", "words"))

    post.tell()
    post.at += 2 * S
    post.tell()

    assert [kind.rpartition(".")[2] for kind in kinds(to)] == [
        *("requested", "requested", "closed")
    ]


def test_a_redirect_is_not_followed(post, to):
    to.answers = [(307, {"location": "http://127.0.0.1:1/elsewhere"})]
    post.journal.append(AT, HOLD)
    post.tell()

    (left,) = post.outbox.backlog()
    assert (left.dead, left.error) == (1, "127.0.0.1 answered 307")


def test_136_a_crash_between_send_and_mark_sends_it_again_with_the_same_id(post, to):
    post.journal.append(AT, HOLD)
    marks = post.outbox.sent

    def crash(*_):
        raise KeyboardInterrupt

    post.outbox.sent = crash
    with pytest.raises(KeyboardInterrupt):
        post.tell()
    post.outbox.sent = marks
    post.outbox.close()
    post.start()
    post.tell()

    assert len(to.came) == 2
    assert len(set(ids(to))) == 1


def test_what_happened_while_nobody_told_is_told_after_a_restart(post, to):
    post.journal.append(AT, HOLD)
    post.outbox.close()
    post.start()
    post.tell()

    assert kinds(to) == ["hold.placed"]


def test_a_new_channel_is_told_no_old_news(post, to):
    post.journal.append(AT, HOLD)
    post.hook = SignedWebhook("other", to.url, KEY, "dms-test")
    post.outbox.put("other", post.journal.head, (), AT)
    post.tell()

    assert to.came == []


def test_a_dead_receiver_delays_nobody_else(post, to, tmp_path):
    with receiving() as held:
        held.hold = threading.Event()
        slow = SignedWebhook("slow", held.url, KEY, "dms-test")
        sender = Sender(
            [slow, post.hook],
            post.outbox,
            name="dms-test",
            entries=post.journal.entries,
            head=lambda: post.journal.head,
            now=lambda: post.at,
        )
        sender.start()
        began = time.monotonic()
        for number in range(3):
            post.journal.append(AT, HoldPlaced(ASHA, f"hold {number}"))
            sender.wake()
        journaled = time.monotonic() - began
        to.until(3)
        held.until(1)

        assert len(held.came) == 1  # and it is being held
        sender.stop()
    assert journaled < 5  # the receiver would hold it for 10 s each


def test_a_channel_that_breaks_is_tried_again_and_says_why(post, to, monkeypatch):
    """Its thread ended with the first fault, and nobody was told anything more."""
    real = post.hook.body
    monkeypatch.setattr(SignedWebhook, "body", lambda *_: {}["title"])
    post.journal.append(AT, HOLD)
    assert post.tell() > 0
    assert post.outbox.untold(["bridge"])[0].error == (
        "it could not be sent: KeyError: 'title'"
    )
    monkeypatch.setattr(SignedWebhook, "body", lambda _, message: real(message))
    post.at += timedelta(seconds=5)
    post.tell()

    assert len(to.came) == 1


def test_a_journal_or_an_outbox_that_fails_stops_the_telling_and_nothing_else(post, to):
    tries = threading.Semaphore(0)

    def entries(_):
        tries.release()
        raise JournalLost("gone")

    sender = Sender(
        [post.hook],
        post.outbox,
        name="dms-test",
        entries=entries,
        head=lambda: 0,
        now=lambda: AT,
    )
    sender.start()
    for _ in range(2):
        assert tries.acquire(timeout=20)
        sender.wake()
    sender.stop()
    assert to.came == []


def test_an_outbox_that_is_damaged_is_an_oserror(tmp_path):
    outbox = Outbox(tmp_path)
    outbox.close()

    with pytest.raises(OSError, match="cannot be used"):
        outbox.first("bridge")


def test_a_pair_is_not_told_by_its_halves(post, to):
    """A secret that a person wrote into a reason is theirs; we add none."""
    post.journal.append(
        AT, Answered("apr_1", "msg", "deny", ASHA, "not now", '{"body": "signed"}')
    )
    post.tell()

    assert b"signed" not in to.came[0][2]
    assert a_pair().image.encode() not in to.came[0][2]
