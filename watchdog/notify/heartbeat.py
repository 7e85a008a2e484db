"""The pulse to an outside dead-man's switch: silence there calls somebody.

Source: the pinging API of healthchecks.io, which others speak too.
"""

import contextlib
import json
import queue
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

from watchdog.facts.event import Entry, RollbackEnded, RollbackStarted, RollbackStuck
from watchdog.facts.problem import Problem
from watchdog.notify.channel import post

_PING, _START, _FAIL = "", "/start", "/fail"


class Heartbeat:
    """Pings after complete turns only, *every* so often at most.

    A rollback is framed by ``/start`` and an end, so that one which hangs is noticed
    too. Nobody waits for a ping: a slow switch makes later ones be left out.
    """

    def __init__(
        self,
        url: str,
        every: timedelta,
        monotonic: Callable[[], float],
        checkpoint: Callable[[], str] = lambda: "",
        *,
        unheard: Callable[[str], None] = lambda _: None,
    ) -> None:
        """*checkpoint* gives the newest one of the journal: each ping's body.

        *unheard* is told why a ping was not taken; nothing once one is.
        """
        self._url = url
        self._every = every.total_seconds()
        self._monotonic = monotonic
        self._checkpoint = checkpoint
        self._unheard = unheard
        self._last = -self._every
        self._run = ""
        self._waiting: queue.Queue[tuple[str, str] | None] = queue.Queue(maxsize=8)
        self._thread = threading.Thread(target=self._send, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)

    def turned(self, *, complete: bool) -> None:
        """Note the end of a turn; only one that saw everything is a sign of life."""
        now = self._monotonic()
        if complete and not self._run and now - self._last >= self._every:
            self._last = now
            self._put(_PING)

    def happened(self, entry: Entry) -> None:
        """Frame a rollback."""
        match entry.event:
            case RollbackStarted():
                self._run = str(uuid.uuid4())
                self._put(_START)
            case RollbackStuck():
                self._put(_FAIL)
            case RollbackEnded(how=how):
                self._put(_PING if how == "proved" else _FAIL)
                self._run = ""
            case _:
                pass

    def _put(self, what: str) -> None:
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait((what, self._run))

    def _send(self) -> None:
        said: str | None = None  # it may have been refused before a restart
        while (found := self._waiting.get()) is not None:
            what, run = found
            rid = f"?rid={run}" if run else ""
            # A ping that is lost is what the switch is there to notice; the next must
            # not be lost with it, whatever became of the journal.
            try:
                body = json.dumps({"checkpoint": self._checkpoint()}).encode()
                post(f"{self._url}{what}{rid}", body, {})
                why = ""
            except (Problem, OSError) as error:
                why = str(error)
            if why != said:
                with contextlib.suppress(OSError):
                    self._unheard(why)
                    said = why
