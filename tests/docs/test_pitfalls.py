"""The table of pitfalls names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/fidelity.md").read_text()


def test_each_pitfall_has_its_row():
    assert re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE) == [
        str(number) for number in range(1, 29)
    ]


def test_every_test_that_is_named_exists():
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }

    assert named - defined == set()
