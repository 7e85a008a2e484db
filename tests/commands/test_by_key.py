"""A person's answer from their own machine: real keys, real HTTP, a real agent."""

import asyncio
import os
import pty
import re
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
import uvicorn
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, StreamingResponse
from starlette.routing import Route
from typer.testing import CliRunner

from tests.real.certificates import Authority
from tests.worlds import (
    ASHA,
    HEALTHY_THEN_NEXT,
    HOUR,
    HTTP_5XX,
    MINUTE,
    SECOND,
    Files,
    Notebook,
    a_pair,
    a_release,
    breached,
    rules,
)
from watchdog.__main__ import app
from watchdog.approve.answer import Door
from watchdog.approve.far import Far
from watchdog.approve.limit import Limit
from watchdog.approve.resumption import Resumption
from watchdog.approve.webhook import Webhook
from watchdog.commands.ends import End, end_of
from watchdog.config.release_file import Releases
from watchdog.config.roster_file import load_roster
from watchdog.decide.document import digest_of, document
from watchdog.facts.event import (
    Answered,
    PromotionPaused,
    PromotionResumed,
    QuestionAsked,
    QuestionClosed,
)
from watchdog.facts.problem import Problem, Unreachable
from watchdog.show.http import Faces
from watchdog.show.metrics import Pulse

NAME = "dms-test"


def now():
    return datetime.now(UTC)


def a_question(name="apr_1", *, cause="Http5xxRate: 9 of 40 failed"):
    at = now()
    text = document(
        NAME,
        name,
        "inc-1",
        cause,
        (a_pair("v1.3.0"), a_pair("v1.2.0")),
        at=at,
        expires=at + HOUR,
        needed=1,
    )
    words = f"{ASHA}: roll v1.3.0 back to v1.2.0? {cause}"
    return QuestionAsked(
        name, "inc-1", text, digest_of(text), (ASHA,), at + HOUR, words
    )


