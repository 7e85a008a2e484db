"""`watchdog uninstall`, where it must not."""

from contextlib import closing

from tests.commands.test_main import Box
from tests.decide.test_standing import begun
from watchdog.record.journal import Journal


def test_nothing_is_taken_away_while_a_watchdog_runs(tmp_path):
    box = Box(tmp_path)
    with closing(Journal(box.state)):
        assert "another watchdog holds" in box.refuses("uninstall", "--yes")


def test_nothing_is_taken_away_in_the_middle_of_a_rollback(tmp_path):
    box = Box(tmp_path)
    box.journal(begun())

    said = box.refuses("uninstall", "--yes")

    assert said.startswith("a rollback is under way, and needs what it holds")


def test_an_engine_that_does_not_answer_is_said(tmp_path):
    box = Box(tmp_path)
    Journal(box.state).close()
    nobody = {"url": "tcp://127.0.0.1:9"}
    said = box.refuses("uninstall", "--yes", engine=nobody)
    # The operating system's word, and not the retries of a library that made none.
    assert "did not answer to list containers: connection refused\n" in said


def test_where_there_never_was_a_state_folder_none_is_made(tmp_path):
    box = Box(tmp_path)
    assert "there is no state folder" in box.refuses("uninstall")
    assert not box.state.exists()
