"""Whole watchdogs on real parts, killed, paused and cut off while they roll back.

``python -m tests.leader.campaign --rounds 12 [--seed N]``: a tally, and 1 where a
promise broke. In the sandbox: ``make campaign-leader``.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from tests.conftest import MEMORY
from tests.leader.app import GOOD
from tests.leader.field import DRI, LEASE, NODES, PROJECT, TROUBLES, Field
from watchdog.facts.event import (
    Answered,
    HoldLifted,
    HoldPlaced,
    IncidentClosed,
    PairProvedGood,
    QuestionAsked,
    RollbackEnded,
    RollbackStarted,
    RollbackStuck,
    StepDone,
)
from watchdog.record.chain import GENESIS
from watchdog.record.journal import Journal

FAULTS = (
    "kill the leader",
    "pause the leader",
    "pause the leader in an act",
    "hold an act on its way",
    "cut the leader from the database",
    "cut the leader from its manager",
    "keep the leader from its manager",
    "tell the leader to end",
    "kill a follower",
    "pause a follower",
    "end all connections",
    "restart the database",
    "kill the database",
    "kill the leader's manager",
    "pause the leader's manager",
    "cut the leader's manager off",
    "kill the manager that leads",
)

# Whoever led is not heard any more, or says so.
_MISSED = (*FAULTS[:2], "cut the leader from the database", "tell the leader to end")


class Person(threading.Thread):
    """Says hold and resume, each at random nodes until one takes it."""

    def __init__(self, field, lot, number):
        super().__init__(daemon=True)
        self.field, self.lot, self.number = field, lot, number
        self.taken, self.again = [], 0

    def run(self):
        for what in ("hold", "resume"):
            reason = f"said-{self.number}"
            words = [what, "--by", DRI] + (
                ["--reason", reason] if what == "hold" else []
            )
            end = time.monotonic() + 200
            while time.monotonic() < end:
                if self._has(what, reason):
                    break
                node = self.field.nodes[self.lot.choice(NODES)]
                if node.order(*words) == 0:
                    self.taken.append((what, reason))
                    break
                self.again += 1

    def _has(self, what, reason):
        """Tell whether it was taken although nobody said so."""
        placed = [
            e.event for e in self.field.events(HoldPlaced) if reason in str(e.event)
        ]
        if what == "hold":
            return placed
        return len(self.field.events(HoldLifted)) >= len(self.field.events(HoldPlaced))


class Rounds:
    """One after another, and what came of them."""

    def __init__(self, field, seed):
        self.field, self.lot = field, random.Random(seed)
        self.tally, self.broken, self.took = Counter(), [], []
        self.orders, self.answers, self.number = [], [], 0
        self.undo, self.late, self.gaps, self.struck = [], [], [], 0.0

    def first(self):
        self.field.begin()
        self.field.until(
            lambda: self.field.events(PairProvedGood), "v1.2.0 is known-good"
        )

    def tried(self, fault):
        """Play one; one that does not end is red, and the next begins anew."""
        try:
            how = self.play(fault)
        except TROUBLES as problem:
            self.broken.append(f"{fault}: {problem}")
            for node in self.field.nodes.values():
                log = (node.folder / "log").read_text().splitlines()[-4:]
                print(f"node {node.name}:", *[line[:400] for line in log], sep="\n  ")
            self._give_back()
            self._restore()
            self.field.deploy(GOOD)
            return "red"
        return f"{how}, {self.took[-1]:.0f} s"

    def play(self, fault):
        field = self.field
        self.number += 1
        version = f"v1.3.{self.number}"
        action = self.lot.choice(("rollback", "pause-and-alert"))
        field.make(version, action)
        field.until(lambda: field.leader() and field.whole() == GOOD, "all is well")
        time.sleep(2 * LEASE)  # what it is compared with must have run for a while
        self.seen, before = field.seen, field.changed(GOOD)
        acts = len(field.acts())
        began = time.monotonic()
        field.deploy(version)
        self.armed = self._in_an_act(fault)
        if action != "rollback":
            asked = field.until(
                lambda: field.events(QuestionAsked, self.seen), "a question"
            )
            self._answers(asked[-1].event, fault)
        else:
            field.until(lambda: field.events(RollbackStarted, self.seen), "it begins")
            time.sleep(self.lot.uniform(0, 4))
            self._strike(fault)
        person = Person(field, random.Random(self.number), self.number)
        person.start()
        time.sleep(self.lot.uniform(0.5, 2.5) * LEASE)
        self._restore()
        ended = self._ends()
        self._give_back()
        person.join(240)
        self.orders += person.taken
        self.tally["orders given again elsewhere"] += person.again
        self.took.append(time.monotonic() - began)
        how = ended.how if ended else "not ended"
        self._judge(fault, version, how, before, acts)
        return how

    def _ends(self):
        field = self.field
        end = time.monotonic() + 300
        while time.monotonic() < end:
            found = field.events(RollbackEnded, self.seen)
            if found and field.events(IncidentClosed, self.seen):
                return found[-1].event
            if stuck := field.events(RollbackStuck, self.seen):
                self.tally["asked a person"] += 1
                self.broken.append(f"stuck: {stuck[-1].event.words}")
                return None
            time.sleep(0.3)
        found = field.events(RollbackEnded, self.seen)
        return found[-1].event if found else None

    def _answers(self, question, fault):
        """Strike while the DRI answers, at one door after another until it is taken."""
        message = f"msg_{self.number:08}"
        strikes = threading.Thread(target=self._strike, args=(fault,), daemon=True)
        strikes.start()
        end = time.monotonic() + 200
        while time.monotonic() < end:
            node = self.field.nodes[self.lot.choice(NODES)]
            status = node.answer(question, message)
            if status in (200, 202):
                self.answers.append(message)
                break
            self.tally["answers given again elsewhere"] += 1
            time.sleep(0.2)
        strikes.join(60)

    # what is done to them

    def _leader(self):
        return self.field.until(self.field.leader, "somebody leads")

    def _in_an_act(self, fault):
        """Have the next write be met by *fault*, where it is such a one."""
        if "act" not in fault.split():
            return None
        lasts = self.lot.uniform(1.2, 2.5) * LEASE
        met = threading.Event()

        def on_write(write):
            node = self.field.nodes[int(write.node)]
            if "/update?version=" not in write.what or met.is_set():
                return
            met.set()
            self.tally[f"{fault}: met"] += 1
            if fault.startswith("hold"):
                time.sleep(lasts)
            else:
                node.process.send_signal(signal.SIGSTOP)
                wake = threading.Timer(
                    lasts, node.process.send_signal, (signal.SIGCONT,)
                )
                wake.daemon = True
                wake.start()

        for node in self.field.nodes.values():
            node.engine.on_write = on_write

        def undo():
            for node in self.field.nodes.values():
                node.engine.on_write = lambda _: None

        return undo

    def _strike(self, fault):
        field, lot = self.field, self.lot
        if self.armed:
            return
        leader = self._leader()
        self.struck = time.monotonic()
        node, cluster, swarm = field.nodes[leader], field.cluster, field.swarm
        other = field.nodes[lot.choice([n for n in NODES if n != leader])]
        match fault:
            case "kill the leader":
                field.gone.add(leader)
                node.kill()
                self.undo.append(lambda: field.gone.discard(leader))
            case "pause the leader" | "pause a follower":
                paused = (node if "leader" in fault else other).process
                paused.send_signal(signal.SIGSTOP)
                self.undo.append(lambda: _wake(paused))
            case "tell the leader to end":
                node.kill(signal.SIGTERM)
            case "kill a follower":
                other.kill()
            case "cut the leader from the database" | "cut the leader from its manager":
                wire = node.database if "database" in fault else node.engine
                wire.is_cut = True
                self.undo.append(lambda: setattr(wire, "is_cut", False))
            case "keep the leader from its manager":  # until another has ended it
                node.engine.is_cut = True
                self.late.append(lambda: setattr(node.engine, "is_cut", False))
            case "end all connections":
                cluster.hang_up()
            case "restart the database" | "kill the database":
                cluster.stop("immediate" if "kill" in fault else "fast")
                time.sleep(lot.uniform(0.1, 2) * LEASE)
                cluster.start()
            case _:
                number = leader
                if fault == "kill the manager that leads":
                    number = field.until(
                        lambda: swarm.leader(min(field.well)), "a manager leads"
                    )
                how, back = {
                    "kill": ("kill", "start"),
                    "paus": ("pause", "wake"),
                    "cut ": ("cut", "mend"),
                }[fault[:4]]
                field.well.discard(number)
                getattr(swarm, how)(number)

                def undo():
                    getattr(swarm, back)(number)
                    field.well.add(number)

                self.undo.append(undo)

    def _give_back(self):
        while self.late:
            self.late.pop()()

    def _restore(self):
        while self.undo:
            self.undo.pop()()
        if self.armed:
            time.sleep(3 * LEASE)
            self.armed()
            self.armed = None
        self.field.swarm.comes_round(patience=240)

    # what came of it

    def _judge(self, fault, version, how, before, acts):
        field = self.field
        self.tally[f"{fault}: {how}"] += 1
        version_now = field.until(field.whole, f"one whole pair after {fault}")
        if how == "proved" and version_now != GOOD:
            self.broken.append(f"{fault}: proved, and {version_now} runs")
        for kind, name in ((RollbackStarted, "started"), (RollbackEnded, "ended")):
            count = len(field.events(kind, self.seen))
            if count != 1:
                self.broken.append(f"{fault}: a rollback {name} {count} times")
        changed = field.changed(GOOD) - before
        if how == "proved" and changed != {f"{PROJECT}_dms": 1}:
            self.broken.append(
                f"{fault}: the engines tell of {dict(changed)} ways to {GOOD}"
            )
        if fault in _MISSED:
            after = [at for at, _, who in field.epochs if who and at > self.struck]
            if after:
                self.gaps.append(after[0] - self.struck)
        self.tally["writes that an engine took"] += len(field.acts()) - acts
        if version_now != GOOD:  # a person puts it right
            field.deploy(GOOD)
            field.until(lambda: field.whole() == GOOD, "the good one is back")
            time.sleep(6 * LEASE)  # what the bad one failed must be long ago

    def over(self):
        """Judge all of it."""
        field = self.field
        # By the database's own row: who had which epoch, and since when.
        since = [
            (at, epoch, field.of(holder))
            for at, epoch, holder in field.epochs
            if holder
        ]
        newest = 0
        for write in field.acts():
            mine = [
                e for at, e, who in since if str(who) == write.node and at <= write.at
            ]
            epoch = max(mine, default=0)
            led = max((e for at, e, _ in since if at <= write.at), default=0)
            if epoch < max(newest, led) and not write.late:
                self.broken.append(
                    f"two acted: node {write.node} in epoch {epoch} after "
                    f"{max(newest, led)}: {write.what[:60]}"
                )
            if write.late and epoch < max(newest, led):
                self.tally[
                    "writes held on their way that an engine took of an old leader"
                ] += 1
            newest = max(newest, epoch)
        late = [w for n in field.nodes.values() for w in n.engine.writes if w.late]
        self.tally["writes held on their way"] += len(late)
        self.tally["of them refused by the engine"] += sum(
            w.status >= 400 for w in late
        )
        by_epoch = {}
        for _, epoch, who in since:
            by_epoch.setdefault(epoch, set()).add(who)
        self.broken += [
            f"two nodes had epoch {e}" for e, who in by_epoch.items() if len(who) > 1
        ]
        with closing(Journal(field.place, read_only=True)) as journal:
            reached, _ = journal.verified(0, GENESIS, journal.head)
            entries = journal.entries()
        there = Counter(
            e.event.message for e in entries if isinstance(e.event, Answered)
        )
        for message in self.answers:
            if there[message] != 1:
                self.broken.append(
                    f"answer {message} was taken, and is there {there[message]} times"
                )
        said = Counter(
            word.strip(".,:;'\"")
            for entry in entries
            if isinstance(entry.event, HoldPlaced)
            for word in entry.event.words.split()
        )
        for what, reason in self.orders:
            if what == "hold" and said[reason] != 1:
                self.broken.append(
                    f"order {reason} was taken, and is there {said[reason]} times"
                )
        steps = Counter(
            (e.event.op, e.event.step) for e in entries if isinstance(e.event, StepDone)
        )
        self.broken += [
            f"step {step} done {n} times" for step, n in steps.items() if n > 1
        ]
        self.tally |= Counter(
            {
                "events, each link checked": reached,
                "epochs": max(by_epoch, default=0),
                "answers taken": len(self.answers),
                "orders taken": len(self.orders),
            }
        )
        self.tally |= Counter(
            {f"a watchdog ended {code}": n for code, n in field.ended.items()}
        )
        return self.broken


def _wake(process):
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=len(FAULTS))
    words.add_argument("--seed", type=int, default=random.randrange(10**6))
    words.add_argument("--only", nargs="*", default=(), choices=FAULTS)
    given = words.parse_args()
    lot = random.Random(given.seed)
    order = []
    while len(order) < given.rounds:
        chosen = [*given.only] or [*FAULTS]
        order += lot.sample(chosen, len(chosen))
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    print(f"seed {given.seed}, {given.rounds} rounds", flush=True)
    try:
        with ExitStack() as after:
            field = Field(folder, after)
            rounds = Rounds(field, given.seed)
            try:
                rounds.first()
                with suppress(KeyboardInterrupt):  # what was played is judged
                    for number, fault in enumerate(order[: given.rounds], 1):
                        known = len(rounds.broken)
                        how = rounds.tried(fault)
                        print(f"{number:4} {fault}: {how}", flush=True)
                        for red in rounds.broken[known:]:
                            print(f"     RED {red}", flush=True)
                rounds.over()
            except BaseException:
                for node in field.nodes.values():
                    log = (node.folder / "log").read_text().splitlines()[-6:]
                    print(f"node {node.name}:", *log, sep="\n  ", file=sys.stderr)
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for what, count in sorted(rounds.tally.items()):
        print(f"{count:6}  {what}")
    if gaps := sorted(rounds.gaps):
        print(
            f"whoever led is missed, to the next epoch: {gaps[len(gaps) // 2]:.1f} s "
            f"in the median, {gaps[-1]:.1f} s at most, of {len(gaps)} "
            f"(lease {LEASE:g} s)"
        )
    print(
        "\n".join(rounds.broken)
        or "one rollback each, no two acted, no answer was lost"
    )
    return bool(rounds.broken)


if __name__ == "__main__":
    sys.exit(main())