@contextmanager
def served(application, **how):
    """Serve over real HTTP on loopback; give the address."""
    config = uvicorn.Config(
        application,
        port=0,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,  # a page may be followed still
        **how,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


class Desk:
    """A DRI at their own machine, and a watchdog with a question somewhere else."""

    def __init__(self, folder):
        self.folder = folder
        self.key = folder / "asha.pem"
        made = self.says("keys", "new", "--name", ASHA, "--out", str(self.key))
        self.lines = made.stdout
        self.roster = self.enrolled(self.lines)
        self.memory = Notebook()
        self.memory.add(now(), *HEALTHY_THEN_NEXT, breached(HTTP_5XX))
        how = {
            "audience": NAME,
            "roster": lambda: self.roster,
            "releases": Files(Releases({"v1.3.0": a_release()})),
        }
        webhook = Webhook(
            self.memory,
            Door(self.memory, **how),
            Resumption(self.memory, **how),
            limit=Limit(5, monotonic=time.monotonic),
            now=now,
            wake=lambda: None,
        )
        faces = Faces(
            memory=self.memory,
            releases=how["releases"],
            rules=rules(name=NAME),
            poll=5 * SECOND,
            now=now,
            pulse=lambda: Pulse(1, 0.1, 0.0, is_fresh=True),
        )
        self.application = Starlette(routes=[*webhook.routes(), *faces.public()])
        self.url = ""

    def enrolled(self, lines):
        """Put the printed lines into a roster, as a person would paste them."""
        path = self.folder / "approvers.yaml"
        path.write_text(f"approvers:\n{lines}")
        return load_roster(path)

    def says(self, *words, env=None):
        return CliRunner().invoke(app, words, env=env)

    def signs(self, *words, key=True, yes=True):
        """Answer as Asha, with her key file unless said."""
        more = ["--as", ASHA, "--url", self.url, *(["--yes"] if yes else [])]
        more += ["--key", str(self.key)] if key else []
        return self.says(*words, *more)

    def refuses(self, *words, **how):
        done = self.signs(*words, **how)
        assert isinstance(done.exception, Problem), done.output
        return str(done.exception)

    @property
    def answers(self):
        return [(a.by, a.decision) for a in self.memory.all(Answered)]


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    with served(desk.application) as desk.url:
        yield desk


# Keys.


def test_a_new_key_is_for_its_owner_alone_and_its_lines_fit_the_roster(desk):
    assert stat.S_IMODE(desk.key.stat().st_mode) == 0o600
    assert list(yaml.safe_load(desk.lines)) == [ASHA]
    assert desk.roster.can_answer(ASHA, now())
    shown = desk.says("keys", "show", "--name", ASHA, "--key", str(desk.key))
    assert shown.stdout == desk.lines
    assert "PRIVATE" not in desk.lines


def test_a_key_is_never_overwritten(desk):
    before = desk.key.read_bytes()
    done = desk.says("keys", "new", "--name", ASHA, "--out", str(desk.key))

    assert "is there already" in str(done.exception)
    assert desk.key.read_bytes() == before


def test_a_key_that_others_can_read_is_not_used(desk):
    desk.memory.add(now(), a_question())
    desk.key.chmod(0o644)

    assert "is open to others (mode 644)" in desk.refuses("approve")
    assert desk.answers == []


def test_openssl_reads_the_new_key_and_gives_the_same_line(desk):
    shown = subprocess.run(
        f"openssl pkey -in {desk.key} -pubout -outform DER | tail -c 32 | base64",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"whpk_{shown.stdout.strip()}" in desk.lines


# Answers.


def test_an_approval_shows_what_it_signs_and_is_recorded(desk):
    desk.memory.add(now(), a_question())

    done = desk.signs("approve", "--reason", "5xx since the deployment")

    assert done.exit_code == 0, done.output
    said = done.stdout.splitlines()
    assert said[0] == "dms-test asks: roll back to v1.2.0?"
    assert "  version: v1.3.0 -> v1.2.0" in said
    old, new = a_pair("v1.3.0").image[7:19], a_pair("v1.2.0").image[7:19]
    assert f"  image: {old} -> {new}" in said
    assert any(line.startswith("  manifest of meesho: ") for line in said)
    assert "  because Http5xxRate: 9 of 40 failed" in said
    assert f"  {desk.memory.standing.question.asked.digest}" in said
    assert "  Http5xxRate: 9 of 40 failed" in said
    assert any("min" in line and "left, until" in line for line in said)
    assert said[-1].startswith("recorded: approved; the rollback to v1.2.0 starts")
    (answered,) = desk.memory.all(Answered)
    assert (answered.by, answered.decision) == (ASHA, "approve")
    assert answered.reason == "5xx since the deployment"


def test_a_denial_and_a_promise_go_the_same_way(desk):
    desk.memory.add(now(), a_question())

    promised = desk.signs("forward-fix", "apr_1", "--eta", "40m")
    denied = desk.signs("deny", "apr_1")

    assert "recorded: a fix until " in promised.stdout
    assert "recorded: denied; nothing is rolled back" in denied.stdout
    assert desk.answers == [(ASHA, "forward_fix"), (ASHA, "deny")]
    left = desk.memory.all(Answered)[0].eta - now()
    assert 35 * MINUTE < left <= 40 * MINUTE


def test_what_the_watchdog_does_not_take_ends_as_refused_with_its_words(desk):
    desk.memory.add(now(), a_question())
    desk.signs("deny")
    again = desk.signs("deny")
    desk.memory.add(now(), QuestionClosed("apr_1", "denied", "words"))
    nothing = desk.signs("approve")

    assert end_of(again.exception) is End.REFUSED
    assert nothing.exit_code == End.NO
    assert "not taken (409 already_denied)" in str(again.exception)
    assert "nothing is asked at" in nothing.stderr


def test_a_key_that_is_not_in_the_roster_is_told_what_to_look_at(desk, tmp_path):
    desk.memory.add(now(), a_question())
    desk.roster = desk.enrolled(
        desk.says("keys", "new", "--name", ASHA, "--out", f"{tmp_path}/b.pem").stdout
    )
    done = desk.signs("approve")

    assert end_of(done.exception) is End.REFUSED
    assert "is the key in the roster" in str(done.exception)


def test_two_open_questions_are_told_apart_by_a_person(desk):
    desk.memory.add(now(), a_question(), a_question("apr_2"))

    assert "2 questions are open: apr_1, apr_2" in desk.refuses("approve")
    assert desk.signs("approve", "apr_2").exit_code == 0


def test_without_a_terminal_nothing_is_signed_unless_told_so(desk):
    desk.memory.add(now(), a_question())

    assert "not a terminal" in desk.refuses("approve", yes=False)
    assert desk.answers == []


@pytest.mark.parametrize(("typed", "code", "count"), [("y", 0, 1), ("n", 11, 0)])
def test_on_a_terminal_it_asks_before_it_signs(desk, typed, code, count):
    desk.memory.add(now(), a_question())
    ours, theirs = pty.openpty()
    more = ["--as", ASHA, "--key", str(desk.key), "--url", desk.url]
    running = subprocess.Popen(
        [sys.executable, "-m", "watchdog", "approve", *more],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=desk.folder,
    )
    os.close(theirs)
    os.write(ours, f"{typed}\n".encode())
    said, _ = running.communicate(timeout=120)
    os.close(ours)

    assert f"Sign as {ASHA}: approve the rollback to v1.2.0? [y/N]" in said
    assert running.returncode == code
    assert len(desk.answers) == count


def test_what_a_server_says_cannot_move_the_cursor(desk):
    desk.memory.add(now(), a_question(cause="\x1b[2J\x1b[1;1Hfine \u202e dlor"))

    done = desk.signs("approve")

    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout


# A watchdog that lies.


@contextmanager
def lying(**other):
    asked = a_question()
    told = {
        "approval_id": "apr_1",
        "action_document": asked.document,
        "action_digest": asked.digest,
        "state": "pending",
    } | other
    posted = []

    async def shown(_):
        return JSONResponse(told)

    async def taken(request):
        posted.append(await request.body())
        return JSONResponse({"state": "approved"}, 202)

    routes = [
        Route("/v1/approvals/apr_1", shown),
        Route("/v1/approvals/apr_2", shown),
        Route("/v1/approvals/apr_3", lambda _: RedirectResponse("/v1/approvals/apr_1")),
        Route("/v1/approvals/apr_1/decision", taken, methods=["POST"]),
    ]
    with served(Starlette(routes=routes)) as url:
        yield url, posted


@pytest.mark.parametrize(
    ("question", "told", "words"),
    [
        ("apr_1", {"action_digest": "sha256:" + "0" * 64}, "not signing"),
        ("apr_1", {"action_document": "{}"}, "not signing"),
        ("apr_1", {"action_document": None}, "without a document"),
        ("apr_1", {"action_document": "{", "action_digest": digest_of("{")}, "read"),
        ("apr_2", {}, "not signing"),
        ("apr_3", {}, "says 307"),
        ("apr_4", {}, "says 404"),
        ("../../x", {}, "neither a question nor a release"),
    ],
)
def test_what_does_not_add_up_is_not_signed(desk, question, told, words):
    with lying(**told) as (desk.url, posted):
        assert words in desk.refuses("approve", question)
    assert posted == []


def test_a_door_that_is_not_there_is_said(desk):
    desk.url = "http://127.0.0.1:9"

    assert "does not answer" in desk.refuses("approve", "apr_1")


# An ssh-agent holds the key.


@pytest.fixture
def agent(tmp_path):
    """Start a real ssh-agent with one Ed25519 key and one RSA key."""
    path = tmp_path / "agent"
    running = subprocess.Popen(
        ["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL
    )
    try:
        while not path.exists():
            time.sleep(0.01)
        env = os.environ | {"SSH_AUTH_SOCK": str(path)}
        for kind, name in (("ed25519", "asha-token"), ("rsa", "asha-rsa")):
            file = f"{tmp_path}/{name}"
            new = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", file]
            subprocess.run(new, check=True)
            subprocess.run(["ssh-add", "-q", file], check=True, env=env)
        yield str(path)
    finally:
        running.terminate()
        running.wait()


def test_a_key_in_an_ssh_agent_signs_and_never_leaves_it(desk, agent):
    desk.memory.add(now(), a_question())
    env = {"SSH_AUTH_SOCK": agent}
    held = ("--agent", "asha-token")
    shown = desk.says("keys", "show", "--name", ASHA, *held, env=env)
    desk.roster = desk.enrolled(shown.stdout)
    more = ("--as", ASHA, "--url", desk.url, "--yes", *held)

    done = desk.says("approve", *more, env=env)

    assert done.exit_code == 0, done.output
    assert desk.answers == [(ASHA, "approve")]


def test_an_agent_without_the_key_says_which_it_has(desk, agent):
    env = {"SSH_AUTH_SOCK": agent}
    more = ("--as", ASHA, "--url", desk.url, "--agent", "asha-rsa")
    words = str(desk.says("approve", *more, env=env).exception)

    assert "has 0 Ed25519 keys called asha-rsa" in words
    fingerprint = re.search(r"SHA256:\S+ \(asha-token\)", words)[0].split()[0]
    shown = desk.says("keys", "show", "--name", ASHA, "--agent", fingerprint, env=env)
    assert "whpk_" in shown.stdout


def test_without_an_agent_it_says_so(desk):
    more = ("--as", ASHA, "--agent", "asha-token")
    done = desk.says("approve", *more, env={"SSH_AUTH_SOCK": ""})

    assert "there is no ssh-agent here" in str(done.exception)


# A paused release.


def test_a_dri_lets_a_paused_release_go_onward(desk):
    desk.memory.add(now(), PromotionPaused("v1.3.0", "Http5xxRate: 9 of 40 failed"))

    done = desk.signs("resume", "v1.3.0", "--reason", "a carrier was down")

    assert done.exit_code == 0, done.output
    assert "  v1.3.0: Http5xxRate: 9 of 40 failed" in done.stdout.splitlines()
    (resumed,) = desk.memory.all(PromotionResumed)
    assert resumed.by == ASHA
    again = desk.signs("resume", "v1.3.0")
    assert again.exit_code == 1
    assert "is not paused by anything that a person lifts" in again.stderr


def test_a_release_goes_onward_by_a_signed_word_only(desk):
    done = desk.says("resume", "v1.3.0", "--by", ASHA)

    assert "is signed by one of its DRIs" in str(done.exception)


def test_where_too_many_ask_it_is_sent_again_byte_by_byte_the_same():
    busy = JSONResponse({"code": "busy"}, 503)
    answers = [busy, busy, JSONResponse({"state": "approved"}, 202)]
    came, paused = [], []

    async def take(request):
        came.append((await request.body(), request.headers["webhook-id"]))
        return answers.pop(0) if len(answers) > 1 else answers[0]

    with (
        served(Starlette(routes=[Route("/x", take, methods=["POST"])])) as url,
        closing(Far(url, paused.append)) as far,
    ):
        key = Ed25519PrivateKey.generate()
        status, told = far.post("/x", "kind", {"a": 1}, key, now())
        assert (status, told) == (202, {"state": "approved"})
        assert (len(came), len(set(came)), len(paused)) == (3, 1, 2)
        answers[:] = [busy]
        status, told = far.post("/x", "kind", {"a": 1}, key, now())

    assert (status, told["code"]) == (503, "busy")
    assert 30 <= sum(paused) <= 120


@pytest.mark.parametrize(
    ("says", "took"),
    [
        ((202, {"state": "approved"}), (202, "approved")),
        ((409, {"code": "idempotency_key_reuse"}), (200, "recorded")),
    ],
)
def test_where_the_line_breaks_it_is_sent_again_and_taken_once(says, took):
    """Whoever is hung up on in a flood does not know whether it was taken."""
    came = []

    async def take(request):
        came.append((await request.body(), request.headers["webhook-id"]))
        if len(came) < 3:
            return StreamingResponse(broken(), headers={"content-length": "20"})
        return JSONResponse(says[1], says[0])

    async def broken():
        yield b"{"
        raise ConnectionResetError

    with (
        served(Starlette(routes=[Route("/x", take, methods=["POST"])])) as url,
        closing(Far(url, lambda _: None)) as far,
    ):
        key = Ed25519PrivateKey.generate()
        status, told = far.post("/x", "kind", {"a": 1}, key, now())

    assert (len(came), len(set(came))) == (3, 1)
    assert (status, told["state"]) == took


@pytest.mark.parametrize("by", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_ca_of_ones_own_is_named_by_the_environment(by, tmp_path, monkeypatch):
    ours = Authority(tmp_path, "ours")
    certificate, key = ours.signs("watchdog")
    held = tmp_path / "held"
    held.mkdir()
    subprocess.run(
        ["openssl", "x509", "-in", ours.file, "-out", held / "ours.pem"], check=True
    )
    subprocess.run(["openssl", "rehash", held], check=True)

    async def none(_):
        return JSONResponse({"open": []})

    app = Starlette(routes=[Route("/v1/approvals", none)])
    tls = {"ssl_certfile": certificate, "ssl_keyfile": key}
    with served(app, **tls) as plain:
        url = plain.replace("http:", "https:")
        with (
            closing(Far(url, lambda _: None)) as far,
            pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            far.the_open_one()
        monkeypatch.setenv(by, str(ours.file if by.endswith("FILE") else held))
        with closing(Far(url, lambda _: None)) as far:
            assert far.the_open_one() is None


def test_a_ca_that_cannot_be_read_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    with pytest.raises(Problem, match=r"SSL_CERT_FILE is .*none, which holds no"):
        Far("https://127.0.0.1:9", lambda _: None)


def test_where_nobody_listens_it_is_said_at_once():
    paused = []
    with (
        closing(Far("http://127.0.0.1:9", paused.append)) as far,
        pytest.raises(Unreachable, match="does not answer"),
    ):
        far.the_open_one()

    assert paused == []
