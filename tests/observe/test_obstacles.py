"""What cannot be replayed is said in a sentence, before it matters."""

import pytest

from watchdog.observe.obstacles import chosen_macs, compose_files, obstacles

DMS = "1" * 64
OTHER = "2" * 64
NUMBER = "com.docker.compose.container-number"


def a_container(
    name="dms-dms-1", service="dms", id_=DMS, labels=None, image="x:v1", **host
):
    own = {
        "com.docker.compose.service": service,
        "com.docker.compose.oneoff": "False",
    }
    return {
        "Id": id_,
        "Name": f"/{name}",
        "Config": {"Image": image, "Labels": own | (labels or {})},
        "HostConfig": {"NetworkMode": "dms_default"} | host,
    }


def beside(**host):
    return a_container("dms-vpn-1", "vpn", OTHER, **host)


def said(*containers, services=("dms",), models=None, **files):
    texts = {f"{name}.yaml": text for name, text in files.items()}
    return obstacles(services, containers, texts, models)


def test_a_plain_stack_has_no_obstacle():
    assert said(a_container(), beside(), compose="services: {dms: {image: x}}") == ()


def test_a_container_that_is_removed_when_it_stops_has_no_way_back():
    assert said(a_container(AutoRemove=True)) == (
        "dms-dms-1 is removed by the engine when it stops: no way back (AutoRemove)",
    )


@pytest.mark.parametrize(
    ("image", "which"),
    [
        ("reg.local:5000/team/app", "has no tag"),
        ("app", "has no tag"),
        ("app:latest", "is tagged latest"),
    ],
)
def test_an_image_that_no_version_names_is_no_release(image, which):
    (words,) = said(a_container(image=image))

    assert words == (
        f"the image of service dms, {image}, {which}, so that which release it means "
        "changes with time: write the version as its tag"
    )


@pytest.mark.parametrize(
    "image", ["reg.local:5000/app:v1", f"app:latest@sha256:{'a' * 64}"]
)
def test_an_image_with_a_version_or_a_digest_is_one(image):
    assert said(a_container(image=image)) == ()


@pytest.mark.parametrize(
    ("mode", "word"),
    [("NetworkMode", "network"), ("IpcMode", "IPC"), ("PidMode", "process")],
)
@pytest.mark.parametrize("target", [DMS, "dms-dms-1"])
def test_a_container_in_the_targets_namespace_would_be_orphaned(mode, word, target):
    there = beside(**{mode: f"container:{target}"})

    assert said(a_container(), there) == (
        f"dms-vpn-1 shares the {word} namespace of dms-dms-1",
    )


@pytest.mark.parametrize("volumes", [DMS, f"{DMS}:ro", "dms-dms-1"])
def test_a_container_with_the_targets_volumes_would_keep_the_old_ones(volumes):
    assert said(a_container(), beside(VolumesFrom=[volumes])) == (
        "dms-vpn-1 takes its volumes from dms-dms-1",
    )


def test_what_others_share_among_themselves_is_no_obstacle():
    third = a_container("x", "x", "3" * 64, NetworkMode=f"container:{OTHER}")

    assert said(a_container(), beside(), third) == ()


def test_a_one_off_beside_it_is_no_obstacle():
    once = {"com.docker.compose.oneoff": "True"}
    shell = a_container("run", id_=OTHER, labels=once, NetworkMode=f"container:{DMS}")

    assert said(a_container(), shell) == ()


def test_two_containers_of_one_number_cannot_be_told_apart():
    """Compose numbers those of one service; two of a number are half a deployment."""
    first, again = {NUMBER: "1"}, {NUMBER: "2"}
    two = [a_container(labels=first), a_container("dms-dms-2", id_=OTHER, labels=first)]
    several = [two[0], a_container("dms-dms-2", id_=OTHER, labels=again)]

    assert said(*two) == (
        (
            "service dms has 2 containers of number 1 (dms-dms-1, dms-dms-2); one of "
            "each is replayed"
        ),
    )
    assert said(*several) == ()


def test_what_a_killed_compose_left_is_named_with_its_cure():
    (words,) = said(a_container("0123456789ab_dms-dms-1"))

    assert words.startswith("0123456789ab_dms-dms-1 was left by a Compose that was")
    assert words.endswith("dms-dms-1: `docker compose up -d --force-recreate`")


def test_swarm_would_replace_what_we_start():
    swarm = {"com.docker.swarm.task.id": "x"}

    assert said(a_container(labels=swarm)) == (
        "dms-dms-1 belongs to Swarm, which would replace whatever we start",
    )


