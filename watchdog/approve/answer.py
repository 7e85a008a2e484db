"""A signed answer, weighed against the question it was given to; nothing executes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from watchdog.decide.standing import Question
from watchdog.facts.event import Answered
from watchdog.facts.problem import Claimed
from watchdog.roles import Remembers
from watchdog.signature import Unauthorized, who_signed

_DEEPEST = 8
# What is in quotes opens and closes nothing.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Data(_Strict):
    approval_id: str
    incident_id: str
    audience: str
    action_digest: str
    decision: Literal["approve", "deny"]
    approver: str
    reason: str = Field(max_length=2000)


class Decision(_Strict):
    """The body of a decision, as a person's tool signs it."""

    type: Literal["rollback.approval.decision"]
    timestamp: str
    data: _Data


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller is told: an HTTP status and a JSON body."""

    status: int
    body: Mapping[str, Any]


class Door:
    """Takes signed answers and journals them; the next turn weighs them.

    Nothing is parsed before its signature is verified, and nothing that a caller
    could use is told before that.
    """

    def __init__(
        self,
        memory: Remembers,
        *,
        audience: str,
        approvers: Mapping[str, tuple[bytes, ...]],
    ) -> None:
        self._memory = memory
        self._audience = audience
        self._approvers = approvers

    def answer(
        self, question: str, headers: Mapping[str, list[str]], body: bytes, at: datetime
    ) -> Reply:
        """Weigh one delivery. The same one again is answered like the first."""
        try:
            message, who = who_signed(headers, body, self._approvers, at)
        except Unauthorized:
            return _no(401, "unauthorized", "no valid signature of a listed approver")
        try:
            given = Decision.model_validate(_strict_json(body))
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(str(part) for part in first["loc"])
            return _no(422, "schema", f"{path}: {first['msg']}")
        except ValueError as error:
            return _no(400, "malformed", str(error))
        data = given.data
        if data.audience != self._audience or data.approval_id != question:
            return _no(403, "wrong_audience_or_path", "the answer is for elsewhere")
        if data.approver != who:
            return _no(403, "approver_key_mismatch", f"this key is {who}'s")
        asked = self._memory.standing.questions.get(question)
        if asked is None:
            return _no(404, "unknown", f"no question {question}")
        replayed = _again(asked, message, body)
        if replayed is not None:
            return replayed
        refusal = _weigh(asked, data, who, at)
        if refusal is not None:
            return refusal
        answered = Answered(
            question, message, data.decision, who, data.reason, body.decode()
        )
        try:
            self._memory.add(at, answered, claim=f"answer/{message}")
        except Claimed:
            # Another delivery of it came between our look and our write.
            fresh = self._memory.standing.questions[question]
            return _again(fresh, message, body) or _no(
                409, "idempotency_key_reuse", "this webhook-id was used before"
            )
        return _recorded(answered, replayed=False)


def _weigh(asked: Question, data: _Data, who: str, at: datetime) -> Reply | None:
    if who not in asked.asked.dri:
        return _no(403, "not_a_release_dri", f"{who} is not a DRI of this release")
    if data.incident_id != asked.asked.incident:
        return _no(409, "action_mismatch", "the answer names another incident")
    if data.action_digest != asked.asked.digest:
        return _no(409, "action_mismatch", "the answer is about another action")
    if asked.closed not in ("", "expired"):
        return _no(409, f"already_{asked.closed.replace(' ', '_')}", "it was closed")
    if asked.closed or at >= asked.asked.expires:
        return _no(410, "expired", f"it expired at {asked.asked.expires.isoformat()}")
    if asked.denied_by:
        return _no(409, "already_denied", f"{asked.denied_by.by} denied it")
    if any(a.by == who and a.decision == data.decision for a in asked.answers):
        return _no(409, "duplicate_vote", f"{who} said so before")
    return None


def _again(asked: Question, message: str, body: bytes) -> Reply | None:
    """Answer a delivery that was seen before; None for a new one."""
    before = next((a for a in asked.answers if a.message == message), None)
    if before is None:
        return None
    if before.body.encode() != body:
        return _no(409, "idempotency_key_reuse", "this webhook-id had another body")
    return _recorded(before, replayed=True)


def _recorded(answered: Answered, *, replayed: bool) -> Reply:
    state = {"approve": "approved", "deny": "denied"}[answered.decision]
    body: dict[str, Any] = {
        "approval_id": answered.question,
        "state": state,
        "decision": answered.decision,
        "approver": answered.by,
    }
    if replayed:
        return Reply(200, body | {"replayed": True})
    return Reply(202, body)


def _no(status: int, code: str, words: str) -> Reply:
    return Reply(
        status, {"type": "about:blank", "status": status, "code": code, "title": words}
    )


def _strict_json(body: bytes) -> dict[str, Any]:
    """Parse JSON that has one meaning: UTF-8, no BOM, no double keys, no NaN."""
    text = body.decode("utf-8")  # UnicodeDecodeError is a ValueError
    if text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}"):
        raise ValueError("the body begins with a byte order mark")
    depth = deepest = 0
    for char in _STRING.sub("", text):
        depth += (char in "[{") - (char in "]}")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        raise ValueError("the body is nested too deeply")
    whole = json.loads(text, object_pairs_hook=_no_doubles, parse_constant=_no_constant)
    if not isinstance(whole, dict):
        raise ValueError("the body is not a JSON object")  # noqa: TRY004 - a bad body, not a bad call
    return whole


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the body has a key twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
