"""What waits at GitHub is told, once and rightly, whatever becomes of the wire."""

import json
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.decide.test_protection import SITE_2, requested
from tests.notify.hub import APP, INSTALLATION, KEY, PEM, REPOSITORY, SECRET, a_hub
from tests.notify.test_channels import said_by
from tests.outside.test_question import DRIPS, far_end
from tests.worlds import AT, AWB, MINUTE, SECOND, World
from watchdog.config.settings_file import load
from watchdog.decide.tidings import message_of
from watchdog.facts.event import (
    DeploymentAnswered,
    DeploymentAnswering,
    DeploymentDelayed,
    DeploymentLeft,
    DeploymentWeighed,
    Entry,
    HoldLifted,
    HoldPlaced,
    RollbackEnded,
)
from watchdog.facts.message import Severity
from watchdog.facts.problem import Refused
from watchdog.notify import github
from watchdog.notify.channel import NotTaken
from watchdog.notify.deployments import Deployments
from watchdog.notify.github import App, as_markdown
from watchdog.show import status
from watchdog.show.metrics import Pulse, Standings, page
from watchdog.turn.gating import Gating
from watchdog.wiring.channels import github_secrets

SMALL = generate_private_key(65537, 1024).private_bytes(
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
)
HOLD = HoldPlaced("asha", "hold: a migration")
LATE = r"no whole answer within 0\.3 s|timed out"


class Desk:
    """A world with v1.3.0 measured and clear, and one who tells a GitHub of it."""

    def __init__(self, folder, hub):
        self.hub = hub
        self.world = World(folder, protects=(SITE_2,))
        self.memory = self.world.memory
        self.is_fresh = True
        self.world.bake("v1.2.0")
        self.world.compose_up("v1.3.0")
        self.world.turn()
        self.world.turn(MINUTE)
        self.start()

    def start(self):
        """Start the process anew; only the journal is left."""
        self.posting = Deployments(
            App(self.hub.api, APP, KEY),
            self.memory,
            name="dms-test",
            weighed=self.weighed,
            fresh=lambda: self.is_fresh,
            now=self.now,
        )

    def now(self):
        return self.world.clock.now()

    def weighed(self, one, at):
        gating = Gating(self.memory, self.world.filed(), self.world.rules)
        return gating.weighed(one, self.memory.turn.looked, at)

    def ask(self, **other):
        self.memory.add(self.now(), requested(**other))

    def turn(self, after=5 * SECOND):
        """Turn, and let what is due be posted."""
        said = self.world.turn(after)
        self.posting.tell()
        return said

    def later(self, after):
        """Post what is due then, without a turn between."""
        self.world.clock.at += after
        self.posting.tell()

    def all(self, *kinds):
        return self.memory.all(*kinds)

    @property
    def one(self):
        return self.memory.standing.deployments["dpl_1"]


@pytest.fixture
def hub():
    with a_hub() as hub:
        yield hub


@pytest.fixture
def desk(tmp_path, hub):
    desk = Desk(tmp_path, hub)
    hub.now = desk.now
    return desk


# What it is for.


def test_an_open_gate_is_an_approval_with_a_comment(desk, hub):
    desk.ask()
    desk.turn()

    ((repository, run, body),) = hub.reviews
    assert (repository, run) == (REPOSITORY, 42)
    assert body == {
        "environment_name": "site-2",
        "state": "approved",
        "comment": (
            "dms-test: v1.3.0 may go onward: every trigger was clear over its whole "
            "window"
        ),
    }
    assert desk.one.over == "approved"


def test_a_breach_that_is_rolled_back_ends_with_a_rejection(desk, hub):
    desk.memory.add(desk.now(), HOLD)
    desk.ask()
    desk.turn()
    desk.memory.add(desk.now(), HoldLifted("asha", "done"))
    desk.world.numbers.values[AWB.name] = 9.0
    for _ in range(4):
        desk.turn()

    assert desk.all(RollbackEnded)[0].how == "proved"
    assert hub.verdicts() == [(42, "site-2", "rejected")]
    assert "rolled back here" in hub.reviews[-1][2]["comment"]
    assert "AwbRoutingFailures" in hub.reviews[-1][2]["comment"]


