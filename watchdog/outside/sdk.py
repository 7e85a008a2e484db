"""Docker's own client: no proxy, an end to every call, and few connections."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from docker import APIClient
from docker.transport import UnixHTTPAdapter

from watchdog.facts.plan import AT_ONCE
from watchdog.facts.problem import WriteRefused
from watchdog.outside.output import read_until

LOOKS = ("GET", "HEAD")
_MOST = 1024 * 1024  # bytes; of more than that these are the first, not the last
_WITHIN = 5.0  # s; what a container printed is no reason to wait
_SOCKET = "http+docker://"  # how the SDK calls the engine's socket


class Client(APIClient):  # type: ignore[misc] # the SDK has no types
    """A client in which no call waits for ever: the SDK gives a pull all the time.

    It asks the engine itself: a proxy that the environment names (the Docker CLI
    writes its own into every container that it makes) would be handed create bodies,
    with the stack's passwords in them.
    """

    patience: float
    may: Callable[[], None] = staticmethod(lambda: None)

    def keep_few_open(self) -> None:
        """Ask all questions over a few connections, whatever each is about."""
        theirs = self.adapters.get(_SOCKET)
        if isinstance(theirs, UnixHTTPAdapter):
            theirs.close()
            ours = _OneSocket(theirs.socket_path, self.timeout, 1, AT_ONCE)
            self.mount(_SOCKET, ours)

    def came(self, url: str, wanted: Mapping[str, Any]) -> bytes:
        """Read of an answer that may have no end what came in time."""
        last = time.monotonic() + _WITHIN
        response = self._get(url, params=wanted, stream=True, timeout=_WITHIN)
        try:
            self._raise_for_status(response)
            return read_until(response.raw, last, _MOST)
        finally:
            response.close()

    def request(
        self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any
    ) -> Any:
        """Ask, by no proxy, and not for ever; what changes something, if it *may*."""
        if method not in LOOKS:
            self.may()
        self.trust_env = False  # before each: the constructor asks for the version
        if kwargs.get("timeout", 0) is None:
            kwargs["timeout"] = self.patience
        return super().request(method, url, *args, **kwargs)


class _OneSocket(UnixHTTPAdapter):  # type: ignore[misc] # the SDK has no types
    """Connections to one socket, which the SDK keeps by URL: each container's own.

    It keeps those of 25 URLs, and does not heed ``num_pools`` of a socket.
    """

    def get_connection(self, url: str, proxies: Any = None) -> Any:
        del url
        return super().get_connection(_SOCKET, proxies)


class LookOnly(Client):
    """A client that refuses every method but GET, whoever calls it."""

    def request(
        self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any
    ) -> Any:
        """Ask, unless it would change something."""
        if method not in LOOKS:
            raise WriteRefused(
                f"{method!s} {url!s} on the socket opened to look",
                "give this caller the client that `act` has, or move the call there",
            )
        return super().request(method, url, *args, **kwargs)
