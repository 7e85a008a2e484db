"""GitHub asks whether a deployment may begin: through the real application."""

import json

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from tests.approve.test_webhook import Place
from tests.notify.hub import PEM, REPOSITORY, SECRET, SHA, Hub, by_github
from tests.worlds import AT
from watchdog.approve.github import PATH, Asked, Deployments, _verify
from watchdog.approve.openapi import openapi
from watchdog.config.settings_file import load
from watchdog.facts.event import DeploymentRequested
from watchdog.wiring.watch import wire

API = "https://api.github.com"


class AtGitHub:
    """What a payload is made by; nothing is posted there."""

    api = API


def payload(**other):
    return Hub.payload(AtGitHub(), **other)


class Gate(Place):
    """The application with the door for GitHub."""

    def start(self):
        super().start()
        door = Deployments(
            self.memory,
            secret=SECRET,
            api=API,
            limit=self.limit,
            now=lambda: self.at,
            wake=self.wake,
        )
        self.app = Starlette(routes=[*self.app.routes, *door.routes()])

    def ask(self, whole=None, *, headers=None, **how):
        body = whole if isinstance(whole, bytes) else written(whole or payload())
        return self.post(body, headers or by_github(body, **how), PATH)

    @property
    def taken(self):
        return self.memory.all(DeploymentRequested)


def written(whole):
    return json.dumps(whole).encode()


def said(reply):
    return reply.status_code, reply.json().get("code")


@pytest.fixture
def gate():
    return Gate()


# What it is for.


def test_a_deployment_that_waits_is_taken_down_and_wakes_the_turn(gate):
    reply = gate.ask()

    (asked,) = gate.taken
    assert reply.status_code == 202
    assert reply.json()["deployment"] == asked.deployment
    assert (asked.repository, asked.run, asked.environment) == (
        *(REPOSITORY, 42),
        "site-2",
    )
    assert (asked.ref, asked.sha, asked.installation) == ("v1.3.0", SHA, 55)
    assert gate.woken == 1


def test_nothing_is_answered_at_the_door(gate):
    before = len(gate.memory.entries)
    gate.ask()

    assert len(gate.memory.entries) == before + 1


def test_the_same_delivery_again_is_the_same_deployment_also_after_a_restart(gate):
    first = gate.ask().json()["deployment"]
    gate.start()
    again = gate.ask()

    assert again.status_code == 200
    assert again.json() == {
        "deployment": first,
        "state": "not weighed yet",
        "replayed": True,
    }
    assert len(gate.taken) == 1
    assert gate.woken == 1


def test_another_delivery_id_makes_no_other_deployment_of_what_was_signed(gate):
    gate.ask()
    reply = gate.ask(delivery="00000000-0000-0000-0000-000000000000")

    assert reply.json()["replayed"] is True
    assert len(gate.taken) == 1


def test_a_delivery_id_that_was_another_deployments_is_refused(gate):
    gate.ask()

    assert said(gate.ask(payload(run=43))) == (409, "idempotency_key_reuse")
    assert len(gate.taken) == 1


def test_a_second_attempt_and_another_environment_are_deployments_of_their_own(gate):
    for n, other in enumerate(({}, {"id_": 7002}, {"environment": "site-3"})):
        assert gate.ask(payload(**other), delivery=f"delivery-{n}").status_code == 202

    assert len({one.deployment for one in gate.taken}) == 3


@pytest.mark.parametrize(
    ("event", "whole", "why"),
    [
        ("ping", {"zen": "Keep it logically awesome.", "hook_id": 1}, "a ping"),
        ("push", {"ref": "refs/heads/main"}, "only deployment_protection_rule is"),
        ("deployment_protection_rule", {"action": "closed"}, "only requested"),
        ("deployment_protection_rule", {}, "only requested"),
    ],
)
def test_what_is_no_waiting_deployment_is_answered_in_words_and_ignored(
    gate, event, whole, why
):
    reply = gate.ask(written(whole), event=event)

    assert reply.status_code == 200
    assert reply.json()["ignored"].startswith(why)
    assert gate.taken == []
    assert gate.woken == 0


