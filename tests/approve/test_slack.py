"""Buttons in Slack, through the real application: H of the abuse cases."""

import asyncio
import hashlib
import hmac
import json
import threading
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest
import yaml
from starlette.applications import Starlette

from tests import canary
from tests.approve.test_webhook import AUDIENCE, CARL, KEYS, ROSTER, Place, a_key
from tests.notify.receiver import receiving
from tests.worlds import ASHA, AT, BELA, MINUTE, Files, Notebook
from watchdog.approve.answer import Door
from watchdog.approve.slack import ORIGIN, PATH, Buttons, _verify
from watchdog.config.release_file import Releases
from watchdog.config.settings_file import load
from watchdog.decide.approval import why_it_does_not_count
from watchdog.facts.event import Answered, QuestionAsked, QuestionClosed
from watchdog.facts.roster import Approver, Roster
from watchdog.notify.reply import Replies
from watchdog.wiring.watch import wire

SECRET = canary.signing().encode()
TEAM = "T024BE7LD"
USERS = {ASHA: "U0000ASHA", BELA: "U0000BELA", CARL: "U0000CARL"}
PEOPLE = Roster(
    {
        name: replace(approver, slack=USERS[name])
        for name, approver in ROSTER.approvers.items()
    }
)


class Room(Place):
    """The application with buttons, and a Slack behind it that is on this machine."""

    def __init__(self, slack="", **buttons):
        self.slack = slack
        self.buttons = buttons
        self.replies = Replies("dms", "https://wd.example")
        super().__init__()
        self.roster = PEOPLE

    def start(self):
        super().start()
        door = Door(
            self.memory,
            audience=AUDIENCE,
            roster=lambda: self.roster,
            releases=Files(Releases({"v1.3.0": self.release})),
        )
        usual = {"team": TEAM, "may": ("approve", "deny"), "told": self.replies.told}
        buttons = Buttons(
            self.memory,
            door,
            roster=lambda: self.roster,
            secret=SECRET,
            limit=self.limit,
            now=lambda: self.at,
            wake=self.wake,
            origin=origin_of(self.slack) if self.slack else ORIGIN,
            **usual | self.buttons,
        )
        self.app = Starlette(routes=[*self.app.routes, *buttons.routes()])

    def payload(self, by=ASHA, decision="approve", ts="1773198000.000100", **other):
        """Give what Slack sends of a click, in its documented shape."""
        action = {
            "action_id": decision,
            "block_id": "apr_1",
            "text": {"type": "plain_text", "text": "Roll back", "emoji": True},
            "value": f"apr_1:{self.digest.removeprefix('sha256:')[:16]}",
            "style": "danger",
            "type": "button",
            "action_ts": ts,
        }
        return {
            "type": "block_actions",
            "user": {
                "id": USERS.get(by, by),
                "username": "asha",
                "name": ASHA,
                "team_id": TEAM,
            },
            "api_app_id": "AABA1ABCD",
            "token": canary.text(),
            "container": {
                "type": "message",
                "message_ts": "1773197000.000200",
                "channel_id": "CBR2V3XEX",
                "is_ephemeral": False,
            },
            "trigger_id": "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3",
            "team": {"id": TEAM, "domain": "flexli"},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": "CBR2V3XEX", "name": "release-room"},
            "message": {"type": "message", "text": "🔴 dms: a decision is needed"},
            "state": {"values": {}},
            "response_url": self.slack or f"{ORIGIN}/actions/T024/123/D09sSas",
            "actions": [action | other.pop("action", {})],
        } | other

    def click(self, whole=None, *, secret=SECRET, at=None, **other):
        body = form(whole or self.payload(**other))
        return self.post(body, by_slack(body, secret, at or self.at), PATH)


@pytest.fixture
def slack():
    with receiving() as to:
        yield to


@pytest.fixture
def room(slack):
    room = Room(slack.url)
    room.replies.start()
    yield room
    room.replies.stop()


