"""`examples/swarm`, as its page says: two watchdogs and their PostgreSQL on a swarm."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import yaml

from tests.real.rig import docker
from tests.real.several import REGISTRY, SCRIPT, several
from watchdog.commands.stage import WATCHDOG_IMAGE

pytestmark = [pytest.mark.real, pytest.mark.campaign]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/swarm"
IMAGE = f"{REGISTRY}/flexli/dms"
_PROGRAMS = Path("/usr/lib/postgresql")
# As far as the stack asks it, this is what the image `postgres` does.
_DATABASE = """#!/bin/sh
set -e
export PATH={programs}:$PATH PGDATA=/var/lib/postgresql/data
if test ! -s $PGDATA/PG_VERSION; then
  initdb -E UTF8 -A scram-sha-256 -U $POSTGRES_USER --pwfile=$POSTGRES_PASSWORD_FILE
  echo "CREATE DATABASE $POSTGRES_DB" | postgres --single template1
  echo "host all all all scram-sha-256" >>$PGDATA/pg_hba.conf
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp
"""
_DATABASES_IMAGE = """
FROM python:3.13-slim
ADD postgresql.tar /
RUN useradd -u 999 postgres && mkdir -p /var/lib/postgresql/data \
 && chown 999:999 /var/lib/postgresql/data && chmod 700 /var/lib/postgresql/data
