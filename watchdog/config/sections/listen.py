"""``listen``: where we are asked, and what is answered there."""

import re
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from watchdog.config.notation import Said, Whole, one_line, seen
from watchdog.config.sections.kinds import Absolute, Section, distinct


class Address(NamedTuple):
    """Where to listen; port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write it as in the settings: ``127.0.0.1:8470``, ``[::1]:8470``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    found = isinstance(value, str) and re.fullmatch(
        r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/]+)):([0-9]{1,5})", value
    )
    if not found or int(found[3]) > 65535:
        raise Said(f"{seen(value)} is not host:port", "write it like `127.0.0.1:8470`")
    return Address(found[1] or found[2], int(found[3]))


def _host(value: object) -> str:
    got = one_line(value).lower().removesuffix(".")
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", got):
        hint = "write a name alone, like `watchdog.flexli.example`"
        raise Said(f"{seen(value)} is not a host's name", hint)
    return got


Host = Annotated[str, BeforeValidator(_host)]


class Listen(Section):
    """Two doors: answers from people, and what only the inside may see."""

    decisions: Annotated[Address, BeforeValidator(_address)] = Address(
        "127.0.0.1", 8470
    )
    private: Annotated[Address, BeforeValidator(_address)] = Address("127.0.0.1", 8471)
    private_token_file: Absolute | None = None
    hosts: Annotated[tuple[Host, ...], AfterValidator(distinct)] = ()
    failures_a_minute: Annotated[Whole, Field(ge=1)] = 5
