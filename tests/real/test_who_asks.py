"""Prometheus as people have it: behind TLS of their own, a password, a proxy."""

import base64
import json
import shutil
import ssl
import subprocess
import sys
import threading
import urllib.request
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import canary
from tests.real import prometheus as real
from tests.real.certificates import Authority
from watchdog.config.settings_file import load
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trial import cure
from watchdog.observe.access import Access
from watchdog.observe.prometheus import Prometheus
from watchdog.wiring.measuring import access_of

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
AT = datetime(2026, 3, 11, 3, 0, 0, tzinfo=UTC)
CONFIG = Path(__file__).parents[2] / "config"
PASSWORD = canary.text("pw")
# Of PASSWORD, by bcrypt.
HASHED = "$2b$04$ZJ3urVvIamCTG7SGd75yXOvrxDsB0Cp2Xr1EZYEMuutP8oK/T0Xzy"
SAMPLES = [real.line("up", {"job": "dms"}, 1, AT.timestamp() - 5)]


def file(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def asked(url, access):
    """Ask for ``up``; what it said is heard."""
    with closing(
        Prometheus(url, 20 * SECOND, 15 * SECOND, 5 * SECOND, access)
    ) as far_end:
        answer = far_end.instant("up", AT)
    canary.heard("what it said", f"{answer!r}")
    return answer


def value(url, access):
    ((labels, number),) = asked(url, access)
    return labels["job"], number


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Run a Prometheus that wants TLS, a password and a client's certificate."""
    folder = tmp_path_factory.mktemp("guarded")
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    cert, key = ours.signs("server")
    client_cert, client_key = ours.signs("client", addresses=())
    web = f"""
tls_server_config:
  cert_file: {cert}
  key_file: {key}
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: {ours.file}
basic_auth_users: {{watchdog: "{HASHED}"}}
"""
    context = ssl.create_default_context(cafile=str(ours.file))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.load_cert_chain(client_cert, client_key)
    both = base64.b64encode(f"watchdog:{PASSWORD}".encode()).decode()

    def opened(url, timeout):
        request = urllib.request.Request(
            url, headers={"Authorization": f"Basic {both}"}
        )
        return urllib.request.urlopen(request, timeout=timeout, context=context)

    it = SimpleNamespace(folder=folder, ours=ours, theirs=theirs, cert=cert, key=key)
    it.good = {
        "username": "watchdog",
        "password_file": file(folder, "password", f"{PASSWORD}\n"),
        "ca_file": ours.file,
        "cert_file": client_cert,
        "key_file": client_key,
    }
    with real.running(folder, SAMPLES, web=web, opened=opened) as it.url:
        yield it


def refusal(it, url="", **changes):
    said = asked(url or it.url, Access(**it.good | changes))
    assert isinstance(said, Blind)
    return said.cause, said.words.partition(": ")[2], cure(said)


def test_with_a_password_an_own_ca_and_a_certificate_it_answers(guarded):
    assert value(guarded.url, Access(**guarded.good)) == ("dms", 1.0)


def test_a_wrong_password_is_told_as_that(guarded):
    wrong = file(guarded.folder, "wrong", canary.text("no"))

    assert refusal(guarded, password_file=wrong) == (
        Cause.REJECTED,
        "Unauthorized",
        (
            "is `prometheus.username`, and what `prometheus.password_file` names, "
            "right, and still valid? Else: does what answers want one in "
            "`prometheus.headers` too?"
        ),
    )


def test_no_password_is_told_as_that(guarded):
    assert refusal(guarded, username=None, password_file=None) == (
        Cause.REJECTED,
        "Unauthorized",
        "write `username` and `password_file` under `prometheus`",
    )


def test_a_ca_that_is_not_known_is_told_with_the_setting(guarded):
    none = "name its certificate in `prometheus.ca_file`"
    other = "is it the CA of `prometheus.ca_file`?"
    for ca_file, hint in ((None, none), (guarded.theirs.file, other)):
        assert refusal(guarded, ca_file=ca_file) == (
            Cause.UNREACHABLE,
            "the CA that signed its certificate is not known here",
            hint,
        )


def test_ssl_cert_file_is_heeded(guarded, monkeypatch, tmp_path):
    far = {name: str(value) for name, value in guarded.good.items()}
    del far["ca_file"]
    whole = {"prometheus": far | {"url": guarded.url}}
    whole |= {"stack": {"directory": str(tmp_path)}}
    settings = load(file(tmp_path, "watchdog.yaml", json.dumps(whole)), {})
    monkeypatch.setenv("SSL_CERT_FILE", str(guarded.ours.file))
    assert value(guarded.url, access_of(settings)) == ("dms", 1.0)

    monkeypatch.setenv("SSL_CERT_FILE", str(guarded.theirs.file))
    assert cure(asked(guarded.url, access_of(settings))) == (
        "is it the CA of `SSL_CERT_FILE`?"
    )


def test_a_certificate_for_another_name_is_told_with_the_name(guarded):
    url = guarded.url.replace("127.0.0.1", "localhost")

    assert refusal(guarded, url) == (
        Cause.UNREACHABLE,
        "its certificate is not for localhost",
        "write in `prometheus.url` a name that it is for",
    )


def test_a_certificate_that_ended_is_told_and_a_new_one_is_taken_at_once(guarded):
    ended, key = guarded.ours.signs("ended", ended=True)
    kept = {path: path.read_bytes() for path in (guarded.cert, guarded.key)}
    shutil.copy(ended, guarded.cert)
    shutil.copy(key, guarded.key)
    try:
        assert refusal(guarded) == (
            Cause.UNREACHABLE,
            "its certificate expired",
            "renew it there; is the clock right?",
        )
    finally:
        for path, data in kept.items():
            path.write_bytes(data)
    assert value(guarded.url, Access(**guarded.good)) == ("dms", 1.0)


def test_without_our_certificate_or_with_anothers_it_is_told(guarded):
    assert refusal(guarded, cert_file=None, key_file=None) == (
        Cause.UNREACHABLE,
        "it wants a client's certificate",
        "write `cert_file` and `key_file` under `prometheus`",
    )
    cert, key = guarded.theirs.signs("stranger", addresses=())
    assert refusal(guarded, cert_file=cert, key_file=key) == (
        Cause.UNREACHABLE,
        "it refused the certificate of `prometheus.cert_file`",
        "is it valid, and signed by a CA that Prometheus trusts?",
    )


def test_the_wrong_scheme_is_told_either_way(guarded, tmp_path):
    plain = guarded.url.replace("https:", "http:")
    said = asked(plain, Access())
    assert cure(said) == "write `https://` in `prometheus.url`"

    with real.running(tmp_path, SAMPLES) as url:
        said = refusal(guarded, url.replace("http:", "https:"))
    assert said[1:] == ("it speaks no TLS", "is it `http://` in `prometheus.url`?")


def test_files_that_change_count_at_the_next_question(guarded, tmp_path):
    own = tmp_path / "ca.pem"
    shutil.copy(guarded.theirs.file, own)
    secret = file(tmp_path, "password", canary.text("no"))
    access = Access(**guarded.good | {"ca_file": own, "password_file": secret})
    with closing(
        Prometheus(guarded.url, 20 * SECOND, 15 * SECOND, 5 * SECOND, access)
    ) as it:
        assert it.instant("up", AT).cause is Cause.UNREACHABLE
        shutil.copy(guarded.ours.file, own)
        assert it.instant("up", AT).cause is Cause.REJECTED
        secret.write_text(PASSWORD)
        assert len(it.instant("up", AT)) == 1


# Behind a proxy that wants a tenant and a token, under a path.


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    with real.running(tmp_path_factory.mktemp("proxied"), SAMPLES) as behind:

        class Guard(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, body = self.answer()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def answer(self):
                if self.headers["Authorization"] != f"Bearer {canary.text('bt')}":
                    return 401, f"who is {self.headers['Authorization']}?".encode()
                if self.headers["X-Scope-OrgID"] != "flexli":
                    return 401, b"no org id"
                if not self.path.startswith("/prometheus/"):
                    return 404, b"404 page not found"
                path = self.path.removeprefix("/prometheus")
                try:
                    with urllib.request.urlopen(f"{behind}{path}", timeout=20) as it:
                        return it.status, it.read()
                except urllib.error.HTTPError as error:
                    return error.code, error.read()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Guard)
        thread = threading.Thread(target=partial(server.serve_forever, 0.01))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/prometheus"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def test_behind_a_proxy_that_wants_a_tenant_and_a_token_it_answers(proxied, tmp_path):
    token = file(tmp_path, "token", canary.text("bt"))
    tenant = {"X-Scope-OrgID": "flexli"}

    assert value(proxied, Access(tenant, bearer_token_file=token)) == ("dms", 1.0)

    no_path = proxied.removesuffix("/prometheus")
    said = asked(no_path, Access(tenant, bearer_token_file=token))
    assert "the path before /api/v1" in cure(said)
    said = asked(proxied, Access(bearer_token_file=token))
    assert cure(said).startswith("name the tenant: `headers: {X-Scope-OrgID:")
    said = asked(proxied, Access({"X-Scope-OrgID": "a"}, bearer_token_file=token))
    assert cure(said).startswith("is the tenant of `X-Scope-OrgID`")
    other = file(tmp_path, "other", canary.text("no"))
    said = asked(proxied, Access(tenant, bearer_token_file=other))
    assert cure(said).startswith("is what `prometheus.bearer_token_file` names right")
    assert "who is Bearer …?" in said.words
    said = asked(proxied, Access(tenant))
    assert cure(said).startswith("write `username` and `password_file`, or")


def test_check_live_asks_as_the_settings_say(proxied, tmp_path):
    token = file(tmp_path, "token", canary.text("bt"))
    far = {"url": proxied, "bearer_token_file": str(token), "timeout": "20s"}
    file(tmp_path, ".env", "DMS_VERSION=v1.2.0\n")

    def check(**more):
        whole = {
            "prometheus": far | more,
            "stack": {"directory": str(tmp_path)},
            "engine": {"url": "tcp://127.0.0.1:9"},
            "releases": str(CONFIG / "releases"),
            "approvers": str(CONFIG / "approvers.yaml"),
        }
        settings = file(tmp_path, "watchdog.yaml", json.dumps(whole))
        words = [sys.executable, "-m", "watchdog", "check", "--live", "-c", settings]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return canary.heard("check --live", done.stdout + done.stderr)

    assert "no series" in check(headers={"X-Scope-OrgID": "flexli"})
    said = check()
    assert "no org id" in said
    assert "name the tenant" in said
    assert "paste the query" not in said
    token.unlink()
    assert f"{token} cannot be read" in check()
