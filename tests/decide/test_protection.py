"""What a deployment that waits at GitHub is told, and when."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decide.test_standing import begun, ended
from tests.notify.hub import REPOSITORY, SHA
from tests.worlds import (
    ASHA,
    AT,
    AWB,
    HEALTHY_THEN_NEXT,
    HTTP_5XX,
    MINUTE,
    SECOND,
    a_pair,
    a_release,
    breached,
    entries,
    proved_good,
    readiness,
    rules,
    started,
)
from watchdog.decide.deployment import followed
from watchdog.decide.fold import stand
from watchdog.decide.gate import gate
from watchdog.decide.protection import LONGEST, news, weigh
from watchdog.facts.event import (
    DeploymentAnswered,
    DeploymentAnswering,
    DeploymentDelayed,
    DeploymentLeft,
    DeploymentRequested,
    DeploymentWeighed,
    Entry,
    HoldPlaced,
    PairQuarantined,
    PromotionPaused,
    VerdictChanged,
)
from watchdog.facts.rules import Protected

SITE_2 = Protected(REPOSITORY, "site-2")
RULES = rules(protects=(SITE_2, Protected(REPOSITORY, "site-3", "dms-{release}")))
CLEAR = [VerdictChanged(t.name, "clear", "0") for t in (AWB, HTTP_5XX)]
MEASURED = (*HEALTHY_THEN_NEXT, *CLEAR, readiness("v1.3.0", "v1.2.0"))
PAUSE = PromotionPaused("v1.3.0", "9 of 40 failed")
QUARANTINE = PairQuarantined(a_pair("v1.3.0").key, "AWB: 9 of 40 failed")
LATER = AT + 10 * MINUTE


def requested(ref="v1.3.0", environment="site-2", **other):
    values = {
        "deployment": "dpl_1",
        "delivery": "delivery-1",
        "repository": REPOSITORY,
        "run": 42,
        "environment": environment,
        "ref": ref,
        "sha": SHA,
        "installation": 55,
    }
    return DeploymentRequested(**(values | other))


def told(*events, ask=None, release=None, of=RULES, looked=LATER):
    s = stand(entries(*events))
    file = a_release() if release is None else release
    return weigh(s, ask or requested(), file or None, of, looked=looked, at=LATER)


# What the gate says is what is told.


def test_a_measured_release_that_nothing_speaks_against_is_approved():
    assert told(*MEASURED) == (
        "approved",
        "v1.3.0 may go onward: every trigger was clear over its whole window",
    )


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (HEALTHY_THEN_NEXT, "has not been measured on this release yet"),
        ((*MEASURED, PAUSE), "9 of 40 failed"),
        ((*MEASURED, HoldPlaced(ASHA, "hold: a migration")), "hold: a migration"),
        ((started("v1.2.0"),), "does not run here, and was never proved good"),
        ((*MEASURED, breached(), PAUSE, QUARANTINE), "9 of 40 failed"),
        ((*MEASURED, breached(), PAUSE, QUARANTINE, begun()), "9 of 40 failed"),
        ((), "does not run here"),
    ],
    ids=[
        "not-measured",
        "paused",
        "on-hold",
        "never-here",
        "an-open-incident",
        "a-rollback-under-way",
        "nothing-runs",
    ],
)
def test_what_may_still_come_to_be_good_waits_with_the_reason(events, why):
    state, words = told(*events)

    assert state == "waiting"
    assert why in words


def test_a_release_that_was_rolled_back_here_is_rejected_with_the_root_cause():
    state, words = told(
        *MEASURED, breached(), PAUSE, QUARANTINE, begun(), ended(), started("v1.2.0")
    )

    assert state == "rejected"
    assert words == (
        f"v1.3.0 was rolled back here: {ended().root_cause} "
        "(to v1.2.0, 2026-03-11 03:00:10 UTC)"
    )


def test_a_good_release_that_a_person_rolled_back_is_rejected_too():
    by_hand = (*MEASURED, proved_good("v1.3.0"), begun(), ended(), started("v1.2.0"))

    assert told(*by_hand)[0] == "rejected"


def test_a_drill_is_no_rollback_of_a_release():
    drill = [replace(ended(), what="drill"), started("v1.2.0")]

    assert told(*MEASURED, proved_good("v1.3.0"), begun(), *drill)[0] == "approved"


def test_a_quarantined_release_that_does_not_run_any_more_is_rejected():
    state, words = told(*MEASURED, breached(), PAUSE, QUARANTINE, started("v1.2.0"))

    assert (state, words) == (
        *("rejected",),
        "v1.3.0 is quarantined: AWB: 9 of 40 failed",
    )


def test_a_rejected_release_that_is_deployed_again_waits():
    back = (begun(), ended(), started("v1.2.0"), started("v1.3.0", containers="again"))

    assert told(*MEASURED, PAUSE, QUARANTINE, *back)[0] == "waiting"


def test_without_a_release_file_nothing_is_approved():
    state, words = told(*MEASURED, release=False)

    assert (state, words) == ("waiting", "there is no release file for v1.3.0")
    default = a_release("")
    assert told(started("v1.2.0"), release=default)[0] == "waiting"


def test_that_nobody_has_looked_whether_it_could_be_rolled_back_keeps_it_waiting():
    state, words = told(*MEASURED, looked=None)

    assert state == "waiting"
    assert "nobody has looked yet" in words


def test_in_observe_mode_the_job_waits_and_is_told_what_it_would_be_told():
    state, words = told(*MEASURED, of=replace(RULES, observe_only=True))

    assert state == "waiting"
    assert words.startswith("mode is observe, nothing is answered; else approved: ")


# Which release it is.


@pytest.mark.parametrize(
    ("ref", "environment"),
    [("v1.3.0", "site-2"), ("refs/tags/v1.3.0", "SITE-2"), ("dms-v1.3.0", "site-3")],
)
def test_a_tag_names_the_release_by_the_settings_rule(ref, environment):
    assert told(*MEASURED, ask=requested(ref, environment))[0] == "approved"


@pytest.mark.parametrize(
    ("ref", "environment"),
    [
        ("v1.3.0", "site-4"),
        ("v1.3.0", "site-3"),
        ("refs/heads/v1.3.0", "site-2"),
        ("dms-", "site-3"),
        ("dms-../v1.3.0", "site-3"),
        ("dms-v1.3.0 ", "site-3"),
    ],
)
def test_what_no_rule_fits_waits_and_says_so(ref, environment):
    state, words = told(*MEASURED, ask=requested(ref, environment))

    assert state == "waiting"
    assert words.startswith("no rule of github.deployments says which release")


def test_another_commit_than_the_one_that_was_measured_waits():
    here = [
        started("v1.2.0"),
        proved_good("v1.2.0"),
        started(f"v1.3.0-{SHA[:7]}"),
        *CLEAR,
        readiness(f"v1.3.0-{SHA[:7]}", "v1.2.0"),
    ]
    other = requested(sha="0" * 40)

    assert told(*here)[0] == "approved"
    state, words = told(*here, ask=other)
    assert state == "waiting"
    assert words.startswith("v1.3.0 is commit 000000000000, and what was measured")


# What is said, and how often.


def one(*events):
    known = {}
    for entry in entries(*events):
        known = followed(known, entry)
    return known["dpl_1"]


def test_a_change_is_said_once():
    fresh = one(requested())
    first = news(fresh, "v1.3.0", "waiting", "not yet", AT)
    assert first == DeploymentWeighed("dpl_1", "waiting", "not yet", "v1.3.0")
    seen = one(requested(), first)

    assert news(seen, "v1.3.0", "waiting", "not yet", LATER + MINUTE) is None
    opened = news(seen, "v1.3.0", "approved", "all fine", AT + 2 * SECOND)
    assert opened.state == "approved"


def test_numbers_that_grow_are_no_change_and_reasons_come_ten_minutes_apart():
    seen = one(requested(), DeploymentWeighed("dpl_1", "waiting", "looked 95 s ago"))

    assert news(seen, "v", "waiting", "looked 120 s ago", AT + 60 * MINUTE) is None
    assert news(seen, "v", "waiting", "blind", AT + 9 * MINUTE) is None
    assert news(seen, "v", "waiting", "blind", AT + 11 * MINUTE) is not None


def test_eight_reports_of_one_deployment_are_enough():
    weighed = [
        DeploymentWeighed("dpl_1", "waiting", f"reason {'x' * n}") for n in range(8)
    ]
    seen = one(requested(), *weighed)

    assert seen.due == "waiting"
    assert news(seen, "v", "waiting", "another", AT + timedelta(days=1)) is None
    more = one(requested(), *weighed, DeploymentWeighed("dpl_1", "waiting", "ninth"))
    assert more.due == ""


def test_a_report_of_what_was_weighed_before_leaves_the_newest_to_be_said():
    old = DeploymentWeighed("dpl_1", "waiting", "old")
    new = DeploymentWeighed("dpl_1", "waiting", "new")
    seen = one(requested(), old, new, DeploymentAnswered("dpl_1", "waiting", "old"))

    assert seen.due == "waiting"
    done = DeploymentAnswered("dpl_1", "waiting", "new")
    assert followed({"dpl_1": seen}, Entry(9, AT, done))["dpl_1"].due == ""


def test_after_thirty_days_it_is_left_and_said():
    seen = one(requested(), DeploymentWeighed("dpl_1", "waiting", "not yet"))

    left = news(seen, "v1.3.0", "approved", "all fine", AT + LONGEST)
    assert isinstance(left, DeploymentLeft)
    assert left.words == "GitHub's 30 days are over: waiting: not yet"


BOUND = (
    requested(),
    DeploymentWeighed("dpl_1", "approved", "fine"),
    DeploymentAnswering("dpl_1", "approved", "fine"),
)


def test_a_verdict_that_may_have_been_taken_is_never_followed_by_another():
    bound = one(*BOUND)

    assert news(bound, "v1.3.0", "waiting", "paused", LATER) is None
    left = news(bound, "v1.3.0", "rejected", "rolled back", LATER)
    assert isinstance(left, DeploymentLeft)
    assert "look at the run" in left.hint
    over = followed({"dpl_1": bound}, Entry(9, LATER, left))["dpl_1"]
    assert (over.due, over.lost) == ("", True)


def test_what_is_over_stays_over():
    done = one(*BOUND, DeploymentAnswered("dpl_1", "approved", "fine"))

    assert (done.over, done.lost, done.due) == ("approved", False, "")
    assert news(done, "v", "rejected", "rolled back", AT + LONGEST) is None


def test_what_github_never_takes_and_what_it_takes_late_are_seen():
    late = one(*BOUND, DeploymentDelayed("dpl_1", "GitHub answered 503"))
    assert late.words == (
        "approved, and GitHub has not said that it took it (GitHub answered 503)"
    )
    dead = one(*BOUND, DeploymentAnswered("dpl_1", "approved", "fine", "answered 422"))
    assert (dead.words, dead.lost) == ("approved was refused: answered 422", True)


def test_all_open_ones_are_kept_and_the_last_of_the_others():
    known = {}
    for n in range(200):
        name = f"dpl_{n}"
        events = [requested(deployment=name)]
        if n % 2:
            events.append(DeploymentLeft(name, "over"))
        for event in events:
            known = followed(known, Entry(n + 1, AT, event))

    assert sum(1 for one in known.values() if not one.over) == 100
    assert 50 <= len(known) - 100 <= 51


# What holds whatever happens.

HAPPENS = st.lists(
    st.sampled_from(
        [
            *CLEAR,
            VerdictChanged(AWB.name, "blind", "gone", "unreachable"),
            PAUSE,
            QUARANTINE,
            breached(),
            begun(),
            ended(),
            ended(how="put-back"),
            started("v1.2.0"),
            started("v1.3.0"),
            started("v1.3.0", containers="again"),
            proved_good("v1.3.0"),
            readiness("v1.3.0", "v1.2.0"),
            HoldPlaced(ASHA, "hold"),
        ]
    ),
    max_size=12,
)


@given(HAPPENS)
def test_an_approval_is_only_ever_what_an_open_gate_says(events):
    s = stand(entries(*HEALTHY_THEN_NEXT, *events))
    state, _ = weigh(s, requested(), a_release(), RULES, looked=LATER, at=LATER)
    said = gate(s, "v1.3.0", a_release(), RULES, looked=LATER, at=LATER)

    if state == "approved":
        assert said.state == "open"
        assert said.over == ""
