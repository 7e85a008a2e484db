"""What is to go wrong, on purpose: read from a file that anyone may change."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, TypeAlias

Faults: TypeAlias = dict[str, Any]

# Name: (value without a fault, meaning). Fractions are of /scan requests.
KNOWN: dict[str, tuple[float | bool, str]] = {
    "errors": (0.0, "fraction answered 500"),
    "slow": (0.0, "fraction delayed"),
    "slow_seconds": (0.8, "how long a delayed one takes"),
    "awb_failures": (0.0, "fraction not routed"),
    "outbox_stuck": (False, "events are no longer drained"),
    "unhealthy": (False, "/health answers 503"),
    "refuse_start": (False, "exit 4 at start"),
    "start_delay": (0.0, "seconds before it listens"),
    "never_healthy": (False, "/health answers 503 from the start"),
    "ignore_sigterm": (False, "SIGTERM changes nothing"),
}
NONE: Faults = {name: usual for name, (usual, _) in KNOWN.items()}


class FaultsFile:
    """`{"<version>": {…}, "*": {…}}`: the version's own outrank `*` and built-in."""

    def __init__(self, path: Path, version: str, built_in: Faults) -> None:
        self.path, self.version = path, version
        self._base = NONE | built_in
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._current = self._base

    def current(self) -> Faults:
        """Faults in force now. A file that cannot be read changes nothing."""
        seen: tuple[int, ...]
        try:
            stat = self.path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError:
            seen = ()
        if seen != self._seen:
            self._seen = seen
            try:
                told = self._read()
                both = dict(told.get("*", {})) | dict(told.get(self.version, {}))
                self._current = self._base | checked(both)
            except (OSError, ValueError, TypeError) as why:
                line = {"level": "warning", "event": "faults.unread", "why": str(why)}
                print(json.dumps(line), file=sys.stderr, flush=True)
        return self._current

    def merge(self, version: str, new: Faults) -> Faults:
        """Add *new* to what the file says for *version*; give the outcome."""
        with self._lock:
            told = self._read()
            told[version] = told.get(version, {}) | checked(new)
            self._write(told)
            return told[version]

    def forget(self, version: str) -> None:
        """Drop what the file says for *version*; built-in faults come back."""
        with self._lock:
            told = self._read()
            told.pop(version, None)
            self._write(told)

    def _read(self) -> dict[str, Faults]:
        try:
            told = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        if not isinstance(told, dict):
            raise TypeError(f"{self.path.name} is not an object")
        return told

    def _write(self, told: dict[str, Faults]) -> None:
        # A reader (or the next container) must never see half a file.
        part = self.path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(told, indent=1) + "\n")
        part.replace(self.path)


def checked(faults: Faults) -> Faults:
    """Give *faults* back, or raise ValueError naming all that is wrong in it."""
    wrong = []
    for name, value in faults.items():
        if name not in KNOWN:
            wrong.append(f"{name!r} is not one of: {', '.join(KNOWN)}")
        elif isinstance(NONE[name], bool) and not isinstance(value, bool):
            wrong.append(f"{name} is {value!r}, meant true or false")
        elif not isinstance(NONE[name], bool) and type(value) not in (int, float):
            wrong.append(f"{name} is {value!r}, meant a number")
    if wrong:
        raise ValueError("; ".join(wrong))
    return faults
