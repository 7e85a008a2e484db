"""The past through ``watchdog backtest`` is the past that the daemon saw."""

import json
import os
import random
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.judge.samples import awb, down, http_5xx, outbox
from tests.real import prometheus as real
from tests.real import remote
from tests.real.test_queries import AT, SCRAPE, SECOND, is_down, latency, past, ratio
from tests.real.test_queries import drain as drained
from tests.worlds import rules as chosen
from watchdog.__main__ import app
from watchdog.facts.problem import Problem
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trigger import Latency, Queue, Ratio, RatioQuery, Release, Value
from watchdog.facts.verdict import Breached, kind_of
from watchdog.judge.breach import judge
from watchdog.observe.history import Past, moment
from watchdog.observe.prometheus import Prometheus
from watchdog.show.backtest import page, picture, words

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

MINUTE = timedelta(minutes=1)
POLL = 5 * SECOND
LONG_AGO = datetime.fromtimestamp(0, UTC)
CASES = [
    *map(
        ratio,
        (
            "ten-per-cent", "last-two-minutes", "dip", "two-minute-gap", "gone",
            "never-born", "errors-only", "reset", "idle", "one-of-one", "burst",
            "not-a-number", "no-such-case",
        ),
    ),
    awb(kind=ratio("ten-per-cent").kind),
    awb(kind=ratio("burst").kind),
    *map(latency, ("slow", "quick", "no-bucket", "half-with-bucket", "no-such-case")),
    *map(drained, ("dead-drain", "sawtooth", "no-such-case")),
    *map(is_down, ("down", "just-down", "up", "lost", "two")),
    ratio(
        "ten-per-cent",
        kind=RatioQuery(
            'increase(errors{case="ten-per-cent"}[{{ window }}])',
            'increase(total{case="ten-per-cent"}[{{ window }}])',
        ),
    ),
    ratio("x", kind=Ratio("errors{", "total")),
]  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with real.running(tmp_path_factory.mktemp("prometheus"), past()) as url:
        yield url


def looking(url, **more):
    return closing(Past(url, SCRAPE * SECOND, POLL, **more))


def live(url):
    return closing(Prometheus(url, 5 * SECOND, SCRAPE * SECOND, POLL))


def said_by_the_daemon(far_end, trigger, since, until, *, started, armed_from):
    """Judge at each poll as the daemon does: read, then judge."""
    at = since
    while at <= until:
        yield at, judge(trigger, far_end.read(trigger, at, started), armed_from)
        at += POLL


def same(track, at, verdict):
    one = next(one for one in track.stretches if one.since <= at < one.until)
    cause = str(verdict.cause) if isinstance(verdict, Blind) else one.cause
    assert (one.kind, one.cause) == (kind_of(verdict), cause), (at, one, verdict)
    if isinstance(verdict, Breached):
        assert (one.cause == "elsewhere") == bool(verdict.elsewhere)
    if at == one.since and one.kind != "breached":
        assert one.words == verdict.words


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("young", [False, True], ids=["old", "young"])
def test_at_every_poll_a_backtest_says_what_the_daemon_said(url, case, young):
    trigger = replace(CASES[case], name=f"T{case}")
    since, until = AT - 13 * MINUTE, AT + 4 * MINUTE
    started = AT - 9 * MINUTE if young else None
    armed_from = started + 2 * SCRAPE * SECOND if started else LONG_AGO
    with looking(url) as there:
        grid = there.grid(trigger, since, until, POLL)
        track = there.track(
            trigger, since, until, step=POLL, armed_from=armed_from, started=started
        )
    with live(url) as far_end:
        first = grid.first + grid.lag
        said = list(
            said_by_the_daemon(
                far_end, trigger, first, until, started=started, armed_from=armed_from
            )
        )

    assert track.judged == len(said)
    for at, verdict in said[:-1]:
        same(track, at, verdict)


@pytest.mark.parametrize(
    "most_points", [pytest.param(1, marks=pytest.mark.campaign), 7, 33, 240]
)
def test_the_size_of_an_ask_does_not_change_the_result(url, most_points):
    some = [CASES[case] for case in (0, 2, 5, 14, 15, 20, 23)]
    for trigger in some:
        with looking(url) as there:
            whole = judged(there, trigger, POLL)
        with looking(url, most_points=most_points) as there:
            assert judged(there, trigger, POLL if most_points > 1 else MINUTE) == (
                whole if most_points > 1 else judged(there, trigger, MINUTE)
            )


