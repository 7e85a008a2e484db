"""``prometheus``: where the samples are, and who asks for them."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from watchdog.config.notation import Said, SomeTime, one_line, seen
from watchdog.config.sections.kinds import Absolute, HttpUrl, Section, under

# Of a header's name; `_` is let out, since proxies drop such headers in silence.
_HEADER = r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,100}"
_OURS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_SECRET_HEADER = re.compile(
    r"authorization|cookie|token|secret|passw|api-?key|credential", re.IGNORECASE
)


def _header(value: object) -> str:
    got = one_line(value)
    if not re.fullmatch(_HEADER, got):
        hint = "write it like `X-Scope-OrgID`; in a variable, all in one mapping"
        raise Said(f"{seen(got)} is not a header's name", hint)
    if got.lower() in _OURS:
        raise Said("is a header that is written here already", "take it out")
    return got


def _plain_header(value: object) -> str:
    got = _header(value)
    if _SECRET_HEADER.search(got):
        raise Said(
            "is a header that holds a secret", "name a file with it in `header_files`"
        )
    return got


def _header_value(value: object) -> str:
    """Read what a header says; it may be a secret after all, so it is not shown."""
    if not isinstance(value, str):
        raise Said("is not text", "write it in quotes")
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", value):
        raise Said("is not one line of ASCII without spaces at its ends")
    return value


def _once(value: dict[str, Any]) -> dict[str, Any]:
    names = [name.lower() for name in value]
    for name in value:
        if names.count(name.lower()) > 1:
            raise Said(f"{name} is there twice, in other letters", "keep one")
    return value


def _user(value: object) -> str:
    got = one_line(value)
    if ":" in got:
        raise Said(
            f"{seen(got)} has a colon, where the password begins", "leave it out"
        )
    return got


class Prometheus(Section):
    """Where the samples are, how often they are taken, and who asks for them.

    What the files hold is never kept here.
    """

    url: HttpUrl = "http://localhost:9090"
    scrape_interval: SomeTime = timedelta(seconds=15)
    timeout: Annotated[SomeTime, under(timedelta(minutes=1))] = timedelta(seconds=4)
    headers: Annotated[
        dict[
            Annotated[str, BeforeValidator(_plain_header)],
            Annotated[str, BeforeValidator(_header_value)],
        ],
        AfterValidator(_once),
    ] = Field(default={}, repr=False)
    header_files: Annotated[
        dict[Annotated[str, BeforeValidator(_header)], Absolute],
        AfterValidator(_once),
    ] = Field(default={})
    bearer_token_file: Absolute | None = None
    username: Annotated[str, BeforeValidator(_user)] | None = None
    password_file: Absolute | None = None
    ca_file: Absolute | None = None
    cert_file: Absolute | None = None
    key_file: Absolute | None = None