ENV LD_LIBRARY_PATH=/opt/postgresql/libraries
USER 999
CMD ["/opt/postgresql/begin"]
"""


def a_database(folder):
    """Have an image of this machine's PostgreSQL in the registry; return its name."""
    found = sorted(_PROGRAMS.glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    assert found, "no PostgreSQL: `make sandbox` installs Debian's"
    home = found[-1].parents[1]
    share = Path("/usr/share/postgresql") / home.name
    begin = folder / "begin"
    begin.write_text(_DATABASE.format(programs=home / "bin"))
    begin.chmod(0o755)
    needs = set()
    for program in (home / "bin/postgres", home / "bin/initdb"):
        said = subprocess.run(
            ["ldd", program], capture_output=True, text=True, check=True
        )
        words = [line.split() for line in said.stdout.splitlines()]
        needs |= {Path(line[2]) for line in words if "=>" in line and line[2] != "not"}
    with tarfile.open(folder / "postgresql.tar", "w", dereference=True) as tar:
        for name in ("postgres", "initdb"):
            # It looks for all else from where it is: the same folders as here.
            tar.add(home / "bin" / name, f"{home}/bin/{name}".lstrip("/"))
        for one in (home / "lib").glob("*.so"):
            if one.name != "llvmjit.so":
                tar.add(one, f"{one}".lstrip("/"))
        tar.add(share, f"{share}".lstrip("/"))
        tar.add(begin, "opt/postgresql/begin")
        for one in needs:
            if not one.name.startswith(("libc.", "libm.", "libresolv.")):
                tar.add(one, f"opt/postgresql/libraries/{one.name}")
    (folder / "Dockerfile").write_text(_DATABASES_IMAGE)
    name = f"{REGISTRY}/swarm-example/postgres:15"
    docker("build", "-q", "-t", name, str(folder))
    docker("push", "-q", name)
    return name


class Example:
    """The folder that the page makes, and two managers that it is deployed on."""

    def __init__(self, folder, swarm):
        self.folder, self.swarm = folder / "dms-swarm", swarm
        self.front = "http://10.199.7.1:5269"
        socket = swarm.run("here").strip()
        self.env = os.environ | {
            "DMS_IMAGE": IMAGE,
            # The page's own words for a kernel without IPVS.
            "DMS_ENDPOINTS": "dnsrr",
            "DMS_PORT_MODE": "host",
            "DMS_ORDER": "stop-first",
            "ENDPOINTS": "dnsrr",
            "DOCKER_SOCKET": socket,
            "DOCKER_GID": f"{Path(swarm.url[1].removeprefix('unix://')).stat().st_gid}",
            "DOCKER_HOST": swarm.url[1],
        }
        for key, local, name in (
            ("WATCHDOG_IMAGE", WATCHDOG_IMAGE, "watchdog:dev"),
            ("HAPROXY_IMAGE", "haproxy:3.2-alpine", "haproxy:3.2-alpine"),
            ("PROMETHEUS_IMAGE", "prom/prometheus", "prometheus"),
        ):
            there = f"{REGISTRY}/swarm-example/{name}"
            tag = os.environ.get("PROMETHEUS_TAG", "v2.42.0") if "prom" in local else ""
            mine = f":{tag}" if tag else ""
            docker("tag", f"{local}{mine}", f"{there}{mine}")
            docker("push", "-q", f"{there}{mine}")
            self.env[key] = there
        database = folder / "database"
        database.mkdir()
        self.env["POSTGRES_IMAGE"] = a_database(database)

    def make(self):
        """Do what the page says, with shorter times."""
        make = ROOT / "examples/dms/make-stack"
        subprocess.run([sys.executable, make, self.folder], check=True)
        for name in (
            *("dms.yaml", "watching.yaml", "haproxy.cfg"),
            *("prometheus.yml", "watchdog.yaml"),
        ):
            shutil.copy(EXAMPLE / name, self.folder)
        shutil.copytree(ROOT / "config/releases", self.folder / "releases")
        shutil.copy(ROOT / "config/approvers.yaml", self.folder)
        (self.folder / "database.password").write_text("0f" * 32)
        for path in (self.folder / "releases").iterdir():
            text = path.read_text().replace("ghcr.io/flexli/dms", IMAGE)
            for long, short in (("10m", "20s"), ("15m", "30s"), ("5m", "20s")):
                text = text.replace(f" {long}", f" {short}")
            path.write_text(text)
        self._shorten()

    def _shorten(self):
        path = self.folder / "watchdog.yaml"
        whole = yaml.safe_load(path.read_text())
        whole["prometheus"]["scrape_interval"] = "2s"
        whole |= {"bake_time": "20s", "poll": "2s", "log": {"format": "json"}}
        path.write_text(yaml.safe_dump(whole))
        path = self.folder / "prometheus.yml"
        path.write_text(path.read_text().replace("interval: 15s", "interval: 2s"))

    def docker(self, *words, node=1, check=True):
        env = self.env | {"DOCKER_HOST": self.swarm.url[node]}
        return docker(*words, env=env, cwd=self.folder, check=check)

    def deploy(self, file, name, **env):
        self.env |= env
        self.docker("stack", "deploy", "-c", file, name)

    def watchdogs(self):
        """Give (container, how it is) of the watchdog on each node that has one."""
        form = ("--format", "{{.ID}} {{.Status}}")
        found = {}
        for node in self.swarm.nodes:
            said = self.docker("ps", *form, "-f", "name=watching_watchdog", node=node)
            for line in said.splitlines():
                one, _, status = line.partition(" ")
                found[node] = one, status
        return found

    def log(self):
        """Give all that both of them printed so far, ended ones' too."""
        said = ""
        for node in self.swarm.nodes:
            words = ("ps", "-aq", "-f", "name=watching_watchdog")
            for one in self.docker(*words, node=node).split():
                said += self.docker("logs", one, node=node)
        return said

    def leader(self, by):
        """Give the node whose watchdog leads, as the one on node *by* says."""
        there = self.watchdogs()
        words = ("exec", there[by][0], "watchdog", "status")
        said = self.docker(*words, node=by, check=False)  # it may not be well
        (line,) = [x for x in said.splitlines() if x.startswith("leads ")]
        host = line.split()[1]
        return next(node for node, (one, _) in there.items() if host.startswith(one))

    def until(self, claim, words, patience=240):
        end, trouble = time.monotonic() + patience, ""
        while True:
            try:
                if found := claim():
                    return found
            except (AssertionError, ValueError, KeyError, StopIteration) as problem:
                trouble = f"{problem}"[:600]
            if time.monotonic() > end:
                tasks = self.docker("service", "ls", check=False)
                for name in ("watchdog", "database", "socket-proxy", "prometheus"):
                    it = f"watching_{name}"
                    tasks += self.docker("service", "ps", "--no-trunc", it, check=False)
                raise AssertionError(
                    f"not within {patience} s: {words}; {trouble}\n{tasks}\n"
                    f"{self.log()[-3000:]}"
                )
            time.sleep(1)

    def are_healthy(self):
        """Tell whether both are, by the example's own health check."""
        found = self.watchdogs().values()
        return len(found) == 2 and all("(healthy)" in how for _, how in found)

    def serves(self, version):
        """Tell whether *version* answers, asked on a node's own network."""
        ask = f"import httpx; print(httpx.get('{self.front}/version', timeout=5).text)"
        said = self.swarm.run("on", "1", sys.executable, "-c", ask)
        return json.loads(said)["version"] == version


def test_the_example_rolls_back_and_its_other_watchdog_leads_when_one_is_killed(
    tmp_path,
):
    with several(2) as swarm:
        it = Example(tmp_path, swarm)
        it.make()
        it.docker("node", "update", "--label-add", "database=watchdog", "node1")
        it.deploy("dms.yaml", "dms", DMS_VERSION="v1.2.0")
        it.until(lambda: it.serves("v1.2.0"), "the DMS serves")
        load = [SCRIPT, "on", "1", sys.executable, ROOT / "examples/dms/load.py"]
        with (tmp_path / "load").open("w") as out:
            words = [*load, it.front, "--rate", "40", "--seconds", "1800"]
            known = os.environ | {"SANDBOX_SWARM": swarm.name}
            couriers = subprocess.Popen(words, stdout=out, stderr=out, env=known)
        try:
            _watched(it)
        finally:
            couriers.terminate()
            couriers.wait(20)


def _watched(it):
    it.deploy("watching.yaml", "watching")
    it.until(it.are_healthy, "both watchdogs are healthy")
    it.until(lambda: "decide.pair_known_good" in it.log(), "v1.2.0 is known-good")
    first = it.until(lambda: it.leader(by=2), "one leads")
    it.until(lambda: it.leader(by=1) == first, "the other says so, too")

    it.deploy("dms.yaml", "dms", DMS_VERSION="v1.3.0")
    it.until(lambda: "record.rollback_audited" in it.log(), "it is rolled back")
    (line,) = [x for x in it.log().splitlines() if "record.rollback_audited" in x]
    assert '"how": "proved"' in line
    form = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
    told = it.docker("service", "inspect", "-f", form, "dms_dms")
    assert told.startswith(f"{IMAGE}:v1.2.0@")
    assert it.serves("v1.2.0")

    other = 3 - first

    def the_other_leads():
        # Where it was killed it is started again, and either may lead next.
        if first in (there := it.watchdogs()):
            it.docker("kill", there[first][0], node=first, check=False)
        return it.leader(by=other) == other

    it.until(the_other_leads, "the other leads")
    it.until(it.are_healthy, "both watchdogs are healthy again")
    it.until(lambda: it.leader(by=first) == other, "it follows")
    assert it.log().count("act.rollback_started") == 1
