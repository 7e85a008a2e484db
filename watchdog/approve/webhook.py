"""The HTTP door for decisions: shows a question, takes a signed answer."""

from collections.abc import Callable, Mapping
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watchdog.approve.answer import Door, Reply
from watchdog.approve.resumption import Resumption
from watchdog.roles import Remembers

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
        now: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._memory = memory
        self._door = door
        self._resumption = resumption
        self._now = now
        self._wake = wake

    def routes(self) -> list[Route]:
        """Build what an approver may reach."""
        return [
            Route("/v1/approvals/{id}/decision", self._decide, methods=["POST"]),
            Route("/v1/approvals/{id}", self._question, methods=["GET"]),
            Route("/v1/promotion/{release}/decision", self._resume, methods=["POST"]),
        ]

    async def _decide(self, request: Request) -> Response:
        return await self._take(request, "id", self._door.answer)

    async def _resume(self, request: Request) -> Response:
        return await self._take(request, "release", self._resumption.resume)

    async def _take(self, request: Request, about: str, weigh: Weighs) -> Response:
        if request.headers.get("content-type") != "application/json":
            return _problem(415, "content_type", "meant application/json")
        if "content-encoding" in request.headers:
            return _problem(415, "content_encoding", "meant none")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST:
                return _problem(413, "too_large", f"over {_LARGEST} bytes")
        headers: dict[str, list[str]] = {}
        for key, value in request.headers.items():
            headers.setdefault(key, []).append(value)
        reply = await run_in_threadpool(
            weigh,
            request.path_params[about],
            headers,
            bytes(body),
            self._now(),
        )
        if reply.status == 202:
            self._wake()
        kind = "application/json" if reply.status < 400 else "application/problem+json"
        return JSONResponse(dict(reply.body), reply.status, media_type=kind)

    async def _question(self, request: Request) -> Response:
        question = self._memory.standing.questions.get(request.path_params["id"])
        if question is None:
            return _problem(404, "unknown", "no such question")
        asked = question.asked
        return JSONResponse(
            {
                "approval_id": asked.question,
                "incident_id": asked.incident,
                "action_document": asked.document,
                "action_digest": asked.digest,
                "dri": list(asked.dri),
                "expires_at": asked.expires.isoformat(),
                "state": question.closed or "pending",
                "words": asked.words,
            }
        )


def _problem(status: int, code: str, words: str) -> Response:
    return JSONResponse(
        {"type": "about:blank", "status": status, "code": code, "title": words},
        status,
        media_type="application/problem+json",
    )
