"""Many services of one image, side by side: many.py [--rounds 3].

Run it in the sandbox: examples/sandbox/sandbox run .venv/bin/python -m bench.many
Twenty-one services of the DMS's image, of which two need another one. In each round,
interleaved, from v1.3.0 back to v1.2.0:

    ours      the watchdog's transaction, from its first call to its end
    compose   `docker compose up -d` with the version pinned, the image here
    bare      the calls alone, each kind for all services side by side, and no proof

Seconds from the order to the end that each says itself, the ratio round by round, and
of the last one of ours the time by kind of step.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import yaml

from bench.compared import against_compose
from bench.rollback import Stand
from watchdog.facts.pair import Replica
from watchdog.facts.plan import AT_ONCE

COUNT = 21
_SERVICE = "com.docker.compose.service"
NEEDS = {"s18": "s17", "s19": "s18"}


def many(it: Stand) -> None:
    """Have many services, most of which need nobody."""
    path = it.folder / "compose.yaml"
    model = yaml.safe_load(path.read_text())
    names = ["dms", *(f"s{number}" for number in range(COUNT - 1))]
    for name in names[1:]:
        needs = {NEEDS[name]: {"condition": "service_started"}} if name in NEEDS else {}
        # Its own check begins an interpreter: on two cores 21 of them are the load.
        more = {"ports": [], "depends_on": needs, "healthcheck": {"disable": True}}
        model["services"][name] = model["services"]["dms"] | more
    path.write_text(yaml.safe_dump(model, sort_keys=False))
    it.services = tuple(names)
    it.wired("engine", engine={"ask_health": True})
    it.rules = replace(
        it.rules,
        services=it.services,
        prove_within=timedelta(seconds=180),
        asks_health=True,
    )


def bare(it: Stand, target: str) -> None:
    """Create, stop, start, rename and remove; nothing is looked at or written down."""
    listed = it.api.containers(all=True, filters={"label": it.label})
    olds = {one["Labels"][_SERVICE]: one["Id"] for one in listed}
    news: dict[str, str] = {}

    def create(one: Replica) -> None:
        name = f"{one.name}.new"
        news[one.service] = it.to_act.create(name, one.body, one.networks)

    def rename(one: Replica) -> None:
        it.to_act.rename(olds[one.service], f"{one.name}.old")
        it.to_act.rename(news[one.service], one.name)

    for call in (
        create,
        lambda one: it.to_act.stop(olds[one.service], timedelta(seconds=2)),
        lambda one: it.to_act.start(news[one.service]),
        rename,
        lambda one: it.to_act.remove(olds[one.service]),
    ):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(call, it.memory.record(target).replicas))


def main() -> None:
    against_compose(many, rounds=3, port=5310, compose=Stand.deploy, bare=bare)


if __name__ == "__main__":
    main()
