"""The roster: who may answer, with which keys, and until when."""

import base64
import errno
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from tests import canary
from watchdog.config import yaml_file
from watchdog.config.roster_file import RosterFile, load_roster
from watchdog.facts.problem import Refused
from watchdog.facts.roster import Scheme

AT = datetime(2026, 3, 11, tzinfo=UTC)
ASHA, BELA = "asha@flexli.example", "bela@flexli.example"
SECRET = canary.shared()


# Points of order 4 and 8, and one with its sign bit set.
_SMALL = (
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
)


def public(number):
    return "whpk_" + base64.b64encode(bytes([number]) * 31 + b"\x07").decode()


@pytest.fixture
def write(tmp_path):
    def write(whole):
        path = tmp_path / "approvers.yaml"
        path.write_text(whole if isinstance(whole, str) else yaml.safe_dump(whole))
        return path

    return write


@pytest.fixture
def faults(write):
    def faults(people):
        with pytest.raises(Refused) as refused:
            load_roster(write({"approvers": people}))
        return [f"{f.path}: {f.words}" for f in refused.value.faults]

    return faults


@pytest.fixture
def secret(tmp_path):
    def secret(text, mode=0o600):
        path = tmp_path / "secret"
        path.write_text(text)
        path.chmod(mode)
        return "secret"

    return secret


def whsec(raw=SECRET):
    return "whsec_" + base64.b64encode(raw).decode() + "\n"


def test_a_person_has_keys_with_names_and_times(write):
    roster = load_roster(
        write(
            {
                "approvers": {
                    ASHA: {
                        "keys": [
                            public(1),
                            {
                                "key": public(2),
                                "id": "asha-2026b",
                                "not_before": "2026-04-01",
                                "not_after": "2027-04-01T02:00:00+02:00",
                            },
                        ],
                        "slack": "U024BE7LH",
                    }
                }
            }
        )
    )

    asha = roster.approvers[ASHA]
    assert [key.id for key in asha.keys] == [f"{ASHA}#1", "asha-2026b"]
    assert asha.keys[1].not_after == datetime(2027, 4, 1, tzinfo=UTC)
    assert [key.id for _, key in roster.keys_at(AT)] == [f"{ASHA}#1"]
    later = AT + timedelta(days=60)
    assert [key.id for _, key in roster.keys_at(later)] == [f"{ASHA}#1", "asha-2026b"]
    assert roster.by_slack("U024BE7LH") is asha
    assert roster.by_slack("") is None


def test_a_slack_user_is_an_id_and_one_persons_only(faults):
    people = {
        ASHA: {"keys": [public(1)], "slack": "U024BE7LH"},
        BELA: {"keys": [public(2)], "slack": "U024BE7LH"},
    }

    (twice,) = faults(people)
    assert twice == f"approvers.{BELA}.slack: this user is {ASHA}'s too"
    people[BELA]["slack"] = "@bela"
    (name,) = faults(people)
    assert name == f'approvers.{BELA}.slack: "@bela" is not a Slack user\'s id'


def test_a_roster_of_nobody_is_written_out(write):
    assert load_roster(write("approvers: {}")).names == ()
    for nothing in ("", "# approvers:\n"):
        with pytest.raises(Refused, match="says nothing"):
            load_roster(write(nothing))


def test_who_breaks_the_glass_is_no_dri(write):
    people = {ASHA: {"keys": [public(1)]}, BELA: {"keys": [public(2)]}}
    people[BELA]["role"] = "break-glass"

    roster = load_roster(write({"approvers": people}))

    assert roster.names == (ASHA,)
    assert roster.can_answer(BELA, AT)


def test_a_shared_secret_is_read_from_its_file(write, secret):
    people = {ASHA: {"keys": [{"secret_file": secret(whsec())}]}}

    ((_, key),) = load_roster(write({"approvers": people})).keys_at(AT)

    assert (key.scheme, key.material) == (Scheme.HMAC, SECRET)
    assert "material" not in repr(key)


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        pytest.param(
            *("whsec_AAAA", 0o600, "does not hold `whsec_` and 24 to 64 bytes"),
            id="a_021 short",
        ),
        pytest.param("", 0o600, "does not hold", id="a_021 empty"),
        (canary.text() * 3, 0o600, "does not hold"),
        pytest.param(
            *(whsec(bytes([2]) * 32), 0o600, "holds the secret of an example"),
            id="a_022 of the docs",
        ),
        (whsec(), 0o620, "may be written by others"),
    ],
)
def test_a_weak_secret_is_refused_and_not_shown(faults, secret, text, mode, why):
    (said,) = faults({ASHA: {"keys": [{"secret_file": secret(text, mode)}]}})

    assert said.startswith(f"approvers.{ASHA}.keys[0]: ")
    assert why in said
    canary.heard("a refusal", said)