def test_while_it_waits_the_reason_is_said_once_for_each_change(desk, hub):
    desk.memory.add(desk.now(), HOLD)
    desk.ask()
    for _ in range(5):
        desk.turn()
    desk.memory.add(desk.now(), HoldLifted("asha", "done"))
    desk.turn()
    desk.turn()

    assert hub.reports() == ["dms-test: v1.3.0 may not go onward: hold: a migration"]
    assert hub.verdicts() == [(42, "site-2", "approved")]


def test_what_no_rule_fits_is_said_once_and_answered_once_a_rule_is_there(desk, hub):
    desk.ask(environment="site-4")
    desk.turn()
    desk.turn()
    assert len(hub.reports()) == 1
    assert hub.verdicts() == []

    site_4 = replace(SITE_2, environment="site-4")
    desk.world.rules = replace(desk.world.rules, protects=(site_4,))
    desk.start()
    desk.turn()
    assert hub.verdicts() == [(42, "site-4", "approved")]


def test_several_deployments_have_a_verdict_each(desk, hub):
    for n in range(3):
        desk.ask(deployment=f"dpl_{n}", run=n + 1)
    desk.turn()

    assert sorted(run for run, *_ in hub.verdicts()) == [1, 2, 3]
    assert len(hub.tokens) == 1


# The App's word and its tokens.


def test_a_token_is_for_one_repository_and_one_permission_and_used_again(desk, hub):
    desk.ask()
    desk.turn()
    desk.ask(deployment="dpl_2", run=43)
    desk.turn()

    ((names, _),) = hub.tokens.values()
    assert names == ["dms"]
    (claims,) = hub.words
    assert claims["iss"] == APP
    assert claims["exp"] - claims["iat"] <= 600
    asked = [path for path, _ in hub.came if path.endswith("access_tokens")]
    assert asked == [f"/app/installations/{INSTALLATION}/access_tokens"]


def test_a_token_that_ends_soon_is_not_used(desk, hub):
    hub.lives = timedelta(minutes=6)
    desk.ask()
    desk.turn()
    desk.ask(deployment="dpl_2", run=43)
    desk.turn(2 * MINUTE)

    assert len(hub.tokens) == 2
    assert len(hub.verdicts()) == 2


def test_a_token_that_was_taken_back_is_asked_for_anew(desk, hub):
    desk.ask()
    hub.answers = [(401, {})]
    desk.turn()
    assert hub.verdicts() == []
    desk.later(2 * SECOND)

    assert hub.verdicts() == [(42, "site-2", "approved")]
    assert len(hub.tokens) == 2


def test_a_key_that_is_not_the_apps_is_said_and_tried_again(desk, hub):
    desk.posting._app._issuer = "Iv23liAnotherApp"
    desk.ask()
    desk.turn()
    for _ in range(3):
        desk.later(MINUTE)

    (delayed,) = desk.all(DeploymentDelayed)
    assert delayed.words == (
        "127.0.0.1 answered 401: A JSON web token could not be decoded"
    )
    assert desk.all(DeploymentAnswering) == []
    assert "A JSON web token" in desk.one.words


def test_neither_key_nor_token_nor_secret_is_in_anything_that_is_kept(desk, hub):
    hub.answers = [(401, {}), (503, {}), (503, {}), (503, {})]
    desk.ask()
    desk.turn()
    for _ in range(6):
        desk.later(MINUTE)

    kept = repr(desk.memory.entries) + repr(vars(desk.posting))
    for token in hub.tokens:
        assert token not in kept
    assert SECRET.decode() not in kept
    assert "PRIVATE" not in kept


# A GitHub that is ill.


