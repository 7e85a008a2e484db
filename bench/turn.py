"""What a turn costs to read and to judge, asked as one request and one by one.

    .venv/bin/python -m bench.turn [--turns 300]

Five triggers of the example release, a real Prometheus with two hours of their past;
turns of 5 s through the second one, both ways interleaved. CPU of this process alone,
all threads; a ratio in one run, since the machine's own speed is nobody's.
"""

import argparse
import math
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.backtest import fill, past
from tests.real import remote
from watchdog.config.release_file import load_release
from watchdog.judge.breach import judge
from watchdog.observe.prometheus import Prometheus

ROOT = Path(__file__).resolve().parents[1]
SCRAPE, POLL = timedelta(seconds=15), timedelta(seconds=5)
# One for each of three looks between two scrapes: until then nothing is kept.
FIRST = 3


def counted_of(far: Prometheus) -> list[object]:
    """Give a list that grows by one with each request."""
    questions: list[object] = []
    ask = far._server.asked  # noqa: SLF001

    def counting(question: Any) -> Any:
        questions.append(question)
        return ask(question)

    far._server.asked = counting  # type: ignore[method-assign]  # noqa: SLF001
    return questions


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--turns", type=int, default=300)
    turns: int = options.parse_args().turns
    triggers = load_release(ROOT / "config/releases/v1.3.0.yaml", SCRAPE).triggers
    until = datetime.fromtimestamp(time.time() // 60 * 60 - 60, UTC)
    begin = until - timedelta(days=1)
    with tempfile.TemporaryDirectory() as folder, remote.running(Path(folder)) as url:
        fill(url, past(begin.timestamp(), 1, 20260311))
        ways = {
            name: Prometheus(url, timedelta(seconds=5), SCRAPE, POLL)
            for name in ("one by one", "at once")
        }
        ways["one by one"]._at_once._rests_until = math.inf  # noqa: SLF001
        questions = {name: counted_of(far) for name, far in ways.items()}
        spent = dict.fromkeys(ways, 0.0)
        asked = dict.fromkeys(ways, 0)
        said: dict[str, list[str]] = {name: [] for name in ways}
        for number in range(turns + FIRST):
            at = until - timedelta(minutes=30) + number * POLL
            for name, far in ways.items():
                counted = len(questions[name])
                began = time.process_time()
                seen = far.read_all(triggers, at)
                for trigger in triggers:
                    verdict = judge(trigger, seen[trigger.name], begin)
                    said[name].append(verdict.words)
                if number >= FIRST:
                    spent[name] += time.process_time() - began
                    asked[name] += len(questions[name]) - counted
        for far in ways.values():
            with closing(far):
                pass
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
