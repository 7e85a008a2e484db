"""A real swarm of four engines, rolled back while managers, workers and people fail it.

``python -m tests.swarm.campaign --rounds 20 [--seed N] [--only FAULT ...]``: a tally,
and 1 where a promise broke. In the sandbox: ``make campaign-swarm``.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

from tests.real.on_swarm import BAD, OLD, SERVES, People
from tests.real.several import Several
from watchdog.facts.event import (
    RollbackEnded,
    RollbackStarted,
    RollbackStuck,
    StepFailed,
)
from watchdog.facts.problem import Problem
from watchdog.record.journal import Journal

THIRD = "v1.3.1"  # what somebody deploys in the middle
PROJECT = "dms"
LIMIT = 240  # s; a busy machine's
_FEW = 2  # of three managers: no quorum without them


class Watchdog:
    """The process that rolls back, by one manager at a time."""

    def __init__(self, field):
        self.field, self.process, self.by, self.given = field, None, None, None

    def start(self, by, **more):
        self.by = by
        given = {
            "folder": str(self.field.folder),
            "project": PROJECT,
            "url": self.field.swarm.url[by],
            "image": self.field.image,
        }
        self.given = given | more
        with (self.field.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.swarm.rolling", json.dumps(self.given)],
                stdout=log,
                stderr=log,
            )

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()


class Field:
    """The swarm, what is done to it, and what must be true afterwards."""

    def __init__(self, swarm, folder, seed):
        self.swarm, self.folder, self.lot = swarm, folder, random.Random(seed)
        self.tally, self.took, self.broken = Counter(), [], []
        for version in (OLD, BAD, THIRD):
            name = swarm.image(folder, version, SERVES)
        self.image = name.rpartition(":")[0]
        self.watchdog, self.records = Watchdog(self), {}
        self.undo, self.down = [], set()

    # -- what is there -------------------------------------------------------------

    def people(self, by=None):
        """Give somebody at a manager that is well."""
        well = [node for node in self.swarm.managers if node not in self.down]
        url = self.swarm.url[by or well[0]]
        return People(self.folder, PROJECT, url, self.image)

    def events(self, *kinds):
        with (
            suppress(Exception),
            closing(Journal(self.folder / "state", read_only=True)) as journal,
        ):
            found = [entry.event for entry in journal.entries()]
            return [event for event in found if isinstance(event, kinds)]
        return []

    def told(self):
        """Give by service the (image's version, config's version) that it is told."""
        found = {}
        with closing(self.people().swarm) as swarm:
            for one in swarm.services(PROJECT):
                found[one["Spec"]["Name"]] = _pair(one["Spec"]["TaskTemplate"])
        return found

    def tasks(self):
        """Give (pair, state, node) of each task that is to run."""
        with closing(self.people().swarm) as swarm:
            return [
                (_pair(task["Spec"]), task["Status"]["State"], task.get("NodeID"))
                for task in swarm.tasks(PROJECT)
                if task["DesiredState"] == "running"
            ]

    def whole(self):
        """Give the version that all is told and that all tasks are of, or nothing."""
        told = set(self.told().values())
        if len(told) != 1:
            return ""
        (pair,) = told
        tasks = self.tasks()
        fine = pair[0] == pair[1] and tasks
        fine = fine and all(t[:2] == (pair, "running") for t in tasks)
        return pair[0] if fine else ""

    def at_rest(self):
        """Give that version once it has the same tasks for a while.

        A node that came back may say only then that those which it had are dead.
        """
        before, version = self.shown(), self.whole()
        time.sleep(5)
        return version if version == self.whole() and before == self.shown() else ""

    def until(self, claim, words):
        end = time.monotonic() + LIMIT
        while True:
            try:
                if found := claim():
                    return found
            except (Problem, AssertionError) as problem:
                words = f"{words} ({str(problem)[:200]})"[:600]
            assert time.monotonic() < end, f"not within {LIMIT} s: {words}"
            time.sleep(0.2)

    def base(self):
        """Have all nodes well and one of two whole pairs; give its version."""
        self.swarm.comes_round()
        version = self.whole()
        if version not in (OLD, BAD) or version not in self.records:
            version = BAD if OLD in self.records else OLD
            self.post(version)
        self.until(lambda: self.whole() == version, f"{version} is deployed")
        if version not in self.records:
            self.watchdog.start(1)
            assert self.watchdog.process.wait(LIMIT) == 0, "not recorded"
            log = (self.folder / "log").read_text().split()
            self.records[version] = log[-1]
        return version

    # -- a round -------------------------------------------------------------------

    def round(self, fault):
        before = self.base()
        target = OLD if before == BAD else BAD
        if target not in self.records:
            self.post(target)
            self.base()
            before, target = target, before
        ends = len(self.events(RollbackEnded))
        stuck = len(self.events(RollbackStuck))
        begun = len(self.events(RollbackStarted))
        earlier = {id_ for id_, *_ in self.made(target)}
        self.leader = self.swarm.leader()
        by = self.lot.choice(self.swarm.managers)
        dies = self.lot.randint(1, 4) if fault == "die at a write" else 0
        after = self.lot.choice((False, True))
        self.theirs = set()
        began = time.monotonic()
        self.watchdog.start(
            by, to=self.records[target], ends=ends + 1, dies=dies, after=after
        )
        self.until(lambda: len(self.events(RollbackStarted)) > begun, "it begins")
        time.sleep(self.lot.uniform(0, 6))
        if self.watchdog.process.poll() is None or dies:
            getattr(self, fault.replace(" ", "_"))()
        else:
            self.tally["ended before the fault"] += 1
        give_back = time.monotonic() + self.lot.uniform(0.5, 30)
        self.supervise(ends + 1, stuck, give_back)
        self.took.append(time.monotonic() - began)
        self.judge(fault, before, target, ends, earlier)

    def supervise(self, ends, stuck, give_back):
        """Start it anew where it died; at *give_back* give back what was taken."""
        limit = time.monotonic() + LIMIT
        while len(self.events(RollbackEnded)) < ends:
            if self.watchdog.process.poll() is not None:
                well = [n for n in self.swarm.managers if n not in self.down]
                self.watchdog.start(self.lot.choice(well), **_anew(self.watchdog.given))
            if time.monotonic() > give_back:
                self.restore()
            if len(self.events(RollbackStuck)) > stuck:
                stuck = len(self.events(RollbackStuck))
                said = self.events(RollbackStuck)[-1]
                self.tally["asked a person"] += 1
                if not (said.words and said.hint) or "\n" in said.words:
                    self.broken.append(f"stuck without a clear sentence: {said}")
                # A person has one whole pair put up.
                self.restore()
                self.swarm.comes_round()
                version = self.lot.choice((OLD, BAD, THIRD))
                self.theirs.add(version)
                self.post(version)
            if time.monotonic() > limit:
                log = (self.folder / "log").read_text().splitlines()[-3:]
                self.broken.append(f"it does not end: {log}")
                self.watchdog.kill()
                break
            time.sleep(0.2)
        self.restored_late = bool(self.undo)

    def restore(self):
        while self.undo:
            self.undo.pop()()

    def made(self, version):
        """Give (id, service, slot) of each task of *version*, ended ones too."""
        with closing(self.people().swarm) as swarm:
            return [
                (task["ID"], task["ServiceID"], task.get("Slot"))
                for task in swarm.tasks(PROJECT)
                if _pair(task["Spec"])[0] == version
            ]

    def judge(self, fault, before, target, ends, earlier):
        found = self.events(RollbackEnded)[ends:]
        if len(found) != 1:
            self.broken.append(f"{fault}: ended {len(found)} times")
        how = found[0].how if found else "not ended"
        self.tally[f"{fault}: {how}"] += 1
        if how in ("put-back", "unchanged"):
            print(f"     why {self.events(StepFailed)[-1].words}", flush=True)
        meant = {
            "proved": {target},
            "put-back": {before},
            "unchanged": {before},
            "overtaken": self.theirs,
        }.get(how, set())
        told = self.told()
        versions = {version for pair in told.values() for version in pair}
        if not versions <= meant and not (self.theirs and versions <= self.theirs):
            self.broken.append(f"{fault}: {how}, but {told} is told, meant {meant}")
        if how == "proved" and fault in _QUIET:
            new = [one for one in self.made(target) if one[0] not in earlier]
            slots = Counter(tuple(slot) for _, *slot in new)
            twice = [slot for slot, count in slots.items() if count > 1]
            if twice:
                self.broken.append(f"{fault}: started twice: {twice}")
        self.restore()
        self.swarm.comes_round()
        # Whatever it came to: one whole pair, and nothing else comes to be by itself.
        version = self.until(self.at_rest, f"one whole pair after {fault}: {told}")
        if how == "proved" and version == target and not self.theirs:
            self.referee(fault, version)

    def referee(self, fault, version):
        """Deploy the pinned files: nothing may change."""
        if self.changed:
            self.changed = False  # of what people set by hand a deployment makes files
            self.post(version)
            self.until(self.whole, f"{version} is as its files have it again")
            return
        before = self.shown()
        self.post(version)
        time.sleep(1)  # a start would show
        after = self.shown()
        unlike = [name for name in after if after[name] != before.get(name)]
        if unlike:
            words = "; ".join(f"{n}: {before.get(n)} -> {after[n]}" for n in unlike)
            self.broken.append(f"{fault}: `stack deploy` of {version} changed {words}")
        self.tally["deployed again, unchanged"] += not unlike

    def shown(self):
        """Give by service what it is told and the tasks that are to run."""
        people = self.people()
        with closing(people.swarm) as swarm:
            found = people.specs()
            for one in swarm.services(PROJECT):
                tasks = [
                    task["ID"]
                    for task in swarm.tasks(PROJECT)
                    if (task["ServiceID"], task["DesiredState"])
                    == (one["ID"], "running")
                ]
                found[f"tasks of {one['Spec']['Name']}"] = sorted(tasks)
        return found

    changed = False

    # -- faults --------------------------------------------------------------------

    def _lose(self, node, how):
        back = {"kill": "start", "pause": "wake", "cut": "mend"}[how]
        getattr(self.swarm, how)(node)
        if node in self.swarm.managers:
            self.down.add(node)

        def undo():
            getattr(self.swarm, back)(node)
            self.down.discard(node)

        self.undo.append(undo)
        if node != self.watchdog.by:
            return
        if how == "kill":
            self.watchdog.kill()  # it lived there; another one follows
        elif self.lot.random() < 0.5:  # or it waits
            time.sleep(self.lot.uniform(1, 8))
            self.watchdog.kill()

    def _follower(self):
        others = [node for node in self.swarm.managers if node != self.leader]
        return self.lot.choice(others)

    def nothing(self):
        pass

    def die_at_a_write(self):
        pass

    def kill_watchdog(self):
        for _ in range(self.lot.randint(1, 3)):
            self.watchdog.kill()
            by = self.lot.choice(self.swarm.managers)
            self.watchdog.start(by, **_anew(self.watchdog.given))
            time.sleep(self.lot.uniform(0.5, 3))

    def kill_leader(self):
        self._lose(self.leader, "kill")

    def pause_leader(self):
        self._lose(self.leader, "pause")

    def cut_leader(self):
        self._lose(self.leader, "cut")

    def kill_follower(self):
        self._lose(self._follower(), "kill")

    def pause_follower(self):
        self._lose(self._follower(), "pause")

    def cut_follower(self):
        self._lose(self._follower(), "cut")

    def pause_whom_it_asks(self):
        self._lose(self.watchdog.by, "pause")

    def cut_worker(self):
        self._lose(4, "cut")

    def kill_worker(self):
        self._lose(4, "kill")

    def lose_quorum(self):
        how = self.lot.choice(("kill", "pause", "cut"))
        for node in self.lot.sample(self.swarm.managers, _FEW):
            self._lose(node, how)

    def deploy(self):
        version = self.lot.choice((OLD, BAD, THIRD))
        self.theirs.add(version)
        try:
            self.people().post(version)
        except AssertionError as problem:
            # Ours was written between its look and its write: a part is deployed.
            if "out of sequence" not in str(problem):
                raise
            self.tally["somebody's deployment lost to a write of ours"] += 1
            if self.lot.random() < 0.5:  # else they leave it so
                self.post(version)

    def post(self, version):
        """Have a whole deployment; whom another write overtook tries again."""
        self.until(lambda: self.people().post(version), f"{version} is deployed")

    def deploy_one(self):
        """Deploy one service of the stack, and no other."""
        self.theirs |= {OLD, BAD, THIRD}
        service = f"{PROJECT}_{self.lot.choice(People.services)}"
        self._do("service", "update", "-d", "--image", f"{self.image}:{THIRD}", service)

    def scale(self):
        self.changed = True
        self._do("service", "scale", "-d", f"{PROJECT}_api={self.lot.choice((1, 3))}")

    def force(self):
        self._do("service", "update", "-d", "--force", f"{PROJECT}_api")

    def roll_one_back(self):
        """Have the swarm's own rollback of one service."""
        self.theirs |= {OLD, BAD, THIRD}
        self._do("service", "rollback", "-d", f"{PROJECT}_api")

    def drain(self):
        node = f"node{self.lot.choice(self.swarm.nodes)}"
        self._do("node", "update", "--availability", "drain", node)
        self.undo.append(
            lambda: self._do("node", "update", "--availability", "active", node)
        )

    def _do(self, *words):
        """Have somebody do it; whom another write overtook tries again."""

        def done():
            with closing(people.swarm):
                people.docker(*words, timeout=60)
            return True

        people = self.people()
        self.until(done, f"docker {' '.join(words)}")

    def close(self):
        self.watchdog.kill()


