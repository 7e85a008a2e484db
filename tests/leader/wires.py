"""Ways to a server on a Unix socket that can be cut, and that know what went over them.

One to the engine tells each write: when it was handed over, by whom, and the answer.
"""

import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

_WRITE = re.compile(rb"(POST|PUT|DELETE) (\S+) HTTP/1.1\r\n")
_STATUS = re.compile(rb"HTTP/1.1 ([0-9]{3})")


@dataclass
class Write:
    """One request that changes something; *status* is 0 until it is answered."""

    node: str
    at: float
    what: str
    status: int = 0
    late: bool = False

    @property
    def is_an_act(self):
        """Tell whether it is one on a service, and the engine took it."""
        return self.status == 200 and "/update?version=" in self.what


class Wire:
    """The way of *node* to the socket *to*; its own end is *door*."""

    def __init__(self, node, to, door):
        self.node, self.door, self._to = node, door, to
        self.is_cut, self.writes = False, []
        # Told before a write goes on; how long it takes is how late it comes.
        self.on_write = lambda _: None
        self._ear = socket.socket(socket.AF_UNIX)
        self._ear.bind(str(door))
        self._ear.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            with suppress(OSError):
                one, _ = self._ear.accept()
                far = socket.socket(socket.AF_UNIX)
                if self.is_cut or far.connect_ex(str(self._to)):
                    one.close()
                    far.close()
                    continue
                known = []
                for pair, sees in (
                    ((one, far), self._asked),
                    ((far, one), self._answered),
                ):
                    threading.Thread(
                        target=self._pass, args=(*pair, sees, known), daemon=True
                    ).start()

    def _pass(self, one, far, sees, known):
        with suppress(OSError):
            while data := one.recv(65536):
                while self.is_cut:  # nothing comes through, and nobody hangs up
                    time.sleep(0.02)
                sees(data, known)
                far.sendall(data)
        for end in (one, far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _asked(self, data, known):
        if found := _WRITE.match(data):
            write = Write(self.node, time.monotonic(), found[2].decode())
            self.on_write(write)
            write.late = time.monotonic() - write.at > 1
            write.at = time.monotonic()
            self.writes.append(write)
            known.append(write)

    def _answered(self, data, known):
        if known and (found := _STATUS.match(data)):
            known.pop(0).status = int(found[1])
