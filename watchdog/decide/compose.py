"""A rollback spelled out for Compose: it makes the containers, we make it whole."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from watchdog.decide.plan import files_of, kind_of, op_of
from watchdog.facts.pair import Record, Running
from watchdog.facts.plan import (
    Do,
    FileSwap,
    Plan,
    Step,
    Swap,
    Wanted,
    Which,
    bar,
    holds_of,
    in_words,
    pins_of,
    proof_of,
)
from watchdog.facts.problem import Problem


@dataclass(frozen=True, slots=True)
class Recreate:
    """Plans for Compose: the version is pinned, and one ``up`` brings all services.

    *obstacles* say why Compose could not; *joined* names the services that live in
    the namespaces or volumes of the given containers, or are restarted with them,
    and must come up anew with them; *pinned* gives what the env file says of the
    variables of a record, or of the settings' one where it has none; *again* names the
    jobs that a rollback to a version may run again.
    """

    obstacles: Callable[[], tuple[str, ...]]
    joined: Callable[[tuple[str, ...]], tuple[str, ...]]
    pinned: Callable[[Mapping[str, str]], Mapping[str, str]]
    stop_within: timedelta
    again: Callable[[str], Collection[str]] = lambda _: ()

    def plan(self, wanted: Wanted) -> Plan:
        """Spell it out for what runs now; the target needs no recorded containers.

        Compose starts whatever the files name when it runs, so that the order is
        the one of a replay: the version is pinned before, and a shared manifest is
        swapped only while nothing runs and no ``up`` could start anything.
        """
        in_the_way = self.obstacles()
        if in_the_way:
            raise Problem(
                f"Compose could not put this stack up: {'; '.join(in_the_way)}",
                "see docs/how-to/choose-an-executor.md",
            )
        running, target, seen = wanted.running, wanted.target, wanted.seen
        again = self.again(target.pair.version)
        if again:
            raise Problem(
                f"the release file of {target.pair.version} says that "
                f"{' and '.join(again)} may be run again, and `executor: compose` "
                "leaves jobs as they are",
                "write `once` there, or take `executor: engine`",
            )
        # An earlier build recorded jobs among the others.
        jobs = {job.service for job in seen.jobs}
        serving = tuple(r for r in running.replicas if r.service not in jobs)
        running = replace(running, replicas=serving)
        if len(running.replicas) != len(seen.containers):
            raise Problem("other containers run than were recorded; see at the next")
        swaps = self._swaps(running, seen)
        files = files_of(running, target)
        counts = Counter(replica.service for replica in running.replicas)
        subject = " ".join(
            [
                *(f"{s}={n}" if n > 1 else s for s, n in counts.items()),
                *self.joined(seen.containers),
            ]
        )
        pinned, after = self.pinned(target.pins), target.pair.version
        pins = pins_of(target, pinned)
        prepare = [
            *holds_of(target),
            *(Step(Do.HOLD_MANIFEST, m.tenant, to=m.sha256) for m in target.manifests),
            # Compose removes the containers, and their logs go with them.
            *(Step(Do.KEEP_LOGS, service, Which.OLD) for service in counts),
        ]
        quiet = _restarts(swaps, "no")
        pin = Step(Do.PIN, "variable", to=in_words(pins))
        up = Step(Do.UP, subject, Which.NEW, to=after)
        middle = [pin, up]
        if files:
            middle = [bar(after), *quiet]
            middle += [Step(Do.STOP, service, Which.OLD) for service in counts]
            middle += [Step(Do.SWAP_MANIFEST, f.tenant, to=f.after) for f in files]
            # What Compose took for unchanged it only started again.
            middle += [pin, up, *_restarts(swaps)]
        return Plan(
            op=op_of(wanted.incident, *seen.containers),
            kind=kind_of(running, target),
            from_record=wanted.running_sha,
            to_record=wanted.target_sha,
            swaps=swaps,
            files=files,
            variable_before=in_words(pinned),
            variable_after=in_words(pins),
            steps=(
                *prepare,
                *middle,
                proof_of(target.pair, Which.NEW),
            ),
            prepared=len(prepare),
            way_back=_way_back(swaps, files, running, in_words(pinned), subject),
            pins_before=dict(pinned),
            pins_after=pins,
        )

    def _swaps(self, running: Record, seen: Running) -> tuple[Swap, ...]:
        pairs = zip(running.replicas, seen.containers, strict=True)
        return tuple(
            Swap(
                service=replica.service,
                name=replica.name,
                old_id=id_,
                old_restart=replica.body["HostConfig"].get("RestartPolicy") or {},
                stop_within=self.stop_within,
                new={},
                networks={},
            )
            for replica, id_ in pairs
        )


def _way_back(
    swaps: tuple[Swap, ...],
    files: tuple[FileSwap, ...],
    running: Record,
    pinned: str,
    subject: str,
) -> tuple[Step, ...]:
    """Spell the previous pair's return out; valid after any part of the way forward."""
    pin = Step(Do.PIN, "variable", to=pinned)
    services = dict.fromkeys(s.service for s in swaps)
    first = [pin]
    if files:
        first = [bar(running.pair.version)]
        first += [Step(Do.STOP, s, w) for w in (Which.NEW, Which.OLD) for s in services]
        first += [Step(Do.SWAP_MANIFEST, f.tenant, to=f.before) for f in files]
        first += [pin, *_restarts(swaps)]
    return (
        *first,
        *(Step(Do.KEEP_LOGS, service, Which.NEW) for service in services),
        Step(Do.UP, subject, Which.OLD, to=running.pair.version),
        proof_of(running.pair, Which.OLD),
    )


def _restarts(swaps: tuple[Swap, ...], to: str = "") -> list[Step]:
    """Keep the engine from starting what was stopped; or as it was, without *to*."""
    names = {s.service: str(s.old_restart.get("Name")) for s in swaps}
    return [
        Step(Do.SET_RESTART, service, Which.OLD, to=to or name)
        for service, name in names.items()
        if name in ("always", "on-failure")
    ]
