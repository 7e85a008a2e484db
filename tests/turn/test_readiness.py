"""Could it be rolled back right now? Asked of a world in which things get lost."""

import json
from dataclasses import replace

import pytest

from tests.worlds import (
    ASHA,
    AWB,
    BELA,
    HTTP_5XX,
    MINUTE,
    REPOSITORY,
    SECOND,
    World,
    a_pair,
    a_release,
    a_roster,
)
from watchdog.decide.onward import promotion
from watchdog.decide.ready import answer
from watchdog.facts.event import (
    FarEndLost,
    PairProvedGood,
    ReadinessChanged,
    RollbackEnded,
    RollbackRefused,
    RollbackStarted,
)
from watchdog.facts.lack import Lack
from watchdog.facts.problem import EngineRefused
from watchdog.facts.roster import Approver
from watchdog.observe.holding import Holding
from watchdog.verify.proof import Answer

EVERY = 30 * SECOND


@pytest.fixture
def world(folders):
    """v1.2.0 was baked, v1.3.0 runs and is clear."""

    def world(**chosen):
        made = World(folders(), **chosen)
        made.bake("v1.2.0")
        made.compose_up("v1.3.0")
        made.turn()
        made.turn(MINUTE)
        return made

    return world


def could(it, after=0 * SECOND):
    release = it.filed().for_version("v1.3.0")
    looked = it.memory.last_turn().looked
    return answer(it.memory.standing, release, looked, it.rules, it.clock.now() + after)


def lacks(it):
    """Look again; give what is missing."""
    it.turn(EVERY)
    return [lack.words for lack in could(it).lacks]


def again(it):
    """Record v1.2.0 as it is by now."""
    seen = it.eyes().running(it.tenants_of)
    record = it.memory.keep(*it.eyes().record(seen, {}))
    good = PairProvedGood(a_pair("v1.2.0").key, "good", record=record)
    it.memory.add(it.clock.now(), good)


def gate(it):
    s, at = it.memory.standing, it.clock.now()
    version = s.running.pair.version
    return promotion(s, version, it.filed().for_version(version), it.rules, at)


def test_with_all_at_hand_it_could_be_rolled_back(world):
    it = world()

    assert could(it).ready
    assert could(it).target == "v1.2.0"
    assert could(it).words == (
        "could roll back to v1.2.0 now: yes "
        "(since 2026-03-11 03:30:40 UTC, looked 0 s ago)"
    )
    assert gate(it) == ()


def test_looking_changes_nothing(world):
    it = world()
    it.docker.calls.clear()

    it.turn(EVERY)

    assert it.docker.calls == []


def test_it_is_said_once_when_it_changes_and_a_pause_lifts_when_it_is_green_again(
    world,
):
    it = world()
    begun = len(it.memory.all(ReadinessChanged))
    tag = it.docker.tags.pop(f"{REPOSITORY}:v1.2.0")
    for _ in range(3):
        it.turn(EVERY)

    (red,) = it.memory.all(ReadinessChanged)[begun:]
    assert not red.ready
    assert (red.target, red.key) == ("v1.2.0", a_pair("v1.2.0").key)
    assert gate(it) == (f"it could not be rolled back: {red.words}",)

    it.docker.tags[f"{REPOSITORY}:v1.2.0"] = tag
    it.turn(EVERY)
    assert it.memory.all(ReadinessChanged)[begun + 1].ready
    assert gate(it) == ()


def test_an_image_that_is_here_under_another_name_is_enough(world):
    it = world()
    image = it.docker.tags.pop(f"{REPOSITORY}:v1.2.0")
    it.docker.tags["elsewhere:kept"] = image

    assert lacks(it) == []


def test_a_manifest_is_held_against_the_ledger(world):
    it = world()
    kept = it.folder / "manifests/meesho.v1.2.0.manifest.json"
    kept.write_text("another")
    (words,) = lacks(it)
    assert words.startswith("manifests/meesho.v1.2.0.manifest.json is ")

    kept.unlink()
    assert lacks(it) == [], "what is gone is put back out of the ledger"


