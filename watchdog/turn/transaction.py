"""One rollback, from its plan to its proof or to its way back."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from watchdog.decide.meanwhile import Meanwhile, Seen
from watchdog.decide.plan import remade
from watchdog.decide.standing import Rollback
from watchdog.facts.event import (
    Event,
    FarEndLost,
    PromotionPaused,
    RollbackEnded,
    RollbackMended,
    RollbackStuck,
    StepDone,
    WentBack,
)
from watchdog.facts.pair import Record, Running
from watchdog.facts.plan import Do, Plan, Step, Which
from watchdog.facts.problem import (
    EngineRefused,
    Foreign,
    JournalLost,
    NotProven,
    Problem,
    Undone,
    Unreachable,
)
from watchdog.facts.rules import Rules
from watchdog.facts.smoke import SmokeCheck
from watchdog.turn.overtaking import Overtaking
from watchdog.turn.proving import LASTING, Proving
from watchdog.turn.roles import Clock, Doer, Eyes, Remembers
from watchdog.turn.stepping import Stepping
from watchdog.verify.proof import Answer, Proven

_PASSES = 3  # what somebody undoes is done again, so often at the most
_MOST_APART = timedelta(minutes=1)  # two tries of a way back that is stuck
_MAKES = (Do.CREATE, Do.CONNECT)
_KNOWN = ("proved", "unpinned", "put-back")  # ends of which one whole pair is ours
_BY_HAND = "docs/how-to/when-a-rollback-failed.md"
_REPAIR = "docs/how-to/repair-a-split-pair.md"


class _Came(StrEnum):
    """What a walk through the steps came to."""

    DONE = "done"
    UNCHANGED = "unchanged"
    BACK = "back"  # the way back is journaled, and is to be taken
    SAID = "said"  # it ended or is stuck, and that is journaled
    AGAIN = "again"  # somebody undid a part: once more from the first


def _agrees(plan: Plan, target: Record) -> str:
    del plan, target
    return ""


@dataclass(frozen=True, slots=True)
class Transaction:
    """Carries a plan out: all of it, or all of the way back.

    Nothing is kept here: each call begins from the journal and from what the world
    shows, so it may be cut off at any instant and called again.
    *agrees* says what else does not go with a pair that was put up, or nothing; it
    is asked once all of it is proved.
    """

    eyes: Eyes
    hands: Doer
    ask_stack: Callable[[str, timedelta], tuple[Answer, ...]]
    smoke: Callable[[SmokeCheck, tuple[str, ...]], Answer]
    tenants_of: Callable[[str], tuple[str, ...]]
    memory: Remembers
    rules: Rules
    clock: Clock
    lasting: float = LASTING
    agrees: Callable[[Plan, Record], str] = _agrees

    @property
    def _proving(self) -> Proving:
        return Proving(
            self.eyes,
            self.ask_stack,
            self.smoke,
            self.tenants_of,
            self.rules,
            self.clock,
            self.lasting,
        )

    @property
    def _stepping(self) -> Stepping:
        return Stepping(self.hands, self._proving, self.memory, self.clock)

    @property
    def _overtaking(self) -> Overtaking:
        return Overtaking(self.eyes, self._stepping)

    def carry_out(self, rollback: Rollback) -> str:
        """Go on with the plan from wherever the world shows that it stands."""
        plan = rollback.started.plan
        target = self.memory.record(plan.to_record)
        try:
            if rollback.stuck:
                return self._unstuck(rollback, plan, target)
            if rollback.started.what == "dry-drill":
                return self._rehearse(rollback, plan, target)
            if rollback.attempts or rollback.back:
                # It was cut off: somebody may have deployed meanwhile.
                over = self._overtaken(rollback)
                if over:
                    return over
            if rollback.back:
                return self._go_back(rollback, plan)
            came, words = self._forward(rollback, plan, target, plan.steps)
            match came:
                case _Came.DONE:
                    return self._arrived(plan, target, self._stepping.proof(plan.steps))
                case _Came.UNCHANGED:
                    return self._ended("unchanged", words)
                case _Came.BACK:
                    return self._go_back(rollback, plan)
                case _:
                    return words
        except Unreachable as problem:
            if "engine" not in self.memory.standing.lost:
                now = self.clock.now()
                self.memory.add(now, FarEndLost("engine", problem.words))
            return f"rolling back, but waiting: {problem.words}"

    def _rehearse(self, rollback: Rollback, plan: Plan, target: Record) -> str:
        """Prepare everything, and clear it away again."""
        prepare = plan.steps[: plan.prepared]
        came, words = self._forward(rollback, plan, target, prepare)
        if came is _Came.UNCHANGED:
            return self._ended("unchanged", words)
        if came is not _Came.DONE:
            return words
        self._withdraw(plan, target)
        words = "ready for the swap; nothing that runs was touched"
        return self._ended("rehearsed", words)

    # -- the way forward -----------------------------------------------------------

    def _forward(
        self, rollback: Rollback, plan: Plan, target: Record, steps: tuple[Step, ...]
    ) -> tuple[_Came, str]:
        """Take *steps*; what somebody undoes meanwhile is done again."""
        came, words = _Came.AGAIN, ""
        for number in range(1, _PASSES + 1):
            last = number == _PASSES
            came, words = self._walk(rollback, plan, target, steps, last=last)
            if came is not _Came.AGAIN:
                break
        return came, words

    def _walk(
        self,
        rollback: Rollback,
        plan: Plan,
        target: Record,
        steps: tuple[Step, ...],
        *,
        last: bool,
    ) -> tuple[_Came, str]:
        meant, stepping = rollback.started.to_pair, self._stepping
        whole = steps == plan.steps
        for number, step in stepping.left(plan, target, steps):
            try:
                if number == plan.prepared or _stops_what_served(step):
                    over = self._overtaken(rollback)
                    if over:
                        return _Came.SAID, over
                    self._hold_again(rollback, plan, target, step)
                if step.do is Do.START and step.which is Which.NEW:
                    self._hold_manifests(plan, target, rollback)
                    over = self._overtaken(rollback)
                    if over:
                        return _Came.SAID, over
                if step.do is Do.REMOVE:
                    self._still_serves(plan, rollback, step)
                if step.do is Do.PIN and step.words in stepping.done:
                    continue  # who set it back is not fought; it is said at the end
                stepping.bring_about(
                    plan,
                    target,
                    step,
                    meant,
                    lambda: stepping.undone(plan, target, plan.steps),
                )
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                if self._is_only_told(plan, step, problem):
                    stepping.failed(plan, step, problem)
                    continue
                return self._failed(rollback, plan, target, step, problem, last=last)
        self._name_again(plan, target, steps)
        wrong = self._proving.glance(meant) if whole and plan.swaps else ""
        if not wrong:
            return _Came.DONE, ""
        proof = next(step for step in steps if step.do is Do.PROVE)
        falters = Undone(f"it was proved, and is not so any more: {wrong}")
        return self._failed(rollback, plan, target, proof, falters, last=last)

    def _name_again(self, plan: Plan, target: Record, steps: tuple[Step, ...]) -> None:
        """Give the names that were refused: what had them may be gone now."""
        for step in steps:
            if step.do is not Do.RENAME or step.words in self._stepping.done:
                continue
            try:
                if not self.hands.is_done(plan, target, step):
                    self.hands.do(plan, target, step)
            except (Unreachable, JournalLost):
                raise
            except Problem:
                continue  # it was told when it failed first

    def _hold_again(
        self, rollback: Rollback, plan: Plan, target: Record, step: Step
    ) -> None:
        """See that what will serve is there, right before what serves is stopped.

        To Compose a container that was made ready is one of the service: an
        operator's ``up -d`` may have removed it.
        """
        for held in plan.steps[: plan.prepared]:
            makes = held.do in (Do.CREATE, Do.CONNECT)
            mine = step.which is None or plan.files or held.subject == step.subject
            if held.do is Do.HOLD_MANIFEST or (makes and mine):
                self._make_again(rollback, plan, target, held)

    def _make_again(
        self, rollback: Rollback, plan: Plan, target: Record, step: Step
    ) -> None:
        stepping = self._stepping
        was_done = step.words in stepping.done
        if was_done and not self.hands.is_done(plan, target, step):
            words = f"somebody undid `{step.words}`: it is done again"
            stepping.undid(plan, step, words)
        stepping.bring_about(plan, target, step, rollback.started.to_pair)

    def _hold_manifests(self, plan: Plan, target: Record, rollback: Rollback) -> None:
        """See that what a container mounts is there, right before it starts."""
        for step in plan.steps[: plan.prepared]:
            if step.do is Do.HOLD_MANIFEST:
                self._make_again(rollback, plan, target, step)

    def _still_serves(self, plan: Plan, rollback: Rollback, step: Step) -> None:
        """Raise Undone unless the target is up: what leads back must not go else."""
        if not plan.swaps or step.words in self._stepping.done:
            return
        wrong = self._proving.glance(rollback.started.to_pair)
        if wrong:
            raise Undone(f"it was proved, and is not so any more: {wrong}")

    def _is_only_told(self, plan: Plan, step: Step, problem: Problem) -> bool:
        """Tell whether to go on although *step* failed.

        Nothing is found by names, what is left over is stopped, and a version that
        somebody pinned while nothing served is theirs.
        """
        if step.do is Do.REMOVE:
            return not isinstance(problem, Undone)
        if step.do is Do.RENAME:
            return isinstance(problem, EngineRefused | NotProven)
        theirs = step.do in (Do.BAR, Do.PIN) and isinstance(problem, Foreign)
        return theirs and self._stepping.has_stopped(plan)

    def _failed(
        self,
        rollback: Rollback,
        plan: Plan,
        target: Record,
        step: Step,
        problem: Problem,
        *,
        last: bool,
    ) -> tuple[_Came, str]:
        """Turn around, turn back, or go through it again, by what the world shows."""
        stepping, words = self._stepping, f"{step.words}: {problem.words}"
        undone = isinstance(problem, Undone)
        if undone and not last:
            stepping.undid(plan, step, problem.words)
        else:
            stepping.failed(plan, step, problem)
        over = self._overtaken(rollback, failed=step.do in _MAKES)
        if over:
            return _Came.SAID, over
        if not stepping.has_stopped(plan):
            left = self._withdraw(plan, target)
            if not left:
                words = f"nothing that runs was touched: {words}"
                return _Came.UNCHANGED, words
        elif undone and not last:
            if not self._is_put_back(plan, target):
                return _Came.AGAIN, words
            words = "somebody started what ran before again"
        elif isinstance(problem, Foreign) and not undone:
            # Somebody else is at work: going on, or back, would fight them.
            self._stick(plan, step, problem)
            return _Came.SAID, f"stuck: {words}"
        if not plan.way_back:
            self._stick(plan, step, problem)
            return _Came.SAID, f"stuck: {words}"
        evidence = stepping.evidence(plan)
        self.memory.add(self.clock.now(), WentBack(plan.op, problem.words, evidence))
        return _Came.BACK, words

    def _is_put_back(self, plan: Plan, target: Record) -> bool:
        """Tell whether somebody removed the new ones and started the old ones again."""
        for swap in plan.swaps:
            try:
                if self.hands.is_done(
                    plan, target, Step(Do.STOP, swap.subject, Which.OLD)
                ):
                    return False
            except Undone:
                return False
            gone = Step(Do.REMOVE, swap.subject, Which.NEW)
            if swap.new and not self.hands.is_done(plan, target, gone):
                return False
        return bool(plan.swaps)

    def _withdraw(self, plan: Plan, target: Record) -> str:
        """Undo what was prepared beside what serves; say what could not be undone.

        A container of ours that stays is said too, and never ran.
        """
        stepping = self._stepping
        undo: list[Step] = []
        if stepping.has_begun(tuple(s for s in plan.steps if s.do in (Do.BAR, Do.PIN))):
            undo.append(Step(Do.PIN, "variable", to=plan.variable_before))
        quiet = [s for s in plan.steps if s.do is Do.SET_RESTART and s.to == "no"]
        if stepping.has_begun(tuple(quiet)):
            undo += [s for s in plan.way_back if s.do is Do.SET_RESTART]
        undo += [Step(Do.REMOVE, swap.subject, Which.NEW) for swap in plan.swaps]
        left: list[str] = []
        for step in undo:
            try:
                if not self.hands.is_done(plan, target, step):
                    self.hands.do(plan, target, step)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                if step.do is Do.REMOVE:
                    stepping.failed(plan, step, problem)
                elif not isinstance(problem, Foreign):
                    stepping.failed(plan, step, problem)
                    left.append(problem.words)
        return "; ".join(left)

    def _arrived(self, plan: Plan, target: Record, proof: str) -> str:
        """End it: as proved, if the env file and all else goes with it at this moment.

        What somebody set back is theirs: it is said, and not fought.
        """
        unlike = self._unlike(plan, target) or self.agrees(plan, target)
        if unlike:
            return self._ended("unpinned", f"{unlike}; what runs is proved: {proof}")
        return self._ended("proved", proof)

    def _unlike(self, plan: Plan, target: Record) -> str:
        for step in plan.steps:
            if step.do is not Do.PIN:
                continue
            try:
                if not self.hands.is_done(plan, target, step):
                    return (
                        f"the env file does not say {step.to} any more: somebody set "
                        "it back"
                    )
            except Problem as problem:
                return problem.words
        return ""

    # -- somebody deployed meanwhile -----------------------------------------------

    def _overtaken(self, rollback: Rollback, *, failed: bool = False) -> str:
        """End it if somebody deployed meanwhile; nothing when it may go on.

        Beside a deployment that is no whole pair nothing is started either. What we
        stopped we owe: where nothing at all is left, it is put up as long as it can.
        """
        found = self._overtaking.settled(rollback)
        if found.seen is Seen.TARGET:
            self._overtaking.make_way(rollback, found)
        if found.seen in (Seen.NOTHING, Seen.TARGET):
            return ""
        plan = rollback.started.plan
        if found.seen is Seen.UNSETTLED:
            if not found.begun:
                return ""  # made, and never started: left over
            self._stick(plan, plan.steps[0], Foreign(found.words), bare=True)
            return f"stuck: {found.words}"
        if found.seen is Seen.DOWN and self._stepping.has_stopped(plan) and not failed:
            return ""
        return self._gives_way(rollback, found)

    def _gives_way(self, rollback: Rollback, found: Meanwhile, proof: str = "") -> str:
        left = self._overtaking.withdraw(rollback, found)
        words = "; ".join(part for part in (found.words, proof, left) if part)
        return self._ended("overtaken", words)

    # -- the way back --------------------------------------------------------------

    def _go_back(self, rollback: Rollback, plan: Plan) -> str:
        words = "nothing is under way"
        for number in range(1, _PASSES + 1):
            came, words = self._walk_back(rollback, plan, last=number == _PASSES)
            if came is not _Came.AGAIN:
                break
        return words

    def _walk_back(
        self, rollback: Rollback, plan: Plan, *, last: bool
    ) -> tuple[_Came, str]:
        now = self.memory.standing.rollback
        if now is None:
            return _Came.SAID, "nothing is under way"
        before, meant = self.memory.record(plan.from_record), rollback.started.from_pair
        stepping = self._stepping
        missing = self._made_good(rollback, plan, before)
        if missing:
            step, problem = missing
            stepping.failed(plan, step, problem)
            over = self._overtaken(rollback, failed=True)
            if not over:
                self._stick(plan, step, problem, again=True)
            return _Came.SAID, over or f"stuck: {step.words}: {problem.words}"
        for _, step in stepping.left(plan, before, plan.way_back):
            try:
                if step.do is Do.START:
                    self._hold_as_it_was(plan, before)
                    over = self._overtaken(rollback)
                    if over:
                        return _Came.SAID, over
                stepping.bring_about(
                    plan,
                    before,
                    step,
                    meant,
                    lambda: stepping.undone(plan, before, plan.way_back),
                )
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                stepping.failed(plan, step, problem)
                if self._is_only_told(plan, step, problem):
                    continue
                undone = isinstance(problem, Undone)
                over = self._overtaken(rollback)
                if over:
                    return _Came.SAID, over
                if undone and not last:
                    return _Came.AGAIN, problem.words
                again = undone or not isinstance(problem, Foreign)
                self._stick(plan, step, problem, again=again)
                return _Came.SAID, f"stuck: {step.words}: {problem.words}"
        self._name_again(plan, before, plan.way_back)
        over = self._overtaken(rollback)
        wrong = self._proving.glance(meant) if plan.swaps and not over else ""
        if over or (wrong and not last):
            return _Came.SAID if over else _Came.AGAIN, over or wrong
        if wrong:
            step = next(s for s in plan.way_back if s.do is Do.PROVE)
            self._stick(plan, step, NotProven(wrong), again=True)
            return _Came.SAID, f"stuck: {wrong}"
        proof = f"the rollback failed ({now.back}); {stepping.proof(plan.way_back)}"
        return _Came.SAID, self._ended("put-back", proof)

    def _made_good(
        self, rollback: Rollback, plan: Plan, before: Record
    ) -> tuple[Step, Problem] | None:
        """Make the containers that ran again where somebody removed them.

        It comes before anything of the way back: what serves is not stopped for
        what is not there. Gives what failed, and why.
        """
        stepping, meant = self._stepping, rollback.started.from_pair
        for swap in plan.swaps:
            if not swap.new:
                continue  # Compose makes its own again
            to = f"{swap.name}.rb-back-{plan.op}"
            step = Step(Do.CREATE, swap.subject, Which.OLD, to=to)
            try:
                if not self.hands.is_done(plan, before, step):
                    words = f"{swap.name} of {meant.version} was removed by somebody"
                    if step.words not in stepping.tried:
                        stepping.undid(plan, step, words)
                    self._hold_as_it_was(plan, before)
                    stepping.bring_about(plan, before, step, meant)
                if step.words not in stepping.tried:
                    continue
                for name in list(remade(plan, before, swap).networks)[1:]:
                    more = Step(Do.CONNECT, swap.subject, Which.OLD, to=name)
                    stepping.bring_about(plan, before, more, meant)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                serves = not self._proving.glance(rollback.started.to_pair)
                version = rollback.started.to_pair.version
                left = f", and {version} is left running, not proved" if serves else ""
                words = f"{problem.words}; the way back is gone{left}"
                return step, Problem(words, problem.hint)
        return None

    def _hold_as_it_was(self, plan: Plan, before: Record) -> None:
        """Put missing manifests of what ran back, right before it starts."""
        for held in before.manifests:
            step = Step(Do.HOLD_MANIFEST, held.tenant, to=held.sha256)
            try:
                if not self.hands.is_done(plan, before, step):
                    self.hands.do(plan, before, step)
            except (Unreachable, JournalLost):
                raise
            except Problem:
                continue  # what ran before may be bad, and ran; the proof tells

    # -- stuck ---------------------------------------------------------------------

    def _stick(
        self,
        plan: Plan,
        step: Step,
        problem: Problem,
        *,
        again: bool = False,
        bare: bool = False,
    ) -> None:
        hint = problem.hint or f"see {_REPAIR}"
        if again:
            hint = (
                "mend that, and the way back goes on by itself within a minute; or "
                f"put one whole pair up: {_REPAIR}"
            )
        words = problem.words if bare else f"{step.words}: {problem.words}"
        self.memory.add(self.clock.now(), RollbackStuck(plan.op, words, hint, again))

    def _unstuck(self, rollback: Rollback, plan: Plan, target: Record) -> str:
        """See whether one whole pair is up meanwhile; else try the way back again.

        It is tried only as long as nobody else was seen at work.
        """
        started, (found, _) = rollback.started, self._overtaking.cleared(rollback)
        theirs = found.seen is Seen.DEPLOYED
        outcome = self._proving.look(started.to_pair)
        if isinstance(outcome, Proven):
            words = f"by hand, after it was stuck: {outcome.words}"
            return self._arrived(plan, target, words)
        outcome = self._proving.look(started.from_pair, as_it_was=True)
        if isinstance(outcome, Proven) and not theirs:
            if not (rollback.again and self._is_ours(plan)):
                words = f"by hand, after it was stuck: {outcome.words}"
                return self._ended("put-back", words)
            # Our last try came up late, or the old one by itself.
            step = next(step for step in plan.way_back if step.do is Do.PROVE)
            self.memory.add(self.clock.now(), StepDone(plan.op, step, outcome.words))
            return self._go_back(rollback, plan)
        seen = self.eyes.running(self.tenants_of)
        if isinstance(seen, Running) and theirs:
            outcome = self._proving.look(seen.pair, as_it_was=True)
            if isinstance(outcome, Proven):
                return self._gives_way(rollback, found, outcome.words)
        if rollback.again and self._is_due(rollback):
            return self._try_again(rollback, plan)
        return f"stuck: {rollback.stuck}"

    def _is_ours(self, plan: Plan) -> bool:
        """Tell whether the very containers run that the way back puts back."""
        seen = self.eyes.running(self.tenants_of)
        old = {swap.old_id for swap in plan.swaps}
        return isinstance(seen, Running) and set(seen.containers) == old

    def _is_due(self, rollback: Rollback) -> bool:
        """Tell whether to try again: at each turn first, later once a minute."""
        now = self.clock.now()
        since, tried = rollback.since or now, rollback.tried or now
        apart = min(_MOST_APART, (now - since) / 10)
        return now < tried or now - tried >= apart

    def _try_again(self, rollback: Rollback, plan: Plan) -> str:
        """Go the way back once more, unless somebody undid a part of it.

        What was done and is not any more is another's work: going on would fight
        them. Only a container may stop by itself.
        """
        before, meant = self.memory.record(plan.from_record), rollback.started.from_pair
        stepping, acted = self._stepping, False
        olds = tuple(s for s in plan.way_back if s.which is Which.OLD)
        missing = None
        if not stepping.has_begun(olds):
            missing = self._made_good(rollback, plan, before)
        if missing:
            return self._still_stuck(rollback, plan, *missing, again=True)
        for _, step in stepping.left(plan, before, plan.way_back):
            if step.do is Do.PROVE:
                break
            try:
                if step.do is Do.AWAIT:
                    stepping.bring_about(plan, before, step, meant)
                    continue
                done = self.hands.is_done(plan, before, step)
                if not done and step.words in rollback.done and step.do is not Do.START:
                    raise Foreign(
                        f"`{step.words}` was done, and was undone meanwhile",
                        "somebody is at work, so that the watchdog waits: put one "
                        f"whole pair up, see {_REPAIR}",
                    )
                acted = acted or not done
                if step.do is Do.START:
                    self._hold_as_it_was(plan, before)
                stepping.bring_about(plan, before, step, meant)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                if step.do is Do.RENAME and self._is_only_told(plan, step, problem):
                    continue
                again = not isinstance(problem, Foreign)
                return self._still_stuck(rollback, plan, step, problem, again=again)
        if acted:
            return self._go_back(rollback, plan)
        return f"stuck: {rollback.stuck}"

    def _still_stuck(
        self,
        rollback: Rollback,
        plan: Plan,
        step: Step,
        problem: Problem,
        *,
        again: bool,
    ) -> str:
        """Say why it is stuck, if that is another reason than before."""
        words = f"{step.words}: {problem.words}"
        if _told(words) != _told(rollback.stuck) or not again:
            self._stick(plan, step, problem, again=again)
        return f"stuck: {words}"

    # -- its end -------------------------------------------------------------------

    def forgotten(self) -> str:
        """Say what the engine forgot of a rollback that had ended, or nothing.

        After a power cut it may come back without its last writes. A container that
        was removed has an id that nobody can give again: it being there is proof.
        """
        s = self.memory.standing
        past, running = s.past, s.running
        how = s.last_rollback.how if s.last_rollback else ""
        if (
            past is None
            or running is None
            or how not in ("proved", "unpinned", "put-back")
        ):
            return ""
        plan = past.started.plan
        ours = {swap.old_id for swap in plan.swaps} & set(running.containers)
        if not (ours or running.by == plan.op):
            return ""  # somebody deployed since
        target = self.memory.record(plan.to_record)
        for step in plan.steps if how != "put-back" else plan.way_back:
            was_done = step.do is Do.REMOVE and step.words in past.done
            if was_done and not self.hands.is_done(plan, target, step):
                return (
                    f"the engine forgot `{step.words}`, which was done: "
                    "it came back without its last writes"
                )
        return ""

    def _ended(self, how: str, proof: str) -> str:
        rollback = self.memory.standing.rollback
        if rollback is None:
            return "nothing is under way"
        started = rollback.started
        now = self.clock.now()
        took = (now - rollback.started_at) / timedelta(seconds=1)
        if rollback.reopened:
            self.memory.add(now, RollbackMended(started.plan.op, how, proof))
            return f"rollback to {started.to_pair.version} {how} again"
        before, to = started.from_pair.version, started.to_pair.version
        if rollback.undone:
            proof = f"{proof}; meanwhile: {'; '.join(rollback.undone)}"
        hint = {
            "unchanged": f"{before} runs as before: mend what is named and roll back "
            f"by hand, or deploy a good version; see {_BY_HAND}",
            "put-back": f"{before} serves again: find out why {to} did not come up, or "
            f"deploy a good version; see {_BY_HAND}",
            "unpinned": f"write {self.rules.variable}={to} into the env file: the next "
            f"`docker compose up -d` would bring another version up; see {_BY_HAND}",
        }
        paused: list[Event] = []
        if how == "unpinned":
            paused.append(PromotionPaused(to, proof))
        self.memory.add(
            now,
            *paused,
            RollbackEnded(
                op=started.plan.op,
                incident=started.incident,
                how=how,
                started=rollback.started_at,
                previous=started.from_pair.version,
                target=started.to_pair.version,
                root_cause=started.cause,
                owner=self.rules.on_call,
                proof=proof,
                waited=started.waited,
                order=started.order,
                what=started.what,
                hint=hint.get(how, ""),
            ),
            claim=f"ended/{started.plan.op}",
        )
        what = started.what
        return f"{what} to {started.to_pair.version} {how} after {took:.1f} s"


def _stops_what_served(step: Step) -> bool:
    return step.do is Do.UP or (step.do is Do.STOP and step.which is Which.OLD)


def _told(words: str) -> str:
    """Leave out of *words* what the engine makes up anew each time: ids."""
    return re.sub(r"[0-9a-f]{12,}", "", words)
