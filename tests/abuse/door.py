"""A real watchdog with a question open, for those who try its door.

Its engine and its Prometheus are away, so that whatever is answered executes nothing;
it turns, listens and journals like any other.
"""

import base64
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import yaml

from tests import canary
from tests.worlds import (
    ASHA,
    BELA,
    HEALTHY_THEN_NEXT,
    HOUR,
    HTTP_5XX,
    a_pair,
    breached,
)
from watchdog.decide.document import digest_of, document
from watchdog.facts.event import Answered, QuestionAsked
from watchdog.record.journal import Journal
from watchdog.sign.delivery import signature

CHECKOUT = Path(__file__).resolve().parents[2]
NAME = "wd:door"
QUESTION = "apr_1"
PATH = f"/v1/approvals/{QUESTION}/decision"
KEYS = {ASHA: canary.key(1), BELA: canary.key(2)}


def now():
    return datetime.now(UTC)


def connect(port, host="127.0.0.1"):
    """Connect to *port* on loopback, from *host*."""
    made = socket.socket()
    made.settimeout(30)
    made.bind((host, 0))
    try:
        made.connect(("127.0.0.1", port))
    except OSError:
        made.close()
        raise
    return made


def told(made):
    """Give all that the server says until it hangs up; empty when it just does."""
    found = b""
    try:
        while part := made.recv(65536):
            found += part
    except ConnectionError:
        pass
    return found


def ask(port, raw, host="127.0.0.1"):
    """Send *raw* and give the answer; who is hung up on before it is sent has none."""
    with connect(port, host) as made:
        with contextlib.suppress(ConnectionError):
            made.sendall(raw)
        return told(made)


def status(answer):
    """Give the status of *answer*; 0 when there is none."""
    try:
        return int(answer.split(b" ", 2)[1])
    except (IndexError, ValueError):
        return 0


def a_port(held):
    """Find a port that nobody has, and that no connection is given by chance."""
    while True:
        found = held.enter_context(socket.socket())
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port


