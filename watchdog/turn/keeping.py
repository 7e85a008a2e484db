"""Holds the images of what must stay restorable, and lets released ones go."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from watchdog.decide.retention import asked_about, beyond, goes_by_itself, retained
from watchdog.decide.standing import KnownPair
from watchdog.facts.event import ImageHeld, ImageLetGo, ImageLost, RetentionReleased
from watchdog.facts.problem import (
    EngineRefused,
    Foreign,
    JournalLost,
    Problem,
    Unreachable,
)
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release
from watchdog.turn.roles import Filed, Keeper, Remembers

# What a registry or the engine says anew each time: ports, times, ids.
_ANEW = re.compile(r"[0-9a-f]{12,}|[0-9]+")


@dataclass(frozen=True, slots=True)
class Keeping:
    """Looks at every retained pair, and journals what became otherwise.

    It turns on its own beside the watch: pulling an image may take minutes. *ours*
    raises a Problem unless this watchdog has the stack.
    """

    keeper: Keeper
    memory: Remembers
    releases: Filed
    rules: Rules
    ours: Callable[[], None]

    def turn(self, at: datetime) -> None:
        """Hold what must be held; an engine that is away is for the watch to say."""
        standing = self.memory.standing
        running = standing.running
        if running is None or standing.rollback or self.rules.observe_only:
            return
        release = self.releases.for_version(running.pair.version)
        try:
            self.ours()
            kept = retained(standing, release, self.rules)
            for known in kept:
                self._hold(known, at)
            self._release(release, at)
            standing = self.memory.standing
            # What was released and is the target by now is wanted again.
            wanted = {known.pair.key for known in kept}
            for key in standing.released:
                if key in standing.images and key not in wanted:
                    self._let_go(standing.pairs[key], at)
        except (Foreign, Unreachable, EngineRefused):
            return

    def _hold(self, known: KnownPair, at: datetime) -> None:
        key, version = known.pair.key, known.pair.version
        now: ImageHeld | ImageLost
        missing = self.memory.missing(known.record)
        try:
            if missing:
                now = ImageLost(key, version, missing, f"deploy {version} again")
            else:
                words, sizes = self.keeper.hold(self.memory.record(known.record))
                size = sum(sizes.values())
                now = ImageHeld(key, version, words, known.pair.image, size)
                if known.pair.images:
                    now = replace(now, sizes=sizes)
        except (Unreachable, JournalLost):
            raise
        except Problem as problem:
            now = ImageLost(key, version, problem.words, problem.hint)
        if self._is_news(now, at):
            self.memory.add(at, now)

    def _is_news(self, now: ImageHeld | ImageLost, at: datetime) -> bool:
        """Tell whether it became otherwise; better is said once it may last."""
        standing = self.memory.standing
        before, flow = standing.images.get(now.key), standing.flow("image", now.key)
        if before is None or now == before:
            return before is None
        if isinstance(now, ImageLost) and isinstance(before, ImageLost):
            same = _ANEW.sub("", now.words) == _ANEW.sub("", before.words)
            return not same and flow.may_be_better(at)
        return isinstance(now, ImageLost) or flow.may_be_better(at)

    def _release(self, release: Release | None, at: datetime) -> None:
        """Release what its DRI agreed to; ask once about what nobody agreed to."""
        standing, file_of = self.memory.standing, self.releases.for_version
        for known in beyond(standing, release, self.rules):
            version = known.pair.version
            words = goes_by_itself(standing, self.rules, known, file_of(version))
            if words:
                self.memory.add(
                    at, RetentionReleased(known.pair.key, version, "", words)
                )
        ask = asked_about(self.memory.standing, release, self.rules, file_of)
        if ask:
            self.memory.add(at, ask)

    def _let_go(self, known: KnownPair, at: datetime) -> None:
        if self.memory.missing(known.record):
            return
        try:
            words = self.keeper.let_go(self.memory.record(known.record))
        except (Unreachable, JournalLost):
            raise
        except Problem:
            return  # at the next look
        self.memory.add(at, ImageLetGo(known.pair.key, known.pair.version, words))