def test_a_source_of_a_mount_a_network_a_volume_and_a_name_must_be_there(folders):
    it = World(folders())
    it.bake("v1.2.0")
    (box,) = it.docker.boxes.values()
    cache = it.folder / "cache"
    cache.mkdir()
    box["HostConfig"]["Binds"] += [f"{cache}:/cache", "spool:/spool", "/etc/x:/x"]
    again(it)
    it.compose_up("v1.3.0")
    assert lacks(it) == []

    cache.rmdir()
    it.docker.gone |= {"spool", "dms_back"}
    assert lacks(it) == [
        "cache, which dms mounts, is not in the stack's folder",
        "volume spool of dms is gone",
        "network dms_back of dms is gone",
    ]


def test_a_name_that_another_container_took_is_said(world):
    it = world()
    (ours,) = it.docker.boxes.values()
    it.docker.rename(ours["Id"], "dms-dms-2")
    body = {"Image": f"{REPOSITORY}:v1.3.0", "Labels": {}, "HostConfig": {"Binds": []}}
    it.docker.create("dms-dms-1", body, {})

    (words,) = lacks(it)

    assert words.startswith("the name dms-dms-1 is taken by another container")


def test_a_port_or_an_address_that_another_container_has_is_said(folders):
    it = World(folders())
    it.networks["dms_back"] = {"IPAMConfig": {"IPv4Address": "10.9.0.5"}}
    it.bake("v1.2.0")
    (box,) = it.docker.boxes.values()
    box["HostConfig"]["PortBindings"] = {"5269/tcp": [{"HostPort": "5269"}]}
    again(it)
    it.compose_up("v1.3.0")
    assert lacks(it) == []

    body = {"Image": f"{REPOSITORY}:v1.3.0", "Labels": {}, "HostConfig": {"Binds": []}}
    other = it.docker.create("other", body, {})
    it.docker.ports[other] = [{"PublicPort": 5269, "Type": "tcp"}]
    taken = {other: {"Name": "other", "IPv4Address": "10.9.0.5/24"}}
    it.docker.addresses["dms_back"] = taken
    assert lacks(it) == [
        "10.9.0.5 on dms_back, which dms needs, is the address of other",
        "port 5269/tcp of dms is taken by other",
    ]


def test_a_container_that_the_target_joins_must_be_there(folders):
    it = World(folders())
    it.bake("v1.2.0")
    (box,) = it.docker.boxes.values()
    box["HostConfig"]["PidMode"] = "container:0123456789abcdef"
    again(it)
    it.compose_up("v1.3.0")

    assert lacks(it) == ["container 0123456789ab, which dms joins, is gone"]


def test_what_cannot_be_replayed_is_said_while_it_lasts(world):
    it = world()
    (box,) = it.docker.boxes.values()
    box["HostConfig"]["AutoRemove"] = True
    assert "AutoRemove" in "".join(lacks(it))
    assert "AutoRemove" in "".join(gate(it))

    box["HostConfig"]["AutoRemove"] = False
    assert lacks(it) == []
    assert gate(it) == ()


def test_podmans_engine_is_worth_knowing_and_keeps_nothing_from_being_ready(world):
    it = world()
    it.docker.is_podman = "5.8.6"

    (words,) = lacks(it)

    assert words.startswith("the engine is Podman 5.8.6, where health checks run by")
    assert could(it).ready
    assert "to know: the engine is Podman" in it.memory.standing.readiness.words


def test_a_folder_without_space_is_said(world):
    it = world()
    it.short.append(Lack("less than 32 MiB are free in /stack", "free some"))

    assert lacks(it) == ["less than 32 MiB are free in /stack"]


def test_who_could_not_be_asked_is_said_before_there_is_a_question(world):
    it = world()

    it.roster = a_roster(ASHA)
    bela = f"{BELA} cannot answer: no key in the roster counts"
    assert lacks(it) == [bela]
    assert could(it).ready

    keys = it.roster.approvers[ASHA].keys
    revoked = tuple(replace(key, revoked=True) for key in keys)
    it.roster = a_roster(BELA, **{ASHA: Approver(ASHA, revoked)})
    assert lacks(it) == [f"{ASHA} cannot answer: no key in the roster counts"]

    it.roster = a_roster("carl@flexli.example")
    nobody = f"1 of {ASHA}, {BELA} must agree, and only 0 have a key that counts"
    assert lacks(it) == [f"{nobody}: nobody can be asked"]
    assert not could(it).ready


