"""What a turn asks the swarm does not grow with what is on it."""

from tests.act.many import many
from watchdog.facts.event import PairStarted

TURNS = 3


def asked(folder, count, nodes):
    """Give what a turn asks, once all is known that is asked once."""
    with many(folder, count, nodes, readiness_every="1h") as (manager, watch):
        for _ in range(TURNS):
            watch.schedule.turn()
        started = watch.journal.entries()
        assert [e for e in started if isinstance(e.event, PairStarted)], started
        manager.calls.clear()
        for _ in range(TURNS):
            watch.schedule.turn()
        return {what: calls / TURNS for what, calls in manager.calls.items()}


def test_a_turn_on_a_hundred_services_asks_what_one_on_three_does(tmp_path):
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    few = asked(tmp_path / "few", 3, 1)
    many_ = asked(tmp_path / "many", 100, 20)

    assert many_ == few
    assert many_["GET tasks"] == 1
    assert many_["GET services"] == 1
