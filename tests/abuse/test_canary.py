"""No secret is ever said: every one with its mark, looked for in all that is said."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import yaml

from tests import canary
from tests.abuse.door import (
    KEYS,
    PATH,
    QUESTION,
    ask,
    now,
    public_of,
    raw,
    status,
    watching,
)
from tests.notify.receiver import receiving
from tests.worlds import ASHA
from watchdog.sign.delivery import signature

ROOT = Path(__file__).parents[2]
GIVES_AWAY = """
import base64, logging, sys
from tests import canary
from tests.conftest import *
from tests.worlds import AT, Notebook
from watchdog.facts.event import HoldPlaced

PEM = canary.key(7)

def test_that_says_nothing(): print("all is well", canary.key(7))
def test_that_prints_it(): print("the token is", canary.text())
def test_that_warns_of_it(): logging.getLogger("any").warning(canary.whsec(3))
def test_that_writes_it_to_stderr(): sys.stderr.write(canary.signing())
def test_that_shows_bytes(): print(canary.shared())
def test_that_prints_a_raw_key(): print(base64.b64encode(PEM.private_bytes_raw()))
def test_that_prints_hex(): print(PEM.private_bytes_raw().hex())
def test_that_journals_it(): Notebook().add(AT, HoldPlaced("asha", canary.text()))
def test_that_shows_it_on_a_page(): canary.heard("a page", f"<p>{canary.text()}</p>")
"""


def test_a_test_in_which_a_secret_is_said_fails(tmp_path):
    (tmp_path / "conftest.py").write_text(
        "from tests.conftest import pytest_runtest_makereport\n"
    )
    (tmp_path / "test_it.py").write_text(GIVES_AWAY)
    plain = ("-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", *plain, str(tmp_path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    said = done.stdout
    bad = [
        f"test_that_{rest.partition('(')[0]}"
        for rest in GIVES_AWAY.split("def test_that_")[1:]
    ]
    passed = {name for name in bad if re.search(rf"PASSED \S+::{name}\n", said)}
    failed = {name for name in bad if re.search(rf"FAILED \S+::{name}\b", said)}
    assert "errors" not in said
    assert passed == {"test_that_says_nothing"}
    assert failed == set(bad) - passed


def secrets_of(it, to):
    """Write every secret that the settings can name; give the settings with them."""
    folder = it.folder / "secrets"
    folder.mkdir()

    def file(name, text):
        path = folder / name
        path.write_text(f"{text}\n")
        path.chmod(0o600)
        return str(path)

    it.secret_file = file("approver", canary.whsec(1))
    far = {"url_file": file("url", to.url)}
    return {
        "notify": {
            "base_url": "https://watchdog.example",
            "webhooks": [
                {"name": "hook", "key_file": file("key", canary.whsec(2))} | far
            ],
            "slack": [{"name": "room", "buttons": True} | far],
            "apprise": [
                {
                    "name": "sms",
                    "url_file": file("sms", to.url.replace("http:", "json:")),
                }
            ],
        },
        "slack_buttons": {"signing_secret_file": file("slack", canary.signing())},
        "heartbeat": far | {"every": "1s"},
        "prometheus": {
            "url": f"http://ops:{canary.text()}@127.0.0.1:9",
            "header_files": {"X-Api-Key": file("prometheus", canary.text(5))},
        },
    }


def enrol(it, *lines):
    """Give Asha the public key, a shared secret, and more *lines*."""
    keys = [f"whpk_{public_of(KEYS[ASHA])}", {"secret_file": it.secret_file}, *lines]
    path = it.folder / "config/approvers.yaml"
    path.write_text(yaml.safe_dump({"approvers": {ASHA: {"keys": keys}}}))


def test_with_a_secret_in_every_setting_none_is_ever_said(tmp_path):
    with receiving() as to:
        to.answers = [(500, {})] * 4
        with watching(tmp_path, more=lambda it: secrets_of(it, to)) as it:
            enrol(it)
            it.until_it_turned()
            it.until_it_turned()
            body, headers = it.promise()
            sealed = signature("msg_shared_01", now(), body, canary.shared(1))
            sealed["content-type"] = "application/json"
            assert status(ask(it.port, raw(body, sealed))) == 202
            for number in range(9):
                bad = headers | {"webhook-id": f"msg_{canary.MARK}{number}"}
                canary.heard("a refusal", ask(it.port, raw(body, bad)))
            # Secrets where none belong: refused, and not repeated.
            enrol(it, canary.whsec(4), f"whsk_{canary.MARK}")
            it.until_it_turned()
            it.until_it_turned()
            assert "is a secret" in it.log
            look_at_all(it)
            to.until(3)
    # What the channels got was heard by the receiver, the log and journal at the end.


def look_at_all(it):
    """Hear every page and every command that shows something."""
    for port, paths in (
        (it.private, ("/healthz", "/readyz", "/v1/status", "/metrics")),
        (
            it.port,
            (
                f"/a/{QUESTION}",
                "/openapi.json",
                "/v1/approvals",
                "/v1/promotion/v1.3.0",
                PATH,
                "/nowhere",
            ),
        ),
    ):
        for path in paths:
            reply = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=60)
            canary.heard(path, reply.text)
    config = str(it.folder / "config/watchdog.yaml")
    for words in (
        ("status",),
        ("status", "--json"),
        ("explain",),
        ("check",),
        ("check", "--live"),
        ("releases",),
        ("retention",),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "watchdog", *words, "-c", config],
            capture_output=True,
            text=True,
            check=False,
        )
        canary.heard(f"watchdog {' '.join(words)}", done.stdout + done.stderr)
        assert done.stdout + done.stderr