@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_what_is_not_taken_is_tried_again_with_the_same_words(desk, hub, status):
    hub.answers = [(status, {}), (status, {})]
    desk.ask()
    desk.turn()
    desk.later(0.5 * SECOND)
    assert hub.verdicts() == []
    desk.later(SECOND)
    desk.later(6 * SECOND)

    assert hub.verdicts() == [(42, "site-2", "approved")]
    assert len(desk.all(DeploymentAnswering)) == 1


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"retry-after": "77"}, 77),
        (403, {"retry-after": "77"}, 77),
        (403, {}, 60),
        (403, {"retry-after": "soon"}, 60),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "reset"}, 300),
        (429, {"retry-after": "999999"}, 3600),
    ],
)
def test_how_long_github_wants_to_be_left_alone_is_heeded_for_all(
    desk, hub, status, headers, wait
):
    reset = str(int((desk.now() + 5 * SECOND).timestamp()) + 300)
    hub.answers = [(status, {k: v.replace("reset", reset) for k, v in headers.items()})]
    desk.ask()
    desk.turn()
    desk.ask(deployment="dpl_2", run=43)
    desk.world.turn(SECOND)
    desk.later((wait - 3) * SECOND)
    assert hub.verdicts() == []
    desk.turn(3 * SECOND)

    assert len(hub.verdicts()) == 2


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (422, "127.0.0.1 answered 422: as told"),
        (404, "127.0.0.1 answered 404: as told"),
        (307, "127.0.0.1 answered 307: as told"),
    ],
)
def test_what_github_never_takes_is_given_up_and_seen(desk, hub, status, words):
    hub.answers = [(status, {"location": f"{hub.api}/elsewhere"})]
    desk.ask()
    desk.turn()
    desk.later(MINUTE)

    assert desk.all(DeploymentAnswered)[0].refused == words
    assert desk.one.lost
    assert hub.verdicts() == []
    assert not [path for path, _ in hub.came if "elsewhere" in path]


def test_a_run_that_was_decided_by_somebody_else_is_over(desk, hub):
    hub.waiting = {}
    desk.ask()
    desk.turn()

    assert "No pending custom deployment requests" in desk.one.over


def test_a_report_that_github_does_not_take_ends_nothing(desk, hub):
    hub.answers = [(422, {})]
    desk.memory.add(desk.now(), HOLD)
    desk.ask()
    desk.turn()
    desk.turn()
    assert hub.reviews == []
    desk.memory.add(desk.now(), HoldLifted("asha", "done"))
    desk.turn()

    assert hub.verdicts() == [(42, "site-2", "approved")]


def test_a_github_that_holds_the_line_delays_no_turn_and_no_rollback(desk, hub):
    hub.hold = threading.Event()
    desk.ask()
    desk.posting.start()
    desk.world.turn()
    desk.posting.happened(None)
    hub.until(1, "came")
    desk.world.numbers.values[AWB.name] = 9.0
    began = time.monotonic()
    for _ in range(4):
        desk.world.turn()
    took = time.monotonic() - began

    assert desk.all(RollbackEnded)[0].how == "proved"
    assert hub.reviews == []  # it still holds the line
    assert took < 8  # it would hold each request for longer
    hub.hold.set()
    desk.posting.happened(None)
    hub.until(1)
    desk.posting.stop()
    assert [state for *_, state in hub.verdicts()] in ([], ["rejected"])


def test_nobody_listening_is_tried_again(desk, hub):
    away = App("http://127.0.0.1:1", APP, KEY)
    there, desk.posting._app = desk.posting._app, away
    desk.ask()
    desk.turn()
    assert desk.all(DeploymentAnswering) == []
    desk.posting._app = there
    desk.later(2 * SECOND)

    assert hub.verdicts() == [(42, "site-2", "approved")]


@pytest.mark.parametrize("drips", DRIPS.values(), ids=list(DRIPS))
def test_an_answer_without_an_end_is_cut_off(drips, monkeypatch):
    monkeypatch.setattr(github, "_WHOLE", 0.3)
    with far_end(drips) as url, pytest.raises(NotTaken, match=LATE):
        App(url, APP, KEY).ready(INSTALLATION, REPOSITORY, AT)


