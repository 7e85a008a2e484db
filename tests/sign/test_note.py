"""Signed notes: opened only by whose key signed exactly these lines."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from watchdog.facts.problem import Problem
from watchdog.sign.note import NoteKey, named, note_key, opened, signed

TEXT = "dms\n12\n"


def a_key(seed=1, name="dms-prod"):
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return NoteKey(name, public), key


def test_a_note_says_who_signed_it():
    one, two = a_key(1), a_key(2)

    text, by = opened(signed(TEXT, [one, two]), [two[0], one[0]])

    assert (text, by) == (TEXT, (one[0], two[0]))


def test_a_note_that_another_program_signed_is_opened():
    """The example in the documentation of Go's golang.org/x/mod/sumdb/note."""
    key = note_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
    )
    raw = (
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6Ryy"
        "BwJnAM="
    )

    assert opened(f"{text}\n— PeterNeumann {raw}\n", [key]) == (text, (key,))


def test_a_signature_of_a_stranger_says_nothing():
    _, by = opened(signed(TEXT, [a_key(1)]), [a_key(2)[0]])

    assert by == ()


def test_changed_lines_are_refused():
    note = signed(TEXT, [a_key()]).replace("12", "13")

    with pytest.raises(Problem, match="the signature of dms-prod does not fit"):
        opened(note, [a_key()[0]])


@pytest.mark.parametrize("note", ["", "12\n", "12\n\n", "12\n\n- name AAAA\n"])
def test_what_is_no_note_is_refused(note):
    with pytest.raises(Problem, match="no signed note"):
        opened(note, [a_key()[0]])


@pytest.mark.parametrize("raw", ["", "!", "AAAA"])
def test_a_signature_that_is_cut_short_says_nothing(raw):
    assert opened(f"12\n\n— dms-prod {raw}\n", [a_key()[0]]) == ("12\n", ())


def test_a_key_is_read_as_it_is_written():
    key = a_key()[0]

    assert note_key(f"{key}\n") == key


@pytest.mark.parametrize(
    "text", ["", "dms-prod", "a+00000000+AAAA", str(a_key()[0]).replace("prod", "dev")]
)
def test_what_is_no_key_is_refused_with_where_to_get_one(text):
    with pytest.raises(Problem, match="audit key"):
        note_key(text)


def test_a_name_has_no_spaces_and_no_plus():
    assert named(" dms prod + site 2 ") == "dms-prod-site-2"
    assert named("+") == "-"
    assert named(" ") == "watchdog"
