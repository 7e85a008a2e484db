"""A manifest's seal: what ssh-keygen signed, and nothing that only looks like it."""

import base64
import hashlib
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from watchdog.sign.bad import BadSeal
from watchdog.sign.sshsig import verify
from watchdog.sign.trust import Trust, When

KEYGEN = shutil.which("ssh-keygen")
DATA = b'{"tenant": "meesho", "version": "v1.2.0"}\n'
SPACE = "manifest@dms"
KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def field(*parts):
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def public(key=KEY):
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return field(b"ssh-ed25519", raw)


def allowed(key=KEY, options="", who="release@flexli.example"):
    return f"{who} {options} ssh-ed25519 {base64.b64encode(public(key)).decode()}\n"


def armored(blob):
    text = base64.encodebytes(blob)
    begin, end = (f"-----{w} SSH SIGNATURE-----\n".encode() for w in ("BEGIN", "END"))
    return begin + text + end


def seal(data=DATA, *, key=KEY, space=SPACE, algorithm="sha512"):
    """Sign as ``ssh-keygen -Y sign`` does. Source: OpenSSH PROTOCOL.sshsig."""
    hashed = hashlib.new(algorithm, data).digest()
    parts = (space.encode(), b"", algorithm.encode())
    signature = field(b"ssh-ed25519", key.sign(b"SSHSIG" + field(*parts, hashed)))
    return armored(
        b"SSHSIG" + (1).to_bytes(4, "big") + field(public(key), *parts, signature)
    )


def verified(
    signature=None, *, data=DATA, signers=None, revoked=b"", now=NOW, then=None
):
    signature = seal() if signature is None else signature
    signers = (allowed() if signers is None else signers).encode(errors="replace")
    return verify(
        data,
        signature,
        namespace=SPACE,
        trust=Trust(signers, revoked, SPACE),
        when=When(now, then),
        name="the manifest of meesho",
    )


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    """Sign with the real ssh-keygen: (what it signed, the allowed signers)."""
    if KEYGEN is None:
        pytest.skip("ssh-keygen is missing: install openssh-client")
    at = tmp_path_factory.mktemp("keys")
    keys = {}
    for kind in ("ed25519", "ecdsa"):
        make = [KEYGEN, "-q", "-t", kind, "-N", "", "-C", "", "-f", str(at / kind)]
        subprocess.run(make, check=True)
        keys[kind] = (at / f"{kind}.pub").read_text()

    def sign(data=DATA, kind="ed25519", space=SPACE):
        (at / "data").write_bytes(data)
        (at / "data.sig").unlink(missing_ok=True)
        subprocess.run(
            [KEYGEN, "-q", "-Y", "sign", "-f", str(at / kind), "-n", space, "data"],
            cwd=at,
            check=True,
            capture_output=True,
        )
        return (at / "data.sig").read_bytes(), f"release@flexli.example {keys[kind]}"

    return sign


@pytest.mark.parametrize("data", [DATA, b"", b"\x00\xff" * 5000])
def test_what_ssh_keygen_signed_is_verified(signer, data):
    signature, signers = signer(data)

    assert verified(signature, data=data, signers=signers) == "signature valid"


def test_ours_and_ssh_keygens_are_the_same_format(signer):
    theirs, _ = signer()

    assert theirs.splitlines()[0] == seal().splitlines()[0]
    assert verified() == "signature valid"


def test_ssh_keygen_for_another_namespace_is_refused(signer):
    signature, signers = signer(space="git")

    with pytest.raises(BadSeal) as bad:
        verified(signature, signers=signers)

    assert bad.value.words == (
        "the manifest of meesho is signed for 'git', meant 'manifest@dms'"
    )


def test_another_kind_of_key_is_refused(signer):
    signature, signers = signer(kind="ecdsa")

    with pytest.raises(BadSeal, match="is signed with ecdsa-sha2-nistp256"):
        verified(signature, signers=signers)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_both_hashes_of_the_protocol_count(algorithm):
    assert verified(seal(algorithm=algorithm)) == "signature valid"


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_one_changed_byte_is_refused(place, change):
    data = bytearray(DATA)
    data[place] ^= change

    with pytest.raises(BadSeal, match="its bytes were changed"):
        verified(data=bytes(data))


