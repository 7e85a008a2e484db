#!/usr/bin/env python3
"""What years of history cost: years.py [--events 1000000] [--before cf34b94].

A journal of so many events as they come in a life, made once, is started from and
looked at by this build and, side by side, by the build of the commit *before*, in a
work tree of its own with the same interpreter. The one before reads 100,000 of them
(``--before-events``) and is scaled up: it is linear, and a million takes it too long.

``years.py --releases 500`` deploys so many releases one after another in one process
instead, and looks at its memory, its descriptors and what `status` says.

CPU and memory are those of a child, less those of one that only imports the code.
`status` and a start of this build are also taken with 100 release files of 40
triggers each.
"""

import argparse
import hashlib
import itertools
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from watchdog.facts.event import (
    Event,
    FarEndBack,
    FarEndLost,
    PairProvedGood,
    PairStarted,
    PromotionChanged,
    PromotionPaused,
    ReadinessChanged,
    TurnsLate,
    TurnsOnTime,
    VerdictChanged,
    WatchStarted,
)
from watchdog.facts.pair import Pair
from watchdog.record.chain import GENESIS, link, text_of
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory

CHECKOUT = Path(__file__).resolve().parents[1]
BEGAN = datetime(2021, 3, 1, 3, 0, tzinfo=UTC)
TRIGGERS = ("Http5xxRate", "ScanLatencyP95", "AwbRoutingFailures", "OutboxDrain")
A_RELEASE = 2_000  # events of one, most of them of verdicts
BESIDES = 20  # events of one that are not of verdicts
FILES, IN_EACH = 100, 40  # release files, and triggers in each


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def pair_of(number: int) -> Pair:
    version = f"v{1 + number // 100}.{number % 100}.0"
    return Pair(version, f"sha256:{sha(version)}", (("meesho", sha(f"m{version}")),))


