"""The way back: the pair that ran before, put up again as a pair."""

from dataclasses import dataclass

from watchdog.decide.standing import Rollback
from watchdog.decide.successor import remade
from watchdog.facts.pair import Record
from watchdog.facts.plan import Do, Plan, Step, Which, side_by_side
from watchdog.facts.problem import (
    Foreign,
    JournalLost,
    NotProven,
    Problem,
    Undone,
    Unreachable,
)
from watchdog.turn.ending import Ending
from watchdog.turn.overtaking import Overtaking
from watchdog.turn.stepping import PASSES, Came, Stepping


@dataclass(frozen=True, slots=True)
class WayBack:
    """Takes what a rollback did back; what somebody undoes is done again."""

    stepping: Stepping
    overtaking: Overtaking
    ending: Ending

    def go(self, rollback: Rollback, plan: Plan) -> str:
        """Take it, from wherever the world shows that it stands, to its end."""
        words = "nothing is under way"
        for number in range(1, PASSES + 1):
            came, words = self._walk(rollback, plan, last=number == PASSES)
            if came is not Came.AGAIN:
                break
        return words

    def _walk(self, rollback: Rollback, plan: Plan, *, last: bool) -> tuple[Came, str]:
        now = self.stepping.memory.standing.rollback
        if now is None:
            return Came.SAID, "nothing is under way"
        before, meant = (
            self.stepping.memory.record(plan.from_record),
            rollback.started.from_pair,
        )
        stepping = self.stepping
        missing = self.made_good(rollback, plan, before)
        if missing:
            step, problem = missing
            stepping.failed(plan, step, problem)
            over = self.overtaking.overtaken(rollback, failed=True)
            if not over:
                self.ending.stuck(plan, step, problem, again=True)
            return Came.SAID, over or f"stuck: {step.words}: {problem.words}"
        for group in side_by_side(stepping.left(plan, before, plan.way_back)):
            taken = [step for _, step in group]
            try:
                if taken[0].do is Do.START:
                    self.hold_as_it_was(plan, before)
                    over = self.overtaking.overtaken(rollback)
                    if over:
                        return Came.SAID, over
                failed = stepping.bring_all_about(
                    plan,
                    before,
                    taken,
                    meant,
                    lambda: stepping.undone(plan, before, plan.way_back),
                )
            except (Unreachable, JournalLost):
                raise
            except Problem as met:
                failed = [(taken[0], met)]
            grave = stepping.grave(plan, failed)
            if grave:
                step, problem = grave
                stepping.failed(plan, step, problem)
                undone = isinstance(problem, Undone)
                over = self.overtaking.overtaken(rollback)
                if over:
                    return Came.SAID, over
                if undone and not last:
                    return Came.AGAIN, problem.words
                again = undone or not isinstance(problem, Foreign)
                self.ending.stuck(plan, step, problem, again=again)
                return Came.SAID, f"stuck: {step.words}: {problem.words}"
        self.stepping.name_again(plan, before, plan.way_back)
        over = self.overtaking.overtaken(rollback)
        wrong = self.stepping.proving.glance(meant) if plan.swaps and not over else ""
        if over or (wrong and not last):
            return Came.SAID if over else Came.AGAIN, over or wrong
        if wrong:
            step = next(s for s in plan.way_back if s.do is Do.PROVE)
            self.ending.stuck(plan, step, NotProven(wrong), again=True)
            return Came.SAID, f"stuck: {wrong}"
        proof = f"the rollback failed ({now.back}); {stepping.proof(plan.way_back)}"
        return Came.SAID, self.ending.ended("put-back", proof)

    def made_good(
        self, rollback: Rollback, plan: Plan, before: Record
    ) -> tuple[Step, Problem] | None:
        """Make the containers that ran again where somebody removed them.

        It comes before anything of the way back: what serves is not stopped for
        what is not there. Gives what failed, and why.
        """
        stepping, meant = self.stepping, rollback.started.from_pair
        for swap in plan.swaps:
            if not swap.new or swap.job:
                continue  # Compose makes its own again, and a job is over
            to = f"{swap.name}.rb-back-{plan.op}"
            step = Step(Do.CREATE, swap.subject, Which.OLD, to=to)
            try:
                if not self.stepping.hands.is_done(plan, before, step):
                    words = f"{swap.name} of {meant.version} was removed by somebody"
                    if step.words not in stepping.tried:
                        stepping.undid(plan, step, words)
                    self.hold_as_it_was(plan, before)
                    stepping.bring_about(plan, before, step, meant)
                if step.words not in stepping.tried:
                    continue
                for name in list(remade(plan, before, swap).networks)[1:]:
                    more = Step(Do.CONNECT, swap.subject, Which.OLD, to=name)
                    stepping.bring_about(plan, before, more, meant)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                serves = not self.stepping.proving.glance(rollback.started.to_pair)
                version = rollback.started.to_pair.version
                left = f", and {version} is left running, not proved" if serves else ""
                words = f"{problem.words}; the way back is gone{left}"
                return step, Problem(words, problem.hint)
        return None

    def hold_as_it_was(self, plan: Plan, before: Record) -> None:
        """Put missing manifests of what ran back, right before it starts."""
        for held in before.manifests:
            step = Step(Do.HOLD_MANIFEST, held.tenant, to=held.sha256)
            try:
                if not self.stepping.hands.is_done(plan, before, step):
                    self.stepping.hands.do(plan, before, step)
            except (Unreachable, JournalLost):
                raise
            except Problem:
                continue  # what ran before may be bad, and ran; the proof tells
