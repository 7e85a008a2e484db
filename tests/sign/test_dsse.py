"""DSSE: the published vector, and nothing that only looks like an envelope."""

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from tests.sign.test_sshsig import DATA, KEY, allowed
from watchdog.sign.bad import BadSeal
from watchdog.sign.dsse import pae, verify
from watchdog.sign.trust import Trust, When

KIND = "application/vnd.flexli.dms-manifest+json"
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)


def envelope(data=DATA, *keys, kind=KIND, encode=base64.b64encode):
    signatures = [
        {"keyid": "not looked at", "sig": encode(k.sign(pae(kind.encode(), data)))}
        for k in keys or (KEY,)
    ]
    for one in signatures:
        one["sig"] = one["sig"].decode()
    return {
        "payload": encode(data).decode(),
        "payloadType": kind,
        "signatures": signatures,
    }


def verified(whole=None, *, data=DATA, signers=None):
    whole = envelope() if whole is None else whole
    raw = whole if isinstance(whole, bytes) else json.dumps(whole).encode()
    return verify(
        data,
        raw,
        namespace=KIND,
        trust=Trust((signers or allowed()).encode(errors="replace"), b"", KIND),
        when=When(datetime(2026, 7, 1, tzinfo=UTC)),
        name="the manifest of meesho",
    )


def test_the_published_vector_verifies_over_our_encoding():
    """Source: DSSE protocol.md 1.0.2, Test Vectors (ECDSA P-256, raw r and s)."""
    signed = pae(b"http://example.com/HelloWorld", b"hello world")
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    raw = base64.b64decode(
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUj"
        "W2JIZA=="
    )
    rs = (int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))

    assert signed == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key().verify(
        encode_dss_signature(*rs), signed, ECDSA(SHA256())
    )


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_an_envelope_counts_in_either_alphabet(encode):
    assert verified(envelope(encode=encode)) == "signature valid"


def test_one_good_signature_among_bad_ones_is_enough():
    whole = envelope(DATA, OTHER, KEY)
    whole["signatures"].insert(0, {"sig": base64.b64encode(b"no" * 32).decode()})

    assert verified(whole) == "signature valid"


@pytest.mark.parametrize(
    ("whole", "said"),
    [
        (b"", "has no signature"),
        (envelope(DATA, OTHER), "no signature by a key in allowed_signers"),
        (envelope(DATA + b" "), "its bytes were changed"),
        (envelope(kind="application/json"), "signed as 'application/json', meant"),
        (envelope() | {"signatures": []}, "it has 0 signatures, meant 1 to 16"),
        (envelope(DATA, *[KEY] * 17), "it has 17 signatures"),
        (envelope() | {"payload": 7}, "is not text"),
        (envelope() | {"payload": "*!"}, "damaged envelope"),
        (envelope() | {"signatures": [7]}, "is not text"),
        (b"[]", "it is not an object"),
        (b"[" * 100_000, "nested too deep"),
        (b"\xef\xbb\xbf{}", "damaged envelope"),
        (b'{"payload": "", "payload": ""}', "the key 'payload' is there twice"),
        (b'{"payload": NaN}', "NaN is not a number"),
        (b"9" * 5000, "damaged envelope"),
    ],
)
def test_anything_else_is_refused_with_what_it_is(whole, said):
    with pytest.raises(BadSeal) as bad:
        verified(whole)

    assert said in bad.value.words


def test_a_type_moved_into_the_payload_is_not_what_was_signed():
    whole = envelope()
    whole["payloadType"] = KIND + " "

    with pytest.raises(BadSeal, match="is signed as"):
        verified(whole)


def test_a_key_that_expired_is_named_for_an_envelope_too():
    with pytest.raises(BadSeal, match="whose key counts until 2026-01-01"):
        verified(signers=allowed(options='valid-before="20260101Z"'))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["payload", "payloadType", "signatures", "sig", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=300) | JSON.map(lambda one: json.dumps(one).encode()))
def test_whatever_is_no_envelope_is_a_bad_seal(raw):
    with pytest.raises(BadSeal):
        verified(raw)


@given(
    st.fixed_dictionaries(
        {
            "payload": JSON | st.just(base64.b64encode(DATA).decode()),
            "payloadType": JSON | st.just(KIND),
            "signatures": JSON
            | st.lists(st.fixed_dictionaries({"sig": JSON}), max_size=3),
        }
    )
)
def test_a_well_formed_envelope_of_anything_is_a_bad_seal(whole):
    with pytest.raises(BadSeal):
        verified(whole)