def test_a_secret_that_is_not_there_is_refused(faults):
    (said,) = faults({ASHA: {"keys": [{"secret_file": "gone"}]}})

    assert said.endswith("cannot be read: no such file or directory")


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ([], "is empty"),
        (["whpk_AAAA"], '"whpk_AAAA" is not a public key'),
        pytest.param(
            ["whpk_" + base64.b64encode(bytes(32)).decode()],
            "anybody can sign for",
            id="a_017 zeroes",
        ),
        *(
            pytest.param(
                ["whpk_" + base64.b64encode(bytes.fromhex(point)).decode()],
                "anybody can sign for",
                id=f"a_017 a point of small order {number}",
            )
            for number, point in enumerate(_SMALL)
        ),
        ([f"whsk_{canary.MARK}"], "is a secret"),
        ([f"whsec_{canary.MARK}"], "is a secret"),
        ([{"id": "x"}], "is not one key"),
        ([{"key": public(1), "secret_file": "x"}], "is not one key"),
        ([{"key": public(1), "id": "a b"}], '"a b" is not a key\'s name'),
        ([{"key": public(1), "not_after": "soon"}], '"soon" is not a time'),
        (
            [{"key": public(1), "not_before": "2027-01-01", "not_after": "2026-01-01"}],
            "ends before it begins",
        ),
        ([{"key": public(1), "revokd": True}], "unknown key"),
    ],
)
def test_a_wrong_key_is_refused_with_what_is_meant(faults, keys, why):
    (said,) = faults({ASHA: {"keys": keys}})

    assert why in said
    canary.heard("a refusal", said)


def test_one_key_or_one_name_of_a_key_is_one_persons(faults):
    (key,) = faults({ASHA: {"keys": [public(1)]}, BELA: {"keys": [public(1)]}})
    both = [{"key": public(1), "id": "k"}, {"key": public(2), "id": "k"}]
    (name,) = faults({ASHA: {"keys": both}})

    assert key == f"approvers.{BELA}.keys[0]: this key is {ASHA}'s too"
    assert "this id is" in name


def test_all_faults_come_at_once(faults):
    people = {"as ha": {"keys": [public(1)]}, ASHA: {"keys": ["whpk_"]}, BELA: {}}

    assert len(faults(people)) == 3


def test_a_revoked_key_counts_no_more_once_the_file_says_so(write):
    path = write({"approvers": {ASHA: {"keys": [public(1)]}}})
    file = RosterFile(path)
    assert file.roster.can_answer(ASHA, AT)

    write({"approvers": {ASHA: {"keys": [{"key": public(1), "revoked": True}]}}})

    assert file.refresh() is None
    assert not file.roster.can_answer(ASHA, AT)


def test_a_wrong_file_leaves_the_last_good_one_in_force_and_is_said(write):
    path = write({"approvers": {ASHA: {"keys": [public(1)]}}})
    file = RosterFile(path)

    write("approvers: [")

    assert "approvers.yaml refused" in file.refresh().words
    assert "approvers.yaml refused" in file.refresh().words
    assert file.roster.can_answer(ASHA, AT)


def test_a_file_that_is_emptied_while_it_is_saved_leaves_the_last_good_one(write):
    path = write({"approvers": {ASHA: {"keys": [public(1)]}}})
    file = RosterFile(path)

    write("")

    assert "says nothing" in file.refresh().words
    assert file.roster.can_answer(ASHA, AT)


def test_what_kept_it_from_being_read_may_pass_though_it_does_not_change(
    write, monkeypatch
):
    path = write({"approvers": {ASHA: {"keys": [public(1)]}}})
    with monkeypatch.context() as held:
        held.setattr(yaml_file, "bytes_of", not_now)
        file = RosterFile(path)
        assert "cannot be read" in file.refresh().words

    assert file.refresh() is None
    assert file.roster.can_answer(ASHA, AT)


def not_now(_):
    raise OSError(errno.EIO, "input/output error")


def test_a_roster_that_is_gone_is_said(write):
    path = write({"approvers": {ASHA: {"keys": [public(1)]}}})
    file = RosterFile(path)

    path.unlink()

    assert "there is no such file" in file.refresh().words
    assert file.roster.can_answer(ASHA, AT)


def test_one_that_was_never_right_lists_nobody_until_it_is(write):
    file = RosterFile(write("approvers: ["))

    assert "approvers.yaml refused" in file.refresh().words
    assert file.roster.names == ()

    write({"approvers": {ASHA: {"keys": [public(1)]}}})
    assert file.refresh() is None
    assert file.roster.can_answer(ASHA, AT)
