import os
import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog.config.notation import (
    Said,
    duration,
    mapping_in,
    number,
    seen,
    share,
    written,
)
from watchdog.facts.problem import Fault, Refused

MS = timedelta(milliseconds=1)


@given(st.integers(0, 10**14))
def test_a_duration_is_read_as_it_was_written(count):
    assert duration(written(count * MS)) == count * MS


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0s", 0),
        ("250ms", 250),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("90s", 90_000),
        ("1d", 86_400_000),
        ("1w", 604_800_000),
        ("1y", 31_536_000_000),
    ],
)
def test_a_duration_is_written_as_in_prometheus(text, milliseconds):
    assert duration(text) == milliseconds * MS


@pytest.mark.parametrize(
    "text",
    ["", "5", 5, "m", "5 m", "1m1h", "1.5h", "-5m", "5M", "\u0665m", None, True, []],
)
def test_what_prometheus_would_not_take_is_no_duration(text):
    with pytest.raises(Said):
        duration(text)


def test_a_duration_that_no_clock_can_count_is_refused():
    with pytest.raises(Said, match="is longer than time itself"):
        duration("9" * 30 + "y")


@pytest.mark.parametrize(
    ("text", "value"),
    [("5%", 0.05), ("0.05", 0.05), (0.05, 0.05), ("99.9%", 0.999), (1, 1.0), ("0%", 0)],
)
def test_a_share_is_a_percentage_or_a_part_of_one(text, value):
    assert share(text) == value


@pytest.mark.parametrize("text", ["101%", 5, -0.1, "-1%", "five", "", None, True, []])
def test_what_is_outside_of_the_whole_is_no_share(text):
    with pytest.raises(Said):
        share(text)


@pytest.mark.parametrize(
    "text", [float("nan"), float("inf"), "nan", "inf", 10**400, "1e999999999999999999"]
)
def test_what_is_not_finite_is_no_number(text):
    with pytest.raises(Said):
        number(text)


@given(st.text() | st.integers() | st.floats() | st.none() | st.binary())
def test_any_value_is_read_or_said_to_be_wrong(value):
    for read in (duration, number, share):
        try:
            read(value)
        except Said as refused:
            said = refused.words
        else:
            said = seen(value)
        assert seen(value) in said


def test_a_url_is_shown_without_its_password():
    assert seen("http://user:secret@prometheus") == '"http://…@prometheus"'


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "a.yaml"
        path.write_text(text)
        return mapping_in(path)

    return read


def test_words_stay_words(read):
    text = "{a: no, b: 1:30, c: 2024-01-01, d: 012, e: 1e3, f: '5', g: , h: 0x10}"

    assert read(text) == {
        "a": "no",
        "b": "1:30",
        "c": "2024-01-01",
        "d": "012",
        "e": 1000.0,
        "f": "5",
        "g": None,
        "h": "0x10",
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "a: 1\nb:\n  c: 1\n  c: 1",
            Fault("b.c", "written twice, in lines 3 and 4", "keep one"),
        ),
        (
            "a:\n\t- 1",
            Fault("line 2", "a tab where YAML wants spaces", "indent with spaces"),
        ),
        (
            "a: b: c",
            Fault("line 1", "a `:` where none can be", "put the text in quotes"),
        ),
        ("- 1", Fault("file", "is a list, meant keys with values")),
        ("[1, 2]: 1", Fault("line 1", "a key that is not one word")),
        ("a: " + "1" * 5000, Fault("a", f'"{"1" * 75}…" is too large a number')),
        ("[" * 5000, Fault("file", "is nested too deeply")),
        (
            "%TAG ! x\n---\na: 1",
            Fault(
                "line 1", "a directive (`%`) is not taken here", "write the value out"
            ),
        ),
        (
            "a: \x00",
            Fault(
                "file",
                "is not YAML: unacceptable character #x0000: special characters are"
                " not allowed",
            ),
        ),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused_in_one_line(read, text, fault):
    with pytest.raises(Refused) as refused:
        read(text)

    assert refused.value.faults == (fault,)


def _pipe(path):
    os.mkfifo(path)


def _device(path):
    path.symlink_to("/dev/zero")


def _endless(path):
    with path.open("wb") as file:
        file.truncate(100 * 1024**3)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (_pipe, "is a pipe, a socket or a device, meant a plain file"),
        (_device, "is a pipe, a socket or a device, meant a plain file"),
        (_endless, "has more than 1048576 bytes"),
        (lambda path: path.mkdir(), "is a folder, meant a file"),
        (lambda path: path.write_bytes(b"a: 1 # \xdf\n"), "byte 7 is not UTF-8"),
    ],
)
def test_what_is_no_file_of_words_is_refused_at_once(tmp_path, made, words):
    made(tmp_path / "it.yaml")
    refused = []

    def read():
        with pytest.raises(Refused) as caught:
            mapping_in(tmp_path / "it.yaml")
        refused.append(caught.value.faults[0].words)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(60)
    assert refused == [words]
