"""The way back: the pair that ran before, put up again as a pair."""

from dataclasses import dataclass

from watchdog.decide.standing import Rollback
from watchdog.decide.successor import remade
from watchdog.facts.event import StepDone
from watchdog.facts.pair import NotKnown, Pair, Record, Running
from watchdog.facts.plan import KEPT, Do, Plan, Step, Which, side_by_side, theirs
from watchdog.facts.problem import (
    Altered,
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
            over = self.overtaking.overtaken(rollback, failed=last)
            if not (over or last):
                return Came.AGAIN, problem.words
            if not over:
                self.ending.stuck(plan, step, problem, again=True)
            return Came.SAID, over or f"stuck: {step.words}: {problem.words}"
        for group in side_by_side(stepping.left(plan, before, plan.way_back)):
            taken = [step for _, step in group]
            if self._may_run_on(plan, taken[0]):
                continue
            try:
                if taken[0].do is Do.START:
                    self.hold_as_it_was(plan, before)
                    over = self._swapped_again(rollback, plan, before)
                    over = over or self.overtaking.overtaken(rollback)
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
            if grave and not self._is_up_all_the_same(plan, before, grave[0], meant):
                step, problem = grave
                stepping.failed(plan, step, problem)
                undone = isinstance(problem, Undone)
                over = self.overtaking.overtaken(rollback)
                if over:
                    return Came.SAID, over
                if not last and (undone or self._is_in_the_way(plan, before, step)):
                    return Came.AGAIN, problem.words
                if step.do is Do.PROVE and not last and self._is_rewritten(plan):
                    over = self._swapped_again(rollback, plan, before)
                    return Came.SAID if over else Came.AGAIN, over
                again = undone or not isinstance(problem, Foreign)
                self.ending.stuck(plan, step, problem, again=again)
                return Came.SAID, f"stuck: {step.words}: {problem.words}"
        self.stepping.name_again(plan, before, plan.way_back)
        over = self.overtaking.overtaken(rollback)
        return (Came.SAID, over) if over else self._arrived(now, plan, last=last)

    def _is_in_the_way(self, plan: Plan, before: Record, step: Step) -> bool:
        """Tell whether *step* starts what ran beside what somebody started again.

        ``docker compose start`` starts what failed too, and it has the port by then.
        """
        hands, done = self.stepping.hands, self.stepping.done
        stops = [s for s in plan.way_back if s.do is Do.STOP and s.which is Which.NEW]
        stopped = [s for s in stops if s.words in done]
        return step.do is Do.START and not all(
            hands.is_done(plan, before, s) for s in stopped
        )

    def _is_rewritten(self, plan: Plan) -> bool:
        """Tell whether a shared manifest is not what it was swapped back to."""
        before = self.stepping.memory.record(plan.from_record)
        swaps = [step for step in plan.way_back if step.do is Do.SWAP_MANIFEST]
        hands = self.stepping.hands
        return not all(hands.is_done(plan, before, step) for step in swaps)

    def _arrived(
        self, rollback: Rollback, plan: Plan, *, last: bool
    ) -> tuple[Came, str]:
        """Look once more at what was put back, and end it."""
        meant, stepping = rollback.started.from_pair, self.stepping
        before = stepping.memory.record(plan.from_record)
        under = self._is_listed(plan, before, meant)
        wrong = stepping.proving.glance(meant) if plan.swaps and not under else ""
        under = under or (self._changed_under(meant) if wrong else "")
        if wrong and not (under or last):
            over = self._swapped_again(rollback, plan, before)
            return Came.SAID if over else Came.AGAIN, over or wrong
        if wrong and not under:
            step = next(s for s in plan.way_back if s.do is Do.PROVE)
            self.ending.stuck(plan, step, NotProven(wrong), again=True)
            return Came.SAID, f"stuck: {wrong}"
        proof = stepping.proof(plan.way_back)
        swaps = [s.words for s in plan.way_back if s.do is Do.SWAP_MANIFEST]
        beside = [done for s in swaps if KEPT in (done := stepping.done.get(s, ""))]
        said = [f"the rollback failed ({rollback.back})", proof, under, *beside]
        words = "; ".join(dict.fromkeys(filter(None, said)))
        return Came.SAID, self.ending.ended("put-back", words)

    def _swapped_again(self, rollback: Rollback, plan: Plan, before: Record) -> str:
        """Swap back once more what somebody changed since; or say that they deployed.

        Who puts a manifest down may be about to deploy it.
        """
        for step in plan.way_back:
            if step.do is not Do.SWAP_MANIFEST:
                continue
            if not self.stepping.hands.is_done(plan, before, step):
                if over := self.overtaking.awaited(rollback):
                    return over
                self.stepping.undid(plan, step, f"`{step.words}` was undone")
                meant = rollback.started.from_pair
                self.stepping.bring_about(plan, before, step, meant)
        return ""

    def _is_up_all_the_same(
        self, plan: Plan, before: Record, step: Step, meant: Pair
    ) -> bool:
        """Note the proof at *step* where only a file, or a look, is in its way."""
        if step.do is not Do.PROVE:
            return False
        words = self._changed_under(meant) or self._is_listed(plan, before, meant)
        if words:
            now = self.stepping.clock.now()
            self.stepping.memory.add(now, StepDone(plan.op, step, words))
        return bool(words)

    def _is_listed(self, plan: Plan, before: Record, meant: Pair) -> str:
        """Say that what ran is listed as running, alone, where no more is shown of it.

        These are the very containers, or were made as they were: a refused look says
        nothing against them.
        """
        proving, hands = self.stepping.proving, self.stepping.hands
        serving = [swap for swap in plan.swaps if not swap.job]
        if not serving or not all(swap.new for swap in serving):
            return ""
        seen = proving.eyes.running(proving.tenants_of)
        if isinstance(seen, Running) or not seen.refused:
            return ""
        parts = proving.eyes.parts(proving.tenants_of)
        up = [part for part in parts if part.state == "running"]
        starts = [Step(Do.START, swap.subject, Which.OLD) for swap in serving]
        if len(up) != len(serving) or not all(
            hands.is_done(plan, before, step) for step in starts
        ):
            return ""
        return f"{meant.version} is listed as running, and no more is shown of it"

    def _changed_under(self, meant: Pair) -> str:
        """Say that *meant* serves, and a manifest was changed once it had started.

        What it started with was looked at right before; what it is seen with now is
        for the next turn to say.
        """
        proving = self.stepping.proving
        seen = proving.eyes.running(proving.tenants_of)
        if isinstance(seen, NotKnown) or {*seen.states} != {"running"}:
            return ""
        late = dict(seen.late)
        if seen.pair.image != meant.image or {*late} != {*seen.containers}:
            return ""
        return f"{meant.version} runs, and {next(iter(late.values()))}"

    def _may_run_on(self, plan: Plan, step: Step) -> bool:
        """Tell whether *step* stops what ran for a swap that was never begun."""
        stops = step.do is Do.STOP and step.which is Which.OLD
        swaps = tuple(s for s in plan.steps if s.do is Do.SWAP_MANIFEST)
        return stops and not self.stepping.has_begun(swaps)

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
        """Put the manifests of what ran back, right before it starts.

        What somebody put in the place of one is kept, and named.
        """
        hands = self.stepping.hands
        for held in before.manifests:
            step = Step(Do.HOLD_MANIFEST, held.tenant, Which.OLD, to=held.sha256)
            try:
                try:
                    seen = hands.is_done(plan, before, step)
                except Altered as other:
                    if held.path != held.kept_at:
                        continue  # a shared one is swapped
                    seen, beside = "", theirs(plan, held.path)
                    words = f"{other.words}: it is put back, and {KEPT} {beside}"
                    self.stepping.undid(plan, step, words)
                if not seen:
                    hands.do(plan, before, step)
            except (Unreachable, JournalLost):
                raise
            except Problem:
                continue  # what ran before may be bad, and ran; the proof tells
