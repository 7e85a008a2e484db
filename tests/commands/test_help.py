"""The help that people read in 80 columns, and what a shell completes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_group
from typer.testing import CliRunner

from watchdog import __version__
from watchdog.__main__ import _GROUPS, ROOMS, app

PAGE = (Path(__file__).parents[2] / "docs/reference/commands.md").read_text("utf-8")
BASH = "_WATCHDOG_COMPLETE=source_bash"


def every_command():
    """Give each command and each of a group's, by the words that call it."""
    root = get_group(app)
    context = typer.Context(root)
    for names in ROOMS.values():
        for name in names:
            command = root.get_command(context, name)
            yield (name,), command
            for inner, one in getattr(command, "commands", {}).items():
                yield (name, inner), one


COMMANDS = list(every_command())


def says(*words, **env):
    return CliRunner().invoke(app, [*words], env={"COLUMNS": "80", **env}).output


@pytest.mark.parametrize("words", [w for w, _ in COMMANDS], ids=" ".join)
def test_no_flag_is_cut_at_80_columns(words):
    command = dict(COMMANDS)[words]
    shown = says(*words, "--help")

    flags = [
        flag
        for param in command.params
        if not getattr(param, "hidden", False)
        for flag in param.opts
        if flag.startswith("-")
    ]
    assert [flag for flag in flags if flag not in shown] == []
    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_every_command_stands_under_one_head_with_an_example():
    listed = [name for names in _GROUPS.values() for name in names]
    shown = says("--help")

    assert sorted(listed) == sorted(name for names in ROOMS.values() for name in names)
    for head in _GROUPS:
        assert f"{head}:\n" in shown
    assert shown.count("$ watchdog ") == len(_GROUPS)


def test_it_says_its_version():
    assert says("--version") == f"watchdog {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell):
    env = {**os.environ, "_WATCHDOG_COMPLETE": f"source_{shell}"}
    main = "import sys; sys.argv[0] = 'watchdog'; from watchdog.__main__ import main; "
    command = [sys.executable, "-c", f"{main}main()"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    assert f"complete_{shell}" in done.stdout, done.stderr


def test_the_start_of_a_command_is_completed():
    env = {
        **os.environ,
        "_WATCHDOG_COMPLETE": "complete_bash",
        "COMP_WORDS": "watchdog sta",
        "COMP_CWORD": "1",
    }
    main = "import sys; sys.argv[0] = 'watchdog'; from watchdog.__main__ import main; "
    command = [sys.executable, "-c", f"{main}main()"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    assert done.stdout.split() == ["status"], done.stderr


def test_bash_loads_the_completion_of_the_page_and_completes_by_it(tmp_path):
    (line,) = [one for one in PAGE.splitlines() if one.startswith(BASH)]
    loaded = line.replace("/etc/bash_completion.d/watchdog", f"{tmp_path}/it")
    types = "COMP_WORDS=(watchdog promotion w); COMP_CWORD=2; $f watchdog"
    script = f"{loaded}; . {tmp_path}/it; set -- $(complete -p watchdog); "
    script += f"while [ $1 != -F ]; do shift; done; f=$2; {types}; echo $COMPREPLY"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-ec", script],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "wait\n", done.stderr
