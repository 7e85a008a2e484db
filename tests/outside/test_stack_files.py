"""Files of the stack go through one door, and what shuts it is found when armed."""

import contextlib
import os
import stat
import threading
from dataclasses import replace

import pytest

from tests.worlds import AWB, MINUTE, World
from watchdog.act.files import put
from watchdog.facts.event import (
    ReadinessChanged,
    RollbackEnded,
    RollbackRefused,
    RollbackStarted,
)
from watchdog.facts.plan import Do, Step
from watchdog.facts.problem import Foreign, Problem
from watchdog.observe.pin import Pin
from watchdog.observe.replacing import hindrances
from watchdog.outside.stack_folder import StackEnv, StackFolder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "stack").mkdir()
    return tmp_path / "stack"


def within(seconds, do):
    """Run *do*; fail when it takes longer: then it hangs."""
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"


def _pipe(path, _):
    os.mkfifo(path)


def _link(path, victim):
    path.symlink_to(victim)


def _folder(path, _):
    path.mkdir()
    (path / "full").write_text("")


def _left_over(path, _):
    path.write_text("half of wh")


@pytest.mark.parametrize("there", [_pipe, _link, _folder, _left_over])
def test_nothing_at_the_name_that_is_written_first_stands_in_the_way(folder, there):
    (folder / ".env").write_text("A=1\n")
    victim = folder.parent / "victim"
    victim.write_text("mine")
    there(folder / "..env.rb-new", victim)

    within(30, lambda: put(StackFolder(folder), ".env", b"A=2\n"))

    assert (folder / ".env").read_bytes() == b"A=2\n"
    assert victim.read_text() == "mine"


def test_what_is_written_on_a_file_beside_its_bytes_is_kept(folder):
    env = folder / ".env"
    env.write_text("A=1\n")
    env.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(env, 1234, 2345)
    before = env.stat()

    put(StackFolder(folder), ".env", b"A=2\n")

    after = env.stat()
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert [path.name for path in folder.iterdir()] == [".env"]


def test_what_cannot_be_replaced_stays_as_it_was(folder):
    (folder / ".env").mkdir()
    with pytest.raises(Problem, match="could not write"):
        put(StackFolder(folder), ".env", b"A=2\n")
    assert [path.name for path in folder.iterdir()] == [".env"]


def test_a_linked_env_file_is_read_and_placed_behind_its_link(folder):
    (folder.parent / "shared.env").write_bytes(b"# \xe4\nDMS_VERSION=v1.3.0\n")
    (folder / ".env").symlink_to("../shared.env")
    env = StackEnv(folder, ".env")

    assert env.read().value_of("DMS_VERSION") == "v1.3.0"
    files, name = env.place()
    assert (files.root, name) == (folder.parent, "shared.env")


def _dangling(env):
    env.symlink_to("/etc/not-mounted-here/env")


def _round(env):
    env.symlink_to(env.name)


def _piped(env):
    os.mkfifo(env)


def _sparse(env):
    with env.open("wb") as file:
        file.truncate(100 * 1024**3)


def _twice(env):
    env.write_text("DMS_VERSION=v1.3.0\n")
    os.link(env, env.with_name("backup.env"))


def _to_a_pipe(env):
    os.mkfifo(env.with_name("pipe"))
    env.symlink_to("pipe")


def _to_a_device(env):
    env.symlink_to("/dev/zero")


_SHUT = {
    _dangling: ".env is a link that leads nowhere for the watchdog",
    _round: ".env is a link that leads nowhere for the watchdog",
    _piped: ".env is a pipe, meant a plain file",
    _sparse: ".env has 107374182400 bytes, meant at most 1048576",
    _twice: ".env has 2 names, meant one",
    _to_a_pipe: "pipe is a pipe, meant a plain file",
    _to_a_device: "zero is a device, meant a plain file",
    lambda env: env.mkdir(): ".env is a folder, meant a plain file",
    lambda env: env.write_text("A='x\n"): ".env, line 1: a quoted value that does not",
    lambda env: env.write_text("SHOP_TAG=v1\n"): "DMS_VERSION is not set in .env",
    lambda env: None: "DMS_VERSION is not set in .env",
}


@pytest.mark.parametrize("made", _SHUT)
def test_an_env_file_that_cannot_be_pinned_is_a_lack_and_never_a_crash(folder, made):
    made(folder / ".env")
    pin = Pin(folder, ".env", "DMS_VERSION")

    found = []
    within(30, lambda: found.extend(pin.astray("v1.3.0")))

    (lack,) = found
    assert lack.words.startswith(_SHUT[made])
    assert lack.hint
    assert not lack.mendable
    with pytest.raises(Problem):
        pin.values()


