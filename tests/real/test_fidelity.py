"""What our rollback puts back is what real Compose makes, whatever the user chose."""

import json
import os
import re
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, note, reject, settings
from hypothesis import strategies as st

from tests import canary
from tests.real import rig
from tests.real.rig import Rig
from watchdog.facts.problem import Problem

pytestmark = pytest.mark.real

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = int(os.environ.get("FIDELITY_EXAMPLES", "2"))
OLD, BAD = "v1.2.0", "v1.3.0"
MANIFEST = (
    "./manifests/meesho.${DMS_VERSION}.manifest.json:/manifests/meesho.manifest.json:ro"
)
FRONT = {"aliases": ["api", "front-of-${DMS_VERSION}"], "priority": 10}


class Unfit(Exception):
    """Compose itself cannot deploy this."""


@pytest.fixture(scope="session", autouse=True)
def images():
    rig.build()


@contextmanager
def a_project(folder, options, project=None):
    """Write a project whose one service has *options* by version; strike it after."""
    project = project or f"fid-{uuid.uuid4().hex[:8]}"
    number = int(project[-4:], 16)
    subnet = f"10.{128 + number // 256 % 64}.{number % 256}"
    whole = {
        "services": {
            "app": {
                "image": f"{rig.IMAGE}:${{DMS_VERSION:?}}",
                "extends": {"file": "./app.${DMS_VERSION}.yaml", "service": "app"},
                "volumes": [MANIFEST],
            },
            "beside": {
                "image": f"{rig.IMAGE}:{OLD}",
                "healthcheck": {"disable": True},
                "init": True,
                "stop_grace_period": "1s",
                "networks": ["front"],
            },
        },
        "networks": {
            "front": {"ipam": {"config": [{"subnet": f"{subnet}.0/25"}]}},
            "back": {"ipam": {"config": [{"subnet": f"{subnet}.128/25"}]}},
        },
        "volumes": {"named": {}, "other": {}},
        "configs": {"conf": {"file": "./conf/${DMS_VERSION}.txt"}},
        "secrets": {"key": {"file": "./conf/key.txt"}},
    }
    files = {"conf/key.txt": canary.text()}
    for version in (OLD, BAD):
        text = json.dumps({"services": {"app": options[version]}})
        files |= {
            f"app.{version}.yaml": text.replace("{subnet}", subnet),
            f"conf/{version}.txt": version,
            f"env.{version}": f"FROM_FILE={version}\nQUOTED='a $$b \"c\"'\n",
            f"manifests/meesho.{version}.manifest.json": version,
        }
    rig.write(folder / project, project, whole, files)
    it = Rig(folder / project, project)
    try:
        yield it
    finally:
        it.down()


# The user's choices, by option of Compose's `services`.

