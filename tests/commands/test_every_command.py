"""What holds of every command: its numbers, its JSON, its settings."""

import ast
import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.commands.test_help import COMMANDS, says
from tests.commands.test_main import Box
from tests.worlds import HEALTHY_THEN_NEXT
from watchdog.__main__ import ROOMS
from watchdog.commands.ends import ENDS, End, end_of
from watchdog.facts.problem import (
    Held,
    JournalLost,
    NotConfirmed,
    NotTaken,
    Problem,
    Unreachable,
)

PAGE = (Path(__file__).parents[2] / "docs/reference/commands.md").read_text("utf-8")
BY_WORDS = {" ".join(words): command for words, command in COMMANDS}
ROOM_FOLDER = Path(__file__).parents[2] / "watchdog/commands"
GROUPS = {"audit", "keys", "promotion"}  # they only hold others

NO_JSON = {
    "run": "its log is JSON lines",
    "demo": "it is played for people",
    "report": "it writes a document: Markdown or HTML",
    "export-rules": "it writes YAML, for Prometheus",
    "schema": "it writes JSON as it is",
    "audit export": "it writes JSON lines as they are",
}
NO_CONFIG = {
    "init": "it writes them",
    "demo": "it brings its own",
    "schema": "it is the same for all",
    "approve": "asked from elsewhere, where there are none",
    "deny": "asked from elsewhere, where there are none",
    "forward-fix": "asked from elsewhere, where there are none",
    "keys new": "made elsewhere, where there are none",
    "keys show": "made elsewhere, where there are none",
    "promotion wait": "asked from elsewhere, where there are none",
}


def without(flag):
    return {
        words
        for words, command in BY_WORDS.items()
        if words not in GROUPS
        and not any(flag in param.opts for param in command.params)
    }


def test_every_command_answers_programs_unless_there_is_a_reason():
    assert without("--json") == set(NO_JSON)
    for words in NO_JSON:
        assert f"`{words}`" in PAGE.partition("Without `--json`")[2]


def test_every_command_takes_a_settings_file_unless_there_is_a_reason():
    assert without("--config") == set(NO_CONFIG)


def test_every_command_says_what_it_may_end_with():
    assert set(ENDS) == set(BY_WORDS) - GROUPS


@pytest.mark.parametrize("end", End, ids=lambda end: end.name)
def test_the_page_has_each_number_with_its_meaning_and_the_commands_that_say_it(end):
    (row,) = re.findall(rf"^\| {int(end)} \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    said = {words for words, ends in ENDS.items() if end in ends}

    assert row[0] == end.words
    assert set(re.findall(r"`([^`]+)`", row[1])) == (set() if row[1] == "all" else said)
    assert (row[1] == "all") == (said == set(ENDS))


@pytest.mark.parametrize("room", sorted([*ROOMS, "ordering", "shell"]))
def test_no_command_ends_with_a_bare_number(room):
    tree = ast.parse((ROOM_FOLDER / f"{room}.py").read_text("utf-8"))
    bare = [
        ast.unparse(call)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in ("typer.Exit", "SystemExit", "sys.exit")
        for inner in ast.walk(call)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, int)
    ]
    assert bare == []


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_ends_only_as_its_commands_say(room):
    source = (ROOM_FOLDER / f"{room}.py").read_text("utf-8")
    used = {End[name] for name in re.findall(r"\bEnd\.([A-Z_]+)\b", source)}
    declared = {
        end
        for words, ends in ENDS.items()
        if words.split()[0] in ROOMS[room]
        for end in ends
    }
    assert used <= declared
    assert import_module(f"watchdog.commands.{room}").app


@pytest.mark.parametrize(
    ("problem", "end"),
    [
        (Problem("x"), 2),
        (Unreachable("x"), 5),
        (Held("x"), 7),
        (NotTaken("x"), 9),
        (NotConfirmed("x"), 11),
        (JournalLost("x"), 70),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_a_problem_ends_with(problem, end):
    assert end_of(problem) == end


@pytest.mark.parametrize("words", sorted(ENDS))
def test_the_help_of_a_command_lists_what_it_ends_with(words):
    shown = says(*words.split(), "--help")

    for end in ENDS[words]:
        assert f"{int(end):>3}  {end.words}\n" in shown


# The JSON that the page promises.


def promised():
    """Give each row of the page's table: the first command, and its keys."""
    table = PAGE.partition("\n## JSON\n")[2].partition("\n## ")[0]
    for line in table.splitlines():
        row = re.match(r"\| (`.+) \| (.+) \|$", line)
        if row:
            said = re.sub(r"\([^)]*\)", "", row[2])
            keys = set(re.findall(r"`([a-z_]+)`", said))
            for words in re.findall(r"`([a-z -]+?)`", row[1]):
                yield words, (said.startswith("list"), keys)


ASKED = {
    "status": [],
    "explain": [],
    "history": [],
    "releases": [],
    "retention": [],
    "config": [],
    "check": [],
    "doctor": [],
    "repair": [],
    "hold": ["--by", "asha", "--reason", "later"],
    "backup": ["{}/one.tar.gz"],
    "keys new": ["--name", "asha@x.example", "--out", "{}/asha.pem"],
}


@pytest.mark.parametrize("words", sorted(ASKED))
def test_a_command_answers_programs_with_the_keys_that_the_page_has(tmp_path, words):
    is_list, keys = dict(promised())[words]
    box = Box(tmp_path)
    box.journal(*HEALTHY_THEN_NEXT)
    more = [one.format(tmp_path) for one in ASKED[words]]

    engine = {"url": "tcp://127.0.0.1:9"}  # over TCP, where no socket stays open

    done = box.says(*words.split(), *more, "--json", engine=engine)
    said = json.loads(done.stdout)

    assert isinstance(said, list) == is_list
    assert keys <= set(said[0] if is_list else said)


def test_the_page_promises_the_json_of_every_command_that_has_some():
    assert {words for words, _ in promised()} >= set(ENDS) - set(NO_JSON)
