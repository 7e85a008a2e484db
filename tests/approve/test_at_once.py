"""Many at once, on the real journal on a disk: weighed and written is one.

A book whose write takes no time shows nothing of this: between a look and a commit
that waits for the disk there is room for all the others.
"""

import asyncio
import threading
from collections import Counter

import pytest

from tests import canary
from tests.approve.test_github import API, payload, written
from tests.approve.test_webhook import (
    KEYS,
    ROSTER,
    WHY,
    Place,
    a_key,
    resume,
    signed,
)
from tests.notify.hub import SECRET, by_github
from tests.worlds import (
    ASHA,
    AT,
    BELA,
    HEALTHY_THEN_NEXT,
    a_release,
    asked,
    rules,
)
from watchdog.approve.github import Deployments
from watchdog.approve.limit import Limit
from watchdog.approve.order import Orders
from watchdog.config.release_file import Releases
from watchdog.decide.approval import BREAK_GLASS_A_DAY
from watchdog.decide.gate import digest_of, lasting
from watchdog.facts.event import (
    Answered,
    DeploymentRequested,
    HoldLifted,
    HoldPlaced,
    OrderGiven,
    PairProvedGood,
    PromotionPaused,
    PromotionResumed,
    QuestionClosed,
)
from watchdog.facts.roster import Approver, Roster
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory

MANY = 40
ROUNDS = 5
LONG = "Slack and SSO are down, scans fail"
GLASS = "breakglass@flexli.example"


class OnDisk(Memory):
    """The real memory on the real journal, read like the tests' book."""

    def all(self, *kinds):
        events = [entry.event for entry in self._journal.entries()]
        return [event for event in events if isinstance(event, kinds)]


@pytest.fixture(params=range(ROUNDS))
def memory(tmp_path):
    journal = Journal(tmp_path)
    yield OnDisk(journal, lambda _: None)
    journal.close()


@pytest.fixture
def place(memory):
    class Room(Place):
        @staticmethod
        def book():
            return memory

    return Room()


def at_once(place, *deliveries, path="/v1/approvals/apr_1/decision"):
    """Send all of them together; give how often each status and code came."""

    async def send():
        async with place.client() as client:
            posts = [
                client.post(path, content=body, headers=headers)
                for body, headers in deliveries
            ]
            return await asyncio.gather(*posts)

    return Counter((r.status_code, r.json().get("code")) for r in asyncio.run(send()))


def together(*calls):
    """Make all *calls*, each in a thread of its own, and all of them at once."""
    gate, told = threading.Barrier(len(calls)), []

    def run(call):
        gate.wait(30)
        told.append(call())

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    return told


def test_b_032_of_forty_votes_of_one_person_one_counts_and_one_is_journaled(place):
    body = place.body()
    votes = [(body, signed(body, message=f"msg_{n:08}")) for n in range(MANY)]

    told = at_once(place, *votes)

    assert told == {(202, None): 1, (409, "duplicate_vote"): MANY - 1}
    assert place.answers == [(ASHA, "approve")]


def test_b_032_of_forty_same_deliveries_one_is_recorded(place):
    body = place.body()

    told = at_once(place, *[(body, signed(body))] * MANY)

    assert told == {(202, None): 1, (200, None): MANY - 1}
    assert place.answers == [(ASHA, "approve")]


def test_c_045_after_a_no_nothing_is_taken_any_more(place):
    votes = []
    for n in range(MANY):
        by, decision = ((ASHA, "approve"), (BELA, "deny"))[n % 2]
        body = place.body(approver=by, decision=decision)
        votes.append((body, signed(body, KEYS[by], f"msg_{n:08}")))

    at_once(place, *votes)

    answers = place.answers
    assert answers[-1] == (BELA, "deny")
    assert answers in ([(BELA, "deny")], [(ASHA, "approve"), (BELA, "deny")])