def judged(there, trigger, step):
    since, until = AT - 11 * MINUTE, AT + 2 * MINUTE
    return there.track(trigger, since, until, step=step, armed_from=LONG_AGO)


def test_judged_more_seldom_it_says_the_same_at_the_instants_that_are_left(url):
    for trigger in (CASES[0], CASES[2], CASES[13], CASES[23]):
        with looking(url) as there:
            often, seldom = (
                judged(there, trigger, step) for step in (POLL, 45 * SECOND)
            )
        for one in seldom.stretches:
            then = next(o for o in often.stretches if o.since <= one.since < o.until)
            assert (one.kind, one.cause) == (then.kind, then.cause)


@pytest.mark.campaign  # in short: test_the_size_of_an_ask_does_not_change_the_result
@pytest.mark.parametrize("case", [0, 20], ids=["ratio", "queue"])
def test_what_was_answered_is_not_asked_again_to_judge_it_exactly(url, case):
    asked = []

    class Counting(Past):
        def stretch(self, ask, take):
            asked.append(ask)
            return super().stretch(ask, take)

    trigger = CASES[case]
    with closing(Counting(url, SCRAPE * SECOND, POLL)) as there:
        track = there.track(
            trigger,
            AT - 13 * MINUTE,
            AT + 4 * MINUTE,
            step=trigger.block,
            armed_from=LONG_AGO,
        )

    assert any(one.kind in ("pending", "breached") for one in track.stretches)
    assert len(asked) == 1


def test_a_server_that_takes_few_samples_at_once_is_asked_for_less(tmp_path):
    samples = [
        (f"x_{part}", {"case": str(n)}, [(1e9 + 15 * k, 10.0 * k) for k in range(700)])
        for part in ("bad", "all")
        for n in range(20)
    ]
    begin = datetime.fromtimestamp(1e9, UTC)
    trigger = http_5xx(kind=Ratio("x_bad", "x_all"), above=0.5)
    with remote.running(tmp_path, "--query.max-samples=30000") as url:
        remote.write(url, samples)
        with looking(url) as there:
            since, until = begin + 10 * MINUTE, begin + 170 * MINUTE
            track = there.track(trigger, since, until, step=POLL, armed_from=LONG_AGO)

    assert [one.kind for one in track.stretches] == ["breached"]
    assert track.measured == 1


def test_what_the_server_refuses_is_blind_with_its_words(url):
    with looking(url) as there:
        track = judged(there, CASES[-1], POLL)

    assert [(one.kind, one.cause) for one in track.stretches] == [("blind", "rejected")]
    assert "parse error" in track.stretches[0].words
    assert track.measured == 0


def test_a_server_that_goes_away_leaves_blind_time_not_clear_time(tmp_path):
    with remote.running(tmp_path) as url:
        pass
    with looking(url, timeout=2 * SECOND) as there:
        track = judged(there, CASES[0], MINUTE)

    assert {one.cause for one in track.stretches} == {str(Cause.UNREACHABLE)}


# The whole file, for people.


def a_release(*triggers):
    return Release(
        "v1.3.0", "dms:v1.3.0", {}, triggers, ("asha@flexli.example",), "asha", "v1.2.0"
    )


def whole(url, *triggers, **how):
    since, until = AT - 20 * MINUTE, AT + 5 * MINUTE
    with looking(url) as there:
        return there.backtest(a_release(*triggers), since, until, **how)


def test_the_first_line_says_what_would_have_fired(url):
    done = whole(url, ratio("ten-per-cent"), is_down("up"), step=POLL)
    said = words(done, chosen()).splitlines()

    assert said[0] == "v1.3.0: would have fired once: Http5xxRate"
    assert any("worst 10%" in line for line in said)
    assert any("paused promotion and asked asha@flexli.example" in one for one in said)


def test_time_that_was_not_measured_is_never_time_in_which_nothing_fired(url):
    done = whole(url, is_down("up"))
    said = words(done, chosen())

    assert "v1.3.0: would not have fired in the " in said.splitlines()[0]
    assert "of the time that was measured" in said.splitlines()[0]
    assert "  blind    stale:" in said


def test_a_release_without_a_sample_is_not_said_to_be_quiet(url):
    done = whole(url, ratio("no-such-case"))
    said = words(done, chosen())

    assert said.startswith("v1.3.0: nothing was measured in this period")
    assert "never measured: whether it would have fired is not known" in said
    assert "would not have fired" not in said


