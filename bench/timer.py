"""What a health check's interval costs: timer.py [--rounds 3].

Run it in the sandbox: examples/sandbox/sandbox run .venv/bin/python -m bench.timer
Three services of the DMS that wait for each other to be healthy, asked at Docker's
default interval of 30 s. In each round, interleaved, from v1.3.0 back to v1.2.0:

    ours      the watchdog's transaction, with `engine.ask_health`
    compose   `docker compose up -d --wait` with the version pinned, the image here

Seconds from the order to the end that each says itself, the ratio round by round, and
of the last one of ours the time by kind of step.
"""

from dataclasses import replace
from datetime import timedelta

import yaml

from bench.compared import against_compose
from bench.rollback import Stand

SERVICES = ("dms", "worker", "relay")


def in_order(it: Stand) -> None:
    """Have three services, each after the one before it."""
    path = it.folder / "compose.yaml"
    model = yaml.safe_load(path.read_text())
    dms = model["services"]["dms"]
    for key in ("interval", "start_period", "start_interval"):
        dms["healthcheck"].pop(key, None)
    before = "dms"
    for name in SERVICES[1:]:
        needs = {before: {"condition": "service_healthy"}}
        model["services"][name] = dms | {"ports": [], "depends_on": needs}
        before = name
    path.write_text(yaml.safe_dump(model, sort_keys=False))
    it.services = SERVICES
    it.wired("engine", engine={"ask_health": True})
    it.rules = replace(
        it.rules,
        services=SERVICES,
        prove_within=timedelta(seconds=60),
        asks_health=True,
    )


def deploy(it: Stand, version: str) -> None:
    """Have *version*, once Compose says that all of it is healthy."""
    it.pin(version)
    it.compose("up", "-d", "--wait")


def main() -> None:
    against_compose(in_order, rounds=3, port=5300, compose=deploy)


if __name__ == "__main__":
    main()