def test_c_048_the_glass_breaks_twice_a_day_however_many_try_at_once(place):
    key = canary.key(11)
    person = Approver(GLASS, (a_key(GLASS, key),), break_glass=True)
    place.roster = Roster(dict(ROSTER.approvers) | {GLASS: person})
    names = [f"apr_{n}" for n in range(2, 7)]
    place.memory.add(AT, *(asked("inc-1", name) for name in names))
    tries = []
    for n in range(MANY):
        name = names[n % len(names)]
        body = place.body(approver=GLASS, approval_id=name, reason=LONG)
        headers = signed(body, key, f"msg_{n:08}")
        tries.append((f"/v1/approvals/{name}/decision", body, headers))

    async def send():
        async with place.client() as client:
            posts = [client.post(p, content=b, headers=h) for p, b, h in tries]
            return await asyncio.gather(*posts)

    codes = Counter(reply.status_code for reply in asyncio.run(send()))

    assert codes[202] == BREAK_GLASS_A_DAY == 2
    assert [a.break_glass for a in place.memory.all(Answered)] == [True, True]


def test_one_webhook_id_is_taken_once_also_for_two_questions(place):
    place.memory.add(AT, asked("inc-1", "apr_2"))

    async def send():
        async with place.client() as client:
            posts = []
            for n in range(MANY):
                name = f"apr_{n % 2 + 1}"
                body = place.body(approval_id=name)
                path = f"/v1/approvals/{name}/decision"
                posts.append(client.post(path, content=body, headers=signed(body)))
            return await asyncio.gather(*posts)

    codes = Counter(reply.status_code for reply in asyncio.run(send()))

    assert codes == {202: 1, 200: MANY // 2 - 1, 409: MANY // 2}
    assert place.answers == [(ASHA, "approve")]


def test_a_pause_is_lifted_once(place):
    over = QuestionClosed("apr_1", "closed", "not this release")
    place.memory.add(AT, PromotionPaused("v1.3.0", WHY), over)
    seen = digest_of(lasting(place.memory.standing, "v1.3.0", place.release))
    told = together(
        *(
            lambda n=n: (
                resume(place, message=f"msg_{n:08}", pauses_digest=seen).status_code
            )
            for n in range(MANY // 4)
        )
    )

    assert Counter(told) == {202: 1, 409: MANY // 4 - 1}
    assert len(place.memory.all(PromotionResumed)) == 1


def test_one_delivery_of_github_names_one_deployment(memory):
    door = Deployments(
        memory,
        secret=SECRET,
        api=API,
        limit=Limit(9, monotonic=lambda: 0.0),
        now=lambda: AT,
        wake=lambda: None,
    )

    def post(run):
        body = written(payload(run=run))
        headers = {name: [value] for name, value in by_github(body, delivery="d" * 8)}
        return door.take(headers, body, AT).status

    told = together(*(lambda run=run: post(run) for run in range(1, 11)))

    assert Counter(told) == {202: 1, 409: 9}
    assert len(memory.all(DeploymentRequested)) == 1


# What is ordered by hand.


def orders(memory):
    return Orders(
        memory,
        releases=Releases({"v1.3.0": a_release("v1.3.0")}),
        rules=rules(),
        secret=lambda: threading.current_thread().name,
        unseen=lambda *_: None,
    )


@pytest.mark.parametrize(
    ("kind", "order", "event"),
    [
        ("hold", {"reason": "a migration"}, HoldPlaced),
        ("resume", {}, HoldLifted),
        ("rollback", {"reason": "it is bad"}, OrderGiven),
        ("vouch", {"which": "v1.3.0"}, PairProvedGood),
    ],
)
def test_of_many_who_order_the_same_one_does(memory, kind, order, event):
    memory.add(AT, *HEALTHY_THEN_NEXT)
    if kind == "resume":
        memory.add(AT, HoldPlaced(ASHA, "a hold"))
    if kind == "vouch":
        memory.missing = lambda _: ""
    before = len(memory.all(event))
    door = orders(memory)

    told = together(
        *(lambda: door.take(kind, {"by": ASHA} | order, AT).status for _ in range(10))
    )

    assert len(memory.all(event)) == before + 1
    assert set(told) == ({200} if kind == "vouch" else {200, 409})


def test_what_a_weighing_raises_adds_nothing(memory):
    def weigh(_):
        raise KeyError("x")

    with pytest.raises(KeyError):
        memory.add_if(AT, weigh)

    assert memory.add_if(AT, lambda _: "no") == "no"
    assert memory.all(object) == []
