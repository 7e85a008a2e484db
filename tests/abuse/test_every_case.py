"""Every abuse case from A to I has a test that begins with its letter and number."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = {
    "a": range(1, 24),  # authentication
    "b": range(24, 35),  # time and replay
    "c": range(35, 51),  # authorisation, and what was said before
    "d": range(51, 60),  # what an answer binds
    "e": range(60, 71),  # parsing
    "f": range(71, 83),  # transport
    "g": range(83, 90),  # browsers and links
    "h": range(90, 96),  # Slack
    "i": range(96, 114),  # manifests
}
DOES_NOT_APPLY = {
    "c_039": "nobody answers what they began themselves: the watchdog begins every "
    "question, and what a person orders by hand is asked of nobody",
}
# A test's own name, or the name of a row of its table.
_CASE = re.compile(r"(?:^test_|\[)([a-i]_[0-9]{3})[_ ]")
_IN_SOURCE = re.compile(r"(?:def test_|[\"'])[a-i]_[0-9]{3}[_ ]")


def test_every_abuse_case_has_a_test_or_a_reason_why_it_has_none():
    files = [
        str(path)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if path != Path(__file__) and _IN_SOURCE.search(path.read_text())
    ]
    plain = ("-p", "no:cacheprovider", "-p", "no:xdist")
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", *plain, *files],
        cwd=ROOT,
        env=os.environ | {"PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stdout[-2000:] + listed.stderr[-2000:]
    names = [line.partition("::")[2] for line in listed.stdout.splitlines()]
    tested = {case for name in names for case in _CASE.findall(name)}
    every = {f"{letter}_{n:03}" for letter, ns in CASES.items() for n in ns}

    assert every - tested == set(DOES_NOT_APPLY)
    assert tested - every == set()
