"""Takes the README's pictures from a real run, so that they stay true.

    examples/sandbox/sandbox run .venv/bin/python examples/pictures/take.py [folder]

A DMS, its Prometheus and a watchdog run; v1.3.1 is deployed and fails 30 % of its
requests, so that a question is open. Into *folder* (default: docs/pictures) go what
``watchdog status`` says then, its first lines, and the review page as a PNG.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.real.browser import Browser  # noqa: E402 - needs the path above
from watchdog.commands.stage import Stage  # noqa: E402 - needs the path above

LINES = 8
WIDTH, HEIGHT = 720, 720
BEFORE = 240  # s; what a plot has of the time before the release


def main() -> None:
    """Run, look, and clear away."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/pictures"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        it = Stage(Path(made), ROOT, project="dms")
        try:
            it.make("0:0")
            it.settings(name="dms-prod")
            it.compose("up", "-d", "--no-build", "--wait")
            with it.scanning():
                process = it.watch()
                it.until("decide.pair_known_good", 240)
                time.sleep(BEFORE)
                it.deploy("v1.3.1")
                it.misbehave(errors=0.3)
                asked = it.until("approve.question_asked", 240)
                time.sleep(20)  # so that the plot shows how it went on
                memory = Path(f"/proc/{process.pid}/status").read_text()
                print(next(one for one in memory.splitlines() if "VmRSS" in one))
                told = status(it)
                (folder / "status.txt").write_text("\n".join(told[:LINES]) + "\n")
                shoot(f"{it.decisions}/a/{asked['question']}", folder, made)
        finally:
            it.strike()
    for path in sorted(folder.iterdir()):
        print(f"{path}: {path.stat().st_size:,} bytes")


def status(it: Stage) -> list[str]:
    """Ask as a person does; a turn that is late on a busy machine is asked again."""
    command = [sys.executable, "-m", "watchdog", "status"]
    env = os.environ | {"WATCHDOG_CONFIG": str(it.config / "watchdog.yaml")}
    for _ in range(60):
        ran = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        if ran.returncode == 0:
            break
        time.sleep(1)
    return ran.stdout.splitlines()


def shoot(url: str, folder: Path, made: str) -> None:
    """Take the upper part of the page, as a person sees it first."""
    browser = Browser(Path(made) / "profile")
    try:
        browser.size(WIDTH, HEIGHT)
        browser.do("Emulation.setScrollbarsHidden", hidden=True)
        browser.open(url)
        browser.picture(folder / "review.png", whole=False)
    finally:
        browser.close()


if __name__ == "__main__":
    main()
