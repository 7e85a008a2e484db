"""Who signs checkpoints of the journal: the settings' keys, or one drawn here."""

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from watchdog.config.notation import Said
from watchdog.config.settings import Settings
from watchdog.facts.problem import Fault, Refused
from watchdog.record.checkpoint import Checkpoints, Signer, drawn_key, signer_of
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory
from watchdog.sign.note import NoteKey
from watchdog.wiring.channels import Telling, signing_key, telling_of
from watchdog.wiring.clock import RealClock


def signer_at(settings: Settings, identity: str) -> Signer:
    """Make the signer; a key that the settings do not name is drawn if new.

    Raises:
        Refused: a key file of the settings cannot be read, or holds no Ed25519 key.
        JournalLost: the drawn key cannot be kept.
    """
    return signer_of(settings.name, identity, _keys(settings, writes=True))


def signed_telling_of(
    settings: Settings, journal: Journal, clock: RealClock, identity: str
) -> tuple[Signer, Telling]:
    """Make who signs checkpoints, and who sends the newest one along."""
    signer = signer_at(settings, identity)
    return signer, telling_of(settings, journal, clock, lambda: signer.newest)


def turned_of(
    checkpoints: Checkpoints,
    telling: Telling,
    memory: Memory,
    clock: RealClock,
    rang: Callable[[], None],
) -> Callable[[], None]:
    """Make what is done at the end of each turn; a checkpoint first, as it is told."""

    def turned() -> None:
        checkpoints.turned(clock.now())
        telling.turned(memory.standing)
        rang()

    return turned


def public_at(settings: Settings) -> tuple[NoteKey, ...]:
    """Give the public halves, for who reads; nothing is drawn.

    Raises:
        Refused: as above.
        JournalLost: there is no key yet.
    """
    return signer_of(settings.name, "", _keys(settings, writes=False)).public


def _keys(settings: Settings, *, writes: bool) -> list[Ed25519PrivateKey]:
    keys: list[Ed25519PrivateKey] = []
    faults: list[Fault] = []
    it = settings.audit
    for name, path in (("key_file", it.key_file), ("also_key_file", it.also_key_file)):
        if path is None:
            continue
        try:
            keys.append(_key(path))
        except Said as said:
            faults.append(Fault(f"audit.{name}", said.words, said.hint))
    if faults:
        raise Refused("audit", faults)
    if it.key_file is None:
        keys.insert(0, drawn_key(settings.state, only_look=not writes))
    return keys


def _key(path: Path) -> Ed25519PrivateKey:
    key = signing_key(path)
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise Said(
        f"{path} holds a shared secret, meant an Ed25519 private key",
        "openssl genpkey -algorithm ed25519",
    )
