"""A line of the log for eyes: when, what it says in words, then what it is about."""

import json
import os
import shutil
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, TextIO

_WIDTH = 120
_NARROWEST = 40
_INDENT = " " * 12
_MARKS = {"error": "!!", "warning": "! "}
_COLOURS = {"error": "31;1", "warning": "33", "info": "0", "debug": "2"}
# Said by the mark, the day or in front; or for programs, which read JSON.
_SAID = frozenset({"event", "level", "at", "seq", "words", "hint"})
_FOR_PROGRAMS = frozenset({"key", "keys", "record", "containers", "plan", "note"})


def for_eyes(out: TextIO) -> Callable[[Any, str, Mapping[str, Any]], str]:
    """Make the renderer: *out*'s width is heeded, and so are NO_COLOR and COLUMNS.

    A day is said once. What does not fit goes on below, behind spaces, so that
    nothing which others wrote can look like a line of ours.
    """
    day = ""
    colours = out.isatty() and not os.environ.get("NO_COLOR")
    colours = colours and os.environ.get("TERM") != "dumb"

    def line(_: Any, __: str, said: Mapping[str, Any]) -> str:
        nonlocal day
        width = max(shutil.get_terminal_size((_WIDTH, 24)).columns, _NARROWEST)
        date, _t, time = str(said["at"]).partition("T")
        level = str(said["level"])
        head = f"{time[:8]} {_MARKS.get(level, '  ')} "
        name = str(said["event"])
        plain = name.partition(".")[2].replace("_", " ")
        words = str(said.get("words") or plain).replace("\n", " ")
        lines = _below(f"{words}  [{name}] {_about(said)}".rstrip(), width)
        if hint := said.get("hint"):
            lines += _below(f"hint: {hint}".replace("\n", " "), width)
        lines[0] = head + lines[0][len(head) :]
        if colours:
            lines[0] = f"\x1b[{_COLOURS.get(level, '0')}m{lines[0]}"
            lines[-1] += "\x1b[0m"
        if date != day:
            day = date
            lines.insert(0, f"{date}, UTC")
        return "\n".join(lines)

    return line


def _below(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_on_hyphens=False,
    ) or [_INDENT]


def _about(said: Mapping[str, Any]) -> str:
    parts = []
    for name, value in said.items():
        if name in _SAID | _FOR_PROGRAMS or value in ("", None, [], {}, False):
            continue
        flat = value if isinstance(value, str) else json.dumps(value, default=str)
        flat = flat.replace("\n", " ")
        parts.append(f"{name}={flat!r}" if " " in flat else f"{name}={flat}")
    return " ".join(parts)
