"""The door for decisions, as it is seen from a person's own machine."""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from watchdog.decide.document import ROLLBACK, Asked, digest_of, read
from watchdog.decide.gate import digest_of as digest_of_pauses
from watchdog.facts.problem import Problem, Unreachable
from watchdog.outside.question import trusted
from watchdog.sign.delivery import Signs, signature

# A door that is crowded takes its time, and who hangs up is the last in line again.
_PATIENCE = 30.0  # s
# Where too many ask at once it is sent again: so long, so often, so many seconds apart.
_LONGEST, _TRIES, _APART = 60.0, 120, 0.5
# There was somebody, who hung up or had no time: it may have been taken, or not.
_CUT_OFF = (
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.RemoteProtocolError,
)
_LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """A question whose digest we computed ourselves, and what was told beside it.

    Only *asked* is signed; *beside* is the watchdog's word.
    """

    asked: Asked
    digest: str
    beside: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Paused:
    """What pauses a release until a person lifts it, and its digest, ours again."""

    audience: str
    release: str
    pauses: Mapping[str, tuple[str, ...]]
    digest: str


class Far:
    """A watchdog at *url*; it is asked, and posted to, and not believed."""

    def __init__(self, url: str, pause: Callable[[float], None]) -> None:
        """Open it; nothing is asked yet. *pause* waits for so many seconds.

        Raises:
            Problem: *url* is not one.
        """
        if not url.startswith(("http://", "https://")):
            raise Problem(
                f"{url} is not where a watchdog can be reached",
                "write it like https://watchdog.example",
            )
        self.url = url.rstrip("/")
        self._pause = pause
        # Neither a redirect nor a proxy: the answer is for this door. Of the
        # environment only SSL_CERT_FILE and SSL_CERT_DIR count, for a CA of one's own.
        self._client = httpx.Client(
            verify=trusted(), timeout=_PATIENCE, trust_env=False
        )

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def the_open_one(self) -> str | None:
        """Find the one open question; None if there is none.

        Raises:
            Problem: there are several.
        """
        listed = self._get("/v1/approvals").get("open", [])
        names = [str(one.get("approval_id", "")) for one in listed]
        if len(names) > 1:
            raise Problem(
                f"{len(names)} questions are open: {', '.join(names)}",
                "say which: its id goes behind the command",
            )
        return names[0] if names else None

    def question(self, name: str) -> Fetched:
        """Fetch a question, and hold it against itself.

        Raises:
            Problem: it is not there, its digest is not that of its bytes, or its
                bytes ask something else than its name says.
        """
        told = self._get(f"/v1/approvals/{_plain(name)}")
        text = told.get("action_document")
        if not isinstance(text, str):
            raise Problem(f"{self.url} gave a question without a document")
        digest = digest_of(text)
        if told.get("action_digest") != digest:
            raise Problem(
                f"the digest is {told.get('action_digest')}, that of the document's "
                f"bytes is {digest}: not signing",
                "somebody is between you and the watchdog, or it is broken; ask ops",
            )
        try:
            asked = read(text)
        except ValueError as error:
            raise Problem(f"the document cannot be read: {error}") from None
        if (asked.question, asked.action) != (name, ROLLBACK):
            raise Problem(
                f"the document of {name} is a {asked.action or 'nothing'} of "
                f"{asked.question or 'no question'}: not signing"
            )
        return Fetched(asked, digest, told)

    def paused(self, release: str) -> Paused | None:
        """Fetch what pauses *release* until a person lifts it; None if nothing does."""
        reply = self._send("GET", f"/v1/promotion/{_plain(release)}")
        told = _json(reply)
        if reply.status_code not in (200, 423):
            raise Problem(f"{self.url} says {reply.status_code}: {told.get('title')}")
        given = told.get("pauses")
        if not given:
            return None
        pauses = {name: tuple(map(str, why)) for name, why in given.items()}
        digest = digest_of_pauses(pauses)
        if told.get("pauses_digest") != digest:
            raise Problem(
                "the digest of the pauses is another than theirs: not signing"
            )
        return Paused(str(told.get("audience", "")), release, pauses, digest)

    def post(
        self, path: str, kind: str, data: Mapping[str, Any], key: Signs, at: datetime
    ) -> tuple[int, dict[str, Any]]:
        """Sign and post one decision as of *at*; give the status and what it says."""
        stamp = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        body = json.dumps(
            {"type": kind, "timestamp": stamp, "data": data}, ensure_ascii=False
        ).encode()
        headers = signature(f"ans_{secrets.token_hex(12)}", at, body, key)
        headers["content-type"] = "application/json"
        reply, again = self._told("POST", path, body, headers)
        told = _json(reply)
        if again and told.get("code") == "idempotency_key_reuse":
            # Nobody else has this id: an earlier try was taken, and we did not hear it.
            return 200, {"state": "recorded", "replayed": True}
        return reply.status_code, told

    def _get(self, path: str) -> dict[str, Any]:
        reply = self._send("GET", path)
        told = _json(reply)
        if reply.status_code != 200:
            raise Problem(
                f"{self.url}{path} says {reply.status_code}: {told.get('title', '')}"
            )
        return told

    def _send(self, method: str, path: str) -> httpx.Response:
        return self._told(method, path)[0]

    def _told(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[httpx.Response, bool]:
        """Send it; for a while again, byte by byte the same, where too many ask.

        Tells too whether an earlier try may have been taken.
        """
        until, tries, cut = time.monotonic() + _LONGEST, 0, False
        while True:
            tries += 1
            is_last = tries > _TRIES or time.monotonic() > until
            try:
                reply = self._sent(method, path, body, headers)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                cut = cut or isinstance(error, _CUT_OFF)
                # Where nobody was there at all it is said at once.
                if is_last or not cut:
                    raise self._unreachable(error) from error
            else:
                if is_last or not _is_busy(reply):
                    return self._bounded(reply), cut
            self._pause(_APART)

    def _bounded(self, reply: httpx.Response) -> httpx.Response:
        if len(reply.content) > _LARGEST:
            raise Problem(f"{self.url} answered with {len(reply.content)} bytes")
        return reply

    def _sent(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Response:
        return self._client.request(
            method, f"{self.url}{path}", content=body, headers=headers
        )

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"the watchdog at {self.url} does not answer: {error}",
            "say where it is: --url https://…",
        )


def _is_busy(reply: httpx.Response) -> bool:
    """Tell whether it was not looked at, and may be sent again."""
    if reply.status_code != 503 or len(reply.content) > _LARGEST:
        return False
    try:
        return bool(reply.json().get("code") == "busy")
    except (ValueError, AttributeError):
        return False


def _plain(name: str) -> str:
    if not name or not all(c.isascii() and (c.isalnum() or c in "._-") for c in name):
        raise Problem(f"{name!r} is neither a question nor a release")
    return name


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        told = reply.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Unreachable(
            f"{reply.request.url} says {reply.status_code}, and not in JSON",
            "is that a watchdog?",
        )
    return told
