"""What is on a box, by what the engine shows and what lies in the folder."""

import pytest

from watchdog.facts.problem import Problem
from watchdog.facts.surroundings import Mount
from watchdog.observe.surroundings import image_of_ours, projects, socket_of_ours

COMPOSE = """\
services:
  api:
    image: ghcr.io/x/shop:${SHOP_TAG}
    command: !reset null
  worker: {extends: api}
"""


class Engine:
    """Containers as the engine shows them; asked by nothing but GET."""

    def __init__(self, *containers):
        self.whole = {one["Id"]: one for one in containers}

    def containers(self, labels):
        return [
            {"Id": i, "Names": [c["Name"]], "Labels": c["Config"]["Labels"]}
            for i, c in self.whole.items()
        ]

    def container(self, name):
        return self.whole.get(name)


def box(folder, service="api", project="shop", number=1, **other):
    labels = {
        "com.docker.compose.project": project,
        "com.docker.compose.service": service,
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.project.working_dir": str(folder),
        "com.docker.compose.project.config_files": f"{folder}/compose.yaml",
        **other.pop("labels", {}),
    }
    name = f"{project}-{service}-{number}"
    network = {"Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18080"}]}}
    network["Networks"] = {
        f"{project}_default": {"IPAddress": "172.18.0.3", "Aliases": [service]}
    }
    return {
        "Id": name,
        "Name": f"/{name}",
        "Config": {
            "Image": "ghcr.io/x/shop:v2.0.0",
            "Labels": labels,
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
            "Healthcheck": {"Test": ["CMD", "curl", "http://localhost/health"]},
        },
        "State": {"Status": "running", "Health": {"Status": "healthy"}},
        "NetworkSettings": network,
        "Mounts": [],
        **other,
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / ".env").write_text("SHOP_TAG=v2.0.0\nMADE=${OF}\n")
    return tmp_path


def test_a_project_is_its_containers_and_its_folder(folder):
    (shop,) = projects(Engine(box(folder)))
    (api,) = shop.services

    assert (shop.name, shop.folder, shop.env_file) == ("shop", str(folder), ".env")
    assert shop.env == {"SHOP_TAG": "v2.0.0"}
    assert shop.owner == (folder.stat().st_uid, folder.stat().st_gid)
    assert api.written == "ghcr.io/x/shop:${SHOP_TAG}"
    assert (api.ports, api.published) == ((80,), {18080: 80})
    assert api.names == ("shop-api-1", "api")
    assert api.check == "CMD curl http://localhost/health"
    assert api.healths == ("healthy",)


def test_several_containers_of_a_service_are_one(folder):
    (shop,) = projects(Engine(box(folder), box(folder, number=2)))

    assert [service.states for service in shop.services] == [("running", "running")]


def test_what_others_need_comes_first_in_the_order(folder):
    needs = {"com.docker.compose.depends_on": "worker:service_started:false"}
    first = box(folder, "api", labels=needs)

    (shop,) = projects(Engine(first, box(folder, "worker")))

    assert [service.name for service in shop.services] == ["worker", "api"]


def test_a_circle_of_needs_has_an_order_too(folder):
    def one(service, other):
        labels = {"com.docker.compose.depends_on": f"{other}:service_started:false"}
        return box(folder, service, labels=labels)

    (shop,) = projects(Engine(one("a", "b"), one("b", "a")))

    assert [service.name for service in shop.services] == ["a", "b"]


def test_what_is_awaited_to_its_end_is_a_job(folder):
    labels = {
        "com.docker.compose.depends_on": "migrate:service_completed_successfully:false"
    }
    containers = box(folder, labels=labels), box(folder, "migrate")

    (shop,) = projects(Engine(*containers))

    assert {s.name: s.is_job for s in shop.services} == {"api": False, "migrate": True}


def test_ours_what_was_put_aside_and_what_no_file_made_are_no_stack(folder):
    ours = box(folder, "w", "dog", labels={"io.flexli.watchdog.self": "1"})
    once = box(folder, "o", "once", labels={"com.docker.compose.oneoff": "True"})
    aside = box(folder, "a", "aside") | {"Name": "/aside-a-1.rb-1"}
    loose = box(folder, "l", "")

    assert projects(Engine(ours, once, aside, loose)) == ()


def test_two_folders_of_one_name_are_refused_by_their_names(tmp_path):
    two = box("/srv/a"), box("/srv/b", "worker")

    with pytest.raises(Problem, match="/srv/a, /srv/b") as refused:
        projects(Engine(*two))
    assert "COMPOSE_PROJECT_NAME" in refused.value.hint


def test_a_folder_that_is_not_here_is_said_and_the_rest_is_seen(tmp_path):
    (shop,) = projects(Engine(box(tmp_path / "away")))

    assert shop.unread == f"{tmp_path}/away cannot be read: no such file or directory"
    assert [service.image for service in shop.services] == ["ghcr.io/x/shop:v2.0.0"]


def test_an_env_file_that_compose_was_given_is_the_one_that_counts(folder):
    (folder / "prod.env").write_text("SHOP_TAG=v9\n")
    labels = {
        "com.docker.compose.project.environment_file": f"/etc/x.env,{folder}/prod.env"
    }

    (shop,) = projects(Engine(box(folder, labels=labels)))

    assert (shop.env_file, shop.env) == ("prod.env", {"SHOP_TAG": "v9"})


@pytest.mark.parametrize(
    ("last", "chosen"), [("SHOP_TAG=v9\n", "prod.env"), ("OTHER=1\n", ".env")]
)
def test_of_several_env_files_the_last_that_says_the_version_counts(
    folder, last, chosen
):
    (folder / "prod.env").write_text(last)
    given = f"{folder}/.env,{folder}/prod.env"
    labels = {"com.docker.compose.project.environment_file": given}

    (shop,) = projects(Engine(box(folder, labels=labels)))

    assert shop.env_file == chosen


def test_mounts_of_the_folder_are_listed_and_others_are_not(folder):
    (folder / "m").mkdir()
    (folder / "m/a.manifest.json").write_text("{}")
    mounts = [
        {"Type": "bind", "Source": str(folder / "m"), "Destination": "/m"},
        {"Type": "bind", "Source": str(folder / ".env"), "Destination": "/e"},
        {"Type": "bind", "Source": "/etc", "Destination": "/etc"},
        {"Type": "bind", "Source": str(folder / "gone"), "Destination": "/g"},
        {"Type": "volume", "Source": str(folder / "m"), "Destination": "/v"},
    ]

    (shop,) = projects(Engine(box(folder, Mounts=mounts)))

    assert shop.services[0].mounts == (
        Mount(str(folder / "m"), "/m", ("a.manifest.json",)),
        Mount(str(folder / ".env"), "/e", ("",)),
        Mount(str(folder / "gone"), "/g", ()),
    )


def test_our_own_container_says_our_image_and_where_the_socket_is():
    socket = {
        "Source": "/run/user/1/docker.sock",
        "Destination": "/var/run/docker.sock",
    }
    labels = {"io.flexli.watchdog.self": "1"}
    engine = Engine(box("/x", labels=labels, Mounts=[socket]))

    assert image_of_ours(engine, "shop-api-1") == "ghcr.io/x/shop:v2.0.0"
    assert image_of_ours(engine, "another") == ""
    assert socket_of_ours(engine, "shop-api-1", "/var/run/docker.sock") == (
        "/run/user/1/docker.sock"
    )
    assert socket_of_ours(engine, "another", "/var/run/docker.sock") == ""