def test_githubs_own_example_verifies():
    """Source: GitHub, "Validating webhook deliveries"."""
    seal = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": [f"sha256={seal}"]}

    _verify(headers, b"Hello, World!", b"It's a Secret to Everybody")


def test_the_description_of_the_door_is_made_of_the_model_that_reads(gate):
    described = openapi("test")

    assert {route.path for route in gate.app.routes} <= set(described["paths"])
    schema = described["components"]["schemas"]["GitHubDeployment"]
    assert set(schema["required"]) == set(Asked.model_fields)


@pytest.mark.parametrize("named", [True, False])
def test_the_door_is_only_there_with_the_app(tmp_path, named):
    for folder in ("stack", "releases", "state"):
        (tmp_path / folder).mkdir()
    (tmp_path / "approvers.yaml").write_text("")
    (tmp_path / "app.pem").write_bytes(PEM)
    (tmp_path / "secret").write_bytes(SECRET)
    whole = {
        "stack": {"directory": str(tmp_path / "stack")},
        "state": str(tmp_path / "state"),
    }
    if named:
        whole["github"] = {
            "app": 12345,
            "private_key_file": str(tmp_path / "app.pem"),
            "webhook_secret_file": str(tmp_path / "secret"),
            "deployments": [{"repository": REPOSITORY, "environment": "site-2"}],
        }
    config = tmp_path / "watchdog.yaml"
    config.write_text(yaml.safe_dump(whole))

    watch = wire(load(config, {}), "test", say=lambda _: None)
    watch.journal.close()

    paths = [route.path for route in watch.doors.decisions.routes]
    assert (PATH in paths) is named
    assert (watch.telling.deployments is not None) is named


# What is not GitHub's.


def forgeries():
    """Give (name, headers) for the body of a right delivery: all get the same 401."""
    body = written(payload())
    right = by_github(body)
    *others, (name, good) = right
    yield "of another app", by_github(body, b"f" * 31 + b"0")
    yield "of another body", by_github(body + b" ")
    yield "none", others
    yield "two", [*right, (name, good)]
    for what, value in {
        "in capitals": good.upper(),
        "sha1": f"sha1={good[7:47]}",
        "cut": good[:-1],
        "longer": f"{good}0",
        "with a space": f"{good} x",
        "empty": "sha256=",
        "no form": good[7:],
    }.items():
        yield what, [*others, (name, value)]


@pytest.mark.parametrize(
    "headers", [pytest.param(headers, id=name) for name, headers in forgeries()]
)
def test_what_github_did_not_sign_is_refused_with_the_same_words(gate, headers):
    reply = gate.ask(headers=headers)

    assert (reply.status_code, reply.json()["title"]) == (
        *(401,),
        "no valid signature of the GitHub App",
    )
    assert gate.taken == []


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/repos/flexli/dms/actions/runs/42/deployment_protection_rule",
        "http://api.github.com/repos/flexli/dms/actions/runs/42/deployment_protection_rule",
        "https://api.github.com.evil.example/repos/flexli/dms/actions/runs/42/deployment_protection_rule",
        "https://api.github.com@evil.example/repos/flexli/dms/actions/runs/42/deployment_protection_rule",
        "https://api.github.com:8443/repos/flexli/dms/actions/runs/42/deployment_protection_rule",
        "https://api.github.com\\@evil.example/repos/flexli/dms/actions/runs/42/deployment_protection_rule",
        "https://api.github.com/repos/flexli/other/actions/runs/42/deployment_protection_rule",
        "https://api.github.com/repos/flexli/dms/actions/runs/../../x/deployment_protection_rule",
        "https://api.github.com/repos/flexli/dms/actions/runs/042/deployment_protection_rule",
        "https://api.github.com/repos/flexli/dms/actions/runs/٤٢/deployment_protection_rule",
        "https://api.github.com/repos/flexli/dms/actions/runs/42/deployment_protection_rule/",
        "https://api.github.com/repos/flexli/dms/actions/runs/42/deployment_protection_rule?x=1",
        "https://api.github.com/repos/flexli/dms/actions/runs/42/pending_deployments",
        "https://API.github.com/repos/flexli/dms/actions/runs/42/deployment_protection_rule",
        " https://api.github.com/repos/flexli/dms/actions/runs/42/deployment_protection_rule",
        "https://api.github.com/repos/flexli/dms/actions/runs/42/deployment_protection_rule\n",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_callback_that_leads_elsewhere_is_refused(gate, url):
    reply = gate.ask(payload(deployment_callback_url=url))

    assert said(reply) == (422, "callback_url")
    assert gate.taken == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"action": "requested", "action": "requested"}', "malformed"),
        (b'{"action": NaN}', "malformed"),
        (b"\xef\xbb\xbf{}", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[]", "malformed"),
        (b"", "malformed"),
        (b'{"action": "requested"} {}', "malformed"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "malformed"),
        (b'{"action": "requested"}', "schema"),
    ],
)
def test_what_is_signed_and_has_not_one_meaning_is_refused(gate, body, code):
    assert gate.ask(body).json()["code"] == code
    assert gate.taken == []