@pytest.mark.parametrize("kind", ["configs", "secrets"])
@pytest.mark.parametrize("use", ["[conf]", "[{source: conf, target: /c}]"])
@pytest.mark.parametrize("source", ["content: x", "environment: X"])
def test_content_that_only_compose_writes_is_found_in_its_files(kind, use, source):
    text = f"services: {{dms: {{{kind}: {use}}}}}\n{kind}: {{conf: {{{source}}}}}"

    assert said(a_container(), compose=text) == (
        (
            f"{kind[:-1]} conf of service dms has its content in compose.yaml: "
            "only Compose writes that into a container"
        ),
    )


def test_content_of_another_service_and_files_of_ours_are_no_obstacle():
    text = """
        services:
          dms: {configs: [file]}
          other: {configs: [conf]}
        configs: {conf: {content: x}, file: {file: ./x}}
        """

    assert said(a_container(), compose=text) == ()


def test_hooks_are_run_by_compose_only():
    text = "services: {dms: !override {post_start: [{command: x}]}}"

    assert said(a_container(), compose=text) == (
        "post_start of service dms in compose.yaml: only Compose runs it",
    )


@pytest.mark.parametrize("hook", ["post_start", "pre_stop", "pre_start"])
def test_what_compose_reads_is_the_word_on_hooks(hook):
    """Whatever a file says: another one may have taken it away, or brought it."""
    text = f"services: {{dms: {{{hook}: [{{command: x}}]}}}}"
    with_it = {"services": {"dms": {hook: [{"command": ["x"]}]}, "other": {}}}

    assert said(a_container(), compose=text, models=[{"services": {"dms": {}}}]) == ()
    assert said(a_container(), models=[{"services": {"x": {hook: [1]}}}]) == ()
    assert said(a_container(), models=[with_it]) == (
        f"{hook} of service dms: only Compose runs it",
    )


def test_all_that_only_compose_does_is_named_by_service_and_option():
    model = {
        "services": {
            "dms": {
                "use_api_socket": True,
                "configs": [{"source": "conf", "target": "/c"}],
                "secrets": [{"source": "word", "target": "/w"}, {"source": "file"}],
                "networks": {"back": {"mac_address": "${MAC}"}, "front": None},
            }
        },
        "configs": {"conf": {"content": "x"}},
        "secrets": {"word": {"environment": "WORD"}, "file": {"file": "/x"}},
    }

    assert said(a_container(), models=[model]) == (
        (
            "config conf of service dms has its content in the files: only Compose "
            "writes that into a container"
        ),
        (
            "secret word of service dms has its content in the files: only Compose "
            "writes that into a container"
        ),
        (
            "network back of service dms takes its MAC address from a variable: the "
            "engine does not show whether it was chosen"
        ),
        (
            "use_api_socket of service dms: only Compose writes the logins that come "
            "with it into a container"
        ),
    )


def test_without_compose_what_a_service_extends_is_read_too():
    hooked = "{post_start: [{command: x}]}"
    same = f"services: {{base: {hooked}, dms: {{extends: {{service: base}}}}}}"
    short = f"services: {{base: {hooked}, dms: {{extends: base}}}}"
    other = "services: {dms: {extends: {file: ./more.yaml, service: mid}}}"
    more = f"services: {{mid: {{extends: base}}, base: {hooked}}}"
    round_about = "services: {dms: {extends: b}, b: {extends: dms}}"

    for text in (same, short):
        assert said(a_container(), compose=text) == (
            "post_start of service dms in compose.yaml: only Compose runs it",
        )
    assert said(a_container(), compose=other, more=more) == (
        "post_start of service dms in more.yaml: only Compose runs it",
    )
    assert said(a_container(), compose=round_about) == ()


DEPENDS = "com.docker.compose.depends_on"


def a_proxy(needs, **state):
    it = a_container("dms-web-1", "web", OTHER, labels={DEPENDS: needs})
    return it | {"State": {"Running": True} | state}


def test_a_service_that_compose_restarts_with_ours_would_keep_a_dead_address():
    proxy = a_proxy("db:service_healthy:false,dms:service_started:true")
    (words,) = said(a_container(), proxy)

    assert words == (
        "Compose restarts web whenever it replaces dms (`depends_on` with "
        "`restart: true`, or `links`), and replaying does not: `executor: compose` "
        "does, or let it look names up anew and take that away"
    )
    for other in ("dms:service_started:false", "db:service_started:true", ""):
        assert said(a_container(), a_proxy(other)) == ()
    assert said(a_container(), a_proxy("dms:service_started:true", Running=False)) == ()


