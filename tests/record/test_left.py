"""What a kill leaves is read by everybody, and harms nobody."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
import yaml

from tests.commands.test_main import Box
from tests.record.killed import kill_in_mid_commit
from tests.worlds import AT, HEALTHY_THEN_NEXT
from watchdog.facts.event import HoldPlaced, WatchStarted
from watchdog.facts.problem import JournalLost
from watchdog.record.journal import Journal
from watchdog.record.opening import not_opened, opened
from watchdog.record.outbox import Outbox

HELLO = WatchStarted("1", "act")
NOBODY = "65534"


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path)
    box.journal(*HEALTHY_THEN_NEXT)
    return box


@pytest.fixture
def place(folders):
    """Give a state folder whose watchdog died in the middle of a commit."""
    place = folders()
    with closing(Journal(place)) as journal:
        journal.append(AT, *HEALTHY_THEN_NEXT)
    kill_in_mid_commit(place)
    return place


def names(place):
    return sorted(path.name for path in place.iterdir())


def read(place):
    with closing(Journal(place, read_only=True)) as journal:
        return [entry.event for entry in journal.entries()]


def test_a_reader_finds_what_was_committed_and_nothing_else(place):
    assert read(place) == list(HEALTHY_THEN_NEXT)
    assert names(place) == ["journal.db", "journal.id"]


def test_the_next_watchdog_finds_the_same(place):
    with closing(Journal(place)) as journal:
        journal.append(AT, HELLO)

    assert read(place) == [*HEALTHY_THEN_NEXT, HELLO]


WORDS = [
    ["status"],
    ["explain"],
    ["releases"],
    ["retention"],
    ["hold", "--by", "asha", "--reason", "later"],
    ["releases", "vouch", "v1.3.0", "--by", "asha", "--reason", "seen"],
    ["retention", "release", "v1.2.0", "--by", "asha", "--reason", "old"],
]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_every_command_reads_what_a_kill_left(box, words):
    kill_in_mid_commit(box.state)

    done = box.says(*words)

    assert_read(box, f"{done.output} {done.exception!r}")


def test_what_is_ordered_on_what_a_kill_left_is_weighed(box):
    kill_in_mid_commit(box.state)

    done = box.runs("rollback", "--by", "asha", "--reason", "bad")

    assert_read(box, done.stdout + done.stderr)
    assert "no watchdog runs, and cannot see what runs" in done.stderr
    assert done.returncode == 5


def assert_read(box, said):
    assert "Traceback" not in said
    assert "cannot be opened" not in said
    assert "readonly" not in said
    assert not (box.state / "journal.db-journal").exists()
    assert read(box.state)[:3] == list(HEALTHY_THEN_NEXT)


def test_a_reader_does_not_disturb_a_commit_in_hand(folders):
    place = folders()
    with closing(Journal(place)) as journal:
        journal.append(AT, HELLO)
        found = []

        def slowly(execute):
            execute("INSERT INTO blob VALUES ('a', x'00')")
            assert (place / "journal.db-journal").exists()
            found.append(looks(place))
            assert (place / "journal.db-journal").exists()

        journal._write(slowly)
        assert found == ["1\n"]
        journal.append(AT, HELLO)

    assert len(read(place)) == 2


LOOK = """
import os, resource, sys
from pathlib import Path
from watchdog.facts.problem import Problem
from watchdog.record.journal import Journal
from watchdog.record.opening import opened

if len(sys.argv) > 2:  # with the code loaded, which may be for its owner alone
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    print(len(Journal(Path(sys.argv[1]), read_only=True).entries()))
except Problem as problem:
    print(problem)
