"""A way to reach people: it takes a message, or says why it did not."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from watchdog.facts.message import Message
from watchdog.facts.problem import Problem
from watchdog.outside import question

# What a receiver may take for all of its answer.
_PATIENCE = 10.0
_LONGEST_WAIT = timedelta(hours=1)
_OK, _OTHER, _ILL, _TOO_MANY, _TIMEOUT = 200, 300, 500, 429, 408
# By which a JSON answer says whether it was taken, and why not.
_TOOK, _WHY = ("ok", "success"), ("error", "errors", "message", "detail")
# It is this message that is not wanted: another one may be.
_THE_MESSAGE = re.compile(r"invalid_(payload|blocks|attachments)|too_|no_text")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_WITH_A_HOST = (
    *("http", "https", "json", "jsons", "xml", "xmls"),
    *("form", "forms", "mailto", "mailtos"),
)
_LONGEST = 300  # of a receiver's own words
_SHORTEST_SECRET = 4  # signs; what is shorter is in too many words


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


def post(
    url: str,
    body: bytes,
    headers: dict[str, str],
    refusal: Callable[[bytes], str] | None = None,
) -> None:
    """Post *body* as JSON, following nothing.

    *refusal* finds in the body of a 2xx why it was not taken all the same.

    Raises:
        NotTaken: no whole answer, one that is not 2xx, or one that says no.
    """
    host = urlsplit(url).hostname or "the receiver"
    sent = {"content-type": "application/json", **headers}
    try:
        answer = question.post(url, _PATIENCE, body, sent)
    except question.NoAnswer as error:
        raise NotTaken(f"{host} did not answer: {shown(str(error), url)}") from None
    status = answer.status
    if _OK <= status < _OTHER:
        no = (refusal or refusal_in)(answer.body)
        if no:
            words = f"{host} answered {status}, but says no: {shown(no, url)}"
            raise NotTaken(words, final=bool(_THE_MESSAGE.search(no)))
        return
    said = shown(answer.body.decode(errors="replace"), url)
    retried = status >= _ILL or status in (_TOO_MANY, _TIMEOUT)
    raise NotTaken(
        f"{host} answered {status}{f': {said}' if said else ''}",
        final=not retried,
        after=_after(answer.headers.get("retry-after", "")),
    )


def refusal_in(body: bytes) -> str:
    """Give why the JSON object *body* says that it was not taken; empty: it does not.

    Many a receiver answers 200 to everything, and means no by `ok` or `error`.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    why = next((told[name] for name in _WHY if told.get(name)), "")
    if any(told.get(name) is False for name in _TOOK):
        return str(why) or "it was not taken"
    is_told = told.get("error") or told.get("errors")
    took = any(told.get(name) is True for name in _TOOK)
    return str(why) if is_told and not took else ""


def shown(words: str, url: str) -> str:
    """Make a receiver's own words one line in which nothing of *url* but its host is.

    A page for people says nothing that helps.
    """
    if words.lstrip().startswith("<"):
        return "a page"
    plain = "".join(char if char.isprintable() else " " for char in words)
    line = " ".join(_URL.sub("(a URL)", plain).split())
    for secret in _secrets(url):
        line = line.replace(secret, "(hidden)")
    return line[:_LONGEST]


def _secrets(url: str) -> list[str]:
    """List the parts of *url* that may be secret, the longest first."""
    parts = urlsplit(url)
    written = [
        *(parts.username or "", parts.password or "", parts.netloc),
        *parts.path.split("/"),
        *(value for pair in parse_qsl(parts.query) for value in pair[1:]),
        *re.split(r"[&=]", parts.query),
        parts.fragment,
    ]
    if parts.scheme not in _WITH_A_HOST:
        # Elsewhere what stands in the host's place is a token.
        written.append(parts.netloc.partition("@")[2] or parts.netloc)
    found = {form for one in written for form in (one, unquote(one))}
    long = (one for one in found if len(one) >= _SHORTEST_SECRET)
    return sorted(long, key=len, reverse=True)


def _after(text: str) -> timedelta | None:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        return None
    return min(timedelta(seconds=int(text)), _LONGEST_WAIT)
