from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog.config.notation import Said, duration, number, seen, share, written

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
