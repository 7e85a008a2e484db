"""The envelope around an answer of Prometheus: whole, or what is wrong with it.

The client library keeps ``data.result`` only: half an answer, a warning and an error
would all look like "no such series".
"""

import json
from collections.abc import Callable
from typing import Any

import requests

from watchdog.facts.reading import Blind, Cause

_MOVED = (
    "write in `prometheus.url` the address that answers itself: a redirect is not "
    "followed, and a page to log in is none"
)
_PREFIX = "is the path before /api/v1 in `prometheus.url`, and is it Prometheus there?"
_TOO_OFTEN = "it is asked more often than it allows: raise its limit, or `poll`"
_ILL = "something answers, and says itself why not: look at its log, or the proxy's"
_ANOTHER = "is it Prometheus that answers at `prometheus.url`, or a page to log in?"
# PromQL's own words about a query are no sign that half of the data is missing.
_INFO, _OF_THE_QUERY = "PromQL info", "PromQL warning"
_TIMED_OUT = frozenset({"timeout", "canceled"})


class NotSeen(Exception):
    """A blind reading on its way out through the library."""

    def __init__(self, cause: Cause, words: str, hint: str = "") -> None:
        super().__init__(words)
        self.cause = cause
        self.words = words
        self.hint = hint

    @property
    def blind(self) -> Blind:
        """Give the reading that it is."""
        return Blind(self.cause, self.words, self.hint)


def opened(
    response: requests.Response,
    body: bytes,
    shown: str,
    unwelcome: Callable[[int, str, str], str],
) -> Any:
    """Read the envelope of an answer, and refuse it unless it is whole.

    *shown* names the server. *unwelcome* gives the hint for who is not let in: of the
    status, what the server wants to see, and what it says.

    Raises:
        NotSeen: there is nothing to be taken out of it.
    """
    where = f"{shown} answered HTTP {response.status_code}"
    try:
        envelope = json.loads(body)
    except ValueError:
        envelope = None
    except RecursionError as error:
        words = f"{where}, nested too deep to be read"
        raise NotSeen(Cause.NONSENSE, words) from error
    if response.status_code != 200:
        raise _refusal(where, response, envelope, body, unwelcome)
    if not isinstance(envelope, dict):
        text = _excerpt(body)
        broke_off = body.lstrip()[:1] == b"{"
        if broke_off:
            raise NotSeen(Cause.PARTIAL, f"{where}, but it broke off: {text}")
        words = f"{where}, but not as JSON: {text}"
        raise NotSeen(Cause.REJECTED, words, _ANOTHER)
    if envelope.get("status") != "success":
        raise _refusal(where, response, envelope, body, unwelcome)
    if envelope.get("isPartial"):
        raise NotSeen(Cause.PARTIAL, f"{where}, but only in part (isPartial)")
    warnings = envelope.get("warnings") or []
    said = [one for one in warnings if not str(one).startswith(_INFO)]
    if said and all(str(one).startswith(_OF_THE_QUERY) for one in said):
        words = f"{shown} warns of the query: {'; '.join(map(str, said))[:300]}"
        raise NotSeen(Cause.NONSENSE, words)
    if said:
        words = f"{where} with warnings: {json.dumps(warnings)[:300]}"
        raise NotSeen(Cause.PARTIAL, words)
    if "/api/v1/query" not in str(response.url):
        return envelope
    data = envelope.get("data")
    kind = data.get("resultType") if isinstance(data, dict) else None
    ranged = "query_range" in str(response.url)
    meant = ("matrix",) if ranged else ("scalar", "vector")
    if kind not in meant:
        words = f"{where} with resultType {kind}, not {' or '.join(meant)}"
        raise NotSeen(Cause.REJECTED, words)
    return envelope


def _refusal(
    where: str,
    response: requests.Response,
    envelope: Any,
    body: bytes,
    unwelcome: Callable[[int, str, str], str],
) -> NotSeen:
    """Name an error in Prometheus' own words if it sent any."""
    kind, text = "", _excerpt(body)
    is_prometheus = isinstance(envelope, dict) and "error" in envelope
    if is_prometheus:
        kind = str(envelope.get("errorType", ""))
        text = str(envelope["error"])[:300]
    status = response.status_code
    if kind in _TIMED_OUT or status in {408, 504}:
        cause = Cause.TIMEOUT
    elif status >= 500 or status == 429:
        cause = Cause.UNREACHABLE
    else:
        cause = Cause.REJECTED
    said = f"{kind}: {text}" if kind else text
    hint = unwelcome(status, response.headers.get("WWW-Authenticate", ""), text)
    if response.is_redirect:
        said = f"sent elsewhere, to {response.headers['location'][:200]}"
        hint = _MOVED
    elif "HTTP request to an HTTPS server" in text:
        hint = "write `https://` in `prometheus.url`"
    elif status == 404 and not is_prometheus:
        hint = _PREFIX
    elif status == 429:
        hint = _TOO_OFTEN
    elif status >= 500:
        hint = _ILL
    return NotSeen(cause, f"{where}: {said}" if said else where, hint)


def _excerpt(body: bytes) -> str:
    return " ".join(body[:200].decode("utf-8", "replace").split())
