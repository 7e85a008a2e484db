"""A far end that speaks the Prometheus HTTP API, and can do it badly."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Wire:
    """Answers every request with *answer*, a function of the handler."""

    def __init__(self):
        self.asked = []
        self.paths = []
        self.headers = []
        self.answer = lambda handler: self.send(handler, matrix())
        self.over = threading.Event()

    def send(self, handler, body, status=200, length=None, **headers):
        """Send *body*, as JSON unless it is text."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(length or len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def answers(self, body, status=200, **how):
        self.answer = lambda handler: self.send(handler, body, status, **how)

    def drips(self, first, every=0.02):
        """Send *first* and then one blank after another, without an end."""

        def answer(handler):
            handler.wfile.write(first)
            while not self.over.wait(every):
                handler.wfile.write(b" ")
                handler.wfile.flush()

        self.answer = answer

    def hangs(self):
        self.answer = lambda _handler: self.over.wait(20)


def matrix(*series, **envelope):
    """Wrap (labels, values) as a range query's answer."""
    result = [{"metric": labels, "values": values} for labels, values in series]
    data = {"resultType": "matrix", "result": result}
    return {"status": "success", "data": data, **envelope}


@contextmanager
def running():
    """Serve a wire on a free port of loopback: (wire, url)."""
    wire = Wire()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            url = urlsplit(self.path)
            wire.asked.append({k: v[0] for k, v in parse_qs(url.query).items()})
            wire.paths.append(url.path)
            wire.headers.append(dict(self.headers))
            try:
                wire.answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield wire, f"http://127.0.0.1:{server.server_port}"
    finally:
        wire.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