EVERYTHING = {
    "networks": {
        "front": FRONT | {"ipv4_address": "{subnet}.77"},
        "back": {"aliases": ["api-behind"], "ipv4_address": "{subnet}.177"},
    },
    "mac_address": "02:42:ac:11:65:43",
    "hostname": "api-${DMS_VERSION}",
    "domainname": "flexli.example",
    "init": True,
    "stop_signal": "SIGUSR1",
    "stop_grace_period": "3s",
    "environment": {
        "LEVEL": "info",
        "FOR": "${DMS_VERSION}",
        "EMPTY": "",
        "PASSWORD": canary.text(),
    },
    "env_file": ["./env.${DMS_VERSION}"],
    "ports": ["127.0.0.1::7000", "127.0.0.1::7120/udp"],
    "expose": ["7777"],
    "labels": {"app.version": "ours", "for": "${DMS_VERSION}", "a.b": "c=d"},
    "volumes": [
        "./conf:/conf:ro",
        "named:/named",
        "/anonymous",
        {"type": "volume", "source": "other", "target": "/nocopy"}
        | {"volume": {"nocopy": True}},
        {"type": "tmpfs", "target": "/scratch", "tmpfs": {"size": 1048576}},
        {"type": "bind", "source": "./conf", "target": "/private"}
        | {"bind": {"propagation": "rprivate"}},
    ],
    "tmpfs": ["/run/app:size=64k,mode=700"],
    "configs": [{"source": "conf", "target": "/etc/app.conf"}],
    "secrets": ["key"],
    "ulimits": {"nofile": {"soft": 1024, "hard": 2048}, "nproc": 512},
    "sysctls": {"net.core.somaxconn": 512},
    "cap_add": ["NET_ADMIN"],
    "cap_drop": ["MKNOD"],
    "security_opt": ["no-new-privileges:true"],
    "extra_hosts": ["hub:10.9.8.7", "host.docker.internal:host-gateway"],
    "dns": ["10.9.8.7"],
    "dns_search": ["flexli.example"],
    "dns_opt": ["timeout:1"],
    "devices": ["/dev/null:/dev/app0:rw"],
    "logging": {"driver": "json-file", "options": {"max-size": "1m", "tag": "x"}},
    "mem_limit": "128m",
    "mem_reservation": "64m",
    "memswap_limit": "192m",
    "cpus": 0.5,
    "cpu_shares": 512,
    "cpuset": "0",
    "pids_limit": 64,
    "shm_size": "8m",
    "oom_score_adj": 100,
    "group_add": ["1234"],
    "healthcheck": {"test": ["CMD", "true"], "interval": "1s", "start_period": "9s"},
    "restart": "on-failure:3",
    "depends_on": {"beside": {"condition": "service_started", "restart": True}},
    "command": ["sh", "-c", "trap exit TERM USR1; sleep 9999 & wait"],
    "working_dir": "/tmp",
    "user": "0:0",
    "read_only": True,
    "tty": True,
    "stdin_open": True,
    "ipc": "shareable",
    "device_cgroup_rules": ["c 1:3 mr"],
    "annotations": {"a": "b"},
}
_ALTERNATIVES = {
    "networks": [["front"], ["back", "front"], {"back": {"priority": 5}, "front": {}}],
    "hostname": ["api"],
    "init": [False],
    "stop_signal": ["INT", "3"],
    "stop_grace_period": ["1s", "90s"],
    "environment": [{"APP_VERSION": "mine"}, {"APP_VERSION": OLD}],
    "ports": [["127.0.0.1::9130"], ["7000"]],
    "labels": [{"app.version": OLD}],
    "volumes": [
        ["named:/keep"],
        ["/keep"],
        ["named:/only-in-120", "/anonymous"],
        ["other:/anonymous"],
        ["/only-in-130", "./conf:/keep"],
    ],
    "healthcheck": [{"disable": True}, {"interval": "2s"}],
    "restart": ["always", "no", "unless-stopped", "on-failure"],
    "user": ["1000"],
    "entrypoint": [["sleep", "999"]],
    "network_mode": ["none", "host", "bridge"],
    "ipc": ["host", "private"],
    "pid": ["host"],
    "uts": ["host"],
    "cgroup_parent": ["/fidelity"],
    "runtime": ["runc"],
}
# What older engines do not know.
NEWER = {
    "networks": {
        "front": FRONT | {"gw_priority": 1, "interface_name": "front0"},
        "back": {
            "mac_address": "02:42:AC:11:65:45",
            "gw_priority": 7,
            "driver_opts": {"com.docker.network.endpoint.ifname": "back0"},
            "link_local_ips": ["169.254.8.8"],
        },
    },
    "healthcheck": {"test": ["CMD", "true"], "interval": "9s", "start_interval": "1s"}
    | {"start_period": "3s"},
    "volumes": [
        {"type": "image", "source": f"{rig.IMAGE}:{OLD}", "target": "/from-image"},
        {"type": "bind", "source": "./conf", "target": "/flat"}
        | {"bind": {"recursive": "disabled"}},
    ],
}
# What the engine refuses together.
_ONLY_ON_NETWORKS = ("mac_address", "networks", "sysctls")
_NOT_ON_HOST = ("hostname", "domainname", "ports", "dns", "expose", "extra_hosts")


def _fits(options):
    """Leave out what this engine would refuse beside the other choices."""
    mode = options.get("network_mode")
    if mode:
        options = {k: v for k, v in options.items() if k not in _ONLY_ON_NETWORKS}
    if mode in ("host", "none") or options.get("uts"):
        options = {k: v for k, v in options.items() if k not in _NOT_ON_HOST}
    if "memswap_limit" in options or "mem_reservation" in options:
        options |= {"mem_limit": "128m"}
    if options.get("entrypoint") == ["sleep", "999"]:
        options.pop("command", None)
    return {"init": True} | options


