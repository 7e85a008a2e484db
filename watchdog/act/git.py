"""One step of a plan in a git work tree: a tag checked out, a service restarted."""

import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from watchdog.decide.git import SERVICE
from watchdog.decide.standing import Rollback
from watchdog.facts.pair import Record
from watchdog.facts.plan import Do, Plan, Step, Which
from watchdog.facts.problem import Foreign, NotProven, Problem, Unreachable
from watchdog.outside.command import Commands
from watchdog.outside.git import Git
from watchdog.turn.roles import Clock, Doer

_BETWEEN_LOOKS = 0.1  # s
# How often a start that was cut off is waited for: a minute, at the default poll.
_WAITS = 12


class GitHands:
    """Looks at HEAD and at whether the service listens; runs the two commands.

    That a command has ended leaves no trace in the world. So ``stop`` is run once
    at least, whatever listens, and a ``start`` whose end was not seen is preceded
    by another ``stop``: never two of a service at once.
    """

    def __init__(
        self,
        hands: Doer,
        git: Git,
        commands: Commands,
        *,
        folder: Path,
        stop: Sequence[str],
        start: Sequence[str],
        health: str,
        patience: timedelta,
        held: Callable[[Record, str], str],
        rollback: Callable[[], Rollback | None],
        clock: Clock,
    ) -> None:
        """*hands* swap a shared manifest; *rollback* gives what is under way.

        *held* looks at the ledger's copy of a tenant's manifest; *patience* is how
        long what was stopped may still listen.
        """
        self._hands = hands
        self._git = git
        self._commands = commands
        self._folder = folder
        self._stop = stop
        self._start = start
        self._health = health
        self._patience = patience.total_seconds()
        self._held = held
        self._rollback = rollback
        self._clock = clock
        self._ran: set[tuple[str, str]] = set()

    def is_done(self, plan: Plan, target: Record, step: Step) -> str:
        """Look; give the evidence when the step's end is reached, else nothing."""
        match step.do:
            case Do.HOLD_COMMIT:
                return self._commit_held(step)
            case Do.HOLD_MANIFEST:
                return self._held(target, step.subject)
            case Do.STOP:
                if step in plan.way_back and not self._may_have_started():
                    return "nothing was started"
                # Not by whether anything listens now: that may be the new one.
                stopped = self._has_run(plan, step)
                return f"nothing listened at {self._health}" if stopped else ""
            case Do.CHECK_OUT:
                seen = self._git.commit("HEAD")
                return f"HEAD is {seen[:12]}" if seen == step.to else ""
            case Do.START:
                if self._has_run(plan, step):
                    return f"`{' '.join(self._start)}` ended well"
                return f"{self._health} listens" if self._listens() else ""
            case Do.REMOVE:
                return "it is gone"
            case _:
                return self._hands.is_done(plan, target, step)

    def do(self, plan: Plan, target: Record, step: Step) -> None:
        """Bring the step's end about. A command that fails raises a Problem."""
        match step.do:
            case Do.STOP:
                self._run_stop()
                self._ran.add((plan.op, step.words))
            case Do.CHECK_OUT:
                self._check_out(plan, step)
            case Do.START:
                self._begin(step)
                self._ran.add((plan.op, step.words))
            case _:
                self._hands.do(plan, target, step)

    def evidence_of(self, plan: Plan, step: Step) -> str:
        """Give nothing: no step of a work tree removes anything."""
        del plan, step
        return ""

    # -- the work tree -----------------------------------------------------------

    def _commit_held(self, step: Step) -> str:
        seen = self._git.commit(f"refs/tags/{step.subject}")
        if not seen:
            raise Problem(
                f"git has no tag {step.subject} here", "`git fetch --tags` brings it"
            )
        if seen != step.to:
            raise Foreign(
                f"tag {step.subject} is {seen[:12]}, the record says {step.to[:12]}",
                "a tag never moves; put it back, or roll back by hand",
            )
        if self._git.commit("HEAD") != step.to:
            self._clean()
        return f"tag {step.subject} is {seen[:12]}, and nothing would be lost"

    def _clean(self) -> None:
        """Refuse to touch a tree that holds what exists nowhere else."""
        changed = self._git.changes()
        if changed:
            raise Problem(changed, "commit or stash them, they would be lost")

    def _check_out(self, plan: Plan, step: Step) -> None:
        self._clean()
        branch = plan.variable_before if step.which is Which.OLD else ""
        self._git.check_out(step.to, branch)

    # -- the service -------------------------------------------------------------

    def _run_stop(self) -> None:
        self._commands.run("stop", self._stop, self._folder)
        deadline = self._clock.monotonic() + self._patience
        while self._listens():
            if self._clock.monotonic() >= deadline:
                raise NotProven(
                    f"`{' '.join(self._stop)}` ended, but {self._health} still listens",
                    "`git.stop` ends when what it stops is gone; mend it",
                )
            self._clock.pause(_BETWEEN_LOOKS)

    def _begin(self, step: Step) -> None:
        attempt = self._attempts(step)
        if attempt > 1:
            if attempt <= _WAITS and self._commands.is_running("start"):
                raise Unreachable(
                    f"`{' '.join(self._start)}` of before may still run",
                    "wait for it; when it hangs, end it",
                )
            self._run_stop()
        self._commands.run("start", self._start, self._folder, leaves=True)

    def _has_run(self, plan: Plan, step: Step) -> bool:
        rollback = self._rollback()
        noted = rollback is not None and step.words in rollback.done
        return noted or (plan.op, step.words) in self._ran

    def _may_have_started(self) -> bool:
        rollback = self._rollback()
        begun = Step(Do.START, SERVICE, Which.NEW).words
        return rollback is not None and begun in rollback.attempts

    def _attempts(self, step: Step) -> int:
        rollback = self._rollback()
        return rollback.attempts.get(step.words, 0) if rollback else 0

    def _listens(self) -> bool:
        """Tell whether anything takes connections where the health is asked."""
        parts = urlsplit(self._health)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname or "", port), 3).close()
        except TimeoutError:
            return True  # something hangs there, and is not gone
        except OSError:
            return False
        return True