def test_a_folder_that_only_owners_may_change_is_a_lack(folder):
    (folder / ".env").write_text("")
    folder.chmod(0o1777)
    (lack,) = hindrances(StackFolder(folder), ".env", os.geteuid() + 1)
    assert "sticky bit" in lack.words


def test_an_env_file_that_its_owner_could_not_read_any_more_is_worth_knowing(folder):
    """Only root may give a file away: what is replaced belongs to the watchdog."""
    path = folder / ".env"
    path.write_text("DMS_VERSION=v1.3.0\n")
    ours, theirs = 1003, 1002
    os.chown(path, theirs, -1)
    folder.chmod(0o777)

    path.chmod(0o640)
    (lack,) = hindrances(StackFolder(folder), ".env", ours)
    assert lack.words.startswith(f"{path} belongs to user {theirs}, and not all may ")
    assert lack.doubt

    path.chmod(0o644)
    assert hindrances(StackFolder(folder), ".env", ours) == ()
    path.chmod(0o640)
    assert hindrances(StackFolder(folder), ".env", theirs) == ()
    assert hindrances(StackFolder(folder), ".env", 0) == ()


def test_a_folder_in_a_backups_place_is_a_lack(folder):
    (folder / "meesho.manifest.json.bak").mkdir()
    (lack,) = hindrances(StackFolder(folder), "meesho.manifest.json.bak")
    assert lack.words.endswith("is a folder, and a file belongs there")


def test_a_folder_that_took_the_place_of_another_is_seen_by_its_own_change(folder):
    """Its files are older than that: they were laid out beside long before."""
    beside, path = folder / "manifests.next", "manifests/meesho.manifest.json"
    beside.mkdir()
    (beside / "meesho.manifest.json").write_text("next")
    files, laid_out = StackFolder(folder), beside.stat().st_ctime_ns
    os.utime(beside, ns=(laid_out, laid_out))
    os.utime(folder, ns=(0, 0))
    assert files.moved("manifests.next/meesho.manifest.json") == 0  # only touched

    beside.rename(folder / "manifests")

    assert files.moved(path) == (folder / "manifests").stat().st_ctime_ns > laid_out
    (folder / "manifests/lazada.manifest.json").write_text("one more")
    assert files.moved(path) == 0
    assert files.moved("nowhere/at.all") == 0


def test_a_file_is_looked_at_again_while_somebody_writes_it(folder):
    path = folder / "busy"
    path.write_bytes(b"x" * 1024)
    over = threading.Event()

    def write():
        while not over.is_set():
            with path.open("ab") as file:
                file.write(b"x")
            path.write_bytes(b"x")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(200):
            with contextlib.suppress(Foreign):  # it did not end in its three looks
                assert set(StackFolder(folder).read("busy")) <= {ord("x")}
    finally:
        over.set()
        thread.join()


# -- in the turn -----------------------------------------------------------------


@pytest.fixture
def it(tmp_path):
    """Have v1.2.0 known good, and v1.3.0 running."""
    made = World(tmp_path)
    made.bake("v1.2.0")
    made.compose_up("v1.3.0")
    made.turn()
    made.turn(MINUTE)
    assert made.memory.standing.readiness.ready
    return made


def env_of(it):
    return it.folder / ".env"


def lacks(it):
    """Give what the last look at the way back found."""
    return [lack.words for lack in it.memory.standing.readiness.lacks]


_DRIFT = (
    "DMS_VERSION is v1.4.0 in .env, what runs is v1.3.0: the next `docker compose up "
    "-d` would change that"
)


def test_a_version_that_is_written_while_another_runs_is_seen_at_that_turn(it):
    looks = len(it.memory.all(ReadinessChanged))
    env_of(it).write_text("TZ=UTC\nDMS_VERSION=v1.4.0\n")

    it.turn()

    assert lacks(it) == [_DRIFT]
    assert not it.memory.standing.readiness.ready
    it.turn()
    it.turn(5 * MINUTE)
    assert len(it.memory.all(ReadinessChanged)) == looks + 1


def test_it_is_over_at_the_turn_at_which_the_file_says_what_runs(it):
    before = env_of(it).read_bytes()
    env_of(it).write_text("TZ=UTC\nDMS_VERSION=v1.4.0\n")
    it.turn()

    env_of(it).write_bytes(before)
    it.turn()

    assert it.memory.standing.readiness.ready