def _values(name):
    known = [EVERYTHING[name]] if name in EVERYTHING else []
    return st.sampled_from(known + _ALTERNATIVES.get(name, []))


_OPTIONS = st.fixed_dictionaries(
    {}, optional={n: _values(n) for n in {**EVERYTHING, **_ALTERNATIVES}}
).map(_fits)


# The comparison.


def documented():
    """Read what may differ, from the page that tells the reader."""
    page = (CHECKOUT / "docs/reference/fidelity.md").read_text()
    table = page.partition("## What may differ")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    return [path for row in rows for path in re.findall(r"`(.+?)`", row)]


def flat(value, path=""):
    """Give every leaf of *value* by its path; a list's order counts."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for at, inner in enumerate(value):
            yield from flat(inner, f"{path}[{at}]")
    else:
        yield path, value


def differences(ours, theirs):
    """Tell where *ours* is not *theirs*, apart from what is documented."""
    allowed = [
        re.compile(re.escape(path).replace(r"\*", r"[^ ]*") + r"(?:[.\[].*)?")
        for path in documented()
    ]
    left, right = (dict(flat(_sorted(one))) for one in (ours, theirs))
    return [
        f"{path}: {left.get(path, '-')!r}, Compose {right.get(path, '-')!r}"
        for path in sorted({*left, *right})
        if left.get(path, "-") != right.get(path, "-")
        and not any(one.fullmatch(path) for one in allowed)
    ]


def _sorted(container):
    """Order what the engine or Compose give in the order of a hash map."""
    whole = json.loads(json.dumps(container))
    host = whole["HostConfig"]
    host["Mounts"] = [m for m in host.get("Mounts") or () if not _is_nameless(m)]
    for mount in whole["Mounts"]:
        if _is_nameless(mount):
            mount |= {"Name": "", "Source": ""}
        if mount["Type"] == "image":
            mount["Source"] = ""  # a folder of the engine's, named after the id
    whole["Mounts"].sort(key=lambda mount: mount["Destination"])
    host["Mounts"].sort(key=lambda mount: mount["Target"])
    for part in (whole["Config"]["Env"], host["Binds"], host["ExtraHosts"]):
        (part or []).sort()
    labels = whole["Config"]["Labels"]
    needs = labels.get("com.docker.compose.depends_on", "")
    labels["com.docker.compose.depends_on"] = ",".join(sorted(needs.split(",")))
    (host["Ulimits"] or []).sort(key=lambda limit: limit["Name"])
    if whole["Config"]["Hostname"] == whole["Id"][:12]:
        whole["Config"]["Hostname"] = ""
    for network in whole["NetworkSettings"]["Networks"].values():
        for names in ("Aliases", "DNSNames"):
            network[names] = sorted(set(network.get(names) or ()) - {whole["Id"][:12]})
    return whole


def _is_nameless(mount):
    name = mount.get("Name") or mount.get("Source") or "0" * 64
    return mount["Type"] == "volume" and re.fullmatch("[0-9a-f]{64}", name)


def assert_faithful(it):
    """Deploy, roll back, hold the outcome against Compose's own, and give it."""
    _deploy_first(it, OLD)
    first = it.inspect("app")
    target = it.record()
    wrote = {
        place: name for place, name in _held(first).items() if _can_write(it, place)
    }
    _deploy_first(it, BAD)
    assert it.inspect("app")["Config"]["Image"].endswith(BAD)
    between = _held(it.inspect("app"))
    it.roll_back(target)
    ours = it.inspect("app")
    assert "Running" in _said(it.up(), "app"), _said(it.up(), "app")
    assert it.inspect("app")["Id"] == ours["Id"]
    for place, name in wrote.items():
        # What the newer version put there instead comes along, as with Compose.
        if between.get(place, name) == name:
            assert it.run_in("app", "cat", f"{place}/mark") == f"{it.project}\n"
    said = _said(it.deploy(BAD), "app")
    assert "Recreated" in said or "Started" in said
    assert it.inspect("app")["Config"]["Image"].endswith(BAD)
    it.deploy(OLD)
    wrong = differences(ours, it.inspect("app"))
    assert not wrong, "\n".join(wrong)
    return ours


