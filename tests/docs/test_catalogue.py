"""The docs name what there is, and nothing else."""

import re
from pathlib import Path

import pytest

from watchdog.record.log import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "log-events.md"


def rows():
    """Give the table's rows: name to level."""
    row = re.compile(r"\| `(?P<name>[a-z_.]+)` \| (?P<level>[^|]+) \|")
    return {
        m["name"]: m["level"]
        for m in map(row.match, PAGE.read_text().splitlines())
        if m
    }


def test_every_log_event_has_a_row_and_every_row_an_event():
    assert sorted(rows()) == sorted(name for _, name in NAMES.values())


@pytest.mark.parametrize(("level", "name"), sorted(NAMES.values()))
def test_the_row_says_the_level(level, name):
    assert rows()[name].startswith(level)
