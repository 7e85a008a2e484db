"""One watchdog acts on a stack; every other says so and does nothing."""

import contextlib
import os
from dataclasses import replace

import pytest

from tests.turn.test_transaction import ends
from tests.worlds import (
    AWB,
    MINUTE,
    SECOND,
    Fuse,
    Notebook,
    World,
    a_pair,
    rules,
)
from watchdog.act.claim import InWorkTree, OnEngine
from watchdog.decide.gate import gate
from watchdog.decide.onward import promotion
from watchdog.decide.ready import answer
from watchdog.decide.tidings import message_of
from watchdog.facts.event import (
    ClaimTaken,
    Entry,
    OrderGiven,
    OrderRefused,
    RollbackStarted,
    RollbackStuck,
    StackClaimed,
)
from watchdog.facts.problem import Foreign
from watchdog.turn.claiming import Claiming, OnlyOurs

A, B = "a1a1a1a1a1a1", "b2b2b2b2b2b2"


@pytest.fixture
def it(folders):
    """v1.2.0 was baked, v1.3.0 runs and is clear; nobody has claimed it."""
    made = World(folders())
    made.bake("v1.2.0")
    made.compose_up("v1.3.0")
    made.turn()
    return made


def watchdog(it, identity, **more):
    """Make what holds the stack for the watchdog *identity*, with its own journal."""
    more.setdefault("memory", Notebook())
    claims = OnEngine(it.docker, "dms", identity)
    guard = contextlib.nullcontext()
    return Claiming(claims, clock=it.clock, identity=identity, guard=guard, **more)


def passes(it, time, *watching, renews=()):
    """Let *time* pass in turns of 5 s; *renews* do so once a minute."""
    for number in range(int(time / (5 * SECOND))):
        it.clock.pause(5)
        for one in watching:
            one.turn(it.clock.now())
        if number % 12 == 11:
            for one in renews:
                one.renew(it.clock.now())


def has(one):
    return one.memory.standing.claimed is None


def test_the_first_has_the_stack_and_the_second_says_so_once(it):
    first, second = watchdog(it, A), watchdog(it, B)
    first.turn(it.clock.now())
    passes(it, MINUTE, second, first)

    assert has(first)
    assert len(first.memory.all(ClaimTaken)) == 1
    (said,) = second.memory.all(StackClaimed)
    assert said.by == A
    assert said.words == (
        "another watchdog (a1a1a1) has this stack: by the container "
        "dms-watchdog-claim on the engine; nothing is done here"
    )
    assert "`docker rm dms-watchdog-claim`" in said.hint
    assert [name for name in it.docker.names() if "claim" in name] == [
        "dms-watchdog-claim"
    ]


def test_a_claim_is_kept_by_renewing_it_for_as_long_as_that_goes_on(it):
    first, second = watchdog(it, A), watchdog(it, B)
    first.turn(it.clock.now())
    passes(it, 20 * MINUTE, first, second, renews=(first, second))

    assert has(first)
    assert not has(second)


def test_a_claim_that_nobody_renews_is_taken_over_after_five_minutes(it):
    first, second = watchdog(it, A), watchdog(it, B)
    first.turn(it.clock.now())
    passes(it, 5 * MINUTE, second)
    assert not has(second)

    passes(it, 5 * SECOND, second)

    assert has(second)
    (taken,) = second.memory.all(ClaimTaken)
    assert taken.over == "a1a1a1"
    assert "was not renewed for 5 min" in taken.words


def test_who_was_overtaken_while_it_slept_touches_nothing_any_more(it):
    first, second = watchdog(it, A), watchdog(it, B)
    first.turn(it.clock.now())
    passes(it, 6 * MINUTE, second)
    touched = []

    class Touches:
        def do(self, *step):
            touched.append(step)

    with pytest.raises(Foreign, match=r"another watchdog .b2b2b2. has this stack"):
        OnlyOurs(Touches(), first).do(None, None, None)

    assert touched == []
    assert not has(first)


def test_an_engine_that_was_away_takes_the_stack_from_nobody(it):
    first, second = watchdog(it, A), watchdog(it, B)
    first.turn(it.clock.now())
    passes(it, MINUTE, second)
    it.docker.down = True
    passes(it, 10 * MINUTE, first, second, renews=(first,))
    it.docker.down = False
    passes(it, MINUTE, second, first, renews=(first,))

    assert has(first)
    assert not has(second)


def test_a_suspended_second_watchdog_does_not_count_the_time_it_slept(it):
    first, second = watchdog(it, A), watchdog(it, B)
    first.turn(it.clock.now())
    second.turn(it.clock.now())
    it.clock.pause(3600)
    second.turn(it.clock.now())

    assert not has(second)


