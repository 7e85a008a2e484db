"""A socket before the engine: it sees each request, and may end who asks."""

import json
import os
import socket
import socketserver
import threading
from pathlib import Path


class Cut(Exception):
    """Whoever asked is dead: nobody waits for the answer."""


class Proxy:
    """Passes requests on; *rule* is told (number, phase, request) of what changes.

    The phases: ``received`` and nothing forwarded yet, ``forwarded`` and not
    answered yet, ``done`` and the answer not passed on, ``answered`` and passed on.
    A rule may raise Cut, or take its time. *look* is told of each request that only
    looks, before it is forwarded; *refuse* may give words, with which one is refused.
    Each request has a connection of its own, and answers are passed on whole.
    """

    def __init__(self, path, engine):
        self.url = f"unix://{path}"
        self.engine = engine.removeprefix("unix://")
        self.rule = lambda number, phase, request: None
        self.look = lambda request: None
        self.refuse = lambda request: ""
        self.count = 0
        self.asked = []  # each request's method and target
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                proxy._pass_on(self)

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                """Say nothing: a victim that dies in mid-call is what this is for."""

        self._server = Server(str(path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        Path(self.url.removeprefix("unix://")).unlink(missing_ok=True)

    def _pass_on(self, handler):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = handler.rfile.readline()
            if not line:
                return
            head += line
        first, *rest = head.split(b"\r\n")
        length = 0
        kept = [first]
        for line in rest:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if name.lower() != b"connection":
                kept.append(line)
        kept.insert(1, b"Connection: close")
        body = handler.rfile.read(length)
        changes = not first.startswith((b"GET", b"HEAD"))
        number = 0
        if changes:
            self.count += 1
            number = self.count
        request = first.decode().rsplit(" ", 1)[0]
        self.asked.append(tuple(request.split(" ", 1)))
        words = self.refuse(request)
        if words:
            said = json.dumps({"message": words}).encode()
            head = (
                "HTTP/1.1 403 Forbidden",
                "Content-Type: application/json",
                f"Content-Length: {len(said)}",
                "Connection: close",
            )
            handler.wfile.write("\r\n".join([*head, "", ""]).encode() + said)
            return
        try:
            if changes:
                self.rule(number, "received", request)
            else:
                self.look(request)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
                engine.connect(self.engine)
                engine.sendall(b"\r\n".join(kept) + body)
                if changes:
                    self.rule(number, "forwarded", request)
                answer = b""
                while part := engine.recv(65536):
                    answer += part
            if changes:
                self.rule(number, "done", request)
            handler.wfile.write(answer)
            handler.wfile.flush()
            if changes:
                self.rule(number, "answered", request)
        except (Cut, OSError):
            return


def short_socket(folder):
    """Give a path for a socket: 107 bytes is the limit, and pytest's are longer."""
    return Path(f"/tmp/crash-{os.getpid()}-{abs(hash(str(folder))) % 10**6}.sock")
