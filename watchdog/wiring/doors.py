"""The doors at which people, programs and GitHub ask, and what each of them minds."""

import contextlib
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from watchdog.approve.limit import Limit
from watchdog.approve.openapi import openapi
from watchdog.config.settings import Settings
from watchdog.facts.event import Event, SignaturesCalm, SignaturesFailing
from watchdog.facts.problem import JournalLost
from watchdog.notify.deployments import Deployments as Posting
from watchdog.notify.github import App
from watchdog.record.memory import Memory
from watchdog.show.metrics import Pulse
from watchdog.turn.gating import Gating
from watchdog.turn.roles import Clock
from watchdog.wiring.chosen import hosts_of
from watchdog.wiring.doorway import Minds, Troubles, house
from watchdog.wiring.schedule import Schedule


def door_of(
    listener: str,
    settings: Settings,
    memory: Memory,
    clock: Clock,
    *routes: Route,
    minds: Minds = lambda _: None,
) -> Starlette:
    """Make one door out of its *routes*, with what every request meets first.

    *minds* refuses for reasons of this door's own.
    """
    troubles = troubles_at(listener, memory, clock)
    return house(routes, hosts=hosts_of(settings), troubles=troubles, minds=minds)


def troubles_at(listener: str, memory: Memory, clock: Clock) -> Troubles:
    """Give whom to tell when a request crashes, or comes for another host."""

    def note(event: Event) -> None:
        with contextlib.suppress(JournalLost):  # the turn meets it too, and leaves
            memory.add(clock.now(), event)

    return Troubles(listener, note, clock.monotonic)


def limit_of(settings: Settings, memory: Memory, clock: Clock) -> Limit:
    """Make the one who counts signatures that fail, and says when they are many."""

    def told(words: str) -> None:
        calm = SignaturesCalm("nobody tried the door too often for ten minutes")
        with contextlib.suppress(JournalLost):  # the turn meets it too, and leaves
            memory.add(clock.now(), SignaturesFailing(words) if words else calm)

    a_minute = settings.listen.failures_a_minute
    return Limit(a_minute, monotonic=clock.monotonic, told=told)


def posting_of(
    settings: Settings,
    key: RSAPrivateKey,
    memory: Memory,
    gating: Gating,
    *,
    schedule: Schedule,
    clock: Clock,
) -> Posting:
    """Make who posts to GitHub what its deployments are told."""
    return Posting(
        App(settings.github.api, settings.github.app or "", key),
        memory,
        name=settings.name,
        weighed=lambda one, at: gating.weighed(one, _looked(memory), at),
        fresh=schedule.is_fresh,
        now=clock.now,
    )


def _looked(memory: Memory) -> datetime | None:
    turn = memory.last_turn()
    return turn.looked if turn else None


def described(version: str) -> Route:
    """Give the route at which the door for decisions says what it understands."""

    async def answer(_: Request) -> JSONResponse:
        return JSONResponse(openapi(version))

    return Route("/openapi.json", answer, methods=["GET"])


def pulse_of(schedule: Schedule) -> Pulse:
    """Say how the turns go, for the metrics."""
    pace = schedule.pace
    return Pulse(pace.turns, pace.took, pace.late_total, schedule.is_fresh())
