"""What stands in the place of Compose's containers is recognised, with what to do."""

import pytest

from watchdog.observe.strangers import stranger

TASK = "sw_app.1.k2mz8q"


def listed(name, **labels):
    names = {
        "stack": "com.docker.stack.namespace",
        "swarm": "com.docker.swarm.service.name",
        "project": "com.docker.compose.project",
        "service": "com.docker.compose.service",
        "podman": "io.podman.compose.project",
    }
    return {"Names": [f"/{name}"], "Labels": {names[k]: v for k, v in labels.items()}}


@pytest.mark.parametrize(
    "labels", [{"stack": "sw", "swarm": "sw_app"}, {"swarm": "sw_app"}]
)
def test_a_swarm_stack_is_said_with_its_own_way_back(labels):
    assert stranger("sw", "app", [listed(TASK, **labels)]) == (
        f"service app of sw runs in Swarm ({TASK}), which replaces whatever anybody "
        "else starts or stops: let Swarm put it back (`docker service rollback "
        "sw_app`), or bring the stack up by `docker compose up -d` to have it watched "
        "here"
    )


@pytest.mark.parametrize("name", ["sw-app-1", "sw_app_1", "sw-app", "sw_app", "app"])
def test_a_container_of_docker_run_is_said(name):
    assert stranger("sw", "app", [listed(name)]) == (
        f"service app of sw has no container of Compose's; {name} was started without "
        "Compose, as by `docker run`, so that no file says how: write it into a "
        "Compose file, remove it, and `docker compose up -d`"
    )


def test_podman_compose_is_told_from_compose():
    there = listed("sw_app_1", podman="sw", project="sw", service="app")

    assert stranger("sw", "app", [there]).startswith(
        "service app of sw was brought up by podman-compose (sw_app_1), which"
    )


def test_another_project_with_that_service_is_asked_about():
    other = listed("prod-app-1", project="prod", service="app")
    own = listed("sw-db-1", project="sw", service="db")

    assert stranger("sw", "app", [other]) == (
        "service app of sw has no container; prod has a service of that name: is "
        "stack.project the one that is meant?"
    )
    assert stranger("sw", "app", [other, own]) == "", "its own project is there"


def test_what_has_nothing_to_do_with_it_is_no_stranger():
    others = [
        {"Names": None, "Labels": None},
        listed("sw_db.1.x", stack="sw", swarm="sw_db"),
        listed("another"),
        listed("sw-db-1", project="sw", service="db"),
    ]

    assert stranger("sw", "app", others) == ""
    assert stranger("sw", "app", []) == ""