def test_that_nobody_listed_agreed_to_what_begins_by_itself_is_said(world):
    it = world()
    it.releases["v1.3.0"] = a_release(unlisted=(ASHA,))
    words = f"{ASHA}, who agreed to rollbacks by themselves, is not in the roster"
    assert lacks(it) == [f"{words}: people are asked in their place"]

    it.releases["v1.3.0"] = a_release(unlisted=(ASHA,), triggers=(HTTP_5XX,))
    assert lacks(it) == []


def test_a_first_install_is_told_what_makes_a_target_of_it(folders):
    it = World(folders())
    it.compose_up("v1.2.0")
    it.turn()

    (lack,) = could(it).lacks
    assert lack.words == "no target: a known-good pair never ran here before v1.2.0"
    assert "once it ran bake_time measured and clear" in lack.hint
    assert "`watchdog releases vouch v1.2.0`" in lack.hint
    assert f"it could not be rolled back: {lack.words}" in gate(it)

    it.turn(it.rules.settle)
    it.turn(it.rules.bake_time)
    assert not could(it).ready, "there is still nothing to go back to"
    assert gate(it) == (), "and that speaks against no pair that proved itself"


def test_an_older_candidate_can_be_vouched_for(folders):
    it = World(folders())
    it.compose_up("v1.2.0")
    it.turn()
    it.compose_up("v1.3.0")
    it.turn()
    (lack,) = could(it).lacks
    assert lack.hint.endswith("`watchdog releases vouch v1.2.0`")

    it.memory.add(it.clock.now(), PairProvedGood(a_pair().key, "asha", "asha"))
    it.turn()
    assert could(it).ready, "another target is looked at in the next turn"


def test_a_release_that_runs_after_its_watch_is_looked_at_too(world):
    it = world()
    it.docker.tags.pop(f"{REPOSITORY}:v1.2.0")

    assert "no longer armed" in it.turn(2000 * MINUTE)
    assert not could(it).ready


# The age of a look.


def test_it_is_looked_every_so_often_and_not_in_each_turn(world):
    it = world()
    looked = it.memory.last_turn().looked

    it.turn(5 * SECOND)
    assert it.memory.last_turn().looked == looked
    it.turn(25 * SECOND)
    assert it.memory.last_turn().looked == it.clock.now()


def test_an_old_look_is_never_a_yes(world):
    it = world()

    assert could(it, 3 * EVERY).ready
    old = could(it, 3 * EVERY + SECOND)
    assert old.ready is None
    assert "not known (last looked 91 s ago, at 2026-03-11" in old.words
    back = could(it, -MINUTE)
    assert back.ready is None, "the clock went back: nothing is known of the age"


def test_an_engine_that_is_away_gives_no_answer_and_the_last_one_ages(world):
    it = world()
    it.docker.down = True
    for _ in range(4):
        it.turn(EVERY)

    assert it.memory.all(FarEndLost)
    assert could(it).ready is None
    assert could(it).lacks == ()


def test_an_engine_that_goes_away_while_looking_gives_no_answer(world):
    it = world()
    looked, readiness = it.memory.last_turn().looked, it.readiness(it.eyes())
    seen = it.eyes().running(it.tenants_of)
    it.docker.down = True

    at = it.clock.now() + EVERY
    assert readiness.look(seen, it.releases["v1.3.0"], looked, at) == looked


def test_a_record_that_the_ledger_lost_is_said_and_stops_nothing(world):
    it = world()
    for known in it.memory.standing.pairs.values():
        del it.memory.records[known.record]

    (words,) = lacks(it)

    assert words.startswith("no record ")


def test_another_pair_is_not_ready_by_what_was_seen_of_the_last_one(world):
    it = world()
    yes = could(it)
    it.compose_up("v1.3.1")
    it.numbers.values[AWB.name] = 0

    assert yes.ready
    it.turn()
    assert it.memory.last_turn().looked == it.clock.now()


