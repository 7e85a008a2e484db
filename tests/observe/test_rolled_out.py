"""What a service of a swarm is told, and since when it is."""

from copy import deepcopy
from datetime import UTC, datetime

from tests.act.manager import a_service
from watchdog.observe.told import began

BEFORE = "2026-03-11T02:00:00.000000000Z"
NOW = "2026-03-11T03:00:07.000000000Z"


def a_task(service, at, state="running", desired="running"):
    """Give a task as it was made from what *service* said."""
    made = deepcopy(service["Spec"]["TaskTemplate"]) | {"Runtime": "container"}
    status = {"State": state, "Timestamp": at}
    return {"Spec": made, "DesiredState": desired, "Status": status}


def test_what_is_rolled_out_began_with_its_own_first_task_and_with_none_of_before():

    old, new = a_service("api", "v1.2.0"), a_service("api", "v1.3.0")

    before = a_task(old, BEFORE)
    assert began(new, [before, a_task(new, NOW)]) == datetime(
        2026, 3, 11, 3, 0, 7, tzinfo=UTC
    )
    # Not one of the new runs yet: it was told at 3.
    told = datetime(2026, 3, 11, 3, tzinfo=UTC)
    assert began(new, [before, a_task(new, NOW, "preparing")]) == told
    assert began(old, [before]) == datetime(2026, 3, 11, 2, tzinfo=UTC)
