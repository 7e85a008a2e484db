"""A signed answer, weighed against the question it was given to; nothing executes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from watchdog.approve.listed import Listed
from watchdog.approve.reply import Reply, no
from watchdog.approve.strict import Malformed, Strict, read
from watchdog.decide.approval import BREAK_GLASS_A_DAY
from watchdog.decide.question import Question
from watchdog.decide.standing import Standing
from watchdog.facts.event import Answered, Event
from watchdog.facts.roster import Roster
from watchdog.sign.delivery import Signed
from watchdog.turn.roles import Filed, Remembers

_SHORTEST_REASON = 20  # signs, of who breaks the glass
_DAY = timedelta(days=1)


class _Data(Strict):
    approval_id: str
    incident_id: str
    audience: str
    action_digest: str
    decision: Literal["approve", "deny", "forward_fix"]
    approver: str
    reason: str = Field(max_length=2000)
    eta: str | None = None


class Decision(Strict):
    """The body of a decision, as a person's tool signs it."""

    type: Literal["rollback.approval.decision"]
    timestamp: str
    data: _Data


@dataclass(frozen=True, slots=True)
class Given:
    """A decision whose signature was good, however it came in."""

    message: str
    who: str
    key: str
    scheme: str
    assurance: str
    decision: str
    reason: str
    body: str
    incident: str
    digest: str
    eta: datetime | None = None


class Door:
    """Takes signed answers and journals them; the next turn weighs them.

    Nothing that a caller could use is told before their signature is verified. Every
    way in ends in ``take``: there is one decision about who may say what.
    """

    def __init__(
        self,
        memory: Remembers,
        *,
        audience: str,
        roster: Callable[[], Roster],
        releases: Filed,
    ) -> None:
        self._memory = memory
        self._audience = audience
        self._roster = roster
        self._listed = Listed(memory, roster)
        self._releases = releases

    def verify(
        self, headers: Mapping[str, list[str]], body: bytes, at: datetime
    ) -> None:
        """Verify only that somebody who is listed signed it.

        Raises:
            Unauthorized: nobody did.
        """
        self._listed.signed(headers, body, at)

    def answer(
        self, question: str, headers: Mapping[str, list[str]], body: bytes, at: datetime
    ) -> Reply:
        """Weigh one delivery. The same one again is answered like the first."""
        checked = self._listed.checked(
            headers,
            body,
            at,
            meant=(self._audience, question),
            parse=_decision,
            about=self._known(question),
        )
        if isinstance(checked, Reply):
            return checked
        signed, data = checked
        return self.take(question, _given(signed, data, body, _eta(data)), at)

    def refused(
        self, reply: Reply, question: str, who: str, key: str, at: datetime
    ) -> Reply:
        """Note that what *who* answered was refused, and give the refusal on."""
        return self._listed.refused(reply, who, key, at, about=self._known(question))

    def take(self, question: str, given: Given, at: datetime) -> Reply:
        """Weigh a decision whose sender is known, and journal it: both in one."""
        answered = Answered(
            question=question,
            message=given.message,
            decision=given.decision,
            by=given.who,
            reason=given.reason,
            body=given.body,
            key=given.key,
            scheme=given.scheme,
            assurance=given.assurance,
            eta=given.eta,
            break_glass=self._breaks_glass(given.who),
        )

        def weigh(standing: Standing) -> tuple[Event, ...] | Reply:
            asked = standing.questions.get(question)
            if asked is None:
                return no(404, "unknown", f"no question {question}")
            known = _again(asked, given) or self._weigh(standing, asked, given, at)
            return known or (answered,)

        untaken = self._listed.taken(given, at, weigh, about=self._known(question))
        if untaken is not None:
            return untaken
        fresh = self._memory.standing.questions[question]
        return _recorded(fresh, answered, replayed=False)

    def _known(self, question: str) -> str:
        return question if question in self._memory.standing.questions else ""

    def _weigh(
        self, standing: Standing, asked: Question, given: Given, at: datetime
    ) -> Reply | None:
        if self._breaks_glass(given.who):
            refusal = _glass(standing, given, at)
        else:
            refusal = self._eligible(standing, asked, given.who)
        if refusal is not None:
            return refusal
        if given.incident != asked.asked.incident:
            return no(409, "action_mismatch", "the answer names another incident")
        if given.digest != asked.asked.digest:
            return no(409, "action_mismatch", "the answer is about another action")
        if asked.closed not in ("", "expired"):
            return _closed(standing, asked)
        if asked.closed or at >= asked.deadline:
            return no(410, "expired", f"it expired at {asked.deadline.isoformat()}")
        if asked.denied_by:
            return no(409, "already_denied", f"{asked.denied_by.by} denied it")
        if given.eta is not None and not at < given.eta <= asked.deadline:
            return no(
                422,
                "eta_out_of_time",
                f"eta is {given.eta.isoformat()}, meant after now and not after the "
                f"deadline, {asked.deadline.isoformat()}",
            )
        same = [a for a in asked.counted if a.by == given.who]
        if given.decision != "forward_fix" and any(
            a.decision == given.decision for a in same
        ):
            return no(409, "duplicate_vote", f"{given.who} said so before")
        return None

    def _eligible(self, standing: Standing, asked: Question, who: str) -> Reply | None:
        """Who may answer is read anew: a DRI who left the file is refused at once."""
        version = _version_of(standing, asked)
        release = self._releases.for_version(version)
        if release is None or who not in release.eligible:
            return no(403, "not_a_release_dri", f"{who} is not a DRI of this release")
        return None

    def _breaks_glass(self, who: str) -> bool:
        approver = self._roster().approvers.get(who)
        return approver is not None and approver.break_glass


