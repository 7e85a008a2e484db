"""The rules and the dashboard ask for metrics that there are, and the rules hold."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
HERE = CHECKOUT / "examples/monitoring"
METRIC = re.compile(r"\bwatchdog_[a-z_]+")


def known():
    page = (CHECKOUT / "docs/reference/metrics.md").read_text()
    return {name for row in page.splitlines() for name in re.findall(METRIC, row)}


def asked_for(text):
    return set(METRIC.findall(text))


def test_every_metric_of_the_rules_is_in_the_catalogue():
    rules = yaml.safe_load((HERE / "watchdog.rules.yml").read_text())
    exprs = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]

    assert exprs
    assert asked_for(" ".join(exprs)) <= known()


def test_every_rule_says_what_to_do():
    rules = yaml.safe_load((HERE / "watchdog.rules.yml").read_text())

    for rule in rules["groups"][0]["rules"]:
        assert set(rule["annotations"]) == {"summary", "what_to_do"}
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_every_metric_of_the_dashboard_is_in_the_catalogue():
    board = json.loads((HERE / "dashboard.json").read_text())
    exprs = [t["expr"] for panel in board["panels"] for t in panel["targets"]]

    assert asked_for(" ".join(exprs)) <= known()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_rules_hold_their_own_tests():
    if shutil.which("promtool") is None:
        pytest.skip("no `promtool` here")
    for what in ("check rules watchdog.rules", "test rules watchdog.rules.test"):
        done = subprocess.run(
            ["promtool", *f"{what}.yml".split()],
            cwd=HERE,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
