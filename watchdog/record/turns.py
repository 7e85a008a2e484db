"""The last complete turn, as a row."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from watchdog.record.chain import storable
from watchdog.turn.roles import Turn

MARK = """INSERT INTO turn ("only", at, words, verdicts, looked)
    VALUES (1, ?, ?, ?, ?) ON CONFLICT ("only") DO UPDATE SET at = excluded.at,
    words = excluded.words, verdicts = excluded.verdicts, looked = excluded.looked"""
"""Writes it over the one before."""
READ = "SELECT at, words, verdicts, looked FROM turn"
"""Reads it."""


def row_of(turn: Turn) -> tuple[str, str, str, str | None]:
    """Give what is written of *turn*."""
    verdicts = json.dumps(dict(turn.verdicts))
    looked = turn.looked.isoformat() if turn.looked else None
    return turn.at.isoformat(), storable(turn.words), verdicts, looked


def turn_in(row: Sequence[Any]) -> Turn:
    """Read what was written."""
    at, words, verdicts, looked = row
    return Turn(
        datetime.fromisoformat(at),
        str(words),
        json.loads(verdicts),
        datetime.fromisoformat(looked) if looked else None,
    )
