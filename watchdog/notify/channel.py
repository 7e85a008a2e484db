"""A way to reach people: it takes a message, or says why it did not."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import quote, urlsplit

import httpx

from watchdog.facts.message import Message
from watchdog.facts.problem import Problem

# What a receiver may take for all of its answer, and how much of it is read.
_PATIENCE = 10.0
_LONGEST_WAIT = timedelta(hours=1)
_TOO_MANY, _TIMEOUT, _GONE = 429, 408, 410


class NotTaken(Problem):
    """The far end did not take it; *final* when it never will.

    The words name no URL: it may be a secret. *after* is when the far end asks to be
    tried again; None if it does not say.
    """

    def __init__(
        self, words: str, *, final: bool = False, after: timedelta | None = None
    ) -> None:
        super().__init__(words)
        self.final = final
        self.after = after


@dataclass(frozen=True, slots=True)
class Report:
    """Where the report of what a message ends is; *url* is empty where no page is."""

    name: str
    url: str

    @property
    def command(self) -> str:
        """Give what writes it, on the box."""
        return f"watchdog report {self.name}"

    @property
    def file(self) -> str:
        """Name the file, in the state folder, that is written once it is over."""
        return f"reports/{self.name}.html"

    @property
    def words(self) -> str:
        """Say it in one line."""
        return self.url or f"`{self.command}`, or {self.file} in the state folder"


def report_of(message: Message, pages: str) -> Report | None:
    """Tell where the report of *message* is; *pages* is where our pages are."""
    name = message.report
    if not name:
        return None
    return Report(name, f"{pages}/report/{quote(name, safe='')}" if pages else "")


class Channel(Protocol):
    """One receiver."""

    @property
    def name(self) -> str:
        """What the settings call it; the outbox knows it by that."""
        ...

    def send(self, message: Message, at: datetime) -> None:
        """Deliver *message*; raises NotTaken."""
        ...


def post(url: str, body: bytes, headers: dict[str, str]) -> None:
    """Post *body* as JSON, following nothing.

    Raises:
        NotTaken: no answer, or one that is not 2xx.
    """
    host = urlsplit(url).hostname or "the receiver"
    try:
        with httpx.Client(
            timeout=_PATIENCE, follow_redirects=False, trust_env=False
        ) as client:
            request = client.build_request(
                "POST",
                url,
                content=body,
                headers={"content-type": "application/json", **headers},
            )
            answer = client.send(request, stream=True)
            answer.close()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotTaken(f"{host} did not answer: {type(error).__name__}") from None
    status = answer.status_code
    if answer.is_success:
        return
    retried = status >= 500 or status in (_TOO_MANY, _TIMEOUT)
    raise NotTaken(
        f"{host} answered {status}",
        final=not retried,
        after=_after(answer.headers.get("retry-after", "")),
    )


def _after(text: str) -> timedelta | None:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        return None
    return min(timedelta(seconds=int(text)), _LONGEST_WAIT)
