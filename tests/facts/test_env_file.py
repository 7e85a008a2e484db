"""Only the version's own value is changed in an env file; the rest comes back."""

import pytest

from watchdog.facts.env_file import EnvFile
from watchdog.facts.problem import Problem

NAME = "DMS_VERSION"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"A=1\r\nDMS_VERSION=v1\r\nB=2\r\n", b"A=1\r\nDMS_VERSION=v2\r\nB=2\r\n"),
        (b"A=1\nDMS_VERSION=v1", b"A=1\nDMS_VERSION=v2"),
        (b"\xef\xbb\xbfDMS_VERSION=v1\n", b"\xef\xbb\xbfDMS_VERSION=v2\n"),
        (b"DMS_VERSION=v1  # current\n", b"DMS_VERSION=v2  # current\n"),
        (b"DMS_VERSION='v1' # c\n", b"DMS_VERSION='v2' # c\n"),
        (b'export DMS_VERSION = "v1"\n', b'export DMS_VERSION = "v2"\n'),
        (b"DMS_VERSION: v1\n", b"DMS_VERSION: v2\n"),
        (b"P=x\x0cy\nDMS_VERSION=v1\n", b"P=x\x0cy\nDMS_VERSION=v2\n"),
        (b"P=x\x0by\nDMS_VERSION=v1\n", b"P=x\x0by\nDMS_VERSION=v2\n"),
        (b"P=\xe2\x80\xa8\nDMS_VERSION=v1\n", b"P=\xe2\x80\xa8\nDMS_VERSION=v2\n"),
        (b"P=\xc2\x85\nDMS_VERSION=v1\n", b"P=\xc2\x85\nDMS_VERSION=v2\n"),
        (b"# Stra\xdfe\nDMS_VERSION=v1\n", b"# Stra\xdfe\nDMS_VERSION=v2\n"),
        (
            b"P='a\nDMS_VERSION=in\n'\nDMS_VERSION=v1\n",
            b"P='a\nDMS_VERSION=in\n'\nDMS_VERSION=v2\n",
        ),
        (
            b'DMS_VERSION=v1\nP="a\\"\nDMS_VERSION=in\n"\n',
            b'DMS_VERSION=v2\nP="a\\"\nDMS_VERSION=in\n"\n',
        ),
        (b"DMS_VERSION=v0\nDMS_VERSION=v1\n", b"DMS_VERSION=v0\nDMS_VERSION=v2\n"),
        (b"#DMS_VERSION=v0\nDMS_VERSION=v1\n", b"#DMS_VERSION=v0\nDMS_VERSION=v2\n"),
        (
            b"DMS_VERSION_OLD=v1\nDMS_VERSION=v1\n",
            b"DMS_VERSION_OLD=v1\nDMS_VERSION=v2\n",
        ),
    ],
)
def test_every_other_byte_is_kept(before, after):
    env = EnvFile.read(before)
    assert env.pinnable(NAME) == "v1"
    assert env.with_values({NAME: "v2"}).data == after
    assert env.with_values({NAME: "v2"}).with_values({NAME: "v1"}).data == before


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"A=1\n", "DMS_VERSION is not set in .env, so that it cannot be pinned there"),
        (b"", "DMS_VERSION is not set in .env, so that it cannot be pinned there"),
        (b"DMS_VERSION=\n", "DMS_VERSION is empty in .env"),
        (b"A=1\nDMS_VERSION=${A}\n", ".env, line 2: DMS_VERSION is made of other var"),
        (b'DMS_VERSION="v$A"\n', ".env, line 1: DMS_VERSION is made of other var"),
        (b'DMS_VERSION="v\\n1"\n', ".env, line 1: DMS_VERSION has escapes in it"),
        (b"DMS_VERSION\n", ".env, line 1: DMS_VERSION has no value, and is taken from"),
        (
            b"DMS_VERSION=v1\nTAG=$DMS_VERSION-x\nDMS_VERSION=v1\n",
            ".env sets DMS_VERSION more than once, and TAG in line 2 uses one that",
        ),
        (b"A='x\n", ".env, line 1: a quoted value that does not end; Compose cannot"),
        (b"\xe4=1\n", ".env, line 1: unexpected byte 0xe4 in a variable's name"),
        (b"A B=1\n", ".env, line 1: the name 'A B' has a space in it"),
    ],
)
def test_what_could_not_be_pinned_is_said_in_words(data, words):
    with pytest.raises(Problem) as caught:
        EnvFile.read(data).pinnable(NAME)
    assert caught.value.words.startswith(words), caught.value.words
    assert caught.value.hint


@pytest.mark.parametrize("value", ["a b #c", "x\ny", "$A", " x"])
def test_a_value_that_a_bare_line_could_not_say_is_refused(value):
    with pytest.raises(Problem, match="cannot say DMS_VERSION"):
        EnvFile.read(b"DMS_VERSION=v1\nB=2\n").with_values({NAME: value})


def test_a_value_is_escaped_in_quotes_where_quotes_are():
    env = EnvFile.read(b"A='x' # c\nB=2\n").with_values({"A": "it's", "B": "3"})
    assert env.data == b"A='it\\'s' # c\nB=3\n"
    assert (env.value_of("A"), env.value_of("B")) == ("it's", "3")


def test_a_line_that_is_not_there_is_never_added():
    with pytest.raises(Problem, match="not set"):
        EnvFile.read(b"A=1\n").with_values({NAME: "v2"})


def test_a_line_that_an_earlier_build_had_put_in_can_be_taken_out():
    assert (
        EnvFile.read(b"A=\xe4\r\nDMS_VERSION=v1\n").without(NAME).data == b"A=\xe4\r\n"
    )
