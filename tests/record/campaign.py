"""Several nodes on one PostgreSQL, at random killed, paused, cut off; and it too.

Beside them a person answers at the doors of nodes at random, as one that follows takes
it, and says the same again elsewhere until somebody says that it is taken.

``python -m tests.record.campaign --rounds 60``: a tally, and 1 where a promise broke.
"""

import argparse
import itertools
import pickle
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.conftest import MEMORY
from tests.record.postgresql import Cluster
from watchdog.facts.event import HoldLifted
from watchdog.facts.problem import Claimed, JournalLost
from watchdog.record.chain import GENESIS
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory

NODES = ("a", "b", "c")
LEASE = timedelta(seconds=2)
PORT = ".s.PGSQL.5432"
_LIMIT = 90  # s; a busy machine's


class Wire:
    """A node's way to the server, which can be cut."""

    def __init__(self, to, folder):
        self.folder, self._to = folder, to / PORT
        self._open, self.is_cut = set(), False
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(folder / PORT))
        self._door.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            with suppress(OSError):
                one, _ = self._door.accept()
                far = socket.socket(socket.AF_UNIX)
                if self.is_cut or far.connect_ex(str(self._to)):
                    one.close()
                    far.close()
                    continue
                self._open |= {one, far}
                for pair in ((one, far), (far, one)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, one, far):
        with suppress(OSError):
            while data := one.recv(65536):
                while self.is_cut:  # nothing comes through, and nobody hangs up
                    time.sleep(0.02)
                far.sendall(data)
        for end in (one, far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            self._open.discard(end)


class Person(threading.Thread):
    """Says one thing after another, each at random doors until one takes it."""

    def __init__(self, places, lot):
        super().__init__(daemon=True)
        self._places, self._lot = places, lot
        self._at, self._over = {}, threading.Event()
        self.said, self.again, self.taken = 0, 0, []

    def run(self):
        while not self._over.is_set():
            self.said += 1
            word = f"said-{self.said}"
            while not self._over.is_set():
                door = self._lot.choice(NODES)
                try:
                    self._memory(door).add_if(
                        datetime.now(UTC),
                        lambda _, w=word: (HoldLifted("person", w),),
                        claim=f"answer/{word}",
                    )
                except Claimed:
                    pass  # it was, and the answer to us was lost
                except JournalLost:
                    self._at.pop(door)._journal.close()
                    self.again += 1
                    continue
                self.taken.append(word)
                break
            self._over.wait(0.01)

    def _memory(self, door):
        if door not in self._at:
            place = self._places[door]
            place.folder.mkdir(exist_ok=True)
            while not self._over.is_set():
                with suppress(JournalLost):
                    journal = Journal(place, follows=True)
                    self._at[door] = Memory(journal, lambda _: None)
                    return self._at[door]
                self._over.wait(0.05)
            raise JournalLost("nobody asks any more")
        return self._at[door]

    def stop(self):
        self._over.set()
        self.join(_LIMIT)
        for memory in self._at.values():
            memory._journal.close()


class Field:
    """The nodes, their server, and what is done to them."""

    def __init__(self, cluster, folder, seed):
        self.cluster, self.folder = cluster, folder
        self.lot, self.tally = random.Random(seed), Counter()
        self.server = cluster.server(folder / "state", lease=LEASE)
        self.wires, self.nodes, self.gaps = {}, {}, []
        for name in NODES:
            (folder / f"wire-{name}").mkdir()
            self.wires[name] = Wire(cluster.home, folder / f"wire-{name}")
            self.start(name)
        places = {
            name: replace(
                self.server, folder=folder / f"person-{name}", url=self.way(name)
            )
            for name in NODES
        }
        self.person = Person(places, random.Random(seed))

    def way(self, name):
        """Give the URL of the server by the wire of *name*."""
        home, wire = str(self.cluster.home), str(self.wires[name].folder)
        return self.cluster.url().replace(home, wire)

    def start(self, name):
        folder = self.folder / f"state-{name}"
        place = replace(self.server, folder=folder, url=self.way(name))
        words = (pickle.dumps(place).hex(), str(self.folder), name)
        with (self.folder / f"log-{name}").open("ab") as log:
            self.nodes[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.record.leading", *words], stderr=log
            )

    def supervise(self):
        """Start whoever ended, as a supervisor does."""
        for name, process in self.nodes.items():
            code = process.poll()
            if code is not None:
                self.tally["ended by itself" if code == 70 else f"ended {code}"] += 1
                self.start(name)

    def acts(self):
        """Give what was done at the engine, in its order: epoch, node, when."""
        with suppress(FileNotFoundError):
            lines = (self.folder / "acts").read_text().splitlines()
            found = [line.split() for line in lines]
            return [(int(e), node, int(at)) for e, node, _, at in found]
        return []

    def led(self):
        """Wait until somebody acts, and name them."""
        before, end = len(self.acts()), time.monotonic() + _LIMIT
        while len(found := self.acts()) == before:
            assert time.monotonic() < end, "nobody leads"
            self.supervise()
            time.sleep(0.02)
        return found[-1]

    def round(self):
        _, leader, _ = self.led()
        fault = self.lot.choice(
            (
                "kill leader",
                "pause leader",
                "cut leader off",
                "kill follower",
                "pause follower",
                "hang up",
                "restart server",
                "kill server",
                "stop leader",
            )
        )
        self.tally[fault] += 1
        node = self.nodes[leader]
        other = self.nodes[self.lot.choice([n for n in NODES if n != leader])]
        long = self.lot.uniform(0.5, 2.0) * LEASE.total_seconds()
        began = time.monotonic_ns()
        match fault:
            case "kill leader":
                node.kill()
                node.wait()
                del self.nodes[leader]  # it stays down until another leads
                self.led()
                self.gaps.append((self.acts()[-1][2] - began) / 1e9)
                self.start(leader)
            case "stop leader":
                node.terminate()
            case "pause leader" | "pause follower":
                paused = node if fault == "pause leader" else other
                paused.send_signal(signal.SIGSTOP)
                time.sleep(long)
                paused.send_signal(signal.SIGCONT)
            case "cut leader off":
                self.wires[leader].is_cut = True
                time.sleep(long)
                self.wires[leader].is_cut = False
            case "kill follower":
                other.kill()
            case "hang up":
                self.cluster.hang_up()
            case "restart server" | "kill server":
                self.cluster.stop("immediate" if fault == "kill server" else "fast")
                time.sleep(long / 4)
                self.cluster.start()

    def close(self):
        for process in self.nodes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def broken(self):
        """Say which promises broke."""
        found = []
        acts = self.acts()
        for before, after in itertools.pairwise(acts):
            if after[0] < before[0]:
                found.append(f"two acted: epoch {after[0]} after {before[0]}")
        nodes = {(epoch, node) for epoch, node, _ in acts}
        shared = Counter(epoch for epoch, _ in nodes)
        found += [
            f"two nodes had epoch {e}" for e, count in shared.items() if count > 1
        ]
        with closing(Journal(self.server, read_only=True)) as journal:
            reached, _ = journal.verified(0, GENESIS, journal.head)
            there = {e.seq: e.event for e in journal.entries()}
        noted = 0
        for name in NODES:
            path = self.folder / f"noted-{name}"
            for line in path.read_text().splitlines() if path.exists() else ():
                seq, op = line.split()
                noted += 1
                if op not in repr(there.get(int(seq))):
                    found.append(f"event {seq} was acknowledged, and is not there")
        said = Counter(
            event.words for event in there.values() if isinstance(event, HoldLifted)
        )
        for word in self.person.taken:
            if said[word] != 1:
                found.append(f"{word} was taken, and is there {said[word]} times")
        self.tally["answers taken"] = len(self.person.taken)
        self.tally["answers sent again"] = self.person.again
        self.tally |= Counter(
            events=reached, acknowledged=noted, acts=len(acts), epochs=max(acts)[0]
        )
        return found


def run(cluster, rounds, seed):
    """Play *rounds*; give the tally, how long nobody led, and what broke."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    field = Field(cluster, folder, seed)
    try:
        field.led()
        field.person.start()
        for _ in range(rounds):
            field.supervise()
            field.round()
        field.led()
        field.person.stop()
    finally:
        field.close()
    try:
        return field.tally, field.gaps, field.broken()
    finally:
        shutil.rmtree(folder)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=60)
    words.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = words.parse_args()
    cluster = Cluster()
    try:
        tally, gaps, broken = run(cluster, given.rounds, given.seed)
    finally:
        cluster.remove()
    print(f"seed {given.seed}, lease {LEASE.total_seconds():g} s, {len(NODES)} nodes")
    for what, count in sorted(tally.items()):
        print(f"{count:6}  {what}")
    if gaps:
        print(
            f"leader killed to the next act: {sorted(gaps)[len(gaps) // 2]:.2f} s, "
            f"at most {max(gaps):.2f} s, of {len(gaps)}"
        )
    print(
        "\n".join(broken)
        or "no two acted, no acknowledged event and no answer was lost"
    )
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
