"""Other programs, run to their ends: Compose, git, and what git is set up with."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from watchdog.facts.problem import Problem, Unreachable

_TAIL = 2000  # characters of what a program printed that go into a sentence
_A_LOOK = timedelta(seconds=30)


class Commands:
    """Runs programs without a shell, with the environment that they are given.

    *folder* keeps what each printed last, as ``NAME.out``, and its lock. A program
    holds the lock for as long as it runs: when we are killed and it is not, the next
    of us waits for it, and never runs it beside itself.
    """

    def __init__(
        self, folder: Path, timeout: timedelta, env: Mapping[str, str]
    ) -> None:
        self._folder = folder
        self._timeout = timeout.total_seconds()
        self._env = dict(env)

    def look(self, argv: Sequence[str], folder: Path) -> tuple[int, str]:
        """Run what changes nothing; give its exit code and what it printed.

        Raises:
            Problem: it cannot be started, or does not end.
        """
        try:
            done = subprocess.run(  # noqa: S603 # the settings' own words
                argv,
                cwd=folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_A_LOOK.total_seconds(),
                check=False,
            )
        except OSError as error:
            raise _cannot_start(argv, error) from error
        except subprocess.TimeoutExpired as error:
            raise Problem(f"`{' '.join(argv)}` does not end") from error
        return done.returncode, (done.stdout or done.stderr).strip("\n")

    def is_running(self, name: str) -> bool:
        """Tell whether *name*, or something that it left behind, holds its lock."""
        path = self._folder / f"{name}.lock"
        if not path.exists():
            return False
        with path.open("a") as lock:
            return not _taken(lock.fileno())

    def run(
        self, name: str, argv: Sequence[str], folder: Path, *, leaves: bool = False
    ) -> str:
        """Run *argv* in *folder* to its end; give the last of what it printed.

        It prints into a file: a pipe would stay open for as long as something lives
        that it left behind. What *leaves* such things may find its lock still held
        by them, and takes a new one.

        Raises:
            Unreachable: *name* of before still runs.
            Problem: it cannot be started, failed, or was killed at its timeout.
        """
        shown = f"`{' '.join(argv)}`"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{name}.lock"
            if leaves:
                path.unlink(missing_ok=True)
            out = self._folder / f"{name}.out"
            with path.open("a") as lock, out.open("wb") as said:
                if not _taken(lock.fileno()):
                    raise Unreachable(
                        f"the {name} of before still runs",
                        "wait for it; when it hangs, end it",
                    )
                # A session of its own: a Ctrl-C at the terminal that we were
                # started from must not cut a rollback in two.
                program = subprocess.Popen(  # noqa: S603 # the settings' own words
                    argv,
                    cwd=folder,
                    env=self._env,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[lock.fileno()],
                )
        except OSError as error:
            raise _cannot_start(argv, error) from error
        try:
            code = program.wait(self._timeout)
        except subprocess.TimeoutExpired as error:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
            raise Problem(
                f"{shown} did not end within {self._timeout:g} s and was killed; "
                f"it printed: {_tail(out)}"
            ) from error
        if code:
            raise Problem(f"{shown} ended with {code}: {_tail(out)}")
        return _tail(out)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _tail(out: Path) -> str:
    return out.read_text(errors="replace")[-_TAIL:].strip() or "nothing"


def _cannot_start(argv: Sequence[str], error: OSError) -> Problem:
    return Problem(
        f"`{' '.join(argv)}` cannot be started: {error.strerror}",
        f"have {argv[0]} where the watchdog runs, or name another in the settings",
    )
