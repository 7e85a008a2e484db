"""Sees to it that one watchdog acts on a stack, and says which.

Each leaves a claim where every other must look, and renews it. Whose claim stands
acts; the others say so and do nothing. A claim that nobody renews any more may be
taken over: how long that takes is measured here, by what is seen of it and by our own
patience, so that no clock that steps makes anybody give way.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchdog.facts.claim import Claim
from watchdog.facts.event import ClaimTaken, StackClaimed
from watchdog.facts.pair import Record
from watchdog.facts.plan import Plan, Step, Wanted
from watchdog.facts.problem import EngineRefused, Foreign, Unreachable
from watchdog.turn.roles import Claims, Clock, Doer, Plans, Remembers

RENEWED_EVERY = timedelta(seconds=20)
OVER_AFTER = timedelta(minutes=5)
# Whose claim was cleaned away makes it again; a person may have taken it away, too.
GONE_AFTER = timedelta(minutes=1)
# Far shorter than any claim is waited for: between two steps nobody else takes it.
_SURE_FOR = 10.0  # s
_MOST_APART = 60.0  # s; two looks, to count as one watch


@dataclass(slots=True)
class _Watched:
    """Another's claim, seen the same *since* then and last *looked* at, in seconds."""

    claim: Claim
    since: float
    looked: float


