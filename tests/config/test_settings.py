import os
import re
from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from tests import canary
from watchdog.config.sections.listen import Address
from watchdog.config.settings import Settings
from watchdog.config.settings_file import load
from watchdog.facts.problem import Refused
from watchdog.facts.smoke import Asks, Runs
from watchdog.wiring.chosen import rules_of

EXAMPLE = Path(__file__).parent.parent.parent / "config" / "watchdog.yaml"
SECOND = timedelta(seconds=1)


def a_key(byte):
    return "whpk_" + b64encode(bytes([byte]) * 32).decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("settings")


@pytest.fixture
def read(tmp_path):
    def read(raw=None, **env):
        path = tmp_path / "watchdog.yaml"
        path.write_text(yaml.safe_dump(raw or {}))
        return load(path, {"WATCHDOG_STACK__DIRECTORY": str(tmp_path)} | env)

    return read


@pytest.fixture
def faults(read):
    def faults(raw=None, **env):
        with pytest.raises(Refused) as refused:
            read(raw, **env)
        return [
            f"{fault.path}: {fault.words}; {fault.hint}".removesuffix("; ")
            for fault in refused.value.faults
        ]

    return faults


@pytest.fixture
def secrets(tmp_path):
    def secrets(**files):
        where = tmp_path / "secrets"
        where.mkdir()
        for name, text in files.items():
            (where / name).write_text(text)
        return str(where)

    return secrets


def every_key(model, at=()):
    for name, field in model.model_fields.items():
        yield (*at, name)
        if isinstance(field.annotation, type) and issubclass(
            field.annotation, BaseModel
        ):
            yield from every_key(field.annotation, (*at, name))


# The example.


@pytest.mark.parametrize("key", list(every_key(Settings)), ids=".".join)
def test_the_example_holds_every_key(key):
    at = yaml.safe_load(EXAMPLE.read_text())
    for part in key:
        assert part in at
        at = at[part]


def test_the_example_is_the_defaults(tmp_path):
    env = {"WATCHDOG_STACK__DIRECTORY": str(tmp_path)}
    (tmp_path / "watchdog.yaml").write_text("")
    example = load(EXAMPLE, env)

    defaults = load(tmp_path / "watchdog.yaml", env)
    same = {"approvers": example.approvers, "releases": example.releases}
    assert defaults.model_copy(update=same) == example
    assert example.releases == EXAMPLE.parent / "releases"
    assert example.approvers == EXAMPLE.parent / "approvers.yaml"


def test_the_example_explains_every_key():
    lines = EXAMPLE.read_text().splitlines()
    for line, above in zip(lines[1:], lines, strict=False):
        if re.match(r"\s*[a-z_]+:", line):
            # A comment, a sibling that shares one, or the key of this group.
            assert above.strip(), line


# Smoke checks.


def test_a_smoke_check_is_a_get_or_a_command(read):
    get = {"http": "http://dms:5269/version", "contains": "meesho"}
    command = {"exec": ["python", "-m", "dms.check"], "timeout": "10s"}

    settings = read({"stack": {"smoke": [get, command]}})

    assert rules_of(settings).smoke == (
        Asks("http://dms:5269/version", 200, "meesho", 5 * SECOND),
        Runs(("python", "-m", "dms.check"), "dms", "", 10 * SECOND),
    )


def test_a_smoke_check_may_come_through_the_environment(read):
    given = '[{"http": "http://dms:5269/scan", "expect": 405}]'
    settings = read(WATCHDOG_STACK__SMOKE=given)

    assert rules_of(settings).smoke == (Asks("http://dms:5269/scan", 405),)


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ({}, "stack.smoke[0]: is neither or both; write either `http: URL`"),
        (
            {"http": "http://a/", "exec": ["b"]},
            "stack.smoke[0]: is neither or both; write either `http: URL`",
        ),
        ({"exec": []}, "stack.smoke[0]: is neither or both; write either"),
        ({"exec": "sh -c x"}, 'stack.smoke[0].exec: "sh -c x" is not a list'),
        (
            {"exec": ["a"], "expect": 200},
            "stack.smoke[0]: a command has no status; leave `expect` out",
        ),
        (
            {"http": "http://a/", "service": "dms"},
            "stack.smoke[0]: a URL has no service; leave `service` out",
        ),
        ({"http": "http://a/", "expect": 600}, "stack.smoke[0].expect: 600 is too"),
        (
            {"exec": ["a"], "service": "dsm"},
            'stack.smoke[0].service: "dsm" is not one of stack.services; did you mean',
        ),
        (
            {"exec": ["a"], "timeout": "60s"},
            "prove_within: 1m is not longer than stack.smoke[0].timeout, 1m",
        ),
        ({"exec": ["a"], "timeout": "61s"}, "stack.smoke[0].timeout: 1m1s is too"),
        (
            {"htpp": "http://a/"},
            "stack.smoke[0].htpp: unknown key; did you mean `http`?",
        ),
    ],
)
def test_a_smoke_check_that_is_not_one_is_refused(faults, check, fault):
    found = faults({"stack": {"smoke": [check]}})

    assert any(one.startswith(fault) for one in found), found


