"""What people order by hand: checked at the door, journaled, and never executed."""

from dataclasses import replace

import pytest

from tests.decide.test_standing import begun, ended
from tests.worlds import (
    ASHA,
    AT,
    BELA,
    HEALTHY_THEN_NEXT,
    Notebook,
    a_pair,
    a_record,
    a_release,
    rules,
)
from watchdog.approve.order import Orders
from watchdog.config.release_file import Releases
from watchdog.decide.policy import newest_good
from watchdog.facts.event import (
    HoldLifted,
    HoldPlaced,
    OrderGiven,
    PairProvedGood,
    PairQuarantined,
    PairRecorded,
    PairUnclear,
    VersionsRevoked,
)
from watchdog.facts.pair import Revoked

HELD = "operator hold by asha@flexli.example since 2026-03-11 03:00:00 UTC: a migration"


@pytest.fixture
def memory():
    made = Notebook()
    made.add(AT, *HEALTHY_THEN_NEXT)
    for version in ("v1.2.0", "v1.3.0"):
        made.records[f"record of {version}"] = a_record(version)
    made.unseen = lambda release, _: (a_record(release.version), {})
    return made


@pytest.fixture
def take(memory):
    def take(kind, **order):
        before = len(memory.entries)
        orders = Orders(
            memory,
            releases=Releases({v: a_release(v) for v in ("v1.1.0", "v1.3.0")}),
            rules=rules(),
            secret=lambda: "x",
            unseen=memory.unseen,
        )
        reply = orders.take(kind, {"by": ASHA} | order, AT)
        return reply, [entry.event for entry in memory.entries[before:]]

    return take


def test_a_vouched_pair_is_known_to_be_good_by_a_persons_word(take, memory):
    reply, events = take("vouch", which="v1.3.0", reason="ran a week elsewhere")

    words = f"{ASHA} vouched for v1.3.0: ran a week elsewhere"
    assert (reply.status, reply.body) == (200, {"words": words})
    assert events == [PairProvedGood(a_pair("v1.3.0").key, words, vouched_by=ASHA)]
    assert memory.standing.pairs[a_pair("v1.3.0").key].vouched_by == ASHA


def test_vouching_for_what_is_good_already_says_so_and_changes_nothing(take):
    reply, events = take("vouch", which="v1.2.0")

    assert (reply.status, events) == (200, [])
    assert reply.body["words"] == (
        "v1.2.0 is known to be good already: v1.2.0 ran long enough"
    )


def test_what_was_rolled_back_by_hand_can_be_vouched_for_though_it_was_good(
    take, memory
):
    start = begun(automatic=False, bad="v1.2.0", incident="")
    start = replace(start, to_pair=a_pair("v1.1.0"))
    memory.add(AT, start, replace(ended(incident=""), previous="v1.2.0"))
    assert memory.standing.pairs[a_pair("v1.2.0").key].taken_down

    reply, _ = take("vouch", which="v1.2.0", reason="it was the load test")

    assert reply.status == 200
    assert not memory.standing.pairs[a_pair("v1.2.0").key].taken_down


def test_a_quarantined_pair_needs_the_flag_and_a_reason(take, memory):
    key = a_pair("v1.3.0").key
    memory.add(AT, PairQuarantined(key, "it failed"))

    without, _ = take("vouch", which="v1.3.0", reason="fine")
    silent, _ = take("vouch", which="v1.3.0", even_though_quarantined=True)
    assert (without.status, silent.status) == (409, 409)
    assert "--reason" in silent.body["hint"]
    assert memory.standing.pairs[key].quarantined

    reply, _ = take(
        "vouch", which="v1.3.0", even_though_quarantined=True, reason="the load test"
    )
    assert reply.status == 200
    assert not memory.standing.pairs[key].quarantined


def test_a_pair_whose_record_is_gone_is_not_vouched_for(take, memory):
    del memory.records["record of v1.3.0"]

    reply, events = take("vouch", which="v1.3.0")

    assert (reply.status, events) == (409, [])
    assert reply.body["hint"] == ("deploy v1.3.0 again: it is recorded when it starts")


def test_a_pair_that_never_ran_here_is_recorded_as_it_is_found_and_vouched_for(
    take, memory
):
    reply, events = take("vouch", which="v1.1.0", reason="it ran here for a year")

    pair = a_pair("v1.1.0")
    words = (
        f"{ASHA} vouched for v1.1.0, which never ran here, as it is found now: "
        f"{pair.words}: it ran here for a year"
    )
    assert (reply.status, reply.body) == (200, {"words": words})
    recorded, good = events
    assert (recorded.pair, recorded.by, recorded.words) == (pair, ASHA, words)
    assert memory.record(recorded.record) == a_record("v1.1.0")
    assert good == PairProvedGood(pair.key, words, vouched_by=ASHA)