def test_a_release_that_started_is_judged_from_then_until_its_watch_is_over(url):
    started = AT - 12 * MINUTE
    release = replace(a_release(ratio("ten-per-cent")), watch_for=9 * MINUTE)
    with looking(url) as there:
        done = there.backtest(
            release,
            AT - 20 * MINUTE,
            AT,
            step=POLL,
            started=started,
            settle=30 * SECOND,
        )

    track = done.tracks[0]
    assert (done.since, done.until) == (started, started + 9 * MINUTE)
    fired = track.of("breached")
    assert len(fired) == 1
    # Five minutes after it settled, as of its newest scrape.
    wait = fired[0].since - started - 30 * SECOND
    assert 5 * MINUTE <= wait <= 5 * MINUTE + POLL + SCRAPE * SECOND
    assert fired[0].cause == "elsewhere"  # it was no better before
    assert "not this release" in words(done, chosen())


def test_an_immediate_trigger_would_have_rolled_back(url):
    trigger = replace(
        awb(kind=ratio("ten-per-cent").kind), action=type(awb().action)("rollback")
    )
    said = words(whole(url, trigger), chosen())

    assert "would have rolled back to v1.2.0 at once" in said


def test_an_empty_period_is_refused(url):
    with looking(url) as there, pytest.raises(Problem, match="the period ends at"):
        there.backtest(a_release(is_down("up")), AT, AT)


def test_a_moment_is_a_time_or_so_long_ago():
    assert moment("90m", AT, "--since") == AT - 90 * MINUTE
    assert moment("now", AT, "--until") == AT
    assert moment("2026-03-11T04:00:00+01:00", AT, "--since") == AT - 15 * SECOND
    assert moment("2026-03-11", AT, "--since") == datetime(2026, 3, 11, tzinfo=UTC)
    with pytest.raises(Problem, match=r"--since: .* is neither a duration nor a time"):
        moment("yesterday", AT, "--since")


# The page.


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_one_whole_file_without_scripts_or_far_ends(url):
    nasty = replace(ratio("ten-per-cent"), name="A<script>alert(1)</script>")
    done = whole(url, nasty, latency("slow"), drained("dead-drain"), is_down("lost"))

    text = page(done, chosen())
    seen = Page(text)

    tags = {tag for tag, _ in seen.tags}
    assert not seen.open
    assert not tags & {"script", "link", "img", "iframe"}
    for _, attrs in seen.tags:
        assert not {"src", "onclick", "onload"} & set(attrs)
    assert "http://" not in text
    assert "prefers-color-scheme:dark" in text
    plots = [attrs for tag, attrs in seen.tags if tag == "svg" and "role" in attrs]
    assert len(plots) == 4
    assert all(attrs["aria-label"] for attrs in plots)
    marks = [attrs.get("class") for tag, attrs in seen.tags if tag == "rect"]
    assert {"fire", "blind", "pend"} <= set(marks)


def test_the_json_holds_every_firing_and_every_blind_stretch(url):
    done = whole(url, ratio("two-minute-gap"), is_down("lost"))

    made = json.loads(json.dumps(picture(done, chosen())))

    gap, lost = made["triggers"]
    assert made["since"] == "2026-03-11T02:40:15Z"
    assert gap["fired"][0]["decided"].startswith("would have paused promotion")
    assert [one["cause"] for one in lost["blind"]][-1] == "no-series"
    for one in made["triggers"]:
        spent = sum(one["seconds"].values())
        blind = sum(stretch["seconds"] for stretch in one["blind"])
        assert one["measured"] == pytest.approx(1 - blind / spent)


# The command.


@pytest.fixture(scope="module")
def stage(url, tmp_path_factory):
    """Give settings and a release file about the past above."""
    folder = tmp_path_factory.mktemp("stack")
    here = Path(__file__).parents[2] / "config"
    text = (here / "watchdog.yaml").read_text()
    text = text.replace("http://localhost:9090", url)
    text = text.replace("/stack", str(folder)).replace("/var/lib", str(folder))
    (folder / "watchdog.yaml").write_text(text)
    (folder / "approvers.yaml").write_text((here / "approvers.yaml").read_text())
    (folder / "releases").mkdir()
    (folder / "releases" / "v1.3.0.yaml").write_text(
        (here / "releases" / "v1.3.0.yaml")
        .read_text()
        .replace('up{job="dms"}', 'up{case="down"}')
    )
    return folder