def test_a_restarted_watchdog_keeps_its_claim(it):
    watchdog(it, A).turn(it.clock.now())
    again = watchdog(it, A)
    again.turn(it.clock.now())

    assert has(again)
    assert again.memory.all(ClaimTaken) == []


def test_a_copy_of_a_watchdogs_state_is_found_out_by_its_renewals(it):
    one, copy = watchdog(it, A), watchdog(it, A)
    for each in (one, copy):
        each.turn(it.clock.now())
    passes(it, 2 * MINUTE, one, copy, renews=(one, copy))

    assert not (has(one) and has(copy))
    said = [*one.memory.all(StackClaimed), *copy.memory.all(StackClaimed)]
    assert said[0].words.startswith("a copy of this watchdog's state (a1a1a1)")


def test_something_else_of_the_claims_name_is_never_removed(it):
    it.docker.create(
        "dms-watchdog-claim", {"Image": "x", "Labels": {}, "HostConfig": {}}, {}
    )
    one = watchdog(it, A)
    passes(it, 10 * MINUTE, one)

    assert not has(one)
    assert "something that is no watchdog's claim" in (
        one.memory.standing.claimed.words
    )
    assert "dms-watchdog-claim" in it.docker.names()


def test_a_watchdog_of_an_earlier_build_is_found_out_by_what_it_holds(it):
    def holder(name, **labels):
        labels = {"io.flexli.watchdog.project": "dms"} | labels
        body = {"Image": "x", "Labels": labels, "HostConfig": {}}
        return it.docker.create(name, body, {})

    holder("dms-holds-v1.2.0")
    one = watchdog(it, A)
    passes(it, MINUTE, one)
    holder("dms-holds-v1.3.0", **{"io.flexli.watchdog.by": B})
    passes(it, MINUTE, one)
    assert has(one), "what was there before, or claims for itself, tells nothing"

    theirs = holder("dms-holds-v1.3.1")
    passes(it, 20 * MINUTE, one, renews=(one,))
    assert one.memory.standing.claimed.words == (
        "another watchdog (of an earlier build) has this stack: it made "
        "dms-holds-v1.3.1; nothing is done here"
    )
    it.docker.remove(theirs)
    one.turn(it.clock.now())
    assert has(one)


def test_an_observing_watchdog_claims_nothing_and_stands_in_nobodys_way(it):
    watching, acting = watchdog(it, A, only_looks=True), watchdog(it, B)
    watching.turn(it.clock.now())
    acting.turn(it.clock.now())
    watching.turn(it.clock.now())

    assert has(watching)
    assert has(acting)
    with pytest.raises(Foreign):
        watching.check()


def test_a_claim_that_was_pruned_is_made_again(it):
    one = watchdog(it, A)
    one.turn(it.clock.now())
    (id_,) = [i for i, b in it.docker.boxes.items() if "claim" in b["Name"]]
    del it.docker.boxes[id_]
    passes(it, MINUTE, one, renews=(one,))

    assert has(one)
    assert "dms-watchdog-claim" in it.docker.names()


def pruned(it):
    """Remove what does not run, as `docker container prune` does."""
    for id_, box in list(it.docker.boxes.items()):
        if not box["State"]["Running"]:
            del it.docker.boxes[id_]


def test_who_waits_takes_no_stack_whose_claim_was_pruned_until_a_minute_is_over(it):
    first, second = watchdog(it, A), watchdog(it, B)
    first.turn(it.clock.now())
    second.turn(it.clock.now())
    pruned(it)
    passes(it, 55 * SECOND, second)
    said = second.memory.all(StackClaimed)[-1]

    first.renew(it.clock.now())
    passes(it, 4 * MINUTE, second, renews=(first,))

    assert has(first)
    assert not has(second)
    assert "its claim is gone, and it may be at work and make it again" in said.words
    pruned(it)
    passes(it, 65 * SECOND, second)
    assert has(second), "and the first is gone"


def test_who_starts_in_the_middle_of_anothers_rollback_waits_for_its_claim(it):
    (old,) = [id_ for id_, box in it.docker.boxes.items() if box["State"]["Running"]]
    it.docker.rename(old, "dms-dms-1.rb-old-0123456789ab")
    second = watchdog(it, B)
    passes(it, 50 * SECOND, second)

    assert not has(second)
    (said,) = second.memory.all(StackClaimed)
    assert "(who made dms-dms-1.rb-old-0123456789ab) has this stack" in said.words
    passes(it, MINUTE, second)
    assert has(second)


class Claimed(World):
    """A world whose watchdog acts only while the stack is its own."""

    claiming = None

    def transaction(self):
        if self.claiming is None:
            self.claiming = watchdog(self, A, memory=self.memory)
            self.whose = self.claiming.turn
        made = super().transaction()
        return replace(made, hands=OnlyOurs(made.hands, self.claiming))


