"""Which events belong together: an incident, its questions, its rollbacks."""

from dataclasses import dataclass, field

from watchdog.facts.event import (
    Answered,
    BreachConfirmed,
    Entry,
    IncidentClosed,
    OrderGiven,
    OrderRefused,
    PairStarted,
    QuestionAsked,
    QuestionClosed,
    RecoveryMissed,
    RecoverySeen,
    RollbackDelayed,
    RollbackEnded,
    RollbackMended,
    RollbackRefused,
    RollbackReopened,
    RollbackStarted,
    RollbackStuck,
    StepDone,
    StepFailed,
    StepIntended,
    StepUndone,
    WayChosen,
    WentBack,
)
from watchdog.facts.problem import Problem


@dataclass(slots=True)
class Threads:
    """Ties names together; told every entry of the journal, in order.

    *spans* has, by any of their names, the
    numbers of the first event that is told and the last one that belongs to it.
    """

    root: dict[str, str] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    newest: str = ""
    _deployed: int = 0

    def hear(self, entry: Entry) -> None:
        """Take *entry* up."""
        match entry.event:
            case PairStarted(by=""):
                self._deployed = entry.seq
            case RollbackStarted(incident=incident, order=order, plan=plan):
                self._ties(plan.op, incident or order or plan.op)
                self._ties(order, incident or order)
            case QuestionAsked(question=question, incident=incident):
                self._ties(question, incident)
            case _:
                pass
        name = _name(entry.event)
        if not name:
            return
        root = self.root.setdefault(name, name)
        first, _ = self.spans.get(root, (self._deployed or entry.seq, 0))
        self.spans[root] = (first, entry.seq)
        self.newest = root

    def _ties(self, name: str, root: str) -> None:
        if name:
            self.root[name] = self.root.get(root, root)

    def span(self, which: str) -> tuple[int, int]:
        """Give the numbers of the first and last event of *which*; empty: the newest.

        Raises:
            Problem: nothing is called so.
        """
        root = self.root.get(which or self.newest, "")
        if root not in self.spans:
            known = ", ".join(list(self.spans)[-5:][::-1]) or "none yet"
            what = which or "incident"
            raise Problem(f"there is no {what} in the journal", f"newest: {known}")
        return self.spans[root]

    def belongs(self, event: object, which: str) -> bool:
        """Tell whether *event* is of the same incident as *which*."""
        name = _name(event)
        return bool(name) and self.root.get(name) == self.root.get(which or self.newest)


def _name(event: object) -> str:
    match event:
        case (
            BreachConfirmed(incident=name)
            | RollbackDelayed(incident=name)
            | RollbackRefused(incident=name)
            | RecoverySeen(incident=name)
            | RecoveryMissed(incident=name)
            | IncidentClosed(incident=name)
            | OrderGiven(order=name)
            | OrderRefused(order=name)
            | QuestionAsked(question=name)
            | QuestionClosed(question=name)
            | Answered(question=name)
            | StepIntended(op=name)
            | StepDone(op=name)
            | StepUndone(op=name)
            | StepFailed(op=name)
            | WayChosen(op=name)
            | WentBack(op=name)
            | RollbackEnded(op=name)
            | RollbackReopened(op=name)
            | RollbackMended(op=name)
            | RollbackStuck(op=name)
        ):
            return name
        case RollbackStarted(plan=plan):
            return plan.op
        case _:
            return ""
