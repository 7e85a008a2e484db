"""Who may look at the private listener: nobody from elsewhere without its token."""

import base64
from contextlib import ExitStack, closing

import pytest
import yaml

from tests import canary
from tests.wiring.test_doorway import asked
from watchdog.config.settings_file import load
from watchdog.facts.problem import Refused
from watchdog.wiring.watch import wire

TOKEN, NEXT = canary.text("0123456789"), canary.text("9876543210")
ALIVE = ("/healthz", "/readyz")
PAGES = ("/", "/history", "/report/inc-1", "/follow", "/v1/status", "/nowhere")


@pytest.fixture
def door(tmp_path):
    """Make the private door of a watchdog; listen at *host*, with these *lines*."""
    (tmp_path / "stack").mkdir()
    (tmp_path / "releases").mkdir()
    (tmp_path / "approvers.yaml").write_text("approvers: {}\n")
    with ExitStack() as stack:

        def made(*lines, host="0.0.0.0"):
            listen = {"private": f"{host}:8471"}
            if lines:
                (tmp_path / "token").write_text("\n".join(lines))
                listen["private_token_file"] = str(tmp_path / "token")
            whole = {
                "stack": {"directory": str(tmp_path / "stack")},
                "state": str(tmp_path / "state"),
                "listen": listen,
            }
            path = tmp_path / "watchdog.yaml"
            path.write_text(yaml.safe_dump(whole))
            watch = wire(load(path, {}), "test", lambda _: None)
            stack.enter_context(closing(watch.journal))
            return watch.doors.private

        yield made


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def basic(token, name="ravi"):
    said = base64.b64encode(f"{name}:{token}".encode()).decode()
    return {"authorization": f"Basic {said}"}


def code(app, path="/v1/status", headers=None):
    reply = asked(app, path, headers=headers)
    canary.heard(path, reply.text + str(reply.headers))
    return reply.status_code


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost"])
def test_on_loopback_nobody_is_asked(door, host):
    app = door(host=host)

    assert [code(app, path) for path in ("/", "/history", "/v1/status")] == [200] * 3


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "10.0.0.1", "watchdog"])
def test_reached_from_elsewhere_it_shows_no_names_without_a_token(door, host):
    app = door(host=host)

    assert [code(app, path) for path in PAGES] == [403] * len(PAGES)
    assert [code(app, path) for path in (*ALIVE, "/metrics")] == [200, 503, 200]
    assert "set `listen.private_token_file`" in asked(app, "/").text
    assert "words" in asked(app, "/readyz").json()


@pytest.mark.parametrize("said", [bearer(TOKEN), basic(TOKEN), basic(TOKEN, "")])
def test_who_has_the_token_is_let_in(door, said):
    app = door(TOKEN)

    assert code(app, "/", said) == 200
    assert code(app, "/metrics", said) == 200
    assert "words" in asked(app, "/readyz", headers=said).json()


@pytest.mark.parametrize(
    "said",
    [
        {},
        bearer(NEXT),
        bearer(TOKEN[:-1]),
        bearer(f"{TOKEN}0"),
        bearer(""),
        basic(NEXT),
        basic("", TOKEN),
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Basic !!"},
        {"authorization": f"Digest {TOKEN}"},
    ],
)
def test_who_has_it_not_is_asked_for_it(door, said):
    app = door(TOKEN)

    for path in (*PAGES, "/metrics"):
        reply = asked(app, path, headers=said)
        assert reply.status_code == 401, path
        assert reply.headers["www-authenticate"].startswith("Basic realm=")
        assert "content-security-policy" not in reply.headers
    assert code(app, "/healthz", said) == 200
    assert asked(app, "/readyz", headers=said).json() == {"ready": False}


def test_two_headers_are_none(door):
    twice = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")]

    assert code(door(TOKEN), "/", twice) == 401


def test_on_loopback_too_a_token_that_is_set_is_asked_for(door):
    assert code(door(TOKEN, host="127.0.0.1")) == 401


def test_two_lines_count_while_the_token_is_changed_and_at_once(door, tmp_path):
    app = door(TOKEN)
    assert code(app, headers=bearer(NEXT)) == 401

    (tmp_path / "token").write_text(f"{TOKEN}\n{NEXT}\n")
    assert [code(app, headers=bearer(one)) for one in (TOKEN, NEXT)] == [200, 200]
    (tmp_path / "token").write_text(NEXT)
    assert [code(app, headers=bearer(one)) for one in (TOKEN, NEXT)] == [401, 200]


def test_a_token_that_cannot_be_read_any_more_lets_nobody_in(door, tmp_path):
    app = door(TOKEN)
    (tmp_path / "token").unlink()

    assert code(app, headers=bearer(TOKEN)) == 503
    assert code(app, "/healthz") == 200
    (tmp_path / "token").write_text("")
    assert code(app, headers=bearer("")) == 503


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["short"], "does not hold a long token"),
        (["a" * 40], "does not hold a long token"),
        (["a token with spaces in it, 0123456789"], "does not hold a long token"),
        ([TOKEN, NEXT, TOKEN], "holds 3 tokens, meant one or two"),
        ([" "], "holds 0 tokens"),
    ],
)
def test_what_is_no_token_is_refused_at_the_start(door, lines, words):
    with pytest.raises(Refused, match=words) as refused:
        door(*lines)
    assert "listen.private_token_file" in str(refused.value)
    assert lines[0] not in str(refused.value) or lines == [" "]


def test_one_that_others_may_write_is_refused(door, tmp_path):
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").chmod(0o666)
    with pytest.raises(Refused, match="may be written by others"):
        door(TOKEN)
