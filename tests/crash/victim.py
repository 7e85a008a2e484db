"""The watchdog as the product wires it, in a process that dies where it is told to.

A line of JSON on standard input is one life: it forks, since starting an interpreter
takes longer than a rollback. Standard output tells its pid, and then how it ended.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from watchdog.config.settings_file import load
from watchdog.facts.event import CheckpointSigned
from watchdog.facts.problem import JournalLost
from watchdog.record.journal import Journal
from watchdog.wiring import watch as wiring

ENDED, ERROR, STUCK, UNFINISHED = 0, 1, 4, 5


class Witnessed(Journal):
    """The journal, with a note outside of it of everything that it acknowledged.

    *die* is (n, "before" or "after"): SIGKILL around the n-th append of this life.
    Checkpoints are none of them: each life begins with one, and comes no further.
    """

    acknowledged = Path(os.devnull)
    die = None

    def append(self, at, *events, claim=""):
        if any(isinstance(event, CheckpointSigned) for event in events):
            return super().append(at, *events, claim=claim)
        self.appended = getattr(self, "appended", 0) + 1
        if self.die == [self.appended, "before"]:
            os.kill(os.getpid(), signal.SIGKILL)
        entries = super().append(at, *events, claim=claim)
        kinds = ",".join(type(event).__name__ for event in events)
        with self.acknowledged.open("a") as out:
            out.write(f"{self._head[0]} {self._head[1]} {kinds}\n")
        if self.die == [self.appended, "after"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return entries


def live(spec):
    """Turn as the schedule does, until no rollback is under way; one turn more."""
    Witnessed.acknowledged = Path(spec["acknowledged"])
    Witnessed.die = spec.get("die")
    wiring.Journal = Witnessed
    for name, text in spec.get("instead", {}).items():
        # A broken variant, put into the wiring of this process only.
        module, _, what = text.partition(":")
        where, _, attribute = name.partition(":")
        there = importlib.import_module(where)
        assert hasattr(there, attribute), name
        setattr(there, attribute, getattr(importlib.import_module(module), what))
    watch = wiring.wire(load(Path(spec["config"]), {}), "crash")
    memory = watch.schedule._memory
    deadline = time.monotonic() + spec.get("within", 60)
    stuck = 0
    while time.monotonic() < deadline:
        watch.schedule.turn()
        standing = memory.standing
        stuck += bool(standing.rollback and standing.rollback.stuck)
        if stuck > 2:
            return STUCK
        if standing.rollback is None and standing.last_rollback:
            watch.schedule.turn()
            watch.journal.close()
            return ENDED
        time.sleep(0.1)
    return UNFINISHED


def quiet(log):
    """Let all that is printed go to *log*, and nothing be read."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def _one(spec):
    quiet(spec["log"])
    code = ERROR
    try:
        code = live(spec)
    except JournalLost as problem:
        os.write(2, f"{problem}\n".encode())
        code = 70
    except BaseException:  # noqa: BLE001 # whatever it is, this life ends here
        traceback.print_exc()
    finally:
        os._exit(code)


def main(one=_one):
    """Fork once per line, until the input ends; *one* lives, and does not return."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            one(json.loads(line))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
