"""What each channel makes of a message: Slack's blocks, Apprise, the pulse."""

import base64
import json
import threading
from datetime import timedelta

import pytest
import standardwebhooks
import yaml

from tests import canary
from tests.decide.test_standing import begun, ended
from tests.notify.receiver import receiving
from tests.outside.test_question import DRIPS, far_end
from tests.worlds import AT, asked, breached, proved_good, started
from watchdog.config.settings_file import load
from watchdog.decide.tidings import message_of
from watchdog.facts.event import (
    Entry,
    HoldPlaced,
    PromotionChanged,
    RecoveryMissed,
    RecoverySeen,
    RollbackRefused,
    RollbackStuck,
)
from watchdog.facts.message import Message, Severity
from watchdog.facts.problem import Problem, Refused
from watchdog.facts.roster import Key, Scheme
from watchdog.notify.channel import NotTaken
from watchdog.notify.everywhere import Everywhere
from watchdog.notify.heartbeat import Heartbeat
from watchdog.notify.slack import Slack, escaped
from watchdog.notify.webhook import SignedWebhook
from watchdog.sign.delivery import who_signed
from watchdog.wiring.channels import button_secret, channels_of

KEY = canary.key(5)
HOSTILE = "<!channel> <@U1> <https://evil.example|ok> *b* `c` & \x1b[31m\u202e"


def message(words="words", **other):
    values = {
        "seq": 7,
        "at": AT,
        "kind": "hold.placed",
        "severity": Severity.WARNING,
        "title": "dms: on hold",
        "words": words,
    }
    return Message(**(values | other))


def test_g_088_hostile_text_is_only_text_in_slack():
    whole = json.dumps(Slack("room", "http://x").body(message(HOSTILE)))

    assert "<!channel>" not in whole
    assert "<@U1>" not in whole
    assert "<https" not in whole
    assert "&lt;!channel&gt;" in whole
    assert "\\u001b" not in whole
    assert "\\u202e" not in whole
    assert escaped("*b*") == "\u200d*b\u200d*"


def test_a_question_in_slack_links_to_its_page_and_offers_both_answers():
    asked_ = message_of(Entry(1, AT, asked()), "dms")
    body = Slack("room", "http://x", "https://wd.example", buttons=True).body(asked_)

    *_, link, actions = body["blocks"]
    assert link["text"]["text"] == "<https://wd.example/a/apr_1|look and decide>"
    assert [one["action_id"] for one in actions["elements"]] == ["approve", "deny"]
    value = actions["elements"][0]["value"]
    assert value == f"apr_1:{asked().digest.removeprefix('sha256:')[:16]}"
    assert all("confirm" in one for one in actions["elements"])
    assert body["unfurl_links"] is False


ENDS = (
    ended(),
    RecoverySeen("inc-1", "clear again"),
    RecoveryMissed("inc-1", "still over"),
    RollbackRefused("inc-1", "no target"),
)


@pytest.mark.parametrize("event", ENDS)
def test_what_ends_a_story_leads_to_its_report_on_each_channel(event):
    done, pages = message_of(Entry(9, AT, event), "dms"), "https://inside.example"
    link = "https://inside.example/report/inc-1"
    file, command = "reports/inc-1.html", "watchdog report inc-1"

    hook = SignedWebhook("b", "http://x", KEY, "dms", pages=pages).body(done)
    assert hook["data"]["report"] == {
        "name": "inc-1",
        "url": link,
        "file": file,
        "command": command,
    }
    room = Slack("room", "http://x", pages=pages).body(done)["blocks"][-1]
    assert room["text"]["text"] == f"<{link}|its report>"
    bare = Slack("room", "http://x").body(done)["blocks"][-1]["text"]["text"]
    assert f"\u200d`{command}\u200d`, or {file} in the state folder" in bare


def test_one_without_an_incident_leads_to_the_report_of_its_operation():
    assert message_of(Entry(9, AT, ended(incident="")), "dms").report == "op"


@pytest.mark.parametrize("event", [begun(), asked(), HoldPlaced("asha", "a sale")])
def test_what_goes_on_leads_to_no_report(event):
    told = message_of(Entry(9, AT, event), "dms")

    assert "report" not in SignedWebhook("b", "http://x", KEY, "dms").body(told)["data"]


