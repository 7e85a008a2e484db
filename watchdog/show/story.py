"""An order as it is followed: a line for each thing that happened, and its end."""

from datetime import datetime

from watchdog.facts.event import (
    Entry,
    FarEndBack,
    FarEndLost,
    OrderGiven,
    OrderRefused,
    RollbackEnded,
    RollbackStarted,
    RollbackStuck,
    StepDone,
    StepFailed,
    WayChosen,
    WentBack,
)


class Story:
    """Tells one order out of the journal's entries, in seconds from *began*.

    *ended* is empty until it ended; then ``proved``, ``rehearsed``, ``unchanged``,
    ``put-back``, ``overtaken``, ``refused`` or ``stuck``.
    """

    def __init__(
        self, order: str, began: datetime, *, op: str = "", good: tuple[str, ...]
    ) -> None:
        """*op* is an operation that goes on; *good* are the ends that are meant."""
        self._order = order
        self._op = op
        self._began = began
        self._good = good
        self.ended = ""
        self.words = ""

    @property
    def is_fine(self) -> bool:
        """Tell whether what was ordered was done."""
        return self.ended in self._good

    def tell(self, entry: Entry) -> str:
        """Give the line for *entry*; empty when it is not of this order."""
        said = self._said(entry)
        seconds = (entry.at - self._began).total_seconds()
        return f"{seconds:7.2f} s  {said}" if said else ""

    def _said(self, entry: Entry) -> str:
        match entry.event:
            case OrderGiven(order=order, words=words) if order == self._order:
                return words
            case OrderRefused(order=order, words=words, hint=hint) if (
                order == self._order
            ):
                return self._end("refused", f"{words}; {hint}" if hint else words)
            case RollbackStarted(order=order, plan=plan) if order == self._order:
                self._op = plan.op
                return f"the plan has {len(plan.steps)} steps, operation {plan.op}"
            case WayChosen(op=op, words=words) if op == self._op:
                return words
            case StepDone(op=op, step=step, evidence=seen) if op == self._op:
                return f"{step.words}: {seen.splitlines()[0] if seen else 'done'}"
            case StepFailed(op=op, step=step, words=words) if op == self._op:
                return f"FAILED {step.words}: {words}"
            case WentBack(op=op) if op == self._op:
                return "going back: the previous pair is being put up again"
            case RollbackStuck(op=op, words=words, hint=hint) if op == self._op:
                return self._end("stuck", f"STUCK: {words}; {hint}")
            case RollbackEnded(op=op, how=how, proof=proof) if op == self._op:
                return self._end(how, f"{how}: {proof}")
            case FarEndLost(what="engine", words=words) if self._op:
                return f"waiting: {words}"
            case FarEndBack(what="engine") if self._op:
                return "the engine answers again"
            case _:
                return ""

    def _end(self, how: str, words: str) -> str:
        self.ended, self.words = how, words
        return words
