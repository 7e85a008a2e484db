"""Sick containers, by the engine's word, and what is never held against a release."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.worlds import AT, HOUR, MINUTE, SECOND, a_trigger
from watchdog.facts.container import Container, Containers, End, Health, Probe
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trigger import Baseline, Missing, Sick, Sickness
from watchdog.facts.verdict import Breached, Clear, Pending
from watchdog.judge.breach import judge
from watchdog.judge.sick import tried, was_sick

ALL = tuple(Sickness)
LONG_AGO = AT - 5 * HOUR


def rule(*of, for_=2 * MINUTE, **other):
    return a_trigger("DmsSick", kind=Sick(of or ALL), window=for_, **other)


def box(state="running", *, name="dms-1", **other):
    values = {"service": "dms", "id": name, "started": LONG_AGO} | other
    return Container(name=name, state=state, **values)


def ended(*ago, by="", code=3, oom=False):
    return tuple(End(AT - s * SECOND, code, by, oom) for s in ago)


def checked(streak, *, failed=None, every=10, newest=0, word="unhealthy", retries=3):
    """Make a check of which *streak* probes failed; the last five are kept."""
    failed = min(5, streak) if failed is None else failed
    ends = [AT - (newest + every * back) * SECOND for back in reversed(range(5))]
    probes = [
        Probe(end - SECOND, end, failed=place >= 5 - failed)
        for place, end in enumerate(ends)
    ]
    return Health(
        word, streak, retries, tuple(probes), timedelta(seconds=every), 2 * SECOND
    )


def verdict(trigger, *seen, before=(), armed_from=LONG_AGO):
    return judge(trigger, Containers(AT, seen, before), armed_from)


def test_a_container_that_exited_by_itself_for_the_time_is_a_breach():
    said = verdict(rule(), box("exited", ends=ended(121)), box(name="dms-2"))

    assert said == Breached(
        "1 of 2 containers: dms-1 exited with 3 at 02:57:59 UTC by itself, for 2m1s",
        value=121.0,
        bound=120.0,
    )
    assert said.onset == AT - 121 * SECOND


def test_what_exited_a_moment_ago_is_suspected():
    said = verdict(rule(), box("exited", ends=ended(60)))

    assert said == Pending(
        "suspected: 1 of 1 containers: dms-1 exited with 3 at 02:59:00 UTC by itself, "
        "for 1m of 2m"
    )


def test_what_somebody_stopped_is_nobodys_doing_and_is_not_well():
    by = "somebody sent it signal 15 at 02:50:00 UTC"

    said = verdict(rule(), box("exited", ends=ended(600, by=by, code=1)))

    assert isinstance(said, Blind)
    assert by in said.words


def test_what_may_have_been_stopped_is_never_a_breach():
    said = verdict(rule(), box("exited", ends=ended(900, by=None, code=1)))

    assert isinstance(said, Pending)
    assert "whether somebody stopped it is not known" in said.words


def test_what_restarts_again_and_again_is_a_breach_while_the_engine_waits():
    loop = box("restarting", ends=ended(150, 120, 60), restarts=3)

    assert isinstance(verdict(rule(), loop), Breached)
    assert isinstance(verdict(rule(Sickness.RESTARTING), loop), Breached)
    assert not isinstance(verdict(rule(Sickness.EXITED), loop), Breached)


def test_what_crashed_at_its_start_until_its_database_was_there_is_well():
    """Three ends within a minute, and up for almost two since."""
    up = box(ends=ended(170, 160, 115), restarts=3, started=AT - 114 * SECOND)

    assert not isinstance(verdict(rule(), up), Breached)
    later = replace(up, ends=ended(190, 180, 135), started=AT - 134 * SECOND)
    assert isinstance(verdict(rule(), later), Clear)


def test_ends_that_are_far_apart_are_no_loop():
    seen = box("restarting", ends=ended(1800, 900, 1), restarts=3)

    assert isinstance(verdict(rule(), seen), Pending)


def test_restarts_by_hand_are_no_loop():
    """The engine's count is set back by each."""
    seen = box(ends=ended(150, 100, 1), restarts=1, started=AT)

    assert not isinstance(verdict(rule(), seen), Breached)


def test_of_replicas_that_end_one_after_another_none_is_sick_for_long():
    seen = [box("exited", name=f"dms-{n}", ends=ended(30 * n)) for n in (1, 2, 3)]

    assert isinstance(verdict(rule(), *seen), Pending)


def test_unhealthy_is_counted_from_the_probe_that_made_it_so():
    # 15 failed, 10 s apart, and the third of them made it unhealthy 120 s ago.
    said = verdict(rule(), box(health=checked(15)))

    assert isinstance(said, Breached)
    assert said.onset == AT - 120 * SECOND
    assert isinstance(verdict(rule(), box(health=checked(14))), Pending)


