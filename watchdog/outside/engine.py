"""The Docker Engine, opened twice: once to look, once to act.

Source: Docker Engine API 1.41 and later, the highest that the engine speaks.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, TypeVar

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException, NotFound

from watchdog.facts.plan import AT_ONCE
from watchdog.facts.problem import EngineRefused, Unreachable
from watchdog.outside.innermost import innermost
from watchdog.outside.logins import login_for, unreadable
from watchdog.outside.output import printed, read_until, told
from watchdog.outside.sdk import Client, LookOnly

T = TypeVar("T")
_GATEWAY = (502, 503, 504)
_IN_ONE_CREATE = (1, 44)  # from here on all networks go into the create call
_MAC_OF_NETWORK = (1, 52)  # from here on a container has none of its own
_MOST_OUTPUT = 64 * 1024  # bytes of what a command printed; more is not read


class Engine:
    """One socket to the engine, opened when first needed and again after a loss.

    Every call raises Unreachable when the engine did not answer (what it did with
    the request is then unknown), EngineRefused when it said no.
    """

    def __init__(
        self,
        url: str,
        timeout: timedelta,
        *,
        to_act: bool = False,
        pull_within: timedelta = timedelta(minutes=5),
        may: Callable[[], None] = lambda: None,
    ) -> None:
        """*timeout* is one call's; *pull_within* a pull's, and its longest silence.

        *may* raises, right before anything is changed, where that must not be.
        """
        self._url = url
        self._timeout = timeout.total_seconds()
        self._pull_within = pull_within.total_seconds()
        self._may = may
        self._kind: type[Client] = Client if to_act else LookOnly
        self._client: Client | None = None
        self._opening = threading.Lock()  # calls are made side by side

    def close(self) -> None:
        """Let the socket go."""
        with self._opening:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _opened(self) -> Client:
        with self._opening:
            if self._client is None:
                # The constructor asks for the version: the engine may be upgraded
                # between two connections, so it is negotiated every time.
                if why := unreadable():  # it would crash of it
                    raise EngineRefused(why, "mend it, or set DOCKER_CONFIG")
                self._client = self._kind(
                    base_url=self._url,
                    version="auto",
                    timeout=self._timeout,
                    max_pool_size=AT_ONCE,
                )
                self._client.keep_few_open()
                self._client.patience = self._pull_within
                self._client.may = self._may
            return self._client

    def _call(self, what: str, ask: Callable[[APIClient], T]) -> T:
        try:
            return ask(self._opened())
        except NotFound:
            raise
        except APIError as error:
            if error.status_code in _GATEWAY:
                # A proxy before the socket said so; the engine may have done it.
                raise Unreachable(
                    f"the engine behind {self._url} did not answer to {what}: {error}",
                    "check the socket proxy, and the engine behind it",
                ) from error
            raise EngineRefused(
                f"the engine refused to {what}: {error.explanation or error}",
                "look at the engine's log; the answer's words are Docker's own",
            ) from error
        except (DockerException, requests.RequestException, OSError) as error:
            self.close()
            why = innermost(error, str(error))
            raise Unreachable(
                f"the engine at {self._url} did not answer to {what}: {why}",
                "check that it runs and that this user may open its socket",
            ) from error

    # -- looking ---------------------------------------------------------------

    def containers(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """List containers in any state that carry all of *labels*."""
        wanted = {"label": [f"{key}={value}" for key, value in labels.items()]}
        what = "list containers"
        found = self._call(what, lambda c: list(c.containers(all=True, filters=wanted)))
        for one in found:
            # One that is just being removed has no name any more.
            one["Names"] = one.get("Names") or [f"/{str(one['Id'])[:12]}"]
        return found

    def api(self) -> tuple[int, int]:
        """Give the version of its API that was agreed on."""
        return self._call("ask its version", _api_of)

    def version(self) -> Mapping[str, Any]:
        """Give what the engine says of itself; nothing where a proxy keeps that."""
        try:
            # Without a version in the path: a proxy lets that through.
            said = self._call("ask its version", lambda c: c.version(api_version=False))
        except EngineRefused:
            return {}
        return dict(said)

    def podman(self) -> str:
        """Give the version of Podman, where it is one; empty for Docker's engine."""
        parts = self.version().get("Components") or ()
        found = [one for one in parts if "podman" in str(one.get("Name")).lower()]
        return str(found[0].get("Version") or "?") if found else ""

    def container(self, id_or_name: str) -> dict[str, Any] | None:
        """Inspect one container; None when there is none of that id or name."""
        what = f"inspect {id_or_name[:40]}"
        return self._shown(what, lambda c: c.inspect_container(id_or_name))

    def each(self, ids: Sequence[str]) -> list[dict[str, Any] | EngineRefused | None]:
        """Inspect several containers side by side; give how each was refused."""

        def one(id_: str) -> dict[str, Any] | EngineRefused | None:
            try:
                return self.container(id_)
            except EngineRefused as refused:
                return refused

        with ThreadPoolExecutor(AT_ONCE, "looking") as pool:
            return list(pool.map(one, ids))

    def image(self, ref: str) -> dict[str, Any] | None:
        """Inspect one image; None when the engine does not hold it."""
        return self._shown(f"inspect image {ref}", lambda c: c.inspect_image(ref))

    def network(self, name: str) -> dict[str, Any] | None:
        """Inspect one network; None when there is none of that name."""
        return self._shown(f"inspect network {name}", lambda c: c.inspect_network(name))

    def volume(self, name: str) -> dict[str, Any] | None:
        """Inspect one volume; None when there is none of that name."""
        return self._shown(f"inspect volume {name}", lambda c: c.inspect_volume(name))

    def _shown(
        self, what: str, ask: Callable[[APIClient], dict[str, Any]]
    ) -> dict[str, Any] | None:
        try:
            return dict(self._call(what, ask))
        except NotFound:
            return None

    def logs(self, container: str, lines: int = 50) -> str:
        """Give the last lines of what *container* printed, both streams as one.

        They are only told, so that neither a driver that hangs nor lines without
        an end may hold up what is done: what came in time is given.
        """
        wanted = {"stdout": 1, "stderr": 1, "tail": lines}

        def ask(client: Client) -> str:
            url = client._url("/containers/{0}/logs", container)
            return printed(client.came(url, wanted))

        try:
            return self._call(f"read the logs of {container[:12]}", ask)
        except NotFound:
            return ""

    def events(self, until: datetime) -> list[dict[str, Any]]:
        """Give what the engine remembers to have happened up to *until*, in order.

        It remembers the last 256 events; where *until* is not over, it is waited for.
        """

        def ask(client: APIClient) -> list[dict[str, Any]]:
            wanted = {"since": 1, "until": f"{until.timestamp():.6f}"}
            return told(client.came(client._url("/events"), wanted))

        return self._found("tell what happened", ask)

    # -- acting ----------------------------------------------------------------

    def prepare(self, container: str, argv: Sequence[str]) -> str:
        """Make ready to run *argv* in a container that runs; return its name."""
        return self._found(
            f"prepare a command in {container[:12]}",
            lambda c: str(c.exec_create(container, list(argv))["Id"]),
        )

    def run(self, prepared: str, within: timedelta) -> str:
        """Run what was *prepared*; give what it printed first, both streams as one.

        Past *within* it is left to itself, and what it printed until then is given.
        """

        def ask(client: APIClient) -> str:
            # The SDK's own method waits for output for ever.
            url = client._url("/exec/{0}/start", prepared)
            seconds = within.total_seconds()
            how = {"Detach": False, "Tty": False}
            response = client._post_json(url, data=how, stream=True, timeout=seconds)
            client._raise_for_status(response)
            last = time.monotonic() + seconds
            try:
                # Its time may be over; whether it ended is asked next.
                return printed(read_until(response.raw, last, _MOST_OUTPUT))
            finally:
                response.close()

        return self._found("run a command", ask)

    def exit_code(self, prepared: str) -> int | None:
        """Give what a command exited with; None while it runs."""
        found = self._found("look at a command", lambda c: c.exec_inspect(prepared))
        return None if found["ExitCode"] is None else int(found["ExitCode"])

    def pull(self, repository: str, digest: str) -> None:
        """Pull by digest. An error in the stream is an error, whatever the status.

        Past its time it is cut off, which the engine takes as the end of it.
        """
        what = f"pull {repository}@{digest}"
        hint = "is the registry up, and does it still hold this digest?"
        last = time.monotonic() + self._pull_within
        late = EngineRefused(f"{what} took over {self._pull_within:g} s", hint)
        login = login_for(repository)

        def ask(client: APIClient) -> None:
            # The SDK's own method keeps the answer, which is to be cut off, to itself.
            response = client._post(
                client._url("/images/create"),
                params={"tag": digest, "fromImage": repository},
                headers=dict(login.headers),
                stream=True,
                timeout=None,
            )
            try:
                client._raise_for_status(response)
                for line in client._stream_helper(response, decode=True):
                    if "error" in line:
                        said = f"{what}: {line['error']}"
                        raise EngineRefused(said, login.hint(said, hint))
                    if time.monotonic() > last:
                        raise late
            finally:
                response.close()  # or the engine goes on with what nobody reads

        try:
            self._found(what, ask)
        except urllib3.exceptions.HTTPError as error:
            raise late from error
        except Unreachable as error:
            if isinstance(error.__cause__, requests.Timeout):
                raise late from error
            raise

    def tag(self, image: str, repository: str, tag: str) -> None:
        """Give *image* one more name."""
        self._found(f"tag {image[:19]}", lambda c: c.tag(image, repository, tag))

    def untag(self, ref: str) -> None:
        """Take one name of an image away; with the last one the image would go."""
        self._found(
            f"untag {ref}", lambda c: c.remove_image(ref, force=False, noprune=True)
        )

    def create(
        self,
        name: str,
        body: Mapping[str, Any],
        networks: Mapping[str, Mapping[str, Any]],
    ) -> str:
        """Create a container; return its id. Older engines take one network here."""

        def ask(client: APIClient) -> str:
            whole = dict(body)
            ends = {name: dict(end) for name, end in networks.items()}
            first = next(iter(ends), "")
            if _api_of(client) < _IN_ONE_CREATE:
                ends = {name: ends[name] for name in [first] if name}
            if _api_of(client) >= _MAC_OF_NETWORK and "MacAddress" in whole:
                # A record may be older than the engine.
                ends.get(first, {})["MacAddress"] = whole.pop("MacAddress")
            whole["NetworkingConfig"] = {"EndpointsConfig": ends}
            return str(client.create_container_from_config(whole, name)["Id"])

        return self._found(f"create {name}", ask)

    def connect(
        self, container: str, network: str, endpoint: Mapping[str, Any]
    ) -> None:
        """Put *container* on one more network."""
        body = {"Container": container, "EndpointConfig": dict(endpoint)}

        def ask(client: APIClient) -> None:
            # The SDK's own method rebuilds the endpoint and drops keys.
            url = client._url("/networks/{0}/connect", network)
            client._raise_for_status(client._post_json(url, data=body))

        self._found(f"connect {container[:12]} to {network}", ask)

    def disconnect(self, container: str, network: str) -> None:
        """Take *container* off a network, whether it runs or not."""
        self._found(
            f"disconnect {container[:12]} from {network}",
            lambda c: c.disconnect_container_from_network(
                container, network, force=True
            ),
        )

    def create_network(
        self,
        name: str,
        labels: Mapping[str, str],
        like: Mapping[str, Any] | None = None,
    ) -> None:
        """Create a network that leads nowhere, or one *like* another was."""
        more = {"driver": "bridge", "internal": True, **(like or {})}
        more |= {"check_duplicate": True, "labels": dict(labels)}
        self._found(f"create network {name}", lambda c: c.create_network(name, **more))

    def remove_network(self, name: str) -> None:
        """Remove a network that nobody is on; fine when it is gone."""
        self._is_gone(f"remove network {name}", lambda c: c.remove_network(name))

    def set_restart(self, container: str, policy: Mapping[str, Any]) -> None:
        """Change the restart policy of a container that exists."""
        self._found(
            f"set the restart policy of {container[:12]}",
            lambda c: c.update_container(container, restart_policy=dict(policy)),
        )

    def stop(self, container: str, within: timedelta) -> None:
        """Stop, and kill after *within*; fine when it does not run."""
        seconds = math.ceil(within.total_seconds())  # 0 is to kill at once
        self._found(
            f"stop {container[:12]}", lambda c: c.stop(container, timeout=seconds)
        )

    def rename(self, container: str, name: str) -> None:
        """Give *container* another name."""
        self._found(
            f"rename {container[:12]} to {name}", lambda c: c.rename(container, name)
        )

    def start(self, container: str) -> None:
        """Start; fine when it runs."""
        self._found(f"start {container[:12]}", lambda c: c.start(container))

    def remove(self, container: str) -> None:
        """Remove a container, never its volumes; fine when it is gone."""
        self._is_gone(
            f"remove {container[:12]}",
            lambda c: c.remove_container(container, v=False, force=False),
        )

    def _is_gone(self, what: str, ask: Callable[[APIClient], None]) -> None:
        with contextlib.suppress(NotFound):
            self._call(what, ask)

    def _found(self, what: str, ask: Callable[[APIClient], T]) -> T:
        try:
            return self._call(what, ask)
        except NotFound as missing:
            raise EngineRefused(
                f"the engine refused to {what}: {missing.explanation or missing}",
                "it was there when the plan was made; somebody removed it",
            ) from missing


def _api_of(client: APIClient) -> tuple[int, int]:
    major, minor = str(client.api_version).split(".")
    return int(major), int(minor)
