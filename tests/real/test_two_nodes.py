"""Two watchdogs on one PostgreSQL, one stack: whoever is left ends what was begun."""

import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.real.test_loop import _compose_changes_nothing, _pairs
from tests.record.postgresql import Cluster
from watchdog.facts.event import RollbackEnded, RollbackStarted, StepDone, WatchStarted
from watchdog.record.journal import Journal

pytestmark = pytest.mark.real


@pytest.fixture
def cluster():
    made = Cluster()
    yield made
    made.remove()


def node(it, cluster, schema, name):
    """Start a watchdog of *it* with a state of its own; give its private door, too."""
    state = it.folder / f"state-{name}"
    ports = [it.decisions, it.private] if name == "a" else [0, 0]
    listen = [f"127.0.0.1:{str(port).rpartition(':')[2]}" for port in ports]
    it.settings(
        state=str(state),
        database={"url": cluster.url(), "schema_name": schema, "lease": "2s"},
        listen=dict(zip(("decisions", "private"), listen, strict=True)),
    )
    return it.watch(), state


def test_a_rollback_that_its_leader_began_is_ended_by_the_one_that_followed(
    stage, cluster
):
    it = stage()
    place = cluster.server(Path(it.folder) / "reader")
    it.compose("up", "-d", "--no-build", "--wait")
    with it.scanning():
        first, _ = node(it, cluster, place.schema, "a")
        it.until("decide.pair_known_good", 120)
        _, state = node(it, cluster, place.schema, "b")
        it.deploy("v1.3.0")
        started = it.until("act.rollback_started", 120)
        first.kill()
        audit = it.until("record.rollback_audited", 120, how="proved")
        it.until("verify.recovery_seen", 120)
        report = state / f"reports/{started['incident']}.md"
        end = time.monotonic() + 90
        while not report.exists():
            assert time.monotonic() < end, list(state.rglob("*"))
            time.sleep(0.2)

    assert httpx.get(f"{it.dms}/version", timeout=60).json()["version"] == "v1.2.0"
    assert _pairs(it) == ["v1.2.0", "v1.3.0", "v1.2.0"]
    _compose_changes_nothing(it)
    assert (audit["previous"], audit["target"]) == ("v1.3.0", "v1.2.0")
    with closing(Journal(place, read_only=True)) as journal:
        entries = journal.entries()
    kinds = Counter(type(entry.event) for entry in entries)
    assert (kinds[RollbackStarted], kinds[RollbackEnded]) == (1, 1)
    done = Counter(e.event.step for e in entries if isinstance(e.event, StepDone))
    assert set(done.values()) == {1}
    assert kinds[WatchStarted] == 2
    # What the first had seen is in the report of the one that ended it.
    assert "AwbRoutingFailures" in report.read_text()
    assert (state / f"samples/{started['incident']}.json").exists()
