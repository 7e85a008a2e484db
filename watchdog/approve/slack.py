"""Buttons in Slack: a click is an answer, if Slack signed it and the roster knows who.

Source: Slack's "Verifying requests from Slack" and its ``block_actions`` payload.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import parse_qsl

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchdog.approve.answer import Door, Given
from watchdog.approve.delivered import Delivered, as_response, weighed
from watchdog.approve.limit import Limit
from watchdog.approve.listed import unread
from watchdog.approve.reply import Reply, no
from watchdog.approve.strict import Malformed, Strict, read
from watchdog.decide.question import Question
from watchdog.facts.roster import Roster, by_slack_user
from watchdog.sign.delivery import Unauthorized
from watchdog.turn.roles import Remembers

PATH = "/v1/integrations/slack/interactions"
ORIGIN = "https://hooks.slack.com"
"""Where Slack takes what is said of a click; nothing is posted anywhere else."""

Told = Callable[[str, Question | None, str], None]

_FORM = "application/x-www-form-urlencoded"
_LARGEST = 64 * 1024  # a click comes with the message that it was made in
_DEEPEST = 32
_TIMESTAMP = re.compile(r"[1-9][0-9]{9}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_TOLERANCE = timedelta(minutes=5)
# Slack waits for 3 s; a journal that is slower than this goes on by itself.
_PATIENCE = 2.0
_STAMP = r"^[0-9]{1,12}\.[0-9]{1,9}$"


class _Part(Strict):
    """What we read has its own type; Slack may send more than we read."""

    model_config = ConfigDict(extra="ignore")


class _Team(_Part):
    id: str


class _User(_Part):
    id: str = Field(pattern=r"^[A-Z0-9]{2,32}$")
    team_id: str = ""


class _Place(_Part):
    message_ts: str = Field(pattern=_STAMP)


class _Action(_Part):
    action_id: Literal["approve", "deny"]
    action_ts: str = Field(pattern=_STAMP)
    value: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}:[0-9a-f]{16}$")


class Click(_Part):
    """One click on one of our buttons."""

    type: Literal["block_actions"]
    team: _Team | None = None
    user: _User
    container: _Place
    response_url: str
    actions: list[_Action] = Field(min_length=1, max_length=1)


class Buttons:
    """Takes clicks to the door that every answer goes through.

    Who clicked is the Slack user's id in the roster; no name in the payload counts.
    What became of a click is handed to *told*, which posts it: nobody waits for that.
    """

    def __init__(
        self,
        memory: Remembers,
        door: Door,
        *,
        roster: Callable[[], Roster],
        secret: bytes,
        team: str,
        may: tuple[str, ...],
        told: Told,
        limit: Limit,
        now: Callable[[], datetime],
        wake: Callable[[], None],
        origin: str = ORIGIN,
        patience: float = _PATIENCE,
    ) -> None:
        """*secret* is the app's; *team* is the workspace, empty for any.

        *may* are the decisions that a click is enough for.
        """
        self._memory = memory
        self._door = door
        self._roster = roster
        self._secret = secret
        self._team = team
        self._may = may
        self._told = told
        self._limit = limit
        self._now = now
        self._wake = wake
        self._reply_to = re.compile(re.escape(origin) + r"(/[A-Za-z0-9_-]{1,64}){1,8}")
        self._patience = patience

    def routes(self) -> list[Route]:
        """Build what Slack may reach."""
        return [Route(PATH, self._clicked, methods=["POST"])]

    async def _clicked(self, request: Request) -> Response:
        def verify(came: Delivered) -> None:
            _verify(came.headers, came.body, self._secret, self._now())

        reply = await weighed(
            request, self._limit, verify, self._taken, kind=_FORM, most=_LARGEST
        )
        return Response() if reply.status == 200 else as_response(reply)

    async def _taken(self, came: Delivered) -> Reply:
        taken = asyncio.to_thread(self.click, came.headers, came.body, self._now())
        reply = Reply(200, {})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                reply = await taken
        return reply

    def click(
        self, headers: Mapping[str, list[str]], body: bytes, at: datetime
    ) -> Reply:
        """Weigh one click. What Slack signed is a 200, whatever became of it."""
        try:
            _verify(headers, body, self._secret, at)
        except Unauthorized:
            return no(401, "unauthorized", "no valid signature of the Slack app")
        try:
            click = _read(body)
        except Malformed as wrong:
            return unread(wrong)
        if not self._reply_to.fullmatch(click.response_url):
            return no(422, "response_url", "response_url is not one of Slack's")
        question = click.actions[0].value.partition(":")[0]
        reply = self._weigh(click, question, at)
        if reply.status == 202:
            self._wake()
        refusal = str(reply.body["title"]) if reply.status >= 400 else ""
        asked = self._memory.standing.questions.get(question)
        self._told(click.response_url, asked, refusal)
        return Reply(200, {})

    def _weigh(self, click: Click, question: str, at: datetime) -> Reply:
        action, user = click.actions[0], click.user
        if self._team and {click.team.id if click.team else "", user.team_id} != {
            self._team
        }:
            return no(403, "another_workspace", "this is for another workspace")
        approver = self._roster().by_slack(user.id)
        if approver is None:
            return no(403, "unknown_user", f"no approver has the Slack user {user.id}")
        key = by_slack_user(user.id)
        why = self._roster().why_not(approver.name, key, at)
        if why:
            refusal = no(403, "not_now", why)
            return self._door.refused(refusal, question, approver.name, key, at)
        if approver.break_glass or action.action_id not in self._may:
            words = f"Slack is not enough to {action.action_id} here: sign with a key"
            refusal = no(403, "key_needed", words)
            return self._door.refused(refusal, question, approver.name, key, at)
        asked = self._memory.standing.questions.get(question)
        if asked is None:
            return no(404, "unknown", "no such question")
        shown = action.value.partition(":")[2]
        known = asked.asked.digest.removeprefix("sha256:")
        given = Given(
            message=_id_of(click),
            who=approver.name,
            key=key,
            scheme="v0",
            assurance="slack",
            decision=action.action_id,
            reason="by a button in Slack",
            body=_kept(click),
            incident=asked.asked.incident,
            # The button binds what was shown by the start of its digest.
            digest=asked.asked.digest
            if hmac.compare_digest(known[:16], shown)
            else f"sha256:{shown}",
        )
        return self._door.take(question, given, at)


def _verify(
    headers: Mapping[str, list[str]], body: bytes, secret: bytes, at: datetime
) -> None:
    """Verify Slack's ``v0`` signature over the raw body; nothing of it is parsed.

    Raises:
        Unauthorized: for whatever reason; the words are for nobody outside.
    """
    found: list[str] = []
    for name in ("x-slack-request-timestamp", "x-slack-signature"):
        values = headers.get(name, [])
        if len(values) != 1:
            raise Unauthorized(f"{len(values)} headers {name}, meant 1")
        found.append(values[0])
    stamp, offered = found
    if not _TIMESTAMP.fullmatch(stamp) or not _SIGNATURE.fullmatch(offered):
        raise Unauthorized("timestamp or signature is not of Slack's form")
    if abs(int(stamp) - at.timestamp()) > _TOLERANCE.total_seconds():
        raise Unauthorized(f"the timestamp {stamp} is over 5 minutes off")
    signed = f"v0:{stamp}:".encode() + body
    meant = hmac.new(secret, signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(f"v0={meant}", offered):
        raise Unauthorized("the signature is not the app's")


def _read(body: bytes) -> Click:
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=1,
        )
    except ValueError:
        fields = []
    if len(fields) != 1 or fields[0][0] != "payload":
        raise Malformed("malformed", "the form is not one `payload`")
    return read(Click, fields[0][1].encode(), deepest=_DEEPEST)


def _id_of(click: Click) -> str:
    """Name a click: the same one delivered again has the same name."""
    whole = [click.user.id, click.container.message_ts, click.actions[0].action_ts]
    return f"slack_{hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:32]}"


def _kept(click: Click) -> str:
    """Write down what counted; the payload itself holds a token and a secret URL."""
    action = click.actions[0]
    return json.dumps(
        {
            "type": "slack.block_actions",
            "team": click.team.id if click.team else "",
            "user": click.user.id,
            "message_ts": click.container.message_ts,
            "action_ts": action.action_ts,
            "action_id": action.action_id,
            "value": action.value,
        },
        separators=(",", ":"),
    )
