"""How single settings are written: addresses of servers, paths, names, bounds."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
)

from watchdog.config.notation import Said, one_line, seen, written


def a_url(*schemes: str) -> BeforeValidator:
    """Take a URL with a host, of one of *schemes*; the first is the hint's."""

    def checked(value: object) -> str:
        got = one_line(value)
        hint = f"write it like `{schemes[0]}://localhost:9090`"
        try:
            parts = urlsplit(got)
            port = parts.port
        except ValueError:
            raise Said(f"{seen(got)} is not a URL", hint) from None
        if parts.scheme not in schemes or not parts.hostname or port == 0 or " " in got:
            meant = " or ".join(f"{scheme}://…" for scheme in schemes)
            raise Said(f"{seen(got)} is not a URL like {meant}", hint)
        return got.rstrip("/") if parts.path == "/" else got

    return BeforeValidator(checked)


def shaped(pattern: str, what: str, hint: str = "") -> BeforeValidator:
    """Take one line that is *pattern* from end to end."""

    def checked(value: object) -> str:
        got = one_line(value)
        if not re.fullmatch(pattern, got):
            raise Said(f"{seen(got)} is not {what}", hint)
        return got

    return BeforeValidator(checked)


def a_path(value: object) -> Path:
    """Take a path, absolute or not."""
    return value if isinstance(value, Path) else Path(one_line(value))


def _absolute(value: object) -> Path:
    got = a_path(value)
    if not got.is_absolute():
        raise Said(f"{seen(str(got))} is relative", "write the path from `/` on")
    return got


def under(limit: timedelta) -> AfterValidator:
    """Refuse *limit* itself, and what is longer."""

    def checked(value: timedelta) -> timedelta:
        if value >= limit:
            raise Said(f"{written(value)} is too long", f"stay under {written(limit)}")
        return value

    return AfterValidator(checked)


def at_most(limit: timedelta) -> AfterValidator:
    """Refuse what is longer than *limit*."""

    def checked(value: timedelta) -> timedelta:
        if value > limit:
            raise Said(f"{written(value)} is too long", f"{written(limit)} at most")
        return value

    return AfterValidator(checked)


def _some_and_distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise Said("is empty", "name at least one")
    return distinct(value)


def distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list that names one twice; it may be empty."""
    twice = sorted({one for one in value if value.count(one) > 1})
    if twice:
        raise Said(f"{seen(twice[0])} is listed twice", "keep one")
    return value


HttpUrl = Annotated[str, a_url("http", "https")]
Absolute = Annotated[Path, BeforeValidator(_absolute)]
Distinct = AfterValidator(_some_and_distinct)


class Section(BaseModel):
    """A mapping in the file: fixed once it is read, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