# What counts.


def test_what_is_left_open_has_its_default(read):
    settings = read()

    assert settings.poll == 5 * SECOND
    assert settings.listen.decisions == Address("127.0.0.1", 8470)
    assert settings.recover_within is None


@pytest.mark.parametrize(
    ("written", "settle_s"),
    [({}, 15), ({"settle": None}, 15), ({"settle": "0s"}, 0), ({"settle": "1m"}, 60)],
)
def test_settling_takes_one_scrape_unless_it_is_written(read, written, settle_s):
    assert read(written).settle == settle_s * SECOND


def test_settling_follows_the_scrape_interval(read):
    assert read({"prometheus": {"scrape_interval": "1m"}}).settle == 60 * SECOND


def test_the_environment_is_stronger_than_secrets_and_these_than_the_file(
    read, secrets
):
    where = secrets(watchdog_poll="2s", WATCHDOG_ENGINE__TIMEOUT="20s\n", other="x")

    settings = read(
        {"poll": "1s", "engine": {"timeout": "10s"}, "name": "file"},
        WATCHDOG_SECRETS_DIR=where,
        WATCHDOG_POLL="3s",
    )

    assert (settings.poll, settings.engine.timeout) == (3 * SECOND, 20 * SECOND)
    assert settings.name == "file"


def test_the_environment_can_write_everything_that_the_file_can(read):
    settings = read(
        {"settle": "9s", "stack": {"project": "file"}},
        WATCHDOG_STACK__SERVICES="[dms, worker]",
        WATCHDOG_STACK__VERSION="null",
        WATCHDOG_APPROVERS="/etc/people.yaml",
        WATCHDOG_LISTEN__PRIVATE="[::1]:9000",
        WATCHDOG_SETTLE="null",
        WATCHDOG_DAILY_LIMIT="0",
        PATH="/bin",
        WATCHDOG_CONFIG="watchdog.yaml",
    )

    assert settings.stack.services == ("dms", "worker")
    assert settings.stack.project == "file"
    assert settings.approvers == Path("/etc/people.yaml")
    assert settings.listen.private == Address("::1", 9000)
    assert (settings.settle, settings.daily_limit) == (15 * SECOND, 0)


def test_only_the_environment_that_is_handed_over_counts(read, monkeypatch):
    monkeypatch.setenv("WATCHDOG_POLL", "9s")

    assert read().poll == 5 * SECOND


def test_settings_cannot_be_changed(read):
    with pytest.raises(ValueError, match="frozen"):
        read().poll = SECOND


def test_the_releases_are_beside_the_settings_unless_told_otherwise(read, tmp_path):
    assert read().releases == tmp_path / "releases"
    assert read({"releases": "/etc/releases"}).releases == Path("/etc/releases")


@pytest.mark.parametrize("address", ["127.0.0.1:8470", "[::1]:0", "localhost:65535"])
def test_an_address_is_written_as_it_is_read(read, address):
    settings = read({"listen": {"decisions": address, "private": "127.0.0.1:1"}})

    assert str(settings.listen.decisions) == address


