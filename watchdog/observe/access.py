"""What Prometheus wants to see before it answers: headers, a password, a certificate.

Secrets are read from their files at each question, so that a rotated one counts at
once; nothing here shows what they hold.
"""

import base64
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

from watchdog.config.notation import Said
from watchdog.config.yaml_file import bytes_of
from watchdog.facts.problem import Fault

_TOKEN = re.compile(r"[\x21-\x7e]+")
_VALUE = re.compile(r"[\x20-\x7e]+")
_PASSWORD = re.compile(r"[^\x00-\x1f\x7f]+")
# What is shorter is part of too many words to be taken out of them.
_SHORTEST = 4
_Stamp = tuple[tuple[int, int, int], ...]

# X509_V_ERR_*, Source: OpenSSL, x509_vfy.h
_NOT_YET, _EXPIRED = 9, 10
_UNKNOWN = frozenset({2, 18, 19, 20, 21})
_ELSEWHERE = frozenset({62, 64})


@dataclass(frozen=True, slots=True)
class Shown:
    """What one question shows, and the *secrets* in it, which no words may repeat."""

    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def without_secrets(self, words: str) -> str:
        """Take out of *words*, which the far end may have written, what we sent."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST:
                words = words.replace(secret, "…")
        return words


@dataclass(frozen=True, slots=True)
class Access:
    """How a Prometheus is asked; each field as in the settings.

    *ca_from* is who named *ca_file*, a file or a folder of certificates: the setting,
    or a variable of the environment.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    header_files: Mapping[str, Path] = field(default_factory=dict)
    bearer_token_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    ca_from: str = "prometheus.ca_file"
    cert_file: Path | None = None
    key_file: Path | None = None

    def shown(self, url: str = "") -> Shown:
        """Read the secrets as they are now; *url* may hold some too.

        Raises:
            Said: a file cannot be read, or holds something else.
        """
        headers = dict(self.headers)
        secrets = list(_in_url(url))
        for name, path in self.header_files.items():
            where = f"prometheus.header_files.{name}"
            headers[name] = text = _held(where, path, _VALUE, "one line of text")
            secrets += [text, *text.split()]
        if self.bearer_token_file:
            where = "prometheus.bearer_token_file"
            token = _held(where, self.bearer_token_file, _TOKEN, "a token alone")
            headers["Authorization"] = f"Bearer {token}"
            secrets.append(token)
        if self.username and self.password_file:
            where = "prometheus.password_file"
            password = _held(where, self.password_file, _PASSWORD, "one line of text")
            both = _basic(self.username, password)
            headers["Authorization"] = f"Basic {both}"
            secrets += [password, both]
        return Shown(headers, tuple(secrets))

    def stamp(self) -> _Stamp:
        """Tell one state of the certificates' files from the next."""
        return tuple(map(_stamp, filter(None, self._certificates())))

    def context(self) -> ssl.SSLContext | None:
        """Make what an encrypted connection is checked by; None for the usual way.

        Raises:
            Said: a file cannot be read, or holds something else.
        """
        if self.ca_file is None and self.cert_file is None:
            return None
        context = create_urllib3_context()
        context.check_hostname = True
        if self.ca_file is None:
            context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        else:
            self._trust(context, self.ca_file)
        if self.cert_file and self.key_file:
            self._sign(context, self.cert_file, self.key_file)
        return context

    def faults(self) -> Iterator[Fault]:
        """Find every file that cannot be used as it is now."""
        for alone in self._alone():
            try:
                alone.shown()
                alone.context()
            except Said as said:
                where, _, words = said.words.partition(": ")
                yield Fault(where, words, said.hint)

    def _alone(self) -> Iterator["Access"]:
        for name, path in self.header_files.items():
            yield Access(header_files={name: path})
        yield Access(bearer_token_file=self.bearer_token_file)
        yield Access(username=self.username, password_file=self.password_file)
        yield Access(ca_file=self.ca_file, ca_from=self.ca_from)
        yield Access(cert_file=self.cert_file, key_file=self.key_file)

    def _certificates(self) -> tuple[Path | None, ...]:
        return self.ca_file, self.cert_file, self.key_file

    def _trust(self, context: ssl.SSLContext, path: Path) -> None:
        # A CA of one's own is seldom as complete as this flag wants it (it is set from
        # Python 3.13 on); the chain, the dates and the name are checked all the same.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if path.is_dir():
            context.load_verify_locations(capath=str(path))
            return
        _bytes(self.ca_from, path)
        try:
            context.load_verify_locations(cafile=str(path))
        except (OSError, ValueError):  # an SSLError is an OSError
            words = f"{self.ca_from}: {path} holds no certificate"
            raise Said(words, "write the CA's there, as PEM") from None

    def _sign(self, context: ssl.SSLContext, cert: Path, key: Path) -> None:
        _bytes("prometheus.cert_file", cert)
        _bytes("prometheus.key_file", key)
        try:
            # Without a password here, an encrypted key would ask at the terminal.
            context.load_cert_chain(str(cert), str(key), password="")
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            reason = getattr(error, "reason", None)
            if reason == "KEY_VALUES_MISMATCH":
                words = f"prometheus.key_file: {key} is not the key of {cert}"
                raise Said(words, "write the two that belong together") from None
            words = f"prometheus.cert_file: {cert} and {key} cannot be used"
            hint = "write a certificate and its key, as PEM and without a passphrase"
            raise Said(words, hint) from None

    def who(self, url: str) -> str:
        """Name the settings that say who asks; empty without any."""
        if self.bearer_token_file:
            return "what `prometheus.bearer_token_file` names"
        if self.username:
            return "`prometheus.username`, and what `prometheus.password_file` names,"
        if urlsplit(url).username:
            return "the user and password in `prometheus.url`"
        for name in self.header_files:
            if name.lower() == "authorization":
                return f"what `prometheus.header_files.{name}` names"
        return ""