@pytest.mark.parametrize(
    "other",
    [
        {"environment": None},
        {"environment": ""},
        {"environment": "x" * 256},
        {"deployment": None},
        {"deployment": {"id": 1, "ref": "v1.3.0", "sha": "HEAD"}},
        {"deployment": {"id": "1", "ref": "v1.3.0", "sha": SHA}},
        {"deployment": {"id": True, "ref": "v1.3.0", "sha": SHA}},
        {"deployment": {"id": 10**20, "ref": "v1.3.0", "sha": SHA}},
        {"repository": {"id": 1, "full_name": "../../dms"}},
        {"repository": {"id": 1, "full_name": "flexli/dms/x"}},
        {"installation": {}},
        {"installation": {"id": -1}},
    ],
)
def test_a_deployment_that_is_not_of_githubs_shape_is_refused(gate, other):
    assert said(gate.ask(payload(**other))) == (422, "schema")
    assert gate.taken == []


def test_too_much_another_type_and_packed_bodies_are_refused(gate):
    large = written(payload(filler="x" * 600_000))
    body = written(payload())
    right = by_github(body)

    assert said(gate.ask(large)) == (413, "too_large")
    form = [("content-type", "application/x-www-form-urlencoded"), *right[1:]]
    assert said(gate.ask(headers=form)) == (415, "content_type")
    packed = [*right, ("content-encoding", "gzip")]
    assert said(gate.ask(headers=packed)) == (415, "content_encoding")
    for name in ("x-github-delivery", "x-github-event"):
        without = [one for one in right if one[0] != name]
        assert said(gate.ask(headers=without)) == (400, "malformed")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
PLACES = [
    ("action",),
    ("environment",),
    ("deployment",),
    ("deployment", "id"),
    ("deployment", "ref"),
    ("deployment", "sha"),
    ("deployment_callback_url",),
    ("repository", "full_name"),
    ("repository",),
    ("installation", "id"),
    ("sender",),
]


@settings(max_examples=150, deadline=None)
@given(where=st.sampled_from(PLACES), value=JSON)
@example(where=("environment",), value="\ud800")
@example(where=("deployment", "ref"), value="\x00<!channel>")
def test_whatever_github_would_sign_is_answered_and_never_posted_elsewhere(
    where, value
):
    gate, whole = Gate(), payload()
    at = whole
    for part in where[:-1]:
        at = at[part]
    at[where[-1]] = value
    reply = gate.ask(json.dumps(whole).encode())

    assert reply.status_code in (200, 202, 400, 422)
    assert len(gate.taken) == (reply.status_code == 202)
    assert all(one.repository == REPOSITORY for one in gate.taken)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200),
    st.lists(
        st.tuples(
            st.sampled_from([name for name, _ in by_github(b"")]),
            st.text("sha256=0f -", max_size=80),
        ),
        max_size=8,
    ),
)
def test_whatever_a_stranger_sends_is_no_deployment(body, headers):
    gate = Gate()
    reply = gate.post(body, headers, PATH)

    assert reply.status_code in (401, 415)
    assert gate.memory.standing.deployments == {}


def test_a_time_is_not_signed_so_an_old_request_is_only_what_it_was(gate):
    gate.ask()
    gate.at = AT.replace(year=2027)

    assert gate.ask().json()["replayed"] is True
