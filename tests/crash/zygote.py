"""A process that has imported the product, and forks once for each life."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


class Zygote:
    """Runs *code*, which calls `victim.main`; one life at a time.

    *inside* and *under* come before the command: a network namespace, or strace.
    """

    def __init__(self, code, *, inside=(), under=(), env=None):
        self._process = subprocess.Popen(
            [*inside, *under, sys.executable, "-c", code],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            text=True,
        )
        self.pid = 0

    def live(self, spec):
        """Begin a life; give its pid. The one before is waited for."""
        assert not self.pid, "the life before is not over"
        self._process.stdin.write(json.dumps(spec) + "\n")
        self._process.stdin.flush()
        self.pid = int(self._process.stdout.readline())
        return self.pid

    def died(self):
        """Wait for the life to end; give its exit code, -9 when it was killed."""
        code = int(self._process.stdout.readline())
        self.pid = 0
        return code

    def tell(self, number):
        """Send the life the signal *number*, if there is one."""
        # Whoever is not waited for yet has its pid still.
        if self.pid and is_alive(self.pid):
            os.kill(self.pid, number)

    def end(self):
        self._process.stdin.close()
        self.tell(signal.SIGKILL)
        self._process.wait(30)
        self._process.stdout.close()


def is_alive(pid):
    return state_of(pid) not in ("", "Z")


def state_of(pid):
    """Give a process's state as the kernel names it: T is stopped, Z is dead."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]
