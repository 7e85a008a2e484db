"""Which gap to expect: measured from the stop of the old to the new being ready."""

from dataclasses import replace

import pytest

from tests.decide.test_standing import begun, ended
from tests.worlds import AT, SECOND, entries
from watchdog.decide.fold import stand
from watchdog.decide.gap import words_of
from watchdog.facts.event import StepDone, StepFailed, StepIntended, WentBack
from watchdog.facts.plan import Do, Step, Which

OLD, NEW = Which.OLD, Which.NEW
PROVE = Step(Do.PROVE, "v1.2.0", NEW)


def walked(*steps, end=None, of=None):
    """Give where we stand after *steps*, each begun and done a second apart."""
    events = [of or begun()]
    for step in steps:
        events += [StepIntended("op", step, 1), StepDone("op", step, "so")]
    return stand(entries(*events, end or ended(), every=SECOND))


def stop(service):
    return Step(Do.STOP, service, OLD)


def serves(service):
    return Step(Do.AWAIT, service, NEW)


def test_without_a_rollback_it_is_not_measured():
    assert "not measured yet" in words_of(stand(()).gap)
    assert walked(Step(Do.CREATE, "dms"), PROVE).gap is None


def test_it_is_from_the_stop_of_the_old_to_the_new_being_ready():
    start = Step(Do.START, "dms", NEW)
    gap = walked(Step(Do.CREATE, "dms"), stop("dms"), start, PROVE).gap

    assert gap.seconds == 5  # the stop, the start and the proof; not the preparation
    assert "a gap of about 5.0 s" in words_of(gap)
    assert "the last rollback that was proved (v1.3.0 to v1.2.0" in words_of(gap)


def test_of_several_services_the_one_that_was_away_longest_counts():
    steps = (stop("dms"), serves("dms"), stop("web"), Step(Do.START, "web"), PROVE)

    assert walked(*steps).gap.seconds == 5


def test_one_that_is_stopped_once_the_new_one_serves_has_no_gap_of_its_own():
    assert walked(serves("dms"), stop("dms"), PROVE).gap.seconds == 3


def test_compose_and_git_have_one_too():
    assert walked(Step(Do.UP, "dms=1", NEW), PROVE).gap.seconds == 3
    assert (
        walked(stop("git"), Step(Do.CHECK_OUT, "v1.2.0", NEW), PROVE).gap.seconds == 5
    )


def test_a_step_that_is_tried_again_counts_from_its_first_try():
    steps = [StepIntended("op", stop("dms"), n) for n in (1, 2, 3)]
    rest = (StepDone("op", stop("dms"), ""), StepDone("op", PROVE, ""), ended())

    assert stand(entries(begun(), *steps, *rest)).gap.seconds == 4


@pytest.mark.parametrize("how", ["put-back", "unchanged", "overtaken"])
def test_what_did_not_put_the_target_up_leaves_the_measured_one(how):
    good = (begun(), StepIntended("op", stop("dms"), 1), StepDone("op", PROVE, ""))
    failed = (
        begun(),
        StepIntended("op", stop("dms"), 1),
        StepFailed("op", stop("dms"), "no"),
        WentBack("op", "no"),
    )
    s = stand(entries(*good, ended(), *failed, ended(how)))

    assert s.gap.seconds == 1
    assert s.gap.at < AT + 5 * SECOND


def test_a_real_drill_measures_it_and_a_dry_one_does_not():
    real = replace(ended(), what="drill")
    dry = replace(ended("rehearsed"), what="dry-drill")

    assert "the last drill" in words_of(walked(stop("dms"), PROVE, end=real).gap)
    assert walked(stop("dms"), PROVE, end=dry).gap is None
