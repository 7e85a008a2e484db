"""A rollback spelled out for a git work tree: stop, check out, start."""

from collections.abc import Callable
from dataclasses import dataclass

from watchdog.decide.plan import files_of, kind_of, op_of
from watchdog.facts.plan import Do, Plan, Step, Wanted, Which
from watchdog.facts.problem import Problem

SERVICE = "service"


@dataclass(frozen=True, slots=True)
class CheckOut:
    """Plans for a work tree; *branch* gives the one that is checked out, or nothing."""

    branch: Callable[[], str]

    def plan(self, wanted: Wanted) -> Plan:
        """Spell it out for what is checked out now.

        Nothing runs while the tree changes: a program may read it at any time.
        """
        running, target, seen = wanted.running, wanted.target, wanted.seen
        before, after = running.pair.image, target.pair.image
        if not after.startswith("commit:"):
            raise Problem(
                f"{target.pair.version} was recorded by another executor",
                "check it out by hand; tags that are seen from now on can be targets",
            )
        files = files_of(running, target)
        version = target.pair.version
        prepare = (
            Step(Do.HOLD_COMMIT, version, to=_id(after)),
            *(Step(Do.HOLD_MANIFEST, m.tenant, to=m.sha256) for m in target.manifests),
        )
        return Plan(
            op=op_of(wanted.incident, seen.since.isoformat(), *seen.containers),
            kind=kind_of(running, target),
            from_record=wanted.running_sha,
            to_record=wanted.target_sha,
            swaps=(),
            files=files,
            variable_before=self.branch(),
            variable_after="",
            steps=(
                *prepare,
                Step(Do.STOP, SERVICE, Which.OLD),
                Step(Do.CHECK_OUT, version, Which.NEW, to=_id(after)),
                # What git holds came with the commit, and is looked at only.
                *(Step(Do.SWAP_MANIFEST, f.tenant, to=f.after) for f in files),
                Step(Do.START, SERVICE, Which.NEW),
                Step(Do.PROVE, version, Which.NEW, to=_id(after)),
            ),
            prepared=len(prepare),
            way_back=(
                Step(Do.STOP, SERVICE, Which.NEW),
                Step(Do.CHECK_OUT, running.pair.version, Which.OLD, to=_id(before)),
                *(Step(Do.SWAP_MANIFEST, f.tenant, to=f.before) for f in files),
                Step(Do.START, SERVICE, Which.OLD),
                Step(Do.PROVE, running.pair.version, Which.OLD, to=_id(before)),
            ),
        )


def _id(image: str) -> str:
    return image.removeprefix("commit:")
