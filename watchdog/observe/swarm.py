"""The pair that a swarm is told to run, and how far its tasks are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from watchdog.decide import nodes
from watchdog.decide.one_release import apart, shared_version
from watchdog.decide.swarm import left_out
from watchdog.decide.tasks import Serving, serving, up_of
from watchdog.facts.lack import Lack
from watchdog.facts.pair import (
    Found,
    NotKnown,
    Pair,
    Part,
    Record,
    Running,
    Tenants,
    together,
)
from watchdog.facts.plan import Plan
from watchdog.facts.problem import Problem, Unreachable
from watchdog.facts.reference import parse
from watchdog.facts.spec import STACK, mark_of, op_in, put_up_by
from watchdog.observe.mounted import named_by
from watchdog.observe.specs import Recorded
from watchdog.observe.told import (
    Given,
    Service,
    began,
    container_of,
    digest_of,
    files_of,
    identity,
    pinned_of,
    ref_of,
    sha_of,
)
from watchdog.outside.stack_folder import StackFolder
from watchdog.outside.swarm import Swarm


class SwarmStack:
    """One stack of a swarm, seen through a manager.

    *inside* is a manifest's path in a container, with ``{tenant}``; *files* is where
    signatures are that no config holds, below *manifests*. *named* gives the versions
    whose release files name an image of a service.
    """

    def __init__(
        self,
        swarm: Swarm,
        *,
        project: str,
        services: tuple[str, ...],
        inside: str,
        manifests: str,
        files: StackFolder,
        named: Callable[[str, str], tuple[str, ...]] = lambda *_: (),
    ) -> None:
        self._swarm = swarm
        self._project = project
        self._services = services
        self._inside = inside
        self._named = named
        self._given = Given(swarm)
        self._recorded = Recorded(
            swarm, self._given, inside=inside, manifests=manifests, files=files
        )

    # -- what runs ---------------------------------------------------------------

    def running(self, tenants_of: Tenants) -> Running | NotKnown:
        """Read what the swarm is told to run, and whether it does.

        *tenants_of* a version names its manifests. Raises Unreachable when no manager
        answers, or none leads.
        """
        try:
            found = self.found()
            refs = {name: ref_of(one) for name, one in found.items()}
            images = {name: digest_of(name, one) for name, one in found.items()}
            names = {name: self._names(name, ref) for name, ref in refs.items()}
            version = shared_version(refs, images, names)
            if not version:
                return NotKnown(apart(self._project, refs), split=True)
            manifests = self._manifests_of(found, tenants_of(version))
            if isinstance(manifests, NotKnown):
                return manifests
            known = self._swarm.nodes()
            states, tasks = self._states(found, known)
        except Unreachable:
            raise
        except Problem as problem:
            return NotKnown(problem.words)
        first = next(iter(found.values()))
        lost = {id_ for one in states.values() for id_ in one.unseen}
        return Running(
            pair=Pair(version, together(images), manifests),
            containers=tuple(identity(one) for one in found.values()),
            since=max(began(one, tasks[name]) for name, one in found.items()),
            states=tuple(_word(states[name]) for name in found),
            rolled_back_by=put_up_by(first),
            services=tuple(found),
            tasks=tuple((len(states[name].ids), states[name].words) for name in found),
            up=up_of(states.values()),
            unseen=nodes.unseen(known, lost),
            unheard=nodes.unheard(known, [t for each in tasks.values() for t in each]),
        )

    def parts(self, tenants_of: Tenants, *, anyhow: bool = False) -> tuple[Part, ...]:
        """Look at every service that is there, whole pair or not."""
        del anyhow
        found = self._there()
        states, _ = self._states(found, self._swarm.nodes())
        parts: list[Part] = []
        for name, one in found.items():
            names = self._names(name, ref_of(one))
            manifests = self._held_by(one, tenants_of(names[0]))
            parts.append(
                Part(
                    service=name,
                    name=str(one["Spec"]["Name"]),
                    container=identity(one),
                    version=names[0],
                    image_ref=ref_of(one),
                    image=pinned_of(one),
                    state=_word(states[name]),
                    aside=False,
                    manifests=manifests,
                    op=op_in(one["Spec"]),
                    names=names,
                    mark=mark_of(one["Spec"]),
                    was=op_in(one.get("PreviousSpec")),
                )
            )
        return tuple(parts)

    def _held_by(self, one: Service, said: tuple[str, ...] | None) -> tuple[Found, ...]:
        """Look at the manifests that one service is given, as far as they are read."""
        held: list[Found] = []
        for tenant in sorted(self._tenants({"": one}) if said is None else {*said}):
            place = self._inside.format(tenant=tenant)
            try:
                data = self._given.at(one, place)
            except Unreachable:
                raise
            except Problem as problem:
                held.append(Found(tenant, problem.words, ""))
                continue
            if data is not None:
                held.append(Found(tenant, place, sha_of(data)))
        return tuple(held)

    def _there(self) -> dict[str, Service]:
        """Give the services of the stack that are there, in the settings' order."""
        names = {f"{self._project}_{name}": name for name in self._services}
        listed = {
            names[str(one["Spec"]["Name"])]: one
            for one in self._swarm.services(self._project)
            if one["Spec"]["Name"] in names
        }
        return {name: listed[name] for name in self._services if name in listed}

    def found(self) -> dict[str, Service]:
        """Give all of them.

        Raises:
            Problem: one is not there, or another stack's, in words.
        """
        found = self._there()
        for name in self._services:
            whole = f"{self._project}_{name}"
            if name not in found:
                raise Problem(
                    f"the swarm has no service {whole}",
                    "deploy the stack, or mend stack.project and stack.services",
                )
            stack = (found[name]["Spec"].get("Labels") or {}).get(STACK, "")
            if stack != self._project:
                owner = f"belongs to stack {stack}" if stack else "is of no stack"
                raise Problem(
                    f"service {whole} {owner}, meant {self._project}",
                    "give one of the two another name: a service has one",
                )
        return found

    def _names(self, service: str, ref: str) -> tuple[str, ...]:
        named = parse(ref)
        return self._named(service, ref) or (named.version if named else ref,)

    def _states(
        self, found: Mapping[str, Service], known: Sequence[nodes.Node]
    ) -> tuple[dict[str, Serving], dict[str, list[Service]]]:
        """Weigh the tasks of each service, all from one list."""
        tasks, down = self._tasks(found), nodes.down(known)
        states = {
            name: serving(one["Spec"], tasks[name], down, _since(one))
            for name, one in found.items()
        }
        return states, tasks

    def _tasks(self, found: Mapping[str, Service]) -> dict[str, list[Service]]:
        listed = self._swarm.tasks(self._project)
        return {
            name: [task for task in listed if task.get("ServiceID") == one["ID"]]
            for name, one in found.items()
        }

    def told(self, service: str) -> Service:
        """Look at what one service is told.

        Raises:
            Problem: it is not there.
        """
        return self.found()[service]

    def serving(self, service: str) -> tuple[Service, Serving]:
        """Look at one service and its tasks; as for ``told``."""
        one = self.told(service)
        tasks = self._tasks({service: one})[service]
        seen = serving(one["Spec"], tasks, (), _since(one))
        if seen.is_up:
            # Of fewer tasks than are wanted no node that is down makes more.
            down = nodes.down(self._swarm.nodes())
            seen = serving(one["Spec"], tasks, down, _since(one))
        return one, seen

    # -- manifests ---------------------------------------------------------------

    def _manifests_of(
        self, found: Mapping[str, Service], said: tuple[str, ...] | None
    ) -> tuple[tuple[str, str], ...] | NotKnown:
        """Read the manifests that the services are given: (tenant, sha256)."""
        mounted = self._tenants(found) if said is None else {*said}
        manifests: list[tuple[str, str]] = []
        for tenant in sorted(mounted):
            held = {
                name: sha
                for name, one in found.items()
                if (
                    sha := sha_of(
                        self._given.at(one, self._inside.format(tenant=tenant))
                    )
                )
            }
            if len(set(held.values())) > 1:
                shas = ", ".join(f"{name} {sha[:12]}" for name, sha in held.items())
                return NotKnown(
                    f"split: the services of {self._project} are given different "
                    f"manifests of {tenant} ({shas})",
                    split=True,
                )
            if not held:
                return NotKnown(self._nothing_at(found, tenant))
            manifests.append((tenant, next(iter(held.values()))))
        return tuple(manifests)

    def _nothing_at(self, found: Mapping[str, Service], tenant: str) -> str:
        place = self._inside.format(tenant=tenant)
        mounts = [
            mount
            for one in found.values()
            for mount in container_of(one["Spec"]).get("Mounts") or ()
            if place == mount.get("Target") or place.startswith(f"{mount['Target']}/")
        ]
        kind = f"a {mounts[0].get('Type')} mount" if mounts else "nothing"
        return (
            f"{kind} is at {place}, where {tenant}'s manifest belongs: on a swarm only "
            "a config's bytes can be read, so that a manifest must be one"
        )

    def _tenants(self, found: Mapping[str, Service]) -> set[str]:
        named = named_by(self._inside)
        places = (place for one in found.values() for place in files_of(one["Spec"]))
        return {it["tenant"] for place in places if (it := named.fullmatch(place))}

    # -- the record --------------------------------------------------------------

    def record(
        self, running: Running, kept: Mapping[str, str]
    ) -> tuple[Record, dict[str, bytes]]:
        """Record the whole spec of each service, with the bytes of its manifests.

        *kept* maps a tenant to the file name of its immutable manifest. Networks are
        recorded by name: their ids end with the stack.
        """
        found = self.found()
        if tuple(identity(one) for one in found.values()) != running.containers:
            raise Problem("what the swarm is told changed while it was recorded")
        return self._recorded.record(running, found, kept)

    def fitted(self, record: Record) -> dict[str, dict[str, Any]]:
        """Give the recorded specs with today's ids of what they name.

        Raises:
            Problem: something of that is not there any more.
        """
        return self._recorded.fitted(record)

    def specs(self) -> dict[str, Mapping[str, Any]]:
        """Give the specs of all services as they are.

        Raises:
            Problem: they cannot be put back faithfully; nothing may be planned.
        """
        in_the_way = self.obstacles()
        if in_the_way:
            raise Problem(f"this stack cannot be written: {'; '.join(in_the_way)}")
        return {name: one["Spec"] for name, one in self.found().items()}

    # -- what is in the way ------------------------------------------------------

    def obstacles(self) -> tuple[str, ...]:
        """Say why nothing of this stack could be written now."""
        trouble = self._swarm.trouble()
        if trouble:
            return (trouble,)
        try:
            found = self.found()
            for name, one in found.items():
                digest_of(name, one)
        except Unreachable:
            raise
        except Problem as problem:
            return (problem.words,)
        return ()

    def lacks(self, target: Record, plan: Plan) -> tuple[Lack, ...]:
        """Say what *plan* would not find, and what nobody can hold."""
        there = self._there()
        stack = self._swarm.services(self._project)
        return (
            *nodes.lacks(self._swarm.nodes(), plan.writes, self._tasks(there)),
            *left_out(plan.writes, (one["Spec"] for one in stack), self._project),
            Lack(
                f"the image of {target.pair.version} is held by its registry alone: a "
                "node that has it not must pull it",
                "keep the digests of retained versions in the registry",
                doubt=True,
            ),
        )

    def astray(self, version: str) -> tuple[Lack, ...]:
        """Give nothing: no file says what the swarm is told."""
        del version
        return ()

    def agrees(self, plan: Plan, target: Record) -> str:
        """Say which services are not just as *target* recorded them, or nothing."""
        del target
        found = self._there()
        unlike = [
            one.name
            for one in plan.writes
            if one.service not in found
            or mark_of(found[one.service]["Spec"]) != mark_of(one.home)
        ]
        return f"{', '.join(unlike)} is not told what was recorded" if unlike else ""


def _word(one: Serving) -> str:
    # While the old ones end both serve: that is no whole pair yet.
    return "created" if one.state == "up" else one.state


def _since(one: Service) -> str:
    """Say when the swarm began to bring about what the service is told now."""
    return str((one.get("UpdateStatus") or {}).get("StartedAt") or "")
