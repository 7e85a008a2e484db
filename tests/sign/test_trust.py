"""Lists of keys out of any bytes: a list, or a Problem that says what is wrong."""

import contextlib
import string
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.sign.test_sshsig import (
    KEY,
    NOW,
    SPACE,
    allowed,
    field,
    public,
    seal,
    verified,
)
from watchdog.facts.problem import Problem
from watchdog.sign.bad import BadSeal
from watchdog.sign.trust import Trust, When

DAY = timedelta(days=1)
OLD = allowed(options='valid-before="20260601Z"')


def test_an_expired_key_counts_for_what_was_here_while_it_counted():
    words = verified(signers=OLD, then=NOW - 60 * DAY)

    assert words == (
        "signature valid when it was first here, 2026-05-02 12:00 UTC (the key of "
        "release@flexli.example counts until 2026-06-01 00:00 UTC)"
    )


@pytest.mark.parametrize("then", [None, NOW - 3 * DAY])
def test_an_expired_key_does_not_count_for_what_came_later(then):
    with pytest.raises(BadSeal, match="whose key counts until 2026-06-01"):
        verified(signers=OLD, then=then)


def test_a_revoked_key_counts_for_nothing_whenever_it_was_here():
    line = allowed().partition(" ")[2].encode()

    with pytest.raises(BadSeal, match="with a revoked key, SHA256:"):
        verified(revoked=line.strip(), then=NOW - 60 * DAY)


def test_a_key_on_two_lines_counts_if_one_of_them_lets_it():
    assert verified(signers=OLD + allowed()) == "signature valid"


def test_a_line_feed_of_another_kind_begins_no_line():
    with pytest.raises(BadSeal, match="not in allowed_signers"):
        verified(signers=f"# old\u2028{allowed()}".replace("\n", ""))


TEXT = st.text(string.printable, max_size=120)
OPTIONS = st.sampled_from(["namespaces", "valid-after", "valid-before", "x"])
LINES = st.lists(
    st.tuples(OPTIONS, TEXT).map(lambda o: allowed(options=f'{o[0]}="{o[1]}"'))
    | st.binary(max_size=60).map(lambda b: f"a ssh-ed25519 {b.hex()}")
    | TEXT,
    max_size=4,
).map("\n".join)


@given(LINES)
@example('who valid-before="99999999999999Z" ssh-ed25519 AAAA')
@example(allowed(options='valid-before="99991231235959"'))
@example(allowed(options='valid-after="00010101"'))
def test_any_allowed_signers_are_read_or_passed_over(text):
    with contextlib.suppress(Problem):
        verified(seal(), signers=text)


@given(LINES, st.binary(max_size=200))
def test_any_list_of_revoked_keys_is_read_or_refused(text, raw):
    for revoked in (text.encode(), raw):
        with contextlib.suppress(Problem):
            Trust(allowed().encode(), revoked, SPACE)


HEAD = b"SSHKRL\n\0" + (1).to_bytes(4, "big") + bytes(24) + field(b"", b"")


@given(
    st.lists(
        st.tuples(st.integers(0, 255), st.binary(max_size=60)).map(
            lambda s: bytes([s[0]]) + field(s[1])
        ),
        max_size=4,
    ).map(b"".join)
    | st.binary(max_size=200)
)
def test_any_krl_is_read_or_refused(sections):
    with contextlib.suppress(Problem):
        Trust(allowed().encode(), HEAD + sections, SPACE)


@given(st.integers(0, 254).filter(lambda kind: kind not in (1, 2, 3, 5)))
def test_a_krl_that_says_more_than_we_know_is_refused(kind):
    with pytest.raises(Problem, match=f"a section of kind {kind}"):
        Trust(b"", HEAD + bytes([kind]) + field(b""), SPACE)


def test_a_krl_may_carry_what_is_not_critical():
    extension = field(b"x@y") + b"\0" + field(b"")
    whole = HEAD + b"\xff" + field(extension) + b"\x02" + field(field(public(KEY)))

    with pytest.raises(BadSeal, match="revoked key"):
        Trust(allowed().encode(), whole, SPACE).vouch(public(KEY), "it", When(NOW))
    critical = extension.replace(b"y\0", b"y\x01")
    with pytest.raises(Problem, match="critical extension"):
        Trust(b"", HEAD + b"\xff" + field(critical), SPACE)
