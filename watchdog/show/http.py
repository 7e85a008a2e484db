"""What may be asked over HTTP: may it go onward, is it alive, where do we stand."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watchdog.decide.gate import Gate, digest_of, gate, images, lasting, measured_pair
from watchdog.decide.measured import unjudged
from watchdog.decide.ready import Answer, answer
from watchdog.decide.retention import staying
from watchdog.decide.under_way import under_way
from watchdog.facts.message import Backlog
from watchdog.facts.pair import Record
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release
from watchdog.show.leading import led_by
from watchdog.show.metrics import Pulse, Standings, page
from watchdog.show.status import picture
from watchdog.turn.roles import Filed, Led, Remembers

STRANGER = "watchdog.stranger"
"""Set in the scope of a request that may be answered only with yes or no."""
_NEEDED = ("engine", "prometheus")


class Faces:
    """Answers from the journal, and changes nothing."""

    def __init__(
        self,
        *,
        memory: Remembers,
        releases: Filed,
        rules: Rules,
        poll: timedelta,
        now: Callable[[], datetime],
        pulse: Callable[[], Pulse],
        untold: Callable[[], Iterable[Backlog] | None] = tuple,
        led: Callable[[], Led] = Led,
    ) -> None:
        """*led* says who leads, where several could."""
        self._memory = memory
        self._led = led
        self._releases = releases
        self._rules = rules
        self._poll = poll
        self._now = now
        self._pulse = pulse
        self._untold = untold
        self._standings = Standings(
            lambda: memory.standing,
            memory.last_turn,
            pulse,
            lambda: self._could().ready,
            untold,
            gate=self._gate,
            is_asked=self._is_asked,
            leads=lambda: led().here,
        )

    def public(self) -> list[Route]:
        """Build what the pipeline may ask."""
        return [
            Route("/v1/promotion/{release}", self._promotion, methods=["GET"]),
            Route("/v1/retention/{release}", self._retention, methods=["GET"]),
        ]

    def private(self) -> list[Route]:
        """Build what only the box itself may ask."""
        return [
            Route("/healthz", self._alive, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
            Route("/v1/status", self._status, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
        ]

    # What reads the journal is no coroutine, and so has a thread: another program may
    # hold the file, and then only who asked for it waits.

    def _promotion(self, request: Request) -> Response:
        version = request.path_params["release"]
        release = self._releases.for_version(version)
        standing, turn = self._memory.standing, self._memory.last_turn()
        looked, at = turn.looked if turn else None, self._now()
        found = gate(standing, version, release, self._rules, looked=looked, at=at)
        if found is None:
            return _problem(404, "unknown", f"no release file for {version}")
        acting = under_way(standing, self._rules, at)
        orderly = acting is not None and acting.is_orderly
        if not (self._pulse().is_fresh or (found.reasons and orderly)):
            return _problem(503, "not_watching", "the last full turn is too old")
        body: dict[str, Any] = {
            "release": version,
            "state": found.state,
            "reasons": list(found.reasons),
            "words": found.words,
            "over": found.over,
            "audience": self._rules.name,
            "images": {
                service: list(names)
                for service, names in images(self._measured(version, release)).items()
            },
        }
        pauses = lasting(standing, version, release) if release else {}
        if pauses:
            body |= {
                "pauses": {name: list(why) for name, why in pauses.items()},
                "pauses_digest": digest_of(pauses),
            }
        return JSONResponse(body, 423 if found.reasons else 200)

    def _measured(self, version: str, release: Release | None) -> Record | None:
        """Give the record of the pair that the gate speaks of, if it is kept."""
        memory = self._memory
        known = release and measured_pair(memory.standing, version, release)
        if not known or memory.missing(known.record):
            return None
        return memory.record(known.record)

    async def _retention(self, request: Request) -> Response:
        version, standing = request.path_params["release"], self._memory.standing
        known = [k for k in standing.pairs.values() if k.pair.version == version]
        if not known:
            return _problem(404, "unknown", f"no pair {version} ever ran here")
        if not self._pulse().is_fresh:
            return _problem(503, "not_watching", "the last full turn is too old")
        running = standing.running
        release = self._releases.for_version(running.pair.version if running else "")
        its = self._releases.for_version(version)
        why_it_stays = staying(standing, release, self._rules)
        found = [why_it_stays(k, its) for k in known]
        reasons = [why for why in found if why]
        state = "must stay" if reasons else "may go"
        return JSONResponse(
            {"release": version, "state": state, "reasons": reasons},
            423 if reasons else 200,
        )

    async def _alive(self, _: Request) -> Response:
        return JSONResponse({"alive": True, "leads": self._led().here})

    async def _ready(self, request: Request) -> Response:
        standing = self._memory.standing
        fresh = self._pulse().is_fresh
        # A faulty release file is said, but the last good ones still watch.
        away = [what for what in _NEEDED if what in standing.lost]
        claimed = standing.claimed
        acting = under_way(standing, self._rules, self._now())
        orderly = acting is not None and acting.is_orderly
        seen = standing.running is not None
        ready = (fresh or orderly) and not away and seen and not claimed
        leads = self._led().here
        body: dict[str, Any] = {"ready": ready, "unreachable": standing.lost}
        body["leads"] = leads
        if claimed:
            body["words"] = claimed.words
        if not fresh:
            body["words"] = "no full turn in the last 3 polls"
        if acting:
            body["words"] = f"a rollback is under way: {acting.words}"
        elif standing.rollback:
            body["words"] = f"a rollback is stuck: {standing.rollback.stuck}"
        if request.scope.get(STRANGER):  # who has no token hears yes or no
            body = {"ready": ready}
        return JSONResponse(body, 200 if ready else 503)

    def _could(self) -> Answer:
        standing, turn = self._memory.standing, self._memory.last_turn()
        running = standing.running
        version = running.pair.version if running else ""
        return answer(
            standing,
            self._releases.for_version(version),
            turn.looked if turn else None,
            self._rules,
            self._now(),
        )

    def _gate(self) -> Gate | None:
        standing, turn = self._memory.standing, self._memory.last_turn()
        version = standing.running.pair.version if standing.running else ""
        release = self._releases.for_version(version)
        looked = turn.looked if turn else None
        return gate(
            standing, version, release, self._rules, looked=looked, at=self._now()
        )

    def _is_asked(self) -> bool:
        standing = self._memory.standing
        version = standing.running.pair.version if standing.running else ""
        release = self._releases.for_version(version)
        awake = self._pulse().is_fresh or standing.rollback is not None
        return awake and not unjudged(standing, release, self._now())

    def _metrics(self, _: Request) -> Response:
        text = page(self._standings)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    def _status(self, _: Request) -> Response:
        standing = self._memory.standing
        version = standing.running.pair.version if standing.running else ""
        turn = self._memory.last_turn()
        whole = picture(
            standing,
            self._releases.for_version(version),
            self._rules,
            turn,
            poll=self._poll,
            at=self._now(),
            untold=self._untold(),
        )
        return JSONResponse(whole | led_by(self._led(), standing))


def _problem(status: int, code: str, words: str) -> Response:
    return JSONResponse(
        {"type": "about:blank", "status": status, "code": code, "title": words},
        status,
        media_type="application/problem+json",
    )
