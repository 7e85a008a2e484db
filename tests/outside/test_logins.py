"""Logins for registries are found where Docker keeps them, and never told."""

import base64
import json
import os
from datetime import timedelta

import pytest

from tests.act.manager import managing
from watchdog.facts.problem import EngineRefused
from watchdog.outside.logins import login_for
from watchdog.outside.swarm import Swarm

SECRET = "correct-horse"
IMAGE = "registry.example:5000/dms@sha256:aa"
ASKED = f"{IMAGE.replace('@', '%40')}/json"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Give what writes Docker's config.json, as the machine's user has it."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    file = tmp_path / "config.json"

    def write(text):
        file.write_text(text if isinstance(text, str) else json.dumps(text))
        return file

    return write


def a_login(secret=SECRET):
    both = base64.b64encode(f"dri:{secret}".encode()).decode()
    return {"auths": {"registry.example:5000": {"auth": both}}}


def said(header):
    return json.loads(base64.urlsafe_b64decode(header))


@pytest.fixture
def swarm():
    with managing() as (manager, url):
        made = Swarm(url, timedelta(seconds=10), to_act=True)
        yield manager, made
        made.close()


def test_a_private_registry_is_asked_with_the_login_of_the_docker_cli(config, swarm):
    manager, it = swarm
    config(a_login())
    manager.elsewhere[ASKED] = {"Descriptor": {"digest": "sha256:aa"}}

    assert it.in_registry(IMAGE) == "sha256:aa"

    (login,) = manager.logins
    assert said(login)["username"] == "dri"
    assert said(login)["password"] == SECRET


def test_a_spec_is_written_with_the_login_by_which_nodes_pull_its_image(config, swarm):
    manager, it = swarm
    config(a_login())
    spec = {"TaskTemplate": {"ContainerSpec": {"Image": IMAGE}}}

    it.write("id-api", 7, spec)

    (login,) = manager.logins
    assert said(login)["password"] == SECRET


def test_without_a_login_none_is_sent_and_the_swarm_keeps_its_own(config, swarm):
    manager, it = swarm
    config({"auths": {"elsewhere.example": {}}})
    spec = {"TaskTemplate": {"ContainerSpec": {"Image": IMAGE}}}

    it.write("id-api", 7, spec)

    assert manager.logins == [""]


def test_a_login_that_is_renewed_counts_at_once(config):
    config(a_login("yesterday's"))
    before = login_for(IMAGE)
    config(a_login())

    assert said(login_for(IMAGE).headers["X-Registry-Auth"])["password"] == SECRET
    assert login_for(IMAGE) != before


def test_a_login_is_in_no_words(config):
    config(a_login())

    found = login_for(IMAGE)

    assert SECRET not in repr(found)
    assert found.headers["X-Registry-Auth"] not in repr(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ({"auths": {}}, "no login for registry.example:5000 is in "),
        ("not json", "which is no JSON"),
        ({"credsStore": "broken"}, "it is locked"),
        ({"auths": {"registry.example:5000": {"auth": "8J"}}}, "not as Docker writes"),
        ({"auths": ["registry.example:5000"]}, "not as Docker writes"),
    ],
)
def test_a_login_that_is_not_found_is_one_sentence(
    config, tmp_path, monkeypatch, text, words
):
    file = config(text)
    store = tmp_path / "docker-credential-broken"
    store.write_text("#!/bin/sh\necho it is locked; exit 1\n")
    store.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    found = login_for(IMAGE)

    assert not found.headers
    assert words in found.lacking
    assert "\n" not in found.lacking
    assert str(file) in found.lacking or store.name in found.lacking


def test_who_is_not_let_in_is_told_that_there_is_no_login(config, swarm):
    manager, it = swarm
    config({"auths": {}})
    manager.elsewhere[ASKED] = 401, {"message": "unauthorized"}

    with pytest.raises(EngineRefused, match="unauthorized") as told:
        it.in_registry(IMAGE)

    assert "no login for registry.example:5000 is in " in told.value.hint


def test_a_file_by_which_no_client_is_made_is_one_sentence(config, swarm):
    _, it = swarm
    file = config({"auths": {"registry.example:5000": {"auth": "8J"}}})

    with pytest.raises(EngineRefused) as told:
        it.services("dms")

    assert told.value.words == f"{file} is not as Docker writes it"
