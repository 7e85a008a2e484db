#!/usr/bin/env python3
"""Scan parcels at a steady rate: load.py [URL] [--rate 40] [--seconds N].

Open loop: a slow answer does not slow the next question. A DMS that is being
redeployed refuses; that is counted, not fatal. SIGTERM ends it with the summary.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import signal
import sys
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

PREFIXES = ("100", "200", "300", "400", "500")


class Load:
    """A shared timetable, a few workers, and what came of it."""

    def __init__(self, address: str, rate: float, seconds: float) -> None:
        self.address, self.rate, self.seconds = address, rate, seconds
        self.stop = threading.Event()
        self.count: Counter[str] = Counter()
        self.took: list[float] = []
        self._lock = threading.Lock()
        self._tickets = itertools.count()

    def work(self, began: float) -> None:
        """Take the next place in the timetable until the time is over."""
        line: http.client.HTTPConnection | None = None
        while not self.stop.is_set():
            with self._lock:
                ticket = next(self._tickets)
            due = began + ticket / self.rate
            if self.seconds and due >= began + self.seconds:
                break
            late = time.monotonic() - due
            if late < 0 and self.stop.wait(-late):
                break
            # All workers are stuck: drop the place, or a pile of old questions
            # would follow the outage and look like a burst.
            if late > 1:
                self._note("skipped")
                continue
            asked = time.monotonic()
            try:
                if line is None:
                    line = http.client.HTTPConnection(self.address, timeout=5)
                outcome = self._scan(line, ticket)
            except (OSError, http.client.HTTPException) as why:
                refused = isinstance(why, ConnectionRefusedError)
                outcome = "refused" if refused else "lost"
                if line:
                    line.close()
                line = None
            self._note(outcome, time.monotonic() - asked)

    def _scan(self, line: http.client.HTTPConnection, ticket: int) -> str:
        awb = f"{PREFIXES[ticket % len(PREFIXES)]}{ticket:09d}"
        line.request("POST", "/scan", json.dumps({"awb": awb, "tenant": "meesho"}))
        answer = line.getresponse()
        body = answer.read()
        if answer.status != 200:
            return "errors"
        return "routed" if json.loads(body)["routed"] else "unrouted"

    def _note(self, outcome: str, took: float | None = None) -> None:
        with self._lock:
            self.count[outcome] += 1
            # Bounded: a load that runs for days keeps its last 100,000 times.
            if took is not None and outcome not in ("refused", "lost"):
                self.took.append(took)
                del self.took[:-100_000]

    def summary(self) -> str:
        """Say what came of it, in one line."""
        took = sorted(self.took)
        p95 = f"{1000 * took[int(0.95 * len(took))]:.0f} ms" if took else "unknown"
        names = ("routed", "unrouted", "errors", "refused", "lost", "skipped")
        counts = ", ".join(f"{self.count[name]} {name}" for name in names)
        return f"{self.count.total()} scans: {counts}; p95 {p95}"


def main() -> int:
    """Run the load; 0 when at least one scan was answered."""
    usage = argparse.ArgumentParser(description=__doc__)
    usage.add_argument("url", nargs="?", default="http://127.0.0.1:5269")
    usage.add_argument("--rate", type=float, default=40, help="scans a second (40)")
    usage.add_argument("--seconds", type=float, default=0, help="0 (default): for ever")
    args = usage.parse_args()
    load = Load(urlsplit(args.url).netloc, args.rate, args.seconds)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: load.stop.set())
    began = time.monotonic()
    # Enough for one second's worth of slow answers, never more than 64.
    crew = [
        threading.Thread(target=load.work, args=(began,), daemon=True)
        for _ in range(max(4, min(64, int(args.rate))))
    ]
    for worker in crew:
        worker.start()
    for worker in crew:
        worker.join()
    print(load.summary(), flush=True)
    return 0 if load.took else 1


if __name__ == "__main__":
    sys.exit(main())
