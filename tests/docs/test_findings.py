"""What surprised us in others' tools, as scripts: listed, and fit to be run."""

import os
import re
import subprocess
from pathlib import Path

FINDINGS = Path(__file__).parents[2] / "findings"
SCRIPTS = sorted(FINDINGS.glob("*.sh"))


def test_every_finding_has_its_line():
    listed = re.findall(r"^\| \[([\w-]+)\]\(([\w.-]+)\)", _readme(), re.MULTILINE)

    assert listed == [(script.stem, script.name) for script in SCRIPTS]


def test_every_finding_can_be_run():
    for script in SCRIPTS:
        read = subprocess.run(["bash", "-n", script], check=False, capture_output=True)

        assert read.returncode == 0, read.stderr
        assert os.access(script, os.X_OK), script


def test_every_finding_says_what_was_meant_and_what_was_seen():
    for script in SCRIPTS:
        head = script.read_text().partition("set -euo pipefail")[0]

        for word in ("Version", "Meant:", "Seen:", "Output on"):
            assert f"# {word}" in head, f"{script.name}: {word}"


def _readme():
    return (FINDINGS / "README.md").read_text()
