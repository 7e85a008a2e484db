"""Broken variants of the product: a campaign that misses them proves nothing."""

import os

from tests.crash.victim import Witnessed
from watchdog.facts.event import StepDone, StepIntended
from watchdog.facts.plan import Do
from watchdog.record.journal import Journal
from watchdog.turn.stepping import Stepping
from watchdog.turn.transaction import Transaction


class _Believing(Stepping):
    """Takes the journal's word for it that a step is done; never looks again."""

    def bring_about(self, plan, record, step, meant, undone=lambda: ""):
        if step.words not in self.done:
            self._act(plan, record, step, meant)

    def _act(self, plan, record, step, meant):
        Stepping.bring_about(self, plan, record, step, meant)


class _NotingFirst(_Believing):
    def _act(self, plan, record, step, meant):
        self.memory.add(self.clock.now(), StepDone(plan.op, step, "surely"))
        super()._act(plan, record, step, meant)


class _Blind(_Believing):
    def _act(self, plan, record, step, meant):
        if step.do in (Do.PROVE, Do.HOLD_IMAGE, Do.HOLD_MANIFEST):
            super()._act(plan, record, step, meant)
            return
        self.memory.add(self.clock.now(), StepIntended(plan.op, step, 1))
        self.hands.do(plan, record, step)
        self.memory.add(self.clock.now(), StepDone(plan.op, step, "it was done"))


class TrustsDone(Transaction):
    """Right in everything else, so that only an engine that forgets shows it."""

    steps = _Believing

    @property
    def _stepping(self):
        return self.steps(self.hands, self._proving, self.memory, self.clock)


class DoneFirst(TrustsDone):
    """Notes that a step is done, and then does it."""

    steps = _NotingFirst


class NeverLooks(TrustsDone):
    """Acts without a look at what the world shows."""

    steps = _Blind


def put_without_folder(path, data):
    """Replace a file as `act.files.put` does, but leave the folder to the kernel."""
    new = path.with_name(f".{path.name}.rb-new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(handle, data)
    os.fsync(handle)
    os.close(handle)
    new.replace(path)


class _Weaker(Witnessed):
    pragmas = ()

    def _open(self, *, read_only):
        db = Journal._open(self, read_only=read_only)
        for pragma in self.pragmas:
            db.execute(pragma)
        return db


class Full(_Weaker):
    """SQLite's default: the removal of the rollback journal is not synced."""

    pragmas = ("PRAGMA synchronous = FULL",)


class Normal(_Weaker):
    """What most applications use."""

    pragmas = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL")


def instead(name):
    """Give the substitution that puts mutant *name* into a victim's wiring."""
    place = {
        "put_without_folder": "watchdog.act.stack_files:put",
        "Full": "watchdog.wiring.watch:Journal",
        "Normal": "watchdog.wiring.watch:Journal",
    }.get(name, "watchdog.wiring.watch:Transaction")
    return {place: f"tests.crash.mutants:{name}"}
