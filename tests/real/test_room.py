"""A state disk that fills up: a rollback goes on, and a start carries it on."""

import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress

import pytest

from tests.crash import runs
from tests.crash.disks import Disk
from tests.crash.ground import BAD, OLD, ONE, Ground
from tests.crash.judge import after
from tests.crash.victim import STUCK
from tests.worlds import AT, started
from watchdog.facts.event import RollbackRefused, RollbackStarted
from watchdog.facts.problem import JournalLost
from watchdog.record.journal import Journal
from watchdog.record.room import ROOM
from watchdog.turn.roles import Turn

pytestmark = pytest.mark.real


def write_until_it_fails(journal):
    for _ in range(4000):
        journal.append(AT, *[started()] * 20)


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_journal_on_a_full_disk_goes_on_in_what_was_kept_and_then_fails(
    tmp_path, kind
):
    disk = Disk(tmp_path / "state", kind, size="48M")
    try:
        with closing(Journal(disk.place)) as journal:
            journal.mark(Turn(AT, "watching"))
            room = disk.place / "journal.room"
            assert room.stat().st_size == ROOM
            crammed(disk)
            for _ in range(300):
                journal.append(AT, started())
            journal.mark(Turn(AT, "watching"))
            assert room.stat().st_size < ROOM
            with pytest.raises(JournalLost, match="could not be written"):
                write_until_it_fails(journal)
            assert not room.exists()
            reached = journal.head

        disk.empty()
        with closing(Journal(disk.place)) as again:
            assert again.head >= reached
            assert len(list(again.stream())) == again.head
            again.mark(Turn(AT, "watching"))
        assert room.stat().st_size == ROOM
    finally:
        disk.strike()


def crammed(disk):
    """Fill it to its last byte, also what only root may have; what is freed goes too.

    As somebody's log does that grows without end.
    """
    with (disk.place / "ballast").open("ab", buffering=0) as out, suppress(OSError):
        for size in (65536, 1):
            with suppress(OSError):
                while out.write(b"\0" * size) == size:
                    pass


def crams(disk, phase, *, kills=False):
    """Make a rule: from *phase* of the old one's stop on, whatever is free is taken."""
    seen = set()

    def rule(number, at, request, kill):
        if seen or ("/stop" in request and at == phase):
            crammed(disk)
        if not seen and "/stop" in request and at == phase:
            seen.add(number)
            if kills:
                kill()

    return rule


@pytest.fixture
def ground(tmp_path):
    made = []

    def ground(kind, layout, size="64M"):
        disk = Disk(tmp_path / "states", kind, size=size)
        made.append(disk)
        here = Ground(tmp_path / "ground", layout, ONE, states=disk.place)
        made.append(here)
        return here.deploy(), disk

    yield ground
    for one in reversed(made):
        one.strike()


BOTH = pytest.mark.parametrize(
    ("kind", "layout"),
    [
        pytest.param("tmpfs", "versioned", marks=pytest.mark.campaign),
        ("ext4", "shared-file"),
    ],
)


@BOTH
def test_a_rollback_in_whose_middle_the_state_disk_fills_up_goes_on_to_its_end(
    ground, kind, layout
):
    here, disk = ground(kind, layout)
    case = here.case()

    code = case.live(rule=crams(disk, "answered"))

    assert code == 0, case.said()
    assert after(here, case) == []
    assert (case.state / "journal.room").stat().st_size < ROOM


@BOTH
def test_a_start_on_a_full_disk_carries_a_rollback_on_that_was_cut_off(
    ground, kind, layout
):
    here, disk = ground(kind, layout)
    case = here.case()
    assert case.live(rule=crams(disk, "answered", kills=True)) == runs.KILLED
    # What an update, or whoever made room, may have taken away.
    for name in ("journal.id", "outbox.db", "standing.json"):
        (case.state / name).unlink(missing_ok=True)
    crammed(disk)

    code = case.live()

    assert code == 0, case.said()
    assert after(here, case) == []


def test_no_rollback_begins_where_no_room_can_be_kept(ground):
    here, _ = ground("tmpfs", "versioned", size="12M")
    case = here.case()

    case.live(within=4)

    with closing(sqlite3.connect(case.state / "journal.db")) as db:
        said = dict(db.execute("SELECT kind, body FROM event").fetchall())
    assert RollbackStarted.__name__ not in said, case.said()
    refused = said[RollbackRefused.__name__]
    assert f"{OLD} cannot be put back now: " in refused
    assert "journal.room does not hold the 4 MiB that are kept" in refused
    assert here.pinned() == BAD
    assert [seen[1:] for seen in here.seen()] == [(BAD, "running")]


@BOTH
def test_on_a_full_disk_of_the_stack_the_way_back_needs_no_room(tmp_path, kind, layout):
    disk = Disk(tmp_path / "disk", kind, size="64M")
    here = Ground(tmp_path / "ground", layout, ONE, stack=disk.place / "stack")
    held = []

    def rule(number, at, request, kill):
        """Fill it up, and take the port, as the target starts; the port is freed."""
        if "/start" not in request or at != "received":
            return
        if held:
            held[0].close()
            return
        crammed(disk)
        held.append(port_taken(here))

    try:
        here.deploy()
        case = here.case()
        code = case.live(rule=rule)

        assert code == 0, case.said()
        assert after(here, case, ends=("put-back",)) == []
    finally:
        for one in held:
            one.close()
        here.strike()
        disk.strike()


def port_taken(here):
    """Be somebody who has the port that the service publishes."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("0.0.0.0", int(here.stage.dms.rpartition(":")[2])))
    taken.listen()
    return taken


# What is stuck, and mended by the command.


@pytest.mark.parametrize(
    ("words", "version"),
    [
        pytest.param(("--back",), BAD, marks=pytest.mark.campaign),
        (("--to", BAD), BAD),
        pytest.param(("--forward",), OLD, marks=pytest.mark.campaign),
        pytest.param(("--to", OLD), OLD, marks=pytest.mark.campaign),
    ],
)
def test_what_is_stuck_is_mended_although_the_old_container_was_removed(
    tmp_path, monkeypatch, words, version
):
    here = Ground(tmp_path / "ground", "versioned", ONE)
    held = []

    def rule(number, at, request, kill):
        if "/start" in request and at == "received" and not held:
            held.append(port_taken(here))

    try:
        here.deploy()
        case = here.case()
        (old,) = here.containers
        code = case.live(rule=rule)
        assert (code, held != []) == (STUCK, True), case.said()
        here.api.remove_container(old, force=True)
        held.pop().close()
        config = str(here.stage.config / "watchdog.yaml")
        monkeypatch.setenv("WATCHDOG_CONFIG", config)
        command = [sys.executable, "-m", "watchdog", "repair", *words]

        done = subprocess.run(
            [*command, "--by", "asha", "--reason", "the port is free"],
            text=True,
            capture_output=True,
            check=False,
            timeout=120,
        )

        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        how = {OLD: "proved", BAD: "put-back"}[version]
        assert after(here, case, ends=(how,), again=1) == [], done.stdout
        assert [seen[1:] for seen in here.seen()] == [(version, "running")]
        assert here.pinned() == version
    finally:
        for one in held:
            one.close()
        here.strike()
