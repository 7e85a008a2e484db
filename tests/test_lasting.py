"""What has no health check must last before it counts as proved."""

import pytest

from tests.worlds import a_pair
from watchdog.facts.pair import Running
from watchdog.verify.proof import Proven, prove

PAIR = a_pair("v1.2.0")


@pytest.mark.parametrize(
    ("health", "watched"),
    [((), False), (("healthy",), False), (("healthy", "healthy"), True)],
)
def test_a_container_without_a_health_check_is_not_proved_by_one_look(health, watched):
    seen = Running(PAIR, ("one", "two"), None, ("running", "running"))

    outcome = prove(PAIR, seen, health, ())

    assert isinstance(outcome, Proven)
    assert outcome.watched is watched
