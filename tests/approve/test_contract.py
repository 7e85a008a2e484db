"""The door holds to its own description, unsigned and signed, whatever comes."""

import base64
import json
import subprocess
import uuid

import pytest
import schemathesis
import standardwebhooks
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import HealthCheck, settings
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests import canary
from tests.approve.test_github import Gate
from tests.approve.test_slack import Room
from tests.approve.test_webhook import KEYS
from tests.notify.hub import by_github
from tests.worlds import ASHA, AT
from watchdog.approve.github import PATH as GITHUB
from watchdog.approve.openapi import openapi
from watchdog.facts.roster import Key, Scheme
from watchdog.sign.delivery import signature, who_signed

PLACED = Room()


async def _described(_):
    return JSONResponse(openapi("test"))


APP = Starlette(routes=[*PLACED.app.routes, Route("/openapi.json", _described)])
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP)
# The gate is another room's; it has tests of its own.
DOOR = SCHEMA.exclude(path="/v1/promotion/{release}")
QUICK = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@DOOR.parametrize()
@QUICK
def test_unsigned_nothing_gets_past_the_door(case):
    answer = case.call()

    if case.method == "POST":
        assert answer.status_code in (400, 401, 404, 405, 413, 415)
    assert answer.status_code < 500


@DOOR.include(method="POST").parametrize()
@QUICK
def test_signed_every_answer_is_one_that_is_described(case):
    try:
        body = json.dumps(case.body).encode()
    except TypeError:
        body = b""  # no body at all
    message = f"msg_{uuid.uuid4().hex}"
    headers = signature(message, PLACED.at, body, KEYS[ASHA])
    headers["content-type"] = "application/json"

    path = case.formatted_path
    answer = PLACED.post(body, list(headers.items()), path)

    described = case.operation.definition.raw["responses"]
    assert str(answer.status_code) in {*described, "405"}
    if answer.status_code >= 400 and answer.status_code not in (404, 405):
        assert answer.json()["code"]


@SCHEMA.include(path=GITHUB).parametrize()
@QUICK
def test_signed_by_github_every_answer_is_one_that_is_described(case):
    try:
        body = json.dumps(case.body).encode()
    except TypeError:
        body = b""  # no body at all
    gate = Gate()
    answer = gate.post(body, by_github(body), GITHUB)

    described = case.operation.definition.raw["responses"]
    assert str(answer.status_code) in described
    assert answer.status_code < 400 or answer.json()["code"]


# Others who speak the same protocol.


def test_a_shared_secrets_signature_is_what_others_make_and_take():
    secret = canary.shared()
    body = '{"one": 1}'
    other = standardwebhooks.Webhook(base64.b64encode(secret).decode())
    theirs = other.sign("msg_00000001", AT, body)
    ours = signature("msg_00000001", AT, body.encode(), secret)

    assert ours["webhook-signature"] == theirs
    key = Key("k", Scheme.HMAC, secret)
    given = {name: [value] for name, value in ours.items()}
    assert who_signed(given, body.encode(), [("asha", key)], AT).who == "asha"


def test_what_openssl_signs_is_taken_and_what_we_sign_openssl_takes(tmp_path):
    body = b'{"one": 1}'
    key = KEYS[ASHA]
    pem, public = tmp_path / "key.pem", tmp_path / "public.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    signed = tmp_path / "msg.bin"
    stamp = int(AT.timestamp())
    signed.write_bytes(f"msg_00000001.{stamp}.".encode() + body)
    made = tmp_path / "sig.bin"
    sign = ["openssl", "pkeyutl", "-sign", "-inkey", str(pem), "-rawin"]
    subprocess.run([*sign, "-in", str(signed), "-out", str(made)], check=True)
    ours = signature("msg_00000001", AT, body, key)["webhook-signature"]

    assert ours == f"v1a,{base64.b64encode(made.read_bytes()).decode()}"
    verify = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public)]
    subprocess.run(
        [*verify, "-rawin", "-in", str(signed), "-sigfile", str(made)], check=True
    )


def test_the_description_names_every_route_of_the_door():
    paths = {route.path for route in PLACED.app.routes}

    assert paths <= set(openapi("test")["paths"])


@pytest.mark.parametrize("model", ["Decision", "Resume"])
def test_the_description_is_made_of_the_models_that_read(model):
    schemas = openapi("test")["components"]["schemas"]

    data = schemas[model]["properties"]["data"]["$ref"].rpartition("/")[2]
    assert schemas[data]["additionalProperties"] is False
    assert "decision" in schemas[data]["required"]
