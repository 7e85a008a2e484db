"""Whether what proves a pair holds for what runs now; asked beside the turn."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from watchdog.facts.container import NOT_RUN
from watchdog.facts.lack import Lack
from watchdog.facts.pair import Running
from watchdog.verify.proof import Answer

Question: TypeAlias = Callable[[], tuple[Answer, ...]]

_PATIENCE = 1.0  # s of a turn; what takes longer is heard at the next look
_SURE = 2  # looks that must agree before it is called broken, or mended
_STATES = "containers"
_AT_REST = ("running", "")  # a work tree has no state of its own
_START = (
    "start them, or deploy the pair again; a service that is run to its end belongs "
    "under `jobs` in the release file"
)
_START_TASKS = "the swarm starts them: look at `docker service ps`, or deploy it again"
HINT = (
    "no pair could be proved, so a rollback would be taken back: mend what does not "
    "answer, or `stack.health`, `stack.version` and `stack.smoke` where they are wrong"
)


@dataclass(slots=True)
class _Asked:
    """How one question fared with the containers that run now.

    *told* is what was said first of a failure that lasts, so that it is said once.
    """

    under_way: Future[tuple[Answer, ...]] | None = None
    failed: int = 0
    held: int = 0
    last: datetime | None = None
    told: str = ""

    def heard(self, words: str, at: datetime, *, is_young: bool) -> None:
        """Take in an answer: *words* say what is wrong, empty when nothing is.

        What never held for these containers is believed at once, unless they are so
        young that they may still be on their way.
        """
        if not words:
            self.failed, self.held, self.last = 0, self.held + 1, at
            if self.held >= _SURE:
                self.told = ""
            return
        self.failed, self.held = self.failed + 1, 0
        never = self.last is None and not is_young
        if not self.told and (never or (self.last and self.failed >= _SURE)):
            since = f"; it last held at {self.last:%H:%M:%S} UTC" if self.last else ""
            self.told = f"{words}{since}"

    @property
    def is_unsure(self) -> bool:
        """Tell whether another look would say more than the last one."""
        if self.told:
            return self.held > 0
        return self.failed > 0 or self.last is None


@dataclass(slots=True)
class Holding:
    """Asks what would prove the running pair, and remembers how it fared.

    *questions* gives, by name, what may be asked at any time; each has a deadline of
    its own, and no look waits for it longer than *patience*.
    """

    questions: Callable[[Running], Mapping[str, Question]]
    prove_within: timedelta
    patience: float = _PATIENCE
    _of: tuple[str, ...] = ()
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(4, "holding")
    )

    @property
    def is_unsure(self) -> bool:
        """Tell whether to look again soon: one answer is not believed yet."""
        return any(one.is_unsure for one in self._asked.values())

    def lacks(self, seen: Running, at: datetime) -> tuple[Lack, ...]:
        """Say what does not hold for *seen*, as far as that is known."""
        if self._of != seen.containers:
            self._of, self._asked = seen.containers, {}
        is_young = at - seen.since < self.prove_within
        for name, words in by_the_engine(seen, at, is_young=is_young).items():
            self._slot(name).heard(words, at, is_young=False)
        self._ask(seen)
        for name, one in self._asked.items():
            done = one.under_way
            if done is None or not done.done():
                continue
            one.under_way = None
            one.heard(_wrong(name, done), at, is_young=is_young)
        return tuple(
            Lack(as_a_lack(one.told), HINT, about="proof")
            if name != _STATES
            else Lack(one.told, _START_TASKS if seen.tasks else _START, about=name)
            for name, one in self._asked.items()
            if one.told
        )

    def _slot(self, name: str) -> _Asked:
        return self._asked.setdefault(name, _Asked())

    def _ask(self, seen: Running) -> None:
        """Begin what is not under way, and wait for it a little."""
        for name, question in self.questions(seen).items():
            one = self._slot(name)
            if one.under_way is None:
                one.under_way = self._threads.submit(question)
        pending = [one.under_way for one in self._asked.values() if one.under_way]
        wait(pending, self.patience)


def by_the_engine(seen: Running, at: datetime, *, is_young: bool) -> dict[str, str]:
    """Say what the engine's own words keep from being proved, by what they are of."""
    resting = sorted({state for state in seen.states if state not in _AT_REST})
    count = sum(state not in _AT_REST for state in seen.states)
    states = ""
    if resting and seen.tasks:
        told = zip(seen.services, seen.states, seen.tasks, strict=True)
        states = "; ".join(
            f"service {service} of {seen.pair.version} does not run whole: {words}"
            for service, state, (_, words) in told
            if state not in _AT_REST
        )
    elif resting:
        states = (
            f"{count} of {len(seen.states)} containers of {seen.pair.version} "
            f"{'is' if count == 1 else 'are'} {', '.join(resting)}, not running"
        )
    jobs = [words for job in seen.jobs if (words := job.wrong(seen.pair.version))]
    own = _own_health(seen, at, is_young=is_young)
    return {_STATES: states, "own health": own, "jobs": "; ".join(jobs)}


def _own_health(seen: Running, at: datetime, *, is_young: bool) -> str:
    """Say what is wrong by the containers' own health checks; the worst first."""
    checked = [(one.name, one.health) for one in seen.seen if one.health]
    for name, health in checked:
        if health.word not in ("healthy", "starting"):
            return f"{name} is {health.word} by its own health check"
    for name, health in checked:
        if words := health.unasked(at):
            return f"{name} is {words}: {NOT_RUN}"
    for name, health in checked:
        if health.word == "starting" and not is_young:
            return (
                f"the health check of {name} has not come to an end since its start; "
                "does this engine run health checks at all?"
            )
    return ""


def as_a_lack(words: str) -> str:
    """Say that what proves a pair does not hold now, and which part of it."""
    return f"what proves a pair does not hold for what runs now: {words}"


def _wrong(name: str, done: Future[tuple[Answer, ...]]) -> str:
    """Give the first thing that is not as it must be; nothing when all is."""
    try:
        answers = done.result()
    except Exception as error:  # noqa: BLE001 # evidence; never a reason to stop
        return f"{name} could not be asked: {type(error).__name__}: {error}"
    return next((answer.words for answer in answers if not answer.fine), "")
