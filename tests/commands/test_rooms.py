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


COSTS = """
import gc, json, sys
from watchdog.__main__ import main

opened, collected = [], []
sys.addaudithook(
    lambda what, args: opened.append(str(args[0])) if what == "open" else None
)
# What is loaded is frozen once it is all there.
gc.callbacks.append(lambda phase, _: collected.append(gc.get_freeze_count()))
try:
    main()
finally:
    early = collected.count(0)
    read = [name for name in opened if name.endswith("watchdog.yaml")]
    print(json.dumps([early, gc.isenabled(), len(read)]), file=sys.stderr)
"""


@pytest.mark.parametrize("words", ["status", "explain"])
def test_a_command_collects_nothing_while_it_loads_and_reads_its_settings_once(
    tmp_path, words
):
    box = Box(tmp_path)
    box.write({})
    Journal(box.state).close()
    argv = [sys.executable, "-c", COSTS, words]
    ran = subprocess.run(argv, env=box.env, capture_output=True, text=True, check=False)

    assert json.loads(ran.stderr.splitlines()[-1]) == [0, True, 1], ran.stderr
