"""The example of a proxy with TLS and a sign-in, before a real watchdog."""

import os
import socket
import ssl
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.abuse.door import PATH, QUESTION, Watched, a_port

pytestmark = pytest.mark.real

CONFIG = Path(__file__).parents[2] / "examples/front-door/haproxy.cfg"


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """Make the proxy's certificate and key, in one file as it reads them."""
    folder = tmp_path_factory.mktemp("pem")
    pem, key = folder / "all.pem", folder / "key.pem"
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", key, "-out", pem),
    )
    pem.write_text(pem.read_text() + key.read_text())
    return pem


@pytest.fixture(scope="module")
def trusted(pem):
    return ssl.create_default_context(cafile=pem)


@pytest.fixture(scope="module")
def doors(tmp_path_factory, pem, trusted):
    """Give the watchdog, a client that trusts the proxy, and its two addresses."""
    folder = tmp_path_factory.mktemp("door")
    with ExitStack() as after, ExitStack() as held:
        watched = Watched(folder / "watchdog")
        watched.settings()
        watched.open_a_question()
        watched.start()
        after.callback(watched.stop)
        decisions, pages = a_port(held), a_port(held)
        held.close()
        env = os.environ | {
            "CERTIFICATE": str(pem),
            "DECISIONS": f"127.0.0.1:{decisions}",
            "PAGES": f"127.0.0.1:{pages}",
            "PAGES_PASSWORD": openssl("passwd", "-6", "a password").strip(),
            "WATCHDOG_DECISIONS": f"127.0.0.1:{watched.port}",
            "WATCHDOG_PRIVATE": f"127.0.0.1:{watched.private}",
        }
        with (folder / "proxy.log").open("wb") as out:
            proxy = subprocess.Popen(
                ["haproxy", "-db", "-f", CONFIG], env=env, stdout=out, stderr=out
            )
        after.callback(proxy.wait, 30)
        after.callback(proxy.terminate)
        for port in (decisions, pages):
            until_open(port, proxy, folder / "proxy.log")
        client = after.enter_context(httpx.Client(verify=trusted, timeout=60))
        yield (
            watched,
            client,
            f"https://localhost:{decisions}",
            f"https://localhost:{pages}",
        )


def openssl(*words):
    return subprocess.run(
        ["openssl", *words], check=True, capture_output=True, text=True
    ).stdout


def until_open(port, proxy, log):
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            assert proxy.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return


def test_a_question_is_read_and_answered_through_tls(doors):
    watched, client, decisions, _ = doors

    page = client.get(f"{decisions}/a/{QUESTION}")
    body, headers = watched.promise()
    taken = client.post(f"{decisions}{PATH}", content=body, headers=headers)

    assert page.status_code == 200
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    assert "content-security-policy" in page.headers
    assert taken.status_code == 202, taken.text
    assert [answer.decision for answer in watched.answers] == ["forward_fix"]


@pytest.mark.parametrize("says", [b"", b"\x16\x03\x01"], ids=["silent", "begun"])
def test_who_holds_connections_to_the_proxy_keeps_no_answer_out(doors, trusted, says):
    """It had fewer places than one host opens, and kept each a minute."""
    watched, _, decisions, _ = doors
    port = int(decisions.rpartition(":")[2])
    body, headers = watched.promise()
    with ExitStack() as held, httpx.Client(verify=trusted) as client:
        for _ in range(300):
            made = held.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            made.sendall(says)
        # In no more than a browser waits, and long before they are let go.
        taken = client.post(
            f"{decisions}{PATH}", content=body, headers=headers, timeout=8
        )

    assert taken.status_code == 202, taken.text


def test_the_pages_are_for_who_signs_in(doors):
    _, client, _, pages = doors

    assert client.get(pages).status_code == 401
    assert client.get(pages, auth=("ops", "another")).status_code == 401
    shown = client.get(pages, auth=("ops", "a password"))
    assert shown.status_code == 200
    assert "v1.3.0" in shown.text
