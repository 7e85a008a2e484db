"""How a rollback ends, and is said: proved, put back, unchanged, or stuck."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from watchdog.decide.standing import Rollback
from watchdog.facts.event import (
    Event,
    PromotionPaused,
    RollbackEnded,
    RollbackMended,
    RollbackStuck,
)
from watchdog.facts.pair import Record
from watchdog.facts.plan import Do, Plan, Step, Which
from watchdog.facts.problem import JournalLost, Problem, Unreachable
from watchdog.facts.rules import Rules
from watchdog.turn.roles import Clock, Remembers
from watchdog.turn.stepping import Stepping

_BY_HAND = "docs/how-to/when-a-rollback-failed.md"
REPAIR = "docs/how-to/repair-a-split-pair.md"


@dataclass(frozen=True, slots=True)
class Ending:
    """Journals what a rollback came to, once.

    *agrees* says what else does not go with a pair that was put up, or nothing.
    """

    stepping: Stepping
    rules: Rules
    agrees: Callable[[Plan, Record], str]

    @property
    def _memory(self) -> Remembers:
        return self.stepping.memory

    @property
    def _clock(self) -> Clock:
        return self.stepping.clock

    def arrived(self, plan: Plan, target: Record, proof: str) -> str:
        """End it: as proved, if the env file and all else goes with it at this moment.

        What somebody set back is theirs: it is said, and not fought.
        """
        unlike = self._unlike(plan, target) or self.agrees(plan, target)
        if unlike:
            return self.ended("unpinned", f"{unlike}; what runs is proved: {proof}")
        return self.ended("proved", proof)

    def _unlike(self, plan: Plan, target: Record) -> str:
        for step in plan.steps:
            if step.do is not Do.PIN:
                continue
            try:
                if not self.stepping.hands.is_done(plan, target, step):
                    return (
                        f"the env file does not say {step.to} any more: somebody set "
                        "it back"
                    )
            except Problem as problem:
                return problem.words
        return ""

    def stuck(
        self,
        plan: Plan,
        step: Step,
        problem: Problem,
        *,
        again: bool = False,
        theirs: bool = False,
    ) -> None:
        """Note that it is stuck at *step*, and what a person does about it.

        *theirs*: it is no step that fails, but what somebody deployed meanwhile.
        """
        hint = problem.hint or f"see {REPAIR}"
        if again:
            how = f" ({problem.hint})" if problem.hint else ""
            hint = (
                f"mend that{how}, and the way back goes on by itself within a minute; "
                f"or put one whole pair up: {REPAIR}"
            )
        words = problem.words if theirs else f"{step.words}: {problem.words}"
        now = self._clock.now()
        self._memory.add(now, RollbackStuck(plan.op, words, hint, again, theirs))

    def forgotten(self) -> str:
        """Say what the engine forgot of a rollback that had ended, or nothing.

        After a power cut it may come back without its last writes. A container that
        was removed has an id that nobody can give again: it being there is proof.
        """
        for past, plan, target, step in self._last_steps():
            was_done = step.do is Do.REMOVE and step.words in past.done
            if was_done and not self.stepping.hands.is_done(plan, target, step):
                return (
                    f"the engine forgot `{step.words}`, which was done: "
                    "it came back without its last writes"
                )
        return ""

    def name_again(self) -> None:
        """Give what the last rollback put up the names that were refused then.

        Nothing is found by them, so that it ended without; what had them may be gone.
        """
        for past, plan, target, step in self._last_steps():
            serves = Which.OLD if past.back else Which.NEW
            if step.which is serves and step.words not in past.done:
                with suppress(Unreachable):  # the next look says so
                    self.stepping.name_again(plan, target, (step,))

    def _last_steps(self) -> Iterator[tuple[Rollback, Plan, Record, Step]]:
        """Give the steps of the last rollback, while what it put up runs."""
        s = self._memory.standing
        past, running = s.past, s.running
        how = s.last_rollback.how if s.last_rollback else ""
        if (
            past is None
            or running is None
            or how not in ("proved", "unpinned", "put-back")
        ):
            return
        plan = past.started.plan
        ours = {swap.old_id for swap in plan.swaps} & set(running.containers)
        if not (ours or running.by == plan.op):
            return  # somebody deployed since
        target = self._memory.record(plan.to_record)
        for step in plan.steps if how != "put-back" else plan.way_back:
            yield past, plan, target, step

    def _left_over(self, plan: Plan) -> str:
        """Say what of *plan* lies beside what serves, after a person was at work.

        It is not taken away: whoever was at work may want to look at it.
        """
        proving = self.stepping.proving
        try:
            parts = proving.eyes.parts(proving.tenants_of)
        except JournalLost:
            raise
        except Problem:
            return ""  # what serves was proved, and this is only told
        olds = {swap.old_id for swap in plan.swaps}
        ours = [p for p in parts if p.op == plan.op or p.container in olds]
        names = " ".join(part.name for part in ours if part.aside)
        if not names:
            return ""
        return (
            "remove what is left over, which `docker compose start` would start: "
            f"`docker rm {names}`"
        )

    def ended(self, how: str, proof: str, to_do: str = "") -> str:
        """Note *how* it ended, and what leads on from there: *to_do*, where it is."""
        rollback = self._memory.standing.rollback
        if rollback is None:
            return "nothing is under way"
        started = rollback.started
        now = self._clock.now()
        took = (now - rollback.started_at) / timedelta(seconds=1)
        if rollback.reopened:
            self._memory.add(now, RollbackMended(started.plan.op, how, proof))
            return f"rollback to {started.to_pair.version} {how} again"
        before, to = started.from_pair.version, started.to_pair.version
        others = rollback.since or how == "overtaken"
        left = self._left_over(started.plan) if others else ""
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
        if started.plan.writes:
            hint["unpinned"] = (
                "deploy it once more: `docker stack deploy` writes its services as its "
                f"files say; see {_BY_HAND}"
            )
        paused: list[Event] = []
        if how == "unpinned":
            paused.append(PromotionPaused(to, proof))
        self._memory.add(
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
                hint="; ".join(filter(None, (to_do or hint.get(how, ""), left))),
            ),
            claim=f"ended/{started.plan.op}",
        )
        what = started.what
        return f"{what} to {started.to_pair.version} {how} after {took:.1f} s"
