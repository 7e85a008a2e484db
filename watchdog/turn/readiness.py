"""Could it be rolled back right now? What *prepare* would check, looked at only."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from watchdog.decide.approval import lacks_of_people
from watchdog.decide.policy import choose_target
from watchdog.decide.ready import is_due
from watchdog.decide.standby import STANDBY, of_it
from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.event import ReadinessChanged
from watchdog.facts.lack import Lack
from watchdog.facts.pair import Pair, Running
from watchdog.facts.plan import Do, Plan, Wanted
from watchdog.facts.problem import JournalLost, Problem, Unreachable
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release
from watchdog.turn.roles import Doer, Enrolled, Eyes, Holds, Plans, Remembers

# Their end is there only once a rollback began.
_MADE_ANEW = (
    *(Do.CREATE, Do.CONNECT, Do.KEEP_LOGS),
    *(Do.STAGE, Do.WARM, Do.AWAIT),
)


@dataclass(frozen=True, slots=True)
class Checked:
    """Plans what is going to be done: no plan while something is in its way.

    Looked at anew, for what was ready a while ago is no reason to begin. *besides*
    says what lacks that no plan names.
    """

    plans: Plans
    eyes: Eyes
    besides: Callable[[], tuple[Lack, ...]] = tuple

    def plan(self, wanted: Wanted) -> Plan:
        """Plan as the executor does.

        Raises:
            Unreachable: what is there cannot be looked at now.
            Problem: it cannot be done, or the rollback could not mend what lacks.
        """
        plan, target = self.plans.plan(wanted), wanted.target
        seen = (*self.eyes.lacks(target, plan), *self.besides())
        lacks = [lack for lack in seen if not (lack.mendable or lack.doubt)]
        if lacks:
            why = "; ".join(lack.words for lack in lacks)
            raise Problem(
                f"{target.pair.version} cannot be put back now: {why}",
                "; ".join(lack.hint for lack in lacks),
            )
        return plan


@dataclass(frozen=True, slots=True)
class Readiness:
    """Looks at everything that a rollback to the current target would need.

    *roster* tells who could answer; *besides* says what lacks whatever the target is:
    room, a list that must be there.
    *holds* asks of what runs what would prove it.
    """

    eyes: Eyes
    plans: Plans
    hands: Doer
    memory: Remembers
    rules: Rules
    roster: Enrolled
    besides: Callable[[], tuple[Lack, ...]]
    holds: Holds | None = None

    def look(
        self,
        seen: Running,
        release: Release | None,
        looked: datetime | None,
        at: datetime,
    ) -> datetime | None:
        """Look if it is time, and journal a change; give when it was looked last.

        An engine that does not answer is no answer: then the last look grows old.
        """
        standing = self.memory.standing
        target = choose_target(standing, release)
        try:
            if not self._is_time(standing, seen, release, looked, at):
                return looked
            lacks = self._lacks(standing, target, seen, release, at)
            if self.holds is not None:
                lacks += self.holds.lacks(seen, at)
        except JournalLost:
            raise
        except Unreachable:
            return looked
        except Exception as error:  # noqa: BLE001 - what is only told stops no turn
            lacks = (_unlooked(error),)
        well, without = of_it(standing)
        now = _changed(seen, target, (*lacks, *without), well)
        before, flow = standing.readiness, standing.flow("readiness")
        worse = before is None or (before.ready and not now.ready)
        # Of another pair than before, it is another question.
        other = worse or (before and (before.running, before.key)) != (
            now.running,
            now.key,
        )
        if now != before and (other or flow.may_be_better(at)):
            self.memory.add(at, now)
        return at

    def _is_time(
        self,
        standing: Standing,
        seen: Running,
        release: Release | None,
        looked: datetime | None,
        at: datetime,
    ) -> bool:
        if standing.running is None:
            return False
        unsure = self.holds is not None and self.holds.is_unsure
        return (
            unsure
            or is_due(standing, release, looked, self.rules, at)
            or self._has_moved(standing, seen)
            or _standby_moved(standing)
        )

    def _has_moved(self, standing: Standing, seen: Running) -> bool:
        """Tell whether the env file says something else than at the last look.

        An editor or a pipeline may have written it, and the next `up -d` reads it.
        """
        last = standing.readiness.lacks if standing.readiness else ()
        known = {lack for lack in last if lack.pin}
        return set(self.eyes.astray(seen.pair.version)) != known

    def _lacks(
        self,
        standing: Standing,
        target: KnownPair | str,
        seen: Running,
        release: Release | None,
        at: datetime,
    ) -> tuple[Lack, ...]:
        found: list[Lack] = []
        if isinstance(target, str):
            found.append(Lack(target, self._way_to_a_target(standing)))
        try:
            obstacles = self.eyes.obstacles()
            found += [
                Lack(words, "see docs/reference/fidelity.md") for words in obstacles
            ]
            if not isinstance(target, str) and not obstacles:
                found += self._lacks_of(standing, target, seen)
        except (Unreachable, JournalLost):
            raise
        except Problem as problem:
            found.append(Lack(problem.words, problem.hint))
        # The plan met the same, and could not say what it is about.
        astray = self.eyes.astray(seen.pair.version)
        met = {lack.words for lack in astray}
        found = [lack for lack in found if lack.words not in met]
        found += [*astray, *self.besides()]
        if release is not None:
            found += lacks_of_people(release, self.roster.roster, at)
        return tuple(dict.fromkeys(found))

    def _lacks_of(
        self, standing: Standing, target: KnownPair, seen: Running
    ) -> list[Lack]:
        running = standing.running
        if running is None:
            return []
        for pair, sha in ((target.pair, target.record), (running.pair, running.record)):
            missing = self.memory.missing(sha)
            if missing:
                return [Lack(missing, f"deploy {pair.version} again")]
        record = self.memory.record(target.record)
        plan = self.plans.plan(
            Wanted(
                incident="readiness",
                running=self.memory.record(running.record),
                running_sha=running.record,
                target=record,
                target_sha=target.record,
                seen=seen,
            )
        )
        found: list[Lack] = []
        for step in plan.steps[: plan.prepared]:
            if step.do in _MADE_ANEW:
                continue
            try:
                # What is still to do, the rollback would do: no lack by itself.
                self.hands.is_done(plan, record, step)
            except (Unreachable, JournalLost):
                raise
            except Problem as problem:
                found.append(Lack(problem.words, problem.hint))
        return [*found, *self.eyes.lacks(record, plan)]

    def _way_to_a_target(self, standing: Standing) -> str:
        """Say what would make a target of what there is."""
        known, running = standing.running_pair, standing.running
        if known is None or running is None or running.by:
            return "deploy the next release"
        older = [
            k
            for k in standing.pairs.values()
            if k.order < known.order and not k.good and not k.quarantined
        ]
        if older:
            version = max(older, key=lambda k: k.order).pair.version
            return f"vouch for it if you know it: `watchdog releases vouch {version}`"
        version = known.pair.version
        if known.good:
            return f"nothing to do: the next release can go back to {version}"
        return (
            f"the next release can go back to {version} once it ran bake_time measured "
            f"and clear, or you say so: `watchdog releases vouch {version}`"
        )


def _unlooked(error: Exception) -> Lack:
    """Say what kept the look from its end."""
    if isinstance(error, Problem):
        return Lack(error.words, error.hint)
    words = f"it cannot be looked at: {type(error).__name__}: {error}"
    return Lack(words, "mend that; a rollback looks at all of it again")


def _whole(pair: Pair) -> str:
    code = "the images" if pair.images else "the image"
    return f"{code}, the manifests" if pair.manifests else f"{code} (no manifests)"


def _standby_moved(standing: Standing) -> bool:
    """Tell whether the last answer says something else of a standby than is known."""
    well, without = of_it(standing)
    said = standing.readiness
    if said is None or not said.target:
        return False
    known = {lack for lack in said.lacks if lack.about == STANDBY}
    return known != set(without) or (said.ready and well != said.standby)


def _changed(
    seen: Running, target: KnownPair | str, lacks: tuple[Lack, ...], standby: str
) -> ReadinessChanged:
    if isinstance(target, str):
        words = "; ".join(lack.words for lack in lacks)
        return ReadinessChanged(
            seen.pair.key, "", "", ready=False, words=words, lacks=lacks
        )
    version, key = target.pair.version, target.pair.key
    missing = [lack.words for lack in lacks if not lack.doubt]
    doubts = [f"to know: {lack.words}" for lack in lacks if lack.doubt]
    fine = f"{_whole(target.pair)} and all that {version} needs are here"
    more = [standby] if standby else []
    words = "; ".join([*(missing or [fine]), *more, *doubts])
    return ReadinessChanged(
        seen.pair.key,
        version,
        key,
        ready=not missing,
        words=words,
        lacks=lacks,
        standby=standby,
    )
