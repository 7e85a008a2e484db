"""A question to people, what was answered, and what that adds up to."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from watchdog.facts.event import (
    Answered,
    BreachConfirmed,
    QuestionAsked,
    RollbackEnded,
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what was answered; *closed* says how it ended, or is empty.

    *deadline* is when silence counts, by the wall clock as it goes now: it moves
    with a clock that is set back, so that nobody gains time by that. *voided* are
    the deliveries that count no more, *reminded* the shares of the time at which
    people were reminded. *etas* and *came* are by delivery: when a fix is promised
    for, and when the answer came.

    What became of it: *closing* says why it was closed, *successor* is the question
    that took its place, *breaches* are those that it was asked for, *op* the operation
    that was begun of it or in spite of it, *ended* and *ended_at* its end, *recovery*
    what was seen after it, with *helped*.
    """

    asked: QuestionAsked
    asked_at: datetime
    deadline: datetime
    answers: tuple[Answered, ...] = ()
    closed: str = ""
    voided: frozenset[str] = frozenset()
    reminded: frozenset[str] = frozenset()
    etas: dict[str, datetime] = field(default_factory=dict)
    came: dict[str, datetime] = field(default_factory=dict)
    closing: str = ""
    successor: str = ""
    breaches: tuple[BreachConfirmed, ...] = ()
    op: str = ""
    ended: RollbackEnded | None = None
    ended_at: datetime | None = None
    recovery: str = ""
    helped: bool = False

    @property
    def counted(self) -> tuple[Answered, ...]:
        """The answers that count, in the order in which they came."""
        return tuple(a for a in self.answers if a.message not in self.voided)

    @property
    def denied_by(self) -> Answered | None:
        """The first denial: one is enough, whoever approved before or after."""
        return next((a for a in self.counted if a.decision == "deny"), None)

    @property
    def approvals(self) -> tuple[Answered, ...]:
        """One approval for each person who gave one; none once somebody denied."""
        if self.denied_by:
            return ()
        first: dict[str, Answered] = {}
        for answer in self.counted:
            if answer.decision == "approve":
                first.setdefault(answer.by, answer)
        return tuple(first.values())

    @property
    def is_approved(self) -> bool:
        """Enough different people said yes; a broken glass is enough by itself."""
        broken = any(answer.break_glass for answer in self.approvals)
        return broken or len(self.approvals) >= max(1, self.asked.needed)

    @property
    def forward_fix(self) -> tuple[Answered, datetime] | None:
        """The last promise to fix forward, and when it should be there."""
        promised = [a for a in self.counted if a.decision == "forward_fix"]
        if not promised:
            return None
        last = promised[-1]
        return last, self.etas[last.message]

    @property
    def waited(self) -> float:
        """Seconds from the question to the last approval that counts."""
        last = max((self.came[a.message] for a in self.approvals), default=None)
        return max(0.0, (last - self.asked_at).total_seconds()) if last else 0.0

    def answered(self, answer: Answered, at: datetime) -> "Question":
        """Take *answer* in, which came at *at*."""
        etas = self.etas
        if answer.eta is not None:
            etas = etas | {answer.message: answer.eta}
        return replace(
            self,
            answers=(*self.answers, answer),
            etas=etas,
            came=self.came | {answer.message: at},
        )

    def moved(self, seconds: float) -> "Question":
        """Move what is waited for with a wall clock that moved by itself.

        Set back, everything comes as late as it would have; set on, the wall clock
        stands, and it comes sooner.
        """
        if seconds >= 0 or self.closed:
            return self
        return replace(
            self,
            deadline=_shifted(self.deadline, seconds),
            etas={m: _shifted(eta, seconds) for m, eta in self.etas.items()},
        )


def _shifted(at: datetime, seconds: float) -> datetime:
    return datetime.fromtimestamp(at.timestamp() + seconds, at.tzinfo)
