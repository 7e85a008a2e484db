"""GitHub asks whether a deployment may begin: taken down, and weighed by the turn.

Source: GitHub's "Validating webhook deliveries" and the payload of
``deployment_protection_rule``.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchdog.approve.delivered import JSON, Delivered, as_response, weighed
from watchdog.approve.limit import Limit
from watchdog.approve.listed import unread
from watchdog.approve.reply import Reply, no
from watchdog.approve.strict import Malformed, Strict, read, strict_json
from watchdog.decide.standing import Standing
from watchdog.facts.event import DeploymentRequested, Event
from watchdog.facts.problem import Claimed
from watchdog.sign.delivery import Unauthorized
from watchdog.turn.roles import Remembers

PATH = "/v1/integrations/github"

_EVENT = "deployment_protection_rule"
# The repository, the run's pull requests and their repositories come with it.
_LARGEST = 512 * 1024
_DEEPEST = 32
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_DELIVERY = re.compile(r"[0-9A-Za-z-]{8,64}")
_BIGGEST = 2**53  # what every JSON reader still counts exactly


class _Part(Strict):
    """What we read has its own type; GitHub sends more than we read."""

    model_config = ConfigDict(extra="ignore")


class _Numbered(_Part):
    id: int = Field(gt=0, lt=_BIGGEST)


class _Deployment(_Numbered):
    ref: str = Field(min_length=1, max_length=255)
    sha: str = Field(pattern=r"^[0-9a-f]{40,64}$")


class _Repository(_Numbered):
    full_name: str = Field(pattern=r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$")


class Asked(_Part):
    """One deployment that waits."""

    action: Literal["requested"]
    environment: str = Field(min_length=1, max_length=255)
    deployment_callback_url: str = Field(max_length=1000)
    deployment: _Deployment
    repository: _Repository
    installation: _Numbered


class Deployments:
    """Takes down what GitHub's App was asked; answers nothing itself.

    GitHub signs the body alone, with no time and no id: a deployment is named by
    what was signed, so that whoever sends it again tells nothing new.
    """

    def __init__(
        self,
        memory: Remembers,
        *,
        secret: bytes,
        api: str,
        limit: Limit,
        now: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        """*secret* is the App's; *api* is where its callbacks must lead."""
        self._memory = memory
        self._secret = secret
        self._callback = re.compile(
            re.escape(api)
            + r"/repos/(?P<repository>[A-Za-z0-9-]+/[A-Za-z0-9._-]+)"
            + r"/actions/runs/(?P<run>[1-9][0-9]{0,14})/deployment_protection_rule"
        )
        self._limit = limit
        self._now = now
        self._wake = wake

    def routes(self) -> list[Route]:
        """Build what GitHub may reach."""
        return [Route(PATH, self._came, methods=["POST"])]

    async def _came(self, request: Request) -> Response:
        async def looked_at(came: Delivered) -> Reply:
            return await self._limit.in_thread(
                lambda: self.take(came.headers, came.body, self._now())
            )

        def verify(came: Delivered) -> None:
            _verify(came.headers, came.body, self._secret)

        reply = await weighed(
            request, self._limit, verify, looked_at, kind=JSON, most=_LARGEST
        )
        if reply.status == 202:
            self._wake()
        return as_response(reply)

    def take(
        self, headers: Mapping[str, list[str]], body: bytes, at: datetime
    ) -> Reply:
        """Weigh one delivery; nothing of it is parsed before its signature is good."""
        try:
            _verify(headers, body, self._secret)
        except Unauthorized:
            return no(401, "unauthorized", "no valid signature of the GitHub App")
        delivery, event = (
            _only(headers, name) for name in ("x-github-delivery", "x-github-event")
        )
        if not _DELIVERY.fullmatch(delivery) or not event:
            return no(400, "malformed", "one x-github-delivery and x-github-event")
        try:
            if event == "ping":
                strict_json(body, _DEEPEST)
                return Reply(200, {"ignored": "a ping: the secret is the right one"})
            if event != _EVENT:
                strict_json(body, _DEEPEST)
                return Reply(200, {"ignored": f"only {_EVENT} is understood here"})
            action = strict_json(body, _DEEPEST).get("action")
            if action != "requested":
                return Reply(200, {"ignored": f"only requested {_EVENT}s are answered"})
            asked = read(Asked, body, deepest=_DEEPEST)
        except Malformed as wrong:
            return unread(wrong)
        except ValueError as wrong:
            return no(400, "malformed", str(wrong))
        found = self._callback.fullmatch(asked.deployment_callback_url)
        if not found or found["repository"] != asked.repository.full_name:
            words = "deployment_callback_url is not this repository's at github.api"
            return no(422, "callback_url", words)
        return self._note(asked, int(found["run"]), delivery, at)

    def _note(self, asked: Asked, run: int, delivery: str, at: datetime) -> Reply:
        name = _name_of(asked, run)
        event = DeploymentRequested(
            deployment=name,
            delivery=delivery,
            repository=asked.repository.full_name,
            run=run,
            environment=asked.environment,
            ref=asked.deployment.ref,
            sha=asked.deployment.sha,
            installation=asked.installation.id,
        )
        body: dict[str, Any] = {"deployment": name}

        def weigh(standing: Standing) -> tuple[Event, ...] | Reply:
            known = (one.asked for one in standing.deployments.values())
            same = [one.deployment for one in known if one.delivery == delivery]
            if any(one != name for one in same):
                return no(409, "idempotency_key_reuse", "this delivery was another one")
            return (event,)

        try:
            found = self._memory.add_if(at, weigh, claim=f"deployment/{name}")
        except Claimed:
            one = self._memory.standing.deployments.get(name)
            state = one.words if one else "it is over"
            return Reply(200, body | {"state": state, "replayed": True})
        if isinstance(found, Reply):
            return found
        return Reply(202, body | {"state": "waiting: the next turn weighs it"})


def _verify(headers: Mapping[str, list[str]], body: bytes, secret: bytes) -> None:
    """Verify GitHub's HMAC over the raw body.

    Raises:
        Unauthorized: for whatever reason; the words are for nobody outside.
    """
    offered = _only(headers, "x-hub-signature-256")
    if not _SIGNATURE.fullmatch(offered):
        raise Unauthorized("the signature is not of GitHub's form")
    meant = hmac.new(secret, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(f"sha256={meant}", offered):
        raise Unauthorized("the signature is not the App's")


def _only(headers: Mapping[str, list[str]], name: str) -> str:
    """Give the one value of a header; nothing when there is none, or a second."""
    values = headers.get(name, [])
    return values[0] if len(values) == 1 else ""


def _name_of(asked: Asked, run: int) -> str:
    """Name a deployment: a run's second attempt makes another one, with its own id."""
    whole = [asked.repository.id, run, asked.environment, asked.deployment.id]
    return f"dpl_{hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:24]}"
