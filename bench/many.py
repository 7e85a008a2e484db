"""Many services of one image, side by side: many.py [--rounds 3].

Run it in the sandbox: examples/sandbox/sandbox run .venv/bin/python -m bench.many
Twenty-one services of the DMS's image, of which two need another one. In each round,
interleaved, from v1.3.0 back to v1.2.0:

    ours      the watchdog's transaction, from its first call to its end
    compose   `docker compose up -d` with the version pinned, the image here

Seconds from the order to the end that each says itself, the ratio round by round, and
of the last one of ours the time by kind of step.
"""

from dataclasses import replace
from datetime import timedelta

import yaml

from bench.compared import against_compose
from bench.rollback import Stand

COUNT = 21
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


def main() -> None:
    against_compose(many, rounds=3, port=5310, compose=Stand.deploy)


if __name__ == "__main__":
    main()