@dataclass(slots=True)
class Claiming:
    """Holds the stack for this watchdog, or finds out who has it.

    *identity* is this watchdog's. *guard* keeps two threads from looking at once.
    *only_looks*: an observing watchdog claims nothing, until it is told to act.
    *leads* raises where another of the same memory does; *identity* is theirs too.
    """

    claims: Claims
    memory: Remembers
    clock: Clock
    identity: str
    guard: AbstractContextManager[object]
    only_looks: bool = False
    leads: Callable[[], None] = lambda: None
    _ours: Claim | None = field(default=None, init=False)
    _sure: float | None = field(default=None, init=False)
    _theirs: _Watched | None = field(default=None, init=False)

    def turn(self, at: datetime) -> StackClaimed | None:
        """Take the stack if it is nobody's; say which other watchdog has it, if any.

        An engine that does not answer is for the turn to say: nothing can be done
        there without another look.
        """
        if self.only_looks:
            return None
        with self.guard:
            try:
                return self._whose(at)
            except (Unreachable, EngineRefused):
                return self.memory.standing.claimed

    def check(self, *, now: bool = False) -> None:
        """Be sure that the stack is ours; looked at if it was not just, or *now*.

        Raises:
            Foreign: another watchdog has it.
            Unreachable: not known.
            JournalLost: another of the same memory leads.
        """
        self.leads()
        with self.guard:
            sure = self._sure
            is_sure = sure is not None and self.clock.monotonic() - sure < _SURE_FOR
            if is_sure and not now:
                return
            claimed = self._whose(self.clock.now())
        if claimed:
            raise Foreign(claimed.words, claimed.hint)

    def renew(self, at: datetime) -> None:
        """Show the others that we are still here."""
        del at
        with self.guard:
            if self._ours is None:
                return
            try:
                found = self.claims.look()
                if found is None:
                    # Somebody cleaned it away, and others look for it meanwhile.
                    found = self._taken()
                    self._ours = found if found and found.by == self.identity else None
                elif found == self._ours:
                    self._ours = self.claims.renew(found)
            except EngineRefused:
                return  # the turn sees what became of it
            except Unreachable:
                # It may have been renewed all the same.
                self._ours = None

    def _whose(self, at: datetime) -> StackClaimed | None:
        self._sure = None
        try:
            found, over, took = self.claims.look(), "", False
            gone = self._gone() if found is None else None
            if gone is not None and not self._is_over(gone, GONE_AFTER):
                self._ours = None
                return self._note_theirs(gone, at)
            if found is None or self._is_over(found):
                if found is not None:
                    over = found.by
                    self.claims.clear(found)
                found, took = self._taken(), True
        except Unreachable:
            self._theirs = None  # who cannot reach it cannot renew it either
            raise
        if found is None or self._is_ours(found):
            self._theirs = None
            self._sure = self.clock.monotonic()
            self._ours = found
            if over or (took and found) or self.memory.standing.claimed:
                self._note_ours(found, over, at)
            return None
        self._ours = None
        return self._note_theirs(found, at)

    def _gone(self) -> Claim | None:
        """Give the claim that is not there, of who may be in the middle of a rollback.

        `docker container prune` takes it away like any container that never ran.
        """
        if self._ours is not None:
            return None
        standing = self.memory.standing
        by = standing.claimed.by if standing.claimed else ""
        by = by if by != self.identity else ""  # a copy of this very state
        if not by and standing.rollback is None:
            by = self.claims.at_work()
        where = "its claim is gone, and it may be at work and make it again"
        return Claim("", by, 0, where, "") if by else None

    def _taken(self) -> Claim | None:
        """Claim it, and see whether we were the one; None where nothing is."""
        self._ours = None
        self._theirs = None
        with suppress(EngineRefused):
            self.claims.take()
        return self.claims.look()

    def _is_ours(self, found: Claim) -> bool:
        """Tell whether *found* is the claim as we left it.

        One of our identity that somebody else renewed is that of a copy of our state.
        """
        if found.by != self.identity:
            return False
        # After a start, or a renewal of unknown end, it is taken as it is found.
        another = self._theirs is not None and self._theirs.claim.by == self.identity
        return found == self._ours or (self._ours is None and not another)

    def _is_over(self, found: Claim, after: timedelta = OVER_AFTER) -> bool:
        """Tell whether another's claim was as it is for all the time we watched."""
        if self._is_ours(found):
            return False
        now, seen = self.clock.monotonic(), self._theirs
        if seen is None or seen.claim != found or now - seen.looked > _MOST_APART:
            self._theirs = _Watched(found, now, now)
            return False
        seen.looked = now
        return bool(found.by) and now - seen.since >= after.total_seconds()

    def _note_ours(self, found: Claim | None, over: str, at: datetime) -> None:
        before = self.memory.standing.claimed
        where = found.where if found else "nothing is there to be claimed"
        minutes = int(OVER_AFTER.total_seconds() / 60)
        why = (
            f"; the claim of another, {_short(over)}, was not renewed for {minutes} min"
            if over
            else ""
        )
        who = _short(over or (before.by if before else ""))
        words = f"this watchdog claims the stack: {where}{why}"
        self.memory.add(at, ClaimTaken(words, over=who))

    def _note_theirs(self, found: Claim, at: datetime) -> StackClaimed:
        minutes = int(OVER_AFTER.total_seconds() / 60)
        who = "another watchdog"
        if not found.by:
            who = "something that is no watchdog's claim"
        elif found.by == self.identity:
            who = "a copy of this watchdog's state"
        words = f"{who} ({_short(found.by) or 'unknown'}) has this stack: {found.where}"
        over = f"a claim that is not renewed for {minutes} minutes is taken over"
        cure = f"{found.cure}, or wait: {over}"
        if not found.id:
            soon = int(GONE_AFTER.total_seconds())
            cure = f"wait: the stack is taken {soon} s after its claim went"
        said = StackClaimed(
            found.by or "unknown",
            f"{words}; nothing is done here",
            f"stop one of the two; if the other is gone for good, {cure}",
        )
        before = self.memory.standing.claimed
        if before != said:
            self.memory.add(at, said)
        return said


def _short(identity: str) -> str:
    """Give the start of what was drawn by lot; in words it is left whole."""
    return identity if " " in identity else identity[:6]


@dataclass(frozen=True, slots=True)
class OnlyOurs:
    """Hands that touch nothing while another watchdog has the stack."""

    hands: Doer
    claiming: Claiming

    def is_done(self, plan: Plan, target: Record, step: Step) -> str:
        """Look, as anybody may."""
        return self.hands.is_done(plan, target, step)

    def do(self, plan: Plan, target: Record, step: Step) -> None:
        """Bring the step's end about, if the stack is still ours."""
        self.claiming.check()
        self.hands.do(plan, target, step)

    def evidence_of(self, plan: Plan, step: Step) -> str:
        """Give what is worth keeping, as anybody may."""
        return self.hands.evidence_of(plan, step)


@dataclass(frozen=True, slots=True)
class PlannedByOne:
    """Plans that are made only while the stack is ours, looked at right then."""

    plans: Plans
    claiming: Claiming

    def plan(self, wanted: Wanted) -> Plan:
        """Plan as it is done; see ``Plans``."""
        self.claiming.check(now=True)
        return self.plans.plan(wanted)