def test_it_is_over_when_the_container_follows(it):
    env_of(it).write_text("TZ=UTC\nDMS_VERSION=v1.3.1\n")
    it.turn()
    assert lacks(it)

    it.compose_up("v1.3.1")
    it.turn()

    assert not any("DMS_VERSION" in words for words in lacks(it))


def test_it_does_not_keep_a_breach_from_being_rolled_back(it):
    env_of(it).write_text("TZ=UTC\nDMS_VERSION=v1.4.0\n")
    it.turn()
    it.numbers.values[AWB.name] = 9

    it.turn()

    assert [end.how for end in it.memory.all(RollbackEnded)] == ["proved"]
    assert env_of(it).read_text() == "TZ=UTC\nDMS_VERSION=v1.2.0\n"


def test_it_is_seen_where_there_is_no_target_too(tmp_path):
    it = World(tmp_path)
    it.compose_up("v1.2.0")
    env_of(it).write_text("DMS_VERSION=v1.4.0\n")
    it.turn()
    assert any("DMS_VERSION is v1.4.0 in .env" in words for words in lacks(it))


def test_a_version_that_is_not_pinned_anywhere_refuses_a_rollback(it):
    """An env file that has another name for it was given a line that nobody reads."""
    env_of(it).write_text("SHOP_TAG=v1.3.0\n")
    it.turn()
    assert lacks(it)[0].startswith("DMS_VERSION is not set in .env")
    it.numbers.values[AWB.name] = 9

    it.turn()

    (refused,) = it.memory.all(RollbackRefused)
    assert refused.words.startswith("DMS_VERSION is not set in .env")
    assert not it.memory.all(RollbackStarted)
    assert env_of(it).read_text() == "SHOP_TAG=v1.3.0\n"


def test_a_link_stays_one_and_the_file_behind_it_says_the_target(it):
    shared = it.folder.parent / f"{it.folder.name}.shared"
    env_of(it).rename(shared)
    env_of(it).symlink_to(shared)
    it.numbers.values[AWB.name] = 9

    it.turn()

    assert [end.how for end in it.memory.all(RollbackEnded)] == ["proved"]
    assert env_of(it).is_symlink()
    assert shared.read_text() == "TZ=UTC\nDMS_VERSION=v1.2.0\n"


def test_a_link_that_leads_nowhere_for_us_is_never_replaced(it):
    env_of(it).unlink()
    env_of(it).symlink_to("/etc/not-mounted-here/env")
    it.numbers.values[AWB.name] = 9

    it.turn()

    (refused,) = it.memory.all(RollbackRefused)
    assert refused.words.startswith(".env is a link that leads nowhere")
    assert env_of(it).is_symlink()


def test_bytes_that_are_no_utf_8_stop_nothing_and_come_back(it):
    env_of(it).write_bytes(b"# Stra\xdfe\r\nDMS_VERSION=v1.3.0 # now\r\nP=\x0c.")
    it.turn()
    assert it.memory.standing.readiness.ready
    it.numbers.values[AWB.name] = 9

    it.turn()

    assert [end.how for end in it.memory.all(RollbackEnded)] == ["proved"]
    after = b"# Stra\xdfe\r\nDMS_VERSION=v1.2.0 # now\r\nP=\x0c."
    assert env_of(it).read_bytes() == after


def test_a_file_that_cannot_be_read_stops_no_turn(it):
    env_of(it).unlink()
    os.mkfifo(env_of(it))

    within(60, it.turn)

    assert lacks(it) == [".env is a pipe, meant a plain file"]
    assert it.memory.standing.running.pair.version == "v1.3.0"


def test_a_plan_of_an_earlier_build_takes_the_line_out_that_it_had_put_in(it):
    it.numbers.values[AWB.name] = 9
    it.turn()
    (begun,) = it.memory.all(RollbackStarted)
    plan = replace(begun.plan, variable_before="", pins_before={}, pins_after={})
    target = it.memory.record(plan.to_record)
    hands = it.transaction().hands
    back = Step(Do.PIN, "variable", to="")

    env_of(it).write_text("A=1\nDMS_VERSION=v1.2.0\n")
    assert not hands.is_done(plan, target, back)
    hands.do(plan, target, back)
    assert env_of(it).read_text() == "A=1\n"
    assert hands.is_done(plan, target, back)

    ahead = Step(Do.PIN, "variable", to="v1.2.0")
    assert not hands.is_done(plan, target, ahead)
    with pytest.raises(Problem, match="not set"):
        hands.do(plan, target, ahead)