def run(stage, *given, config="watchdog.yaml"):
    done = CliRunner().invoke(app, [*map(str, given), "-c", str(stage / config)])
    if isinstance(done.exception, Problem):
        return 2, done.stdout, str(done.exception)
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done.exit_code, done.stdout, done.stderr


DRAFT = """
release: v9.9.9
image: shop:v9.9.9
manifests: {}
rollback_safe: true
dri: [asha@flexli.example]
approved_by: asha@flexli.example
watch_for: 1h
triggers:
  - alert: Failing
    ratio: {errors: x_bad, total: x_all}
    above: 1%
    window: 5m
    action: rollback
"""
PERIOD = ("--since", "2026-03-11T02:40:00Z", "--until", "2026-03-11T03:00:00Z")


def test_the_command_says_it_and_writes_the_page(stage):
    file = stage / "backtest.html"

    status, said, error = run(stage, "backtest", "v1.3.0", *PERIOD, "--html", file)

    assert (status, error) == (0, "")
    assert said.startswith("v1.3.0: would have fired once: DmsDown; never measured: ")
    assert "Http5xxRate" in file.read_text()


def test_the_command_gives_json(stage):
    status, said, _ = run(
        stage, "backtest", "v1.3.0", *PERIOD, "--json", "--step", "poll"
    )

    assert status == 0
    assert json.loads(said)["triggers"][-1]["step_seconds"] == 5


def test_starts_are_laid_over_it_with_prometheus_alone(tmp_path, stage):
    chance = random.Random(3)
    begin = datetime(2026, 3, 11, tzinfo=UTC)
    bad = every = 0.0
    series = {"x_bad": [], "x_all": []}
    for tick in range(4 * 240):
        fails = 0.5 if 600 <= tick < 640 else 0.002
        every += 20
        bad += sum(chance.random() < fails for _ in range(20))
        at = begin.timestamp() + SCRAPE * tick
        series["x_bad"].append((at, bad))
        series["x_all"].append((at, every))
    settings = (stage / "watchdog.yaml").read_text()
    settings = settings.replace(str(stage), str(tmp_path / "nowhere"))
    release = tmp_path / "v9.9.9.yaml"
    release.write_text(DRAFT)
    period = ("--since", "2026-03-11", "--until", "2026-03-11T04:00:00Z")
    with remote.running(tmp_path) as url:
        remote.write(url, [(name, {}, some) for name, some in series.items()])
        lines = [
            f"  url: {url}" if line.startswith("  url: http://127.0.0.1") else line
            for line in settings.splitlines()
        ]
        (tmp_path / "watchdog.yaml").write_text("\n".join(lines))
        page_ = tmp_path / "page.html"
        more = ("--starts", 12, "--inject", "50%", "--json", "--html", page_)
        status, said, error = run(tmp_path, "backtest", release, *period, *more)

        assert (status, error) == (0, "")
        done = json.loads(said)
        fired = [one for one in done["starts"]["fired"] if one["rolled_back"]]
        first = fired[0]
        _, alone, _ = run(
            tmp_path, "backtest", release, *period, "--started", first["started"],
            "--json",
        )  # fmt: skip

    incident = begin + 600 * SCRAPE * SECOND
    met = [
        one
        for one in map(datetime.fromisoformat, done["starts"]["began"])
        if incident - 59 * MINUTE < one < incident - MINUTE
    ]
    assert met
    assert done["starts"]["rolled_back"] == len(fired) >= len(met)
    assert len(done["triggers"][0]["fired"]) == 1
    said_then = json.loads(alone)["triggers"][0]["fired"][0]["since"]
    apart = datetime.fromisoformat(said_then) - datetime.fromisoformat(first["at"])
    assert abs(apart) <= SCRAPE * SECOND
    found = done["injected"][0]["delays_seconds"]
    # One that starts in the incident is not charged with it.
    started = map(datetime.fromisoformat, done["starts"]["began"])
    for one, delay in zip(started, found, strict=True):
        assert delay < 300 if one < incident - MINUTE else delay is None or delay > 0
    text = page_.read_text()
    assert not Page(text).open
    assert 'id="starts"' in text
    assert 'id="injected-Failing"' in text


def test_what_is_to_be_laid_over_it_is_refused_with_a_reason(stage):
    for more, why in (
        (("--starts", 5, "--started", "2026-03-11T02:45:00Z"), "is one start"),
        (("--inject", "150%"), "--inject"),
        (("--starts", 5), "each start is watched for 1d"),
    ):
        status, _, error = run(stage, "backtest", "v1.3.0", *PERIOD, *more)

        assert status == 2
        assert why in error


