"""A manager of a Docker Swarm: what the swarm is to run, and what runs.

Source: Docker Engine API 1.41 and later. Two answers of a manager are told by their
words only: that a write met another spec than it was made for ("out of sequence"),
and that there is no leader.
"""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import requests

from watchdog.facts.problem import EngineRefused, Stale, Unreachable
from watchdog.facts.spec import STACK
from watchdog.outside.engine import Engine
from watchdog.outside.logins import login_for

T = TypeVar("T")
_MANAGER = "look at `docker node ls` on a manager; the swarm is asked there, see docs"
# Whoever says so did or did not do it: nobody knows yet.
_NO_LEADER = ("does not have a leader", "lost leader", "DeadlineExceeded", "deadline")
# While a new leader is found, some 11 s, who asked another manager hangs for 20 s, and
# who asks it anew after that is answered at once: so short, and again.
_ASKED = 4


class Swarm(Engine):
    """The swarm, by the manager behind one socket.

    A look that is not answered in time is taken again; a write never is.

    Every call raises Unreachable when it did not answer or has no leader,
    EngineRefused when it said no, of which Stale is one: somebody wrote before us.
    """

    def _call(self, what: str, ask: Callable[[Any], T]) -> T:
        try:
            return super()._call(what, ask)
        except Unreachable as problem:
            if "swarm manager" not in problem.words:
                raise
            raise EngineRefused(
                f"the engine at {self._url} is no manager of a swarm: it cannot {what}",
                "name a manager's socket as `engine.url`, see "
                "docs/how-to/roll-back-a-swarm.md",
            ) from problem
        except EngineRefused as problem:
            if "out of sequence" in problem.words:
                raise Stale(problem.words, "look again: somebody wrote it") from problem
            if any(words in problem.words for words in _NO_LEADER):
                raise Unreachable(
                    f"the swarm has no leader: it did not {what}: {problem.words}",
                    "more than half of its managers must be up: `docker node ls`",
                ) from problem
            raise

    # -- looking -----------------------------------------------------------------

    def trouble(self) -> str:
        """Say why this engine could not be asked for its swarm; nothing if it can."""
        info = self._again(lambda: self._call("tell of the swarm", lambda c: c.info()))
        swarm = info.get("Swarm") or {}
        if swarm.get("LocalNodeState") != "active":
            state = swarm.get("LocalNodeState") or "inactive"
            return f"the engine at {self._url} is in no swarm ({state})"
        if not swarm.get("ControlAvailable"):
            return f"the engine at {self._url} is a worker of its swarm, no manager"
        # It says that it can, too, where there is no leader.
        return str(swarm.get("Error") or "").partition(". ")[0]

    def services(self, stack: str) -> list[dict[str, Any]]:
        """List what was deployed as *stack*, and what merely has a name of its kind."""
        found = self._get("list services", "/services")
        return [one for one in found if _name(one).startswith(f"{stack}_")]

    def labelled(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """List the services that carry all of *labels*."""
        wanted = [f"{key}={value}" for key, value in labels.items()]
        return self._get("list services", "/services", label=wanted)

    def service(self, name: str) -> dict[str, Any] | None:
        """Inspect one service; None when there is none of that name or id."""
        return self._shown(f"inspect service {name}", _asks("/services/{0}", name))

    def tasks(self, stack: str) -> list[dict[str, Any]]:
        """List the tasks of what was deployed as *stack*, with those that ended lately.

        By the stack, for who asks by a service that is gone is told of no other.
        """
        return self._get("list tasks", "/tasks", label=[f"{STACK}={stack}"])

    def nodes(self) -> list[dict[str, Any]]:
        """List the nodes."""
        return self._get("list nodes", "/nodes")

    def configs(self) -> list[dict[str, Any]]:
        """List the configs."""
        return self._get("list configs", "/configs")

    def config(self, id_: str) -> dict[str, Any] | None:
        """Inspect one config, its data with it; None when it is gone."""
        return self._shown(f"inspect config {id_}", _asks("/configs/{0}", id_))

    def secrets(self) -> list[dict[str, Any]]:
        """List the secrets; what is in them nobody is told."""
        return self._get("list secrets", "/secrets")

    def network(self, name: str) -> dict[str, Any] | None:
        """Inspect one of the swarm's networks, whatever its nodes have of that name.

        `host` and `bridge` are among them, by ids that are no engine's.
        """
        what = f"inspect network {name}"
        return self._shown(what, lambda c: c.inspect_network(name, scope="swarm"))

    def in_registry(self, ref: str) -> str:
        """Ask its registry for *ref*, ``name@digest``; give the digest that it has.

        Raises:
            EngineRefused: it has it not, or did not say so in time.
            Unreachable: the manager does not answer either.
        """
        what = f"ask the registry for {ref}"
        hint = "is the registry up, and does it still hold this digest?"
        login = login_for(ref)
        asks = _asks("/distribution/{0}/json", ref, headers=dict(login.headers))
        try:
            found = super()._shown(what, asks)
        except EngineRefused as problem:
            raise EngineRefused(
                problem.words, login.hint(problem.words, hint)
            ) from problem
        except Unreachable as problem:
            if isinstance(problem.__cause__, requests.Timeout):
                raise EngineRefused(
                    f"the registry did not answer for {ref} in time", hint
                ) from problem
            raise
        if found is None:
            raise EngineRefused(f"the registry has no {ref}", hint)
        return str((found.get("Descriptor") or {}).get("digest") or "")

    def _get(self, what: str, path: str, **wanted: list[str]) -> list[dict[str, Any]]:
        def ask(client: Any) -> list[dict[str, Any]]:
            how = {"filters": json.dumps(wanted)} if wanted else {}
            url = client._url(path)
            return list(client._result(client._get(url, params=how), json=True) or ())

        return self._again(lambda: self._found(what, ask))

    def _shown(
        self, what: str, ask: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any] | None:
        looks = super()._shown
        return self._again(lambda: looks(what, ask))

    def _again(self, look: Callable[[], T]) -> T:
        for _ in range(_ASKED - 1):
            try:
                return look()
            except Unreachable as problem:
                if not isinstance(problem.__cause__, requests.Timeout):
                    raise
        return look()

    # -- acting ------------------------------------------------------------------

    def write(self, service: str, version: int, spec: Mapping[str, Any]) -> None:
        """Have *service* be as *spec* says, unless somebody wrote it after *version*.

        Our login goes with it, for nodes that have the image not; where we have none,
        the swarm keeps the one of whoever wrote the service before.

        Raises:
            Stale: somebody did, or the swarm itself noted something there.
        """
        path = f"/services/{service}/update"
        container = (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
        sent = login_for(str(container.get("Image") or "")).headers
        self._post(f"write service {service}", path, spec, sent, version=version)

    def create_service(self, spec: Mapping[str, Any]) -> None:
        """Create a service."""
        self._post(f"create service {spec.get('Name')}", "/services/create", spec)

    def remove_service(self, id_: str) -> None:
        """Remove a service; fine when it is gone."""
        self._is_gone(f"remove service {id_}", lambda c: c.remove_service(id_))

    def create_config(self, name: str, data: bytes, labels: Mapping[str, str]) -> None:
        """Create a config; of any number of that name at one time, one is made."""
        text = base64.b64encode(data).decode()
        body = {"Name": name, "Data": text, "Labels": dict(labels)}
        self._post(f"create config {name}", "/configs/create", body)

    def label_config(self, found: Mapping[str, Any], labels: Mapping[str, str]) -> None:
        """Give the config *found* other labels, which is all that may change of it.

        Raises:
            Stale: somebody did meanwhile.
        """
        body = {**found["Spec"], "Labels": dict(labels)}
        what = f"label config {found['Spec'].get('Name')}"
        path, version = f"/configs/{found['ID']}/update", found["Version"]["Index"]
        self._post(what, path, body, version=int(version))

    def remove_config(self, id_: str) -> None:
        """Remove a config that nothing uses; fine when it is gone."""
        self._is_gone(f"remove config {id_}", lambda c: c.remove_config(id_))

    def _post(
        self,
        what: str,
        path: str,
        body: Mapping[str, Any],
        sent: Mapping[str, str] | None = None,
        **how: int,
    ) -> None:
        more = dict(sent or {})

        def ask(client: Any) -> None:
            url = client._url(path)
            done = client._post_json(url, data=dict(body), params=how, headers=more)
            client._raise_for_status(done)

        self._found(what, ask)


def data_of(config: Mapping[str, Any]) -> bytes:
    """Give the bytes of a config that was inspected."""
    return base64.b64decode(config["Spec"].get("Data") or "")


def _name(service: Mapping[str, Any]) -> str:
    return str((service.get("Spec") or {}).get("Name") or "")


def _asks(
    path: str, what: str, **more: dict[str, str]
) -> Callable[[Any], dict[str, Any]]:
    def ask(client: Any) -> dict[str, Any]:
        answer = client._get(client._url(path, what), **more)
        return dict(client._result(answer, json=True))

    return ask