# What is refused.


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"poll": "0s"}, "poll: 0s is no time at all; write more than `0s`"),
        ({"poll": "2m"}, "poll: 2m is too long; 1m at most"),
        (
            {"prometheus": {"scrape_interval": "0s"}},
            "prometheus.scrape_interval: 0s is no time at all; write more than `0s`",
        ),
        (
            {"prometheus": {"timeout": "60s"}},
            "prometheus.timeout: 1m is too long; stay under 1m",
        ),
        (
            {"prometheus": {"url": "localhost:9090"}},
            (
                'prometheus.url: "localhost:9090" is not a URL like http://… or https://…'
                "; write it like `http://localhost:9090`"
            ),
        ),
        (
            {"engine": {"url": "ssh://box"}},
            (
                'engine.url: "ssh://box" is not where a Docker Engine listens'
                "; run the watchdog on the engine's own box, and write "
                "`unix:///var/run/docker.sock` or `tcp://host:2375`"
            ),
        ),
        (
            {"engine": {"timeout": "5s"}},
            (
                "engine.timeout: 5s is not longer than stop_within, 5s"
                "; write more than `5s`"
            ),
        ),
        (
            {"blind_for": "5s"},
            "blind_for: 5s is not longer than poll, 5s; write more than `5s`",
        ),
        (
            {"listen": {"private": "127.0.0.1:8470"}},
            (
                "listen.private: 127.0.0.1:8470 is where decisions listen too"
                "; give it a port of its own"
            ),
        ),
        (
            {"listen": {"private": "0.0.0.0:8470"}},
            (
                "listen.private: 0.0.0.0:8470 is where decisions listen too"
                "; give it a port of its own"
            ),
        ),
        (
            {"listen": {"private": "8471"}},
            'listen.private: "8471" is not host:port; write it like `127.0.0.1:8470`',
        ),
        ({"mode": "dry"}, 'mode: "dry" is not one of: act, observe'),
        ({"mode": True}, "mode: true is not one of: act, observe"),
        ({"daily_limit": -1}, "daily_limit: -1 is less than 0"),
        ({"daily_limit": 2.5}, "daily_limit: 2.5 is not a whole number"),
        ({"name": 5}, "name: 5 is not text; put it in quotes"),
        ({"name": None}, "name: nothing is written there; put text there"),
        ({"name": " "}, 'name: " " is empty'),
        (
            {"name": "a\nb"},
            'name: "a\\nb" has spaces at its ends or unprintable signs',
        ),
        ({"state": "state"}, 'state: "state" is relative; write the path from `/` on'),
        (
            {"stack": {"manifests": "../manifests"}},
            (
                'stack.manifests: "../manifests" is outside of the stack\'s folder'
                "; write it as seen from stack.directory"
            ),
        ),
        (
            {"stack": {"manifest_in_container": "/m/{tennant}.json"}},
            (
                'stack.manifest_in_container: "/m/{tennant}.json" has a placeholder'
                " that nobody fills in; use {tenant}"
            ),
        ),
        (
            {"stack": {"manifest_in_container": "m.json"}},
            (
                'stack.manifest_in_container: "m.json" is relative'
                "; write the path inside the container"
            ),
        ),
        ({"stack": {"services": []}}, "stack.services: is empty; name at least one"),
        (
            {"stack": {"signatures": "pgp"}},
            'stack.signatures: "pgp" is not one of: sshsig, dsse, exec',
        ),
        (
            {"stack": {"signatures": "exec"}},
            (
                "stack.verifier: is missing; name the program that verifies, or"
                " choose other `signatures`"
            ),
        ),
        (
            {"stack": {"verifier": ["/bin/v", "{manifest}", "{signature}"]}},
            (
                "stack.verifier: is never asked; write `signatures: exec`, or take"
                " it out"
            ),
        ),
        (
            {
                "stack": {
                    "signatures": "exec",
                    "verifier": ["/bin/v", "{manifest}", "x{signature}"],
                }
            },
            (
                "stack.verifier: does not say {signature}; write it as a word of its"
                " own where the file's name goes"
            ),
        ),
        (
            {
                "stack": {
                    "signatures": "exec",
                    "verifier": ["v", "{manifest}", "{signature}"],
                }
            },
            (
                'stack.verifier: "v" is not a path from `/` on; its environment is'
                " empty, so that nothing is looked for"
            ),
        ),
        (
            {"executor": "git", "stack": {"validator": ["check"]}},
            "stack.validator: executor is git: no image; take it out",
        ),
        (
            {"executor": "swarm", "stack": {"validator": ["check"]}},
            (
                "stack.validator: executor is swarm: a manager runs no image of its"
                " own; take it out"
            ),
        ),
        (
            {"executor": "swarm", "stack": {"smoke": [{"exec": ["true"]}]}},
            (
                "stack.smoke[0].exec: executor is swarm, and a manager runs nothing in"
                " another node's tasks; ask a URL"
            ),
        ),
        (
            {"executor": "swarm", "engine": {"ask_health": True}},
            (
                "engine.ask_health: executor is swarm: a task runs once its own health"
                " check says so; write `false`"
            ),
        ),
        (
            {"stack": {"revoked_signers": "../revoked"}},
            (
                'stack.revoked_signers: "../revoked" is outside of the stack\'s'
                " folder; write it as seen from stack.directory"
            ),
        ),
        (
            {"stack": {"project": "DMS"}},
            'stack.project: "DMS" is not a Compose project\'s name',
        ),
        ({"engine": "dms"}, 'engine: "dms" is not a mapping'),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_meant(faults, raw, said):
    assert faults(raw) == [said]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("monthly", " does not say when a drill is due"),
        ("every 30d, 16:00-10:00, dry", " ends before it begins"),
        ("every 30d, 10:00-26:00, dry", " has no such time of day"),
        ("every 5m, 10:00-16:00, dry", ": a drill each 5m is no drill"),
        ("every 30d, 10:00-16:00, wet", " does not say when a drill is due"),
    ],
)
def test_when_a_drill_is_due_is_refused_with_how_to_write_it(faults, rule, said):
    hint = "write it like `every 30d, 10:00-16:00, dry`, times in UTC"

    assert faults({"drill": rule}) == [f'drill: "{rule}"{said}; {hint}']


