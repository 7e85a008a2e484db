"""The HTTP door for decisions: shows a question, takes a signed answer."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watchdog.approve.answer import Door
from watchdog.approve.delivered import JSON, Delivered, as_response, problem, weighed
from watchdog.approve.limit import Limit
from watchdog.approve.reply import Reply
from watchdog.approve.resumption import Resumption
from watchdog.decide.question import Question
from watchdog.turn.roles import Remembers

Weighs = Callable[[str, Mapping[str, list[str]], bytes, datetime], Reply]

_LARGEST = 16 * 1024  # a decision has about 500 bytes


class Webhook:
    """Hands deliveries to the door and wakes the turn; decides nothing itself."""

    def __init__(
        self,
        memory: Remembers,
        door: Door,
        resumption: Resumption,
        *,
        limit: Limit,
        now: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._memory = memory
        self._door = door
        self._resumption = resumption
        self._limit = limit
        self._now = now
        self._wake = wake

    def routes(self) -> list[Route]:
        """Build what an approver may reach."""
        return [
            Route("/v1/approvals", self._open, methods=["GET"]),
            Route("/v1/approvals/{id}/decision", self._decide, methods=["POST"]),
            Route("/v1/approvals/{id}", self._question, methods=["GET"]),
            Route("/v1/promotion/{release}/decision", self._resume, methods=["POST"]),
        ]

    async def _decide(self, request: Request) -> Response:
        return await self._take(request, "id", self._door.answer)

    async def _resume(self, request: Request) -> Response:
        return await self._take(request, "release", self._resumption.resume)

    async def _take(self, request: Request, about: str, weigh: Weighs) -> Response:
        what = request.path_params[about]

        async def looked_at(came: Delivered) -> Reply:
            return await self._limit.in_thread(
                lambda: weigh(what, came.headers, came.body, self._now())
            )

        reply = await weighed(
            request, self._limit, self._verify, looked_at, kind=JSON, most=_LARGEST
        )
        if reply.status == 202:
            self._wake()
        return as_response(reply)

    def _verify(self, came: Delivered) -> None:
        self._door.verify(came.headers, came.body, self._now())

    async def _open(self, _: Request) -> Response:
        questions = self._memory.standing.questions.values()
        return JSONResponse(
            {"open": [self._told(q) for q in questions if not q.closed]}
        )

    async def _question(self, request: Request) -> Response:
        question = self._memory.standing.questions.get(request.path_params["id"])
        if question is None:
            return problem(404, "unknown", "no such question")
        return JSONResponse(self._told(question))

    def _told(self, question: Question) -> dict[str, Any]:
        """Tell all of a question that helps to answer it."""
        asked = question.asked
        incident = self._memory.standing.incident
        same = incident is not None and incident.id == asked.incident
        return {
            "approval_id": asked.question,
            "incident_id": asked.incident,
            "action_document": asked.document,
            "action_digest": asked.digest,
            "dri": list(asked.dri),
            "expires_at": question.deadline.isoformat(),
            "state": question.closed or "pending",
            "words": asked.words,
            "evidence": [
                {"trigger": breach.trigger, "words": breach.words}
                for breach in (incident.breaches if incident and same else ())
            ],
            "votes": {"have": len(question.approvals), "need": asked.needed},
            "answers": [
                {
                    "approver": answer.by,
                    "decision": answer.decision,
                    "reason": answer.reason,
                }
                for answer in question.counted
            ],
        }