def test_without_an_app_behind_it_slack_offers_no_buttons():
    asked_ = message_of(Entry(1, AT, asked()), "dms")
    body = Slack("room", "http://x").body(asked_)

    assert "actions" not in [block["type"] for block in body["blocks"]]


def test_what_is_too_long_for_slack_is_cut():
    long = message("x" * 9000, title="t" * 400, facts=(("name", "y" * 999),) * 20)
    header, words, facts = Slack("room", "http://x").body(long)["blocks"]

    assert len(header["text"]["text"]) == 150
    assert len(words["text"]["text"]) == 2900
    assert len(facts["fields"]) == 10


def test_slack_takes_what_it_is_posted():
    with receiving() as to:
        Slack("room", to.url).send(message(), AT)
        ((_, headers, body),) = to.came

    assert headers["content-type"] == "application/json"
    assert json.loads(body)["text"] == "🟠 dms: on hold"


def test_a_rollback_is_told_with_the_six_fields_and_who_took_how_long():
    done = message_of(Entry(9, AT + timedelta(minutes=1), ended()), "dms")

    names = [name for name, _ in done.facts]
    assert names[:6] == [
        "Time rollback started",
        "Time rollback completed",
        "Previous version",
        "Rollback target",
        "Root cause",
        "On-call owner",
    ]
    assert dict(done.facts)["The machine took"] == "60.0 s"


def test_apprise_reaches_what_it_can_reach():
    with receiving() as to:
        url = to.url.replace("http://", "json://")
        Everywhere("any", url).check()
        Everywhere("any", url).send(message(report="inc-1"), AT)
        ((_, _, body),) = to.came

    assert json.loads(body)["title"] == "dms: on hold"
    assert json.loads(body)["message"] == (
        "words\nits report: `watchdog report inc-1`, or reports/inc-1.html in the "
        "state folder"
    )


def everywhere(to, more="", user=""):
    url = to.url.replace("http://", f"json://{user}") + more
    return Everywhere("any", url)


def not_taken(channel):
    with pytest.raises(NotTaken) as no:
        channel.send(message(), AT)
    canary.heard("why a message was not taken", no.value.words)
    return no.value.words


@pytest.mark.parametrize("more", ["", "?redirect=yes"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_login_page_is_no_delivery_through_apprise(status, more):
    with receiving() as to:
        to.answers = [(status, {"location": to.url.replace("hook", "login")})]

        words = not_taken(everywhere(to, more))

    assert [path.partition("/")[2].partition("/")[0] for path, _, _ in to.came] == [
        "hook"
    ]
    assert str(status) in words


def test_why_a_service_did_not_take_it_is_said_in_its_own_words():
    with receiving() as to:
        to.answers = [(404, {})]
        secret = canary.text()
        words = not_taken(everywhere(to, user=f"ops:{secret}@"))

    assert "404" in words
    assert secret not in words
    assert canary.MARK not in words


def test_a_service_that_is_not_there_is_said_to_be_so():
    with receiving() as to:
        gone = everywhere(to)

    assert "127.0.0.1" in not_taken(gone)


def test_an_optional_service_is_refused_at_the_start():
    """Its failure would count as a delivery."""
    with receiving() as to:
        with pytest.raises(Problem, match="optional=yes"):
            everywhere(to, "?optional=yes").check()
        assert to.came == []


def test_nothing_of_a_url_but_its_host_is_in_the_words():
    class Said:
        level = "WARNING"
        message = (
            "Failed: https://u:pa55word@h/tok-en-1 pa55word tok-en-1 tok%2Fen2 tok/en2 "
            "qval ue T00/B00/XXXX line\nbreak h"
        )

    class Result:
        def logs(self):
            return [Said()]

    class Taken:
        results = (Result(),)

    url = "json://u:pa55word@h/tok-en-1/tok%2Fen2?a=qval%20ue#frag"
    (words,) = Everywhere("any", url)._said(Taken())

    assert words == (
        "Failed: (a URL) (hidden) (hidden) (hidden) (hidden) (hidden) "
        "T00/B00/XXXX line break h"
    )


def test_a_key_is_changed_with_both_valid(made, tmp_path):
    """Source: Standard Webhooks 1.0, signatures in one header, parted by spaces."""
    files, secrets = [], []
    for number in (1, 2):
        secrets.append(canary.shared(number))
        files.append(tmp_path / f"secret{number}")
        text = base64.b64encode(secrets[-1]).decode()
        files[-1].write_text(f"whsec_{text}\n")
    with receiving() as to:
        (hook,) = made(
            webhooks=[
                {
                    "name": "bridge",
                    "url": to.url,
                    "key_file": str(files[0]),
                    "also_key_file": str(files[1]),
                }
            ]
        )
        hook.send(message(), AT)
        ((_, headers, body),) = to.came

    given = {name.lower(): value for name, value in headers.items()}
    entries = given["webhook-signature"].split(" ")
    for secret, entry in zip(secrets, entries, strict=True):
        listed = {name: [value] for name, value in given.items()}
        key = ("bridge", Key("k", Scheme.HMAC, secret))
        assert who_signed(listed, body, [key], AT).who == "bridge"
        other = standardwebhooks.Webhook(base64.b64encode(secret).decode())
        assert other.sign(given["webhook-id"], AT, body.decode()) == entry


# What a receiver answers, whatever its status.


def said_by(answer):
    """Speak *answer*, a status and a body, byte by byte as it is."""
    status, body = answer

    def speak(wire, _):
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n"
        wire.sendall(head.encode() + body)
        while wire.recv(65536):  # to hang up on what still comes would take it back
            pass

    return speak


def both(url):
    return Slack("room", url), SignedWebhook("bridge", url, KEY, "dms")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, b'{"ok":false,"error":"channel_not_found"}'), "channel_not_found"),
        ((200, b'{"success": false, "message": "no room"}'), "no room"),
        ((202, b'{"error":"ratelimited"}'), "ratelimited"),
        ((200, b'{"ok":false}'), "it was not taken"),
    ],
)
def test_who_says_no_in_a_200_has_not_taken_it(answer, words):
    with far_end(said_by(answer)) as url:
        for channel in both(url):
            assert not_taken(channel).endswith(f"but says no: {words}")


