"""30 days of four triggers, backtested against a real Prometheus filled for it.

    .venv/bin/python bench/backtest.py [--days 30] [--step block]

Prints the time of the backtest, of the plain range queries alone, and their ratio.
"""

import argparse
import random
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.real import remote
from watchdog.config.notation import duration
from watchdog.config.release_file import load_release
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release
from watchdog.observe.history import Past
from watchdog.show.backtest import page, words

ROOT = Path(__file__).resolve().parents[1]
SCRAPE = timedelta(seconds=15)
POLL = timedelta(seconds=5)
JOB = {"job": "dms"}
EVERY = timedelta(seconds=1)


def incidents(days: int) -> list[tuple[float, float, str, float]]:
    """Give (start, end, what, share) in seconds since the beginning."""
    day = 86_400.0
    shift = days / 30 * day
    return [
        (6 * shift, 6 * shift + 1200, "errors", 0.12),
        (9 * shift, 9 * shift + 180, "errors", 0.40),
        (13 * shift, 13 * shift + 900, "awb", 0.05),
        (17 * shift, 17 * shift + 2400, "slow", 0.30),
        (22 * shift, 22 * shift + 2700, "drain", 1.0),
        (25 * shift, 25 * shift + 1500, "gone", 1.0),
    ]


def past(begin: float, days: int, seed: int) -> dict[str, list[tuple[float, float]]]:
    """Invent what a dispatch system exported: resets every three days, incidents."""
    chance = random.Random(seed)
    plan = incidents(days)
    names = ("total", "errors", "fast", "every", "scans", "awb", "depth", "in", "out")
    kept: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    now = dict.fromkeys(names, 0.0)
    for tick in range(days * 86_400 // 15):
        after = tick * 15.0
        shares = {
            what: share for start, end, what, share in plan if start <= after < end
        }
        if tick % (3 * 5760) == 0:
            now |= dict.fromkeys(("total", "errors", "fast", "every", "scans"), 0.0)
            now |= {"awb": 0.0, "in": 0.0, "out": 0.0}
        requests = 150 + chance.randrange(60)
        scans = 40 + chance.randrange(30)
        now["total"] += requests
        now["errors"] += round(requests * shares.get("errors", 0)) or (
            chance.random() < 0.2
        )
        now["every"] += scans
        slow = round(scans * shares.get("slow", 0)) or (chance.random() < 0.5)
        now["fast"] += scans - slow
        now["scans"] += scans
        now["awb"] += round(scans * shares.get("awb", 0)) or (chance.random() < 0.02)
        now["in"] += scans
        if "drain" in shares:
            now["depth"] += scans
        else:
            now["out"] += scans + now["depth"]
            now["depth"] = 0.0
        if "gone" in shares:
            continue
        for name in names:
            kept[name].append((begin + after, now[name]))
    return kept


def fill(url: str, kept: dict[str, list[tuple[float, float]]]) -> int:
    """Write it, and tell how many samples that were."""
    metrics = {
        "total": ("http_requests_total", JOB | {"code": "200"}),
        "errors": ("http_requests_total", JOB | {"code": "500"}),
        "fast": (
            "http_request_duration_seconds_bucket",
            JOB | {"handler": "/scan", "le": "0.5"},
        ),
        "every": (
            "http_request_duration_seconds_bucket",
            JOB | {"handler": "/scan", "le": "+Inf"},
        ),
        "scans": ("dms_scans_total", JOB),
        "awb": ("dms_awb_routing_failures_total", JOB),
        "depth": ("dms_outbox_pending", JOB),
        "in": ("dms_outbox_enqueued_total", JOB),
        "out": ("dms_outbox_published_total", JOB),
        "up": ("up", JOB),
    }
    kept |= {"up": [(at, 1.0) for at, _ in kept["total"]]}
    count = 0
    # In slices of a day, all series side by side: the head takes no older samples.
    length = max(map(len, kept.values()))
    for start in range(0, length, 5760):
        part = [
            (*metrics[name], samples[start : start + 5760])
            for name, samples in kept.items()
        ]
        count += sum(len(samples) for _, _, samples in part)
        remote.write(url, part)
    return count


class Plain(Past):
    """Asks the same range queries and does nothing with the answers."""

    def ask_all(
        self, release: Release, since: datetime, until: datetime, step: timedelta | None
    ) -> None:
        """Ask for every point of every trigger."""
        for trigger in release.triggers:
            grid = self.grid(trigger, since, until, step or trigger.block)
            for _ in self.points(trigger, grid):
                pass


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--days", type=int, default=30)
    options.add_argument("--step", default="block")
    options.add_argument("--seed", type=int, default=20260311)
    options.add_argument("--all", action="store_true", help="DmsDown, too")
    options.add_argument("--html", type=Path)
    options.add_argument("--words", action="store_true")
    given = options.parse_args()
    print(f"seed {given.seed}")
    until = datetime.fromtimestamp(time.time() // 60 * 60 - 60, UTC)
    since = until - timedelta(days=given.days)
    release = load_release(ROOT / "config/releases/v1.3.0.yaml", SCRAPE)
    if not given.all:
        release = replace(release, triggers=release.triggers[:4])
    step = None if given.step == "block" else duration(given.step)
    rules = Rules(
        "bench", ("dms",), "DMS_VERSION", "ops", *[timedelta(minutes=30)] * 3,
        None, EVERY, EVERY, 3,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, remote.running(Path(folder)) as url:
        began = time.perf_counter()
        count = fill(url, past(since.timestamp(), given.days, given.seed))
        print(f"filled {count:,} samples in {time.perf_counter() - began:.1f} s")
        for attempt in ("cold", "warm"):
            with closing(Plain(url, SCRAPE, POLL)) as plain:
                began = time.perf_counter()
                plain.ask_all(release, since, until, step)
                asked = time.perf_counter() - began
            with closing(Past(url, SCRAPE, POLL)) as there:
                began, cpu = time.perf_counter(), time.process_time()
                done = there.backtest(release, since, until, step=step)
                took = time.perf_counter() - began
                own = time.process_time() - cpu
            judged = sum(track.judged for track in done.tracks)
            print(
                f"{attempt}: {given.days} days x {len(release.triggers)} triggers, "
                f"{judged:,} verdicts: {took:.2f} s ({own:.2f} s own CPU); the plain "
                f"range queries: {asked:.2f} s; ratio {took / asked:.2f}"
            )
        if given.html:
            given.html.write_text(page(done, rules), "utf-8")
        if given.words:
            print(words(done, rules))


if __name__ == "__main__":
    main()
