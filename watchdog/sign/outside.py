"""A verifier of the user's own: a program that says yes by ending with 0."""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from datetime import timedelta
from pathlib import Path
from typing import IO

from watchdog.facts.problem import Problem
from watchdog.sign.bad import BadSeal

MANIFEST = "{manifest}"
SIGNATURE = "{signature}"
_HEARD = 400  # bytes of what it says that are kept; the rest is read and dropped
_HINT = "run `stack.verifier` by hand on the two files to see what it means"


def verify(
    data: bytes,
    signature: bytes,
    *,
    argv: tuple[str, ...],
    timeout: timedelta,
    name: str,
) -> str:
    """Ask the program *argv* about copies of the very bytes that were read.

    No shell, an empty environment, nothing on its standard input. In *argv*,
    ``{manifest}`` and ``{signature}`` stand for the two files.

    Raises:
        BadSeal: it ended with anything but 0, or not in time.
        Problem: it could not be started.
    """
    if not signature:
        raise BadSeal(f"{name} has no signature", _HINT)
    try:
        with tempfile.TemporaryDirectory(prefix="seal-") as folder:
            places = {
                MANIFEST: Path(folder, "manifest.json"),
                SIGNATURE: Path(folder, "manifest.json.sig"),
            }
            places[MANIFEST].write_bytes(data)
            places[SIGNATURE].write_bytes(signature)
            words = [str(places.get(word, word)) for word in argv]
            return _asked(words, folder, timeout, name)
    except OSError as error:
        raise Problem(
            f"the verifier {argv[0]} could not be asked about {name}: {error.strerror}",
            "`stack.verifier` names a program of this container, and /tmp has room",
        ) from error


def _asked(words: list[str], folder: str, timeout: timedelta, name: str) -> str:
    asked = subprocess.Popen(  # noqa: S603 # the operator's own words, no shell
        words,
        cwd=folder,
        env={},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    said = bytearray()
    # Read aside, so that neither silence nor a flood can hold us up.
    ear = threading.Thread(target=_hear, args=(asked.stdout, said), daemon=True)
    ear.start()
    try:
        code = asked.wait(timeout.total_seconds())
    except subprocess.TimeoutExpired:
        # All of its session: a child of its own would go on without it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(asked.pid, signal.SIGKILL)
        asked.wait()
        raise BadSeal(
            f"the verifier did not answer about {name} within "
            f"{timeout.total_seconds():g} s",
            _HINT,
        ) from None
    # What a child left behind says is not waited for.
    ear.join(1)
    if code:
        heard = _clean(bytes(said))
        raise BadSeal(
            f"the verifier refused {name} with {code}{': ' if heard else ''}{heard}",
            _HINT,
        )
    return "signature valid, by the verifier"


def _hear(pipe: IO[bytes] | None, said: bytearray) -> None:
    if pipe is None:
        return
    with contextlib.suppress(OSError, ValueError), pipe:
        while heard := os.read(pipe.fileno(), 65536):
            said += heard[: _HEARD - len(said)]


def _clean(said: bytes) -> str:
    """Make one plain line of what a program said."""
    text = said.decode(errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
