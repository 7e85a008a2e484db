"""What runs is what its container started with, not what its file holds now."""

import os
from datetime import timedelta

import pytest

from tests.worlds import HOUR, MINUTE, SECOND, World, a_pair, manifest_of
from watchdog.facts.event import PairProvedGood, PairStarted, PairUnclear
from watchdog.show.repair import picture, words


@pytest.fixture(params=[True, False], ids=["shared file", "versioned mount"])
def it(tmp_path, request):
    made = World(tmp_path, shared=request.param)
    for version in ("v1.2.0", "v1.3.0"):
        made.build(version)
    made.compose_up("v1.2.0")
    made.clock.at += 5 * HOUR
    return made


def file_of(it):
    return it.folder / it._at("v1.2.0")


def replaced(it, version="v1.3.0"):
    """Replace the manifest by a rename, as rsync, git and editors do."""
    file = file_of(it)
    new = file.with_name("new")
    new.write_text(manifest_of("meesho", version))
    new.rename(file)


def baked(it):
    for apart in (5 * SECOND, it.rules.settle, it.rules.bake_time, 5 * SECOND):
        it.turn(apart)
    return it.memory.all(PairProvedGood)


def in_place(it):
    file_of(it).write_text(manifest_of("meesho", "v1.3.0"))


@pytest.mark.parametrize("how", [replaced, in_place])
def test_a_manifest_that_was_replaced_before_the_first_look_is_not_what_runs(it, how):
    how(it)

    assert not baked(it)

    assert not it.memory.all(PairStarted)
    (said,) = it.memory.all(PairUnclear)
    assert "after dms-dms-1 had started" in said.words
    assert "docker compose up -d --force-recreate" in said.words


def test_it_is_known_again_once_the_container_is_made_anew(it):
    replaced(it)
    it.turn()
    it.compose_up("v1.2.0")
    assert baked(it)


def test_a_touch_of_what_was_seen_before_says_nothing(it):
    assert baked(it)

    replaced(it, "v1.2.0")  # the same bytes in another file
    os.utime(file_of(it))
    it.turn(5 * MINUTE)
    it.turn(5 * MINUTE)

    assert not it.memory.all(PairUnclear)
    assert it.memory.standing.running_pair.good


def test_it_is_known_to_a_watchdog_that_comes_back(it):
    assert baked(it)
    file_of(it).chmod(0o640)
    it.clock.at += timedelta(days=1)

    it.watch().turn(it.clock.at)

    assert not it.memory.all(PairUnclear)


def test_a_deployment_and_a_swap_while_nobody_looked_are_not_a_pair(it):
    assert baked(it)

    it.compose_up("v1.3.0")
    it.clock.at += HOUR
    file = it.folder / it._at("v1.3.0")
    new = file.with_name("new")
    new.write_text(manifest_of("meesho", "v1.2.0"))
    new.rename(file)
    it.turn(HOUR)

    assert "after dms-dms-1 had started" in it.memory.standing.unclear.words
    assert [event.pair for event in it.memory.all(PairStarted)] == [a_pair("v1.2.0")]


def test_repair_does_not_call_it_one_whole_pair(it):
    replaced(it, "v1.2.0")
    it.turn()
    eyes = it.eyes()
    parts = eyes.parts(it.tenants_of)
    shown = words(picture(it.memory.standing, parts, eyes.astray, it.rules))
    assert "not one whole pair" in shown.splitlines()[0]
