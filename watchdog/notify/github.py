"""GitHub's REST API, as one App: a token for each installation, a review for each run.

Source: GitHub's "Generating a JSON Web Token (JWT) for a GitHub App", "Generating an
installation access token", "Review custom deployment protection rules for a workflow
run" and "Rate limits for the REST API".
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from watchdog.notify.channel import NotTaken
from watchdog.outside import question

_WHOLE = 20.0  # s, for all of an answer
_OK, _OTHER = 200, 300
_FORBIDDEN, _TOO_MANY, _TIMEOUT, _UNAUTHORIZED = 403, 429, 408, 401
# GitHub: a minute at least, where it does not say how long.
_LIMITED = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=1)
# Of the App's own word: 10 minutes at the most, and clocks differ.
_BEFORE, _AFTER = timedelta(minutes=1), timedelta(minutes=8)
# Of a token's hour, what is left for the request that uses it.
_SPARE = timedelta(minutes=5)
_LONGEST_COMMENT = 1024
# Formatting, links and mentions; a backslash makes each only a sign.
_MARKS = frozenset("\\`*_{}[]<>#|~&!")
_VERSION = "2022-11-28"


class Unauthorized(NotTaken):
    """The token, or the App's own word, does not count: another one may."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    until: datetime


class App:
    """Speaks for one App; neither its key nor a token is ever in a word of it."""

    def __init__(self, api: str, issuer: str, key: RSAPrivateKey) -> None:
        """*issuer* is the App's client ID, or its App ID."""
        self._api = api
        self._host = urlsplit(api).hostname or "GitHub"
        self._issuer = issuer
        self._key = key
        self._tokens: dict[tuple[int, str], _Token] = {}

    def ready(self, installation: int, repository: str, at: datetime) -> None:
        """Have a token for *repository*, so that what follows is one request only.

        Raises:
            NotTaken: there is none now.
        """
        held = self._tokens.get((installation, repository))
        if held and at + _SPARE < held.until:
            return
        answer = self._post(
            f"/app/installations/{installation}/access_tokens",
            {
                "repositories": [repository.partition("/")[2]],
                "permissions": {"deployments": "write"},
            },
            self._word(at),
            at,
        )
        token = _token(answer)
        if token is None:
            raise NotTaken(f"{self._host} gave no token")
        self._tokens[installation, repository] = token

    def review(
        self,
        installation: int,
        repository: str,
        run: int,
        review: dict[str, str],
        at: datetime,
    ) -> None:
        """Post *review* with the token that is there; only its comment is escaped.

        Raises:
            NotTaken: it was not, or nobody knows.
        """
        held = self._tokens[installation, repository]
        path = f"/repos/{repository}/actions/runs/{run}/deployment_protection_rule"
        body = review | {"comment": as_markdown(review["comment"])}
        try:
            self._post(path, body, held.text, at)
        except Unauthorized:
            del self._tokens[installation, repository]
            raise

    def _word(self, at: datetime) -> str:
        """Say who we are, signed with RS256: a token asks for it."""
        now = int(at.timestamp())
        claims = {
            "iat": now - int(_BEFORE.total_seconds()),
            "exp": now + int(_AFTER.total_seconds()),
            "iss": self._issuer,
        }
        parts = [_part({"alg": "RS256", "typ": "JWT"}), _part(claims)]
        signed = ".".join(parts)
        seal = self._key.sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{_base64(seal)}"

    def _post(
        self, path: str, body: dict[str, Any], bearer: str, at: datetime
    ) -> dict[str, Any]:
        headers = {
            "accept": "application/vnd.github+json",
            "authorization": f"Bearer {bearer}",
            "content-type": "application/json",
            "user-agent": "dms-rollback-watchdog",
            "x-github-api-version": _VERSION,
        }
        sent = json.dumps(body).encode()
        try:
            answer = question.post(f"{self._api}{path}", _WHOLE, sent, headers)
        except question.NoAnswer as error:
            words = f"{self._host} did not answer: {error}"
            raise NotTaken(words.replace(bearer, "(hidden)")) from None
        said = _read(answer.body)
        if not _OK <= answer.status < _OTHER:
            raise _not_taken(self._host, answer, said or {}, at)
        if said is None:
            # Somebody in between says so, a login page or a proxy.
            raise NotTaken(f"{self._host} answered {answer.status}, and not in JSON")
        return said


def _not_taken(
    host: str, answer: question.Said, said: dict[str, Any], at: datetime
) -> NotTaken:
    """Tell what will never be taken from what may be in a while."""
    status = answer.status
    why = str(said.get("message", ""))[:200]
    words = f"{host} answered {status}{f': {why}' if why else ''}"
    limited = status in (_FORBIDDEN, _TOO_MANY)
    retried = limited or status >= 500 or status in (_TIMEOUT, _UNAUTHORIZED)
    after = _after(answer.headers, at)
    if limited and after is None:
        after = _LIMITED
    kind = Unauthorized if status == _UNAUTHORIZED else NotTaken
    return kind(words, final=not retried, after=after)


def _token(answer: dict[str, Any]) -> _Token | None:
    """Read a token; None when there is none that a header can hold."""
    text, until = answer.get("token"), answer.get("expires_at")
    if not isinstance(text, str) or not isinstance(until, str):
        return None
    try:
        end = datetime.fromisoformat(until)
    except ValueError:
        return None
    fine = text.isascii() and text.isprintable() and end.tzinfo is not None
    return _Token(text, end) if fine and text else None


def _after(headers: Mapping[str, str], at: datetime) -> timedelta | None:
    """Read how long to leave it alone, an hour at the most; None: it does not say."""
    wait, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if _is_number(wait):
        return min(timedelta(seconds=int(wait)), _LONGEST_WAIT)
    if headers.get("x-ratelimit-remaining") == "0" and _is_number(reset):
        left = timedelta(seconds=int(reset) - at.timestamp())
        return min(max(left, timedelta(seconds=1)), _LONGEST_WAIT)
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _read(body: bytes) -> dict[str, Any] | None:
    """Read an answer, which may be empty; None for what is no JSON object."""
    try:
        found = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else None


def _part(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def as_markdown(words: str) -> str:
    """Make text of others only text: one line, no link, no mention, not too long."""
    found = ""
    for char in words:
        safe = char if char.isprintable() else " "
        safe = f"\\{safe}" if safe in _MARKS else safe
        # A mention needs its sign right before the name.
        safe = f"{safe}\u200d" if safe == "@" else safe
        if len(found) + len(safe) >= _LONGEST_COMMENT:
            return f"{found}…"
        found += safe
    return found