def origin_of(url):
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def form(whole):
    text = whole if isinstance(whole, str) else json.dumps(whole)
    return urlencode({"payload": text}).encode()


def by_slack(body, secret=SECRET, at=AT):
    stamp = str(int(at.timestamp()))
    signed = f"v0:{stamp}:".encode() + body
    return [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-slack-request-timestamp", stamp),
        (
            "x-slack-signature",
            f"v0={hmac.new(secret, signed, hashlib.sha256).hexdigest()}",
        ),
    ]


def is_empty_200(reply):
    return (reply.status_code, reply.content) == (200, b"")


def posted(slack, count):
    slack.until(count)
    return [json.loads(body) for _, _, body in slack.came]


def kinds(body):
    return [block["type"] for block in body["blocks"]]


# What it is for.


def test_a_click_is_an_answer_of_whom_the_roster_has_under_that_slack_user(room, slack):
    assert is_empty_200(room.click())

    (answered,) = room.memory.all(Answered)
    assert (answered.by, answered.decision) == (ASHA, "approve")
    assert (answered.assurance, answered.scheme) == ("slack", "v0")
    assert answered.key == "slack:U0000ASHA"
    assert room.woken == 1
    assert room.memory.standing.question.is_approved
    (replaced,) = posted(slack, 1)
    assert replaced["replace_original"] is True
    assert "actions" not in kinds(replaced)
    assert "approved" in replaced["blocks"][2]["elements"][0]["text"]


def test_what_is_kept_of_a_click_holds_neither_its_token_nor_its_secret_url(room):
    room.click()

    (answered,) = room.memory.all(Answered)
    assert canary.MARK not in answered.body
    assert json.loads(answered.body)["user"] == "U0000ASHA"


def test_a_denial_by_a_button_wins_over_an_approval_with_a_key(room):
    room.decide(by=BELA)
    room.click(decision="deny")

    assert room.memory.standing.question.denied_by.by == ASHA


def test_the_buttons_stay_while_another_person_must_agree(room, slack):
    question = room.memory.standing.question.asked
    two = replace(question, question="apr_2", needed=2)
    room.memory.add(AT, two)
    value = f"apr_2:{room.digest.removeprefix('sha256:')[:16]}"
    room.click(action={"value": value})
    (first,) = posted(slack, 1)
    room.click(by=BELA, ts="1773198001.000100", action={"value": value})
    _, second = posted(slack, 2)

    assert "actions" in kinds(first)
    assert "1 of 2 agreed" in first["blocks"][2]["elements"][0]["text"]
    assert "actions" not in kinds(second)


def test_a_click_counts_no_more_once_the_roster_has_another_user_or_no_key(room):
    room.click()
    asha = PEOPLE.approvers[ASHA]
    question = room.memory.standing.question

    def voided(approver):
        people = Roster({ASHA: approver})
        return [
            one.words
            for one in why_it_does_not_count(question, room.release, people, AT)
        ]

    assert voided(asha) == []
    (words,) = voided(replace(asha, slack="U0000ELSE"))
    assert words.endswith("U0000ASHA is not the Slack user of asha@flexli.example")
    assert voided(replace(asha, slack=""))
    revoked = tuple(replace(key, revoked=True) for key in asha.keys)
    (words,) = voided(replace(asha, keys=revoked))
    assert "has no key that counts" in words