def a_life(each: int = A_RELEASE) -> Iterator[Event]:
    """Deploy one release after another; each is watched for a while and baked."""
    for number in itertools.count():
        pair, before = pair_of(number), pair_of(number - 1)
        since = BEGAN + timedelta(days=number)
        yield PairStarted(pair, sha(f"r{number}"), (sha(f"c{number}"),), since)
        yield ReadinessChanged(
            pair.key, before.version, before.key, ready=True, words="all is here"
        )
        yield PromotionChanged(pair.version, "paused", ("not measured yet",))
        for turn in range((each - BESIDES) // 4):
            for trigger, kind in zip(
                TRIGGERS, ("clear", "pending", "clear", "blind"), strict=True
            ):
                now = kind if turn % 2 else "clear"
                words = f"{turn % 9} of {400 + turn} ({turn % 9}%) were bad; bound 5%"
                cause = "stale" if now == "blind" else ""
                yield VerdictChanged(trigger, now, words, cause)
        for _ in range(3):
            yield FarEndLost("prometheus", "connection refused")
            yield FarEndBack("prometheus")
            yield TurnsLate("31.0 s between two turns, meant 5 s")
            yield TurnsOnTime("turns come every 5 s again")
        yield PairProvedGood(pair.key, f"{pair.version} ran 3600 s, all clear")
        yield PromotionChanged(pair.version, "open", ())
        yield WatchStarted("26.11.0", "act")
        if number % 10 == 9:
            yield PromotionPaused(pair.version, "a reason")


def write(folder: Path, count: int) -> None:
    """Write a journal of *count* events, faster than it would be lived."""
    Journal(folder).close()
    db = sqlite3.connect(folder / "journal.db", isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    previous, rows = GENESIS, []
    for seq, event in enumerate(itertools.islice(a_life(), count), 1):
        at = BEGAN + timedelta(seconds=150 * seq)
        stamp, kind = at.isoformat(timespec="microseconds"), type(event).__name__
        body = text_of(event)
        digest = link(previous, seq, stamp, kind, body)
        rows.append((seq, stamp, kind, body, None, previous, digest))
        previous = digest
        if len(rows) == 10_000 or seq == count:
            db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            rows = []
    db.execute("COMMIT")
    db.close()


# What a child does, by the code of whichever build is on its path.
IMPORTS = "import watchdog.__main__, watchdog.record.memory"
STARTS = f"""{IMPORTS}
import sys
from pathlib import Path
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory

journal = Journal(Path(sys.argv[1]))
memory = Memory(journal, lambda entry: None)
assert memory.standing.running is not None
journal.close()
"""
FILED = """
import os
from watchdog.config.settings_file import load
from watchdog.wiring.chosen import releases_of

assert releases_of(load(Path(os.environ["WATCHDOG_CONFIG"]), {})).count
"""
LOOKS = "import sys; from watchdog.__main__ import main; main()"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds, and the peak of resident memory in MiB, of one child."""

    cpu: float
    peak: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(max(0.0, self.cpu - other.cpu), self.peak - other.peak)


def child(code: str, *words: str, checkout: Path, **env: str) -> Cost:
    """Run *code* by the build in *checkout*; its whole cost."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WATCHDOG_")}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=clean | {"PYTHONPATH": str(checkout)} | env,
        stdout=subprocess.DEVNULL,
        cwd=checkout,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 6):  # 6: nobody is watching, which is so
        raise SystemExit(f"the child of {checkout} ended with {process.returncode}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def settings_for(folder: Path, state: Path, files: int = FILES) -> Path:
    (folder / "releases").mkdir(parents=True)
    for number in range(files):
        file(folder / "releases", f"v2.{number}.0")
    (folder / "stack").mkdir()
    (folder / "approvers.yaml").write_text("approvers: {}\n")
    path = folder / "watchdog.yaml"
    whole = {"state": str(state), "stack": {"directory": str(folder / "stack")}}
    path.write_text(yaml.safe_dump(whole))
    return path


def file(folder: Path, version: str) -> None:
    """Write the file of a release, its triggers as people write them."""
    text = (CHECKOUT / "config/releases/v1.3.0.yaml").read_text()
    whole = yaml.safe_load(text.replace("v1.3.0", version))
    several = itertools.islice(itertools.cycle(whole["triggers"]), IN_EACH)
    whole["triggers"] = [
        one | {"alert": f"{one['alert']}{number}"} for number, one in enumerate(several)
    ]
    # Through JSON: what is one thing in memory is written out each time.
    said = yaml.safe_dump(json.loads(json.dumps(whole)), sort_keys=False)
    (folder / f"{version}.yaml").write_text(said)


def line(what: str, cost: Cost) -> None:
    print(f"{what:<56}{cost.cpu:>9.2f} s CPU {cost.peak:>8.0f} MiB", flush=True)


def years(folder: Path, events: int, before: str, before_events: int) -> None:
    old = folder / "before"
    subprocess.run(
        ["git", "worktree", "add", "-q", "--detach", str(old), before],
        cwd=CHECKOUT,
        check=True,
    )
    try:
        _years(folder, events, old, before, before_events)
    finally:
        subprocess.run(
            ["git", "worktree", "remove", "--force", str(old)],
            cwd=CHECKOUT,
            check=True,
        )


def _years(
    folder: Path, events: int, old: Path, before: str, before_events: int
) -> None:
    new_state, old_state = folder / "new", folder / "old"
    write(new_state, events)
    write(old_state, before_events)
    size = (new_state / "journal.db").stat().st_size / 1e6
    print(f"{events:,} events, {size:.0f} MB; {before} reads {before_events:,}")
    base = child(IMPORTS, checkout=CHECKOUT)
    old_base = child(IMPORTS, checkout=old)
    line("this build, imports alone", base)
    line(f"{before}, imports alone", old_base)

    config = settings_for(folder / "box", new_state)
    empty = settings_for(folder / "empty", folder / "none", files=0)

    first = child(STARTS, str(new_state), checkout=CHECKOUT)
    line("this build, the first start: reads all, once", first - base)
    start = min(
        (child(STARTS, str(new_state), checkout=CHECKOUT) for _ in range(3)),
        key=lambda cost: cost.cpu,
    )
    line("this build, a start, imports included", start)
    mine = start - base
    line("this build, a start", mine)
    filed = child(
        STARTS + FILED, str(new_state), checkout=CHECKOUT, WATCHDOG_CONFIG=str(config)
    )
    line(f"this build, a start with {FILES} files of {IN_EACH} triggers", filed)
    theirs = child(STARTS, str(old_state), checkout=old) - old_base
    line(f"{before}, a start", theirs)
    scale = events / before_events
    scaled = Cost(theirs.cpu * scale, theirs.peak * scale)
    if scale != 1:
        line(f"{before}, a start, x {scale:g} (it is linear)", scaled)

    write(folder / "none", 10)
    looks = [
        min(
            (
                child(LOOKS, "status", checkout=CHECKOUT, WATCHDOG_CONFIG=str(path))
                for _ in range(3)
            ),
            key=lambda cost: cost.cpu,
        )
        for path in (config, empty)
    ]
    line("this build, status, imports included", looks[0])
    line("this build, status of ten events", looks[1])
    line("this build, status, by what history costs", looks[0] - looks[1])

    # A start of less than a hundredth of a second cannot be told from none.
    times = scaled.cpu / max(mine.cpu, 0.01)
    print(f"a start takes 1/{times:,.0f} of the CPU")
    print(f"with the files it is {filed.cpu:.2f} s against 2 s, imports included,")
    print(f"and its peak is {filed.peak:.0f} MiB against 100 MiB")


def releases(folder: Path, count: int, each: int = 100, apart: int = 50) -> None:
    """Deploy *count* releases into one memory, and look every *apart* of them."""
    from watchdog.facts.rules import Rules  # noqa: PLC0415
    from watchdog.show.status import picture  # noqa: PLC0415

    rules = Rules(
        name="years",
        services=("dms",),
        variable="DMS_VERSION",
        on_call="ops",
        bake_time=timedelta(hours=1),
        settle=timedelta(seconds=30),
        blind_for=timedelta(minutes=5),
        recover_within=None,
        prove_within=timedelta(minutes=1),
        stop_within=timedelta(seconds=5),
        daily_limit=3,
    )
    poll = timedelta(seconds=5)
    print("releases  resident MiB  descriptors  status bytes  kept bytes")
    with closing(Journal(folder)) as journal:
        memory = Memory(journal, lambda _: None)
        started = 0
        for number, event in enumerate(a_life(each)):
            memory.add(BEGAN + timedelta(seconds=150 * number), event)
            if not isinstance(event, PairStarted):
                continue
            started += 1
            if started % apart == 0 or started == count:
                memory.rest()
                s = memory.standing
                said = picture(s, None, rules, None, poll=poll, at=s.latest)
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                resident = pages * resource.getpagesize() / 2**20
                descriptors = len(list(Path("/proc/self/fd").iterdir()))
                kept = (folder / "standing.json").stat().st_size
                print(
                    f"{started:>8}  {resident:>12.1f}  {descriptors:>11}  "
                    f"{len(json.dumps(said)):>12}  {kept:>10}",
                    flush=True,
                )
            if started == count:
                return


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--events", type=int, default=1_000_000)
    parse.add_argument("--before", default="cf34b94")
    parse.add_argument("--before-events", type=int, default=100_000)
    parse.add_argument("--releases", type=int, default=0)
    given = parse.parse_args()
    # What is looked at with releases is memory, not the disk, which is slow to be sure.
    where = "/dev/shm" if given.releases and Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="years-", dir=where) as temp:
        if given.releases:
            releases(Path(temp), given.releases)
        else:
            years(Path(temp), given.events, given.before, given.before_events)


if __name__ == "__main__":
    main()
