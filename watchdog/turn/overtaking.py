"""Somebody deployed while a plan was under way: it ends, and fights nobody."""

from dataclasses import dataclass
from datetime import timedelta

from watchdog.decide.meanwhile import Meanwhile, Seen, left_over, meanwhile
from watchdog.decide.standing import Rollback
from watchdog.facts.pair import Record
from watchdog.facts.plan import Do, Plan, Step, Swap, Which
from watchdog.facts.problem import Foreign, JournalLost, Problem, Undone, Unreachable
from watchdog.turn.ending import Ending
from watchdog.turn.roles import Eyes
from watchdog.turn.stepping import Stepping

_SETTLES = timedelta(
    seconds=15
)  # Compose makes the next container before it stops the last one
_BETWEEN_LOOKS = 0.5  # s
_UP_AGAIN = (
    "nothing of the stack runs: `docker compose up -d` puts the version up that the "
    "env file names"
)
_DEPLOYED_AGAIN = (
    "nothing of the stack is left: `docker stack deploy` of the version that you mean "
    "puts it up"
)
_WAS_REFUSED = (
    "while the manifest was being changed the env file named none, and an `up` was "
    "refused for `rolling-back-to-...`"
)


@dataclass(frozen=True, slots=True)
class Overtaking:
    """Holds what runs against what a plan was made for."""

    eyes: Eyes
    stepping: Stepping
    ending: Ending

    def overtaken(self, rollback: Rollback, *, failed: bool = False) -> str:
        """End it if somebody deployed meanwhile; nothing when it may go on.

        Beside a deployment that is no whole pair nothing is started either. What we
        stopped we owe: where nothing at all is left, it is put up as long as it can.
        """
        found = self.settled(rollback)
        if found.seen is Seen.TARGET:
            self.make_way(rollback, found)
        if found.seen in (Seen.NOTHING, Seen.TARGET):
            return ""
        plan = rollback.started.plan
        if found.seen is Seen.UNSETTLED:
            if not found.begun:
                return ""  # made, and never started: left over
            self._name_what_started(rollback)
            beside = Foreign(found.words, _whole_again(rollback))
            self.ending.stuck(plan, plan.steps[0], beside, theirs=True)
            return f"stuck: {found.words}"
        owed = bool(plan.swaps) and self.stepping.has_stopped(plan)
        if found.seen is Seen.DOWN and owed and not failed:
            return ""
        return self.give_way(rollback, found)

    def awaited(self, rollback: Rollback) -> str:
        """End it as ``overtaken`` does, if somebody deploys within some seconds."""
        clock = self.stepping.clock
        until = clock.monotonic() + _SETTLES.total_seconds()
        while not (over := self.overtaken(rollback)) and clock.monotonic() < until:
            clock.pause(_BETWEEN_LOOKS)
        return over

    def _name_what_started(self, rollback: Rollback) -> None:
        """Give those that took over their names: a person, or Compose, goes by them."""
        stepping, plan = self.stepping, rollback.started.plan
        now = stepping.memory.standing.rollback
        if now and not now.back:
            names = tuple(
                step
                for step in plan.steps
                if step.do is Do.RENAME
                and Step(Do.START, step.subject, Which.NEW).words in stepping.done
            )
            target = stepping.memory.record(plan.to_record)
            stepping.name_again(plan, target, names)

    def give_way(self, rollback: Rollback, found: Meanwhile, proof: str = "") -> str:
        """End it as overtaken, what was prepared cleared away."""
        left = self.withdraw(rollback, found)
        words = "; ".join(part for part in (found.words, proof, left) if part)
        to_do = ""
        if found.seen is Seen.DOWN and rollback.started.plan.writes:
            to_do = _DEPLOYED_AGAIN
        elif found.seen is Seen.DOWN and not left:
            barred = any(s.do is Do.BAR for s in rollback.started.plan.steps)
            to_do = f"{_UP_AGAIN}; {_WAS_REFUSED}" if barred else _UP_AGAIN
        return self.ending.ended("overtaken", words, to_do)

    def give_up(self, rollback: Rollback, words: str) -> None:
        """End what is stuck, for a person has another pair put up in its place.

        What it put aside goes where another container has the place; what serves, or
        may have to, stays for the pair that comes to take over from.
        """
        plan, proving = rollback.started.plan, self.stepping.proving
        parts = self.eyes.parts(proving.tenants_of)
        places = {(part.service, part.number) for part in parts if not part.aside}
        gone: list[Step] = []
        for swap in plan.swaps:
            here = [
                part
                for part in parts
                if part.service == swap.service and swap.number in (0, part.number)
            ]
            if not swap.new or not any((p.service, p.number) in places for p in here):
                continue
            ours = [p for p in here if p.op == plan.op]
            if any(p.aside and p.container == swap.old_id for p in here):
                gone.append(Step(Do.REMOVE, swap.subject, Which.OLD))
            if len(ours) == 1 and ours[0].aside:
                gone.append(Step(Do.REMOVE, swap.subject, Which.NEW))
        left = self._bring(plan, gone)
        self.ending.ended(
            "overtaken", "; ".join(part for part in (words, left) if part)
        )

    def look(self, rollback: Rollback) -> Meanwhile:
        """Look once whether somebody else's containers are there."""
        proving, plan = self.stepping.proving, rollback.started.plan
        parts = self.eyes.parts(proving.tenants_of)
        services = proving.rules.services
        started, now = rollback.started, self.stepping.memory.standing.rollback
        before = started.from_pair if now and now.back else None
        done = self.stepping.done
        target = started.to_pair
        found = meanwhile(plan, parts, services, target, before, done=done)
        if found.seen is not Seen.DOWN or plan.writes:
            return found
        # Put up again, or not listed yet; or who wanted it up only failed to.
        ours = any(self._is_there(rollback)) or self._has_cleared(plan)
        return Meanwhile(Seen.NOTHING) if ours else found

    def _has_cleared(self, plan: Plan) -> bool:
        starts = tuple(f"{Do.REMOVE} {swap.subject} to " for swap in plan.swaps)
        return any(words.startswith(starts) for words in self.stepping.tried)

    def settled(self, rollback: Rollback) -> Meanwhile:
        """Look until a deployment that is under way is over, for some seconds."""
        clock = self.stepping.clock
        began = clock.monotonic()
        while True:
            found, is_left = self.cleared(rollback)
            settled = found.seen is not Seen.UNSETTLED or is_left
            patience = (_SETTLES + found.stops).total_seconds()
            if settled or clock.monotonic() - began >= patience:
                return found
            clock.pause(_BETWEEN_LOOKS)

    def cleared(self, rollback: Rollback) -> tuple[Meanwhile, bool]:
        """Look, and remove what somebody left half made; tell whether any is left.

        Compose that failed over a name leaves a container that never ran, and would
        start it at its next `up -d`; nothing is proved beside it. How old it is the
        engine knows, so that nobody waits for it twice.
        """
        found, plan = self.look(rollback), rollback.started.plan
        left = left_over(plan, found, self.stepping.clock.now() - _SETTLES)
        if not left:
            return found, False
        target = self.stepping.memory.record(plan.to_record)
        for part, swap in left.items():
            step = Step(Do.REMOVE, swap.subject, to=part.container)
            if step.words not in self.stepping.tried:
                words = f"somebody left {part.name} half made; it never ran"
                self.stepping.undid(plan, step, f"{words}, and is removed")
            try:
                meant = rollback.started.to_pair
                self.stepping.bring_about(plan, target, step, meant)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                self.stepping.failed(plan, step, problem)
        found = self.look(rollback)
        return found, found.seen is Seen.UNSETTLED

    def is_put_back(self, plan: Plan, target: Record) -> bool:
        """Tell whether somebody removed the new ones and started the old ones again."""
        serving = [swap for swap in plan.swaps if not swap.job]
        for swap in serving:
            try:
                if swap.is_warm:
                    back = Step(Do.HAND_OVER, swap.subject, Which.OLD)
                    if not self.stepping.hands.is_done(plan, target, back):
                        return False
                elif self.stepping.hands.is_done(
                    plan, target, Step(Do.STOP, swap.subject, Which.OLD)
                ):
                    return False
            except Undone:
                return False
            gone = Step(Do.REMOVE, swap.subject, Which.NEW)
            if swap.new and not self.stepping.hands.is_done(plan, target, gone):
                return False
        return bool(serving)

    def _is_there(self, rollback: Rollback) -> list[str]:
        """Look for each container of the plan by its id and its label."""
        hands, plan = self.stepping.hands, rollback.started.plan
        target = self.stepping.memory.record(plan.to_record)
        found: list[str] = []
        for swap in plan.swaps:
            if not swap.new or swap.job:
                continue  # Compose's are listed like any, and a job serves nobody
            for which in Which:
                gone = Step(Do.REMOVE, swap.subject, which)
                found.append("" if hands.is_done(plan, target, gone) else swap.subject)
        return found

    def withdraw(self, rollback: Rollback, found: Meanwhile) -> str:
        """Clear away what we prepared beside what somebody deployed; say what stays.

        What is theirs is not touched; nor is a version that they pinned.
        """
        plan = rollback.started.plan
        steps = self._aside(plan.swaps, found)
        stands = [swap for swap in plan.swaps if swap.standby]
        steps += [Step(Do.REMOVE, swap.subject, Which.STANDBY) for swap in stands]
        steps += [s for s in plan.way_back if self._is_given_back(s)]
        steps += [s for s in plan.steps if s.do is Do.UNSTAGE]
        return self._bring(plan, [*steps, *self._pinned_again(rollback, found)])

    def make_way(self, rollback: Rollback, found: Meanwhile) -> str:
        """Take ours out of the places where somebody put the very target up."""
        plan = rollback.started.plan
        swaps = tuple(swap for swap in plan.swaps if found.has(swap))
        return self._bring(plan, self._aside(swaps, found))

    def _aside(self, swaps: tuple[Swap, ...], found: Meanwhile) -> list[Step]:
        stops = [Step(Do.STOP, swap.subject, Which.NEW) for swap in swaps if swap.new]
        gone = [Step(Do.REMOVE, swap.subject, Which.NEW) for swap in swaps]
        return [*(stops if found.beside else ()), *gone]

    def _bring(self, plan: Plan, steps: list[Step]) -> str:
        target = self.stepping.memory.record(plan.to_record)
        left: list[str] = []
        for step in steps:
            try:
                if not self.stepping.hands.is_done(plan, target, step):
                    self.stepping.hands.do(plan, target, step)
            except (Unreachable, JournalLost):
                raise
            except Foreign as problem:
                if step.which is Which.NEW:
                    self.stepping.failed(plan, step, problem)
            except Problem as problem:
                self.stepping.failed(plan, step, problem)
                left.append(problem.words)
        return "; ".join(dict.fromkeys(left))

    def _is_given_back(self, step: Step) -> bool:
        """Tell whether *step* gives what still serves its restart policy back."""
        quiet = Step(Do.SET_RESTART, step.subject, Which.OLD, to="no")
        return step.do is Do.SET_RESTART and self.stepping.has_begun((quiet,))

    def _pinned_again(self, rollback: Rollback, found: Meanwhile) -> list[Step]:
        """Give the version that the env file is to name where it names ours.

        With nothing left it stays where the rollback led, on its way back too; but a
        bar, which is no version at all, never stays.
        """
        plan = rollback.started.plan
        ours = tuple(s for s in plan.steps if s.do in (Do.BAR, Do.PIN))
        if not self.stepping.has_begun(ours):
            return []
        known = (plan.variable_before, plan.variable_after)
        to = found.version if found.version in known else plan.variable_before
        if found.seen is Seen.DOWN:
            now = self.stepping.memory.standing.rollback
            steps = plan.way_back if now and now.back else plan.steps
            return [s for s in steps if s.do in (Do.SWAP_MANIFEST, Do.PIN)]
        return [Step(Do.PIN, "variable", to=to)]


def _whole_again(rollback: Rollback) -> str:
    """Say how one whole pair comes out of what somebody deployed half of."""
    target = rollback.started.to_pair.version
    return (
        f"`watchdog repair --to {target} --by NAME --reason WHY` puts {target} up "
        "whole, and any other recorded pair alike; or finish that deployment, of all "
        "services"
    )
