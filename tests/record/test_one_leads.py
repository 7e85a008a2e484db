"""Two watchdogs on one PostgreSQL: whole processes, as they are run."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing

import httpx
import pytest

from tests.abuse.door import PATH, QUESTION, Watched
from watchdog.facts.event import Answered, HoldPlaced
from watchdog.record.journal import Journal

pytestmark = pytest.mark.real
HERE = socket.gethostname()


class Node(Watched):
    """One of them."""

    def asks(self, path):
        return httpx.get(f"http://127.0.0.1:{self.private}{path}", timeout=60)

    def answers(self, body, headers):
        url = f"{self.url}{PATH}"
        return httpx.post(url, content=body, headers=headers, timeout=60)

    def says(self, *words):
        return subprocess.run(
            [sys.executable, "-m", "watchdog", *words],
            env=os.environ | {"WATCHDOG_CONFIG": str(self._config / "watchdog.yaml")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def leads(self):
        return self.asks("/healthz").json()["leads"]


@pytest.fixture
def nodes(tmp_path, cluster):
    """Give two, of which the first leads, a question being open; and their place."""
    place = cluster.server(tmp_path / "reader")
    database = {"url": cluster.url(), "schema_name": place.schema, "lease": "3s"}
    one, two = (Node(tmp_path / name) for name in ("one", "two"))
    for node in (one, two):
        node.settings(database=database)
    one.open_a_question(place=place)
    two.digest = one.digest
    for node in (one, two):
        node.start()
    yield one, two, place
    for node in (one, two):
        node.process.kill()
        node.process.wait(60)


def there(place, kind):
    with closing(Journal(place, read_only=True)) as journal:
        found = [entry.event for entry in journal.entries()]
    return [event for event in found if isinstance(event, kind)]


def test_what_is_said_at_any_node_counts_once_and_outlives_the_one_that_leads(
    nodes, until
):
    one, two, place = nodes
    assert (one.leads, two.leads) == (True, False)
    # Once it saw a turn of the leader's end: only then are the two of one mind.
    until(lambda: "watchdog_watching 1.0" in two.asks("/metrics").text)
    assert two.asks("/v1/status").json()["watching"]

    # Whoever follows answers, and says that it does.
    status = two.asks("/v1/status").json()
    assert status["leader"] == f"{HERE} (epoch 2)"  # the first made the journal
    assert status["leader_since"] == one.asks("/v1/status").json()["leader_since"]
    assert f"{HERE} (epoch 2) leads since" in two.asks("/").text
    assert "this watchdog follows, and does nothing" in two.asks("/").text
    metrics = two.asks("/metrics").text
    assert "watchdog_leading 0.0" in metrics
    assert "watchdog_turns_total 0.0" in metrics
    assert "watchdog_leading 1.0" in one.asks("/metrics").text
    assert f"leads          {HERE} (epoch 2) since" in two.says("status").stdout

    # The same answer, at the one, at the other, and again.
    said = two.promise()
    assert two.answers(*said).status_code == 202
    again = one.answers(*said)
    assert (again.status_code, again.json()["replayed"]) == (200, True)
    assert two.answers(*said).status_code == 200
    assert len(there(place, Answered)) == 1
    until(lambda: "number 1" in seen(one))

    # An order by hand, too.
    held = two.says("hold", "--by", "asha", "--reason", "later")
    assert held.returncode == 0, held.stderr
    assert len(there(place, HoldPlaced)) == 1
    until(lambda: "later" in one.asks("/v1/status").json()["hold"])

    # Whoever led is killed with an answer just taken: nobody is hung up on.
    said = two.promise()
    one.process.kill()
    assert two.answers(*said).status_code == 202
    until(lambda: two.leads)
    assert two.answers(*said).status_code == 200
    assert len(there(place, Answered)) == 2
    assert "later" in two.asks("/v1/status").json()["hold"]
    until(lambda: "watchdog_watching 1.0" in two.asks("/metrics").text)


def seen(node):
    return httpx.get(f"{node.url}/v1/approvals/{QUESTION}", timeout=60).text


def test_one_that_slept_while_another_took_over_does_nothing_when_it_wakes(
    nodes, until
):
    one, two, _ = nodes
    one.process.send_signal(signal.SIGSTOP)
    until(lambda: two.leads)
    one.process.send_signal(signal.SIGCONT)

    assert one.process.wait(90) == 70
    assert "leads no more" in one.log or "would write is refused" in one.log
    assert two.process.poll() is None
    two.stop()
