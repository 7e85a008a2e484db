"""The script that measures what years of history cost, on a few days of it."""

import re

import pytest

from bench.years import releases, write
from watchdog.decide.fold import stand
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory


def test_the_life_that_is_measured_is_one_that_could_be(folders):
    place = folders()
    write(place, 3_000)

    journal = Journal(place)
    memory = Memory(journal, lambda _: None)
    whole = stand(journal.stream())
    journal.close()

    assert memory.standing == whole
    assert [known.pair.version for known in whole.pairs.values()] == [
        "v1.0.0",
        "v1.1.0",
    ]
    assert whole.pairs[whole.running.pair.key].record == whole.running.record


@pytest.mark.parametrize("column", ["status", "kept", "descriptors"])
def test_releases_that_follow_each_other_take_no_more_and_no_more(
    folders, capsys, column
):
    releases(folders(), 440, each=24, apart=220)

    head, half, end = capsys.readouterr().out.splitlines()
    names = re.split(r"\s{2,}", head)
    at = next(number for number, name in enumerate(names) if name.startswith(column))
    before, after = (float(line.split()[at]) for line in (half, end))
    assert after < 1.05 * before