def test_the_command_ends_with_1_when_nothing_was_measured(stage):
    status, said, _ = run(
        stage, "backtest", "v1.3.0", "--since", "2020-01-02", "--until", "2020-01-03"
    )

    assert status == 1
    assert "nothing was measured" in said


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("v9.9.9",), "no release file for v9.9.9 in"),
        (("v1.3.0", "--since", "soon"), "neither a duration nor a time"),
        (("v1.3.0", "--step", "0s"), "--step: 0s is no step"),
        (("v1.3.0", "--step", "often"), "--step: "),
        (("v1.3.0", "--since", "1h", "--until", "2h"), "the period ends at"),
        (("no/such.yaml",), "there is no such file"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(stage, given, why):
    status, said, error = run(stage, "backtest", *given)

    assert (status, said) == (2, "")
    assert why in error
    assert "Traceback" not in error


def test_an_unreachable_prometheus_is_one_clear_error(stage):
    text = (stage / "watchdog.yaml").read_text()
    other = stage / "unreachable.yaml"
    other.write_text(
        "\n".join(
            "  url: http://127.0.0.1:1" if "  url: http://127" in line else line
            for line in text.splitlines()
        )
    )

    done = subprocess.run(
        [sys.executable, "-m", "watchdog", "backtest", "v1.3.0", "-c", other],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (5, "")
    assert "did not answer: connection refused" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_rules_and_schema_are_written_to_a_file_or_to_the_terminal(stage):
    file = stage / "rules.yml"

    assert run(stage, "export-rules", "v1.3.0", "--out", file)[0] == 0
    checked = subprocess.run(["promtool", "check", "rules", file], check=False)
    assert checked.returncode == 0
    assert run(stage, "export-rules", "v1.3.0")[1] == file.read_text()
    done = CliRunner().invoke(app, ["schema"])
    assert json.loads(done.stdout)["title"].startswith("Release file")


def test_random_pasts_are_judged_as_the_daemon_judged_them(tmp_path):
    seed = int(os.environ.get("SEED") or random.randrange(10**6))
    print(f"seed {seed}")
    chance = random.Random(seed)
    begin = datetime(2026, 3, 11, tzinfo=UTC)
    count = 200
    series, level = [], dict.fromkeys(("bad", "all", "depth", "in", "out"), 0.0)
    samples = {name: [] for name in (*level, "up")}
    mode = "fine"
    for tick in range(count):
        if chance.random() < 0.06:
            mode = chance.choice(
                ["fine", "fine", "bad", "slow", "gone", "down", "idle"]
            )
        came = 0 if mode == "idle" else chance.randrange(20, 60)
        level["all"] += came
        level["in"] += came
        level["bad"] += came // 5 if mode == "bad" else chance.random() < 0.1
        level["out"] += came // 3 if mode == "slow" else came
        level["depth"] = level["in"] - level["out"]
        if chance.random() < 0.01:
            level |= dict.fromkeys(("bad", "all"), 0.0)
        at = begin.timestamp() + 15 * tick + 4
        if mode == "gone" or chance.random() < 0.02:
            continue
        for name, value in level.items():
            samples[name].append((at, value))
        samples["up"].append((at, float(mode != "down")))
    series = [(name, {}, some) for name, some in samples.items()]
    triggers = [
        http_5xx(kind=Ratio("bad", "all")),
        awb(kind=Ratio("bad", "all")),
        outbox(kind=Queue("depth", "in", "out")),
        down(kind=Value("up"), window=MINUTE),
        http_5xx(kind=Latency("h", SECOND / 2, 0.95)),
    ]
    started = begin + 12 * MINUTE
    armed_from = started + 30 * SECOND
    with remote.running(tmp_path) as url:
        remote.write(url, series)
        with looking(url) as there, live(url) as far_end:
            for trigger in triggers:
                until = begin + 45 * MINUTE
                track = there.track(
                    trigger,
                    started,
                    until,
                    step=POLL,
                    armed_from=armed_from,
                    started=started,
                )
                first = track.stretches[0].since
                for at, verdict in said_by_the_daemon(
                    far_end,
                    trigger,
                    first,
                    until - POLL,
                    started=started,
                    armed_from=armed_from,
                ):
                    same(track, at, verdict)
