"""A drill by the clock, on a real engine: once, while all is green; a failure tells."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import yaml

from tests.real.test_by_hand import versions, watchdog
from watchdog.facts.event import RollbackEnded
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory

pytestmark = [pytest.mark.real, pytest.mark.campaign]

UP = {
    "alert": "DmsDown",
    "value": 'count(up{job="dms"} == 1) or vector(0)',
    "below": 1,
    "for": "10s",
    "action": "pause-and-alert",
}


@pytest.fixture
def due(stage):
    """v1.2.0 is good, v1.3.1 runs, and the last drill was two hours ago."""

    def due(smoke=""):
        it = stage()
        more = {"drill": "every 1h, 00:00-23:59, real", "readiness_every": "5s"}
        it.settings(**more)
        if smoke:
            path = it.config / "watchdog.yaml"
            stack_ = yaml.safe_load(path.read_text())["stack"]
            checks = [{"http": f"{it.dms}/version", "contains": smoke}]
            it.settings(**more, prove_within="10s", stack=stack_ | {"smoke": checks})
        for version in ("v1.2.0", "v1.3.1"):
            it.file(version, triggers=[UP])
        then = datetime.now(UTC) - timedelta(hours=2)
        with closing(Journal(it.state)) as journal:
            before = ("op-before", "", "rehearsed", then, "v1.1.0", "v1.0.0")
            ended = RollbackEnded(*before, "a drill", "ops", "so", what="dry-drill")
            Memory(journal, lambda _: None).add(then, ended)
        it.compose("up", "-d", "--no-build", "--wait")
        it.watch()
        it.until("decide.pair_known_good", 120, count=1)
        it.deploy("v1.3.1")
        return it

    return due


def test_one_that_is_due_is_done_by_itself_once_and_its_gap_is_measured(due):
    it = due()

    audit = it.until("record.rollback_audited", 240)
    assert (audit["what"], audit["how"]) == ("drill", "proved")
    ordered = it.until("approve.order_given")
    assert (ordered["by"], ordered["reason"]) == (
        "the schedule",
        "a real drill was due",
    )
    assert versions(it)[-1] == ("v1.2.0", "v1.2.0")
    page = httpx.get(f"{it.private}/", timeout=60).text
    assert "in the last drill that was proved (v1.3.1 to v1.2.0" in page
    status = json.loads(watchdog(it, "status", "--json").stdout)
    assert "proved after" in status["last_drill"]["words"]
    story = [line["event"] for line in it.story()]
    assert story.count("act.rollback_started") == 1


def test_one_that_failed_is_a_lack_until_one_goes_well(due):
    it = due(smoke="v1.3.1")  # which the target does not say

    audit = it.until("record.rollback_audited", 300)
    assert (audit["what"], audit["how"]) == ("drill", "put-back")
    assert versions(it)[-1] == ("v1.3.1", "v1.3.1")
    lost = it.until("decide.readiness_changed", 120, ready=False, target="v1.2.0")
    assert any("the last drill ended: put-back" in one for one in lost["lacks"])
