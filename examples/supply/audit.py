"""Ask whether anything in the lock file has a vulnerability that is known.

Ends with 0 when each package was asked about and none is known; with 1 when one is
known; with 3 when one could not be asked about: then nothing is said of it, and that is
no good news.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from sbom import holds, locked

FINE, KNOWN, NOT_ASKED = 0, 1, 3


def main() -> int:
    """Ask, and say it in words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", type=Path)
    parser.add_argument("--auditor", required=True, help="how pip-audit is started")
    given = parser.parse_args()
    try:
        pinned = locked(given.lock.read_text())
    except (OSError, ValueError) as no:
        return _no_answer(f"the lock cannot be read: {no}")
    meant = [_plain(name) for name, _, marker, _ in pinned if holds(marker)]
    if not meant:
        return _no_answer(f"{given.lock} names no package")
    words = ["--requirement", str(given.lock), "--format", "json", "--progress-spinner"]
    words += ["off", "--disable-pip", "--no-deps"]
    argv = [*shlex.split(given.auditor), *words]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=600
        )
        said = json.loads(done.stdout)["dependencies"]
        told = [one for one in said if isinstance(one.get("vulns"), list)]
        asked = {_plain(one["name"]) for one in told}
        known = [_known(one, hole) for one in told for hole in one["vulns"]]
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError),
        subprocess.SubprocessError,
    ) as no:
        why = getattr(locals().get("done"), "stderr", "") or str(no)
        last = (why.strip().splitlines() or ["no word"])[-1]
        return _no_answer(f"the auditor gave no answer ({last})")
    for line in known:
        sys.stdout.write(line)
    left = sorted(set(meant) - asked)
    if left:
        sys.stdout.write(
            f"NOT ASKED: {len(left)} of {len(meant)} packages could not be asked "
            f"about: {', '.join(left)}; nothing is known of them\n"
        )
    if not known and not left:
        sys.stdout.write(f"each of {len(meant)} packages asked about; none is known\n")
    return KNOWN if known else NOT_ASKED if left else FINE


def _plain(name: str) -> str:
    """Write a package's name in the one way that all of its spellings have."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _known(one: dict[str, Any], hole: dict[str, Any]) -> str:
    better = ", ".join(hole.get("fix_versions") or ()) or "no version yet"
    return f"KNOWN: {one['name']} {one['version']}: {hole['id']}; mended in {better}\n"


def _no_answer(words: str) -> int:
    sys.stdout.write(f"NOT ASKED: {words}\n")
    return NOT_ASKED


if __name__ == "__main__":
    sys.exit(main())
