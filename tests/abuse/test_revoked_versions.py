"""Abuse case I.106: a version that is revoked is never put back, by whatever list."""

import hashlib
import json
from datetime import timedelta

import pytest

from tests.sign.keyring import Keyring
from tests.worlds import (
    AT,
    AWB,
    MINUTE,
    SECOND,
    World,
    a_pair,
    a_record,
    entries,
    started,
)
from watchdog.decide.fold import stand
from watchdog.decide.ledger import may_vouch
from watchdog.decide.onward import promotion
from watchdog.decide.order import target_of
from watchdog.decide.policy import choose_target
from watchdog.decide.ready import answer
from watchdog.decide.revoked import pauses_of
from watchdog.facts.event import (
    OrderGiven,
    RollbackEnded,
    RollbackRefused,
    RollbackStarted,
    VersionsRevoked,
)
from watchdog.facts.pair import Revoked
from watchdog.facts.problem import Problem
from watchdog.outside.stack_folder import StackFolder
from watchdog.sign.bad import BadSeal
from watchdog.sign.revocations import NAMESPACE, Revocations
from watchdog.sign.seals import Seals
from watchdog.sign.trust import When

LIST = "manifests/revoked_versions.json"
DAY = timedelta(days=1)


def a_list(epoch, *rows):
    return json.dumps({"epoch": epoch, "revoked": list(rows)}).encode()


def row(version, reason="it loses parcels", **more):
    return {"version": version, "reason": reason} | more


@pytest.fixture
def keys(tmp_path):
    return Keyring(tmp_path / "keys")


class Listed:
    """A folder with a signed list, its reader, and what the reader remembered."""

    def __init__(self, folder, keys):
        self.folder, self.keys = folder, keys
        (folder / "manifests").mkdir(parents=True, exist_ok=True)
        self.trust(keys.line())
        self.seen, self.since, self.now = [], AT, AT
        self.seals = Seals(
            folder=StackFolder(folder),
            form="sshsig",
            namespace="manifest@dms",
            allowed="manifests/allowed_signers",
            revoked="",
            argv=(),
            timeout=MINUTE,
            tenant_key="tenant",
            version_key="version",
        )
        self.reader = Revocations(
            self.seals.folder,
            LIST,
            trust=self.seals.trust,
            now=lambda: self.now,
            last=lambda: (self.seen[-1] if self.seen else None, self.since),
            note=self.seen.append,
        )

    def trust(self, *lines):
        (self.folder / "manifests/allowed_signers").write_text("".join(lines))

    def put(self, data, signature=None):
        (self.folder / LIST).write_bytes(data)
        sealed = self.keys.sign(data, space=NAMESPACE)
        (self.folder / f"{LIST}.sig").write_bytes(
            sealed if signature is None else signature
        )

    def check(self, version="v1.2.0"):
        record = a_record(version)
        self.reader.check(record.pair, record.manifests[0])

    def refused(self, kind=Problem):
        """Give the words of the refusal; readiness must say them with a hint."""
        with pytest.raises(kind) as said:
            self.check("v1.0.0")
        (lack,) = self.reader.lacks()
        assert (lack.words, lack.hint) == (said.value.words, said.value.hint)
        assert lack.hint
        return lack.words


@pytest.fixture
def listed(tmp_path, keys):
    return Listed(tmp_path / "stack", keys)


def test_a_revoked_version_is_refused_with_the_reason_and_another_is_not(listed):
    listed.put(a_list(4, row("v1.2.0")))

    listed.check("v1.1.0")
    with pytest.raises(BadSeal) as refused:
        listed.check("v1.2.0")

    assert refused.value.words == (
        "the manifest of meesho for v1.2.0 is revoked by the list of epoch 4: "
        "it loses parcels"
    )
    assert listed.reader.lacks() == ()


def test_a_build_of_a_revoked_release_is_revoked_with_it(listed):
    listed.put(a_list(1, row("v1.2.0")))

    with pytest.raises(BadSeal):
        listed.check("v1.2.0-4f9c2ab")
    listed.check("v1.2.0-rc1")


def test_a_version_may_be_revoked_for_one_tenant_only(listed):
    listed.put(a_list(1, row("v1.2.0", tenant="ajio")))
    listed.check("v1.2.0")

    listed.put(a_list(2, row("v1.2.0", tenant="meesho")))
    with pytest.raises(BadSeal):
        listed.check("v1.2.0")


def test_a_list_that_is_put_back_to_an_older_one_counts_for_nothing(listed):
    listed.put(a_list(7, row("v1.2.0")))
    listed.check("v1.1.0")
    listed.put(a_list(6))

    assert listed.refused() == (
        f"{LIST} has epoch 6, and 7 was seen already: it is an older list"
    )

    listed.put(a_list(8))
    listed.check("v1.2.0")
    assert [one.epoch for one in listed.seen] == [7, 8]


