"""Takes messages out of the journal and to the channels, each at its own pace."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from watchdog.decide.tidings import message_of
from watchdog.facts.event import Entry
from watchdog.facts.message import Message
from watchdog.facts.problem import JournalLost
from watchdog.notify.channel import Channel, NotTaken
from watchdog.turn.roles import Tells

_PAUSES = [timedelta(seconds=s) for s in (1, 5, 30, 120, 600)]
_GIVE_UP = timedelta(hours=24)
MOST = 1000
"""Events that are taken in at once: one that was away for long is told in portions."""
_LOOK = 5.0  # s; a wake-up comes with each event, this is for what was put off


class Sender:
    """One thread for each channel: a dead receiver holds up nobody but itself.

    What is to be told is read from the journal, so that nothing that happened is
    lost with a crash; a message that was sent and not marked is sent again, with
    the same id.
    """

    def __init__(
        self,
        channels: Iterable[Channel],
        outbox: Tells,
        *,
        name: str,
        entries: Callable[[int], list[Entry]],
        head: Callable[[], int],
        now: Callable[[], datetime],
    ) -> None:
        """*entries* gives the journal's next events after one, at most ``MOST``.

        *head* gives the number of the newest one.
        """
        self._channels = list(channels)
        self._outbox = outbox
        self._name = name
        self._entries = entries
        self._head = head
        self._now = now
        self._began = 0
        self._stopped = threading.Event()
        self._wakes = [threading.Event() for _ in self._channels]
        self._threads = [
            threading.Thread(
                target=self._run, args=pair, name=f"tell {pair[0].name}", daemon=True
            )
            for pair in zip(self._channels, self._wakes, strict=True)
        ]

    def start(self) -> None:
        """Begin; a channel that is new begins with what happens from now on."""
        self._began = self._head()
        for channel in self._channels:
            if self._outbox.told(channel.name) is None:
                with suppress(OSError):  # its disk is full: it is noted with the first
                    self._outbox.put(channel.name, self._began, (), self._now())
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for news now; returns at once."""
        for wake in self._wakes:
            wake.set()

    def stop(self) -> None:
        """Begin no further delivery; one in hand may be cut off and comes again."""
        self._stopped.set()
        self.wake()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(1)

    def _run(self, channel: Channel, wake: threading.Event) -> None:
        while not self._stopped.is_set():
            wake.clear()
            try:
                rest = self.tell(channel)
            except (OSError, JournalLost):
                # Its disk, or the journal's: the turn's own writes say so, loudly.
                rest = _LOOK
            wake.wait(min(rest, _LOOK))

    def tell(self, channel: Channel) -> float:
        """Deliver what is due; give the seconds until there may be more to do."""
        more = self._take_in(channel.name)
        while True:
            due = self._outbox.first(channel.name)
            now = self._now()
            if due is None and more and not self._stopped.is_set():
                more = self._take_in(channel.name)
                continue
            if due is None or self._stopped.is_set():
                return _LOOK
            if due.next_at > now:
                return (due.next_at - now).total_seconds()
            seq = due.message.seq
            self._outbox.trying(channel.name, seq)
            no = _sent(channel, due.message, now)
            if no is not None:
                late = now - due.message.at >= _GIVE_UP
                if no.final or late:
                    self._outbox.dead(channel.name, seq, now, no.words)
                    continue
                pause = _PAUSES[min(due.attempts, len(_PAUSES) - 1)]
                at = now + max(pause, no.after or pause)
                self._outbox.again(channel.name, seq, at, no.words)
                continue
            self._outbox.sent(channel.name, seq, self._now())

    def _take_in(self, channel: str) -> bool:
        """Read what happened since, and put what is to be told beside it.

        Tells whether there may be more.
        """
        told = self._outbox.told(channel)
        if told is None:
            told = self._began
        fresh = self._entries(told)
        if fresh:
            found = [message_of(entry, self._name) for entry in fresh]
            messages = [message for message in found if message is not None]
            self._outbox.put(channel, fresh[-1].seq, messages, self._now())
        return len(fresh) >= MOST


def _sent(channel: Channel, message: Message, at: datetime) -> NotTaken | None:
    """Send *message*; give why it was not taken, or nothing."""
    try:
        channel.send(message, at)
    except NotTaken as no:
        return no
    except JournalLost:
        raise
    except Exception as error:  # noqa: BLE001 - one that we cannot send must not end the telling
        return NotTaken(f"it could not be sent: {type(error).__name__}: {error}")
    return None