def test_slacks_own_example_verifies():
    """Source: Slack, "Verifying requests from Slack"."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA"
        b"&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url="
        b"https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
        b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
        b"803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "x-slack-request-timestamp": ["1531420618"],
        "x-slack-signature": [
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        ],
    }
    at = AT.fromtimestamp(1531420618, AT.tzinfo)

    _verify(headers, body, b"8f742231b10e8888abcd99yyyzzz85a5", at)


@pytest.mark.parametrize("named", [True, False])
def test_the_door_is_only_there_with_the_apps_secret(tmp_path, named):
    for folder in ("stack", "releases", "state"):
        (tmp_path / folder).mkdir()
    (tmp_path / "approvers.yaml").write_text("")
    (tmp_path / "secret").write_bytes(SECRET)
    whole = {
        "stack": {"directory": str(tmp_path / "stack")},
        "state": str(tmp_path / "state"),
    }
    if named:
        where = {"signing_secret_file": str(tmp_path / "secret")}
        whole["slack_buttons"] = where
    config = tmp_path / "watchdog.yaml"
    config.write_text(yaml.safe_dump(whole))

    watch = wire(load(config, {}), "test", say=lambda _: None)
    watch.journal.close()

    paths = [route.path for route in watch.doors.decisions.routes]
    assert (PATH in paths) is named


# H. Slack.


def forgeries():
    """Give (name, headers) for the body of a right click: all get the same 401."""
    body = form(Room().payload())
    right = by_slack(body)
    stamp, good = right[1][1], right[2][1]
    yield "of another app", by_slack(body, b"f" * 31 + b"0")
    yield "301 s old", by_slack(body, at=AT - timedelta(seconds=301))
    yield "301 s ahead", by_slack(body, at=AT + timedelta(seconds=301))
    yield "of another body", by_slack(body + b" ")
    yield "none", right[:1]
    yield "no timestamp", [right[0], right[2]]
    yield "no signature", right[:2]
    yield "two timestamps", [*right, right[1]]
    yield "two signatures", [*right, right[2]]
    for name, value in {
        "in capitals": good.upper(),
        "of version 1": f"v1={good[3:]}",
        "cut": good[:-1],
        "longer": f"{good}0",
        "with a space": f" {good} x",
        "empty": "v0=",
    }.items():
        yield name, [*right[:2], ("x-slack-signature", value)]
    for other in (f"{stamp}.0", f"+{stamp}", f"0{stamp}", "nan", stamp[:-1], ""):
        stamped = [right[0], ("x-slack-request-timestamp", other), right[2]]
        yield f"at {other!r}", stamped


@pytest.mark.parametrize(
    "headers", [pytest.param(headers, id=name) for name, headers in forgeries()]
)
def test_h_090_what_slack_did_not_sign_just_now_is_refused(headers):
    room = Room(told=lambda *_: pytest.fail("nothing may be told of it"))

    reply = room.post(form(room.payload()), headers, PATH)

    assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized")
    assert room.answers == []


def test_h_090_a_replayed_click_is_the_same_answer(room, slack):
    body = form(room.payload())
    headers = by_slack(body)

    for _ in range(3):
        assert is_empty_200(room.post(body, headers, PATH))
        room.start()  # and after a restart

    assert room.answers == [(ASHA, "approve")]
    assert room.woken == 1
    # It is no second click, which would be told that it changes nothing.
    assert all(body["replace_original"] for body in posted(slack, 3))


def test_h_091_who_is_not_in_the_roster_by_id_is_told_so_and_changes_nothing(
    room, slack
):
    # The payload's names are Asha's.
    assert is_empty_200(room.click(by="U0000EVIL"))

    assert room.answers == []
    (only,) = posted(slack, 1)
    assert only["response_type"] == "ephemeral"
    assert only["replace_original"] is False
    assert "U0000EVIL" in only["text"]


def test_h_091_a_renamed_user_is_still_the_same_person(room):
    user = {"id": "U0000ASHA", "username": "x", "name": CARL, "team_id": TEAM}

    room.click(room.payload() | {"user": user})

    assert room.answers == [(ASHA, "approve")]


@pytest.mark.parametrize(
    "other",
    [
        {"team": {"id": "T0000ELSE"}},
        {"team": None},
        {"user": {"id": "U0000ASHA", "team_id": "T0000ELSE"}},
        {"user": {"id": "U0000ASHA"}},
    ],
)
def test_h_091_a_user_of_another_workspace_changes_nothing(room, other):
    assert is_empty_200(room.click(room.payload() | other))

    assert room.answers == []


def test_h_091_who_is_no_dri_of_this_release_changes_nothing(room, slack):
    room.click(by=CARL)

    assert room.answers == []
    assert "not a DRI" in posted(slack, 1)[0]["text"]


def test_h_092_a_double_click_is_one_answer(room):
    clicks = [
        threading.Thread(target=room.click, kwargs={"ts": f"1773198000.{n:06}"})
        for n in range(1, 11)
    ]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join(30)

    assert room.answers == [(ASHA, "approve")]


class SlowDisk(Notebook):
    """A journal whose disk takes its time."""

    def __init__(self):
        super().__init__()
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.written = threading.Event()

    def _add(self, at, events, claim):
        assert self.goes_on.wait(30)
        super()._add(at, events, claim)
        if claim:
            self.written.set()


class SlowRoom(Room):
    book = SlowDisk


def test_h_093_slack_gets_its_answer_also_when_the_journal_is_slow():
    room = SlowRoom(patience=0.05)
    body = form(room.payload())
    headers = by_slack(body)

    async def click():
        async with room.client() as client:
            room.memory.goes_on.clear()
            # Whoever waits for the disk gets no further than this.
            reply = await client.post(PATH, content=body, headers=headers)
            written = room.answers
            room.memory.goes_on.set()
            return reply, written

    reply, written = asyncio.run(click())

    assert is_empty_200(reply)
    assert written == []
    assert room.memory.written.wait(30)
    assert room.answers == [(ASHA, "approve")]


def test_h_093_a_response_url_that_hangs_holds_nobody_up(room, slack):
    slack.hold = threading.Event()

    assert is_empty_200(room.click())
    slack.until(1)  # it is there, and gets no answer
    assert is_empty_200(room.click(by=BELA, decision="deny", ts="1773198001.000100"))

    assert room.answers == [(ASHA, "approve"), (BELA, "deny")]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/actions/T1/2/3",
        "http://localhost/actions/T1/2/3",
        "http://hooks.slack.com/actions/T1/2/3",
        "https://hooks.slack.com.evil.example/actions/T1/2/3",
        "https://hooks.slack.com@169.254.169.254/actions/T1/2/3",
        "https://hooks.slack.com:8443/actions/T1/2/3",
        "https://hooks.slack.com\\@169.254.169.254/actions",
        "https://hooks.slack.com/actions/../../x",
        "https://hooks.slack.com/actions/T1?to=http://localhost",
        "https://hooks.slack.com",
        "https://HOOKS.slack.com/actions/T1/2/3",
        " https://hooks.slack.com/actions/T1/2/3",
        "https://hooks.slack.com/actions/T1/2/3\n",
        "file:///etc/passwd",
        "",
    ],
)
def test_h_094_a_response_url_that_is_not_slacks_is_posted_nothing(url):
    room = Room(told=lambda *_: pytest.fail("nothing may be posted"))

    reply = room.click(room.payload(response_url=url))

    assert (reply.status_code, reply.json()["code"]) == (422, "response_url")
    assert room.answers == []


def test_h_094_a_redirect_from_there_is_not_followed(room, slack):
    slack.answers = [(307, {"location": f"{origin_of(slack.url)}/elsewhere"})]
    room.click()
    slack.until(1)
    room.click(by="U0000EVIL", ts="1773198001.000100")
    slack.until(2)

    assert [path for path, _, _ in slack.came] == [f"/hook/{canary.MARK}"] * 2


def test_h_095_a_button_of_an_old_message_changes_nothing_and_goes_away(room, slack):
    closed = QuestionClosed("apr_1", "superseded", "another pair runs")
    room.memory.add(AT, closed)

    assert is_empty_200(room.click())

    assert room.answers == []
    replaced, told = posted(slack, 2)
    assert "actions" not in kinds(replaced)
    assert "superseded" in replaced["blocks"][2]["elements"][0]["text"]
    assert told["text"] == "not taken: the action was overtaken; look again"


@pytest.mark.parametrize("value", ["apr_1:0000000000000000", "apr_9:0000000000000000"])
def test_h_095_a_button_for_another_action_changes_nothing(room, slack, value):
    room.click(action={"value": value})

    assert room.answers == []
    assert posted(slack, 1)[0]["response_type"] == "ephemeral"


def test_h_095_an_expired_question_takes_no_click(room):
    room.at = AT + 60 * MINUTE

    room.click()

    assert room.answers == []


# What a click is not enough for.


def test_where_only_a_denial_may_be_clicked_an_approval_needs_a_key(slack):
    room = Room(slack.url, may=("deny",))
    room.replies.start()
    room.click()
    assert room.answers == []
    assert "sign with a key" in posted(slack, 1)[0]["text"]
    room.replies.stop()

    room.click(decision="deny")
    assert room.answers == [(ASHA, "deny")]


def test_the_glass_is_not_broken_by_a_click(room):
    glass = Approver(BELA, (a_key(BELA, KEYS[BELA]),), USERS[BELA], break_glass=True)
    room.roster = Roster(PEOPLE.approvers | {BELA: glass})

    room.click(by=BELA)

    assert room.answers == []


# Another shape.


def malformed():
    room = Room()
    whole = room.payload()
    text = json.dumps(whole)
    action = whole["actions"][0]
    yield "no payload", 400, b"other=1"
    yield "two payloads", 400, form(whole) + b"&" + form(whole)
    yield "more than a payload", 400, form(whole) + b"&x=1"
    yield "no form", 400, text.encode()
    yield "nothing", 400, b""
    yield "a character in halves", 400, b"payload=%ff%fe"
    yield "a key twice", 400, form(text[:-1] + ', "type": "block_actions"}')
    yield "NaN", 400, form(text[:-1] + ', "x": NaN}')
    yield "depth", 400, form('{"x":' + "[" * 40 + "]" * 40 + "}")
    yield "another type", 422, form(whole | {"type": "view_submission"})
    yield "no user", 422, form({k: v for k, v in whole.items() if k != "user"})
    yield "a user who is a number", 422, form(whole | {"user": {"id": 1}})
    yield "two actions", 422, form(whole | {"actions": [action, action]})
    yield "no action", 422, form(whole | {"actions": []})
    for name, value in {
        "action_id": "forward_fix",
        "value": "apr_1",
        "action_ts": "yesterday",
    }.items():
        yield name, 422, form(whole | {"actions": [action | {name: value}]})


@pytest.mark.parametrize(
    ("status", "body"),
    [pytest.param(status, body, id=name) for name, status, body in malformed()],
)
def test_a_signed_form_of_another_shape_is_refused(status, body):
    room = Room(told=lambda *_: pytest.fail("nothing may be told of it"))

    reply = room.post(body, by_slack(body), PATH)

    assert reply.status_code == status
    assert room.answers == []


def test_a_click_brings_its_whole_message_along_but_no_more_than_64_kib(room):
    long = room.payload(message={"text": "x" * 30_000})
    assert is_empty_200(room.click(long))

    longer = form(room.payload(message={"text": "x" * 70_000}))
    reply = room.post(longer, by_slack(longer), PATH)
    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", None])
def test_what_is_no_form_is_refused(room, kind):
    body = form(room.payload())
    headers = by_slack(body)[1:] + ([("content-type", kind)] if kind else [])

    assert room.post(body, headers, PATH).status_code == 415


def test_a_compressed_form_is_refused(room):
    body = form(room.payload())

    reply = room.post(body, [*by_slack(body), ("content-encoding", "gzip")], PATH)

    assert reply.status_code == 415


def test_looking_at_the_path_changes_nothing(room):
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert room.send(method, PATH).status_code == 405
    assert len(room.memory.all(QuestionAsked)) == 1


def test_a_busy_slack_is_asked_again(room, slack):
    slack.answers = [(503, {})]

    room.click()

    one, two = posted(slack, 2)
    assert one == two