@pytest.mark.parametrize("body", [b"invalid_payload", b"no_team", b"<html>sign in"])
def test_what_slack_does_not_call_ok_is_not_taken_also_with_a_200(body):
    with far_end(said_by((200, body))) as url, pytest.raises(NotTaken) as no:
        Slack("room", url).send(message(), AT)

    assert no.value.words.endswith("a page" if b"<" in body else body.decode())
    # Sent again, the same message would hold up the next ones for a day.
    assert no.value.final == (body == b"invalid_payload")


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"ok"),
        (200, b""),
        (204, b""),
        (200, b'{"ok": true}'),
        (200, b'{"ok": true, "error": "an old one"}'),
        (201, b'{"id": 7, "error": null, "message": "thanks"}'),
        (200, b"[1]"),
    ],
)
def test_who_says_yes_in_any_way_has_taken_it(answer):
    with far_end(said_by(answer)) as url:
        slack, webhook = both(url)
        webhook.send(message(), AT)
        if answer[1] != b"[1]":
            slack.send(message(), AT)


def test_why_a_receiver_refused_is_passed_on_without_a_secret():
    body = b"no_service: /services/T0SECRET/XYZ\r\n at http://h/T0SECRET"
    with far_end(said_by((404, body))) as url:
        words = not_taken(Slack("room", url.replace("health", "services/T0SECRET")))

    said = "no_service: /(hidden)/(hidden)/XYZ at (a URL)"
    assert words == f"127.0.0.1 answered 404: {said}"


@pytest.mark.parametrize("drips", DRIPS.values(), ids=list(DRIPS))
def test_a_receiver_that_drips_is_left_within_its_time(drips, monkeypatch):
    """Its thread stood still for as long as bytes came, and told nothing more."""
    monkeypatch.setattr("watchdog.notify.channel._PATIENCE", 0.3)
    with far_end(drips) as url:
        for channel in both(url):
            words = not_taken(channel)
            # Which of the two ends it first is the machine's to say.
            assert "no whole answer within 0.3 s" in words or "timed out" in words


def test_a_service_that_drips_is_left_and_not_tried_beside(monkeypatch):
    monkeypatch.setattr("watchdog.notify.everywhere._PATIENCE", 0.3)
    with far_end(DRIPS["headers that drip"]) as url:
        channel = Everywhere("any", url.replace("http:", "json:"))
        assert "did not answer through Apprise within 0.3 s" in not_taken(channel)
        assert "still has not ended an earlier try" in not_taken(channel)
    channel._trying[0].join(30)


