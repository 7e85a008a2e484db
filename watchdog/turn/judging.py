"""What this turn's verdicts are, and what is worth saying of them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watchdog.decide.policy import choose_target
from watchdog.decide.standing import Standing
from watchdog.decide.steady import is_worse
from watchdog.facts.container import Containers
from watchdog.facts.event import (
    BlindTooLong,
    BreachConfirmed,
    FarEndBack,
    FarEndLost,
    PairQuarantined,
    PromotionPaused,
    ReleaseArmed,
    TriggerUnproven,
    VerdictChanged,
    WouldHaveActed,
)
from watchdog.facts.pair import Running
from watchdog.facts.problem import Problem
from watchdog.facts.reading import Blind, Cause, Reading
from watchdog.facts.rules import Rules
from watchdog.facts.trial import Trial, cure
from watchdog.facts.trigger import Action, Release, Sick, Trigger
from watchdog.facts.verdict import Breached, Verdict, kind_of
from watchdog.judge.breach import judge
from watchdog.judge.sick import tried
from watchdog.turn.roles import Arms, Metrics, Remembers

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_TEN_SECONDS = timedelta(seconds=10)
_NOT_NOW = frozenset({Cause.UNREACHABLE, Cause.TIMEOUT})


@dataclass(frozen=True, slots=True)
class Judging:
    """Judges every trigger of a release, and journals what changed."""

    metrics: Metrics
    arms: Arms
    memory: Remembers
    rules: Rules

    def judged(
        self, seen: Running, release: Release, at: datetime
    ) -> dict[str, Verdict]:
        """Judge every trigger of *release*; empty once its watch is over."""
        running = self.memory.standing.running
        since = running.since if running else seen.since
        over = since + self.memory.standing.stepped + release.watch_for
        if at > over and self.memory.standing.incident is None:
            return {}
        standing = self.memory.standing
        pair_since = standing.pair_since or since
        armed_from = pair_since + self.rules.settle
        shown, asked = self._by_the_engine(seen, release, at)
        verdicts = {
            one.name: judge(one, shown, armed_from)
            for one in release.triggers
            if one not in asked
        }
        server = self.metrics.now() if asked else at
        if isinstance(server, Blind):
            far_end_lost(self.memory, "prometheus", server, at)
            return verdicts | {trigger.name: server for trigger in asked}
        ahead = _ahead(server - at + standing.stepped, self.rules.settle)
        charged_from = armed_from + ahead
        if asked:
            far_end_back(self.memory, "prometheus", at)

        def enough(trigger: Trigger, reading: Reading) -> bool:
            """Tell a breach that is acted on in this turn, whatever the others say."""
            quiet = trigger.observe_only or self.rules.observe_only
            known = trigger.name in standing.breached
            if quiet or known or trigger.action is not Action.ROLLBACK:
                return False
            verdict = judge(trigger, reading, charged_from)
            return isinstance(verdict, Breached) and not verdict.elsewhere

        readings: dict[str, Reading] = {one.name: shown for one in release.triggers}
        readings |= self.metrics.read_all(
            asked,
            server,
            since=pair_since + ahead,
            before_from=standing.before_since,
            # What a rollback put up is not charged: it is not a change by people.
            compare=not seen.rolled_back_by,
            enough=enough,
            replicas=seen.replicas,
            hosts=seen.hosts,
        )
        verdicts |= {
            trigger.name: _by_our_clock(
                judge(trigger, readings[trigger.name], charged_from), ahead
            )
            for trigger in asked
        }
        # Trying takes questions of its own: a breach does not wait for them.
        if not any(enough(one, readings[one.name]) for one in release.triggers):
            self._arm(release, since, server, at, shown)
        return verdicts

    def _by_the_engine(
        self, seen: Running, release: Release, at: datetime
    ) -> tuple[Containers, tuple[Trigger, ...]]:
        """Give what the engine showed, and the triggers that Prometheus is asked for.

        What a rollback put up is compared with nothing: it is no change by people.
        """
        before = () if seen.rolled_back_by else self.memory.standing.sick_before
        asked = tuple(t for t in release.triggers if not isinstance(t.kind, Sick))
        return Containers(at, seen.seen, before), asked

    def _arm(
        self,
        release: Release,
        since: datetime,
        server: datetime,
        at: datetime,
        shown: Containers,
    ) -> None:
        """Try every trigger live until all are proven; say once which are not.

        A release that just started has no series yet: only what is still missing
        after ``blind_for`` is a fault.
        """
        standing, named = self.memory.standing, _name_of(release)
        settled = since + self.rules.settle
        known = standing.armed and standing.tried in ("", named)
        if known or at < settled:
            return
        trials: list[Trial] = []
        answers = True
        for trigger in release.triggers:
            if isinstance(trigger.kind, Sick):
                trials.append(tried(trigger, trigger.kind, shown))
                continue
            trials.append(self.arms.try_out(trigger, server, since))
            verdict = trials[-1].verdict
            if isinstance(verdict, Blind) and verdict.cause in _NOT_NOW:
                answers = False
                break  # nor would it for the others; again in the next turn
        version = standing.running.pair.version if standing.running else ""
        faulty = [trial for trial in trials if not trial.is_proven]
        if not faulty and answers:
            words = f"all {len(trials)} triggers of {version} were tried live"
            doubts = tuple(
                f"{trial.trigger}: {doubt.words}; {doubt.hint}"
                for trial in trials
                for doubt in trial.doubts
            )
            self.memory.add(at, ReleaseArmed(version, words, doubts, named))
        elif at >= settled + self.rules.blind_for:
            for trial in faulty:
                first = trial.faults[0]
                words = f"{first.path}: {first.words}"
                flow = standing.flow("unproven", trial.trigger)
                said = standing.unproven.get(trial.trigger)
                new = said is None or _NUMBER.sub("", said) != _NUMBER.sub("", words)
                if new and (said is None or flow.may_be_better(at)):
                    self.memory.add(
                        at, TriggerUnproven(version, trial.trigger, words, first.hint)
                    )

    def note(
        self, release: Release, verdicts: Mapping[str, Verdict], at: datetime
    ) -> None:
        """Journal each verdict that became another one, and latch each breach."""
        for trigger in release.triggers:
            verdict = verdicts[trigger.name]
            quiet = trigger.observe_only or self.rules.observe_only
            kind = kind_of(verdict)
            cause = str(verdict.cause) if isinstance(verdict, Blind) else ""
            if _worth_saying(self.memory.standing, trigger.name, kind, cause, at):
                changed = VerdictChanged(
                    trigger.name, kind, verdict.words, cause, quiet
                )
                self.memory.add(at, changed)
                if isinstance(verdict, Breached) and quiet:
                    self._would_have(trigger, release, verdict, at)
            if isinstance(verdict, Blind):
                self._tell_blindness(trigger, verdict, at)
            if isinstance(verdict, Breached) and not quiet:
                self._latch(trigger, verdict, at)

    def _would_have(
        self, trigger: Trigger, release: Release, verdict: Breached, at: datetime
    ) -> None:
        """Say what a breach that is only observed would have led to."""
        standing = self.memory.standing
        version = standing.running.pair.version if standing.running else ""
        target = choose_target(standing, release)
        if verdict.elsewhere:
            does = f"paused promotion of {version}: not this release"
        elif trigger.action is not Action.ROLLBACK:
            does = f"paused promotion of {version} and asked {', '.join(release.dri)}"
        elif isinstance(target, str):
            does = f"paused promotion of {version} and refused to roll back: {target}"
        else:
            does = f"rolled {version} back to {target.pair.version}"
        words = f"{trigger.name} would have {does}: {verdict.words}"
        self.memory.add(at, WouldHaveActed(trigger.name, str(trigger.action), words))

    def _tell_blindness(self, trigger: Trigger, verdict: Blind, at: datetime) -> None:
        """Tell ops, once, when a trigger stays blind for ``blind_for``.

        A release that is younger than the window can't have filled it yet; that is
        no fault of anybody.
        """
        standing = self.memory.standing
        seen, running = standing.verdicts[trigger.name], standing.running
        if seen.changed.kind != "blind" or seen.told or running is None:
            return
        if at - seen.since < self.rules.blind_for:
            return
        # The window, a block more for a queue's first floor, and the scrapes that
        # are left out at both ends.
        full = running.since + 2 * self.rules.settle + trigger.window
        full += 2 * trigger.block
        if verdict.cause is Cause.TOO_FEW_SAMPLES and at < full:
            return
        since = f"{seen.since:%H:%M:%S} UTC"
        often = standing.flow("verdict", trigger.name).comes_and_goes
        can = "is measured only now and then" if often else "cannot be measured"
        words = f"{trigger.name} {can} since {since}: {verdict.words}"
        cause, hint = str(verdict.cause), cure(verdict)
        self.memory.add(at, BlindTooLong(trigger.name, cause, words, hint))

    def _latch(self, trigger: Trigger, verdict: Breached, at: datetime) -> None:
        standing = self.memory.standing
        running, incident = standing.running, standing.incident
        if running is None:
            return
        if trigger.name in standing.breached:
            charged = incident.charged if incident else ()
            again = trigger.name in [breach.trigger for breach in charged]
            if again or verdict.elsewhere:
                return
        if incident and incident.rolled_back_at:
            return  # the recovery weighs it
        version = running.pair.version
        name = incident.id if incident else _named(at, self.rules)
        words = f"{trigger.name}: {verdict.words}"
        self.memory.add(
            at,
            BreachConfirmed(
                incident=name,
                trigger=trigger.name,
                action=str(trigger.action),
                key=running.pair.key,
                release=version,
                words=verdict.words,
                value=verdict.value,
                bound=verdict.bound,
                elsewhere=verdict.elsewhere,
                onset=verdict.onset,
            ),
            PromotionPaused(version, words),
            # What came from elsewhere says nothing against the pair.
            *(() if verdict.elsewhere else (PairQuarantined(running.pair.key, words),)),
        )


def _ahead(ahead: timedelta, settle: timedelta) -> timedelta:
    """Give how much later by the server's clock what runs started, where that counts.

    What was scraped before it must not be charged to it. Within *settle* nothing is;
    and by whole seconds of ten, so that it is the same in each turn.
    """
    return -(-ahead // _TEN_SECONDS) * _TEN_SECONDS if ahead > settle else timedelta()


def _by_our_clock(verdict: Verdict, ahead: timedelta) -> Verdict:
    if isinstance(verdict, Breached) and verdict.onset is not None and ahead:
        return replace(verdict, onset=verdict.onset - ahead)
    return verdict


def _named(at: datetime, rules: Rules) -> str:
    """Name an incident as no other is, of another second or another watchdog."""
    whose = f"-{rules.identity[:6]}" if rules.identity else ""
    return f"inc-{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03}{whose}"


def _name_of(release: Release) -> str:
    """Name the triggers of *release*, so that others are known for others."""
    return hashlib.sha256(repr(release.triggers).encode()).hexdigest()[:16]


def _worth_saying(s: Standing, name: str, kind: str, cause: str, at: datetime) -> bool:
    """Tell whether a verdict is another than the one that was said last.

    Worse is said at once, always: what follows from a verdict that was said clear
    holds for as long as none is said that is not.
    """
    before = s.verdicts.get(name)
    if before is None or is_worse(kind, before.changed.kind):
        return True
    same = (before.changed.kind, before.changed.cause) == (kind, cause)
    return not same and s.flow("verdict", name).may_be_better(at)


def far_end_lost(
    memory: Remembers, what: str, problem: Problem | Blind, at: datetime
) -> None:
    """Say once that *what* cannot be reached."""
    if what not in memory.standing.lost:
        memory.add(at, FarEndLost(what, problem.words))


def far_end_back(memory: Remembers, what: str, at: datetime) -> None:
    """Say once that *what* answers again; not at once where it comes and goes."""
    standing = memory.standing
    if what in standing.lost and standing.flow("far end", what).may_be_better(at):
        memory.add(at, FarEndBack(what))