def test_a_page_of_somebody_in_between_is_no_answer_of_github():
    with a_hub(lambda: AT) as hub:
        app = App(hub.api, APP, KEY)
        app.ready(INSTALLATION, REPOSITORY, AT)
    with far_end(said_by((200, b"<html>"))) as url:
        app._api = url
        with pytest.raises(NotTaken, match="answered 200, and not in JSON") as no:
            app.review(INSTALLATION, REPOSITORY, 42, {"comment": "words"}, AT)

    assert not no.value.final


# Restraint.


def test_a_gate_that_closed_before_the_post_is_not_approved(desk, hub):
    desk.ask()
    desk.world.turn()
    assert desk.one.due == "approved"
    desk.memory.add(desk.now(), HOLD)
    desk.posting.tell()
    assert hub.reviews == []
    desk.turn()

    assert hub.verdicts() == []
    assert hub.reports() == ["dms-test: v1.3.0 may not go onward: hold: a migration"]


def test_while_nobody_is_watching_nothing_is_approved(desk, hub):
    desk.is_fresh = False
    desk.ask()
    desk.turn()
    assert hub.verdicts() == []
    desk.is_fresh = True
    desk.posting.tell()

    assert hub.verdicts() == [(42, "site-2", "approved")]


def test_an_approval_whose_answer_was_lost_is_not_repeated_while_the_gate_is_closed(
    desk, hub
):
    hub.answers = [("taken-and-lost", {})]
    desk.ask()
    desk.turn()
    desk.memory.add(desk.now(), HOLD)
    for _ in range(3):
        desk.turn(MINUTE)
    assert len(hub.verdicts()) == 1
    desk.memory.add(desk.now(), HoldLifted("asha", "done"))
    desk.turn(MINUTE)

    assert hub.verdicts() == [(42, "site-2", "approved")] * 2
    assert desk.one.over == "approved"


def test_an_approval_whose_answer_was_lost_is_never_followed_by_a_rejection(desk, hub):
    hub.answers = [("taken-and-lost", {})]
    desk.ask()
    desk.turn()
    desk.world.numbers.values[AWB.name] = 9.0
    for _ in range(4):
        desk.turn()

    assert desk.all(RollbackEnded)[0].how == "proved"
    assert hub.verdicts() == [(42, "site-2", "approved")]
    (left,) = desk.all(DeploymentLeft)
    assert "look at the run" in left.hint


def test_a_crash_between_the_post_and_its_note_repeats_the_same_verdict(desk, hub):
    desk.ask()
    desk.world.turn()
    add = desk.memory.add

    def crash(at, *events, claim=""):
        if isinstance(events[0], DeploymentAnswered):
            raise KeyboardInterrupt
        add(at, *events, claim=claim)

    desk.memory.add = crash
    with pytest.raises(KeyboardInterrupt):
        desk.posting.tell()
    desk.memory.add = add
    desk.start()
    desk.turn()

    assert hub.verdicts() == [(42, "site-2", "approved")] * 2
    assert desk.one.over == "approved"


def test_a_crash_between_the_claim_and_the_post_loses_nothing(desk, hub):
    desk.ask()
    desk.world.turn()
    review = desk.posting._app.review

    def crash(*_):
        raise KeyboardInterrupt

    desk.posting._app.review = crash
    with pytest.raises(KeyboardInterrupt):
        desk.posting.tell()
    desk.posting._app.review = review
    assert desk.one.due == "approved"
    desk.start()
    desk.turn()

    assert hub.verdicts() == [(42, "site-2", "approved")]


def test_a_repeated_verdict_that_is_refused_says_that_the_first_may_have_counted(
    desk, hub
):
    hub.waiting = {42: {"site-2"}}
    hub.answers = [("taken-and-lost", {})]
    desk.ask()
    desk.turn()
    desk.turn()

    assert hub.verdicts() == [(42, "site-2", "approved")]
    assert desk.one.over.endswith("an earlier try may have been taken: look at the run")


def test_one_that_cannot_be_posted_is_said_and_keeps_no_other(desk, hub):
    review = desk.posting._app.review

    def odd(installation, repository, run, body, at):
        if run == 42:
            raise ValueError("no such letter")
        review(installation, repository, run, body, at)

    desk.posting._app.review = odd
    desk.ask()
    desk.ask(deployment="dpl_2", run=43)
    desk.turn()
    for _ in range(3):
        desk.turn(MINUTE)

    assert hub.verdicts() == [(43, "site-2", "approved")]
    assert "it could not be posted: ValueError: no such letter" in desk.one.words


