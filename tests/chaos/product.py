"""The product's own command line in a process that may be armed.

Forked after the import, which takes longer than a rollback; from there on it is
`watchdog ARGS` and nothing else. *armed* is (n, signal): it gets the signal as it
enters its n-th call that writes (calls.c).
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path

from tests.crash import victim
from tests.crash.zygote import Zygote, state_of
from watchdog import __main__ as product

_SOURCE = Path(__file__).with_name("calls.c")
_CODE = "from tests.chaos.product import main; main()"


@cache
def library():
    """Compile calls.c; give the path. Without a compiler say what to install."""
    out = Path(tempfile.mkdtemp(prefix="chaos-")) / "calls.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(out), str(_SOURCE), "-ldl"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise AssertionError("no `cc`: apt-get install gcc libc6-dev") from None
    except subprocess.CalledProcessError as error:
        raise AssertionError(f"calls.c: {error.stderr}") from None
    return out


class Product(Zygote):
    """Runs the product's command line, one process at a time."""

    def __init__(self, *, inside=()):
        super().__init__(_CODE, inside=inside, env={"LD_PRELOAD": str(library())})

    def run(self, *words, log, armed=None):
        """Begin ``watchdog`` *words*; what it prints is appended to *log*.

        The process before it is killed, if it is not over.
        """
        self.kill()
        spec = {"words": [str(word) for word in words], "log": str(log)}
        return self.live(spec | {"armed": armed})

    def is_halted(self):
        return bool(self.pid) and state_of(self.pid) == "T"

    def is_over(self):
        return not self.pid or state_of(self.pid) in ("", "Z")

    def kill(self):
        """Kill it, and wait until it is gone; give how it ended."""
        if not self.pid:
            return None
        self.tell(signal.SIGKILL)
        return self.died()


def _one(spec):
    victim.quiet(spec["log"])
    code = 1
    try:
        if spec["armed"]:
            ctypes.CDLL(None).chaos_arm(*spec["armed"])
        sys.argv = ["watchdog", *spec["words"]]
        product.main()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(bool(left.code))
    except BaseException:  # noqa: BLE001 # as the interpreter would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main():
    victim.main(_one)