@pytest.mark.parametrize("key", ["_env_file", "_secrets_dir", "_build_sources"])
def test_what_means_something_to_the_library_means_nothing_here(faults, key):
    assert [said.partition(";")[0] for said in faults({key: "x"})] == [
        f"{key}: unknown key"
    ]


def test_all_faults_are_told_at_once(faults, tmp_path):
    said = faults(
        {
            "pol": "5s",
            "prometheus": {"scrape_intervall": "15s", "url": "x"},
            "mode": "dry",
            "blind_for": "1s",
        },
        WATCHDOG_STACK__DIRECTORY=str(tmp_path / "gone"),
    )

    assert [line.partition(":")[0] for line in said] == [
        "WATCHDOG_STACK__DIRECTORY",
        "blind_for",
        "mode",
        "pol",
        "prometheus.scrape_intervall",
        "prometheus.url",
    ]
    assert "pol: unknown key; did you mean `poll`?" in said


def test_a_refusal_reads_like_this(tmp_path):
    path = tmp_path / "watchdog.yaml"
    path.write_text(f"pol: 1s\nmode: dry\nstack: {{directory: {tmp_path}}}\n")

    with pytest.raises(Refused) as refused:
        load(path, {})

    assert str(refused.value) == (
        f"{path} refused, 2 faults\n"
        '  mode  "dry" is not one of: act, observe\n'
        "  pol   unknown key; did you mean `poll`?"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("WATCHDOG_POL", "did you mean `WATCHDOG_POLL`?"),
        ("WATCHDOG_POLL__X", "WATCHDOG_POLL has no parts of its own"),
    ],
)
def test_a_variable_that_sets_nothing_is_refused(faults, name, said):
    assert faults(**{name: "5s"}) == [f"{name}: unknown setting; {said}"]


def test_a_wrong_value_is_told_by_the_name_of_its_variable(faults):
    assert faults(
        WATCHDOG_MODE="dry", WATCHDOG_STACK__SERVICES="[a, a]", WATCHDOG_STACK__X="1"
    )[:2] == [
        'WATCHDOG_MODE: "dry" is not one of: act, observe',
        'WATCHDOG_STACK__SERVICES: "a" is listed twice; keep one',
    ]


def test_a_secret_that_is_wrong_is_not_repeated(faults, secrets):
    where = secrets(
        watchdog_prometheus__url=canary.text(2),
        watchdog_poll=canary.text(3),
        watchdog_pol=canary.text(4),
        watchdog_listen=f"{{private: {canary.text(5)}}}",
        watchdog_engine__url=f"http://me:{canary.text(6)}@proxy",
        watchdog_stack=f"{{project: {canary.text(7)}}}",
    )

    said = faults(WATCHDOG_SECRETS_DIR=where)

    assert len(said) == 6
    assert all(line.startswith(f"{where}/watchdog_") for line in said)
    assert canary.MARK.lower() not in "".join(said).lower()


