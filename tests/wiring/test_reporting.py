"""A report is written when an incident is over, and its samples stay with it."""

from dataclasses import replace
from decimal import Decimal

import pytest
import yaml

from tests.show.test_report import APPROVED
from tests.show.test_review import drawn
from tests.worlds import AT, AWB, MINUTE, SECOND, breached
from watchdog.config.settings_file import load
from watchdog.facts.event import IncidentClosed
from watchdog.facts.past import Sampled
from watchdog.facts.trigger import Latency, Queue, RatioQuery, Value
from watchdog.record import reports, samples
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory
from watchdog.wiring.reporting import Reporting, written
from watchdog.wiring.sampling import Sampling


class Far:
    """A Prometheus far away, which says *says*."""

    says = staticmethod(drawn)

    def __call__(self, *what):
        return self.says(*what)


@pytest.fixture
def far():
    return Far()


@pytest.fixture
def place(tmp_path, far):
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
    it = Reporting(settings, journal, Sampling(settings, far, keeps=True))
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


# Samples that are kept with an incident.


SINCE = AT - 30 * MINUTE


def a_release(folder, **other):
    trigger = {
        "alert": AWB.name,
        "ratio": {"errors": "bad_total", "total": "all_total"},
        "above": "1%",
        "window": "5m",
        "action": "pause-and-alert",
    }
    whole = {
        "release": "v1.3.0",
        "image": "dms:v1.3.0",
        "manifests": {"meesho": "meesho.v1.3.0.manifest.json"},
        "dri": ["asha@flexli.example"],
        "triggers": [trigger | other],
    }
    (folder / "releases/v1.3.0.yaml").write_text(yaml.safe_dump(whole))


@pytest.fixture
def sampling(tmp_path, place, far):
    (tmp_path / "approvers.yaml").write_text(
        "approvers: {asha@flexli.example: {keys: "
        "[whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=]}}\n"
    )
    a_release(tmp_path)
    it, *_ = place
    return Sampling(it._settings, far, keeps=True)


@pytest.mark.usefixtures("sampling")
def test_the_samples_stay_once_prometheus_and_the_release_file_are_gone(
    far, place, tmp_path
):
    it, memory, _ = place
    memory.add(AT, breached())
    it.turn(AT + 5 * SECOND)
    there = samples.kept(tmp_path / "state", "inc-1")
    assert list(there) == [AWB.name]

    far.says = lambda *_: "connection refused"
    (tmp_path / "releases/v1.3.0.yaml").unlink()
    memory.add(AT, *APPROVED[-1:])
    it.turn(AT + MINUTE)
    text = (tmp_path / "state/reports/inc-1.html").read_text()
    assert 'class="band"' in text
    assert samples.kept(tmp_path / "state", "inc-1") == there


@pytest.mark.usefixtures("sampling")
def test_what_is_away_is_asked_again_until_the_incident_is_over(far, place):
    it, memory, _ = place
    far.says = lambda *_: "connection refused"
    memory.add(AT, breached())
    it.turn(AT)
    far.says = drawn
    it.turn(AT + 30 * SECOND)

    assert samples.kept(it._settings.state, "inc-1")


def test_a_prometheus_that_forgets_takes_nothing_along(sampling, far, place):
    it, *_ = place
    first = sampling.of(breached(), SINCE, AT)

    def later(trigger, since, until):
        track = drawn(trigger, since, until)
        return replace(track, bands=track.bands[5:])

    far.says = later
    assert sampling.of(breached(), SINCE, AT) == first
    assert samples.kept(it._settings.state, "inc-1") == {AWB.name: first}


def test_a_command_asks_only_where_it_may_and_keeps_nothing(
    sampling, far, place, tmp_path
):
    it, memory, _ = place
    memory.add(AT, *APPROVED)
    look = Sampling(it._settings, far)
    written(it._journal, look, "", name="dms")
    assert not (tmp_path / "state" / samples.NAME).exists()

    sampling.of(breached(), SINCE, AT)
    far.says = None
    silent = Sampling(it._settings, far, asks=False)
    paper = written(it._journal, silent, "", name="dms")
    assert "highest" in next(p.words for p in paper.parts if hasattr(p, "figure"))


def test_samples_of_every_kind_come_back_as_they_were(tmp_path):
    odd = replace(AWB, name="x" * 60)
    for trigger in (AWB, odd, replace(AWB, above=float("1e-9"))):
        track = replace(drawn(trigger, SINCE, AT), queries=("sum(x)", "\u202e`"))
        one = Sampled(SINCE, AT, track)
        samples.keep(tmp_path, "inc-1", trigger.name, one)
        assert samples.kept(tmp_path, "inc-1")[trigger.name] == one
    size = Latency("h", Decimal(1024), 0.95, "bytes")
    speed = Latency("h", 5 * SECOND, 0.95)
    for kind in (size, speed, Queue("a", "b", "c"), Value("up"), RatioQuery("a", "b")):
        one = Sampled(SINCE, AT, drawn(replace(AWB, kind=kind), SINCE, AT))
        samples.keep(tmp_path, "inc-1", AWB.name, one)
        assert samples.kept(tmp_path, "inc-1")[AWB.name] == one


def test_samples_have_bounds(tmp_path):
    one = Sampled(SINCE, AT, drawn(AWB, SINCE, AT))
    for number in range(20):
        samples.keep(tmp_path, "inc-1", f"t{number}", one)
    assert list(samples.kept(tmp_path, "inc-1")) == [f"t{n}" for n in range(4, 20)]
    huge = replace(one.track, queries=("x" * 600_000,))
    with pytest.raises(ValueError, match="too many samples of inc-1"):
        samples.keep(tmp_path, "inc-1", "t", replace(one, track=huge))
    for number in range(205):
        samples.keep(tmp_path, f"inc-{number}", "t", one)
    assert len(list((tmp_path / samples.NAME).iterdir())) == 200


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".x"])
def test_samples_are_read_from_nowhere_else(tmp_path, name):
    (tmp_path / "x.json").write_text("{}")

    assert samples.kept(tmp_path, name) == {}
    with pytest.raises(ValueError, match="no name for samples"):
        samples.keep(tmp_path, name, "t", Sampled(SINCE, AT, drawn(AWB, SINCE, AT)))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"t": {"since": 1}}', "\0"])
def test_samples_that_cannot_be_read_are_none(tmp_path, text):
    (tmp_path / samples.NAME).mkdir()
    (tmp_path / samples.NAME / "inc-1.json").write_text(text)

    assert samples.kept(tmp_path, "inc-1") == {}
