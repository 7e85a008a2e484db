"""What answers at each door, of a watchdog that leads and of one that follows."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from starlette.applications import Starlette
from starlette.routing import Route

from watchdog.approve.answer import Door
from watchdog.approve.control import Control
from watchdog.approve.github import Deployments
from watchdog.approve.order import Orders, Unseen
from watchdog.approve.resumption import Resumption
from watchdog.approve.slack import ORIGIN, Buttons
from watchdog.approve.webhook import Webhook
from watchdog.config.roster_file import RosterFile
from watchdog.config.settings import Settings
from watchdog.facts.message import Backlog
from watchdog.facts.rules import Rules
from watchdog.notify.reply import Replies
from watchdog.record import samples
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory
from watchdog.show.board import Board
from watchdog.show.following import Following
from watchdog.show.http import Faces
from watchdog.show.metrics import Pulse
from watchdog.show.review import Review
from watchdog.turn.roles import Clock, Filed, Led
from watchdog.wiring.channels import button_secret, github_secrets
from watchdog.wiring.doors import described, door_of, limit_of
from watchdog.wiring.looking import Looking
from watchdog.wiring.measuring import drawing_of
from watchdog.wiring.reporting import chronicle_of


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the doors know those by who come to them."""

    button: bytes | None
    looking: Looking
    github: tuple[RSAPrivateKey, bytes] | None


def secrets_of(settings: Settings) -> Secrets:
    """Read them.

    Raises:
        Refused: one cannot be read, or is none.
    """
    return Secrets(button_secret(settings), Looking(settings), github_secrets(settings))


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the doors."""

    settings: Settings
    version: str
    journal: Journal
    memory: Memory
    releases: Filed
    roster: RosterFile
    rules: Rules
    clock: Clock
    following: Following
    replies: Replies
    pulse: Callable[[], Pulse]
    untold: Callable[[], Iterable[Backlog] | None]
    led: Callable[[], Led]
    wake: Callable[[], None]
    unseen: Unseen
    slack: str = ORIGIN


@dataclass(frozen=True, slots=True)
class Doors:
    """The three listeners' apps, and who takes orders."""

    decisions: Starlette
    private: Starlette
    control: Starlette
    orders: Orders

    @property
    def all(self) -> tuple[Starlette, Starlette, Starlette]:
        """Give them in the order of their sockets."""
        return self.decisions, self.private, self.control


def doors_of(behind: Behind, known: Secrets) -> Doors:
    """Make the doors; nobody listens yet."""
    settings, memory, clock = behind.settings, behind.memory, behind.clock
    own: dict[str, Any] = {
        "memory": memory,
        "releases": behind.releases,
        "rules": behind.rules,
    }
    faces = Faces(
        **own,
        poll=settings.poll,
        now=clock.now,
        pulse=behind.pulse,
        untold=behind.untold,
        led=behind.led,
    )
    draws, base = drawing_of(settings), str(settings.notify.base_url or "")
    review = Review(
        **own,
        now=clock.now,
        draws=draws,
        kept=partial(samples.kept, settings.state),
        base=base,
    )
    board = Board(
        **own,
        now=clock.now,
        untold=behind.untold,
        draws=drawing_of(settings),
        base=base,
        following=behind.following,
        led=behind.led,
    )
    orders = Orders(
        memory,
        releases=behind.releases,
        rules=behind.rules,
        secret=lambda: secrets.token_urlsafe(9),
        unseen=behind.unseen,
    )
    control = Control(orders, now=clock.now, wake=behind.wake)
    return Doors(
        decisions=door_of(
            *("decisions", settings, memory, clock),
            *_who_decides(behind, known),
            *faces.public(),
            *review.routes(),
            described(behind.version),
        ),
        private=door_of(
            *("private", settings, memory, clock),
            *faces.private(),
            *board.routes(),
            *chronicle_of(settings, behind.journal, clock).routes(),
            minds=known.looking.refused,
        ),
        control=door_of("control", settings, memory, clock, *control.routes()),
        orders=orders,
    )


def _who_decides(behind: Behind, known: Secrets) -> list[Route]:
    """Make what takes signed answers: of people, of Slack, of GitHub."""
    settings, memory, clock = behind.settings, behind.memory, behind.clock
    roster, limit = behind.roster, limit_of(settings, memory, clock)
    mine: dict[str, Any] = {
        "audience": settings.name,
        "roster": lambda: roster.roster,
        "releases": behind.releases,
    }
    door = Door(memory, **mine)
    resumption = Resumption(memory, **mine)
    at: dict[str, Any] = {"limit": limit, "now": clock.now, "wake": behind.wake}
    routes = Webhook(memory, door, resumption, **at).routes()
    if known.button:
        buttons = settings.slack_buttons
        routes += Buttons(
            memory,
            door,
            roster=lambda: roster.roster,
            secret=known.button,
            team=buttons.team or "",
            may=buttons.may,
            told=behind.replies.told,
            origin=behind.slack,
            **at,
        ).routes()
    if known.github:
        api, (_, secret) = settings.github.api, known.github
        routes += Deployments(memory, secret=secret, api=api, **at).routes()
    return routes
