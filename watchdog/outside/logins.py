"""Logins for registries, as Docker's own command line keeps them: ``docker login``.

Source: ``config.json`` in ``DOCKER_CONFIG`` or ``~/.docker``, with its credential
stores; Engine API, ``X-Registry-Auth``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from docker import auth
from docker.errors import DockerException
from docker.utils import config

_HINT = (
    "`docker login` where the watchdog runs, or hand it a config.json: DOCKER_CONFIG"
)

# No engine says by a number that its registry let it not in.
_NOT_LET_IN = ("unauthorized", "denied", "authentication", "no basic auth")


@dataclass(frozen=True, slots=True)
class Login:
    """What is sent along to be let in at a registry; *lacking* says why it is nothing.

    The headers are a secret: neither words nor a log may have them.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    lacking: str = ""

    def hint(self, said: str, otherwise: str) -> str:
        """Say what to do about a registry's no, by whether it let us not in."""
        if not any(word in said.lower() for word in _NOT_LET_IN):
            return otherwise
        return self.lacking or f"the login was sent, and does not let us in; {_HINT}"


def login_for(repository: str) -> Login:
    """Find the login for the registry of *repository*.

    Read anew each time: those of clouds last for hours. What cannot be read is none,
    for most images need none, and what they lack is said where a registry says no.
    """
    try:
        registry, _ = auth.resolve_repository_name(repository)
        found = auth.load_config().resolve_authconfig(registry)
    except DockerException as error:
        return Login(lacking=f"no login is sent: {error}; {_HINT}")
    except (AttributeError, KeyError, TypeError, ValueError):
        # Its own words may hold what it was decoding.
        return Login(lacking=f"no login is sent: {_file()} is not as Docker writes it")
    if found:
        return Login({"X-Registry-Auth": auth.encode_header(found).decode()})
    return Login(lacking=f"no login for {registry} is in {_file()}; {_HINT}")


def unreadable() -> str:
    """Say why no client can be made with the file that there is; nothing if one can."""
    try:
        auth.load_config()
    except (DockerException, AttributeError, KeyError, TypeError, ValueError):
        return f"{_file()} is not as Docker writes it"
    return ""


def _file() -> str:
    """Name the file of the logins, with why it cannot be read."""
    path = config.find_config_file()
    if path is None:
        return "any config.json of Docker here"
    try:
        json.loads(Path(path).read_bytes())
    except OSError as error:
        return f"{path} (which cannot be read: {str(error.strerror).lower()})"
    except ValueError:
        return f"{path} (which is no JSON)"
    return str(path)
