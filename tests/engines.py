"""The tests that need an engine, on every engine at hand, one after the other.

Prints a table, and exits by the worst: 0 when every test passed everywhere, 1 when
one did not, 2 when an engine could not be had.
"""

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET  # pytest's own report, not a stranger's

CHECKOUT = Path(__file__).resolve().parents[1]
SANDBOX = CHECKOUT / "examples/sandbox/sandbox"
ENGINES = {
    "debian": {"SANDBOX_ENGINE": "private"},
    "modern": {"SANDBOX_ENGINE": "modern", "SANDBOX_STORE": "classic"},
    "containerd": {"SANDBOX_ENGINE": "modern", "SANDBOX_STORE": "containerd"},
}
# These ask Prometheus alone; `make campaign` runs them on each of it.
NO_ENGINE = ("arming", "backtest", "differential", "edges", "queries")
OUTCOMES = ("passed", "failed", "skipped")


@dataclass
class Ran:
    """What the tests said on one engine; *version* is empty when it did not start."""

    name: str
    version: str = ""
    counts: Counter = field(default_factory=Counter)
    by_file: dict[str, Counter] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    seconds: float = 0

    @property
    def code(self) -> int:
        if not self.version or not self.counts["passed"]:
            return 2
        return 1 if self.counts["failed"] else 0


def run_on(name: str, tests: list[str], home: str) -> Ran:
    """Start the engine *name*, run *tests* there, and stop it."""
    env = {**os.environ, **ENGINES[name], "SANDBOX_HOME": f"{home}-{name}"}
    ran, began = Ran(name), time.monotonic()
    print(f"\n== {name}: {' '.join(ENGINES[name].values())}", flush=True)
    if subprocess.run([SANDBOX, "up"], env=env, check=False).returncode == 0:
        ask = [SANDBOX, "run", "docker", "version", "--format", _VERSION]
        told = subprocess.run(ask, env=env, check=True, capture_output=True, text=True)
        ran.version = told.stdout.strip()
        report = Path(env["SANDBOX_HOME"]) / "tests.xml"
        report.unlink(missing_ok=True)
        python = [sys.executable, "-m", "pytest", "-q", "-m", "real", "-n", "2"]
        python += ["--dist", "worksteal", f"--junitxml={report}", *tests]
        subprocess.run([SANDBOX, "run", *python], env=env, check=False, cwd=CHECKOUT)
        if report.is_file():
            _count(ran, report)
        subprocess.run([SANDBOX, "down"], env=env, check=False)
    ran.seconds = time.monotonic() - began
    return ran


_VERSION = "{{.Server.Version}} (API {{.Server.APIVersion}})"


def _count(ran: Ran, report: Path) -> None:
    for case in ET.parse(report).iter("testcase"):
        words = {child.tag for child in case}
        how = "failed" if words & {"failure", "error"} else "passed"
        how = "skipped" if "skipped" in words else how
        file = case.get("classname", "").rpartition(".")[2]
        ran.counts[how] += 1
        ran.by_file.setdefault(file, Counter())[how] += 1
        if how == "failed":
            ran.failed.append(f"{file}::{case.get('name')}")


def table(all_: list[Ran]) -> str:
    """Lay the counts out, passed/failed/skipped, one line for each file."""
    files = sorted({file for ran in all_ for file in ran.by_file})
    rows = [["passed/failed/skipped", *(ran.name for ran in all_)]]
    rows += [["engine", *(ran.version or "did not start" for ran in all_)]]
    rows += [
        [file, *(_words(ran.by_file.get(file, Counter())) for ran in all_)]
        for file in files
    ]
    rows += [["all", *(_words(ran.counts) for ran in all_)]]
    rows += [["minutes", *(f"{ran.seconds / 60:.1f}" for ran in all_)]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def _words(counts: Counter) -> str:
    return "/".join(str(counts[how]) for how in OUTCOMES)


def main() -> int:
    """Run what was named, or all of it, on the engines that were named, or all."""
    usage = argparse.ArgumentParser(description=__doc__)
    usage.add_argument("--engine", action="append", choices=ENGINES)
    usage.add_argument("tests", nargs="*", help="what pytest is given")
    args = usage.parse_args()
    tests = args.tests or [
        str(path.relative_to(CHECKOUT))
        for path in sorted(CHECKOUT.glob("tests/real/test_*.py"))
        if path.stem.removeprefix("test_") not in NO_ENGINE
    ]
    home = os.environ.get("SANDBOX_HOME", "/var/tmp/dms-watchdog-sandbox")
    all_ = [run_on(name, tests, home) for name in args.engine or ENGINES]
    print(f"\n{table(all_)}")
    for ran in all_:
        for name in ran.failed:
            print(f"failed on {ran.name}: {name}")
    return max(ran.code for ran in all_)


if __name__ == "__main__":
    sys.exit(main())