def test_half_an_answer_is_none():
    def half(wire, _):
        wire.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok")

    with far_end(half) as url:
        for channel in both(url):
            assert "did not answer" in not_taken(channel)


# What no other way follows either.


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_channel_follows_a_redirect(status):
    with receiving() as to:
        elsewhere = {"location": to.url.replace("hook", "elsewhere")}
        for channel in (
            SignedWebhook("bridge", to.url, KEY, "dms"),
            Slack("room", to.url),
        ):
            to.answers = [(status, elsewhere)]
            assert str(status) in not_taken(channel)

    assert {path.split("/")[1] for path, _, _ in to.came} == {"hook"}
    assert len(to.came) == 2


def test_the_pulse_follows_no_redirect():
    with receiving() as to:
        to.answers = [(302, {"location": to.url.replace("hook", "elsewhere")})]
        heartbeat = Heartbeat(to.url, timedelta(minutes=1), lambda: 1000.0)
        heartbeat.start()
        heartbeat.turned(complete=True)
        to.until(1)
        heartbeat.stop()

    assert {path.split("/")[1] for path, _, _ in to.came} == {"hook"}


# The pulse.


@pytest.fixture
def pulse():
    with receiving() as to:
        clock, to.unheard = [1000.0], []
        heartbeat = Heartbeat(
            *(to.url, timedelta(minutes=1), lambda: clock[0]),
            unheard=to.unheard.append,
        )
        heartbeat.start()
        yield to, heartbeat, clock
        heartbeat.stop()


def paths(to):
    return [
        path.removeprefix(f"/hook/{canary.MARK}").partition("?")[0]
        for path, _, _ in to.came
    ]


def test_the_pulse_comes_after_complete_turns_only_and_not_after_each(pulse):
    to, heartbeat, clock = pulse
    heartbeat.turned(complete=False)
    heartbeat.turned(complete=True)
    heartbeat.turned(complete=True)
    clock[0] += 61
    heartbeat.turned(complete=False)
    heartbeat.turned(complete=True)
    to.until(2)

    assert paths(to) == ["", ""]


def test_a_rollback_is_framed_so_that_one_that_hangs_is_noticed(pulse):
    to, heartbeat, clock = pulse
    heartbeat.happened(Entry(1, AT, begun()))
    clock[0] += 600
    heartbeat.turned(complete=True)
    heartbeat.happened(Entry(2, AT, ended()))
    to.until(2)

    assert paths(to) == ["/start", ""]
    rids = {path.partition("?rid=")[2] for path, _, _ in to.came}
    assert len(rids) == 1


def test_a_rollback_that_was_not_proved_is_a_failure_to_the_switch(pulse):
    to, heartbeat, _ = pulse
    heartbeat.happened(Entry(1, AT, begun()))
    heartbeat.happened(Entry(2, AT, RollbackStuck("op", "words", "hint")))
    to.until(2)
    heartbeat.happened(Entry(3, AT, ended(how="put-back")))
    to.until(3)

    assert paths(to) == ["/start", "/fail", "/fail"]


def until(holds):
    """Wait until *holds*, for long where the machine is slow."""
    for _ in range(600):
        if holds():
            return
        threading.Event().wait(0.1)
    pytest.fail("it never came to hold")


def test_pings_that_are_refused_are_noted_until_one_is_taken(pulse):
    to, heartbeat, clock = pulse
    to.answers = [(404, {}), (404, {}), (200, {}), (200, {})]
    for _ in to.answers[:]:
        heartbeat.turned(complete=True)
        clock[0] += 61
    to.until(4)
    until(lambda: len(to.unheard) == 2)

    refused, taken = to.unheard
    assert "answered 404" in refused
    assert canary.MARK not in refused
    assert taken == ""


def test_a_switch_that_hangs_holds_nobody_up(pulse):
    to, heartbeat, clock = pulse
    to.hold = threading.Event()
    for _ in range(30):
        clock[0] += 61
        heartbeat.turned(complete=True)
    to.until(1)

    assert len(to.came) == 1


# The settings.