def _closed(standing: Standing, asked: Question) -> Reply:
    if asked.closed == "superseded":
        now = standing.question
        current = now.asked.question if now and not now.closed else ""
        reply = no(409, "superseded", "the action was overtaken; look again")
        more = {"current_approval_id": current} if current else {}
        return Reply(reply.status, dict(reply.body) | more)
    if asked.closed == "carried out":
        code = "already_executing" if standing.rollback else "already_executed"
        return no(409, code, "the rollback was started")
    return no(409, f"already_{asked.closed.replace(' ', '_')}", "it was closed")


def _decision(body: bytes) -> tuple[_Data, tuple[str, str]]:
    data = read(Decision, body).data
    _eta(data)  # it is a part of the form
    return data, (data.audience, data.approval_id)


def _eta(data: _Data) -> datetime | None:
    if data.decision != "forward_fix":
        if data.eta is not None:
            raise Malformed("schema", f"data.eta: is not for {data.decision}")
        return None
    if data.eta is None:
        raise Malformed("schema", "data.eta: a fix forward needs the time it is due")
    try:
        eta = datetime.fromisoformat(data.eta)
        # At the edges of time there is a zone in which it is past them.
        utc = eta.astimezone(UTC) if eta.tzinfo else None
    except (ValueError, OverflowError):
        utc = None
    if utc is None:
        raise Malformed(
            "schema", "data.eta: not a time with a zone, like 2026-11-23T15:30:00Z"
        )
    return utc


def _given(signed: Signed, data: _Data, body: bytes, eta: datetime | None) -> Given:
    return Given(
        message=signed.message,
        who=signed.who,
        key=signed.key,
        scheme=str(signed.scheme),
        assurance="key",
        decision=data.decision,
        reason=data.reason,
        body=body.decode(),
        incident=data.incident_id,
        digest=data.action_digest,
        eta=eta,
    )


def _version_of(standing: Standing, asked: Question) -> str:
    """Find whose release file says who may answer: that of the pair to be left."""
    incident = standing.incident
    if incident and incident.id == asked.asked.incident and incident.breaches:
        return incident.breaches[0].release
    return standing.running.pair.version if standing.running else ""


def _glass(standing: Standing, given: Given, at: datetime) -> Reply | None:
    if given.decision != "approve":
        return no(403, "break_glass_approves_only", "a break-glass key may approve")
    if len(given.reason.strip()) < _SHORTEST_REASON:
        words = f"a reason of {_SHORTEST_REASON} signs or more is needed"
        return no(403, "break_glass_reason", words)
    recent = [broken for broken in standing.glass_broken if at - broken < _DAY]
    if len(recent) >= BREAK_GLASS_A_DAY:
        words = f"the glass was broken {len(recent)} times in 24 h"
        return no(403, "break_glass_limit", words)
    return None


def _again(asked: Question, given: Given) -> Reply | None:
    """Answer a delivery that was seen before; None for a new one."""
    before = next((a for a in asked.answers if a.message == given.message), None)
    if before is None:
        return None
    if before.body != given.body:
        return no(409, "idempotency_key_reuse", "this webhook-id had another body")
    return _recorded(asked, before, replayed=True)


def _recorded(asked: Question, answered: Answered, *, replayed: bool) -> Reply:
    state = "approved" if asked.is_approved else "pending"
    if answered.decision == "deny":
        state = "denied"
    body: dict[str, Any] = {
        "approval_id": answered.question,
        "state": state,
        "decision": answered.decision,
        "approver": answered.by,
        "votes": {"have": len(asked.approvals), "need": asked.asked.needed},
    }
    if answered.eta is not None:
        body["eta"] = answered.eta.isoformat()
    if replayed:
        return Reply(200, body | {"replayed": True})
    return Reply(202, body)