class Pruner(Fuse):
    """Prunes at the *at*-th instant of a rollback, and lets another one turn."""

    def __init__(self, it, at, other):
        super().__init__()
        self.it, self.at, self.other, self.done = it, at, other, False

    def passes(self):
        if self.it.memory.standing.rollback is None:
            return
        super().passes()
        if self.count == self.at:
            self.done = True
            pruned(self.it)
            self.it.clock.pause(11)  # so that the first looks again who has it
        if self.count >= self.at:
            self.it.docker.fuse = Fuse()  # the other one's own calls are no instants
            self.other.turn(self.it.clock.now())
            self.it.docker.fuse = self


@pytest.mark.parametrize("dead", [False, True], ids=["lives", "dies"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "just started"])
def test_a_claim_that_is_pruned_in_mid_rollback_lets_no_other_one_in(
    folders, dead, known
):
    at = 1
    while True:
        it = Claimed(folders(), shared=known)
        it.bake("v1.2.0")
        it.compose_up("v1.3.0")
        it.turn()
        it.turn(MINUTE)
        it.numbers.values[AWB.name] = 9
        if dead:
            it.docker.crashing.add(a_pair("v1.2.0").image)
        other = watchdog(it, B)
        it.claiming.turn(it.clock.now())
        if known:
            other.turn(it.clock.now())
        it.docker.fuse = fuse = Pruner(it, at, other)
        it.turn()
        it.docker.fuse = Fuse()
        if not fuse.done:
            break
        for _ in range(6):
            it.turn(10 * SECOND)
        ((how, *_),) = ends(it)
        assert how in ("proved", "put-back", "unchanged"), (at, how)
        up = [image for image, _ in it.docker.up().values()]
        version = "v1.2.0" if how == "proved" else "v1.3.0"
        assert up == [a_pair(version).image], (at, how)
        assert it.memory.all(RollbackStuck) == [], at
        at += 3
    assert at > 10


def test_a_claim_holds_no_image_that_nobody_else_has(it):
    one = watchdog(it, A)
    one.turn(it.clock.now())
    claimed = {i: b for i, b in it.docker.boxes.items() if "claim" in b["Name"]}
    it.compose_up("v1.3.1")
    it.docker.boxes |= claimed
    one.renew(it.clock.now())

    (claim,) = [b for b in it.docker.boxes.values() if "claim" in b["Name"]]
    (image, _), *_ = it.docker.up().values()
    assert claim["Image"] == image
    assert has(one)


def test_with_another_at_it_nothing_is_done_and_every_face_says_so(it):
    watchdog(it, B).turn(it.clock.now())
    mine = watchdog(it, A, memory=it.memory)
    it.whose = mine.turn
    it.numbers.values[AWB.name] = 9
    it.memory.add(
        it.clock.now(), OrderGiven("ord_1", "rollback", "ops", "why", "", "words")
    )
    up, calls = it.docker.up(), len(it.docker.calls)
    words = [it.turn() for _ in range(3)]

    s = it.memory.standing
    assert it.docker.up() == up
    assert it.docker.calls[calls:] in ([], [("create", "dms-watchdog-claim")])
    assert it.memory.all(RollbackStarted) == []
    assert set(words) == {s.claimed.words}
    assert [e.words for e in it.memory.all(OrderRefused)] == [s.claimed.words]
    release, at = it.filed().for_version("v1.3.0"), it.clock.now()
    assert s.claimed.words in promotion(s, "v1.3.0", release, rules(), at)
    said = gate(s, "v1.3.0", release, rules(), looked=at, at=at)
    assert said.reasons == (s.claimed.words,)
    could = answer(s, release, at, rules(), at)
    assert could.ready is False
    assert could.lacks[0].words == s.claimed.words
    (said,) = it.memory.all(StackClaimed)
    told = message_of(Entry(1, at, said), "dms")
    assert told.kind == "watch.claimed"
    assert s.claimed.words in told.words


def test_a_work_tree_has_one_lock_which_ends_with_its_process(tmp_path):
    one, other = InWorkTree(tmp_path, A), InWorkTree(tmp_path, B)
    assert one.look() is None
    one.take()

    assert one.look().by == A
    assert other.look().by == A
    assert other.look() != other.look(), "its process lives: never over"
    os.close(one._held)  # as its end does
    assert other.look() is None


def test_who_waits_looks_at_what_the_other_one_put_up(it):
    watchdog(it, B).turn(it.clock.now())
    it.whose = watchdog(it, A, memory=it.memory).turn
    it.turn()
    claimed = {i: b for i, b in it.docker.boxes.items() if "claim" in b["Name"]}
    it.compose_up("v1.2.0")
    it.docker.boxes |= claimed

    it.turn()

    assert it.memory.standing.running.pair.version == "v1.2.0"
    assert it.memory.standing.claimed
