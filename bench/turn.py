"""What a turn costs to read and to judge, asked as one request and one by one.

    .venv/bin/python -m bench.turn [--turns 300]

Five triggers of the example release, a real Prometheus with a day of their past;
turns of 5 s through the second one, both ways interleaved. CPU of this process alone,
all threads; a ratio in one run, since the machine's own speed is nobody's.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from bench.backtest import fill, past
from tests.real import remote
from watchdog.config.release_file import load_release
from watchdog.facts.reading import Reading
from watchdog.facts.trigger import Trigger
from watchdog.judge.breach import judge
from watchdog.observe.prometheus import Prometheus

ROOT = Path(__file__).resolve().parents[1]
SCRAPE, POLL = timedelta(seconds=15), timedelta(seconds=5)
# One for each of three looks between two scrapes: until then nothing is kept.
FIRST = 3


def questions(url: str) -> int:
    """Give how many queries the server itself has counted."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    counted = re.findall(
        r'^prometheus_http_requests_total{.*handler="/api/v1/query.*} (\S+)$',
        text,
        re.MULTILINE,
    )
    return int(sum(map(float, counted)))


def one_by_one(
    far: Prometheus, triggers: Sequence[Trigger], at: datetime
) -> dict[str, Reading]:
    """Read a turn's triggers, each for itself."""
    return {trigger.name: far.read(trigger, at) for trigger in triggers}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--turns", type=int, default=300)
    turns: int = options.parse_args().turns
    triggers = load_release(ROOT / "config/releases/v1.3.0.yaml", SCRAPE).triggers
    until = datetime.fromtimestamp(time.time() // 60 * 60 - 60, UTC)
    begin = until - timedelta(days=1)
    with tempfile.TemporaryDirectory() as folder, remote.running(Path(folder)) as url:
        fill(url, past(begin.timestamp(), 1, 20260311))
        ways = {"one by one": one_by_one, "at once": Prometheus.read_all}
        fars = {
            name: Prometheus(url, timedelta(seconds=5), SCRAPE, POLL) for name in ways
        }
        spent = dict.fromkeys(ways, 0.0)
        asked = dict.fromkeys(ways, 0)
        said: dict[str, list[str]] = {name: [] for name in ways}
        for number in range(turns + FIRST):
            at = until - timedelta(minutes=30) + number * POLL
            for name, read in ways.items():
                counted = questions(url)
                began = time.process_time()
                seen = read(fars[name], triggers, at)
                for trigger in triggers:
                    verdict = judge(trigger, seen[trigger.name], begin)
                    said[name].append(verdict.words)
                took = time.process_time() - began
                if number >= FIRST:
                    spent[name] += took
                    asked[name] += questions(url) - counted
        for far in fars.values():
            far.close()
    if said["one by one"] != said["at once"]:
        raise SystemExit("they differ in what they say")
    for name in ways:
        print(
            f"{name}: {1000 * spent[name] / turns:.1f} ms of CPU and "
            f"{asked[name] / turns:.1f} requests a turn, {len(triggers)} triggers"
        )
    print(f"ratio {spent['at once'] / spent['one by one']:.2f}, {turns} turns each")


if __name__ == "__main__":
    main()
