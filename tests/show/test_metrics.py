"""The watchdog's own metrics: of what ended, of what is asked, and of which build."""

from tests.decide.test_drill import GREEN, drilled
from tests.decide.test_standing import begun, ended
from tests.worlds import AT, asked, breached, entries
from watchdog import __version__
from watchdog.decide.fold import stand
from watchdog.facts.event import QuestionClosed
from watchdog.show.metrics import Pulse, Standings, page


def shown(*events):
    s = stand(entries(*events))
    pulse = Pulse(turns=1, took=0.1, late=0, is_fresh=True)
    text = page(Standings(lambda: s, lambda: None, lambda: pulse, lambda: True))
    return dict(
        line.rsplit(" ", 1) for line in text.decode().splitlines() if line[0] != "#"
    )


def test_which_version_runs_is_shown():
    assert shown()[f'watchdog_build_info{{version="{__version__}"}}'] == "1.0"


def test_what_ended_is_counted_by_kind_and_outcome():
    found = shown(*GREEN, begun(), ended(), *drilled(), begun(), ended("put-back"))

    def count(kind, outcome):
        labels = f'{{kind="{kind}",outcome="{outcome}"}}'
        return found[f"watchdog_rollbacks_total{labels}"]

    assert count("rollback", "proved") == "1.0"
    assert count("rollback", "put-back") == "1.0"
    assert count("dry-drill", "rehearsed") == "1.0"


def test_a_counter_is_there_before_its_first_event():
    """An alert on its increase would not see one that begins at 1."""
    labels = '{kind="rollback",outcome="put-back"}'

    assert shown()[f"watchdog_rollbacks_total{labels}"] == "0.0"
    assert f"watchdog_rollback_last_seconds{labels}" not in shown()


def test_how_long_the_last_one_took_is_shown():
    found = shown(begun(), ended())

    labels = '{kind="rollback",outcome="proved"}'
    assert float(found[f"watchdog_rollback_last_seconds{labels}"]) == 1.0


def test_a_question_is_shown_while_it_is_open():
    found = shown(breached(), asked())

    assert found["watchdog_question_open"] == "1.0"
    since = float(found["watchdog_question_asked_timestamp_seconds"])
    assert since == AT.timestamp() + 1
    assert float(found["watchdog_question_expires_timestamp_seconds"]) > since
    closed = shown(breached(), asked(), QuestionClosed("apr_1", "expired", "over"))
    assert closed["watchdog_question_open"] == "0.0"
    assert "watchdog_question_asked_timestamp_seconds" not in closed