"""


def looks(place, *how):
    return subprocess.run(
        [sys.executable, "-c", LOOK, str(place), *how],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def foreign(place, tmp_path):
    """Let somebody else read the code and the folder, and write neither."""
    if os.getuid():
        pytest.skip("only root can become somebody else")
    for path in (place.parent, place):
        path.chmod(0o755)
    for path in place.iterdir():
        path.chmod(0o644)
    return place


def test_where_it_may_not_be_written_a_copy_is_read(foreign):
    before = {path: path.read_bytes() for path in foreign.iterdir()}

    assert looks(foreign, NOBODY) == "3\n"
    assert {path: path.read_bytes() for path in foreign.iterdir()} == before


@pytest.mark.parametrize("kept", ["-wal", ""])
def test_one_that_somebody_made_keep_a_write_ahead_log_is_read_as_a_copy(foreign, kept):
    with closing(sqlite3.connect(foreign / "journal.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA user_version = 2")
        if kept:
            log = (foreign / f"journal.db{kept}").read_bytes()
    if kept:
        (foreign / f"journal.db{kept}").write_bytes(log)
    for path in foreign.iterdir():
        path.chmod(0o644)

    assert looks(foreign, NOBODY) == "3\n"


def test_what_another_program_holds_is_not_called_damaged(tmp_path):
    (tmp_path / "journal.db").touch()

    lost = not_opened(
        tmp_path / "journal.db", sqlite3.OperationalError("database is locked")
    )

    assert "another program holds the journal" in lost.words
    assert "fuser" in lost.hint


def test_where_no_copy_can_be_made_that_is_said(foreign):
    said = looks(foreign, NOBODY, "no room")

    assert "left in mid-commit where it may not be written" in said
    assert "TMPDIR" in said


def test_who_may_not_read_it_is_told_whose_command_it_is(foreign):
    (foreign / "journal.db").chmod(0o600)

    said = looks(foreign, NOBODY)

    assert f"cannot be read by user {NOBODY}" in said
    assert "as the user that the watchdog runs as" in said


@pytest.mark.parametrize("keep", [0, 3, 512, 600])
def test_a_rollback_journal_that_was_only_begun_is_nothing(place, keep):
    """The pages of the file are changed only once it is whole on the disk."""
    with closing(Journal(place)) as journal:
        journal.append(AT, HELLO)
    whole = (place / "journal.db").read_bytes()
    kill_in_mid_commit(place)
    begun = (place / "journal.db-journal").read_bytes()[:keep]
    (place / "journal.db").write_bytes(whole)
    (place / "journal.db-journal").write_bytes(begun)

    assert len(read(place)) == 4
    with closing(Journal(place)) as journal:
        journal.append(AT, HELLO)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_backup_is_not_rolled_back_by_what_another_file_left(place, read_only):
    left = (place / "journal.db-journal").read_bytes()
    with closing(Journal(place)) as journal:
        for number in range(3):
            journal.append(AT, HoldPlaced("asha", str(number)))
    whole = (place / "journal.db").read_bytes()
    (place / "journal.db-journal").write_bytes(left)

    with pytest.raises(JournalLost, match="is not what a commit to"):
        Journal(place, read_only=False)
    assert (place / "journal.db").read_bytes() == whole
    (place / "journal.db-journal").rename(place / "aside")
    assert len(read(place)) == 6


def test_what_the_channels_were_told_is_read_too(place):
    with closing(Outbox(place)) as outbox:
        outbox.put("ops", 2, (), AT)
    kill_in_mid_commit(place, "outbox.db", "UPDATE told SET seq = 9")

    with closing(Outbox(place, read_only=True)) as outbox:
        assert outbox.told("ops") == 2


# An older copy, as those who were told know.


def test_a_journal_that_others_were_told_of_is_not_begun_anew(folders):
    place = folders()
    with closing(Journal(place)) as journal:
        journal.append(AT, *HEALTHY_THEN_NEXT)
    with closing(Outbox(place)) as outbox:
        outbox.put("ops", 3, (), AT)
    (place / "journal.db").unlink()
    (place / "journal.id").unlink()

    with pytest.raises(JournalLost) as lost:
        Journal(place)
    assert lost.value.words.endswith("is gone, though there was one (outbox.db)")
    assert "move outbox.db aside" in lost.value.hint

    (place / "outbox.db").rename(place / "aside")
    with closing(Journal(place)) as journal:
        assert journal.head == 0


def test_a_whole_older_folder_is_refused_by_what_others_were_told(folders):
    place, older = folders(), folders()
    with closing(Journal(place)) as journal:
        journal.append(AT, HELLO)
    shutil.copytree(place, older, dirs_exist_ok=True)
    with closing(Journal(place)) as journal:
        journal.append(AT, *HEALTHY_THEN_NEXT)
    with closing(Outbox(place)) as outbox:
        outbox.put("ops", 4, (), AT)
    shutil.copytree(older, place, dirs_exist_ok=True)

    with pytest.raises(JournalLost) as lost:
        Journal(place)
    assert lost.value.words == (
        "the journal ends at event 1, and had 4 when it was last written, as "
        "outbox.db says: it is an older copy"
    )
    assert "move outbox.db aside" in lost.value.hint

    (place / "outbox.db").rename(place / "aside")
    with closing(Journal(place)) as journal:
        assert journal.head == 1


def test_all_that_the_watchdog_writes_is_its_owners_alone(folders):
    place = folders()
    before = os.umask(0)
    try:
        with closing(Journal(place)) as journal, closing(Outbox(place)):
            journal.append(AT, HELLO)
            modes = {path.name: path.stat().st_mode & 0o777 for path in place.iterdir()}
    finally:
        os.umask(before)

    assert set(modes.values()) == {0o600}, modes


def test_files_of_earlier_builds_become_their_owners_alone(folders):
    place = folders()
    with closing(Journal(place)), closing(Outbox(place)):
        pass
    for path in place.iterdir():
        path.chmod(0o644)

    with closing(Journal(place)), closing(Outbox(place)):
        modes = {path.name: path.stat().st_mode & 0o777 for path in place.iterdir()}

    assert set(modes.values()) == {0o600}, modes


def test_half_a_journal_is_refused_in_words(folders):
    place = folders()
    with closing(Journal(place)) as journal:
        journal.append(AT, *HEALTHY_THEN_NEXT)
    whole = (place / "journal.db").read_bytes()
    (place / "journal.db").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(JournalLost):
        Journal(place)


def test_the_outbox_that_is_no_database_says_nothing_of_the_journal(folders):
    place = folders()
    (place / "outbox.db").write_text(yaml.safe_dump({"no": "database"}) * 99)

    with closing(Journal(place)) as journal:
        assert journal.head == 0
    with pytest.raises(OSError, match="outbox cannot be used"):
        Outbox(place)


def test_who_writes_for_months_keeps_half_a_mebibyte_at_the_most(folders):
    place = folders()
    with closing(Journal(place)) as journal:
        journal.append(AT, *HEALTHY_THEN_NEXT)

    with closing(opened(place / "journal.db", read_only=False)) as db:
        ((kept,),) = db.execute("PRAGMA cache_size")

    assert kept == -512  # less than nothing is KiB, more is pages