def test_a_check_that_takes_its_time_is_counted_from_when_it_was_seen():
    """By the count alone, and the least time of each, it would be half as long."""
    health = replace(checked(8), since=AT - 150 * SECOND)

    said = verdict(rule(), box(health=health))

    assert isinstance(said, Breached)
    assert said.onset == AT - 150 * SECOND
    assert isinstance(verdict(rule(), box(health=checked(8))), Pending)


def test_a_paused_container_is_not_sick():
    paused = checked(0, failed=0)

    said = verdict(rule(), box("paused", health=paused))

    assert isinstance(said, Blind)
    assert "dms-1 is paused" in said.words
    # Until its first probe after it, the engine still calls it unhealthy.
    assert isinstance(verdict(rule(), box(health=paused)), Blind)


@pytest.mark.parametrize("newest", [60, 3600])
def test_a_check_that_is_not_run_any_more_proves_nothing(newest):
    said = verdict(rule(), box(health=checked(100, newest=newest)))

    assert isinstance(said, Blind)
    assert said.cause is Cause.STALE


def test_a_hole_between_two_probes_begins_the_time_anew():
    health = checked(40)
    *old, one, two = health.probes
    old = [Probe(p.begin - HOUR, p.end - HOUR, failed=True) for p in old]
    holed = replace(health, probes=(*old, one, two))

    assert isinstance(verdict(rule(), box(health=holed)), Pending)


def test_out_of_memory_is_the_engines_own_word():
    seen = box("exited", ends=ended(130, code=137, oom=True))

    assert isinstance(verdict(rule(Sickness.OOM), seen), Breached)
    killed = box("exited", ends=ended(130, code=137))
    assert not isinstance(verdict(rule(Sickness.OOM), killed), Breached)


def test_only_what_is_past_settle_is_charged():
    seen = box("restarting", ends=ended(300, 200, 100), restarts=3)

    young = verdict(rule(), seen, armed_from=AT - 60 * SECOND)

    assert isinstance(young, Pending)
    assert "for 1m of 2m" in young.words


def test_what_was_sick_before_is_not_this_releases_doing():
    before = was_sick([box("restarting", ends=ended(60, 30, 5), restarts=9)], AT)

    said = verdict(rule(), box("exited", ends=ended(130)), before=before)

    assert isinstance(said, Breached)
    assert said.elsewhere == (
        "dms was sick before it started: restarting again and again"
    )


def test_that_a_deployment_stopped_it_does_not_make_it_well():
    stop = End(AT - SECOND, 143, "somebody sent it signal 15 at 02:59:58 UTC")
    loop = box("exited", ends=(*ended(90, 60, 30), stop), restarts=9)
    health = box("exited", ends=(stop,), health=checked(9))

    assert was_sick([loop], AT) == ("dms: restarting again and again",)
    assert was_sick([health], AT) == ("dms: unhealthy",)
    assert was_sick([box("exited", ends=(stop,))], AT) == ()


def test_another_services_sickness_charges_nobody_and_excuses_nobody():
    sick = box("exited", ends=ended(130))

    assert verdict(rule(), sick, before=("web: unhealthy",)).elsewhere == ""


def test_where_nobody_looked_before_nobody_is_charged():
    sick = box("exited", ends=ended(130))
    ignoring = rule(baseline=Baseline(missing=Missing.IGNORE))

    assert "nobody looked" in verdict(rule(), sick, before=None).elsewhere
    assert verdict(ignoring, sick, before=None).elsewhere == ""


def test_all_that_run_and_answer_their_checks_are_well():
    fine = checked(0, failed=0, word="healthy")

    assert verdict(rule(), box(health=fine), box(name="dms-2")) == Clear(
        "2 containers run, 1 healthy by its check"
    )


def test_what_its_words_cannot_see_is_not_called_well():
    said = verdict(rule(Sickness.UNHEALTHY), box("exited", ends=ended(10)))

    assert isinstance(said, Blind)


def test_a_rule_that_can_never_be_true_is_a_fault():
    trial = tried(rule(), Sick((Sickness.UNHEALTHY,)), Containers(AT, (box(),)))

    assert [fault.words for fault in trial.faults] == [
        "dms-1 has no health check: it is never unhealthy"
    ]


def test_events_that_nobody_may_read_are_a_doubt():
    seen = box(untold="the engine refused to tell what happened: 403")

    trial = tried(rule(), Sick((Sickness.EXITED,)), Containers(AT, (seen,)))

    assert trial.is_proven
    assert "who stopped a container is not known" in trial.doubts[0].words


def test_one_whose_probes_stopped_is_not_called_well():
    """Podman without its timers, or an engine whose probe hangs."""
    asked, forgotten = (
        checked(0, failed=0, word="healthy", newest=seconds) for seconds in (44, 45)
    )

    assert isinstance(verdict(rule(), box(health=asked)), Clear)
    said = verdict(rule(), box(health=forgotten))
    assert (said.cause, said.words) == (
        Cause.STALE,
        "dms-1 is healthy as of 02:59:15 UTC, and no probe was run since",
    )
