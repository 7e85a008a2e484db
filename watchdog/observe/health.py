"""What the stack itself says over HTTP: its health, its version, smoke checks."""

import time
from functools import cache

import httpx

from watchdog.facts.smoke import Asks, said
from watchdog.verify.proof import Answer

# The engine's port proxy accepts before the container's address resolves; such a
# connection hangs for one second and then succeeds.
_PATIENCE = 3.0
_MOST_BODY = 64 * 1024  # bytes of an answer; more is not read


def ask_stack(health: str, version: str, meant: str) -> tuple[Answer, ...]:
    """Ask the health endpoint, and the version endpoint where there is one.

    The version is right when the JSON answer's ``version`` is *meant*.
    """
    answers = [_health(health)]
    if version:
        answers.append(_version(version, meant))
    return tuple(answers)


def ask(check: Asks) -> Answer:
    """Ask one smoke check; no redirect is followed.

    It has its time for the whole of the answer, and as long again for a part of it.
    """
    url = httpx.URL(check.url).copy_with(username=None, password=None)
    seconds = check.timeout.total_seconds()
    try:
        status, body = _within(check.url, seconds)
    except httpx.HTTPError as error:
        words = f"GET {url} did not answer within {seconds:g} s: {_why(error)}"
        return Answer(fine=False, words=words)
    if status != check.expect:
        words = f"GET {url} says {status}, meant {check.expect}: {said(body)}"
        return Answer(fine=False, words=words)
    if check.contains not in body:
        words = f"GET {url} does not say {check.contains!r}: {said(body)}"
        return Answer(fine=False, words=words)
    return Answer(fine=True, words=f"GET {url} says {status}")


def _within(url: str, seconds: float) -> tuple[int, str]:
    """Give the status, and the beginning of the body."""
    last = time.monotonic() + seconds
    body = b""
    with _client().stream("GET", url, timeout=seconds) as response:
        for part in response.iter_bytes():
            body += part
            if len(body) >= _MOST_BODY:
                break
            if time.monotonic() > last:
                raise httpx.ReadTimeout("its answer has no end")
    return response.status_code, body.decode(errors="replace")


def _health(url: str) -> Answer:
    try:
        status = _get(url).status_code
    except httpx.HTTPError as error:
        return Answer(fine=False, words=f"{url} did not answer: {_why(error)}")
    return Answer(fine=status == httpx.codes.OK, words=f"{url} says {status}")


def _version(url: str, meant: str) -> Answer:
    try:
        answer = _get(url)
        seen = str(answer.json()["version"])
    except httpx.HTTPError as error:
        return Answer(fine=False, words=f"{url} did not answer: {_why(error)}")
    except (ValueError, KeyError, TypeError):
        return Answer(fine=False, words=f"{url} names no version")
    if seen != meant:
        return Answer(fine=False, words=f"{url} says {seen}, meant {meant}")
    return Answer(fine=True, words=f"{url} says {seen}")


def _get(url: str) -> httpx.Response:
    return _client().get(url)


@cache
def _client() -> httpx.Client:
    """Make the client once: loading the certificates alone takes 30 ms.

    No connection is kept: what answers now must not be what answered before.
    """
    return httpx.Client(
        timeout=_PATIENCE,
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


def _why(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
