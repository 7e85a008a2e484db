"""A receiver of messages on this machine: it keeps what came, and answers as told."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests import canary


class Receiver(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self):
        self.came = []
        self.answers = []
        self.hold = None
        self.arrived = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/hook/{canary.MARK}"

    def until(self, count):
        """Wait until *count* requests came."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.came) >= count, 30), self.came


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        to = self.server
        # The path is its own secret; nothing else that comes may hold one.
        canary.heard("a message", body)
        canary.heard("a message's headers", str(self.headers))
        with to.arrived:
            to.came.append((self.path, dict(self.headers), body))
            status, headers = to.answers.pop(0) if to.answers else (200, {})
            to.arrived.notify_all()
        if to.hold:
            to.hold.wait(30)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def receiving():
    with Receiver() as to:
        thread = threading.Thread(target=to.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield to
        finally:
            if to.hold:
                to.hold.set()
            to.shutdown()
            thread.join(10)
