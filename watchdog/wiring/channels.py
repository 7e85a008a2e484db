"""The channels that the settings name, their secrets read, or all that is wrong."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from watchdog.config.notation import Said
from watchdog.config.roster_file import secret_text, shared_secret
from watchdog.config.sections.notify import Far
from watchdog.config.sections.notify import Heartbeat as Beat
from watchdog.config.settings import Settings
from watchdog.config.yaml_file import bytes_of
from watchdog.decide.standing import Standing
from watchdog.facts.event import Entry
from watchdog.facts.message import PULSE, Backlog
from watchdog.facts.problem import Fault, Problem, Refused
from watchdog.notify.channel import Channel
from watchdog.notify.deployments import Deployments
from watchdog.notify.everywhere import Everywhere
from watchdog.notify.heartbeat import Heartbeat
from watchdog.notify.reply import Replies
from watchdog.notify.sender import MOST, Sender
from watchdog.notify.slack import Slack
from watchdog.notify.webhook import SignedWebhook
from watchdog.record.journal import Journal
from watchdog.record.outbox import Outbox
from watchdog.turn.roles import Clock
from watchdog.wiring.chosen import told_by
from watchdog.wiring.reporting import Reporting
from watchdog.wiring.sampling import Sampling

_LONGEST_KEY, _SHORTEST_RSA = 16 * 1024, 2048
_SHORTEST_SECRET, _FEWEST_SIGNS = 20, 8
# Of GitHub's own "Validating webhook deliveries".
_EXAMPLES = frozenset({b"It's a Secret to Everybody"})
_SIGNING_SECRET = re.compile(rb"[0-9a-f]{32,64}")


@dataclass(slots=True)
class Telling:
    """All that leaves the watchdog by itself; nothing in it is waited for.

    *names* are the channels', *deployments* are answered at GitHub, where that is
    set up.
    """

    names: tuple[str, ...]
    outbox: Outbox
    sender: Sender
    heartbeat: Heartbeat | None
    replies: Replies
    reporting: Reporting
    deployments: Deployments | None = None

    def start(self) -> None:
        """Begin."""
        self.sender.start()
        self.replies.start()
        if self.heartbeat:
            self.heartbeat.start()
        if self.deployments:
            self.deployments.start()

    def stop(self) -> None:
        """Begin nothing further."""
        self.sender.stop()
        self.replies.stop()
        if self.heartbeat:
            self.heartbeat.stop()
        if self.deployments:
            self.deployments.stop()

    def untold(self) -> list[Backlog] | None:
        """Give what nobody has taken, pings too; None when it cannot be read."""
        return self.outbox.untold(self.names)

    def happened(self, entry: Entry) -> None:
        """Note that something was journaled."""
        self.sender.wake()
        self.reporting.happened(entry)
        if self.heartbeat:
            self.heartbeat.happened(entry)
        if self.deployments:
            self.deployments.happened(entry)

    def turned(self, standing: Standing) -> None:
        """Note the end of a turn: it is a sign of life only if it saw everything."""
        if self.heartbeat:
            seen = standing.running is not None and standing.unclear is None
            seen = seen and standing.claimed is None  # who has the stack watches it
            self.heartbeat.turned(complete=seen and not standing.lost)


def telling_of(
    settings: Settings,
    journal: Journal,
    clock: Clock,
    checkpoint: Callable[[], str] = lambda: "",
) -> Telling:
    """Make all that tells; nothing runs yet.

    *checkpoint* gives the newest one of the journal, which goes along.

    Raises:
        Refused: a channel or the heartbeat is wrong.
        Problem: the outbox is damaged.
    """
    channels = channels_of(settings, checkpoint)
    beat = settings.heartbeat
    url = ""
    if beat.is_set:
        try:
            url = address_of(beat).rstrip("/")
        except Said as said:
            fault = Fault("heartbeat", said.words, said.hint)
            raise Refused("heartbeat", [fault]) from None
    try:
        outbox = Outbox(journal.place, database=journal.database)
    except OSError as error:
        raise Problem(
            str(error),
            f"move {settings.state}/outbox.db aside: what it had not told is lost, "
            "and the channels go on with what happens from now on",
        ) from error

    def unheard(why: str) -> None:
        outbox.unheard(PULSE, why, clock.now())

    heartbeat = (
        Heartbeat(url, beat.every, clock.monotonic, checkpoint, unheard=unheard)
        if url
        else None
    )
    sender = Sender(
        channels,
        outbox,
        name=settings.name,
        entries=lambda after: journal.entries(after, MOST),
        head=lambda: journal.head,
        now=clock.now,
    )
    replies = Replies(settings.name, settings.notify.base_url or "")
    names = told_by(settings)
    reporting = Reporting(settings, journal, Sampling(settings, keeps=True))
    return Telling(names, outbox, sender, heartbeat, replies, reporting)


def channels_of(
    settings: Settings, checkpoint: Callable[[], str] = lambda: ""
) -> list[Channel]:
    """Make every channel; nothing is sent. *checkpoint* as in ``telling_of``.

    Raises:
        Refused: a secret cannot be read, two channels have one name, a key is no key.
    """
    notify = settings.notify
    faults: list[Fault] = []
    channels: list[Channel] = []
    names = {PULSE}
    for kind, listed in (
        ("webhooks", notify.webhooks),
        ("slack", notify.slack),
        ("apprise", notify.apprise),
    ):
        for place, far in enumerate(listed):
            at = f"notify.{kind}[{place}]"
            if far.name in names:
                faults.append(Fault(at, f"there are two channels {far.name}"))
            names.add(far.name)
            try:
                channels.append(_channel(kind, far, settings, checkpoint))
            except Said as said:
                faults.append(Fault(at, said.words, said.hint))
            except Problem as problem:
                faults.append(Fault(at, problem.words, problem.hint))
    if faults:
        raise Refused("notify", faults)
    return channels


def _channel(
    kind: str, far: Far, settings: Settings, checkpoint: Callable[[], str]
) -> Channel:
    url = address_of(far)
    base = settings.notify.base_url or ""
    pages = settings.notify.private_url or ""
    if kind == "webhooks":
        key_file = getattr(far, "key_file", None)
        if key_file is None:
            raise Said("has no `key_file`", "openssl genpkey -algorithm ed25519")
        also_file = getattr(far, "also_key_file", None)
        also = (signing_key(also_file),) if also_file else ()
        key = signing_key(key_file)
        own = (key, settings.name, base, also, checkpoint)
        return SignedWebhook(far.name, url, *own, pages=pages)
    if kind == "slack":
        buttons = bool(getattr(far, "buttons", False))
        return Slack(far.name, url, base, buttons=buttons, pages=pages)
    everywhere = Everywhere(far.name, url, base, pages)
    everywhere.check()
    return everywhere


def address_of(far: Far | Beat) -> str:
    """Give the URL, out of its file where that is named; never shown.

    Raises:
        Said: neither or both are given, or the file cannot be read.
    """
    if (far.url is None) == (far.url_file is None):
        raise Said("has neither or both of `url` and `url_file`", "write one")
    if far.url_file is None:
        return str(far.url)
    text = _text_of(far.url_file).strip()
    if "://" not in text or any(char.isspace() for char in text):
        raise Said(f"{far.url_file} does not hold one URL")
    return text


def signing_key(path: Path) -> Ed25519PrivateKey | bytes:
    """Read the key that the watchdog signs with: an Ed25519 PEM, or a shared secret.

    Raises:
        Said: it is neither, or cannot be read.
    """
    text = _text_of(path)
    if "-----BEGIN" not in text:
        return shared_secret(path)
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Said(
            f"{path} holds no Ed25519 private key",
            "openssl genpkey -algorithm ed25519; without a passphrase",
        )
    return key


def button_secret(settings: Settings) -> bytes | None:
    """Read the signing secret of the Slack app; None where there are no buttons.

    Raises:
        Refused: it cannot be read, or is none.
    """
    path = settings.slack_buttons.signing_secret_file
    if path is None:
        return None
    try:
        return _signing_secret(path)
    except Said as said:
        where = "slack_buttons.signing_secret_file"
        fault = Fault(where, said.words, said.hint)
        raise Refused("slack_buttons", [fault]) from None


def _signing_secret(path: Path) -> bytes:
    secret = secret_text(path)
    if not _SIGNING_SECRET.fullmatch(secret) or len(set(secret)) == 1:
        raise Said(
            f"{path} does not hold a Slack app's signing secret",
            "copy it from Basic Information, App Credentials: 32 of 0-9 a-f",
        )
    return secret


def github_secrets(settings: Settings) -> tuple[RSAPrivateKey, bytes] | None:
    """Read the App's private key and its webhook secret; None where there is no App.

    Raises:
        Refused: one cannot be read, or is none.
    """
    it = settings.github
    if it.private_key_file is None or it.webhook_secret_file is None:
        return None
    faults: list[Fault] = []
    key, secret = None, b""
    try:
        key = _rsa_key(it.private_key_file)
    except Said as said:
        faults.append(Fault("github.private_key_file", said.words, said.hint))
    try:
        secret = _webhook_secret(it.webhook_secret_file)
    except Said as said:
        faults.append(Fault("github.webhook_secret_file", said.words, said.hint))
    if key is None or faults:
        raise Refused("github", faults)
    return key, secret


def _rsa_key(path: Path) -> RSAPrivateKey:
    text = secret_text(path, longest=_LONGEST_KEY)
    try:
        key = load_pem_private_key(text, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _SHORTEST_RSA:
        raise Said(
            f"{path} does not hold an App's private key",
            "it is the PEM file of the App's settings, under Private keys",
        )
    return key


def _webhook_secret(path: Path) -> bytes:
    secret = secret_text(path)
    if len(secret) < _SHORTEST_SECRET or len(set(secret)) < _FEWEST_SIGNS:
        raise Said(f"{path} does not hold a long secret", "openssl rand -hex 32")
    if secret in _EXAMPLES:
        raise Said(f"{path} holds the secret of an example", "openssl rand -hex 32")
    return secret


def _text_of(path: Path) -> str:
    try:
        return bytes_of(path).decode("utf-8")
    except Said as said:
        raise Said(f"{path} {said.words}", said.hint) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = str(getattr(error, "strerror", "") or "it is not text").lower()
        raise Said(f"{path} cannot be read: {reason}") from None
