"""A swarm of many services and nodes, on which a watchdog turns; calls are counted."""

import itertools
from collections import Counter
from contextlib import contextmanager

import yaml

from tests.act.manager import STACK, Manager, a_service, managing
from watchdog.config.settings_file import load
from watchdog.wiring.watch import wire

REPLICAS = 2
DRI = "asha@flexli.example"
KEY = "whpk_alLk/OrfdKOk4OsDzjwjcpkpTb8MesibGq9UGt6/9nw="


class Many(Manager):
    """*count* services of two tasks each, on *nodes*; *calls* by method and path."""

    def __init__(self, count, nodes):
        super().__init__()
        self.names = [f"s{number:03}" for number in range(count)]
        self.services = {name: self._service(name) for name in self.names}
        self.nodes = [
            {
                "ID": f"node-{number}",
                "Status": {"State": "ready"},
                "Description": {"Hostname": f"node-{number}"},
            }
            for number in range(nodes)
        ]
        self.made, self.labels, self.calls = itertools.count(), {}, Counter()
        self.tasks = self._tasks()

    @staticmethod
    def _service(name):
        one = a_service(name, "v1.3.0")
        one["Spec"]["Mode"] = {"Replicated": {"Replicas": REPLICAS}}
        image = one["Spec"]["TaskTemplate"]["ContainerSpec"]
        image["Image"] = f"dms:v1.3.0@sha256:{'a' * 64}"
        return one

    def _tasks(self):
        spread = itertools.cycle(node["ID"] for node in self.nodes)
        return [
            {
                "ID": f"{one['ID']}-{slot}",
                "ServiceID": one["ID"],
                "NodeID": next(spread),
                "Slot": slot,
                "DesiredState": "running",
                "Status": {"State": "running", "Timestamp": one["UpdatedAt"]},
                "Spec": one["Spec"]["TaskTemplate"],
            }
            for name, one in self.services.items()
            if name in self.names
            for slot in range(REPLICAS)
        ]

    def answer(self, method, path, query, body):
        whole = path.split("/", 2)[2] if path.startswith("/v1") else path.lstrip("/")
        kind, _, rest = whole.partition("/")
        self.calls[f"{method} {kind}{'/…' if rest else ''}"] += 1
        if method == "POST":
            return self._written(kind, rest, body)
        if kind == "configs" and not rest:
            return 200, [self._shown(id_) for id_ in self.configs]
        if kind == "services" and not rest:
            wanted = "label" in str(query)
            found = self.services.values()
            holders = [s for s in found if STACK not in s["Spec"]["Labels"]]
            return 200, holders if wanted else list(found)
        if kind == "services":
            found = [s for s in self.services.values() if s["Spec"]["Name"] == rest]
            return (200, found[0]) if found else (404, {"message": "not found"})
        if kind == "distribution":
            return 200, {"Descriptor": {"digest": f"sha256:{'a' * 64}"}}
        if kind == "secrets":
            return 200, []
        return super().answer(method, path, query, body)

    def _shown(self, id_):
        name, _ = self.configs[id_]
        labels = self.labels.get(id_, {})
        return {
            "ID": id_,
            "Version": {"Index": 1},
            "Spec": {"Name": name, "Labels": labels},
        }

    def _config(self, id_):
        status, found = super()._config(id_)
        if status == 200:
            found["Version"] = {"Index": 1}
            found["Spec"]["Labels"] = self.labels.get(id_, {})
        return status, found

    def _written(self, kind, rest, body):
        id_ = f"made-{next(self.made)}"
        if kind == "configs" and rest.endswith("/update"):
            self.labels[rest.split("/")[0]] = body["Labels"]
        elif kind == "configs":
            self.configs[id_], self.labels[id_] = (body["Name"], b""), body["Labels"]
        elif kind == "services" and rest == "create":
            self.services[id_] = {
                "ID": id_,
                "Version": {"Index": 1},
                "Spec": body,
                "UpdatedAt": "2026-03-11T03:00:00.000000000Z",
            }
        return 201, {"ID": id_}


def configured(folder, manager, url, **settings):
    """Write what watches *manager*, which answers at *url*; give the settings' path."""
    (folder / "stack/manifests").mkdir(parents=True)
    (folder / "releases").mkdir()
    release = {
        "release": "v1.3.0",
        "image": "dms:v1.3.0",
        "manifests": {"meesho": "meesho.v1.3.0.manifest.json"},
        "dri": [DRI],
        "triggers": [
            {
                "alert": "DmsDown",
                "value": "up",
                "below": 1,
                "for": "2m",
                "action": "pause-and-alert",
            }
        ],
    }
    (folder / "releases/v1.3.0.yaml").write_text(yaml.safe_dump(release))
    whole = {
        "executor": "swarm",
        "state": str(folder / "state"),
        "stack": {
            "project": "dms",
            "services": manager.names,
            "directory": str(folder / "stack"),
            "manifest_in_container": "/manifests/{tenant}.manifest.json",
        },
        "engine": {"url": url},
        "prometheus": {"url": "http://127.0.0.1:9"},
        "listen": {"decisions": "127.0.0.1:0", "private": "127.0.0.1:0"},
    }
    path = folder / "watchdog.yaml"
    path.write_text(yaml.safe_dump(whole | settings))
    people = {"approvers": {DRI: {"keys": [KEY]}}}
    (folder / "approvers.yaml").write_text(yaml.safe_dump(people))
    return path


@contextmanager
def many(folder, count, nodes, **settings):
    """Give the swarm, and a watchdog wired to it that turns when it is told to."""
    with managing(Many(count, nodes)) as (manager, url):
        path = configured(folder, manager, url, **settings)
        watch = wire(load(path, {}), "test", lambda _: None)
        try:
            yield manager, watch
        finally:
            watch.journal.close()
