"""Build a wheel and an sdist, in a folder that the checkout does not hold.

The wheel is made from the sdist, so that both hold what they need. A tag on this very
commit must name the version that the package says; a commit without one is built, and
said not to be a release.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Build, and name the files; 1 where a tag says another version."""
    usage = argparse.ArgumentParser(description=__doc__)
    usage.add_argument("out", type=Path)
    usage.add_argument("--checkout", type=Path, default=CHECKOUT)
    given = usage.parse_args()
    source = given.checkout.resolve()
    version = version_of(source)
    tags = tagged(source)
    if tags and f"v{version}" not in tags:
        sys.stdout.write(
            f"this commit is tagged {', '.join(tags)}, and watchdog/__init__.py says "
            f"{version}\nhint: put the tag v{version}, or write the tag's version\n"
        )
        return 1
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "source"
        # What a build leaves behind would be found by the next one.
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*_NOT_SOURCE))
        command = [Path(sys.executable).with_name("uv"), "build", "--quiet"]
        command += ["--no-build-isolation", "--python", sys.executable]
        subprocess.run([*command, "--out-dir", given.out, copy], check=True)
    for file in sorted(given.out.glob(f"*-{version}*")):
        sys.stdout.write(f"{file}\n")
    if not tags:
        sys.stdout.write(f"no tag v{version} on this commit: not a release\n")
    return 0


_NOT_SOURCE = (".*", "*.egg-info", "__pycache__", "build", "dist")


def version_of(checkout: Path) -> str:
    """Read the version that the package says of itself."""
    text = (checkout / "watchdog/__init__.py").read_text()
    said = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if said is None:
        raise SystemExit("watchdog/__init__.py says no version")
    return said[1]


def tagged(checkout: Path) -> list[str]:
    """Give the version tags of this very commit; none where there is no repository."""
    command = ["git", "-C", str(checkout), "tag", "--points-at", "HEAD", "v[0-9]*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.split()


if __name__ == "__main__":
    sys.exit(main())
