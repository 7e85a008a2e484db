import os
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watchdog.config.yaml_file import mapping_in, strictly, taken_apart
from watchdog.facts.problem import Fault, Refused


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


def test_faults_come_in_the_order_of_the_file(read):
    text = "".join(f"k{n}: &a{n} 1\n" for n in range(12))

    with pytest.raises(Refused) as refused:
        read(text)

    assert [f.path for f in refused.value.faults] == [f"line {n}" for n in range(1, 13)]


# What YAML is made of, and what two readers of it may think differently of.
_PIECES = st.sampled_from(
    [
        *(
            "a",
            "b: ",
            "key: ",
            "- ",
            "? ",
            ":",
            ": ",
            "\n",
            "\n  ",
            "\n    ",
            " ",
            "\t",
        ),
        *("'", '"', "'c'", '"d"', "#", " # e", "[", "]", "{", "}", ", ", "|\n", ">-\n"),
        *(
            "---\n",
            "...\n",
            "~",
            "true",
            "no",
            "1.5",
            "-0",
            "5%",
            "%",
            "@",
            "&f ",
            "*f",
        ),
        *(
            "!g ",
            "!=",
            '~"5.."',
            "\\n",
            "\r\n",
            "\r",
            "\x85",
            "\u2028",
            "\ufeff",
            "\x7f",
        ),
        *("é", "{{ window }}", "http://h:1/i?j", "\x1b", "|2\n", "\n \n"),
    ]
)


@given(st.lists(_PIECES, max_size=14).map("".join))
@example("[a ? b]")
@example("a:\t1")
@example("\ufeff- 1")
@example("k:\n  - a: 1\n    b: [c, d]\n  - 'e'\n")
@example("{" * 100 + "}" * 100)
def test_a_quick_reading_says_nothing_but_what_the_strict_one_says(text):
    assert taken_apart(text) == strictly(text)
