"""The standing as of one event, kept beside the journal: a start reads on from there.

It is never trusted over the journal: what it was folded from is named by number and
hash, and it counts only where the journal has that very event, where it is whole, and
where this very build folded it. In doubt it is as if it were not there.
"""

import functools
import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from watchdog.decide.standing import Standing

_FORM = 1
NAME = "standing.json"
# What an event means is said here; another build may mean something else by it.
_MEANING = ("facts", "decide")
_HOUSE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Kept:
    """A *standing* folded from all events up to *seq*, which has *digest*.

    *checked* is how far the old events were verified anew since *round*, and
    *checked_digest* the hash of that event.
    """

    seq: int
    digest: str
    standing: Standing
    checked: int = 0
    checked_digest: str = ""
    round: datetime | None = None


@functools.cache
def _codec() -> TypeAdapter[Kept]:
    return TypeAdapter(Kept)  # only when it is needed: it is large


def keep(folder: Path, kept: Kept) -> None:
    """Write *kept* into *folder*, whole or not at all.

    What cannot be read back as it was is not written: then the journal is read
    instead, which takes longer and is never wrong.
    """
    body = _text(kept)
    try:
        again = _codec().validate_json(body)
    except ValidationError:
        again = None
    # What is no number equals not even itself, but is written alike.
    if again is None or not (again == kept or _text(again) == body):
        drop(folder)
        return
    head = {"form": _FORM, "build": build(), "sha256": _sha(body)}
    new = folder / f".{NAME}.new"
    with suppress(OSError):  # no room: the one before stays
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"{json.dumps(head)}\n{body}\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(folder / NAME)
        except OSError:
            new.unlink(missing_ok=True)


def kept(folder: Path) -> Kept | None:
    """Read what was kept in *folder*; None where there is any doubt about it."""
    try:
        head, body, *_ = (folder / NAME).read_text("utf-8").split("\n", 2)
        said = json.loads(head)
        meant = {"form": _FORM, "build": build(), "sha256": _sha(body)}
        return _codec().validate_json(body) if said == meant else None
    except (OSError, ValueError, RecursionError):  # pydantic's is a ValueError
        return None


def drop(folder: Path) -> None:
    """Have it read from the journal at the next start."""
    with suppress(OSError):
        (folder / NAME).unlink()


def reached(folder: Path) -> int:
    """Say up to which event the journal went when the standing was kept.

    Whatever build wrote it: that much of any form can be read.
    """
    try:
        _, body, *_ = (folder / NAME).read_text("utf-8").split("\n", 2)
        seq = json.loads(body)["seq"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0
    return seq if isinstance(seq, int) else 0


@functools.cache
def build(house: Path = _HOUSE) -> str:
    """Name exactly what events mean to the code in *house*: its own text."""
    whole = hashlib.sha256()
    for room in _MEANING:
        folder = house / room
        for file in sorted(folder.rglob("*.py")):
            whole.update(f"{room}/{file.relative_to(folder)}\n".encode())
            whole.update(file.read_bytes())
    return whole.hexdigest()


def _text(one: Kept) -> str:
    """Write it in one line; numbers that are not finite keep their names."""
    plain = _codec().dump_python(one, mode="json")
    return json.dumps(plain, separators=(",", ":"))


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
