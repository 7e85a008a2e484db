"""Who may look at the private listener: by its token, where others reach it.

Source: RFC 6750, ``Authorization: Bearer``; RFC 7617, ``Basic``, which a browser asks
its person for.
"""

import base64
import binascii
import hashlib
import hmac
import re
from ipaddress import ip_address
from pathlib import Path

from starlette.responses import Response

from watchdog.config.notation import Said
from watchdog.config.roster_file import secret_text
from watchdog.config.settings import Settings
from watchdog.facts.problem import Fault, Refused
from watchdog.show.http import STRANGER
from watchdog.wiring.doorway import Scope, problem

_TOKEN = re.compile(rb"[A-Za-z0-9._~+/=-]{20,200}")
_FEWEST_SIGNS, _MOST_TOKENS = 8, 2
# A supervisor asks these, and hears yes or no: it has no token.
_ALIVE = ("/healthz", "/readyz")
_METRICS = "/metrics"
_BASIC = 'Basic realm="rollback watchdog", charset="UTF-8"'


def tokens_in(path: Path) -> tuple[bytes, ...]:
    """Read the tokens that count: one, or two while it is changed, a line each.

    Raises:
        Said: it cannot be read, or holds none.
    """
    lines = [line.strip() for line in secret_text(path).split(b"\n")]
    found = tuple(line for line in lines if line)
    hint = "openssl rand -hex 32; two lines count while one is changed"
    if not 1 <= len(found) <= _MOST_TOKENS:
        raise Said(f"{path} holds {len(found)} tokens, meant one or two", hint)
    for one in found:
        if not _TOKEN.fullmatch(one) or len(set(one)) < _FEWEST_SIGNS:
            words = f"{path} does not hold a long token of letters and digits"
            raise Said(words, hint)
    return found


class Looking:
    """Lets in who has the token; without one, who is on this machine.

    The file is read at each request: a changed one counts at once, and where it
    cannot be read nobody is let in.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the token, if there is one.

        Raises:
            Refused: it cannot be read, or is none.
        """
        self._path = settings.listen.private_token_file
        self._here = _is_loopback(settings.listen.private.host)
        if self._path is not None:
            try:
                tokens_in(self._path)
            except Said as said:
                where = "listen.private_token_file"
                fault = Fault(where, said.words, said.hint)
                raise Refused("listen", [fault]) from None

    def refused(self, scope: Scope) -> Response | None:
        """Say why *scope* is not let in, or nothing."""
        if self._path is None:
            return None if self._here else self._without(scope)
        try:
            tokens = tokens_in(self._path)
        except Said:
            tokens = ()
        if _is_known(scope, tokens):
            return None
        if scope["path"] in _ALIVE:
            scope[STRANGER] = True
            return None
        if not tokens:
            words = "the token of the private listener cannot be read: see its file"
            return problem(503, "no_token", words)
        words = "asks for its token: as Bearer, or as the password of any name"
        headers = {"www-authenticate": _BASIC}
        return problem(401, "unauthorized", f"the private listener {words}", headers)

    def _without(self, scope: Scope) -> Response | None:
        if scope["path"] in (*_ALIVE, _METRICS):
            return None
        words = (
            "the private listener is reached from elsewhere and has no token: set "
            "`listen.private_token_file`, or listen on 127.0.0.1"
        )
        return problem(403, "token_needed", words)


def _is_known(scope: Scope, tokens: tuple[bytes, ...]) -> bool:
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return False
    kind, _, said = given[0].strip().partition(b" ")
    if kind.lower() == b"basic":
        try:
            said = base64.b64decode(said.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return False
    elif kind.lower() != b"bearer":
        return False
    mine = hashlib.sha256(said.strip()).digest()
    # Each is compared, and in a time that says nothing of any.
    same = [hmac.compare_digest(mine, hashlib.sha256(one).digest()) for one in tokens]
    return any(same)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
