"""One step of a plan after another: looked at, intended, done, and looked at again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from watchdog.decide.standing import Rollback
from watchdog.facts.event import StepDone, StepFailed, StepIntended, StepUndone
from watchdog.facts.pair import Pair, Record
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
from watchdog.turn.proving import Proving
from watchdog.turn.roles import Clock, Doer, Remembers, SideBySide

PASSES = 3  # what somebody undoes is done again, so often at the most
# What these came to need not be so for ever.
_NO_STATE = (Do.CREATE, Do.AWAIT, Do.PROVE, Do.REMOVE)
# From the first of these on, what served is not what it was.
_STOPS = (
    *(Do.STOP, Do.STAND_IN, Do.HAND_OVER, Do.SWAP_MANIFEST),
    *(Do.START, Do.UP, Do.CHECK_OUT),
)
# What is taken away once all is proved.
_LEFT_OVER = (Do.REMOVE, Do.UNSTAGE)


class Came(StrEnum):
    """What a walk through the steps came to."""

    DONE = "done"
    UNCHANGED = "unchanged"
    BACK = "back"  # the way back is journaled, and is to be taken
    SAID = "said"  # it ended or is stuck, and that is journaled
    AGAIN = "again"  # somebody undid a part: once more from the first


def one_by_one(calls: Sequence[Callable[[], str]]) -> list[str | Problem]:
    """Make *calls* one after another."""
    came: list[str | Problem] = []
    for call in calls:
        try:
            came.append(call())
        except Problem as problem:
            came.append(problem)
    return came


@dataclass(frozen=True, slots=True)
class Stepping:
    """Takes steps, and tells from the world and the journal how far they went.

    *at_once* makes the calls of steps that are taken side by side.
    """

    hands: Doer
    proving: Proving
    memory: Remembers
    clock: Clock
    at_once: SideBySide = one_by_one

    # -- taking them -------------------------------------------------------------

    def bring_about(
        self,
        plan: Plan,
        record: Record,
        step: Step,
        meant: Pair,
        undone: Callable[[], str] = lambda: "",
    ) -> None:
        """Look; unless it is so already, note the intent, act, and look again.

        *record* is what containers of the step are made from; *undone* is asked
        while *meant* is not proved yet.
        """
        if step.do is Do.PROVE:
            back = step.which is Which.OLD
            evidence = self.proving.prove(meant, as_it_was=back, undone=undone)
        elif step.do is Do.AWAIT:
            evidence = self._await(plan, record, step)
        else:
            evidence = self.hands.is_done(plan, record, step)
            self._tell_who_started(plan, step, evidence)
        if not evidence:
            attempt = self.tried.get(step.words, 0) + 1
            self.memory.add(self.clock.now(), StepIntended(plan.op, step, attempt))
            removes = step.do is Do.REMOVE
            kept = self._last_words(plan, step) if removes else ""
            evidence = self._do(plan, record, step)
            if evidence and removes:
                evidence = f"{evidence}\n{kept}"
        if not evidence:
            raise _does_not_show(step)
        if step.do is Do.PROVE or step.words not in self.done:
            self.memory.add(self.clock.now(), StepDone(plan.op, step, evidence))

    def bring_all_about(
        self,
        plan: Plan,
        record: Record,
        steps: Sequence[Step],
        meant: Pair,
        undone: Callable[[], str] = lambda: "",
        *,
        again: bool = False,
    ) -> list[tuple[Step, Problem]]:
        """Bring *steps* about side by side; give those that failed, and how.

        All of them are looked at before any is done, and each is looked at again.
        *again*: they were done before, and what is undone of them is said.

        Raises:
            Unreachable: what one of them came to is not known.
        """
        if len(steps) == 1:
            try:
                if again and not self.hands.is_done(plan, record, steps[0]):
                    self._do_again(plan, steps[0])
                self.bring_about(plan, record, steps[0], meant, undone)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                return [(steps[0], problem)]
            return []
        came = self._each(partial(self.hands.is_done, plan, record), steps)
        if not any(isinstance(seen, Problem) for seen in came.values()):
            todo = [step for step, seen in came.items() if not seen]
            for step, seen in came.items():
                self._tell_who_started(plan, step, str(seen))
            for step in todo if again else ():
                self._do_again(plan, step)
            came |= self._all_done(plan, record, todo)
        now = self.clock.now()
        new = [
            StepDone(plan.op, step, seen)
            for step, seen in came.items()
            if isinstance(seen, str) and seen and step.words not in self.done
        ]
        if new:
            self.memory.add(now, *new)
        failed = [(s, seen) for s, seen in came.items() if isinstance(seen, Problem)]
        for _, met in failed:
            if isinstance(met, Unreachable | JournalLost):
                raise met
        return failed

    def _do_again(self, plan: Plan, step: Step) -> None:
        if step.words in self.done:
            self.undid(plan, step, f"somebody undid `{step.words}`: it is done again")

    def _tell_who_started(self, plan: Plan, step: Step, evidence: str) -> None:
        """Say that somebody started the new one, or again what was stopped.

        ``docker compose start`` starts all that carries Compose's labels, and only a
        published port keeps it from doing so beside what still runs.
        """
        ours = step.words in self.done or step.words in self.tried
        words = ""
        if evidence and step.do is Do.START and step.which is Which.NEW and not ours:
            words = f"somebody started {step.subject} of the target before its turn"
            words += "; it may have run beside what ran before"
        if not evidence and step.do is Do.STOP and step.words in self.done:
            words = f"`{step.words}` was undone"
        known = self._rollback.undone if self._rollback else ()
        if words and words not in known:
            self.undid(plan, step, words)

    def _all_done(
        self, plan: Plan, record: Record, steps: Sequence[Step]
    ) -> dict[Step, str | Problem]:
        """Note the intents of all of *steps*, do them, and look again."""
        if not steps:
            return {}
        tried = self.tried
        intents = [
            StepIntended(plan.op, step, tried.get(step.words, 0) + 1) for step in steps
        ]
        self.memory.add(self.clock.now(), *intents)
        gone = [step for step in steps if step.do is Do.REMOVE]
        kept = self._each(partial(self._last_words, plan), gone)
        for one in kept.values():
            if isinstance(one, Problem):
                raise one
        came = self._each(partial(self._do, plan, record), steps)
        for step, seen in came.items():
            if seen == "":
                came[step] = _does_not_show(step)
            elif isinstance(seen, str) and step in kept:
                came[step] = f"{seen}\n{kept[step]}"
        return came

    def _each(
        self, call: Callable[[Step], str], steps: Sequence[Step]
    ) -> dict[Step, str | Problem]:
        came = self.at_once([partial(call, step) for step in steps])
        return dict(zip(steps, came, strict=True))

    def _do(self, plan: Plan, record: Record, step: Step) -> str:
        """Act, and look again; a refusal counts unless it came to the same."""
        try:
            self.hands.do(plan, record, step)
        except EngineRefused:
            # Somebody may have done it, or removed the container, just before.
            evidence = self.hands.is_done(plan, record, step)
            if not evidence:
                raise
            return evidence
        return self.hands.is_done(plan, record, step)

    def _await(self, plan: Plan, record: Record, step: Step) -> str:
        back = step.which is Which.OLD
        if back and Step(Do.START, step.subject, Which.OLD).words not in self.tried:
            return "it was not stopped"
        if back and step.words in self.done:
            return self.done[step.words]
        return self.proving.awaited(
            lambda: self.hands.is_done(plan, record, step),
            step.subject,
            back=back,
            # All tasks of a swarm are looked at again, for a while, when it is proved.
            known=step.words in self.done
            or bool(plan.writes)
            or _is_watched(plan, record, step),
        )

    def failed(self, plan: Plan, step: Step, problem: Problem) -> None:
        """Note that *step* could not be brought about."""
        failure = StepFailed(plan.op, step, problem.words, problem.hint)
        self.memory.add(self.clock.now(), failure)

    def grave(
        self, plan: Plan, failed: Sequence[tuple[Step, Problem]]
    ) -> tuple[Step, Problem] | None:
        """Give the first of what *failed* that is not only told; tell the others."""
        found: tuple[Step, Problem] | None = None
        for step, problem in failed:
            if found or self.is_only_told(plan, step, problem):
                self.failed(plan, step, problem)
            else:
                found = step, problem
        return found

    def undid(self, plan: Plan, step: Step, words: str) -> None:
        """Note that somebody undid what *step* had come to."""
        self.memory.add(self.clock.now(), StepUndone(plan.op, step, words))

    def name_again(self, plan: Plan, target: Record, steps: tuple[Step, ...]) -> None:
        """Give the names that were refused: what had them may be gone now."""
        for step in steps:
            if step.do is not Do.RENAME or step.words in self.done:
                continue
            try:
                seen = self._do(plan, target, step)
            except (Unreachable, JournalLost):
                raise
            except Problem:
                continue  # it was told when it failed first
            if seen:
                self.memory.add(self.clock.now(), StepDone(plan.op, step, seen))

    # -- what is known of them ---------------------------------------------------

    @property
    def _rollback(self) -> Rollback | None:
        return self.memory.standing.rollback

    @property
    def done(self) -> dict[str, str]:
        """By a step's words what it came to, as the journal has it."""
        return self._rollback.done if self._rollback else {}

    @property
    def tried(self) -> dict[str, int]:
        """By a step's words how often it was tried."""
        return self._rollback.attempts if self._rollback else {}

    def is_only_told(self, plan: Plan, step: Step, problem: Problem) -> bool:
        """Tell whether to go on although *step* failed.

        Nothing is found by names, what is left over is stopped, and a version that
        somebody pinned while nothing served is theirs. On the way back no env file,
        whatever is wrong with it, keeps the service down.
        """
        if step.do in _LEFT_OVER:
            return not isinstance(problem, Undone)
        if step.do is Do.RENAME:
            return isinstance(problem, EngineRefused | NotProven)
        if step.do not in (Do.BAR, Do.PIN):
            return False
        turned = bool(self._rollback and self._rollback.back)
        return turned or (isinstance(problem, Foreign) and self.has_stopped(plan))

    def has_begun(self, steps: tuple[Step, ...]) -> bool:
        """Tell whether any of *steps* was, or may have been, taken."""
        return any(s.words in self.tried or s.words in self.done for s in steps)

    def has_stopped(self, plan: Plan) -> bool:
        """Tell whether anything that served was, or may have been, stopped."""
        return self.has_begun(tuple(s for s in plan.steps if s.do in _STOPS))

    def proof(self, steps: tuple[Step, ...]) -> str:
        """Give what the proof among *steps* showed when it was done."""
        found = [self.done.get(s.words, "") for s in steps if s.do is Do.PROVE]
        return "; ".join(found)

    def left(
        self, plan: Plan, record: Record, steps: tuple[Step, ...]
    ) -> list[tuple[int, Step]]:
        """Give those of *steps* that are to be looked at, each with its place.

        What was proved before a crash stays proved: a pair that falters later is
        for the next decision, and what would lead back may be removed already. But
        an engine that restarted or lost its last writes may have undone it, and so
        may somebody.
        """
        proved = self.proof(steps)
        if proved and self.undone(plan, record, steps):
            proved = ""
        return [
            (place, step)
            for place, step in enumerate(steps)
            if step.do in _LEFT_OVER or not (proved or self._is_over(step))
        ]

    def undone(self, plan: Plan, record: Record, steps: tuple[Step, ...]) -> str:
        """Say which of *steps* about containers is not so any more, or nothing."""
        serving = Which.OLD if steps == plan.way_back else Which.NEW
        by_compose = any(step.do is Do.UP for step in steps)
        for step in steps:
            if step.which is None or step.do in _NO_STATE:
                continue
            if step.do is Do.STOP and step.which is serving:
                continue  # the way back stops it for the swap, and starts it again
            if by_compose and (step.do is Do.STOP or step.to == "no"):
                continue  # what Compose takes for unchanged it starts again
            try:
                if not self.hands.is_done(plan, record, step):
                    return f"`{step.words}` was undone"
            except Foreign as problem:
                return problem.words
            except EngineRefused:
                continue  # it cannot be looked at, which undid nothing
        return ""

    def _is_over(self, step: Step) -> bool:
        """Tell whether the way back has started again what it stopped first."""
        begun = Step(Do.START, step.subject, Which.OLD).words
        stops = step.do is Do.STOP and step.which is Which.OLD
        return stops and begun in self.tried

    def evidence(self, plan: Plan) -> dict[str, str]:
        """Take down what the target's containers came to, before they go."""
        made = [Step(Do.START, swap.subject, Which.NEW) for swap in plan.swaps]
        found = self._each(partial(self._last_words, plan), made)
        for kept in found.values():
            if isinstance(kept, Problem):
                raise kept
        return {step.subject: str(kept) for step, kept in found.items() if kept}

    def _last_words(self, plan: Plan, step: Step) -> str:
        """Give what a container came to, or why that is not known.

        It is only told: whatever keeps us from it, what is done goes on.
        """
        try:
            return self.hands.evidence_of(plan, step)
        except JournalLost:
            raise
        except Exception as error:  # noqa: BLE001 - nothing here may stop a way back
            return f"what it came to could not be read: {error}"


def _does_not_show(step: Step) -> Problem:
    """Give why a step that the engine took does not show a moment later."""
    words = f"`{step.words}` was done, but does not show"
    if step.do is Do.STOP:
        return Undone(f"{words}: somebody started it again")
    return NotProven(words)


def _is_watched(plan: Plan, record: Record, step: Step) -> bool:
    """Tell whether the container of *step* has a health check to say that it serves."""
    services = {s.service for s in plan.swaps if s.subject == step.subject}
    checks = [
        one.body.get("Healthcheck") or {}
        for one in record.replicas
        if one.service in services
    ]
    return any((check.get("Test") or ["NONE"])[0] != "NONE" for check in checks)
