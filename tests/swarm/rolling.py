"""A watchdog of the campaign: through one manager it rolls the stack back, to its end.

``python -m tests.swarm.rolling '{"folder": …}'``: it keeps what runs, or goes on with
what is under way, or begins; killed, it is started anew, perhaps by another manager.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from tests.real.on_swarm import Dying, OnSwarm
from watchdog.facts.event import RollbackEnded
from watchdog.facts.problem import Problem


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def say(words):
    print(f"{time.monotonic():.2f} {words}", flush=True)


def keep(it):
    """Record what runs; print the record's name."""
    print(it.record(), flush=True)


def roll(it, to, ends, hands):
    """Go on until *ends* rollbacks have ended."""
    while len(it.events(RollbackEnded)) < ends:
        if it.memory.standing.rollback is None:
            try:
                it.begin(to)
            except (Problem, AssertionError) as problem:
                say(f"not begun: {problem}")
                time.sleep(0.5)
                continue
            say("begun")
        say(it.carry_on(hands))
        time.sleep(0.3)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    one = OnSwarm(Path(given["folder"]), given["project"], given["url"], given["image"])
    if given.get("to"):
        dies = Dying(one.hands, given["dies"], die, after=given["after"])
        roll(one, given["to"], given["ends"], dies)
    else:
        keep(one)
