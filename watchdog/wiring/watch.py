"""The one place where concrete things are made and handed to each other."""

import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from starlette.applications import Starlette

from watchdog.approve.answer import Door
from watchdog.approve.control import Control
from watchdog.approve.control_socket import opened
from watchdog.approve.order import Orders
from watchdog.approve.resumption import Resumption
from watchdog.approve.slack import Buttons
from watchdog.approve.webhook import Webhook
from watchdog.config.roster_file import RosterFile
from watchdog.config.settings import Settings
from watchdog.decide import drill
from watchdog.facts.event import Entry, FarEndBack, FarEndLost, WatchStarted
from watchdog.facts.pair import HeldManifest, Pair
from watchdog.facts.problem import JournalLost, Problem
from watchdog.observe.arming import Arming
from watchdog.observe.health import ask_stack
from watchdog.observe.holding import Holding
from watchdog.observe.lacks import short_of_space
from watchdog.outside.side_by_side import side_by_side
from watchdog.record import samples
from watchdog.record.checkpoint import Checkpoints
from watchdog.record.journal import Journal
from watchdog.record.log import to_stdout
from watchdog.record.memory import Memory
from watchdog.show.board import Board
from watchdog.show.following import Following
from watchdog.show.http import Faces
from watchdog.show.review import Review
from watchdog.sign.trust import When
from watchdog.turn.claiming import RENEWED_EVERY, OnlyOurs, PlannedByOne
from watchdog.turn.cycle import Cycle
from watchdog.turn.gating import Gating
from watchdog.turn.readiness import Checked, Readiness
from watchdog.turn.transaction import Transaction
from watchdog.wiring.auditing import signed_telling_of, turned_of
from watchdog.wiring.channels import Telling, button_secret, github_secrets
from watchdog.wiring.chosen import jobs_of, place_of, releases_of, rules_of
from watchdog.wiring.clock import RealClock
from watchdog.wiring.doors import (
    at_github,
    described,
    door_of,
    limit_of,
    pulse_of,
    troubles_at,
)
from watchdog.wiring.drills import drills_of
from watchdog.wiring.executors import executor_of, there_of
from watchdog.wiring.keeping import claiming_of, keeping_of
from watchdog.wiring.listening import bound, listen
from watchdog.wiring.looking import Looking
from watchdog.wiring.looks import questions_of, unseen_pair
from watchdog.wiring.measuring import drawing_of, prometheus_of
from watchdog.wiring.reporting import chronicle_of
from watchdog.wiring.schedule import Schedule
from watchdog.wiring.sealing import revocations_of, seals_of

# sysexits: the disk or the journal failed; the supervisor starts us again and we
# read what really is there.
_JOURNAL_LOST = 70  # as commands.ends has it


@dataclass(frozen=True, slots=True)
class Watch:
    """A wired watchdog, ready to turn."""

    settings: Settings
    journal: Journal
    memory: Memory
    schedule: Schedule
    decisions: Starlette
    private: Starlette
    control: Starlette
    orders: Orders
    look: Callable[[datetime], str]
    clock: RealClock
    telling: Telling


