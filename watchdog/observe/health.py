"""What the stack itself says: its health and its version, over HTTP."""

from functools import cache

import httpx

from watchdog.verify.proof import Answer

# The engine's port proxy accepts before the container's address resolves; such a
# connection hangs for one second and then succeeds.
_PATIENCE = 3.0


def ask_stack(health: str, version: str, meant: str) -> tuple[Answer, ...]:
    """Ask the health endpoint, and the version endpoint where there is one.

    The version is right when the JSON answer's ``version`` is *meant*.
    """
    answers = [_health(health)]
    if version:
        answers.append(_version(version, meant))
    return tuple(answers)


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
