"""The one place where concrete things are made and handed to each other."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from watchdog.config.roster_file import RosterFile
from watchdog.config.settings import Settings
from watchdog.decide import drill
from watchdog.facts.event import Entry, WatchStarted
from watchdog.facts.pair import HeldManifest, Pair
from watchdog.facts.problem import JournalLost, Problem
from watchdog.observe.arming import Arming
from watchdog.observe.health import ask_stack
from watchdog.observe.holding import Holding
from watchdog.observe.lacks import short_of_space
from watchdog.outside.side_by_side import side_by_side
from watchdog.record.checkpoint import Checkpoints
from watchdog.record.journal import Journal
from watchdog.record.log import to_stdout
from watchdog.record.memory import Memory
from watchdog.show.following import Following
from watchdog.sign.trust import When
from watchdog.turn.claiming import RENEWED_EVERY, OnlyOurs, PlannedByOne
from watchdog.turn.cycle import Cycle
from watchdog.turn.gating import Gating
from watchdog.turn.readiness import Checked, Readiness
from watchdog.turn.roles import Led
from watchdog.turn.transaction import Transaction
from watchdog.wiring.answering import Behind, Doors, doors_of, secrets_of
from watchdog.wiring.auditing import signed_telling_of, turned_of
from watchdog.wiring.channels import Telling
from watchdog.wiring.chosen import jobs_of, place_of, releases_of, rules_of
from watchdog.wiring.clock import RealClock
from watchdog.wiring.doors import posting_of, pulse_of
from watchdog.wiring.drills import drills_of
from watchdog.wiring.executors import executor_of, there_of
from watchdog.wiring.keeping import (
    claiming_of,
    keeping_of,
    standing_by_of,
    yielding_of,
)
from watchdog.wiring.looks import questions_of, unseen_pair
from watchdog.wiring.measuring import prometheus_of
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
    doors: Doors
    look: Callable[[datetime], str]
    clock: RealClock
    telling: Telling


def wire(
    settings: Settings,
    version: str,
    say: Callable[[Entry], None] | None = None,
    *,
    journal: Journal | None = None,
    following: Following | None = None,
) -> Watch:
    """Make everything and hand it to each other; nothing runs yet.

    *say* is told of each event once it is journaled; default: the log. *journal* is
    one that we lead already, and *following* who followed the pages until now.

    Raises:
        Refused: a release file is wrong.
        JournalLost: the state folder can't be used, or another watchdog has it.
    """
    stack = settings.stack
    roster = RosterFile(settings.approvers)
    rules, releases = rules_of(settings), releases_of(settings, roster)
    clock = RealClock()
    journal = journal or Journal(place_of(settings))
    try:
        making = journal.room.making
        rules = replace(rules, identity=making(lambda: journal.identity))
        signer, telling = making(
            lambda: signed_telling_of(settings, journal, clock, rules.identity)
        )
        known = secrets_of(settings)
    except Problem:
        journal.close()
        raise
    following = following or Following()
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
        roster=roster,
        besides=lambda: (
            *short_of_space((settings.stack.directory, settings.state)),
            *journal.room.lacks(),
            *(revocations.lacks() if revocations else ()),
            *drill.lacks(memory.standing),
        ),
        holds=Holding(
            lambda seen: questions_of(settings, rules, executor.smoke, seen),
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
        standing_by=standing_by_of(
            *(settings, journal.must_lead, claiming, memory),
            plans=executor.plans,
            rules=rules,
        ),
    )
    schedule = Schedule(
        cycle,
        memory,
        clock,
        settings.poll,
        lost=leave,
        turned=turned_of(
            Checkpoints(memory, journal, signer),
            *(telling, memory, clock),
            following.rang,
        ),
    )
    memory.add(clock.now(), WatchStarted(version, settings.mode))
    doors = doors_of(
        Behind(
            *(settings, version, journal, memory, releases, roster, rules, clock),
            following=following,
            replies=telling.replies,
            pulse=lambda: pulse_of(schedule),
            untold=telling.untold,
            led=lambda: Led(journal.leader),
            wake=schedule.wake,
            unseen=lambda release, like: unseen_pair(settings, release, like, sealed),
        ),
        known,
    )
    telling.reporting.go_on(memory.standing)
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
            settings,
            memory,
            doors.orders,
            releases=releases,
            rules=rules,
            schedule=schedule,
        ),
        *yielding_of(settings, journal, memory, clock),
    ):
        schedule.beside(what, every)  # waits for no turn, and delays none
    if known.github:
        telling.deployments = posting_of(
            *(settings, known.github[0], memory, gating),
            schedule=schedule,
            clock=clock,
        )
    return Watch(
        *(settings, journal, memory, schedule, doors),
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


def leave(problem: JournalLost) -> None:
    """End at once: whatever is done without a journal cannot be remembered."""
    os.write(2, f"{problem}\n".encode())
    os._exit(_JOURNAL_LOST)
