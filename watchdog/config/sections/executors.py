"""``engine``, ``compose``, ``swarm``, ``git``: by which hands a pair is put back."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from watchdog.config.notation import OneLine, Said, SomeTime, one_line, seen
from watchdog.config.sections.kinds import Section

_HOST = r"(\[[0-9a-fA-F:]+\]|[^\s/:]+)"


def engine_url(value: object) -> str:
    """Give *value* if a Docker Engine can be asked there.

    Raises:
        Said: it cannot.
    """
    got = one_line(value)
    if re.fullmatch(r"unix:///\S+", got):
        return got
    if re.fullmatch(rf"(tcp|http|https)://{_HOST}(:[0-9]{{1,5}})?/?", got):
        return got
    hint = "write `unix:///var/run/docker.sock` or `tcp://host:2375`"
    if got.startswith("ssh://"):
        hint = f"run the watchdog on the engine's own box, and {hint}"
    raise Said(f"{seen(got)} is not where a Docker Engine listens", hint)


def _some_words(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise Said("is empty", "write the program and its arguments")
    return value


class Engine(Section):
    """Where Docker listens."""

    url: Annotated[str, BeforeValidator(engine_url)] = "unix:///var/run/docker.sock"
    timeout: SomeTime = timedelta(seconds=30)
    pull_within: SomeTime = timedelta(minutes=5)
    ask_health: bool = False


Argv = Annotated[tuple[OneLine, ...], AfterValidator(_some_words)]


class Compose(Section):
    """How Compose is called, for ``executor: compose``."""

    command: Argv = ("docker", "compose")
    timeout: SomeTime = timedelta(minutes=2)


class Swarm(Section):
    """How long a manager may take to answer, for ``executor: swarm``."""

    timeout: SomeTime = timedelta(seconds=3)


class Git(Section):
    """How what runs from a work tree is stopped and started, for ``executor: git``."""

    stop: Argv = ("make", "backend-stop")
    start: Argv = ("make", "backend-bg")
    timeout: SomeTime = timedelta(minutes=2)