def _deploy_first(it, version):
    try:
        it.deploy(version)
    except AssertionError as refused:
        raise Unfit(str(refused)) from refused


def _held(container):
    """Give what lies where: a volume's name, or a folder of the host."""
    mounts = [m for m in container["Mounts"] if m["Type"] != "tmpfs"]
    found = {m["Destination"]: m.get("Name") or m["Source"] for m in mounts}
    return {place: name for place, name in found.items() if "manifest" not in place}


def _can_write(it, place):
    said = it.run_in("app", "sh", "-c", f"echo {it.project} > {place}/mark || echo no")
    return not said


def _said(printed, service):
    return [
        line.split()[-1] for line in printed.splitlines() if f"-{service}-1" in line
    ]


def test_a_service_that_uses_everything_comes_back_as_compose_makes_it(tmp_path):
    with a_project(tmp_path, {OLD: EVERYTHING, BAD: EVERYTHING}) as it:
        networks = assert_faithful(it)["NetworkSettings"]["Networks"]
        front, back = (networks[f"{it.project}_{name}"] for name in ("front", "back"))
        assert front["MacAddress"] == EVERYTHING["mac_address"]
        ends = [network["IPAddress"].rpartition(".")[2] for network in (front, back)]
        assert ends == ["77", "177"]


def test_what_only_newer_engines_know_comes_back_as_compose_makes_it(tmp_path):
    speaks = rig.docker("version", "--format", "{{.Server.APIVersion}}").strip()
    if [int(part) for part in speaks.split(".")] < [1, 48]:
        pytest.skip(f"this engine speaks API {speaks}; image mounts came with 1.48")
    whole = {"init": True, "stop_grace_period": "1s"} | NEWER
    networks = whole.pop("networks")
    with a_project(tmp_path, {OLD: whole, BAD: whole}) as it:
        # Where a reader finds it: the other file's name has a variable in it.
        model = yaml.safe_load((it.folder / "compose.yaml").read_text())
        model["services"]["app"]["networks"] = networks
        model["services"]["app"]["mac_address"] = EVERYTHING["mac_address"]
        (it.folder / "compose.yaml").write_text(yaml.safe_dump(model))
        ours = assert_faithful(it)
    ends = ours["NetworkSettings"]["Networks"]
    back, front = (ends[f"{it.project}_{name}"] for name in ("back", "front"))
    assert front["MacAddress"] == EVERYTHING["mac_address"]
    chosen = NEWER["networks"]["back"]["mac_address"]
    assert back["MacAddress"].lower() == chosen.lower()
    assert back["GwPriority"] == 7


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    print_blob=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(old=_OPTIONS, bad=_OPTIONS)
def test_a_service_drawn_at_random_comes_back_as_compose_makes_it(
    tmp_path_factory, old, bad
):
    with a_project(tmp_path_factory.mktemp("drawn"), {OLD: old, BAD: bad}) as it:
        note(f"project {it.project}")
        try:
            assert_faithful(it)
        except Unfit as unfit:
            print(unfit)
            reject()


def test_what_only_compose_can_put_back_is_said_and_refused(tmp_path):
    own = {"init": True, "stop_grace_period": "1s"}
    with a_project(tmp_path, {OLD: own, BAD: own}) as it:
        it.deploy(OLD)
        assert it.eyes.obstacles() == ()
        model = yaml.safe_load((it.folder / "compose.yaml").read_text())
        model["configs"]["inline"] = {"content": "written by Compose"}
        model["services"]["app"] |= {"configs": ["inline"]}
        del model["services"]["beside"]["networks"]
        model["services"]["beside"] |= {
            "network_mode": "service:app",
            "volumes_from": ["app"],
        }
        (it.folder / "compose.yaml").write_text(yaml.safe_dump(model))
        it.deploy(OLD)
        app, beside = (f"{it.project}-{name}" for name in ("app", "beside"))
        expected = {
            (
                "config inline of service app has its content in compose.yaml: "
                "only Compose writes that into a container"
            ),
            f"{beside}-1 shares the network namespace of {app}-1",
            f"{beside}-1 takes its volumes from {app}-1",
        }
        assert set(it.eyes.obstacles()) == expected
        with pytest.raises(Problem, match="cannot be replayed"):
            it.eyes.deployed(())
