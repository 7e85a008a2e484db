"""The watchdog's own half of a rig: eyes, plans, hands and a journal, as wired."""

import time
from dataclasses import replace
from datetime import UTC, datetime

from tests.worlds import breached
from watchdog.facts.event import (
    RollbackEnded,
    RollbackStarted,
    RollbackStuck,
    StepFailed,
)
from watchdog.facts.pair import NotKnown
from watchdog.facts.plan import Wanted
from watchdog.outside.side_by_side import side_by_side
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory
from watchdog.turn.transaction import Transaction
from watchdog.wiring.clock import RealClock
from watchdog.wiring.executors import executor_of


class Half:
    """Records what runs, and rolls it back; what it is made of, its kinds say.

    They set ``eyes``, ``plans``, ``hands``, ``rules``, ``ask_stack`` and ``smoke``.
    """

    def __init__(self, state):
        self.journal = Journal(state)
        self.memory = Memory(self.journal, lambda _: None)

    def wire(self, settings, clock=None, **more):
        """Have the eyes, plans and hands that *settings* give; and give the whole."""
        made = executor_of(
            settings,
            blob=self.journal.blob,
            sealed=lambda *_: "signature valid",
            recorded=self.memory.record,
            rollback=lambda: self.memory.standing.rollback,
            clock=clock or RealClock(),
            **more,
        )
        self.eyes, self.plans, self.hands = made.eyes, made.plans, made.hands
        return made

    def kept(self, version):
        """Name the manifest of *version* as it is kept."""
        return f"meesho.{version}.manifest.json"

    def by_tenant(self, version):
        """Name the manifests of *version* by their tenants."""
        return {"meesho": self.kept(version)}

    def tenants_of(self, version):
        """Name the tenants of *version*."""
        return tuple(self.by_tenant(version))

    def incident(self):
        """Name the incident of the next rollback."""
        return f"inc-{len(list(self.journal.entries()))}"

    def look(self):
        """Look at what runs."""
        return self.eyes.running(self.tenants_of)

    def record(self):
        """Record what runs; return the record's name."""
        seen = self.look()
        assert not isinstance(seen, NotKnown), seen.words
        kept = self.by_tenant(seen.pair.version)
        return self.memory.keep(*self.eyes.record(seen, kept))

    def plan(self, incident, sha, to):
        """Plan the way from the record *sha* to the record *to*."""
        return self.plans.plan(
            Wanted(
                incident=incident,
                running=self.memory.record(sha),
                running_sha=sha,
                target=self.memory.record(to),
                target_sha=to,
                seen=self.look(),
            )
        )

    def begin(self, to, sha=""):
        """Plan the rollback of what runs to the record *to*; journal it as begun.

        *sha* is the record of what runs, if it was made when that started.
        """
        sha, incident = sha or self.record(), self.incident()
        plan = self.plan(incident, sha, to)
        self.memory.add(
            datetime.now(UTC),
            replace(breached(), incident=incident),
            RollbackStarted(
                incident=incident,
                plan=plan,
                from_pair=self.memory.record(sha).pair,
                to_pair=self.memory.record(to).pair,
                cause="the test said so",
                approved_by="the test",
                automatic=True,
            ),
        )
        return plan

    def carry_on(self, hands=None):
        """Take the rollback under way as far as it goes in one turn."""
        return self.transaction(hands).carry_out(self.memory.standing.rollback)

    def carry_to_its_end(self, hands=None):
        """Turn until nothing is under way, as the daemon does.

        On a busy machine what is put back may need longer than a short
        `prove_within`; then it is stuck, and tried again.
        """
        words = self.carry_on(hands)
        last = time.monotonic() + 90
        while self.memory.standing.rollback and time.monotonic() < last:
            time.sleep(0.5)
            words = self.carry_on(hands)
        return words

    def transaction(self, hands=None):
        """Start a watchdog's hands anew."""
        return Transaction(
            eyes=self.eyes,
            hands=hands or self.hands,
            ask_stack=self.ask_stack,
            smoke=self.smoke,
            tenants_of=self.tenants_of,
            memory=self.memory,
            rules=self.rules,
            clock=RealClock(),
            at_once=side_by_side,
            **self.more(),
        )

    def more(self):
        """Give what else a transaction of this kind has."""
        return {}

    def events(self, *kinds):
        """Give the journal's events of *kinds*, in order."""
        events = [entry.event for entry in self.journal.entries()]
        return [event for event in events if isinstance(event, kinds)]

    def failed(self):
        """Give why steps failed, in order."""
        return [event.words for event in self.events(StepFailed)]

    def ends(self):
        """Give how each rollback ended, or that it is stuck."""
        return [
            event.how if isinstance(event, RollbackEnded) else "stuck"
            for event in self.events(RollbackEnded, RollbackStuck)
        ]