FAULTS = (
    "nothing",
    "die at a write",
    "kill watchdog",
    "kill leader",
    "pause leader",
    "cut leader",
    "kill follower",
    "pause follower",
    "cut follower",
    "pause whom it asks",
    "cut worker",
    "kill worker",
    "lose quorum",
    "deploy",
    "deploy one",
    "scale",
    "force",
    "roll one back",
    "drain",
)
_QUIET = ("nothing", "die at a write", "kill watchdog")


def _pair(template):
    made = template["ContainerSpec"]
    config = made["Configs"][0]["ConfigName"].rpartition("meesho_")[2]
    image = made["Image"].partition("@")[0].rpartition(":")[2]
    return image, config.replace("_", ".")


def _anew(given):
    """Give what to tell a watchdog that goes on: nobody dies twice."""
    kept = {key: given[key] for key in ("to", "ends")}
    return {**kept, "dies": 0, "after": False}


def run(rounds, seed, only):
    """Play *rounds*; give the tally, times, and what broke."""
    swarm = Several(4, 3)
    with tempfile.TemporaryDirectory() as folder:
        try:
            field = Field(swarm, Path(folder), seed)
            chosen = [*only] or [*FAULTS]
            order = []
            while len(order) < rounds:  # each as often as any other
                order += field.lot.sample(chosen, len(chosen))
            for number, fault in enumerate(order[:rounds], 1):
                known = len(field.broken)
                field.round(fault)
                ends = field.events(RollbackEnded)
                how = ends[-1].how if ends else "nothing"
                print(f"{number:4} {fault}: {how}, {field.took[-1]:.1f} s", flush=True)
                for words in field.broken[known:]:
                    print(f"     RED {words}", flush=True)
        except BaseException:
            sys.stderr.write((Path(folder) / "log").read_text()[-3000:])
            raise
        finally:
            if "field" in locals():
                field.close()
            swarm.down()
    return field.tally, field.took, field.broken


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=len(FAULTS))
    words.add_argument("--seed", type=int, default=random.randrange(10**6))
    words.add_argument("--only", nargs="*", default=(), choices=FAULTS)
    given = words.parse_args()
    tally, took, broken = run(given.rounds, given.seed, given.only)
    print(f"seed {given.seed}, {given.rounds} rounds, three managers and one worker")
    for what, count in sorted(tally.items()):
        print(f"{count:6}  {what}")
    print(f"a round's rollback took {sorted(took)[len(took) // 2]:.1f} s in the middle")
    print("\n".join(broken) or "one whole pair each time, or a question; nothing twice")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