def test_what_waits_is_still_there_after_a_restart(desk, hub):
    desk.memory.add(desk.now(), HOLD)
    desk.ask()
    desk.turn()
    desk.start()
    desk.memory.add(desk.now(), HoldLifted("asha", "done"))
    desk.turn()

    assert len(hub.reports()) == 1
    assert hub.verdicts() == [(42, "site-2", "approved")]


@pytest.mark.parametrize("other", ["approved", "rejected"])
def test_a_verdict_that_was_claimed_by_another_is_not_posted(desk, hub, other):
    desk.ask()
    desk.world.turn()
    about = DeploymentAnswering("dpl_other", other, "words")
    desk.memory.add(desk.now(), about, claim="verdict/dpl_1")
    desk.posting.tell()

    assert hub.reviews == []


# What is told, and how it looks.


def test_on_call_is_told_what_needs_them_and_not_that_a_job_waits():
    def kind(event):
        told = message_of(Entry(1, AT, event), "dms")
        return told and (told.kind, told.severity)

    waits = DeploymentWeighed("d", "waiting", "not measured", "v1.3.0")
    unknown = DeploymentWeighed("d", "waiting", "no rule")
    refused = DeploymentAnswered("d", "approved", "w", "422")
    assert kind(waits) is None
    assert kind(DeploymentAnswered("d", "waiting", "w")) is None
    assert kind(unknown) == ("deployment.unknown", Severity.WARNING)
    assert kind(refused) == ("deployment.refused", Severity.WARNING)
    answered = DeploymentAnswered("d", "rejected", "w")
    assert kind(answered) == ("deployment.answered", Severity.INFO)
    left = DeploymentLeft("d", "w", "h")
    assert kind(left) == ("deployment.left", Severity.CRITICAL)


def test_088_hostile_text_is_only_text_at_github():
    hostile = "<img src=x> @flexli/ops [x](javascript:1) `c` # *b*\n\x1b[31m!&lt;"
    text = as_markdown(hostile)

    assert "\n" not in text
    assert "\x1b" not in text
    assert "\\<img" in text
    assert "@flexli" not in text
    assert "\\[x\\](" in text


@given(st.text(max_size=3000))
def test_a_comment_is_never_longer_than_github_takes(words):
    assert len(as_markdown(words)) <= 1024


def shown(desk):
    whole = status.picture(
        desk.memory.standing,
        desk.world.releases["v1.3.0"],
        desk.world.rules,
        desk.memory.turn,
        poll=5 * SECOND,
        at=desk.now(),
    )
    lines = status.words(whole).splitlines()
    return [line for line in lines if line.startswith("deployment ")]


def counted(desk):
    pulse = Pulse(1, 0.1, 0, is_fresh=True)
    text = page(
        Standings(
            lambda: desk.memory.standing, lambda: None, lambda: pulse, lambda: True
        )
    ).decode()
    return {
        line.split()[0].removeprefix("watchdog_deployments_"): line.split()[1]
        for line in text.splitlines()
        if line.startswith("watchdog_deployments_")
    }


def test_status_and_metrics_show_what_waits_what_is_untold_and_what_is_dead(desk, hub):
    hub.answers = [(503, {})] * 3
    desk.ask()
    desk.turn()
    (line,) = shown(desk)
    assert line.startswith("deployment     flexli/dms run 42 to site-2, since ")
    assert line.endswith("approved, and GitHub has not said that it took it")
    assert counted(desk) == {"waiting": "1.0", "untold": "0.0"}

    for _ in range(2):
        desk.later(MINUTE / 4)
    assert shown(desk)[0].endswith("(127.0.0.1 answered 503: as told)")
    assert counted(desk) == {"waiting": "1.0", "untold": "1.0"}

    hub.answers = [(422, {})]
    desk.turn(MINUTE)
    assert "approved was refused: 127.0.0.1 answered 422: as told" in shown(desk)[0]
    assert counted(desk) == {"waiting": "0.0", "untold": "0.0"}


