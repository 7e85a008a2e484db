"""What each question shows, from files as they are then, and never in any words."""

import base64
import ssl
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests import canary
from tests.observe.wire import running
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trial import cure
from watchdog.observe.access import Access
from watchdog.observe.prometheus import Prometheus

SECOND = timedelta(seconds=1)
AT = datetime(2026, 3, 11, 3, 0, 0, tzinfo=UTC)
ONE = {"status": "success", "data": {"resultType": "vector", "result": []}}


@pytest.fixture
def far():
    with running() as (wire, url):
        wire.answers(ONE)
        yield wire, url


def held(path, text):
    path.write_text(f"{text}\n")
    return path


def asked(url, access):
    return closing(Prometheus(url, 20 * SECOND, 15 * SECOND, 5 * SECOND, access))


def seen(url, access):
    with asked(url, access) as far_end:
        answer = far_end.instant("up", AT)
    canary.heard("what it said", f"{answer!r} {access!r}")
    return answer


def test_each_question_shows_the_headers_and_what_their_files_hold(far, tmp_path):
    wire, url = far
    key = held(tmp_path / "key", canary.text(1))
    access = Access({"X-Scope-OrgID": "flexli"}, {"X-Api-Key": key})

    assert seen(url, access) == []
    assert wire.headers[0]["X-Scope-OrgID"] == "flexli"
    assert wire.headers[0]["X-Api-Key"] == canary.text(1)
    assert wire.headers[0]["Accept-Encoding"] == "identity"


def test_a_bearer_token_is_read_again_when_its_file_changed(far, tmp_path):
    wire, url = far
    token = held(tmp_path / "token", canary.text(1))
    with asked(url, Access(bearer_token_file=token)) as far_end:
        assert far_end.instant("up", AT) == []
        held(token, canary.text(2))
        assert far_end.instant("up", AT) == []

    shown = [headers["Authorization"] for headers in wire.headers]
    assert shown == [f"Bearer {canary.text(1)}", f"Bearer {canary.text(2)}"]


def test_a_password_goes_with_its_user(far, tmp_path):
    wire, url = far
    password = held(tmp_path / "password", f"{canary.text()} ü:")

    assert seen(url, Access(username="ops", password_file=password)) == []
    scheme, _, both = wire.headers[0]["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(both).decode() == f"ops:{canary.text()} ü:"


def test_what_answers_may_repeat_a_secret_but_no_words_do(far, tmp_path):
    wire, url = far
    token = held(tmp_path / "token", canary.text(1))
    key = held(tmp_path / "key", canary.text(2))
    access = Access(header_files={"X-Api-Key": key}, bearer_token_file=token)

    def repeat(status, **headers):
        def answer(handler):
            wire.send(handler, str(handler.headers).encode(), status, **headers)

        return answer

    for wire.answer in (
        repeat(401),
        repeat(200),
        repeat(500),
        repeat(302, Location=f"http://elsewhere.example/?was={canary.text(1)}"),
    ):
        assert isinstance(seen(url, access), Blind)
    basic = url.replace("//", f"//ops:{canary.text(3)}@")
    wire.answer = repeat(403)
    assert isinstance(seen(basic, Access()), Blind)


def test_a_redirect_is_not_followed_and_nothing_is_shown_elsewhere(far, tmp_path):
    wire, url = far
    access = Access(bearer_token_file=held(tmp_path / "token", canary.text()))
    with running() as (other, elsewhere):
        wire.answers(b"", 307, Location=f"{elsewhere}/api/v1/query")
        said = seen(url, access)

    assert other.headers == []
    assert isinstance(said, Blind)
    assert "a redirect is not followed" in cure(said)


def test_the_proxies_and_logins_of_the_environment_are_not_ours(
    far, tmp_path, monkeypatch
):
    wire, url = far
    netrc = held(tmp_path / "netrc", "machine 127.0.0.1 login ops password x")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert seen(url, Access()) == []
    assert "Authorization" not in wire.headers[0]


@pytest.mark.parametrize(
    "case",
    [
        (401, "Basic realm=x", "", Access(), "write `username` and `password_file`"),
        (401, "Bearer", "", Access(), "write `bearer_token_file` under `prometheus`"),
        (401, "", "", Access(), "`bearer_token_file`, or what else"),
        (401, "", "no org id", Access(), "name the tenant: `headers: {X-Scope-OrgID"),
        (403, "", "", Access({"X-Team": "a"}), "is each header right (X-Team)?"),
        (
            401,
            "",
            "no org id",
            Access({"X-Scope-OrgID": "a"}),
            "is the tenant of `X-Scope-OrgID`",
        ),
    ],
)
def test_who_is_not_let_in_is_told_which_setting(far, case):
    status, wants, said, access, hint = case
    wire, url = far
    more = {"WWW-Authenticate": wants} if wants else {}
    wire.answers(said.encode(), status, **more)

    blind = seen(url, access)

    assert blind.cause is Cause.REJECTED
    assert hint in cure(blind)
    assert "paste the query" not in cure(blind)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read: no such file or directory"),
        ("", "is empty"),
        (f"{canary.MARK}1 {canary.MARK}2", "does not hold a token alone"),
        (f"{canary.MARK}1\n{canary.MARK}2", "does not hold a token alone"),
    ],
)
def test_without_its_secret_nothing_is_asked(far, tmp_path, text, words):
    wire, url = far
    token = tmp_path / "token"
    if text is not None:
        held(token, text)
    access = Access(bearer_token_file=token)

    said = seen(url, access)

    assert wire.headers == []
    assert said.words == f"prometheus.bearer_token_file: {token} {words}"
    (fault,) = access.faults()
    assert (fault.path, fault.words) == (
        "prometheus.bearer_token_file",
        f"{token} {words}",
    )


def test_every_file_that_cannot_be_used_is_named_at_once(tmp_path):
    nothing = held(tmp_path / "nothing", "no certificate")
    gone = tmp_path / "gone"
    access = Access(
        header_files={"X-Api-Key": gone},
        username="ops",
        password_file=tmp_path,
        ca_file=nothing,
        cert_file=nothing,
        key_file=nothing,
    )

    assert [(fault.path, fault.words) for fault in access.faults()] == [
        (
            "prometheus.header_files.X-Api-Key",
            f"{gone} cannot be read: no such file or directory",
        ),
        ("prometheus.password_file", f"{tmp_path} is a folder, meant a file"),
        ("prometheus.ca_file", f"{nothing} holds no certificate"),
        ("prometheus.cert_file", f"{nothing} and {nothing} cannot be used"),
    ]


def test_a_ca_of_ones_own_need_not_be_as_complete_as_a_public_one(tmp_path):
    context = Access(ca_file=tmp_path).context()

    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_page_to_log_in_is_not_called_a_wrong_query(far):
    wire, url = far
    wire.answers(b"<html>Sign in</html>")

    assert "a page to log in" in cure(seen(url, Access()))


def test_a_path_that_is_left_out_is_asked_for(far):
    wire, url = far
    wire.answers(b"404 page not found", 404)

    assert "the path before /api/v1 in `prometheus.url`" in cure(seen(url, Access()))
