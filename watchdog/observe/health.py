"""What the stack itself says over HTTP: its health, its version, smoke checks."""

import json
import time
from datetime import timedelta

import httpx

from watchdog.facts.smoke import Asks, said
from watchdog.outside.question import MOST_BODY, NoAnswer, get
from watchdog.verify.proof import Answer

# The engine's port proxy accepts before the container's address resolves; such a
# connection hangs for one second and then succeeds.
_PATIENCE = timedelta(seconds=3)
_LEAST = 0.05  # s; with less left, a good answer would be missed by chance


def ask_stack(
    health: str, version: str, meant: str, within: timedelta = 2 * _PATIENCE
) -> tuple[Answer, ...]:
    """Ask the health endpoint, and the version endpoint where there is one.

    The version is right when the JSON answer's ``version`` is *meant*. Each has
    three seconds, and both together no more than *within*.
    """
    last = time.monotonic() + within.total_seconds()

    def seconds() -> float:
        return max(_LEAST, min(_PATIENCE.total_seconds(), last - time.monotonic()))

    answers = [_health(health, seconds())]
    if version:
        answers.append(_version(version, meant, seconds()))
    return tuple(answers)


def ask(check: Asks) -> Answer:
    """Ask one smoke check; no redirect is followed.

    It has its time for the whole of the answer, of which 64 KiB are read.
    """
    url = httpx.URL(check.url).copy_with(username=None, password=None)
    seconds = max(_LEAST, check.timeout.total_seconds())
    try:
        seen = get(check.url, seconds)
    except NoAnswer as error:
        words = f"GET {url} did not answer within {seconds:g} s: {said(str(error))}"
        return Answer(fine=False, words=words)
    body = seen.body.decode(errors="replace")
    if seen.status != check.expect:
        words = f"GET {url} says {seen.status}, meant {check.expect}: {said(body)}"
        return Answer(fine=False, words=words)
    if check.contains not in body:
        words = f"GET {url} does not say {check.contains!r}: {said(body)}"
        return Answer(fine=False, words=words)
    return Answer(fine=True, words=f"GET {url} says {seen.status}")


def _health(url: str, seconds: float) -> Answer:
    try:
        seen = get(url, seconds)
    except NoAnswer as error:
        return Answer(fine=False, words=f"{url} did not answer: {said(str(error))}")
    if not seen.is_whole:
        words = f"{url} says {seen.status}, and more than {MOST_BODY} bytes"
        return Answer(fine=False, words=words)
    return Answer(fine=seen.status == httpx.codes.OK, words=f"{url} says {seen.status}")


def _version(url: str, meant: str, seconds: float) -> Answer:
    try:
        came = get(url, seconds)
        if came.status != httpx.codes.OK:
            # An error page may name a version, too: it is not what serves that said so.
            words = (
                f"{url} says {came.status}: {said(came.body.decode(errors='replace'))}"
            )
            return Answer(fine=False, words=words)
        answer = json.loads(came.body)
        seen = said(str(answer["version"]))
    except NoAnswer as error:
        return Answer(fine=False, words=f"{url} did not answer: {said(str(error))}")
    except (ValueError, KeyError, TypeError, RecursionError):
        return Answer(fine=False, words=f"{url} names no version")
    if seen != meant:
        return Answer(fine=False, words=f"{url} says {seen}, meant {meant}")
    return Answer(fine=True, words=f"{url} says {seen}")
