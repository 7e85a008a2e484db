"""``database``: where the journal is when it is not in the state folder."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

from watchdog.config.notation import Said, SomeTime, one_line
from watchdog.config.sections.kinds import Absolute, Section, at_most, shaped

_URL = re.compile(r"postgres(?:ql)?://(?:(?P<who>[^/?#]*)@)?[^@\s]*")


def _url(value: object) -> str:
    """Read a URL as libpq does; it may hold a password, so it is not shown."""
    got = one_line(value)
    found = _URL.fullmatch(got)
    if not found:
        hint = "write it like `postgresql://watchdog@db.internal/watchdog`"
        raise Said("is not a URL of a PostgreSQL database", hint)
    if ":" in (found["who"] or "") or re.search(r"[?&]\w*password=", got):
        raise Said("holds a password", "name a file with it in `password_file`")
    return got


class Database(Section):
    """A schema of a PostgreSQL database; *url* is None for SQLite in `state`."""

    url: Annotated[str, BeforeValidator(_url)] | None = None
    password_file: Absolute | None = None
    schema_name: Annotated[
        str,
        shaped(r"[a-z_][a-z0-9_]{0,40}", "a schema's name", "write it like `watchdog`"),
    ] = "watchdog"
    lease: Annotated[SomeTime, at_most(timedelta(minutes=5))] = timedelta(seconds=15)
