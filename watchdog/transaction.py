"""One rollback, from its plan to its proof or to its way back."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from watchdog.decide.standing import Rollback
from watchdog.facts.event import (
    FarEndLost,
    RollbackEnded,
    RollbackMended,
    RollbackStuck,
    StepDone,
    StepFailed,
    StepIntended,
    WentBack,
)
from watchdog.facts.pair import Pair, Record, Running
from watchdog.facts.plan import Do, Plan, Step, Which
from watchdog.facts.problem import (
    EngineRefused,
    Foreign,
    JournalLost,
    NotProven,
    Problem,
    Unreachable,
)
from watchdog.facts.rules import Rules
from watchdog.facts.smoke import SmokeCheck
from watchdog.roles import Clock, Doer, Eyes, Remembers
from watchdog.verify.proof import Answer, NotYet, Proven, prove

_LASTING = 2.0  # s; an init starts at once, and what it starts dies a moment later
_BETWEEN_LOOKS = 0.05  # s; a look is a few GETs, and a proof late is a rollback late
_BETWEEN_SMOKE = 1.0  # s; a smoke check is the stack's own work
# What these came to need not be so for ever.
_NO_STATE = (Do.CREATE, Do.AWAIT, Do.PROVE, Do.REMOVE)
_MOST_APART = timedelta(minutes=1)  # two tries of a way back that is stuck
_BY_HAND = "docs/how-to/when-a-rollback-failed.md"


@dataclass(frozen=True, slots=True)
class Transaction:
    """Carries a plan out: all of it, or all of the way back.

    Nothing is kept here: each call begins from the journal and from what the world
    shows, so it may be cut off at any instant and called again.
    """

    eyes: Eyes
    hands: Doer
    ask_stack: Callable[[str, timedelta], tuple[Answer, ...]]
    smoke: Callable[[SmokeCheck, tuple[str, ...]], Answer]
    tenants_of: Callable[[str], tuple[str, ...]]
    memory: Remembers
    rules: Rules
    clock: Clock
    lasting: float = _LASTING

    def carry_out(self, rollback: Rollback) -> str:
        """Go on with the plan from wherever the world shows that it stands."""
        plan = rollback.started.plan
        target = self.memory.record(plan.to_record)
        try:
            if rollback.stuck:
                return self._unstuck(rollback, plan, target)
            if rollback.started.what == "dry-drill":
                return self._rehearse(rollback, plan, target)
            if not rollback.back:
                failed = self._forward(rollback, plan, target, plan.steps)
                if not failed and self._is_undone(plan, target, plan.steps, Which.NEW):
                    # The engine restarted while what was left over was removed.
                    failed = self._forward(rollback, plan, target, plan.steps)
                if not failed:
                    return self._ended("proved", self._proof(plan.steps))
                if not self._touched():
                    words = f"nothing that runs was touched: {failed}"
                    return self._ended("unchanged", words)
                if self._is_stuck():
                    return f"stuck: {failed}"
            return self._go_back(plan, target)
        except Unreachable as problem:
            if "engine" not in self.memory.standing.lost:
                now = self.clock.now()
                self.memory.add(now, FarEndLost("engine", problem.words))
            return f"rolling back, but waiting: {problem.words}"

    def _rehearse(self, rollback: Rollback, plan: Plan, target: Record) -> str:
        """Prepare everything, and clear it away again."""
        failed = self._forward(rollback, plan, target, plan.steps[: plan.prepared])
        untouched = "nothing that runs was touched"
        if failed:
            return self._ended("unchanged", f"{untouched}: {failed}")
        self._clear_away(plan, target)
        return self._ended("rehearsed", f"ready for the swap; {untouched}")

    def _forward(
        self, rollback: Rollback, plan: Plan, target: Record, steps: tuple[Step, ...]
    ) -> str:
        """Take *steps*; say which one failed and why, or nothing at the end."""
        for number, step in self._left(plan, target, steps):
            try:
                self._bring_about(plan, target, step, rollback.started.to_pair)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                now = self.clock.now()
                failure = StepFailed(plan.op, step, problem.words, problem.hint)
                self.memory.add(now, failure)
                if step.do is Do.REMOVE:
                    continue  # the target is proved; what is left over is stopped
                # A resumed plan may fail an early step after a later one was done.
                early = number < plan.prepared or isinstance(problem, Foreign)
                if early and not self._acted(plan):
                    self._clear_away(plan, target)
                elif (
                    isinstance(problem, Foreign)
                    or self._removing(plan)
                    or not plan.way_back
                ):
                    # Somebody else is at work: going on, or back, would fight them.
                    # Or what would lead back may be removed already.
                    self._stick(plan, step, problem)
                else:
                    evidence = self._evidence(plan)
                    self.memory.add(now, WentBack(plan.op, problem.words, evidence))
                return f"{step.words}: {problem.words}"
        return ""

    def _left(
        self, plan: Plan, target: Record, steps: tuple[Step, ...]
    ) -> list[tuple[int, Step]]:
        """Give those of *steps* that are to be looked at, each with its place.

        What was proved before a crash stays proved: a pair that falters later is
        for the next decision, and what would lead back may be removed already. But
        an engine that restarted or lost its last writes may have undone it.
        """
        serving = Which.OLD if steps == plan.way_back else Which.NEW
        proved = self._proof(steps)
        if proved and self._is_undone(plan, target, steps, serving):
            proved = ""
        return [
            (place, step)
            for place, step in enumerate(steps)
            if step.do is Do.REMOVE or not (proved or self._is_over(step))
        ]

    def _is_undone(
        self, plan: Plan, target: Record, steps: tuple[Step, ...], serving: Which
    ) -> bool:
        """Tell whether the containers are not as they were when it was proved.

        Neither container of a service being there is somebody else's deployment.
        """
        aside = Which.OLD if serving is Which.NEW else Which.NEW
        by_compose = any(step.do is Do.UP for step in steps)
        for step in steps:
            if step.which is None or step.do in _NO_STATE:
                continue
            if step.do is Do.STOP and step.which is serving:
                continue  # the way back stops it for the swap, and starts it again
            if by_compose and (step.do is Do.STOP or step.to == "no"):
                continue  # what Compose takes for unchanged it starts again
            try:
                is_so = self.hands.is_done(plan, target, step)
            except Foreign:
                gone = Step(Do.REMOVE, step.subject, aside)
                is_so = self.hands.is_done(plan, target, gone)
            if not is_so:
                return True
        return False

    def forgotten(self) -> str:
        """Say what the engine forgot of a rollback that had ended, or nothing.

        After a power cut it may come back without its last writes. A container that
        was removed has an id that nobody can give again: it being there is proof.
        """
        s = self.memory.standing
        past, running = s.past, s.running
        how = s.last_rollback.how if s.last_rollback else ""
        if past is None or running is None or how not in ("proved", "put-back"):
            return ""
        plan = past.started.plan
        ours = {swap.old_id for swap in plan.swaps} & set(running.containers)
        if not (ours or running.by == plan.op):
            return ""  # somebody deployed since
        target = self.memory.record(plan.to_record)
        for step in plan.steps if how == "proved" else plan.way_back:
            was_done = step.do is Do.REMOVE and step.words in past.done
            if was_done and not self.hands.is_done(plan, target, step):
                return (
                    f"the engine forgot `{step.words}`, which was done: "
                    "it came back without its last writes"
                )
        return ""

    def _removing(self, plan: Plan) -> bool:
        rollback = self.memory.standing.rollback
        tried = rollback.attempts if rollback else {}
        return any(s.words in tried for s in plan.steps if s.do is Do.REMOVE)

    def _is_over(self, step: Step) -> bool:
        """Tell whether the way back has started again what it stopped first."""
        rollback = self.memory.standing.rollback
        begun = Step(Do.START, step.subject, Which.OLD).words
        stops = step.do is Do.STOP and step.which is Which.OLD
        return stops and rollback is not None and begun in rollback.attempts

    def _evidence(self, plan: Plan) -> dict[str, str]:
        """Take down what the target's containers came to, before they go."""
        made = (Step(Do.START, swap.subject, Which.NEW) for swap in plan.swaps)
        found = {step.subject: self._last_words(plan, step) for step in made}
        return {subject: kept for subject, kept in found.items() if kept}

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

    def _stick(
        self, plan: Plan, step: Step, problem: Problem, *, again: bool = False
    ) -> None:
        hint = problem.hint or "see docs/how-to/repair-a-split-pair.md"
        if again:
            hint = (
                "mend that, and the way back goes on by itself within a minute; or "
                "put one whole pair up: docs/how-to/repair-a-split-pair.md"
            )
        words = f"{step.words}: {problem.words}"
        self.memory.add(self.clock.now(), RollbackStuck(plan.op, words, hint, again))

    def _unstuck(self, rollback: Rollback, plan: Plan, target: Record) -> str:
        """See whether one whole pair is up meanwhile; else try the way back again.

        It is tried only as long as nobody else was seen at work.
        """
        for how, pair in (
            ("proved", rollback.started.to_pair),
            ("put-back", rollback.started.from_pair),
        ):
            outcome = self._look(pair, as_it_was=how == "put-back")
            by_us = how == "put-back" and rollback.again and self._is_ours(plan)
            if isinstance(outcome, Proven) and by_us:
                # Our last try came up late, or the old one by itself.
                step = next(step for step in plan.way_back if step.do is Do.PROVE)
                done = StepDone(plan.op, step, outcome.words)
                self.memory.add(self.clock.now(), done)
                return self._go_back(plan, target)
            if isinstance(outcome, Proven):
                return self._ended(how, f"by hand, after it was stuck: {outcome.words}")
        seen = self.eyes.running(self.tenants_of)
        ours = (rollback.started.from_pair.key, rollback.started.to_pair.key)
        if isinstance(seen, Running) and seen.pair.key not in ours:
            outcome = self._look(seen.pair, as_it_was=True)
            if isinstance(outcome, Proven):
                words = f"{seen.pair.version} was deployed meanwhile: {outcome.words}"
                return self._ended("overtaken", words)
        if rollback.again and self._is_due(rollback):
            return self._try_again(rollback, plan, target)
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

    def _try_again(self, rollback: Rollback, plan: Plan, target: Record) -> str:
        """Go the way back once more, unless somebody undid a part of it.

        What was done and is not any more is another's work: going on would fight
        them. Only a container may stop by itself.
        """
        acted = False
        for _, step in self._left(plan, target, plan.way_back):
            if step.do is Do.PROVE:
                break
            try:
                if step.do is Do.AWAIT:
                    self._bring_about(plan, target, step, rollback.started.from_pair)
                    continue
                done = self.hands.is_done(plan, target, step)
                if not done and step.words in rollback.done and step.do is not Do.START:
                    raise Foreign(
                        f"`{step.words}` was done, and was undone meanwhile",
                        "somebody is at work, so that the watchdog waits: put one "
                        "whole pair up, see docs/how-to/repair-a-split-pair.md",
                    )
                acted = acted or not done
                self._bring_about(plan, target, step, rollback.started.from_pair)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                words = f"{step.words}: {problem.words}"
                again = not isinstance(problem, Foreign)
                if _told(words) != _told(rollback.stuck) or not again:
                    self._stick(plan, step, problem, again=again)
                return f"stuck: {words}"
        return self._go_back(plan, target) if acted else f"stuck: {rollback.stuck}"

    def _touched(self) -> bool:
        rollback = self.memory.standing.rollback
        return rollback is not None and bool(rollback.back or rollback.stuck)

    def _is_stuck(self) -> bool:
        rollback = self.memory.standing.rollback
        return rollback is not None and bool(rollback.stuck)

    def _acted(self, plan: Plan) -> bool:
        """Tell whether anything that runs was, or may have been, touched."""
        rollback = self.memory.standing.rollback
        if rollback is None:
            return False
        touching = {step.words for step in plan.steps[plan.prepared :]}
        return bool(touching & (set(rollback.done) | set(rollback.attempts)))

    def _clear_away(self, plan: Plan, target: Record) -> None:
        """Remove what was prepared; what stays is said, and never ran."""
        for swap in plan.swaps:
            step = Step(Do.REMOVE, swap.subject, Which.NEW)
            try:
                if not self.hands.is_done(plan, target, step):
                    self.hands.do(plan, target, step)
            except (EngineRefused, Foreign) as problem:
                failed = StepFailed(plan.op, step, problem.words, problem.hint)
                self.memory.add(self.clock.now(), failed)

    def _go_back(self, plan: Plan, target: Record) -> str:
        rollback = self.memory.standing.rollback
        if rollback is None:
            return "nothing is under way"
        for _, step in self._left(plan, target, plan.way_back):
            try:
                self._bring_about(plan, target, step, rollback.started.from_pair)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                failed = StepFailed(plan.op, step, problem.words, problem.hint)
                self.memory.add(self.clock.now(), failed)
                if step.do is Do.REMOVE:
                    continue
                again = not isinstance(problem, Foreign)
                self._stick(plan, step, problem, again=again)
                return f"stuck: {step.words}: {problem.words}"
        return self._ended(
            "put-back",
            f"the rollback failed ({rollback.back}); {self._proof(plan.way_back)}",
        )

    def _bring_about(self, plan: Plan, target: Record, step: Step, meant: Pair) -> None:
        """Look; unless it is so already, note the intent, act, and look again."""
        if step.do is Do.PROVE:
            evidence = self._prove(meant, as_it_was=step.which is Which.OLD)
        elif step.do is Do.AWAIT:
            evidence = self._await(plan, target, step)
        else:
            evidence = self.hands.is_done(plan, target, step)
        if not evidence:
            rollback = self.memory.standing.rollback
            attempt = (rollback.attempts.get(step.words, 0) if rollback else 0) + 1
            self.memory.add(self.clock.now(), StepIntended(plan.op, step, attempt))
            if step.do is Do.REMOVE:
                kept = self._last_words(plan, step)
                self.hands.do(plan, target, step)
                evidence = self.hands.is_done(plan, target, step)
                evidence = f"{evidence}\n{kept}" if evidence else ""
            else:
                self.hands.do(plan, target, step)
                evidence = self.hands.is_done(plan, target, step)
        if not evidence:
            raise NotProven(f"`{step.words}` was done, but does not show")
        rollback = self.memory.standing.rollback
        if rollback and (step.do is Do.PROVE or step.words not in rollback.done):
            self.memory.add(self.clock.now(), StepDone(plan.op, step, evidence))

    def _await(self, plan: Plan, target: Record, step: Step) -> str:
        """Wait until one container of several serves, before the next one goes.

        The way back goes on whatever that comes to: what ran before may be bad, and
        ran; all of it back is what is proved.
        """
        rollback = self.memory.standing.rollback
        done = rollback.done if rollback else {}
        tried = rollback.attempts if rollback else {}
        back = step.which is Which.OLD
        if back and Step(Do.START, step.subject, Which.OLD).words not in tried:
            return "it was not stopped"
        if back and step.words in done:
            return done[step.words]
        patience = self.rules.prove_within.total_seconds()
        deadline = self.clock.monotonic() + patience
        since: float | None = None
        while True:
            try:
                seen = self.hands.is_done(plan, target, step)
            except NotProven as problem:
                if back:
                    return problem.words
                raise
            now = self.clock.monotonic()
            since = (now if since is None else since) if seen else None
            if since is not None and (
                step.words in done or now - since >= self.lasting
            ):
                return seen
            if since is None and now >= deadline:
                words = f"{step.subject} did not serve within {patience:g} s"
                if back:
                    return words
                raise NotProven(words)
            self.clock.pause(_BETWEEN_LOOKS)

    def _prove(self, meant: Pair, *, as_it_was: bool) -> str:
        """Wait until what runs is proved to be *meant*, within ``prove_within``."""
        patience = self.rules.prove_within.total_seconds()
        deadline = self.clock.monotonic() + patience
        proven_since: float | None = None
        while True:
            outcome = self._look(meant, as_it_was=as_it_was, until=deadline)
            if isinstance(outcome, Proven):
                now = self.clock.monotonic()
                proven_since = now if proven_since is None else proven_since
                if outcome.watched or now - proven_since >= self.lasting:
                    return outcome.words
                self.clock.pause(_BETWEEN_SMOKE)
                continue
            proven_since = None
            if outcome.hopeless or self.clock.monotonic() >= deadline:
                raise NotProven(
                    f"{meant.version} did not come up as meant within "
                    f"{patience:g} s: {outcome.words}"
                )
            self.clock.pause(_BETWEEN_SMOKE if outcome.unhurried else _BETWEEN_LOOKS)

    def _look(
        self, meant: Pair, *, as_it_was: bool = False, until: float | None = None
    ) -> Proven | NotYet:
        """Look once; what is asked has its own time, and none past *until*."""
        if until is None:
            patience = self.rules.prove_within.total_seconds()
            until = self.clock.monotonic() + patience
        seen = self.eyes.running(self.tenants_of)
        health: tuple[str, ...] = ()
        if isinstance(seen, Running):
            health = self.eyes.health(seen.containers)
        outcome = prove(meant, seen, health, ())
        if isinstance(outcome, NotYet):
            # Asked before its time, a stack can hold a connection for seconds.
            return outcome
        answers = self.ask_stack(meant.version, self._time_left(until))
        outcome = prove(meant, seen, health, answers)
        if isinstance(outcome, NotYet) or not isinstance(seen, Running):
            return outcome
        smoke = self._smoke(seen.containers, until)
        return prove(meant, seen, health, answers, smoke, as_it_was=as_it_was)

    def _time_left(self, until: float) -> timedelta:
        return timedelta(seconds=max(0.0, until - self.clock.monotonic()))

    def _smoke(self, containers: tuple[str, ...], until: float) -> tuple[Answer, ...]:
        """Ask the smoke checks in their order, up to the first that fails."""
        answers: list[Answer] = []
        for check in self.rules.smoke:
            left = min(check.timeout, self._time_left(until))
            answers.append(self.smoke(replace(check, timeout=left), containers))
            if not answers[-1].fine:
                break
        return tuple(answers)

    def _proof(self, steps: tuple[Step, ...]) -> str:
        """Give what the proof among *steps* showed when it was done."""
        rollback = self.memory.standing.rollback
        done = rollback.done if rollback else {}
        found = [done.get(step.words, "") for step in steps if step.do is Do.PROVE]
        return "; ".join(found)

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
        hint = {
            "unchanged": f"{before} runs as before: mend what is named and roll back "
            f"by hand, or deploy a good version; see {_BY_HAND}",
            "put-back": f"{before} serves again: find out why {to} did not come up, or "
            f"deploy a good version; see {_BY_HAND}",
        }
        self.memory.add(
            now,
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


def _told(words: str) -> str:
    """Leave out of *words* what the engine makes up anew each time: ids."""
    return re.sub(r"[0-9a-f]{12,}", "", words)
