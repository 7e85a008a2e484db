"""What ``watchdog init`` asks on a terminal, typed on one."""

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tests.adopt.stacks import KEY
from tests.commands.box import a_box
from watchdog.__main__ import app

# It takes the terminal as its own first, so that Ctrl-C is a signal to it, and minds
# it as what a shell starts there does: who runs tests in the background ignores it.
TYPED = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "watchdog", *sys.argv[1:]])
"""
PROJECT = "Which project is to be watched (1 to 2)"
SERVICES = "Which services are one release (1 to 2)"
WHO = "Who decides about a release (an address)"
FILE = "A file with their key (empty: later)"
CTRL_C, CTRL_D = "\x03", "\x04"


@dataclass
class Shell:
    """One run of a command on a terminal of its own."""

    terminal: int
    process: subprocess.Popen
    said: str = ""
    heard: int = 0

    def until(self, words):
        """Read until *words* were said behind what was heard before."""
        while words not in self.said[self.heard :]:
            more = self._read()
            assert more, f"it ended without {words!r}: {self.said}"
            self.said += more
        self.heard = self.said.index(words, self.heard) + len(words)

    def types(self, text):
        os.write(self.terminal, text.encode())

    def ends(self, again=""):
        """Read to the end; type *again* while nothing comes, if it did not answer."""
        while more := self._read(again):
            self.said += more
        return self.process.wait(90)

    def _read(self, again=""):
        for _ in range(12):
            ready, _, _ = select.select([self.terminal], [], [], 10)
            if ready:
                break
            if again and "nobody answered" not in self.said:
                self.types(again)
        assert ready, f"it waits, and said: {self.said}"
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            return os.read(self.terminal, 4096).decode("utf-8", "replace")
        return ""


@pytest.fixture
def shop(tmp_path):
    with a_box(tmp_path) as it:
        yield it


@pytest.fixture
def shell(shop):
    running = []

    def run(*words):
        ours, theirs = pty.openpty()
        argv = ["init", "--engine", shop.engine, "--into", "out", *words]
        env = {k: v for k, v in os.environ.items() if not k.startswith("WATCHDOG_")}
        root = str(Path(__file__).parents[2])
        process = subprocess.Popen(
            [sys.executable, "-c", TYPED, *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=shop.folder.parent,
            env=env | {"COLUMNS": "200", "PYTHONPATH": root},
            start_new_session=True,
        )
        os.close(theirs)
        running.append((ours, process))
        return Shell(ours, process)

    yield run
    for ours, process in running:
        process.kill()
        process.wait()
        os.close(ours)


def two_projects(shop):
    shop.runs()
    shop.runs_prometheus()
    shop.runs("page", "ghcr.io/x/page:v1", project="blog")


def two_releases(shop):
    shop.runs()
    shop.runs("page", "ghcr.io/x/page:v1")
    shop.runs_prometheus()


def left(shop):
    return sorted(p.name for p in shop.folder.parent.iterdir() if p.name != "stack")


def test_what_it_cannot_know_it_asks_and_asks_again_what_makes_no_sense(shop, shell):
    two_projects(shop)
    (shop.folder.parent / "mira.key").write_text(KEY + "\n")

    typing = shell()
    typing.until(PROJECT)
    typing.types("7\n")
    typing.until(PROJECT)
    typing.types("shop\n")
    typing.until(PROJECT)
    listed = [line.strip() for line in typing.said.splitlines()]
    typing.types("1\n" if "1  shop" in listed else "2\n")
    typing.until(WHO)
    typing.types("mira@x.example\n")
    typing.until(FILE)
    typing.types("nowhere.pem\n")
    typing.until("cannot read the key nowhere.pem")
    typing.until(FILE)
    typing.types("mira.key\n")

    assert typing.ends() == 0, typing.said
    people = yaml.safe_load((shop.folder.parent / "out/approvers.yaml").read_text())
    assert people["approvers"]["mira@x.example"]["keys"] == [KEY]


def test_services_of_several_releases_are_asked_about(shop, shell):
    two_releases(shop)

    typing = shell("--dri", "mira@x.example")
    typing.until(SERVICES)
    listed = [line.strip() for line in typing.said.splitlines()]
    typing.types("1\n" if "1  api" in listed else "2\n")

    assert typing.ends() == 1, typing.said  # she has no key yet, and check names it
    settings = yaml.safe_load((shop.folder.parent / "out/watchdog.yaml").read_text())
    assert settings["stack"]["services"] == ["api"]


@pytest.mark.parametrize("kind", ["given", "typed"])
def test_the_passphrase_of_a_key_is_asked_for_and_not_shown(shop, shell, kind):
    shop.runs()
    shop.runs_prometheus()
    path = shop.folder.parent / "mira.pem"
    words = ["keys", "new", "--name", "m", "--out", str(path), "--passphrase"]
    CliRunner().invoke(app, words, input="open sesame\nopen sesame\n")

    if kind == "given":
        typing = shell("--dri", "mira@x.example=mira.pem")
    else:
        typing = shell()
        typing.until(WHO)
        typing.types("mira@x.example\n")
        typing.until(FILE)
        typing.types("mira.pem\n")
    typing.until("Passphrase: ")  # the space comes once nothing is shown
    typing.types("open sesame\n")

    assert typing.ends() == 0, typing.said
    assert "sesame" not in typing.said


@pytest.mark.parametrize(("key", "code"), [(CTRL_C, 11), (CTRL_D, 11)])
@pytest.mark.parametrize("question", [PROJECT, SERVICES, WHO, FILE])
def test_who_leaves_in_the_middle_leaves_nothing_behind(
    shop, shell, question, key, code
):
    {PROJECT: two_projects, SERVICES: two_releases}.get(question, _plainly)(shop)

    typing = shell()
    if question == FILE:
        typing.until(WHO)
        typing.types("mira@x.example\n")
    typing.until(question)
    # Python sees no signal that comes in the instant before it reads. A person is
    # later than that, or presses the key again.
    time.sleep(0.2)
    typing.types(key)

    assert typing.ends(again=key) == code, typing.said
    assert "nobody answered; nothing was done" in typing.said
    assert "Traceback" not in typing.said
    assert left(shop) == []


def _plainly(shop):
    shop.runs()
    shop.runs_prometheus()


def test_whoever_names_nobody_is_not_asked_for_a_key(shop, shell):
    _plainly(shop)

    typing = shell()
    typing.until(WHO)
    typing.types("\n")

    assert typing.ends() == 1, typing.said
    assert FILE not in typing.said
    assert "name who decides about this release" in typing.said


def test_with_every_question_answered_by_a_flag_a_terminal_is_asked_nothing(
    shop, shell
):
    two_projects(shop)
    (shop.folder.parent / "mira.key").write_text(KEY + "\n")

    flags = ["--project", "shop", "--service", "api"]
    typing = shell(*flags, "--dri", "mira@x.example=mira.key")

    assert typing.ends() == 0, typing.said
    assert ("(1 to" in typing.said, WHO in typing.said) == (False, False)
