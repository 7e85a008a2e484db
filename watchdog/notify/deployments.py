"""Posts to GitHub what a deployment that waits there is told, until it is taken."""

import contextlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from watchdog.decide.deployment import APPROVED, WAITING, Deployment
from watchdog.facts.event import (
    DeploymentAnswered,
    DeploymentAnswering,
    DeploymentDelayed,
    Entry,
)
from watchdog.facts.problem import Claimed, JournalLost
from watchdog.notify.channel import NotTaken
from watchdog.notify.github import App
from watchdog.turn.roles import Remembers

_PAUSES = [timedelta(seconds=s) for s in (1, 5, 30, 120, 600)]
_TROUBLE = 3  # tries that failed until it is said
_LOOK = 5.0  # s; a wake-up comes with each event, this is for what was put off

Weighs = Callable[[Deployment, datetime], tuple[str, str]]


class Deployments:
    """One thread: a GitHub that is dead holds up nobody but itself.

    What is to be posted stands in the journal, and so does that it was taken; only
    when to try again is forgotten with a crash. What was posted and not noted is
    posted again: a verdict is the same one then, because the first is claimed before
    it leaves. An approval is weighed once more right before each try.
    """

    def __init__(
        self,
        app: App,
        memory: Remembers,
        *,
        name: str,
        weighed: Weighs,
        fresh: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        """*name* is the watchdog's; *fresh* tells whether somebody is watching."""
        self._app = app
        self._memory = memory
        self._name = name
        self._weighed = weighed
        self._fresh = fresh
        self._now = now
        self._tries: dict[str, int] = {}
        self._next: dict[str, datetime] = {}
        self._alone: datetime | None = None
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="github", daemon=True)

    def start(self) -> None:
        """Begin with what is left from before."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further post; one in hand may be cut off and comes again."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(1)

    def happened(self, _: Entry) -> None:
        """Look for news now; returns at once."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            # The journal's loss is the turn's to say, loudly.
            with contextlib.suppress(JournalLost):
                self.tell()
            self._wake.wait(_LOOK)

    def tell(self) -> None:
        """Post what is due."""
        for one in list(self._memory.standing.deployments.values()):
            now, name = self._now(), one.asked.deployment
            if self._stopped.is_set() or (self._alone and now < self._alone):
                return
            if one.due and now >= self._next.get(name, now):
                try:
                    self._tell(one, now)
                except JournalLost:
                    raise
                except Exception as error:  # noqa: BLE001 - one that we cannot post must not keep the others
                    words = f"{type(error).__name__}: {error}"
                    self._put_off(one, NotTaken(f"it could not be posted: {words}"))

    def _tell(self, one: Deployment, at: datetime) -> None:
        asked, state = one.asked, one.due
        name, words = asked.deployment, one.weighed.words if one.weighed else ""
        try:
            self._app.ready(asked.installation, asked.repository, at)
            if state != WAITING and not self._still(one, state, words):
                return
            review = {"environment_name": asked.environment}
            if one.answering:
                words = one.answering.words
            review["comment"] = f"{self._name}: {words}"
            if state != WAITING:
                review["state"] = state
            self._app.review(
                asked.installation, asked.repository, asked.run, review, at
            )
        except NotTaken as no:
            if not no.final:
                self._put_off(one, no)
                return
            refused = no.words
            if one.answering:
                refused += "; an earlier try may have been taken: look at the run"
        else:
            refused = ""
        self._tries.pop(name, None)
        self._next.pop(name, None)
        answered = DeploymentAnswered(name, state, words, refused)
        self._memory.add(self._now(), answered)

    def _still(self, one: Deployment, state: str, words: str) -> bool:
        """Tell whether a verdict may be posted, and bind it before the first time.

        One that is not so any more is left to the turn, which sees the same.
        """
        if state == APPROVED or not one.answering:
            now, _ = self._weighed(one, self._now())
            if now != state or (state == APPROVED and not self._fresh()):
                return False
        if not one.answering:
            name = one.asked.deployment
            about = DeploymentAnswering(name, state, words)
            try:
                self._memory.add(self._now(), about, claim=f"verdict/{name}")
            except Claimed:
                return False
        return True

    def _put_off(self, one: Deployment, no: NotTaken) -> None:
        name, now = one.asked.deployment, self._now()
        tries = self._tries.get(name, 0) + 1
        self._tries[name] = tries
        pause = _PAUSES[min(tries, len(_PAUSES)) - 1]
        self._next[name] = now + max(pause, no.after or pause)
        if no.after:
            # Its limits are the App's, not of one deployment.
            self._alone = now + no.after
        if tries >= _TROUBLE and one.trouble != no.words:
            self._memory.add(now, DeploymentDelayed(name, no.words))