def test_two_lists_of_one_epoch_are_not_taken_for_each_other(listed):
    listed.put(a_list(7, row("v1.2.0")))
    listed.check("v1.1.0")
    listed.put(a_list(7))

    assert listed.refused() == (
        f"{LIST} is not the list that was seen with epoch 7 before"
    )


def test_the_same_list_is_noted_once(listed):
    listed.put(a_list(7))
    for _ in range(3):
        listed.check()

    assert [one.words for one in listed.seen] == ["epoch 7 revokes nothing"]


def test_a_list_that_is_missing_unsigned_or_signed_for_something_else_is_refused(
    listed, keys
):
    assert "is missing, so that nobody knows" in listed.refused()

    listed.put(a_list(1), b"")
    assert "has no signature" in listed.refused(BadSeal)

    data = a_list(1)
    listed.put(data, keys.sign(data))  # as a manifest is
    assert "is signed for 'manifest@dms'" in listed.refused(BadSeal)

    listed.put(data, keys.sign(data, "stranger", NAMESPACE))
    assert "not in allowed_signers" in listed.refused(BadSeal)

    listed.put(a_list(1, row("v1.2.0")), keys.sign(data, space=NAMESPACE))
    assert "its bytes were changed" in listed.refused(BadSeal)

    listed.trust(keys.line(options='namespaces="manifest@dms"'))
    listed.put(data)
    assert "does not count for 'revoked-versions@dms'" in listed.refused(BadSeal)
    assert listed.seen == []


def test_a_key_that_expired_still_counts_for_the_list_that_it_signed_before(
    listed, keys
):
    until = 'valid-before="20260401Z"'
    listed.trust(keys.line(options=until))
    listed.put(a_list(1))
    listed.check()

    listed.now = AT + 60 * DAY
    listed.check()

    listed.put(a_list(2))
    assert "whose key counts until 2026-04-01" in listed.refused(BadSeal)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"epoch": 1}',
        b'{"epoch": 1, "revoked": [], "more": 1}',
        b'{"epoch": 1, "epoch": 2, "revoked": []}',
        b'{"epoch": 0, "revoked": []}',
        b'{"epoch": true, "revoked": []}',
        b'{"epoch": 1.0, "revoked": []}',
        b'{"epoch": 9007199254740993, "revoked": []}',
        b'{"epoch": 1, "revoked": {}}',
        b'{"epoch": 1, "revoked": ["v1.2.0"]}',
        b'{"epoch": 1, "revoked": [{"version": "v1.2.0"}]}',
        b'{"epoch": 1, "revoked": [{"version": "", "reason": ""}]}',
        b'{"epoch": 1, "revoked": [{"version": 1, "reason": ""}]}',
        b'{"epoch": 1, "revoked": [{"version": "v1", "reason": "", "teannt": ""}]}',
    ],
)
def test_a_list_that_is_not_understood_to_the_last_word_is_refused(listed, data):
    listed.put(data)

    assert "cannot be read" in listed.refused()
    assert listed.seen == []


# -- in a whole world ---------------------------------------------------------------


@pytest.fixture
def world(tmp_path, keys):
    """v1.2.0 and v1.3.0 were good, v1.3.1 runs, and a list revokes nothing."""
    it = World(tmp_path / "world")
    lists = Listed(it.folder, keys)
    lists.put(a_list(1))
    it.sign = keys.sign

    def note(seen):
        pauses = pauses_of(it.memory.standing.revoked, seen)
        it.memory.add(it.clock.now(), seen, *pauses)

    it.lists = Revocations(
        lists.seals.folder,
        LIST,
        trust=lists.seals.trust,
        now=it.clock.now,
        last=lambda: (it.memory.standing.revoked, it.memory.standing.revoked_since),
        note=note,
    )

    def sealed(pair, held, data, signature):
        it.lists.check(pair, held)
        when = When(it.clock.now(), None)
        return lists.seals.check(pair, held, data, signature, when)

    it.sealed = sealed
    it.besides = it.lists.lacks
    it.put = lists.put
    it.bake("v1.2.0")
    it.bake("v1.3.0")
    it.compose_up("v1.3.1")
    it.turn()
    it.turn(MINUTE)
    return it


def target(it):
    chosen = choose_target(it.memory.standing, it.releases["v1.3.1"])
    return chosen if isinstance(chosen, str) else chosen.pair.version


def test_a_rollback_goes_past_a_revoked_version_to_the_next_one(world):
    assert target(world) == "v1.3.0"
    world.put(a_list(2, row("v1.3.0")))
    world.turn(30 * SECOND)
    assert target(world) == "v1.2.0"

    world.numbers.values[AWB.name] = 9
    world.turn()

    (ended,) = world.memory.all(RollbackEnded)
    assert (ended.how, ended.target) == ("proved", "v1.2.0")
    assert world.stands_on("v1.2.0") == []