def test_an_unknown_key_is_refused():
    stranger = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)

    with pytest.raises(BadSeal, match="by a key that is not in allowed_signers"):
        verified(seal(key=stranger))


def test_nothing_and_something_else_are_told_apart():
    with pytest.raises(BadSeal, match="meesho has no signature"):
        verified(b"")
    for other in (b"hello", seal() + seal(), b"\n" + seal(), seal() + b"\n\n"):
        with pytest.raises(BadSeal, match="has not an SSH signature"):
            verified(other)


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ("", True),
        (f'namespaces="{SPACE}"', True),
        (f'namespaces="git,{SPACE}"', True),
        (f'NAMESPACES="{SPACE}"', True),
        ('namespaces="manifest@*"', True),
        ('namespaces="manifest@d?s"', True),
        ('namespaces="*,!manifest@*"', False),
        ('namespaces="git"', False),
        ('namespaces=""', False),
        ("namespaces=manifest@dms", False),  # OpenSSH wants the quotes too
        ('valid-after="20260701"', True),
        ('valid-after="202607011200Z"', True),
        ('valid-after="20260701120001Z"', False),
        ('valid-before="20260701120000Z"', True),
        ('valid-before="202607011159Z"', False),
        ('valid-before="20260701115959UTC"', False),
        (f'namespaces="{SPACE}",valid-before="20200101"', False),
        ('valid-after="20260101",valid-before="20270101"', True),
        ('valid-after="20270101",valid-before="20260101"', False),
        ('valid-before="20270101",valid-before="20280101"', False),
        # What we don't understand must not be passed over.
        ('valid-before="tomorrow"', False),
        ('valid-before="20261301"', False),
        ('valid-before="20270101",', False),
        ("cert-authority", False),
        (f'cert-authority,namespaces="{SPACE}"', False),
        ('only-on-mondays="yes"', False),
    ],
)
def test_a_key_counts_only_within_its_options(options, counts):
    if counts:
        assert verified(signers=allowed(options=options)) == "signature valid"
    else:
        with pytest.raises(BadSeal, match="whose key "):
            verified(signers=allowed(options=options))


def test_comments_other_keys_and_broken_lines_are_passed_over():
    lines = [
        "",
        f"# {allowed()}",
        f"#{allowed()}",
        "old@flexli.example ssh-rsa AAAA\n",
        "broken@flexli.example ssh-ed25519\n",
        "broken@flexli.example ssh-ed25519 !!!!\n",
        "ssh-ed25519\n",
    ]

    with pytest.raises(BadSeal, match="not in allowed_signers"):
        verified(signers="".join(lines))
    assert verified(signers="".join([*lines, allowed(who="last@x")]))


WHOLE = base64.b64decode(b"".join(seal().splitlines()[1:-1]))


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_changed_signature_is_a_bad_seal(place, change):
    blob = bytearray(WHOLE)
    blob[place] ^= change
    # The version of the format and the reserved field say nothing of the data.
    signed_over = not 6 <= place < 10

    if signed_over:
        with pytest.raises(BadSeal):
            verified(armored(bytes(blob)))


@given(st.integers(0, len(WHOLE) - 1))
def test_a_signature_cut_short_is_a_bad_seal(length):
    with pytest.raises(BadSeal):
        verified(armored(WHOLE[:length]))


@given(st.binary(max_size=300))
def test_whatever_follows_the_magic_is_a_bad_seal(blob):
    with pytest.raises(BadSeal):
        verified(armored(b"SSHSIG" + blob))


@given(st.binary(max_size=300), st.text(max_size=200))
@example(seal(), "x " + '"' * 199)
def test_any_bytes_and_any_signers_are_a_bad_seal(signature, signers):
    with pytest.raises(BadSeal):
        verified(signature, signers=signers)


@given(st.lists(st.binary(max_size=40), min_size=5, max_size=5))
def test_well_formed_fields_of_anything_are_a_bad_seal(parts):
    blob = b"SSHSIG" + (1).to_bytes(4, "big") + field(*parts)

    with pytest.raises(BadSeal):
        verified(armored(blob))