@pytest.fixture
def made(tmp_path):
    def made(**notify):
        (tmp_path / "stack").mkdir(exist_ok=True)
        whole = {"stack": {"directory": str(tmp_path / "stack")}, "notify": notify}
        path = tmp_path / "watchdog.yaml"
        path.write_text(yaml.safe_dump(whole))
        return channels_of(load(path, {}))

    return made


def test_a_url_that_is_a_secret_is_read_from_its_file(made, tmp_path):
    secret = tmp_path / "url"
    secret.write_text(f"https://hooks.slack.example/services/T/B/{canary.MARK}\n")

    (room,) = made(slack=[{"name": "room", "url_file": str(secret)}])

    assert room.url.endswith(canary.MARK)
    canary.heard("a channel", repr(room))


@pytest.mark.parametrize(
    ("kind", "far", "why"),
    [
        ("slack", {"name": "room"}, "has neither or both of `url` and `url_file`"),
        ("slack", {"name": "r", "url_file": "/gone"}, "/gone cannot be read"),
        ("webhooks", {"name": "b", "url": "http://x"}, "has no `key_file`"),
        ("apprise", {"name": "a", "url": "http://x"}, "Apprise does not know the URL"),
    ],
)
def test_a_channel_that_could_not_tell_is_refused_at_the_start(
    made, tmp_path, kind, far, why
):
    if kind == "apprise":
        path = tmp_path / "url"
        path.write_text("nosuchservice://x")
        far = {"name": "a", "url_file": str(path)}
    with pytest.raises(Refused) as refused:
        made(**{kind: [far]})

    (fault,) = refused.value.faults
    assert why in fault.words


def test_two_channels_of_one_name_and_all_other_faults_come_at_once(made):
    twice = [{"name": "r", "url": "http://x"}, {"name": "r", "url": "http://y"}]
    with pytest.raises(Refused) as refused:
        made(slack=twice, webhooks=[{"name": "b", "url": "http://x"}])

    assert len(refused.value.faults) == 2


def test_a_signing_key_of_another_kind_is_refused(made, tmp_path):
    key = tmp_path / "key"
    key.write_text(
        "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"
    )
    hook = {"name": "b", "url": "http://x", "key_file": str(key)}
    with pytest.raises(Refused) as refused:
        made(webhooks=[hook])

    assert "holds no Ed25519 private key" in refused.value.faults[0].words


def test_buttons_that_nobody_would_hear_are_refused(made):
    with pytest.raises(Refused) as refused:
        made(slack=[{"name": "r", "url": "http://x", "buttons": True}])

    (fault,) = refused.value.faults
    assert fault.path == "notify.slack[0].buttons"
    assert fault.words == "nobody would hear a click"


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        (canary.signing(), 0o600, ""),
        (canary.signing(), 0o622, "may be written by others"),
        ("8f742231b10e8888abcd99yyyzzz85a5", 0o600, "does not hold a Slack app's"),
        ("0" * 32, 0o600, "does not hold a Slack app's"),
        (f"xoxb-{canary.MARK}", 0o600, "does not hold a Slack app's"),
        ("", 0o600, "does not hold a Slack app's"),
    ],
)
def test_a_signing_secret_is_one_or_is_refused_and_not_shown(
    made, tmp_path, text, mode, why
):
    file = tmp_path / "signing"
    file.write_text(f"{text}\n")
    file.chmod(mode)
    made()
    config = tmp_path / "watchdog.yaml"
    whole = yaml.safe_load(config.read_text())
    whole["slack_buttons"] = {"signing_secret_file": str(file)}
    config.write_text(yaml.safe_dump(whole))
    settings = load(config, {})

    if not why:
        assert button_secret(settings) == text.encode()
        return
    with pytest.raises(Refused) as refused:
        button_secret(settings)
    (fault,) = refused.value.faults
    assert fault.path == "slack_buttons.signing_secret_file"
    assert why in fault.words
    canary.heard("a refusal", str(refused.value))


def test_most_events_are_told_to_nobody():
    assert (
        message_of(Entry(1, AT, HoldPlaced("asha", "w")), "dms").kind == "hold.placed"
    )
    opened = PromotionChanged("v1.3.0", "open", ())
    assert message_of(Entry(1, AT, opened), "dms").severity is Severity.INFO
    for quiet in (breached(), proved_good("v1.2.0"), started("v1.3.0")):
        assert message_of(Entry(1, AT, quiet), "dms") is None
