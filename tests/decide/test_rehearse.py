from dataclasses import replace
from datetime import timedelta

import pytest

from tests.judge.samples import AT, awb, http_5xx
from tests.worlds import rules
from watchdog.decide.rehearse import rehearse
from watchdog.facts.trigger import Action, Release
from watchdog.facts.verdict import Breached

AT_ONCE = awb(action=Action.ROLLBACK)
BREACH = Breached("9 of 40 were bad", 0.22, 0.01)
V130 = Release("v1.3.0", "dms:v1.3.0", {}, (AT_ONCE,), ("asha",), "asha")

ASKED = "would have paused promotion and asked asha: back to the last known-good pair?"
ONE_WAY = (
    "would have paused promotion and paged: v1.3.0 says rollback_safe: false "
    "(a one-way change): only a person may roll it back"
)


@pytest.mark.parametrize(
    ("trigger", "release", "said"),
    [
        (AT_ONCE, V130, "would have rolled back to the last known-good pair at once"),
        (
            AT_ONCE,
            replace(V130, rollback_to="v1.2.0"),
            "would have rolled back to v1.2.0 at once",
        ),
        (
            http_5xx(),
            V130,
            ASKED,
        ),
        (
            AT_ONCE,
            replace(V130, version=""),
            ASKED,
        ),
        (
            AT_ONCE,
            replace(V130, rollback_safe=False),
            ONE_WAY,
        ),
        (
            awb(action=Action.ROLLBACK, observe_only=True),
            V130,
            "would have been reported only (mode: observe)",
        ),
    ],
)
def test_a_breach_of_the_past_is_decided_by_the_policy_of_today(trigger, release, said):
    assert rehearse(release, trigger, BREACH, rules(), AT) == said


def test_a_breach_that_is_not_the_release_s_pages_and_says_why():
    breach = replace(BREACH, elsewhere="over before it started")

    said = rehearse(V130, AT_ONCE, breach, rules(), AT)

    assert said.startswith(
        "would have paused promotion and paged: not this release: over before it "
    )


def test_a_daily_limit_of_none_asks():
    said = rehearse(V130, AT_ONCE, BREACH, rules(daily_limit=0), AT - timedelta(days=9))

    assert said.startswith("would have paused promotion and asked asha")
