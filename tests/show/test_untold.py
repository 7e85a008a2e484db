"""What nobody took is seen: in the status, and in the metrics."""

from datetime import timedelta

import pytest
import yaml

from tests.notify.test_sender import HOLD, Post
from tests.worlds import AT, MINUTE, SECOND, rules
from watchdog.config.settings_file import load
from watchdog.decide.standing import Standing
from watchdog.facts.problem import Problem
from watchdog.notify.channel import NotTaken
from watchdog.record.journal import Journal
from watchdog.record.outbox import Outbox
from watchdog.show.metrics import Pulse, Standings, page
from watchdog.show.status import picture, words
from watchdog.wiring.channels import telling_of
from watchdog.wiring.chosen import untold_of
from watchdog.wiring.clock import RealClock


class Deaf:
    """A channel that takes nothing, for ever or for now."""

    name = "bridge"
    final = False

    def send(self, message, at):
        raise NotTaken("bridge.example answered 503", final=self.final)


@pytest.fixture
def post(tmp_path):
    post = Post(tmp_path, "http://127.0.0.1:1")
    post.hook = Deaf()
    yield post
    post.close()


def lines(post, at, untold=None):
    whole = picture(
        Standing(),
        None,
        rules(),
        None,
        poll=5 * SECOND,
        at=at,
        untold=post.outbox.backlog() if untold is None else untold(),
    )
    said = words(whole).splitlines()
    return [line.split(maxsplit=1)[1] for line in said if line.startswith("untold ")]


def counted(untold):
    pulse = Pulse(1, 0.1, 0, is_fresh=True)
    text = page(Standings(Standing, lambda: None, lambda: pulse, lambda: True, untold))
    return [
        line.removeprefix("watchdog_messages_")
        for line in text.decode().splitlines()
        if line.startswith("watchdog_messages_")
    ]


def test_what_waits_for_longer_than_a_minute_is_said_with_the_reason(post):
    post.journal.append(AT, HOLD, HOLD)
    post.tell()

    assert lines(post, AT + 59 * SECOND) == []
    (line,) = lines(post, AT + MINUTE)
    assert line == (
        "bridge: 2 wait, the first since 2026-03-11T03:00:00Z: "
        "bridge.example answered 503"
    )
    assert counted(post.outbox.backlog) == [
        'waiting{channel="bridge"} 2.0',
        f'oldest_timestamp_seconds{{channel="bridge"}} {AT.timestamp():.6e}',
        'given_up{channel="bridge"} 0.0',
    ]


def test_what_was_given_up_is_said_for_a_week_and_counted_for_ever(post):
    post.hook.final = True
    post.journal.append(AT, HOLD)
    post.tell()

    (line,) = lines(post, AT + SECOND)
    assert line.startswith("bridge: 1 given up, the last 2026-03-11T03:00:00Z: ")
    assert lines(post, AT + timedelta(days=7)) == []
    assert 'given_up{channel="bridge"} 1.0' in counted(post.outbox.backlog)


def test_what_was_taken_is_not_said(post):
    assert lines(post, AT + MINUTE) == []
    assert counted(post.outbox.backlog) == []


def test_an_outbox_that_cannot_be_read_is_not_taken_for_an_empty_one(post):
    assert lines(post, AT, untold=lambda: None) == [
        "not known: the outbox cannot be read"
    ]
    assert counted(lambda: None) == []


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "stack").mkdir()
    (tmp_path / "state").mkdir()
    path = tmp_path / "watchdog.yaml"
    whole = {
        "stack": {"directory": str(tmp_path / "stack")},
        "state": str(tmp_path / "state"),
        "notify": {"slack": [{"name": "room", "url": "http://127.0.0.1:1"}]},
    }
    path.write_text(yaml.safe_dump(whole))
    return load(path, {})


def test_the_command_line_reads_the_outbox_beside_a_daemon_that_writes_it(settings):
    assert untold_of(settings) == []
    post = Post(settings.state, "http://127.0.0.1:1")
    post.journal.append(AT, HOLD)
    post.hook = Deaf()
    post.tell()
    assert untold_of(settings) == []  # a channel that is not in the settings any more
    post.hook.name = "room"
    post.outbox.put("room", 0, (), AT)
    post.tell()

    (one,) = untold_of(settings)
    assert (one.channel, one.waiting, one.since) == ("room", 1, AT)
    post.close()


def test_the_command_line_says_that_the_heartbeat_is_refused(settings, tmp_path):
    path = tmp_path / "watchdog.yaml"
    path.write_text(f"{path.read_text()}heartbeat: {{url: http://127.0.0.1:1}}\n")
    beating = load(path, {})
    assert untold_of(beating) == []
    post = Post(settings.state, "http://127.0.0.1:1")
    for minute, why in enumerate(("answered 404", "answered 500")):
        post.outbox.unheard("heartbeat", why, AT + minute * MINUTE)

    (one,) = untold_of(beating)
    assert (one.channel, one.waiting, one.since) == ("heartbeat", 1, AT)
    assert one.error == "answered 500"
    assert untold_of(settings) == []  # no heartbeat is in the settings any more
    post.outbox.unheard("heartbeat", "", AT)
    assert untold_of(beating) == []
    post.close()


def test_a_damaged_outbox_is_said_with_what_to_do(settings):
    (settings.state / "outbox.db").write_bytes(b"no database" * 999)

    assert untold_of(settings) is None
    with pytest.raises(OSError, match="cannot be used"):
        Outbox(settings.state)
    journal = Journal(settings.state)
    with pytest.raises(Problem) as problem:
        telling_of(settings, journal, RealClock())
    journal.close()
    assert "aside" in problem.value.hint
