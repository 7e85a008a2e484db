"""What serves, asked until it is proved to be what was meant, or given up."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from watchdog.facts.pair import NotKnown, Pair, Running, Tenants
from watchdog.facts.problem import EngineRefused, NotProven, Undone
from watchdog.facts.rules import Rules
from watchdog.facts.smoke import Own, SmokeCheck
from watchdog.turn.roles import Clock, Eyes
from watchdog.verify.proof import Answer, NotYet, Proven, prove

_LEAST = 1.0  # s: the last look says what is wrong, and not that its time was over
LASTING = 2.0  # s; an init starts at once, and what it starts dies a moment later
_BETWEEN_LOOKS = 0.05  # s; a look is a few GETs, and a proof late is a rollback late
_BETWEEN_SMOKE = 1.0  # s; a smoke check is the stack's own work
# Of the time that a node of a swarm is not heard of: a new leader among its managers
# takes half a minute to say that one is down, and then the swarm has a task to start.
_UNHEARD = 60.0  # s
_MOVED = "what runs changed while it was asked"


def _nothing() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Proving:
    """Asks what serves; every look is a fresh one."""

    eyes: Eyes
    ask_stack: Callable[[str, timedelta], tuple[Answer, ...]]
    smoke: Callable[[SmokeCheck, tuple[str, ...]], Answer]
    tenants_of: Tenants
    rules: Rules
    clock: Clock
    lasting: float = LASTING

    def prove(
        self,
        meant: Pair,
        *,
        as_it_was: bool,
        undone: Callable[[], str] = _nothing,
    ) -> str:
        """Wait until what runs is proved to be *meant*, within ``prove_within``.

        For as long as it is only not known what runs, no time of that passes.

        Raises:
            Undone: *undone* says that somebody undid what had been done for it.
            NotProven: it did not come up as meant.
        """
        patience = within = self.rules.prove_within.total_seconds()
        began = asked = now = self.clock.monotonic()
        up, fine, unheard = None, False, 0.0
        since: float | None = None  # all of it is up, and has not faltered
        while True:
            seen = self.eyes.running(self.tenants_of)
            until = began + within
            outcome = self._look(seen, meant, as_it_was=as_it_was, until=until)
            last, now = now, self.clock.monotonic()
            if isinstance(seen, Running) and seen.unheard:
                unheard = min(unheard + now - last, _UNHEARD)
                within = patience + unheard
            if (runs := _runs(seen)) is None or runs != up:
                up, since = runs, now
            if isinstance(outcome, Proven):
                fine, since = True, now if since is None else since
                left = self.lasting - (now - since)
                if outcome.watched or left <= 0:
                    return outcome.words
                self.clock.pause(min(left, _BETWEEN_SMOKE))
                continue
            since = None if fine else since
            if not outcome.hopeless and now - asked >= _BETWEEN_SMOKE:
                asked = now
                if words := undone():
                    raise Undone(words)
            if outcome.hopeless or now - began >= within:
                raise NotProven(
                    f"{meant.version} did not come up as meant within "
                    f"{patience:g} s: {outcome.words}"
                )
            self.clock.pause(_BETWEEN_SMOKE if outcome.unhurried else _BETWEEN_LOOKS)

    def look(
        self, meant: Pair, *, as_it_was: bool = False, until: float | None = None
    ) -> Proven | NotYet:
        """Ask everything once; what runs is looked at again after the last answer.

        What is asked has its own time, and none past *until*.
        """
        if until is None:
            patience = self.rules.prove_within.total_seconds()
            until = self.clock.monotonic() + patience
        seen = self.eyes.running(self.tenants_of)
        return self._look(seen, meant, as_it_was=as_it_was, until=until)

    def _look(
        self, seen: Running | NotKnown, meant: Pair, *, as_it_was: bool, until: float
    ) -> Proven | NotYet:
        health: tuple[str, ...] = ()
        if isinstance(seen, Running):
            health = self._health(seen, until)
        outcome = prove(meant, seen, health, (), as_it_was=as_it_was)
        if isinstance(outcome, NotYet):
            # Asked before its time, a stack can hold a connection for seconds.
            return outcome
        answers = self.ask_stack(meant.version, self._time_left(until))
        outcome = prove(meant, seen, health, answers, as_it_was=as_it_was)
        if isinstance(outcome, NotYet) or not isinstance(seen, Running):
            return outcome
        smoke = self._smoke(seen.containers, until)
        outcome = prove(meant, seen, health, answers, smoke, as_it_was=as_it_was)
        again = self.eyes.running(self.tenants_of)
        if isinstance(outcome, Proven) and _told(again) != _told(seen):
            return NotYet(again.words if isinstance(again, NotKnown) else _MOVED)
        return outcome

    def _health(self, seen: Running, until: float) -> tuple[str, ...]:
        """Give the engine's word for each health check, or ours where it has none."""
        words: list[str] = []
        for one in seen.seen:
            if one.health is None:
                continue
            word, old = one.health.word, one.health.unasked(self.clock.now())
            ask = self.rules.asks_health and (old or word == "starting")
            fine = ask and self.smoke(Own(self._time_left(until)), (one.id,)).fine
            words.append("healthy" if fine else old or word)
        return tuple(words)

    def glance(self, meant: Pair, *, well: bool = False) -> str:
        """Say why *meant* is not up at this moment; nothing when it is.

        *well*: nor may the engine call one of its containers unhealthy.

        Raises:
            EngineRefused: it may be up, and cannot be looked at.
        """
        seen = self.eyes.running(self.tenants_of)
        if isinstance(seen, NotKnown) and seen.refused:
            raise EngineRefused(seen.words)
        sick: tuple[str, ...] = ()
        if well and isinstance(seen, Running):
            said = (one.health.word for one in seen.seen if one.health)
            sick = tuple(word for word in said if word == "unhealthy")
        outcome = prove(meant, seen, sick, (), as_it_was=True)
        return outcome.words if isinstance(outcome, NotYet) else ""

    def awaited(
        self, look: Callable[[], str], subject: str, *, back: bool, known: bool
    ) -> str:
        """Wait until one container of several serves, before the next one goes.

        The way back goes on whatever that comes to: what ran before may be bad, and
        ran; all of it back is what is proved. *known*: it served before.
        """
        patience = self.rules.prove_within.total_seconds()
        deadline = self.clock.monotonic() + patience
        since: float | None = None
        while True:
            try:
                seen = look()
            except NotProven as problem:
                if back:
                    return problem.words
                raise
            now = self.clock.monotonic()
            since = (now if since is None else since) if seen else None
            if since is not None and (known or now - since >= self.lasting):
                return seen
            if since is None and now >= deadline:
                words = f"{subject} did not serve within {patience:g} s"
                if back:
                    return words
                raise NotProven(words)
            self.clock.pause(_BETWEEN_LOOKS)

    def _time_left(self, until: float) -> timedelta:
        return timedelta(seconds=max(_LEAST, until - self.clock.monotonic()))

    def _smoke(self, containers: tuple[str, ...], until: float) -> tuple[Answer, ...]:
        """Ask the smoke checks in their order, up to the first that fails."""
        answers: list[Answer] = []
        for check in self.rules.smoke:
            left = min(check.timeout, self._time_left(until))
            answers.append(self.smoke(replace(check, timeout=left), containers))
            if not answers[-1].fine:
                break
        return tuple(answers)


def _runs(seen: Running | NotKnown) -> object:
    """Name the runs of all containers, while they are up; a new start is another.

    A swarm's tasks are up while those of before still end, which takes some seconds.
    That is no proof yet, and what must last lasts already.
    """
    if isinstance(seen, NotKnown):
        return None
    if seen.up:
        return seen.up
    if any(state != "running" for state in seen.states):
        return None
    return seen.containers, [(one.id, one.started, one.restarts) for one in seen.seen]


def _told(seen: Running | NotKnown) -> object:
    """Give what of *seen* must be the same a moment later."""
    if isinstance(seen, NotKnown):
        return seen.words
    return seen.pair.key, seen.containers, seen.states, seen.jobs, seen.up