OPEN = Access()
"""Whoever asks is answered."""


def refused(access: Access, url: str, status: int, wants: str, said: str) -> str:
    """Give the cure of an answer that does not let us in, or "" for any other.

    *wants* is its ``WWW-Authenticate``, *said* its own words.
    """
    if status not in {401, 403}:
        return ""
    who = access.who(url)
    headers = [*access.headers, *access.header_files]
    if "org id" in said.lower() or "orgid" in said.lower():
        if any(name.lower() == "x-scope-orgid" for name in headers):
            return "is the tenant of `X-Scope-OrgID` in `prometheus.headers` right?"
        return "name the tenant: `headers: {X-Scope-OrgID: …}` under `prometheus`"
    also = "does what answers want one in `prometheus.headers` too?"
    if headers:
        also = f"is each header right ({', '.join(headers)})?"
    if status == 403:
        can = f"may {who} ask there" if who else "is nobody let in without a password"
        return f"{can}, and {also}"
    if who:
        return f"is {who} right, and still valid? Else: {also}"
    scheme = wants.partition(" ")[0].lower()
    if scheme == "basic":
        return "write `username` and `password_file` under `prometheus`"
    if scheme == "bearer":
        return "write `bearer_token_file` under `prometheus`"
    return (
        "write `username` and `password_file`, or `bearer_token_file`, or what else it "
        "wants in `header_files`, under `prometheus`"
    )


def unencrypted(error: BaseException, access: Access, host: str) -> tuple[str, str]:
    """Say why no encrypted connection came about, and its cure; empty for others."""
    ca = f"is it the CA of `{access.ca_from}`?"
    if access.ca_file is None:
        ca = "name its certificate in `prometheus.ca_file`"
    for one in _all_of(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            code = one.verify_code
            if code == _EXPIRED:
                return "its certificate expired", "renew it there; is the clock right?"
            if code == _NOT_YET:
                return "its certificate is not valid yet", "is the clock right?"
            if code in _ELSEWHERE:
                words = f"its certificate is not for {host}"
                return words, "write in `prometheus.url` a name that it is for"
            if code in _UNKNOWN:
                return "the CA that signed its certificate is not known here", ca
            return f"its certificate is not good: {one.verify_message.lower()}", ca
        if isinstance(one, ssl.SSLError):
            return _by_reason(one, access)
    return "", ""


def _by_reason(error: ssl.SSLError, access: Access) -> tuple[str, str]:
    reason = str(error.reason or "").upper()
    if "CERTIFICATE_REQUIRED" in reason:
        hint = "write `cert_file` and `key_file` under `prometheus`"
        return "it wants a client's certificate", hint
    if "ALERT" in reason and ("CERT" in reason or "UNKNOWN_CA" in reason):
        if access.cert_file is None:
            hint = "write `cert_file` and `key_file` under `prometheus`"
            return "it wants a client's certificate", hint
        hint = "is it valid, and signed by a CA that Prometheus trusts?"
        return "it refused the certificate of `prometheus.cert_file`", hint
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}:
        return "it speaks no TLS", "is it `http://` in `prometheus.url`?"
    words = reason.lower().replace("_", " ") or "no reason given"
    return f"no encrypted connection: {words}", "is `prometheus.url` right?"


def _all_of(error: object) -> Iterator[BaseException]:
    """Give *error* and all that it wraps, whichever way its library does it."""
    left, met = [error], set[int]()
    while left:
        one = left.pop(0)
        if not isinstance(one, BaseException) or id(one) in met:
            continue
        met.add(id(one))
        yield one
        left += [one.__cause__, getattr(one, "reason", None), *one.args]
        left.append(one.__context__)


def _bytes(where: str, path: Path) -> bytes:
    """Read a file that the setting *where* names."""
    try:
        return bytes_of(path)
    except Said as said:
        raise Said(f"{where}: {path} {said.words}", said.hint) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Said(f"{where}: {path} cannot be read: {why}") from None


def _held(where: str, path: Path, meant: re.Pattern[str], what: str) -> str:
    held = _bytes(where, path)
    try:
        text = held.decode().strip()
    except ValueError:
        raise Said(f"{where}: {path} is not text", f"write {what} there") from None
    if not text:
        raise Said(f"{where}: {path} is empty", f"write {what} there")
    if not meant.fullmatch(text):
        raise Said(f"{where}: {path} does not hold {what}", f"write {what} there")
    return text


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _in_url(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.password:
        plain = unquote(parts.password)
        yield from (parts.password, plain)
        yield _basic(unquote(parts.username or ""), plain)