def test_what_was_told_is_not_shown_any_more(desk, hub):
    desk.ask()
    desk.turn()

    assert shown(desk) == []


# The settings.


@pytest.fixture
def faults(tmp_path):
    (tmp_path / "stack").mkdir()
    for name, text in (("app.pem", PEM), ("secret", SECRET)):
        (tmp_path / name).write_bytes(text)
    right = {
        "app": APP,
        "private_key_file": str(tmp_path / "app.pem"),
        "webhook_secret_file": str(tmp_path / "secret"),
        "deployments": [{"repository": REPOSITORY, "environment": "site-2"}],
    }

    def faults(**other):
        given = {name: one for name, one in (right | other).items() if one is not None}
        whole = {"stack": {"directory": str(tmp_path / "stack")}, "github": given}
        path = tmp_path / "watchdog.yaml"
        path.write_text(yaml.safe_dump(whole))
        try:
            github_secrets(load(path, {}))
        except Refused as refused:
            return [(one.path, one.words) for one in refused.faults]
        return []

    return faults


def test_the_settings_are_whole_or_refused(faults):
    assert faults() == []
    assert faults(app=123456) == []
    assert faults(app=None) == [
        ("github.app", "is missing beside github.private_key_file")
    ]
    lonely = faults(private_key_file=None, webhook_secret_file=None, deployments=None)
    assert [path for path, _ in lonely] == [
        "github.deployments",
        "github.private_key_file",
        "github.webhook_secret_file",
    ]


@pytest.mark.parametrize(
    ("other", "path"),
    [
        ({"api": "http://api.github.com"}, "github.api"),
        ({"api": "https://user:pw@api.github.com"}, "github.api"),
        ({"api": "https://api.github.com/?x=1"}, "github.api"),
        ({"app": "an app"}, "github.app"),
        ({"app": True}, "github.app"),
        (
            {"deployments": [{"repository": "dms", "environment": "x"}]},
            "github.deployments[0].repository",
        ),
        ({"deployments": [{"repository": "a/b"}]}, "github.deployments[0].environment"),
        (
            {"deployments": [{"repository": "a/b", "environment": "x", "ref": "v1"}]},
            "github.deployments[0].ref",
        ),
        (
            {
                "deployments": [
                    {"repository": "a/b", "environment": "x"},
                    {"repository": "A/b", "environment": "X", "ref": "dms-{release}"},
                ]
            },
            "github.deployments[1]",
        ),
    ],
)
def test_a_setting_that_would_show_a_token_or_mean_two_things_is_refused(
    faults, other, path
):
    assert [where for where, _ in faults(**other)] == [path]


def test_a_github_of_ones_own_has_its_base_in_the_settings(faults):
    assert faults(api="https://github.example.com/api/v3") == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("app.pem", b"-----BEGIN RSA PRIVATE KEY-----\nhunter2", 0o600), "App's"),
        (("app.pem", SMALL, 0o600), "App's private"),
        (("app.pem", PEM, 0o622), "may be written by others"),
        (("secret", b"It's a Secret to Everybody", 0o600), "secret of an example"),
        (("secret", b"hunter2", 0o600), "does not hold a long secret"),
        (("secret", b"0" * 64, 0o600), "does not hold a long secret"),
        (("secret", SECRET, 0o602), "may be written by others"),
    ],
)
def test_a_key_and_a_secret_are_ones_or_are_refused_and_not_shown(
    faults, tmp_path, given, why
):
    name, text, mode = given
    file = tmp_path / name
    file.write_bytes(text)
    file.chmod(mode)

    ((path, words),) = faults()
    assert path.startswith("github.")
    assert why in words
    assert "hunter2" not in words


def test_json_is_what_is_posted(desk, hub):
    desk.ask()
    desk.turn()

    assert json.dumps(hub.reviews)
    headers = dict(hub.came[-1][1])
    assert headers["accept"] == "application/vnd.github+json"
    assert headers["x-github-api-version"] == "2022-11-28"