def test_a_folder_of_secrets_that_is_missing_is_a_fault(faults, tmp_path):
    where = str(tmp_path / "gone")

    assert faults(WATCHDOG_SECRETS_DIR=where) == [
        (
            f'WATCHDOG_SECRETS_DIR: "{where}" cannot be read: no such file or directory'
            "; make the folder, or unset WATCHDOG_SECRETS_DIR"
        )
    ]


def test_a_secret_of_other_bytes_is_a_fault(faults, secrets, tmp_path):
    where = secrets()
    (tmp_path / "secrets" / "watchdog_poll").write_bytes(b"\xff")

    assert faults(WATCHDOG_SECRETS_DIR=where) == [
        f"{where}/watchdog_poll: cannot be read: it is not text"
    ]


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Refused) as refused:
        load(tmp_path / "watchdog.yaml", {})

    (fault,) = refused.value.faults
    assert (fault.path, fault.words) == ("file", "there is no such file")
    assert "`watchdog init` writes one" in fault.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    path = tmp_path / "watchdog.yaml"
    path.touch(mode=0)

    with pytest.raises(Refused, match="cannot be read: permission denied"):
        load(path, {})


def test_a_path_that_leads_nowhere_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(Refused, match="cannot be read: not a directory"):
        load(tmp_path / "file" / "watchdog.yaml", {})


GROUPS = [(), ("stack",), ("prometheus",), ("engine",), ("listen",), ("log",)]


@example(place=(), key="PROMETHEUS", value=None)
@given(
    place=st.sampled_from(GROUPS),
    key=st.text(
        st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1
    ),
    value=st.none() | st.booleans() | st.integers(-9, 9) | st.text(),
)
def test_any_unknown_key_anywhere_is_refused_with_its_path(folder, place, key, value):
    assume((*place, key) not in set(every_key(Settings)))
    raw = {"stack": {"directory": str(folder)}}
    at = raw
    for part in place:
        at = at.setdefault(part, {})
    at[key] = value
    path = folder / "watchdog.yaml"
    path.write_text(yaml.safe_dump(raw, allow_unicode=True))

    with pytest.raises(Refused) as refused:
        load(path, {})

    assert [(fault.path, fault.words) for fault in refused.value.faults] == [
        (".".join((*place, key)), "unknown key")
    ]


@given(
    key=st.sampled_from(sorted(set(every_key(Settings)))),
    value=st.integers(-9, -1)
    # YAML writes the others `.inf` and `.nan`, which a file may well be called.
    | st.floats(allow_infinity=False, allow_nan=False)
    | st.lists(st.integers(), min_size=1)
    | st.dictionaries(st.text(min_size=1), st.integers(), min_size=1),
)
def test_a_value_of_the_wrong_kind_is_refused_wherever_it_stands(folder, key, value):
    raw = {"stack": {"directory": str(folder)}}
    at = raw
    for part in key[:-1]:
        at = at.setdefault(part, {})
    at[key[-1]] = value
    path = folder / "watchdog.yaml"
    path.write_text(yaml.safe_dump(raw))

    with pytest.raises(Refused) as refused:
        load(path, {})

    assert any(fault.path.startswith(".".join(key)) for fault in refused.value.faults)


# The database.


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://watchdog:hunter2@db/watchdog",
        "postgresql://db/watchdog?user=a&password=hunter2",
        "postgresql://db/watchdog?sslpassword=hunter2",
        "postgresql://hunter2:@db@db/watchdog",
        "mysql://hunter2@db/watchdog",
    ],
)
def test_a_password_in_the_url_of_the_database_is_refused_and_not_shown(faults, url):
    words = " ".join(faults({"database": {"url": url}}))

    assert "database.url" in words
    assert "hunter2" not in words


def test_a_url_of_several_hosts_or_a_socket_is_taken(read):
    for url in (
        "postgresql://watchdog@a:5432,b:5433/watchdog?target_session_attrs=any",
        "postgresql:///watchdog?host=/run/postgresql",
    ):
        assert read({"database": {"url": url}}).database.url == url