def wire(
    settings: Settings,
    version: str,
    say: Callable[[Entry], None] | None = None,
    waits: Callable[[str], None] | None = None,
) -> Watch:
    """Make everything and hand it to each other; nothing runs yet.

    *say* is told of each event once it is journaled; default: the log. *waits* is
    told who leads where another does, for as long as it does; default: Held.

    Raises:
        Refused: a release file is wrong.
        JournalLost: the state folder can't be used, or another watchdog has it.
    """
    stack = settings.stack
    roster = RosterFile(settings.approvers)
    rules, releases = rules_of(settings), releases_of(settings, roster)
    clock = RealClock()
    journal = Journal(place_of(settings), waits=waits)
    try:
        making = journal.room.making
        rules = replace(rules, identity=making(lambda: journal.identity))
        signer, telling = making(
            lambda: signed_telling_of(settings, journal, clock, rules.identity)
        )
        secret, looking = button_secret(settings), Looking(settings)
        app_secrets = github_secrets(settings)
    except Problem:
        journal.close()
        raise
    following = Following()
    log = say or to_stdout(settings.log.format, settings.log.level)
    memory = Memory(journal, _each(telling.happened, log, following.rang))
    seals = seals_of(settings)

    revocations = revocations_of(settings, seals, memory, clock)

    def sealed(pair: Pair, held: HeldManifest, data: bytes, signature: bytes) -> str:
        if revocations:
            revocations.check(pair, held)
        known = memory.standing.pairs.get(pair.key)
        when = When(clock.now(), known.first_seen if known else None)
        return seals.check(pair, held, data, signature, when)

    executor = executor_of(
        settings,
        blob=journal.blob,
        sealed=sealed,
        recorded=memory.record,
        rollback=lambda: memory.standing.rollback,
        named=releases.naming,
        clock=clock,
        jobs=jobs_of(releases),
        may=journal.must_lead,
    )
    claiming = claiming_of(settings, journal, memory, clock, rules)
    transaction = Transaction(
        eyes=executor.eyes,
        hands=OnlyOurs(executor.hands, claiming),
        ask_stack=lambda meant, within: ask_stack(
            stack.health, stack.version or "", meant, within
        ),
        smoke=executor.smoke,
        agrees=executor.agrees,
        at_once=side_by_side,
        tenants_of=releases.tenants_of,
        memory=memory,
        rules=rules,
        clock=clock,
    )
    metrics = prometheus_of(settings)
    readiness = Readiness(
        eyes=executor.eyes,
        plans=executor.plans,
        hands=executor.hands,
        memory=memory,
        rules=rules,
        besides=lambda: (
            *short_of_space((settings.stack.directory, settings.state)),
            *journal.room.lacks(),
            *(revocations.lacks() if revocations else ()),
            *drill.lacks(memory.standing),
        ),
        holds=Holding(
            lambda seen: questions_of(settings, rules, executor.smoke, seen),
            executor.eyes.health,
            rules.prove_within,
        ),
    )
    gating = Gating(memory, releases, rules)
    cycle = Cycle(
        eyes=executor.eyes,
        parts=partial(
            there_of(settings, jobs_of(releases), releases.naming).parts,
            releases.tenants_of,
        ),
        plans=PlannedByOne(
            Checked(executor.plans, executor.eyes, journal.room.lacks), claiming
        ),
        metrics=metrics,
        arms=Arming(metrics, settings.prometheus.scrape_interval),
        transaction=transaction,
        readiness=readiness,
        gating=gating,
        memory=memory,
        releases=releases,
        roster=roster,
        rules=rules,
        secret=lambda: secrets.token_urlsafe(18),
        whose=claiming.turn,
    )
    schedule = Schedule(
        cycle,
        memory,
        clock,
        settings.poll,
        lost=_leave,
        turned=turned_of(
            Checkpoints(memory, journal, signer),
            *(telling, memory, clock),
            following.rang,
        ),
    )
    memory.add(clock.now(), WatchStarted(version, settings.mode))
    faces = Faces(
        memory=memory,
        releases=releases,
        rules=rules,
        poll=settings.poll,
        now=clock.now,
        pulse=lambda: pulse_of(schedule),
        untold=telling.untold,
    )
    door = Door(
        memory,
        audience=settings.name,
        roster=lambda: roster.roster,
        releases=releases,
    )
    resumption = Resumption(
        memory,
        audience=settings.name,
        roster=lambda: roster.roster,
        releases=releases,
    )
    limit = limit_of(settings, memory, clock)
    webhook = Webhook(
        memory, door, resumption, limit=limit, now=clock.now, wake=schedule.wake
    )
    buttons = settings.slack_buttons
    slack = secret and Buttons(
        memory,
        door,
        roster=lambda: roster.roster,
        secret=secret,
        team=buttons.team or "",
        may=buttons.may,
        told=telling.replies.told,
        limit=limit,
        now=clock.now,
        wake=schedule.wake,
    )
    review = Review(
        memory=memory,
        releases=releases,
        rules=rules,
        now=clock.now,
        draws=drawing_of(settings),
        kept=partial(samples.kept, settings.state),
        base=str(settings.notify.base_url or ""),
    )
    board = Board(
        memory=memory,
        releases=releases,
        rules=rules,
        now=clock.now,
        untold=telling.untold,
        draws=drawing_of(settings),
        base=str(settings.notify.base_url or ""),
        following=following,
    )
    orders = Orders(
        memory,
        releases=releases,
        rules=rules,
        secret=lambda: secrets.token_urlsafe(9),
        unseen=lambda release, like: unseen_pair(settings, release, like, sealed),
    )
    for what, every in (
        (claiming.renew, RENEWED_EVERY),
        (telling.reporting.turn, settings.readiness_every),
        *keeping_of(
            settings,
            journal.must_lead,
            claiming,
            memory,
            releases=releases,
            rules=rules,
        ),
        *drills_of(
            settings, memory, orders, releases=releases, rules=rules, schedule=schedule
        ),
    ):
        schedule.beside(what, every)  # waits for no turn, and delays none
    github = app_secrets and at_github(
        settings, app_secrets, memory, gating, limit, schedule=schedule, clock=clock
    )
    telling.deployments = github[1] if github else None
    control = Control(orders, now=clock.now, wake=schedule.wake)

    return Watch(
        settings,
        journal,
        memory,
        schedule,
        decisions=door_of(
            *("decisions", settings, memory, clock),
            *webhook.routes(),
            *(slack.routes() if slack else ()),
            *(github[0].routes() if github else ()),
            *faces.public(),
            *review.routes(),
            described(version),
        ),
        private=door_of(
            *("private", settings, memory, clock),
            *faces.private(),
            *board.routes(),
            *chronicle_of(settings, journal, clock).routes(),
            minds=looking.refused,
        ),
        control=door_of("control", settings, memory, clock, *control.routes()),
        orders=orders,
        look=cycle.look,
        clock=clock,
        telling=telling,
    )


