"""Who signs checkpoints of the journal: the settings' keys, or one drawn here."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from watchdog.config.notation import Said
from watchdog.config.settings import Settings
from watchdog.facts.problem import Fault, Refused
from watchdog.record.checkpoint import Signer, drawn_key, signer_of
from watchdog.sign.note import NoteKey
from watchdog.wiring.channels import signing_key


def signer_at(settings: Settings, identity: str) -> Signer:
    """Make the signer; a key that the settings do not name is drawn if new.

    Raises:
        Refused: a key file of the settings cannot be read, or holds no Ed25519 key.
        JournalLost: the drawn key cannot be kept.
    """
    return signer_of(settings.name, identity, _keys(settings, writes=True))


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
