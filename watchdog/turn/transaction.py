"""One rollback, from its plan to its proof or to its way back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from watchdog.decide.standing import Rollback
from watchdog.facts.event import (
    FarEndLost,
    WentBack,
)
from watchdog.facts.pair import Record, Tenants
from watchdog.facts.plan import Do, Plan, Step, Which, side_by_side
from watchdog.facts.problem import (
    Altered,
    EngineRefused,
    Foreign,
    JournalLost,
    Problem,
    Undone,
    Unreachable,
)
from watchdog.facts.rules import Rules
from watchdog.facts.smoke import SmokeCheck
from watchdog.turn.ending import Ending
from watchdog.turn.overtaking import Overtaking
from watchdog.turn.proving import LASTING, Proving
from watchdog.turn.roles import Clock, Doer, Eyes, Remembers, SideBySide
from watchdog.turn.stepping import PASSES, Came, Stepping, one_by_one
from watchdog.turn.stuck import Stuck
from watchdog.turn.way_back import WayBack
from watchdog.verify.proof import Answer

_MAKES = (Do.CREATE, Do.CONNECT)
_BOOTS = (Do.STAGE, Do.WARM, Do.AWAIT)


@dataclass(frozen=True, slots=True)
class Transaction:
    """Carries a plan out: all of it, or all of the way back.

    Nothing is kept here: each call begins from the journal and from what the world
    shows, so it may be cut off at any instant and called again.
    *agrees* says what else does not go with a pair that was put up, or nothing; it
    is asked once all of it is proved. *at_once* makes the calls of steps that are
    taken side by side.
    """

    eyes: Eyes
    hands: Doer
    ask_stack: Callable[[str, timedelta], tuple[Answer, ...]]
    smoke: Callable[[SmokeCheck, tuple[str, ...]], Answer]
    tenants_of: Tenants
    memory: Remembers
    rules: Rules
    clock: Clock
    lasting: float = LASTING
    agrees: Callable[[Plan, Record], str] = lambda *_: ""
    at_once: SideBySide = one_by_one

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
        return Stepping(
            self.hands, self._proving, self.memory, self.clock, self.at_once
        )

    @property
    def _ending(self) -> Ending:
        return Ending(self._stepping, self.rules, self.agrees)

    @property
    def _overtaking(self) -> Overtaking:
        return Overtaking(self.eyes, self._stepping, self._ending)

    @property
    def _way_back(self) -> WayBack:
        return WayBack(self._stepping, self._overtaking, self._ending)

    @property
    def _stuck(self) -> Stuck:
        return Stuck(self._stepping, self._overtaking, self._ending, self._way_back)

    def give_up(self, rollback: Rollback, words: str) -> None:
        """End what is stuck, for a person has another pair put up in its place."""
        self._overtaking.give_up(rollback, words)

    def forgotten(self) -> str:
        """Say what the engine forgot of a rollback that had ended, or nothing."""
        return self._ending.forgotten()

    def name_again(self) -> None:
        """Give what the last rollback put up the names that were not free then."""
        self._ending.name_again()

    def carry_out(self, rollback: Rollback) -> str:
        """Go on with the plan from wherever the world shows that it stands."""
        plan = rollback.started.plan
        target = self.memory.record(plan.to_record)
        try:
            if rollback.stuck:
                return self._stuck.go_on(rollback, plan, target)
            if rollback.started.what == "dry-drill":
                return self._rehearse(rollback, plan, target)
            if rollback.attempts or rollback.back:
                # It was cut off: somebody may have deployed meanwhile.
                over = self._overtaking.overtaken(rollback)
                if over:
                    return over
            if rollback.back:
                return self._way_back.go(rollback, plan)
            came, words = self._forward(rollback, plan, target, plan.steps)
            match came:
                case Came.DONE:
                    proof = self._stepping.proof(plan.steps)
                    # On a swarm each service is written once more after the proof.
                    over = self._overtaking.overtaken(rollback) if plan.writes else ""
                    return over or self._ending.arrived(plan, target, proof)
                case Came.UNCHANGED:
                    return self._ending.ended("unchanged", words)
                case Came.BACK:
                    return self._way_back.go(rollback, plan)
                case _:
                    return words
        except (Unreachable, EngineRefused) as problem:
            if "engine" not in self.memory.standing.lost:
                now = self.clock.now()
                self.memory.add(now, FarEndLost("engine", problem.words))
            return f"rolling back, but waiting: {problem.words}"

    def _rehearse(self, rollback: Rollback, plan: Plan, target: Record) -> str:
        """Prepare everything, and clear it away again."""
        prepare = plan.steps[: plan.prepared]
        came, words = self._forward(rollback, plan, target, prepare)
        if came is Came.UNCHANGED:
            return self._ending.ended("unchanged", words)
        if came is not Came.DONE:
            return words
        self._withdraw(plan, target)
        words = "ready for the swap; nothing that runs was touched"
        return self._ending.ended("rehearsed", words)

    def _forward(
        self, rollback: Rollback, plan: Plan, target: Record, steps: tuple[Step, ...]
    ) -> tuple[Came, str]:
        """Take *steps*; what somebody undoes meanwhile is done again."""
        came, words = Came.AGAIN, ""
        for number in range(1, PASSES + 1):
            last = number == PASSES
            came, words = self._walk(rollback, plan, target, steps, last=last)
            if came is not Came.AGAIN:
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
    ) -> tuple[Came, str]:
        meant, stepping = rollback.started.to_pair, self._stepping
        whole = steps == plan.steps
        for group in side_by_side(stepping.left(plan, target, steps)):
            taken, step = tuple(one for _, one in group), group[0][1]
            try:
                if group[0][0] == plan.prepared or _stops_what_served(step):
                    over = self._overtaking.overtaken(rollback)
                    if over:
                        return Came.SAID, over
                    self._hold_again(rollback, plan, target, taken)
                if step.do in (Do.START, Do.WARM) and step.which is Which.NEW:
                    self._hold_manifests(plan, target, rollback)
                    over = self._overtaking.overtaken(rollback)
                    if over:
                        return Came.SAID, over
                    for one in taken:
                        self._not_before_its_manifest(plan, target, one)
                if step.do is Do.REMOVE:
                    self._still_serves(plan, rollback, taken)
                if step.do is Do.PIN and step.words in stepping.done:
                    continue  # who set it back is not fought; it is said at the end
                failed = stepping.bring_all_about(
                    plan,
                    target,
                    taken,
                    meant,
                    lambda: stepping.undone(plan, target, plan.steps),
                )
            except (Unreachable, JournalLost):
                raise
            except Problem as met:
                failed = [(step, met)]
            grave = stepping.grave(plan, failed)
            if grave:
                return self._failed(rollback, plan, target, *grave, last=last)
        self._stepping.name_again(plan, target, steps)
        wrong = ""
        if whole and plan.swaps:
            wrong = self._proving.glance(meant, well=True)
        if not wrong:
            return Came.DONE, ""
        proof = next(step for step in steps if step.do is Do.PROVE)
        falters = Undone(f"it was proved, and is not so any more: {wrong}")
        return self._failed(rollback, plan, target, proof, falters, last=last)

    def _hold_again(
        self, rollback: Rollback, plan: Plan, target: Record, taken: tuple[Step, ...]
    ) -> None:
        """See that what will serve is there, right before what serves is stopped.

        To Compose a container that was made ready is one of the service: an
        operator's ``up -d`` may have removed it. What is swapped warm must be healthy
        at this moment, too.
        """
        every = plan.files or any(step.which is None for step in taken)
        subjects = {step.subject for step in taken}
        upto = plan.prepared
        if any(swap.standby for swap in plan.swaps):
            # What boots while a standby serves is no part of what is prepared.
            upto = max(upto, plan.steps.index(taken[0]))
        helds = [
            (place, held)
            for place, held in enumerate(plan.steps[:upto])
            if held.do is Do.HOLD_MANIFEST
            or (held.do in (*_MAKES, *_BOOTS) and (every or held.subject in subjects))
        ]
        for group in side_by_side(helds):
            self._make_again(rollback, plan, target, [held for _, held in group])
        if not self._stepping.has_stopped(plan):
            for step in plan.steps:
                if step.do is Do.SWAP_MANIFEST:
                    self.hands.is_done(plan, target, step)  # raises, if it is another's

    def _make_again(
        self, rollback: Rollback, plan: Plan, target: Record, steps: list[Step]
    ) -> None:
        meant = rollback.started.to_pair
        failed = self._stepping.bring_all_about(plan, target, steps, meant, again=True)
        for _, problem in failed:
            raise problem

    def _hold_manifests(self, plan: Plan, target: Record, rollback: Rollback) -> None:
        """See that what a container mounts is there, right before it starts."""
        for step in plan.steps:
            if step.do in (Do.HOLD_MANIFEST, Do.SWAP_MANIFEST):
                self._make_again(rollback, plan, target, [step])

    def _not_before_its_manifest(self, plan: Plan, target: Record, step: Step) -> None:
        """Stop what somebody started before us: a shared file may have been another's.

        ``docker compose start`` starts all that carries Compose's labels, ours too.
        """
        stepping = self._stepping
        jobs = {swap.subject for swap in plan.swaps if swap.job}
        ours = step.do is Do.START and step.which is Which.NEW
        if not (ours and plan.files) or step.subject in jobs:
            return
        if step.words in stepping.tried:
            return  # it is we who started it
        if self.hands.is_done(plan, target, step):
            words = "somebody started it before its manifest was in place"
            stepping.undid(plan, step, f"{words}: it is started again")
            self.hands.do(plan, target, Step(Do.STOP, step.subject, Which.NEW))

    def _still_serves(
        self, plan: Plan, rollback: Rollback, taken: tuple[Step, ...]
    ) -> None:
        """Raise Undone unless the target is up: what leads back must not go else."""
        done = self._stepping.done
        if not plan.swaps or all(step.words in done for step in taken):
            return
        wrong = self._proving.glance(rollback.started.to_pair, well=True)
        if wrong:
            raise Undone(f"it was proved, and is not so any more: {wrong}")

    def _failed(
        self,
        rollback: Rollback,
        plan: Plan,
        target: Record,
        step: Step,
        problem: Problem,
        *,
        last: bool,
    ) -> tuple[Came, str]:
        """Turn around, turn back, or go through it again, by what the world shows."""
        stepping, words = self._stepping, f"{step.words}: {problem.words}"
        gone = step.do is Do.CREATE and self._has_no_image(plan, target)
        undone = gone or isinstance(problem, Undone)
        if undone and not last:
            stepping.undid(plan, step, problem.words)
        else:
            stepping.failed(plan, step, problem)
        failed = step.do in _MAKES and not gone
        over = self._overtaking.overtaken(rollback, failed=failed)
        if over:
            return Came.SAID, over
        if gone and not last:
            return Came.AGAIN, words
        stopped = stepping.has_stopped(plan) and not self._is_unwritten(plan, target)
        lost = not stopped and self._has_lost(plan, target)
        if not stopped and not lost:
            left = self._withdraw(plan, target)
            if not left:
                words = f"nothing that runs was touched: {words}"
                return Came.UNCHANGED, words
        elif undone and not last:
            if not self._overtaking.is_put_back(plan, target):
                return Came.AGAIN, words
            words = "somebody started what ran before again"
        elif isinstance(problem, Altered):
            # Who puts a manifest down may be about to deploy it.
            if plan.files and (over := self._overtaking.awaited(rollback)):
                return Came.SAID, over
        elif isinstance(problem, Foreign) and not undone and not lost:
            # Somebody else is at work: going on, or back, would fight them.
            self._ending.stuck(plan, step, problem)
            return Came.SAID, f"stuck: {words}"
        if not plan.way_back:
            self._ending.stuck(plan, step, problem)
            return Came.SAID, f"stuck: {words}"
        evidence = stepping.evidence(plan)
        self.memory.add(self.clock.now(), WentBack(plan.op, problem.words, evidence))
        return Came.BACK, words

    def _has_no_image(self, plan: Plan, target: Record) -> bool:
        """Tell whether somebody cleaned an image away since it was held."""
        held = [s for s in plan.steps if s.do is Do.HOLD_IMAGE]
        return not all(self.hands.is_done(plan, target, s) for s in held)

    def _is_unwritten(self, plan: Plan, target: Record) -> bool:
        """Tell whether a swarm refused the first of what was to be written."""
        starts = [s for s in plan.steps if s.do is Do.START] if plan.writes else []
        tried = [s for s in starts if self._stepping.has_begun((s,))]
        return bool(tried) and not any(
            s.words in self._stepping.done or self.hands.is_done(plan, target, s)
            for s in tried
        )

    def _has_lost(self, plan: Plan, target: Record) -> bool:
        """Tell whether somebody removed a part of what ran, and nothing has its place.

        Compose that meets ours beside it may remove what runs and then fail.
        """
        for swap in plan.swaps if plan.way_back else ():
            gone = Step(Do.REMOVE, swap.subject, Which.OLD)
            if swap.new and not swap.job and self.hands.is_done(plan, target, gone):
                return True
        return False

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
        undo += [step for step in plan.steps if step.do is Do.UNSTAGE]
        left: list[str] = []
        for step in undo:
            try:
                if not self.hands.is_done(plan, target, step):
                    self.hands.do(plan, target, step)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                if step.do in (Do.REMOVE, Do.UNSTAGE):
                    stepping.failed(plan, step, problem)
                elif not isinstance(problem, Foreign):
                    stepping.failed(plan, step, problem)
                    left.append(problem.words)
        return "; ".join(left)


def _stops_what_served(step: Step) -> bool:
    """Tell whether *step* takes away what serves, on the way forward."""
    stops = step.do is Do.STOP and step.which is Which.OLD
    return stops or step.do in (Do.UP, Do.STAND_IN, Do.HAND_OVER)
