"""A real daemon has no more files open after many turns than after a few."""

import contextlib
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

# In short, in one process: bench/years.py by tests/record, of descriptors.
pytestmark = [pytest.mark.real, pytest.mark.campaign]

# Turns, after which each thread that asks Prometheus has its own connection.
SETTLED, MORE = 40, 60


def turns(it):
    page = httpx.get(f"{it.private}/metrics", timeout=60).text
    (line,) = (one for one in page.splitlines() if one.startswith("watchdog_turns_t"))
    return int(float(line.split()[1]))


def until(it, count):
    """Wait for so many turns; a busy machine may take its time for each."""
    end = time.monotonic() + 60 + 20 * count
    while turns(it) < count:
        assert time.monotonic() < end, it.printed()[-5:]
        time.sleep(0.2)


def opened(pid):
    """Count what is open, by kind: sockets, pipes and files by their path."""
    kinds = Counter()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            kinds[str(one.readlink()).partition(":[")[0]] += 1
    return kinds


def fewest(pid):
    """Count between turns: what a turn has open for a moment is no leak."""
    looks = []
    for _ in range(20):
        looks.append(opened(pid))
        time.sleep(0.1)
    return min(looks, key=Counter.total)


def test_a_daemon_has_no_more_open_after_many_turns(stage):
    it = stage()
    it.compose("up", "-d", "--no-build", "--wait")
    with it.scanning():
        process = it.watch()
        it.until("decide.pair_known_good", 240)
        # All that happens by itself from now on are turns, and looks at the door.
        until(it, turns(it) + SETTLED)
        before = fewest(process.pid)
        until(it, turns(it) + MORE)
        after = fewest(process.pid)

    grown = after - before
    assert grown.total() <= 2, grown
