"""The settings in force, key by key, and where each of them came from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel

from watchdog.config.notation import written
from watchdog.config.sections.listen import Address
from watchdog.config.settings_file import DEFAULT, Draft
from watchdog.facts.rules import DrillRule

_HIDDEN = "(from a secret)"


@dataclass(frozen=True, slots=True)
class Value:
    """One setting: its *text* as the file would have it, and its *origin*.

    The origin is a variable, a secret's file, the settings file, or ``default``.
    """

    key: str
    text: str
    origin: str

    @property
    def is_default(self) -> bool:
        """Tell whether nobody wrote it."""
        return self.origin == DEFAULT


def in_force(draft: Draft) -> tuple[Value, ...]:
    """Give every setting in its order; what a secret holds is not shown."""
    return tuple(
        Value(
            ".".join(place),
            _HIDDEN if draft.is_secret(place) else _text(value),
            draft.origin(place),
        )
        for place, value in _leaves(draft.settings, ())
    )


def _leaves(
    model: BaseModel, at: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, (*at, name))
        else:
            yield (*at, name), value


def _text(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False).strip('"')


def _plain(value: Any) -> Any:
    """Write a value as the file has it; a password in a URL is left out."""
    match value:
        case timedelta():
            return written(value)
        case Path() | Address():
            return str(value)
        case DrillRule():
            kind = "dry" if value.dry else "real"
            hours = f"{value.opens:%H:%M}-{value.closes:%H:%M}"
            return f"every {written(value.every)}, {hours}, {kind}"
        case BaseModel():
            given = {name: getattr(value, name) for name in value.model_fields_set}
            return _plain(given)
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case tuple() | list():
            return [_plain(inner) for inner in value]
        case str() if "://" in value and "@" in urlsplit(value).netloc:
            parts = urlsplit(value)
            host = parts.netloc.rpartition("@")[2]
            return urlunsplit(parts._replace(netloc=f"…@{host}"))
        case str() | int() | float() | bool() | None:
            return value
        case _:
            return str(value)
