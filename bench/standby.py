"""How long a rollback takes to an image that needs its time to boot.

    python -m bench.standby [--rounds 12] [--boots 20]

Run it in the sandbox: examples/sandbox/sandbox run .venv/bin/python -m bench.standby
A real engine, Compose v2 and DMS, which sleeps before it serves. In each round both
ways take the same bad v1.3.0 back to v1.2.0, in another order each time:

    standby   the watchdog's transaction, a standby of v1.2.0 being healthy beside
    compose   `docker compose up -d --wait`, the version pinned and the image here

`serves` is from the first call to the first answer of v1.2.0 over the published port,
`total` to the way's own end: for Compose what it was told to wait for, for the watchdog
the proof of what Compose calls its own, which boots once more.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import yaml

from bench.gap import spread
from bench.rollback import BAD, GOOD, Stand, ours, version_at
from watchdog.act.standby import Standby
from watchdog.commands.stage import IMAGE
from watchdog.facts.swapping import Swapping
from watchdog.observe.standbys import Standbys

WAYS = ("standby", "compose")


def slow(it: Stand, seconds: int) -> None:
    """Let the DMS sleep before it starts, under Compose as ever."""
    path = it.folder / "compose.yaml"
    model = yaml.safe_load(path.read_text())
    dms = model["services"]["dms"]
    image = it.api.inspect_image(f"{IMAGE}:{GOOD}")["Config"]
    words = [*(image.get("Entrypoint") or ()), *(image.get("Cmd") or ())]
    script = f'sleep {seconds}; exec "$@"'
    dms["entrypoint"] = ["sh", "-c", script, "sh", *words]
    dms["command"] = []
    dms["healthcheck"] = {**dms.get("healthcheck", {}), "retries": 200}
    path.write_text(yaml.safe_dump(model, sort_keys=False))


def stands_by(it: Stand, looks: Standbys, target: str) -> None:
    """Have a standby of *target* made and healthy, as the watchdog does."""
    keeps = Standby(it.to_act, it.project, it.folder)
    for swap in it.plan("standby", it.bad, target).swaps:
        if not swap.is_warm:
            raise SystemExit(f"it is not swapped warm: {swap.cold}")
        keeps.make(swap)
    deadline = time.monotonic() + 180
    while not looks.healthy():
        if time.monotonic() > deadline:
            raise SystemExit(f"the standby is not healthy: {looks.seen()}")
        time.sleep(0.1)


def measure(it: Stand, way: str, target: str) -> dict[str, float]:
    """Take one way; give its figures."""
    ended: list[float] = []

    def go() -> None:
        if way == "standby":
            ended.append(ours(it, target))
        else:
            it.pin(GOOD)
            it.compose("up", "-d", "--wait")
            ended.append(time.monotonic())

    rolling = threading.Thread(target=go)
    began = time.monotonic()
    rolling.start()
    serves = 0.0
    while rolling.is_alive() and not serves:
        if version_at(it.port) == GOOD:
            serves = time.monotonic()
        time.sleep(0.02)
    rolling.join()
    serves = serves or it.until_serves(GOOD)
    return {"serves": serves - began, "total": ended[0] - began}


def main() -> None:
    """Measure, and print medians with their spread."""
    usage = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usage.add_argument("--rounds", type=int, default=12)
    usage.add_argument("--boots", type=int, default=20)
    usage.add_argument("--port", type=int, default=5290)
    usage.add_argument("--seed", type=int, default=1)
    args = usage.parse_args()
    chance, rounds = random.Random(args.seed), []
    with tempfile.TemporaryDirectory() as name:
        it = Stand(Path(name), "versioned", args.port)
        it.rules = replace(it.rules, prove_within=timedelta(seconds=180))
        looks = Standbys(it.to_look, it.project)
        it.plans = replace(
            it.plans,
            beside=looks.healthy,
            swapping=Swapping(
                {"dms": "warm"}, overlap={"dms": "safe"}, standby={"dms": "1h"}
            ),
        )
        try:
            slow(it, args.boots)
            it.put(GOOD)
            target = it.record()
            for number in range(args.rounds):
                found = {}
                for way in chance.sample(WAYS, len(WAYS)):
                    it.put(BAD)
                    if way == "standby":
                        stands_by(it, looks, target)
                    found[way] = measure(it, way, target)
                    words = " ".join(f"{k} {v:.2f}" for k, v in found[way].items())
                    load = f"load {os.getloadavg()[0]:.1f}"
                    print(f"round {number + 1}: {way:<8} {words} {load}", flush=True)
                rounds.append(found)
        finally:
            keeps = Standby(it.to_act, it.project, it.folder)
            for one in looks.seen():
                keeps.take_away(one.id)
            keeps.clear()
            it.down()
    for way in WAYS:
        each = {k: spread([r[way][k] for r in rounds]) for k in ("serves", "total")}
        print(f"{way}: serves after {each['serves']} s, total {each['total']} s")
    ratios = [r["standby"]["serves"] / r["compose"]["total"] for r in rounds]
    print(f"standby serves / compose total: {spread(ratios)} x", file=sys.stdout)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
