"""How people write durations, shares and the like, and what is said when they do not.

Durations are Prometheus' (``1h30m``, ``250ms``), shares are ``5%`` or ``0.05``.
"""

import json
import math
import re
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

Place = tuple[int | str, ...]
"""Where in a file: keys and list places, from the outside in."""

WHOLE_FILE = "file"

_UNITS = {
    "y": timedelta(days=365),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>[0-9]+){unit})?" for unit in _UNITS))
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_USER_OF_URL = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class Said(ValueError):
    """A value is not what is meant; says so, and what to write instead."""

    def __init__(self, words: str, hint: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.hint = hint


def seen(value: object) -> str:
    """Show a value as it was written, short, and without a URL's password."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case str() | bool() | int() | float():
            text = json.dumps(value, ensure_ascii=False)
        case _:
            text = str(value)
    text = _USER_OF_URL.sub("…", text)
    return text if len(text) <= 80 else f"{text[:76]}…{text[-1]}"


def in_words(at: Place) -> str:
    """Write a place as people do: ``triggers[1].ratio.errors``."""
    text = ""
    for part in at:
        dot = "." if text else ""
        text += f"[{part}]" if isinstance(part, int) else f"{dot}{part}"
    return text or WHOLE_FILE


def duration(value: object) -> timedelta:
    """Read a duration as Prometheus writes it, to the millisecond."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise Said(f"{seen(value)} has no unit", "write a duration like `5s` or `5m`")
    found = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if not found:
        hint = "write it like `5m`, `1h30m` or `250ms`, largest unit first"
        raise Said(f"{seen(value)} is not a duration", hint)
    try:
        parts = [
            int(number) * _UNITS[unit]
            for unit, number in found.groupdict().items()
            if number
        ]
        return sum(parts, timedelta())
    except (OverflowError, ValueError):
        raise Said(f"{seen(value)} is longer than time itself") from None


def written(value: timedelta) -> str:
    """Write a duration so that ``duration`` reads the same; parts of 1 ms are lost."""
    rest = value // timedelta(milliseconds=1)
    words = ""
    # Years and weeks are left out: people say 30d.
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS[unit] // timedelta(milliseconds=1))
        words += f"{count}{unit}" if count else ""
    return words or "0s"


def number(value: object) -> float:
    """Read a finite number, or a percentage as a share of 1."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            plain = float(value)
        except OverflowError:
            plain = math.inf
        if math.isfinite(plain):
            return plain
    if isinstance(value, str):
        text = value.strip()
        percent = text.endswith("%")
        digits = text.removesuffix("%").strip()
        if _NUMBER.fullmatch(digits):
            try:
                plain = float(Decimal(digits) / (100 if percent else 1))
            except ArithmeticError:
                plain = math.inf
            if math.isfinite(plain):
                return plain
    raise Said(f"{seen(value)} is not a number", "write it like `5%` or `0.05`")


def share(value: object) -> float:
    """Read a share of the whole, 0 to 1."""
    got = number(value)
    if got < 0:
        raise Said(f"{seen(value)} is less than nothing", "write `0%` to `100%`")
    if got > 1:
        hint = f"write `{got:g}%`" if got <= 100 else "write `0%` to `100%`"
        raise Said(f"{seen(value)} is more than the whole", hint)
    return got


def whole(value: object) -> int:
    """Read a whole number; a string of digits counts, since the environment has none.

    What counts up from nothing, so never negative.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        got = value
    elif isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,18}", value):
        got = int(value)
    else:
        raise Said(f"{seen(value)} is not a whole number")
    if got < 0:
        raise Said(f"{seen(value)} is less than 0")
    return got


def prose(value: object) -> str:
    """Read text of one or more lines, without the spaces at its ends."""
    if value is None:
        raise Said("nothing is written there", "put text there")
    if not isinstance(value, str):
        hint = "put it in quotes" if isinstance(value, bool | int | float) else ""
        raise Said(f"{seen(value)} is not text", hint)
    if not value.strip():
        raise Said(f"{seen(value)} is empty")
    return value.strip()


def one_line(value: object) -> str:
    """Read text that people and logs can show on one line, as it stands."""
    got = prose(value)
    if got != value or not got.isprintable():
        raise Said(f"{seen(value)} has spaces at its ends or unprintable signs")
    return got


def yes_or_no(value: object) -> bool:
    """Read ``true`` or ``false``, also as the environment spells them."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise Said(f"{seen(value)} is not one of: true, false")


def _more_than_nothing(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise Said(f"{written(value)} is no time at all", "write more than `0s`")
    return value


Duration = Annotated[timedelta, BeforeValidator(duration)]
SomeTime = Annotated[Duration, AfterValidator(_more_than_nothing)]
Number = Annotated[float, BeforeValidator(number)]
Share = Annotated[float, BeforeValidator(share)]
Whole = Annotated[int, BeforeValidator(whole)]
OneLine = Annotated[str, BeforeValidator(one_line)]
Prose = Annotated[str, BeforeValidator(prose)]
YesOrNo = Annotated[bool, BeforeValidator(yes_or_no)]


RETENTION = r"ask|after (?:[3-9]|[1-9][0-9]{1,2})"
RETENTION_MEANT = "`ask` or `after N`, N being how many newer releases: 3 or more"


def one_of(value: str, choices: Iterable[str], prefix: str = "") -> str:
    """Hint at the nearest of *choices*, or list them when none is near."""
    by_lower = {choice.lower(): f"{prefix}{choice}" for choice in sorted(choices)}
    near = get_close_matches(value.lower(), by_lower, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{by_lower[near[0]]}`?"
    return f"known here: {', '.join(by_lower.values())}" if by_lower else ""
