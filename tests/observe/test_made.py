"""How a container was made, told from what belongs to it alone."""

from watchdog.observe.made import replica_of

ID = "d919eb711e77" + "0" * 52


def a_container(env=None, binds=None):
    return {
        "Id": ID,
        "Name": "/dms-dms-1",
        "Config": {
            "Image": "x:v1",
            "Hostname": ID[:12],
            "Env": env,
            "Labels": {"com.docker.compose.service": "dms"},
        },
        "HostConfig": {"NetworkMode": "dms_default", "Binds": binds},
        "NetworkSettings": {"Networks": {}},
    }


def body_of(**more):
    return replica_of(a_container(**more), frozenset()).body


def test_a_host_name_that_is_its_id_is_not_replayed_out_of_the_environment():
    """Podman shows there what it wrote into the container itself."""
    env = [f"HOSTNAME={ID[:12]}", "LEVEL=info"]

    assert body_of(env=env)["Env"] == ["LEVEL=info"]
    assert body_of(env=["HOSTNAME=api"])["Env"] == ["HOSTNAME=api"]
    assert body_of()["Env"] is None


def test_no_binds_are_none_as_compose_has_them():
    assert body_of()["HostConfig"]["Binds"] is None
    assert body_of(binds=[])["HostConfig"]["Binds"] is None
    assert body_of(binds=["/x:/x:ro"])["HostConfig"]["Binds"] == ["/x:/x:ro"]
