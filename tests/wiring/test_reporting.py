"""A report is written when an incident is over, and the watch goes on without it."""

import pytest
import yaml

from tests.show.test_report import APPROVED
from tests.worlds import AT
from watchdog.config.settings_file import load
from watchdog.facts.event import IncidentClosed
from watchdog.record import reports
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory
from watchdog.wiring.reporting import Reporting


@pytest.fixture
def place(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "releases").mkdir()
    (tmp_path / "approvers.yaml").write_text("approvers: {}\n")
    whole = {
        "state": str(state),
        "stack": {"directory": str(tmp_path)},
        "prometheus": {"url": "http://127.0.0.1:9"},
    }
    (tmp_path / "watchdog.yaml").write_text(yaml.safe_dump(whole))
    settings = load(tmp_path / "watchdog.yaml", {})
    journal = Journal(state)
    it = Reporting(settings, journal)
    memory = Memory(journal, it.happened)
    yield it, memory, state / reports.NAME
    journal.close()


def test_one_that_is_over_is_written_in_both_forms(place):
    it, memory, folder = place
    memory.add(AT, *APPROVED[:-1])
    it.turn(AT)
    assert not folder.exists()

    memory.add(AT, APPROVED[-1])
    it.turn(AT)

    assert sorted(file.name for file in folder.iterdir()) == ["inc-1.html", "inc-1.md"]
    assert "proved (inc-1)" in (folder / "inc-1.md").read_text()
    assert (folder / "inc-1.html").stat().st_mode & 0o777 == 0o600


def test_one_that_cannot_be_kept_stops_nothing(place):
    it, memory, folder = place
    folder.write_text("no folder")
    memory.add(AT, *APPROVED)

    it.turn(AT)
    folder.unlink()
    memory.add(AT, IncidentClosed("inc-1", "again"))
    it.turn(AT)

    assert (folder / "inc-1.md").exists()


def test_only_the_newest_are_kept(tmp_path):
    for number in range(205):
        reports.keep(tmp_path, f"inc-{number}", {"md": "text"})

    assert len(list((tmp_path / reports.NAME).iterdir())) == 200


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "x" * 101])
def test_a_name_leads_nowhere_else(tmp_path, name):
    with pytest.raises(ValueError, match="no name for a report"):
        reports.keep(tmp_path, name, {"md": "text"})
