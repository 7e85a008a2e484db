"""`watchdog audit`: here, on another machine, and by nothing but a shell."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands.test_main import Box
from tests.worlds import AT
from watchdog.facts.event import WatchStarted
from watchdog.record.checkpoint import Checkpoints, drawn_key, signer_of
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory

PAGE = Path(__file__).parents[2] / "docs/reference/audit.md"


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path)
    box.state.mkdir(mode=0o700)
    journal = Journal(box.state)
    signer = signer_of("dms-prod", "0123456789ab", [drawn_key(box.state)])
    memory = Memory(journal, lambda _: None)
    memory.add(AT, WatchStarted("é\n\"'\\ 1", "act"))
    Checkpoints(memory, journal, signer).turned(AT)
    memory.add(AT, WatchStarted("2", "act"))
    journal.close()
    return box


def test_on_the_box_all_holds(box):
    said = box.says("audit", "verify")

    assert said.exit_code == 0
    assert "events 1 to 3 hold" in said.output
    assert "the chain alone holds the 2 after it" in said.output


def test_an_export_is_verified_with_no_settings(box):
    out = box.folder / "events.jsonl"
    assert box.says("audit", "export", "--out", str(out)).exit_code == 0
    key = box.says("audit", "key").output.strip()
    (box.folder / "key").write_text(key)

    for one in (key, str(box.folder / "key")):
        said = box.says("audit", "verify", str(out), "--key", one, "--json")
        assert json.loads(said.output)["holds"] is True


def test_an_export_does_not_prove_its_own_key(box):
    assert "whose checkpoints" in box.refuses("audit", "verify", "events.jsonl")


def test_segments_are_verified_in_order(box):
    parts = [box.folder / "one", box.folder / "two"]
    for part, after in zip(parts, ("0", "2"), strict=True):
        words = ("--after", after, "--most", "2", "--out", str(part))
        assert box.says("audit", "export", *words).exit_code == 0
    key = box.says("audit", "key").output.strip()

    said = box.says("audit", "verify", *map(str, parts), "--key", key)
    assert "events 1 to 3 hold" in said.output
    said = box.says("audit", "verify", *map(str, reversed(parts)), "--key", key)
    assert said.exit_code == 1
    assert "event 4 is missing" in said.output


def test_what_does_not_hold_ends_with_1_and_names_the_event(box):
    out = box.folder / "events.jsonl"
    box.says("audit", "export", "--out", str(out))
    out.write_text(out.read_text().replace("act", "ACT", 1))
    key = box.says("audit", "key").output.strip()

    said = box.says("audit", "verify", str(out), "--key", key)

    assert said.exit_code == 1
    assert said.output.startswith("event 1 was changed after it was written")


def test_no_file_is_written_over(box):
    out = box.folder / "events.jsonl"
    out.write_text("mine")

    assert "File exists" in box.refuses("audit", "export", "--out", str(out))
    assert out.read_text() == "mine"


def test_a_file_that_is_not_there_is_said(box):
    key = box.says("audit", "key").output.strip()

    assert "no such file" in box.refuses("audit", "verify", "none", "--key", key)


@pytest.fixture
def by_shell(box):
    """Verify an export with the function that the page shows."""
    if not all(map(shutil.which, ("jq", "openssl", "bash"))):
        pytest.skip("jq or openssl is not here")
    (function,) = re.findall(r"```sh\n(verify\(\) .*?)```", PAGE.read_text(), re.DOTALL)
    out, pem = box.folder / "events.jsonl", box.folder / "audit.pem"
    box.says("audit", "export", "--out", str(out))
    pem.write_text(box.says("audit", "key", "--pem").output)

    def verify(change=lambda text: text):
        out.write_text(change(out.read_text()))
        script = f"{function}\nverify {out} {pem}"
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    return verify


def test_the_shell_of_the_docs_finds_that_all_holds(by_shell):
    assert by_shell() == "3 events hold\n"


def test_the_shell_of_the_docs_finds_what_was_changed(by_shell):
    assert by_shell(lambda text: text.replace("act", "ACT", 1)) == (
        "event 1 was changed\n"
    )
