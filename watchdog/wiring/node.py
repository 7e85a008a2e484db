"""One node: it leads, or follows whoever does until it may."""

import contextlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

from starlette.applications import Starlette

from watchdog.approve.control_socket import opened
from watchdog.config.settings import Settings
from watchdog.facts.event import FarEndBack, FarEndLost
from watchdog.facts.problem import JournalLost
from watchdog.record.database import Place
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory
from watchdog.record.room import Room
from watchdog.turn.roles import Clock
from watchdog.wiring.chosen import place_of
from watchdog.wiring.doors import troubles_at
from watchdog.wiring.doorway import Receive, Scope, Send
from watchdog.wiring.follower import Follower, is_shared
from watchdog.wiring.listening import bound, listen
from watchdog.wiring.watch import Watch, leave, wire

_Found: TypeAlias = str | Journal | BaseException


class Turnstile:
    """One door, and whoever answers there now."""

    def __init__(self) -> None:
        self.app: Starlette | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on."""
        if self.app is None:
            raise AssertionError("nobody is behind the door yet")
        await self.app(scope, receive, send)


class Node:
    """Who answers and, while it leads, acts."""

    def __init__(self, settings: Settings, version: str) -> None:
        self._settings, self._version = settings, version
        self._doors = tuple(Turnstile() for _ in range(3))
        self._memory: Memory | None = None
        self._clock: Clock | None = None
        self._watch: Watch | None = None
        self._follower: Follower | None = None
        self._wrong: BaseException | None = None
        # Between two threads: that it ends, and that it begins to lead.
        self._turning = threading.Lock()
        self._is_over = False

    def run(self, follows: Callable[[str], None]) -> None:
        """Turn and listen until told to stop; the step in hand is finished first.

        Raises:
            Problem: a listener's port is taken, or the state folder takes no socket;
                or it may lead, and what it needs for that is wrong.
        """
        settings, place = self._settings, place_of(self._settings)
        if is_shared(settings):
            found: queue.SimpleQueue[_Found] = queue.SimpleQueue()
            threading.Thread(target=_waited, args=(place, found), daemon=True).start()
            first = found.get()
            if isinstance(first, BaseException):
                raise first
            if isinstance(first, str):
                follows(first)
                self._follow()
                threading.Thread(
                    target=self._take_over, args=(found, follows), daemon=True
                ).start()
            else:
                self._watch = wire(settings, self._version, journal=first)
        else:
            self._watch = wire(settings, self._version)
        self._listen()
        if self._wrong:
            raise self._wrong

    def _follow(self) -> None:
        follower = Follower(self._settings, self._version, leave)
        self._follower = follower
        self._answer(follower.doors.all, follower.memory, follower.clock)

    def _take_over(
        self, found: "queue.SimpleQueue[_Found]", follows: Callable[[str], None]
    ) -> None:
        """Wait until we may lead, and then do; the doors stay open meanwhile."""
        while isinstance(one := found.get(), str):
            follows(one)
        if isinstance(one, BaseException):
            self._give_up(one)
            return
        with self._turning:
            if self._is_over:
                one.close()  # whoever is left leads at once
            else:
                self._lead_with(one)

    def _lead_with(self, journal: Journal) -> None:
        try:
            following = self._follower.following if self._follower else None
            watch = wire(
                self._settings, self._version, journal=journal, following=following
            )
        except BaseException as problem:  # noqa: BLE001 - raised where it is heard
            self._give_up(problem)
        else:
            self._watch = watch
            self._lead(watch)
            if self._follower:
                self._follower.stop()

    def _give_up(self, problem: BaseException) -> None:
        if self._is_over:
            return
        if isinstance(problem, JournalLost):
            leave(problem)
        self._wrong = problem
        os.kill(os.getpid(), signal.SIGTERM)

    def _lead(self, watch: Watch) -> None:
        watch.journal.when_lost(leave)
        watch.telling.start()
        watch.schedule.start()
        self._answer(watch.doors.all, watch.memory, watch.clock)

    def _answer(self, apps: Sequence[Starlette], memory: Memory, clock: Clock) -> None:
        self._memory, self._clock = memory, clock
        for door, app in zip(self._doors, apps, strict=True):
            door.app = app

    def _listen(self) -> None:
        where, state = self._settings.listen, self._settings.state
        sockets = [bound(where.decisions), bound(where.private)]
        with contextlib.ExitStack() as after:
            room = self._watch.journal.room if self._watch else Room(state)
            control = room.making(lambda: after.enter_context(opened(state)))
            if self._watch:
                self._lead(self._watch)
            elif self._follower:
                self._follower.start()
            try:
                doors = list(zip(self._doors, [*sockets, control], strict=True))
                listen(doors, self._failed, self._crashed)
            finally:
                self._end()

    def _end(self) -> None:
        with self._turning:
            self._is_over = True
            watch = self._watch
        if self._follower:
            self._follower.stop()
            self._follower.close()
        if watch:
            watch.schedule.stop()
            watch.telling.stop()
            watch.memory.rest()
            watch.journal.close()

    def _failed(self, why: str) -> None:
        lost = FarEndLost("listener", f"a listener failed: {why}")
        watch = self._watch
        if watch is None:  # it is ours, and not of the watch: nobody else would mend it
            sys.stderr.write(f"{lost.words if why else 'the listener is back'}\n")
            return
        with contextlib.suppress(JournalLost):  # the turn meets it too, and leaves
            watch.memory.add(watch.clock.now(), lost if why else FarEndBack("listener"))

    def _crashed(self, request: str, error: BaseException) -> None:
        if self._memory and self._clock:
            troubles_at("some", self._memory, self._clock).crashed(request, error)


def run(
    settings: Settings, version: str, follows: Callable[[str], None] = lambda _: None
) -> None:
    """Lead, or follow until it may; *follows* hears who leads meanwhile.

    Raises:
        Problem: as ``Node.run`` does.
    """
    Node(settings, version).run(follows)


def _waited(place: Place, found: "queue.SimpleQueue[_Found]") -> None:
    try:
        found.put(Journal(place, waits=found.put))
    except BaseException as problem:  # noqa: BLE001 - raised where it is waited for
        found.put(problem)