# At rollback time.


def test_what_was_ready_a_moment_ago_is_looked_at_again_before_it_begins(world):
    it = world()
    assert could(it).ready
    it.docker.gone.add("dms_back")
    it.docker.calls.clear()
    it.numbers.values[AWB.name] = 9

    it.turn()

    (refused,) = it.memory.all(RollbackRefused)
    assert refused.words.startswith("v1.2.0 cannot be put back now: network dms_back")
    assert it.memory.all(RollbackStarted) == []
    assert it.docker.calls == []


def test_an_image_that_can_be_pulled_keeps_no_rollback_from_beginning(world):
    it = world()
    it.docker.tags.pop(f"{REPOSITORY}:v1.2.0")
    assert lacks(it)
    it.numbers.values[AWB.name] = 9

    it.turn()

    (ended,) = it.memory.all(RollbackEnded)
    assert ended.how == "proved"


def test_a_version_without_any_release_file_is_looked_at(folders):
    it = World(folders())
    it.releases = {"v1.2.0": a_release("v1.2.0")}
    it.compose_up("v9")
    it.turn()

    assert json.loads(json.dumps(could(it).words)).startswith("could roll back now: no")


# What proves a pair must hold for what runs now.


def held(it):
    """Let the watchdog of *it* ask the stack what would prove it."""
    it.holds = Holding(
        lambda seen: {"the stack": lambda: it.docker.answers(seen.pair.version)},
        it.rules.prove_within,
    )
    return it


def test_a_stack_that_does_not_answer_cannot_be_rolled_back_and_closes_the_gate(world):
    it = held(world())
    it.turn(EVERY)
    assert could(it).ready

    it.docker.answers = lambda _meant="", *_: (Answer(False, "health says 503"),)
    for _ in range(3):
        it.turn(EVERY)

    (lack,) = could(it).lacks
    assert lack.words.startswith(
        "what proves a pair does not hold for what runs now: health says 503; "
        "it last held at "
    )
    assert gate(it) == (f"it could not be rolled back: {lack.words}",)
    assert len(it.memory.all(ReadinessChanged)) == len(
        {one.words for one in it.memory.all(ReadinessChanged)}
    )


def test_a_hiccup_is_looked_at_again_with_the_next_turn_and_told_nobody(world):
    it = held(world())
    it.turn(EVERY)
    before = len(it.memory.all(ReadinessChanged))

    fine, it.docker.answers = it.docker.answers, lambda *_: (Answer(False, "503"),)
    it.turn(EVERY)
    it.docker.answers = fine
    it.turn()
    it.turn()

    assert could(it).ready
    assert len(it.memory.all(ReadinessChanged)) == before


def test_what_does_not_answer_does_not_keep_a_bad_release_from_being_rolled_back(
    world,
):
    it = held(world())
    it.docker.answers = lambda _meant="", *_: (Answer(_meant == "v1.2.0", "health"),)
    for _ in range(3):
        it.turn(EVERY)
    assert not could(it).ready

    it.numbers.values[AWB.name] = 9
    it.turn()

    (ended,) = it.memory.all(RollbackEnded)
    assert (ended.how, ended.target) == ("proved", "v1.2.0")


@pytest.mark.parametrize("asked", ["obstacles", "lacks", "astray"])
def test_a_look_that_breaks_is_said_and_keeps_nobody_from_acting(world, asked):
    it = world()
    made = it.eyes

    def breaks(*_):
        raise KeyError("Labels")

    def eyes():
        broken = made()
        setattr(broken, asked, breaks)
        return broken

    it.eyes = eyes
    said = it.turn(EVERY)

    assert said.startswith("watching v1.3.0")
    words = "it cannot be looked at: KeyError: 'Labels'"
    assert [lack.words for lack in could(it).lacks] == [words]
    assert not could(it).ready


def test_a_look_that_the_engine_refuses_is_said_in_its_words(world):
    it = world()

    class Refuses:
        is_unsure = True

        def lacks(self, seen, at):
            raise EngineRefused("no such container", "look there")

    it.holds = Refuses()
    it.turn(EVERY)

    assert [lack.words for lack in could(it).lacks] == ["no such container"]