def test_what_shares_a_namespace_is_said_once():
    """Compose writes such a dependency there by itself."""
    joined = a_container(
        "dms-vpn-1",
        "vpn",
        OTHER,
        labels={DEPENDS: "dms:service_started:true"},
        NetworkMode=f"container:{DMS}",
    )

    assert said(a_container(), joined) == (
        "dms-vpn-1 shares the network namespace of dms-dms-1",
    )


def test_the_files_say_what_compose_restarts_next_not_what_it_wrote_before():
    """No container is made anew for another `depends_on`."""
    once = a_proxy("dms:service_started:true")
    never = a_proxy("dms:service_started:false")
    restarts = {"services": {"web": {"depends_on": {"dms": {"restart": True}}}}}
    not_now = {"services": {"web": {"depends_on": {"dms": {"restart": False}}}}}

    assert said(a_container(), once, models=[not_now]) == ()
    (words,) = said(a_container(), never, models=[restarts])
    assert words.startswith("Compose restarts web whenever it replaces dms")


def test_what_is_replayed_after_what_it_depends_on_needs_no_restart():
    proxy = a_proxy("dms:service_started:true")

    assert said(a_container(), proxy, services=("dms", "web")) == ()
    assert said(a_container(), proxy, services=("web", "dms")) == (
        (
            "Compose restarts web after it replaced dms (`depends_on` with "
            "`restart: true`), and it is replayed before: name it after dms in "
            "stack.services"
        ),
    )


def test_the_containers_of_compose_v1_are_told():
    (words,) = said(a_container(labels={"com.docker.compose.version": "1.29.2"}))

    assert words.startswith("dms-dms-1 was made by Compose v1 (1.29.2), whose")
    for version in ("2.40.3", "v2.1.0", "5.5.0", ""):
        labels = {"com.docker.compose.version": version}
        assert said(a_container(labels=labels)) == ()


def test_a_use_in_one_file_meets_its_content_in_another():
    assert said(
        a_container(),
        compose="services: {dms: {configs: [conf]}}",
        more="configs: {conf: {content: x}}",
    ) == (
        (
            "config conf of service dms has its content in compose.yaml: "
            "only Compose writes that into a container"
        ),
    )


@pytest.mark.parametrize("text", ["", "[]", "services: [", "services: {dms: }", "a"])
def test_a_file_that_is_no_stack_says_nothing(text):
    assert said(a_container(), compose=text) == ()


def test_compose_files_are_read_where_they_are_for_us(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "compose.yaml").write_text(
        "include: [sub/more.yaml, {path: [none.yaml]}]\n"
        "services: {a: {extends: {file: ./base.yaml, service: a}}, b: {extends: a}}"
    )
    (tmp_path / "sub/more.yaml").write_text("include: [../compose.yaml]")
    (tmp_path / "base.yaml").write_text("services: {}")

    found = compose_files(tmp_path, "/srv/dms", "/srv/dms/compose.yaml,/etc/x.yaml")

    assert set(found) == {"compose.yaml", "sub/more.yaml", "base.yaml"}


def test_a_mac_address_out_of_a_variable_cannot_be_told_from_a_made_up_one():
    text = "services: {dms: {networks: {back: {mac_address: '${MAC}'}, front: }}}"

    assert said(a_container(), compose=text) == (
        (
            "network back of service dms takes its MAC address from a variable in "
            "compose.yaml: the engine does not show whether it was chosen"
        ),
    )


def test_the_mac_addresses_that_were_chosen_are_read_from_the_files():
    texts = {
        "a": "services: {dms: {networks: {back: {mac_address: '02:42:AC:11:65:45'}}}}",
        "b": "services: {dms: {networks: [back]}, vpn: {networks: {front: }}, no: 1}",
        "c": "services: {dms: {mac_address: '02:42:ac:11:65:46'}}",
    }

    assert chosen_macs(texts) == {"02:42:ac:11:65:45", "02:42:ac:11:65:46"}


def test_where_compose_reads_the_files_the_chosen_mac_addresses_are_its_own():
    """A file whose name has a variable in it is read by nobody else."""
    ends = {"back": {"mac_address": "02:42:AC:11:65:47"}, "front": None}
    read = [{"services": {"dms": {"networks": ends}}}]

    assert chosen_macs({"a": "services: {}"}, read) == {"02:42:ac:11:65:47"}
