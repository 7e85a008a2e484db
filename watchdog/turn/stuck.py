"""A rollback that is stuck: what may end it, and when the way back is tried again."""

import re
from dataclasses import dataclass
from datetime import timedelta

from watchdog.decide.meanwhile import Meanwhile, Seen
from watchdog.decide.standing import Rollback
from watchdog.facts.event import StepDone
from watchdog.facts.pair import Record, Running
from watchdog.facts.plan import Do, Plan, Step, Which
from watchdog.facts.problem import Foreign, JournalLost, Problem, Unreachable
from watchdog.turn.ending import REPAIR, Ending
from watchdog.turn.overtaking import Overtaking
from watchdog.turn.stepping import Stepping
from watchdog.turn.way_back import WayBack
from watchdog.verify.proof import Proven

_MOST_APART = timedelta(minutes=1)  # two tries of a way back that is stuck


@dataclass(frozen=True, slots=True)
class Stuck:
    """Looks at each turn whether one whole pair is up; else tries the way back."""

    stepping: Stepping
    overtaking: Overtaking
    ending: Ending
    way_back: WayBack

    def go_on(self, rollback: Rollback, plan: Plan, target: Record) -> str:
        """See whether one whole pair is up meanwhile; else try the way back again.

        It is tried only as long as nobody else was seen at work.
        """
        started, (found, _) = rollback.started, self.overtaking.cleared(rollback)
        theirs = found.seen is Seen.DEPLOYED
        outcome = self.stepping.proving.look(started.to_pair)
        if isinstance(outcome, Proven):
            words = f"by hand, after it was stuck: {outcome.words}"
            return self.ending.arrived(plan, target, words)
        outcome = self.stepping.proving.look(started.from_pair, as_it_was=True)
        if isinstance(outcome, Proven) and not theirs:
            if not (rollback.again and self._is_ours(plan, found)):
                words = f"by hand, after it was stuck: {outcome.words}"
                return self.ending.ended("put-back", words)
            # Our last try came up late, or the old one by itself.
            step = next(step for step in plan.way_back if step.do is Do.PROVE)
            self.stepping.memory.add(
                self.stepping.clock.now(), StepDone(plan.op, step, outcome.words)
            )
            return self.way_back.go(rollback, plan)
        seen = self.overtaking.eyes.running(self.stepping.proving.tenants_of)
        if isinstance(seen, Running) and theirs:
            outcome = self.stepping.proving.look(seen.pair, as_it_was=True)
            if isinstance(outcome, Proven):
                return self.overtaking.give_way(rollback, found, outcome.words)
        if rollback.again and self._is_due(rollback):
            return self._try_again(rollback, plan)
        return f"stuck: {rollback.stuck}"

    def _is_ours(self, plan: Plan, found: Meanwhile) -> bool:
        """Tell whether the very containers run that the way back puts back.

        Those that somebody had removed it made again, and they carry its label.
        """
        if plan.writes:
            return found.seen is Seen.NOTHING
        eyes, tenants_of = self.overtaking.eyes, self.stepping.proving.tenants_of
        seen = eyes.running(tenants_of)
        swaps = [swap for swap in plan.swaps if not swap.job]
        ours = {part.container for part in eyes.parts(tenants_of) if part.op == plan.op}
        ours |= {swap.old_id for swap in swaps}
        up = set(seen.containers) if isinstance(seen, Running) else set()
        return len(up) == len(swaps) and up <= ours

    def _is_due(self, rollback: Rollback) -> bool:
        """Tell whether to try again: at each turn first, later once a minute."""
        now = self.stepping.clock.now()
        since, tried = rollback.since or now, rollback.tried or now
        apart = min(_MOST_APART, (now - since) / 10)
        return now < tried or now - tried >= apart

    def _try_again(self, rollback: Rollback, plan: Plan) -> str:
        """Go the way back once more, unless somebody undid a part of it.

        What was done and is not any more is another's work: going on would fight
        them. Only a container may stop by itself.
        """
        before, meant = (
            self.stepping.memory.record(plan.from_record),
            rollback.started.from_pair,
        )
        stepping, acted = self.stepping, False
        olds = tuple(s for s in plan.way_back if s.which is Which.OLD)
        missing = None
        if not stepping.has_begun(olds):
            missing = self.way_back.made_good(rollback, plan, before)
        if missing:
            return self._still_stuck(rollback, plan, *missing, again=True)
        for _, step in stepping.left(plan, before, plan.way_back):
            if step.do is Do.PROVE:
                break
            try:
                if step.do is Do.AWAIT:
                    stepping.bring_about(plan, before, step, meant)
                    continue
                done = stepping.hands.is_done(plan, before, step)
                if not done and step.words in rollback.done and step.do is not Do.START:
                    raise Foreign(
                        f"`{step.words}` was done, and was undone meanwhile",
                        "somebody is at work, so that the watchdog waits: put one "
                        f"whole pair up, see {REPAIR}",
                    )
                acted = acted or not done
                if step.do is Do.START:
                    self.way_back.hold_as_it_was(plan, before)
                stepping.bring_about(plan, before, step, meant)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                again = not isinstance(problem, Foreign)
                if again and stepping.is_only_told(plan, step, problem):
                    continue
                return self._still_stuck(rollback, plan, step, problem, again=again)
        if acted:
            return self.way_back.go(rollback, plan)
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
            self.ending.stuck(plan, step, problem, again=again)
        return f"stuck: {words}"


def _told(words: str) -> str:
    """Leave out of *words* what the engine makes up anew each time: ids."""
    return re.sub(r"[0-9a-f]{12,}", "", words)
