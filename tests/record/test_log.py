"""One line per event, whatever somebody else wrote into it."""

import io
import json
import re

import pytest
from hypothesis import given, settings

from tests.record.strategies import events
from tests.worlds import AT, a_pair, breached, started
from watchdog.facts.event import (
    EVERY_EVENT,
    Answered,
    Entry,
    RollbackRefused,
    RollbackStuck,
    StepDone,
    StepIntended,
    TurnCrashed,
    VerdictChanged,
)
from watchdog.facts.plan import Do, Step, Which
from watchdog.record.log import NAMES, clean, opened

ROOMS = "observe|judge|decide|approve|act|verify|notify|record|schedule"
HOSTILE = (
    'x\r\n{"event":"record.rollback_audited"}\n\x1b[2K\x1b[31m\u202e\u2028\x85\x00'
    "\ud800\ufeff</script>"
)


def lines(*events, form="json", level="debug"):
    out = io.StringIO()
    say = opened(form, level, out)
    for event in events:
        say(Entry(7, AT, event))
    # What a terminal, a file or a shipper may take for the end of a line.
    return out.getvalue().splitlines()


def test_a_line_is_json_with_the_name_the_time_and_the_fields():
    (line,) = lines(RollbackRefused("inc-1", "no target"))

    assert json.loads(line) == {
        "event": "decide.rollback_refused",
        "level": "error",
        "at": "2026-03-11T03:00:00.000Z",
        "seq": 7,
        "incident": "inc-1",
        "words": "no target",
    }


def test_pairs_and_steps_are_said_in_words():
    step = Step(Do.RENAME, "dms", Which.OLD, to="dms-dms-1.rb-old-1a2b")

    pair, done = map(json.loads, lines(started(), StepDone("1a2b", step, "renamed")))

    assert pair["pair"] == a_pair().words
    assert done["step"] == "rename dms (old) to dms-dms-1.rb-old-1a2b"


@settings(max_examples=60, deadline=None)
@given(event=events)
def test_every_event_is_one_line(event):
    (line,) = lines(event)

    assert json.loads(line)["event"] == NAMES[type(event)][1]
    assert line.isascii()


# For eyes: one event may be several lines, and only the first has a time.


@settings(max_examples=60, deadline=None)
@given(event=events)
def test_for_eyes_no_line_is_too_wide_and_only_the_first_is_no_indent(event):
    day, first, *more = lines(event, form="pretty")

    assert day == "2026-03-11, UTC"
    assert first.startswith("03:00:00 ")
    assert NAMES[type(event)][1] in " ".join((first, *more)).replace("  ", "")
    assert all(line.startswith(" " * 12) for line in more)
    assert all(len(line) <= 120 for line in (first, *more))


def test_for_eyes_the_words_come_first_and_the_hint_last():
    stuck = RollbackStuck("1a2b", "no room", "make some")

    assert lines(stuck, form="pretty")[1:] == [
        "03:00:00 !! no room  [act.rollback_stuck] op=1a2b",
        "            hint: make some",
    ]


def test_for_eyes_a_day_is_said_once():
    assert (
        sum("UTC" in line for line in lines(breached(), breached(), form="pretty")) == 1
    )


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_for_eyes_the_width_of_the_terminal_is_heeded(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))

    said = lines(TurnCrashed("much to say " * 40), form="pretty")

    assert columns - 20 < max(map(len, said)) <= columns


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_for_eyes_colour_is_only_where_it_is_wanted(env, coloured, monkeypatch):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    out = _Terminal()

    opened("auto", "info", out)(Entry(7, AT, breached()))

    assert ("\x1b[" in out.getvalue()) is coloured


@pytest.mark.parametrize("form", ["json", "pretty"])
@pytest.mark.parametrize(
    "event",
    [
        TurnCrashed(HOSTILE),
        Answered("apr_1", HOSTILE, "deny", HOSTILE, HOSTILE, HOSTILE),
        StepDone("op", Step(Do.REMOVE, HOSTILE), HOSTILE),
    ],
    ids=lambda event: type(event).__name__,
)
def test_hostile_text_breaks_no_line_and_fools_no_terminal(form, event):
    said = lines(event, form=form)

    assert all(line.isprintable() and "\x1b" not in line for line in said)
    forged = [line for line in said[1:] if not line.startswith(" ")]
    assert len(forged) == (form == "pretty")  # a day is above its first line


def test_what_is_too_long_is_cut_and_says_so():
    assert clean("x" * 5000, longest=10) == "xxxxxxxxxx… (5000 long)"
    (line,) = lines(TurnCrashed("x" * 100_000))
    assert len(line) < 5000


def test_what_was_signed_is_not_repeated():
    answered = Answered("apr_1", "msg", "approve", "asha", "bad", '{"the": "body"}')

    (line,) = map(json.loads, lines(answered))

    assert set(line) == {
        *("event", "level", "at", "seq"),
        *("question", "message", "decision", "by", "reason"),
        *("key", "scheme", "assurance", "eta", "break_glass"),
    }


def test_blindness_is_a_warning_and_other_verdicts_are_not():
    blind, clear = (VerdictChanged("A", kind, "words") for kind in ("blind", "clear"))

    levels = [json.loads(line)["level"] for line in lines(blind, clear)]

    assert levels == ["warning", "info"]


def test_below_the_level_nothing_is_said():
    step = StepIntended("op", Step(Do.STOP, "dms", Which.OLD), 1)
    clear = VerdictChanged("A", "clear", "words")

    assert len(lines(step, clear, breached(), level="debug")) == 3
    assert len(lines(step, clear, breached(), level="info")) == 2
    assert len(lines(step, clear, breached(), level="error")) == 1


# The catalogue.


def test_every_event_has_one_name_of_its_own():
    assert set(NAMES) == set(EVERY_EVENT)
    names = [name for _, name in NAMES.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", sorted(name for _, name in NAMES.values()))
def test_a_name_is_a_room_and_what_happened(name):
    assert re.fullmatch(rf"({ROOMS})\.[a-z]+(_[a-z]+)+|approve\.answered", name)
