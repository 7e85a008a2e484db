"""Other programs are run to their ends, once, and hold nothing of ours."""

import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from watchdog.facts.problem import Problem, Unreachable
from watchdog.outside.command import Commands


@pytest.fixture
def commands(tmp_path):
    def commands(seconds=20, **env):
        env = {"PATH": "/usr/bin:/bin"} | env
        return Commands(tmp_path / "commands", timedelta(seconds=seconds), env)

    return commands


def test_what_it_prints_is_given_back_and_kept(commands, tmp_path):
    said = commands().run("it", ["sh", "-c", "echo out; echo err >&2"], tmp_path)

    assert said == "out\nerr"
    assert (tmp_path / "commands/it.out").read_text() == "out\nerr\n"


def test_only_the_environment_that_it_is_given_is_there(
    commands, tmp_path, monkeypatch
):
    monkeypatch.setenv("DMS_VERSION", "v9")

    assert commands(HOME="/h").look(["env"], tmp_path) == (
        0,
        "PATH=/usr/bin:/bin\nHOME=/h",
    )


def test_a_failure_says_its_code_and_its_last_words(commands, tmp_path):
    with pytest.raises(Problem) as failed:
        commands().run("it", ["sh", "-c", "echo why; exit 3"], tmp_path)

    assert failed.value.words == "`sh -c echo why; exit 3` ended with 3: why"


def test_what_is_not_there_cannot_be_started(commands, tmp_path):
    with pytest.raises(Problem, match="`no-such-thing` cannot be started: No such"):
        commands().run("it", ["no-such-thing"], tmp_path)


def test_what_it_leaves_in_the_background_is_not_waited_for(commands, tmp_path):
    it = commands()
    before = time.monotonic()

    it.run("it", ["sh", "-c", "sleep 60 & echo $!"], tmp_path, leaves=True)

    left = int((tmp_path / "commands/it.out").read_text())
    assert time.monotonic() - before < 30
    assert it.is_running("it")
    # What it leaves holds the lock of before, and the next one has its own.
    it.run("it", ["true"], tmp_path, leaves=True)
    subprocess.run(["kill", str(left)], check=True)


def test_at_its_timeout_it_is_killed_with_all_that_it_began(commands, tmp_path):
    with pytest.raises(Problem, match="did not end within 1 s and was killed"):
        commands(1).run("it", ["sh", "-c", "sleep 61 & sleep 62"], tmp_path)

    deadline = time.monotonic() + 20
    while commands().is_running("it"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_that_outlived_us_is_not_run_beside_itself(commands, tmp_path):
    script = (
        "import sys; from datetime import timedelta; from pathlib import Path;"
        "from watchdog.outside.command import Commands;"
        "Commands(Path(sys.argv[1]) / 'commands', timedelta(minutes=1),"
        " {'PATH': '/usr/bin:/bin'}).run('it', ['sleep', '3'], Path(sys.argv[1]))"
    )
    first = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    it, deadline = commands(), time.monotonic() + 20
    while not it.is_running("it"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()

    with pytest.raises(Unreachable, match="the it of before still runs"):
        it.run("it", ["true"], tmp_path)
    while it.is_running("it"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    it.run("it", ["true"], tmp_path)
