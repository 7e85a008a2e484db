"""Places that several rooms' tests want."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import canary

# No test asserts a time: on a busy machine it would be the machine that fails.
settings.register_profile(
    "any-machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("any-machine")

MEMORY = Path("/dev/shm")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    """Fail what gave a secret away, in whatever it printed, logged, sent or showed."""
    report = yield
    for name, text in report.sections:
        if name.endswith(call.when):  # each report has those before it again
            canary.heard(name.lower(), text)
    found = canary.given_away()
    if found and report.outcome != "failed":
        report.outcome = "failed"
        report.longrepr = "\n".join(found)
    return report


@pytest.fixture
def folders():
    """Give new empty folders, in memory where there is such a place."""
    root = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    made = 0

    def folder():
        nonlocal made
        made += 1
        new = root / str(made)
        new.mkdir()
        return new

    yield folder
    shutil.rmtree(root)
