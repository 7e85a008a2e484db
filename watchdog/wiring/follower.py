"""A watchdog beside the one that leads: it answers at its doors, and does nothing.

What people say here goes into the journal; whoever leads goes by it at its next turn.
"""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from watchdog.approve.slack import ORIGIN
from watchdog.config.roster_file import RosterFile
from watchdog.config.settings import Settings
from watchdog.facts.event import Entry
from watchdog.facts.pair import Record
from watchdog.facts.problem import JournalLost, NotTaken, Problem
from watchdog.facts.trigger import Release
from watchdog.notify.reply import Replies
from watchdog.record.database import Server
from watchdog.record.journal import Journal
from watchdog.record.log import to_stdout
from watchdog.record.memory import Memory
from watchdog.record.outbox import Outbox
from watchdog.show.following import Following
from watchdog.show.metrics import Pulse
from watchdog.turn.roles import Led
from watchdog.wiring.answering import Behind, doors_of, secrets_of
from watchdog.wiring.channels import channels_of
from watchdog.wiring.chosen import place_of, releases_of, rules_of, told_by
from watchdog.wiring.clock import RealClock
from watchdog.wiring.reporting import Reporting
from watchdog.wiring.sampling import Sampling

_EVERY = 1.0  # s, between two looks into the journal
_MISSED = 3  # polls; as of the turns of one's own


class LeadersClock:
    """The time by the clock of whoever leads, as its last turn says.

    Two clocks would judge a deadline differently; and an event dated ahead by ours
    would look like a clock that was set back.
    """

    def __init__(self, clock: RealClock) -> None:
        self._clock = clock
        self._seen: datetime | None = None
        self._then: tuple[datetime, float] | None = None

    def turned(self, at: datetime | None) -> None:
        """Note that the last turn ended *at*, as the journal says now."""
        if self._seen is not None and at is not None and at != self._seen:
            self._then = at, self._clock.monotonic()
        self._seen = at or self._seen

    def now(self) -> datetime:
        """Give the leader's time; our own while no turn was seen to end."""
        if self._then is None:
            return self._clock.now()
        at, then = self._then
        return at + timedelta(seconds=self._clock.monotonic() - then)

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return self._clock.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait."""
        self._clock.pause(seconds)

    def is_fresh(self, poll: timedelta) -> bool:
        """Tell whether a turn was seen to end in the last three polls."""
        if self._then is None:
            return False
        since = timedelta(seconds=self.monotonic() - self._then[1])
        return since <= _MISSED * poll + timedelta(seconds=_EVERY)


class Follower:
    """Doors on a journal that another writes."""

    def __init__(
        self,
        settings: Settings,
        version: str,
        lost: Callable[[JournalLost], None],
        *,
        slack: str = ORIGIN,
    ) -> None:
        """Read the journal; *lost* is told when that cannot be done any more.

        *slack* is where Slack takes what is said of a click.

        Raises:
            Refused: a release file, a channel or a secret is wrong.
            JournalLost: the journal cannot be read.
        """
        self._settings, self._lost = settings, lost
        self._roster = RosterFile(settings.approvers)
        self._releases = releases_of(settings, self._roster)
        known = secrets_of(settings)
        channels_of(settings)
        channels = told_by(settings)
        self.clock = LeadersClock(RealClock())
        self.following = Following()
        self.journal = Journal(place_of(settings), follows=True)
        self._reporting = Reporting(
            settings, self.journal, Sampling(settings, keeps=True)
        )
        log = to_stdout(settings.log.format, settings.log.level)

        def heard(entry: Entry) -> None:
            self._reporting.happened(entry)
            self.following.rang()

        def said(entry: Entry) -> None:
            log(entry)  # what was said here is logged here, and elsewhere what is there
            heard(entry)

        self.memory = Memory(self.journal, said, heard)
        self._reporting.go_on(self.memory.standing)
        self.leader = self.journal.leader
        self.replies = Replies(settings.name, settings.notify.base_url or "")
        self._outbox = Outbox(self.journal.place, read_only=True)
        self._faulty = ""
        self._stopped = threading.Event()
        self.doors = doors_of(
            Behind(
                *(settings, version, self.journal, self.memory),
                *(self._releases, self._roster, rules_of(settings), self.clock),
                following=self.following,
                replies=self.replies,
                pulse=self._pulse,
                untold=lambda: self._outbox.untold(channels),
                led=lambda: Led(self.leader, here=False),
                wake=lambda: None,
                unseen=self._unseen,
                slack=slack,
            ),
            known,
        )

    def start(self) -> None:
        """Begin to read on."""
        self.replies.start()
        for what, every in (
            (self._look, _EVERY),
            (self._write, self._settings.readiness_every.total_seconds()),
        ):
            threading.Thread(
                target=self._again, args=(what, every), daemon=True
            ).start()

    def stop(self) -> None:
        """Read on no more; who asked before is still answered."""
        self._stopped.set()
        self.replies.stop()

    def close(self) -> None:
        """Let its connections go; nobody is answered any more."""
        self._outbox.close()
        self.journal.close()

    def _again(self, what: Callable[[], None], every: float) -> None:
        while not self._stopped.is_set():
            try:
                what()
            except JournalLost as problem:
                if not self._stopped.is_set():
                    self._lost(problem)
            self._stopped.wait(every)

    def _look(self) -> None:
        self.memory.catch_up()
        turn = self.memory.last_turn()
        self.clock.turned(turn.at if turn else None)
        self.leader = self.journal.leader
        problem = self._roster.refresh() or self._releases.refresh()
        faulty = str(problem) if problem else ""
        if faulty not in ("", self._faulty):
            # Whoever leads says so of its own files; this is about ours.
            sys.stderr.write(f"{faulty}\n")
        self._faulty = faulty

    def _write(self) -> None:
        with suppress(Problem):
            self._reporting.turn(self.clock.now())

    def _pulse(self) -> Pulse:
        return Pulse(0, 0.0, 0, self.clock.is_fresh(self._settings.poll))

    def _unseen(self, release: Release, _: Record) -> tuple[Record, dict[str, bytes]]:
        raise NotTaken(
            f"{release.version} never ran here, and {self.leader} leads",
            "vouch for it on that node, which looks at what would run",
        )


def is_shared(settings: Settings) -> bool:
    """Tell whether several watchdogs may share the journal."""
    return isinstance(place_of(settings), Server)