def test_what_is_revoked_while_its_rollback_is_prepared_is_not_put_back(world):
    world.put(a_list(2, row("v1.3.0")))

    world.numbers.values[AWB.name] = 9
    world.turn(SECOND)  # no time yet to look whether it could be rolled back

    (ended,) = world.memory.all(RollbackEnded)
    assert ended.how == "unchanged"
    assert "v1.3.0 is revoked by the list of epoch 2" in ended.proof
    assert world.stands_on("v1.3.1") == []


def test_while_the_list_cannot_be_trusted_nothing_is_rolled_back_and_it_is_red(world):
    world.put(a_list(5))
    world.turn(30 * SECOND)
    world.put(a_list(1))
    world.turn(30 * SECOND)

    s, looked = world.memory.standing, world.memory.last_turn().looked
    release, now = world.releases["v1.3.1"], world.clock.now()
    red = answer(s, release, looked, world.rules, now)
    words = f"{LIST} has epoch 1, and 5 was seen already: it is an older list"
    assert not red.ready
    assert words in [lack.words for lack in red.lacks]
    assert any(
        words in why for why in promotion(s, "v1.3.1", release, world.rules, now)
    )

    world.numbers.values[AWB.name] = 9
    world.turn()
    (ended,) = world.memory.all(RollbackEnded)
    assert ended.how == "unchanged"
    assert words in ended.proof
    assert world.stands_on("v1.3.1") == []


def test_with_all_that_is_older_revoked_there_is_no_target(world):
    world.put(a_list(2, row("v1.2.0"), row("v1.3.0", "CVE-2026-1")))
    world.turn(30 * SECOND)

    world.numbers.values[AWB.name] = 9
    world.turn()

    (refused,) = world.memory.all(RollbackRefused)
    assert refused.words == (
        "no target: v1.3.0 is not known to be good "
        "(revoked by the list of epoch 2: CVE-2026-1)"
    )
    assert world.memory.all(RollbackStarted) == []


def test_promotion_of_a_revoked_version_pauses_and_it_is_never_known_good(world):
    world.put(a_list(2, row("v1.3.1", "CVE-2026-2")))
    for _ in range(3):
        world.turn(world.rules.bake_time)

    s, now = world.memory.standing, world.clock.now()
    assert not s.running_pair.good
    assert promotion(s, "v1.3.1", world.releases["v1.3.1"], world.rules, now) == (
        "v1.3.1 is revoked by the list of epoch 2: CVE-2026-2",
    )


# -- in the ledger ------------------------------------------------------------------


def revoked(epoch, *rows):
    return VersionsRevoked(epoch, f"sha of {epoch}", f"epoch {epoch}", rows)


def test_a_version_that_comes_after_the_list_is_quarantined_from_its_start():
    s = stand(entries(revoked(1, Revoked("v1.3.0", "CVE")), started("v1.3.0")))

    known = s.running_pair
    assert known.quarantined == "revoked by the list of epoch 1: CVE"
    assert s.revoked.epoch == 1


def test_a_newer_list_that_revokes_less_lets_a_person_vouch_again():
    s = stand(
        entries(
            started("v1.2.0"),
            revoked(1, Revoked("v1.2.0", "CVE")),
            started("v1.3.0"),
        )
    )
    known = s.pairs[a_pair("v1.2.0").key]
    with pytest.raises(Problem, match="revoked by the list of epoch 1: CVE"):
        may_vouch(s, known, missing="", even_though_quarantined=True)

    s = stand(entries(revoked(2)), s)
    known = s.pairs[a_pair("v1.2.0").key]
    assert known.quarantined
    may_vouch(s, known, missing="", even_though_quarantined=True)


def test_a_revoked_version_is_not_put_back_by_hand_either(world):
    world.put(a_list(2, row("v1.2.0")))
    world.turn(30 * SECOND)
    key = a_pair("v1.2.0").key
    order = OrderGiven("ord_1", "rollback", "asha", "I know better", key, "")

    with pytest.raises(Problem, match=r"v1\.2\.0 is quarantined: revoked by the list"):
        target_of(
            world.memory.standing,
            order,
            world.releases["v1.3.1"],
            world.rules,
            world.clock.now(),
        )


def test_what_a_list_holds_is_known_by_its_bytes(listed):
    data = a_list(3, row("v1.2.0", tenant="meesho"), row("v1.1.0"))
    listed.put(data)
    listed.check("v1.0.0")

    assert listed.seen == [
        VersionsRevoked(
            3,
            hashlib.sha256(data).hexdigest(),
            "epoch 3 revokes v1.1.0, v1.2.0",
            (
                Revoked("v1.2.0", "it loses parcels", "meesho"),
                Revoked("v1.1.0", "it loses parcels"),
            ),
        )
    ]
