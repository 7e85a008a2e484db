"""Who asks Prometheus: what contradicts itself is refused, and no secret is inline."""

import json

import pytest

from tests import canary
from watchdog.config.settings_file import load
from watchdog.facts.problem import Refused
from watchdog.wiring.measuring import access_of

FILES = {"bearer_token_file": "/run/token"}
BASIC = {"username": "ops", "password_file": "/run/password"}
TWICE = (
    "says who asks, and so does prometheus.{}; "
    "keep one: a question has one Authorization"
)
BOTH = "is missing beside prometheus.{}; write both, or neither"
TLS = {"cert_file": "/run/cert.pem", "key_file": "/run/key.pem"}


@pytest.fixture
def read(tmp_path):
    def read(far, **env):
        path = tmp_path / "watchdog.yaml"
        whole = {"prometheus": far, "stack": {"directory": str(tmp_path)}}
        path.write_text(json.dumps(whole))
        return load(path, env)

    return read


@pytest.fixture
def faults(read):
    def faults(far, **env):
        with pytest.raises(Refused) as refused:
            read(far, **env)
        return [f"{one.path}: {one.words}; {one.hint}" for one in refused.value.faults]

    return faults


def test_all_of_it_can_be_written_in_the_environment(read):
    far = read(
        {},
        WATCHDOG_PROMETHEUS__URL="https://mimir.example/prometheus",
        WATCHDOG_PROMETHEUS__HEADERS="{X-Scope-OrgID: flexli}",
        WATCHDOG_PROMETHEUS__HEADER_FILES="{X-Api-Key: /run/key}",
        WATCHDOG_PROMETHEUS__BEARER_TOKEN_FILE="/run/token",
        WATCHDOG_PROMETHEUS__CA_FILE="/run/ca.pem",
    ).prometheus

    assert far.headers == {"X-Scope-OrgID": "flexli"}
    assert {name: str(path) for name, path in far.header_files.items()} == {
        "X-Api-Key": "/run/key"
    }
    assert (str(far.bearer_token_file), str(far.ca_file)) == (
        "/run/token",
        "/run/ca.pem",
    )


@pytest.mark.parametrize(
    ("far", "said"),
    [
        (
            FILES | BASIC,
            [f"prometheus.bearer_token_file: {TWICE.format('username')}"],
        ),
        (
            FILES | BASIC | {"header_files": {"authorization": "/run/other"}},
            [
                f"prometheus.bearer_token_file: {TWICE.format('username')}",
                f"prometheus.header_files.authorization: {TWICE.format('username')}",
            ],
        ),
        (
            FILES | {"url": f"http://ops:{canary.text()}@prometheus:9090"},
            [f"prometheus.bearer_token_file: {TWICE.format('url')}"],
        ),
        (
            {"username": "ops"},
            [f"prometheus.password_file: {BOTH.format('username')}"],
        ),
        (
            {"url": "https://x", "key_file": "/run/key.pem"},
            [f"prometheus.cert_file: {BOTH.format('key_file')}"],
        ),
        (
            TLS | {"ca_file": "/run/ca.pem"},
            [
                f"prometheus.{name}: is for https, and prometheus.url is http; "
                "write `https://` there, or take it out"
                for name in ("ca_file", "cert_file")
            ],
        ),
        (
            {"headers": {"X-Org": "a"}, "header_files": {"x-org": "/run/a"}},
            ["prometheus.header_files.x-org: is in prometheus.headers too; keep one"],
        ),
    ],
)
def test_what_contradicts_itself_is_refused(faults, far, said):
    assert faults(far) == said


@pytest.mark.parametrize(
    "name", ["Authorization", "cookie", "X-Auth-Token", "X-Api-Key", "apikey"]
)
def test_a_header_that_holds_a_secret_is_not_written_inline(faults, name):
    (said,) = faults({"headers": {name: canary.text()}})

    assert said == (
        f"prometheus.headers.{name}: is a header that holds a secret; "
        "name a file with it in `header_files`"
    )


@pytest.mark.parametrize("value", [7, True, None, f"{canary.MARK}\n", " a", "ü"])
def test_a_header_that_cannot_be_sent_is_refused_and_not_shown(faults, value):
    (said,) = faults({"headers": {"X-Scope-OrgID": value}})

    assert canary.heard("a fault", said).startswith("prometheus.headers.X-Scope-OrgID:")


@pytest.mark.parametrize("name", ["Host", "accept-encoding", "Content-Length"])
def test_a_header_of_ours_is_refused(faults, name):
    assert "is written here already" in faults({"headers": {name: "x"}})[0]


def test_a_header_by_the_name_of_a_variable_is_told_how_to_write_it(faults):
    said = faults({}, WATCHDOG_PROMETHEUS__HEADERS__X_SCOPE_ORGID="flexli")

    assert "in a variable, all in one mapping" in said[0]


def test_a_file_that_is_not_there_is_refused_where_prometheus_is_asked(read, tmp_path):
    gone = tmp_path / "gone"

    with pytest.raises(Refused) as refused:
        access_of(read({"bearer_token_file": str(gone)}))

    (fault,) = refused.value.faults
    assert fault.path == "prometheus.bearer_token_file"
    assert fault.words == f"{gone} cannot be read: no such file or directory"


def test_ssl_cert_file_names_whose_certificates_are_believed(
    read, tmp_path, monkeypatch
):
    named = tmp_path / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(named))

    assert access_of(read({"url": "http://x"})).ca_file is None
    with pytest.raises(Refused) as refused:
        access_of(read({"url": "https://x"}))
    assert refused.value.faults[0].path == "SSL_CERT_FILE"
