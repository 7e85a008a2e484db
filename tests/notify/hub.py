"""A GitHub on this machine: it speaks the documented shapes of three endpoints.

It checks as GitHub does: the App's word is RS256 by the App's key and not too old,
the token is one that it gave for this repository and that has not expired, a review
names an environment that waits. What is not so gets GitHub's own answer.

Source: GitHub's REST API, version 2022-11-28, and the webhook payload of
``deployment_protection_rule``.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

KEY = generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
SECRET = b"3f1c9a0be54d7782aa10c6e2d9f84b77"
APP = "Iv23liAbCdEfGhIjKlMn"
INSTALLATION = 55
REPOSITORY = "flexli/dms"
SHA = "4f9c2ab7d1e3f5061728394a5b6c7d8e9f001122"

_TOKEN = re.compile(r"/app/installations/([0-9]+)/access_tokens")
_REVIEW = re.compile(
    r"/repos/([^/]+/[^/]+)/actions/runs/([0-9]+)/deployment_protection_rule"
)


class Hub(ThreadingHTTPServer):
    """*waiting* maps a run to the environments that wait there; None: any."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, now=lambda: datetime.now(UTC)):
        self.now = now
        self.came = []
        self.reviews = []
        self.words = []
        self.answers = []
        self.tokens = {}
        self.waiting = None
        self.lives = timedelta(hours=1)
        self.hold = None
        self.arrived = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def api(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def until(self, count, what="reviews"):
        """Wait until *count* of *what* came."""
        with self.arrived:
            found = getattr(self, what)
            assert self.arrived.wait_for(lambda: len(found) >= count, 60), found

    def verdicts(self):
        return [
            (run, body["environment_name"], body["state"])
            for _, run, body in self.reviews
            if "state" in body
        ]

    def reports(self):
        return [body["comment"] for _, _, body in self.reviews if "state" not in body]

    def payload(self, run=42, environment="site-2", ref="v1.3.0", id_=7001, **other):
        """Give what GitHub sends when a job waits, in its documented shape."""
        whole = f"https://github.com/{REPOSITORY}"
        account = {"login": "flexli", "id": 21, "type": "Organization"}
        repository = {
            "id": 186853002,
            "name": "dms",
            "full_name": REPOSITORY,
            "private": True,
            "owner": account,
            "html_url": whole,
            "default_branch": "main",
        }
        return {
            "action": "requested",
            "environment": environment,
            "event": "push",
            "sha": SHA,
            "ref": ref,
            "deployment_callback_url": f"{self.api}/repos/{REPOSITORY}"
            f"/actions/runs/{run}/deployment_protection_rule",
            "deployment": {
                "url": f"{self.api}/repos/{REPOSITORY}/deployments/{id_}",
                "id": id_,
                "node_id": "DE_kwDOCyM0is4xyz",
                "task": "deploy",
                "original_environment": environment,
                "environment": environment,
                "description": None,
                "created_at": "2026-03-11T03:00:00Z",
                "updated_at": "2026-03-11T03:00:00Z",
                "creator": {"login": "asha", "id": 5, "type": "User"},
                "sha": SHA,
                "ref": ref,
                "payload": {},
                "transient_environment": False,
                "production_environment": True,
                "performed_via_github_app": None,
            },
            "pull_requests": [],
            "repository": repository,
            "organization": account,
            "installation": {"id": INSTALLATION, "node_id": "MDIzOkludGVn"},
            "sender": {"login": "asha", "id": 5, "type": "User"},
        } | other

    # what it checks

    def token(self, installation, bearer, body):
        if installation != INSTALLATION:
            return 404, {"message": "Not Found"}, {}
        claims = _claims(bearer)
        self.words.append(claims)
        now = int(self.now().timestamp())
        if claims is None or claims["iss"] != APP or claims["iat"] > now:
            words = "A JSON web token could not be decoded"
            return 401, {"message": words}, {}
        if not now < claims["exp"] <= now + 600:
            words = "'Expiration time' claim ('exp') is too far in the future"
            return 401, {"message": words}, {}
        token = f"ghs_{APP}_{len(self.tokens)}"
        until = self.now() + self.lives
        self.tokens[token] = (body.get("repositories"), until)
        given = {
            "token": token,
            "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": body.get("permissions", {}) | {"metadata": "read"},
            "repository_selection": "selected",
        }
        return 201, given, {}

    def review(self, repository, run, bearer, body):
        names, until = self.tokens.get(bearer, ((), self.now()))
        if self.now() >= until:
            return 401, {"message": "Bad credentials"}, {}
        if repository.partition("/")[2] not in names:
            return 404, {"message": "Not Found"}, {}
        fine = set(body) <= {"environment_name", "state", "comment"}
        state = body.get("state", "approved")
        if (
            not fine
            or state not in ("approved", "rejected")
            or len(body["comment"]) > 1024
        ):
            return 422, {"message": "Validation Failed"}, {}
        environment = body["environment_name"]
        if self.waiting is not None:
            if environment not in self.waiting.get(run, ()):
                words = "No pending custom deployment requests to approve or reject"
                return 422, {"message": words}, {}
            if "state" in body:
                self.waiting[run].discard(environment)
        self.reviews.append((repository, run, body))
        return 204, None, {}


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        hub = self.server
        bearer = self.headers["authorization"].removeprefix("Bearer ")
        hub.came.append((self.path, dict(self.headers)))
        with hub.arrived:
            hub.arrived.notify_all()
        if hub.hold:
            hub.hold.wait(60)
        with hub.arrived:
            status, said, headers = self._answer(hub, bearer, body)
            hub.arrived.notify_all()
        self._say(status, said, headers)

    def _answer(self, hub, bearer, body):
        token, review = _TOKEN.fullmatch(self.path), _REVIEW.fullmatch(self.path)
        if review and hub.answers:
            status, headers = hub.answers.pop(0)
            if status == "taken-and-lost":
                hub.review(review[1], int(review[2]), bearer, body)
                return 502, {}, {}
            return status, {"message": "as told"}, headers
        if token:
            return hub.token(int(token[1]), bearer, body)
        if review:
            return hub.review(review[1], int(review[2]), bearer, body)
        return 404, {"message": "Not Found"}, {}

    def _say(self, status, said, headers):
        text = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if said is not None:
            self.send_header("content-type", "application/json; charset=utf-8")
            self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def _claims(word):
    """Read the App's word; None when it is not signed by its key."""
    head, claims, seal = word.split(".")

    def plain(part):
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    if json.loads(plain(head)) != {"alg": "RS256", "typ": "JWT"}:
        return None
    try:
        KEY.public_key().verify(
            plain(seal), f"{head}.{claims}".encode(), PKCS1v15(), SHA256()
        )
    except InvalidSignature:
        return None
    return json.loads(plain(claims))


def by_github(
    body,
    secret=SECRET,
    delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958",
    event="deployment_protection_rule",
):
    """Give the headers that GitHub sends with *body*."""
    seal = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return [
        ("content-type", "application/json"),
        ("user-agent", "GitHub-Hookshot/044aadd"),
        ("x-github-delivery", delivery),
        ("x-github-event", event),
        ("x-github-hook-installation-target-type", "integration"),
        ("x-hub-signature-256", f"sha256={seal}"),
    ]


@contextmanager
def a_hub(now=lambda: datetime.now(UTC)):
    with Hub(now) as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            if hub.hold:
                hub.hold.set()
            hub.shutdown()
            thread.join(10)
