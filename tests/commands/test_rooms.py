"""A command loads its own room: the imports of all take longer than what most do."""

import json
import subprocess
import sys
from importlib import import_module

import pytest
import typer
from typer.main import get_group

from tests.commands.test_main import Box
from watchdog.__main__ import ROOMS, app
from watchdog.record.journal import Journal

# What only a daemon, or who asks the engine, Prometheus or a channel, has need of.
HEAVY = [
    "apprise",
    "apscheduler",
    "cryptography",
    "docker",
    "httpx",
    "prometheus_api_client",
    "requests",
    "starlette",
    "uvicorn",
]
CHILD = f"""
import json, sys
from watchdog.__main__ import app
try:
    app(sys.argv[1:], standalone_mode=False)
finally:
    loaded = [name for name in {HEAVY} if name in sys.modules]
    print(json.dumps(loaded), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "needs"),
    [
        (["status"], []),
        (["explain"], []),
        (["releases"], []),
        (["retention"], []),
        (["hold", "--help"], ["httpx"]),
        (["schema", "--help"], HEAVY),
    ],
    ids=lambda one: " ".join(one) or "nothing heavy",
)
def test_a_command_loads_what_it_uses_and_no_more(tmp_path, words, needs):
    box = Box(tmp_path)
    box.write({})
    Journal(box.state).close()
    argv = [sys.executable, "-c", CHILD, *words]
    ran = subprocess.run(argv, env=box.env, capture_output=True, text=True, check=False)

    loaded = json.loads(ran.stderr.splitlines()[-1])
    assert set(loaded) <= set(needs), ran.stderr


def test_each_room_has_the_commands_that_are_looked_for_in_it():
    context = typer.Context(get_group(app))
    for room, names in ROOMS.items():
        there = get_group(import_module(f"watchdog.commands.{room}").app)
        assert set(there.commands) == set(names), room
        for name in names:
            assert get_group(app).get_command(context, name).name == name