class Watched:
    """One watchdog process in *folder*."""

    def __init__(self, folder, **listen):
        self.folder = folder
        self.state = folder / "state"
        self.listen = listen
        self.made = 0
        self._stack = folder / "stack"
        self._stack.mkdir(parents=True)
        self._config = folder / "config"
        (self._config / "releases").mkdir(parents=True)
        with ExitStack() as held:
            self.port, self.private = (a_port(held) for _ in range(2))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **changes):
        """Write settings in which all that can be secret is one with the mark."""
        release = (CHECKOUT / "config/releases/v1.3.0.yaml").read_text()
        (self._config / "releases/v1.3.0.yaml").write_text(release)
        people = {
            who: {"keys": [f"whpk_{public_of(key)}"]} for who, key in KEYS.items()
        }
        (self._config / "approvers.yaml").write_text(
            yaml.safe_dump({"approvers": people})
        )
        whole = {
            "name": NAME,
            "stack": {"directory": str(self._stack)},
            "engine": {"url": f"unix://{self.folder}/none.sock"},
            "prometheus": {"url": f"http://ops:{canary.text()}@127.0.0.1:9"},
            "state": str(self.state),
            "poll": "1s",
            "listen": {
                "decisions": f"127.0.0.1:{self.port}",
                "private": f"127.0.0.1:{self.private}",
            }
            | self.listen,
            "log": {"format": "json", "level": "debug"},
        }
        path = self._config / "watchdog.yaml"
        path.write_text(yaml.safe_dump(whole | changes))
        return path

    def open_a_question(self, words="Http5xxRate: 9 of 40 failed", place=None):
        """Journal what a watchdog would have, up to a question that is open."""
        at = now() - timedelta(seconds=10)
        pairs = (a_pair("v1.3.0"), a_pair("v1.2.0"))
        text = document(
            NAME, QUESTION, "inc-1", words, pairs, at=at, expires=at + HOUR, needed=1
        )
        self.digest = digest_of(text)
        question = QuestionAsked(
            *(QUESTION, "inc-1", text, self.digest, (ASHA,), at + HOUR),
            f"{ASHA}: roll v1.3.0 back to v1.2.0? {words}",
        )
        with closing(Journal(place or self.state)) as journal:
            journal.append(at, *HEALTHY_THEN_NEXT, breached(HTTP_5XX), question)

    def start(self):
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "watchdog", "run", "-c"]
        command.append(str(self._config / "watchdog.yaml"))
        env = {k: v for k, v in os.environ.items() if not k.startswith("WATCHDOG_")}
        with (self.folder / "log").open("ab") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=out, cwd=CHECKOUT, env=env
            )
        deadline = time.monotonic() + 60
        for port in (self.port, self.private):
            while True:
                try:
                    connect(port).close()
                    break
                except ConnectionRefusedError:
                    assert self.process.poll() is None, self.log
                    assert time.monotonic() < deadline, self.log
                    time.sleep(0.05)

    def stop(self):
        """Tell it to stop; it must, and cleanly."""
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(60) == 0, self.log
        finally:
            self.process.kill()
            self.process.wait(10)

    # what is seen of it

    @property
    def log(self):
        """All that it printed so far."""
        return (self.folder / "log").read_text()

    @property
    def answers(self):
        """The answers in its journal."""
        with closing(Journal(self.state, read_only=True)) as journal:
            events = [entry.event for entry in journal.entries()]
        return [event for event in events if isinstance(event, Answered)]

    def turns(self):
        """Count the turns that it made."""
        text = httpx.get(f"http://127.0.0.1:{self.private}/metrics", timeout=30).text
        (line,) = [x for x in text.splitlines() if x.startswith("watchdog_turns_total")]
        return int(float(line.split()[-1]))

    def until_it_turned(self, within=60):
        """Wait for the end of another turn than those so far."""
        before, deadline = self.turns(), time.monotonic() + within
        while self.turns() == before:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.1)

    def size(self):
        """Give its memory in KiB, and how many files and connections it has open."""
        proc = Path(f"/proc/{self.process.pid}")
        (line,) = [
            x for x in (proc / "status").read_text().splitlines() if "VmRSS" in x
        ]
        return int(line.split()[1]), len(list((proc / "fd").iterdir()))

    # what an approver sends

    def answers_from(self, far):
        """Give a right decision as the command line does: status, and what it said."""
        whole = json.loads(self.promise()[0])
        return far.post(PATH, whole["type"], whole["data"], KEYS[ASHA], now())

    def promise(self, who=ASHA, **other):
        """Write a right decision that may be given again and again: body, headers."""
        self.made += 1
        at = now()
        data = {
            "approval_id": QUESTION,
            "incident_id": "inc-1",
            "audience": NAME,
            "action_digest": self.digest,
            "decision": "forward_fix",
            "approver": who,
            "reason": f"a fix is on its way, number {self.made}",
            "eta": (at + timedelta(minutes=20)).isoformat(timespec="seconds"),
        }
        if other.get("decision") == "approve":
            del data["eta"]
        whole = {
            "type": "rollback.approval.decision",
            "timestamp": at.isoformat(),
            "data": data | other,
        }
        body = json.dumps(whole).encode()
        made = signature(f"msg_{self.made:08}", at, body, KEYS[who])
        return body, made | {"content-type": "application/json"}


def public_of(key):
    """Give the public half as the roster has it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def raw(body, headers, path=PATH, keep=False):
    """Write a POST as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "host: watchdog", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [] if keep else ["connection: close"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def watching(folder, *, question="Http5xxRate: 9 of 40 failed", more=None, **listen):
    """Have one watchdog that runs; all that it says is heard when it ends."""
    it = Watched(folder, **listen)
    it.settings(**(more(it) if more else {}))
    it.open_a_question(question)
    it.start()
    try:
        yield it
    finally:
        try:
            it.stop()
        finally:
            canary.heard("the log", it.log)
            canary.events_of(it.state)