def test_one_way_releases_that_may_have_run_since_are_remembered_with_it(memory):
    files = [a_release(v, rollback_safe=v != "v1.2.5") for v in ("v1.1.0", "v1.2.5")]
    files.append(a_release("v0.9.0", rollback_safe=False))
    orders = Orders(
        memory,
        releases=Releases({one.version: one for one in files}),
        rules=rules(),
        secret=lambda: "x",
        unseen=memory.unseen,
    )

    assert orders.take("vouch", {"by": ASHA, "which": "v1.1.0"}, AT).status == 200

    (recorded,) = memory.all(PairRecorded)
    assert recorded.between == ("v1.2.5",)


def test_what_ran_here_comes_before_what_was_only_vouched_for(take, memory):
    take("vouch", which="v1.1.0")

    assert newest_good(memory.standing, None).pair.version == "v1.2.0"
    memory.add(AT, PairQuarantined(a_pair("v1.2.0").key, "it failed"))
    assert newest_good(memory.standing, None).pair.version == "v1.1.0"


def test_nobody_vouches_for_what_is_neither_known_nor_filed(take):
    reply, events = take("vouch", which="v9.9.9")

    assert (reply.status, events) == (409, [])
    assert reply.body["words"] == (
        "no pair v9.9.9 ever ran here, and no release file says what it is"
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (a_record("v1.1.1"), "v1.1.0 is ghcr.io/flexli/dms:v1.1.1 by its release file"),
        (
            a_record("v1.1.0", pair=replace(a_pair("v1.2.0"), version="v1.1.0")),
            f"v1.1.0 is one pair with {a_pair('v1.2.0').words}",
        ),
    ],
)
def test_another_pair_than_the_one_that_is_named_is_not_taken_for_it(
    take, memory, found, said
):
    memory.unseen = lambda *_: (found, {})

    reply, events = take("vouch", which="v1.1.0")

    assert (reply.status, events) == (409, [])
    assert reply.body["words"] == said


def test_what_is_revoked_is_not_vouched_for_without_having_run_either(take, memory):
    memory.add(AT, VersionsRevoked(2, "sha", "epoch 2", (Revoked("v1.1.0", "CVE"),)))

    reply, events = take("vouch", which="v1.1.0")

    assert (reply.status, events) == (409, [])
    assert reply.body["words"] == "v1.1.0 is revoked by the list of epoch 2: CVE"


def test_while_what_runs_is_not_known_nothing_is_recorded_beside_it(take, memory):
    memory.add(AT, PairUnclear("split", split=True))

    reply, events = take("vouch", which="v1.1.0")

    assert (reply.status, events) == (409, [])
    assert reply.body["words"] == "what runs is not known"


def test_a_hold_is_placed_once_and_lifted_once(take):
    early, _ = take("resume")
    placed, events = take("hold", reason="a migration")
    again, none = take("hold", by=BELA, reason="another")
    lifted, after = take("resume", by=BELA, reason="done")
    late, _ = take("resume")

    assert (early.status, late.status) == (409, 409)
    assert early.body["words"] == "there is no hold to lift"
    assert (placed.status, placed.body["words"]) == (200, HELD)
    assert events == [HoldPlaced(ASHA, HELD)]
    assert (again.status, none) == (409, [])
    assert again.body["words"] == f"there is one already: {HELD}"
    assert lifted.body["words"] == f"{BELA} lifted the {HELD} (done)"
    assert after == [HoldLifted(BELA, lifted.body["words"])]


@pytest.mark.parametrize(
    ("kind", "order", "words"),
    [
        ("hold", {}, "reason: Field required"),
        ("hold", {"reason": ""}, "reason: Value error, meant some text"),
        ("hold", {"reason": 7}, "reason: Input should be a valid string"),
        ("hold", {"reason": "x", "by": ""}, "by: Value error, meant some text"),
        ("hold", {"reason": "a\x1b[31m"}, "reason: Value error, meant text in one"),
        ("hold", {"reason": "a\nb"}, "reason: Value error, meant text in one"),
        ("resume", {"release": "v1"}, "release: Extra inputs are not permitted"),
        ("vouch", {"which": "x", "even_though_quarantined": 1}, "even_though_quar"),
    ],
)
def test_an_order_that_is_not_whole_is_refused(take, kind, order, words):
    reply, events = take(kind, **order)

    assert (reply.status, events) == (422, [])
    assert reply.body["words"].startswith(words)


def test_a_rollback_is_ordered_to_the_pair_that_was_shown(take, memory):
    target = a_pair("v1.2.0")

    reply, events = take("rollback", reason="scans look wrong")

    words = f"{ASHA} ordered a rollback from v1.3.0 to {target.words}: scans look wrong"
    given = OrderGiven("ord_x", "rollback", ASHA, "scans look wrong", target.key, words)
    assert (reply.status, events) == (200, [given])
    assert reply.body == {"order": "ord_x", "words": words}
    assert memory.standing.order.given == given


def test_what_the_turn_would_refuse_is_refused_at_the_door(take):
    reply, events = take("rollback", to="v1.3.0", reason="why not")

    assert (reply.status, events) == (409, [])
    assert reply.body["words"].startswith("v1.3.0 is what runs: ")


def test_an_order_that_nobody_knows_is_refused(take):
    reply, events = take("explode")

    assert (reply.status, events) == (404, [])