def _each(*hearers: Callable[[Entry], None]) -> Callable[[Entry], None]:
    """Tell each of *hearers* what was journaled, in this order."""

    def heard(entry: Entry) -> None:
        for hear in hearers:
            hear(entry)

    return heard


def run(watch: Watch) -> None:
    """Turn and listen until told to stop; the step in hand is finished first.

    Raises:
        Problem: a listener's port is taken, or the state folder takes no socket.
    """
    where = watch.settings.listen
    sockets = [bound(where.decisions), bound(where.private)]
    apps = [watch.decisions, watch.private, watch.control]

    def failed(why: str) -> None:
        lost = FarEndLost("listener", f"a listener failed: {why}")
        with contextlib.suppress(JournalLost):  # the turn meets it too, and leaves
            watch.memory.add(watch.clock.now(), lost if why else FarEndBack("listener"))

    with contextlib.ExitStack() as after:
        state = watch.settings.state
        control = watch.journal.room.making(lambda: after.enter_context(opened(state)))
        watch.journal.when_lost(_leave)
        watch.telling.start()
        watch.schedule.start()
        try:
            troubles = troubles_at("some", watch.memory, watch.clock)
            doors = list(zip(apps, [*sockets, control], strict=True))
            listen(doors, failed, troubles.crashed)
        finally:
            watch.schedule.stop()
            watch.telling.stop()
            watch.memory.rest()
            watch.journal.close()


def _leave(problem: JournalLost) -> None:
    os.write(2, f"{problem}\n".encode())
    os._exit(_JOURNAL_LOST)
