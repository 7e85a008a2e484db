"""A job that left the configuration is not green for the five-minute look-back."""

import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.real import prometheus as real
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trigger import Action, Trigger, Value
from watchdog.facts.verdict import Breached, Clear
from watchdog.judge.breach import judge
from watchdog.observe.arming import try_out
from watchdog.observe.asleep import Asleep
from watchdog.observe.fresh import fresh
from watchdog.observe.prometheus import Prometheus

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
SCRAPE = 15 * SECOND
# The last scrape of a job that was renamed: nobody marks its series stale.
END = datetime(2026, 3, 11, 3, 0, 0, tzinfo=UTC)
LAST = END.timestamp()
LONG_AGO = END - timedelta(days=1)
PACE = (20 * SECOND, SECOND, SECOND)
DOWN = Trigger(
    name="DmsDown",
    kind=Value('up{job="dms"}'),
    action=Action.ROLLBACK,
    window=MINUTE,
    sustained=True,
    block=MINUTE,
    below=1.0,
)
# Each is fine while the job is scraped.
EXPRESSIONS = [
    'up{job="dms"}',
    'up{job="dms"} == 1',
    'count(up{job="dms"} == 1)',
    'count(up{job="dms"} == 1) or vector(0)',
    'sum by (job) (up{job="dms"}) / on (job) group_left () count by (job) (up)',
    '1 - absent(up{job="dms"}) or vector(1)',
    'max_over_time(up{job="dms"}[15s:5s])',
    'min(up{job="dms"} # the only one\n)',
    '{__name__="up",job="dms"}',
]


@pytest.fixture(scope="module", params=real.BINARIES)
def server(request, tmp_path_factory):
    lines = [
        *(
            real.line("up", {"job": "dms"}, 1, LAST - 15 * n)
            for n in range(240, -1, -1)
        ),
        *(real.line("rare", {}, 1, LAST - 120 * n) for n in range(40, -11, -1)),
    ]
    folder = tmp_path_factory.mktemp("gone")
    with real.asked(request.param, folder, lines) as asked:
        yield asked


def verdict(server, expr, after, **other):
    trigger = replace(DOWN, kind=Value(expr), **other)
    return judge(trigger, server.read(trigger, END + after), LONG_AGO)


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_a_value_is_clear_while_it_is_scraped_and_not_two_scrapes_later(server, expr):
    assert isinstance(verdict(server, expr, 10 * SECOND), Clear)
    for after in (70, 90, 150, 290):
        seen = verdict(server, expr, after * SECOND)
        assert not isinstance(seen, Clear | Breached), (after, seen)


def test_what_is_no_longer_scraped_is_a_breach_once_nobody_doubts_it(server):
    expr = 'count(up{job="dms"} == 1) or vector(0)'

    seen = verdict(server, expr, 60 * SECOND)
    assert isinstance(seen, Blind)
    assert seen.cause is Cause.STALE
    assert "older than two scrapes" in seen.words
    assert isinstance(verdict(server, expr, 400 * SECOND), Breached)


@pytest.mark.parametrize("after", range(5, 245, 20))
def test_a_series_that_is_scraped_rarely_is_never_taken_for_gone(server, after):
    seen = verdict(server, "count(rare) or vector(0)", after * SECOND)

    assert not isinstance(seen, Breached)


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_a_trial_within_five_minutes_of_a_renamed_job_is_not_green(server, expr):
    trigger = replace(DOWN, kind=Value(expr))

    assert try_out(server, trigger, SCRAPE, END + 10 * SECOND).is_proven
    trial = try_out(server, trigger, SCRAPE, END + 100 * SECOND)
    assert not trial.is_proven, trial


@pytest.mark.parametrize(
    "expr",
    [
        "sum by (job) (up)",
        "sum(up) by (job, up)",
        "rate(x[5m]) > bool 1e-3",
        "time() - timestamp(up) < 60",
        "up offset 5m > 1 unless on () absent(up @ end() offset 1m)",
        'label_replace(up, "a", "$1", "job", "(.*)") # or up',
        'histogram_quantile(0.9, sum by (le) (rate(h_bucket{a="}"}[5m])))',
        "max_over_time(up[5m:15s] offset 1m) + 0x1f + Inf - 5e+3",
        'count_values without (job) ("up", up)',
        "-up ^ 2 % 3 atan2 1",
    ],
)
def test_what_is_rewritten_is_still_understood(server, expr):
    for text in (expr, fresh(expr, "30s")):
        assert not isinstance(server.instant(text, END), Blind), text


# A server that was down.

OR_NONE = 'count(up{job="dms"} == 1) or vector(0)'
OTHER = """
global: {scrape_interval: 1s}
scrape_configs:
- {job_name: other, static_configs: [{targets: ["127.0.0.1:9"]}]}
"""


def now_of(server, expr, **other):
    now = server.now()
    trigger = replace(DOWN, kind=Value(expr), **other)
    return judge(trigger, server.read(trigger, now), now - timedelta(days=1))


@pytest.mark.parametrize("tools", real.BINARIES)
def test_a_server_that_just_started_has_scraped_nothing_and_not_nought(tmp_path, tools):
    """Ten minutes ago it went down, with all fine: of that time nothing is known."""
    then = datetime.now(UTC).timestamp() - 600
    fine = [real.line("up", {"job": "dms"}, 1, then - n) for n in range(300, -1, -1)]
    with (
        real.taken_from(tools),
        real.running(tmp_path, fine, scrapes=OTHER) as url,
        closing(Prometheus(url, *PACE)) as far_end,
    ):
        for expr in (OR_NONE, '1 - absent(up{job="dms"}) or vector(1)'):
            assert isinstance(now_of(far_end, expr), Blind), expr
        # From its first scrapes on it is as ever: of no series there is none.
        until, short = time.monotonic() + 90, 3 * SECOND
        while not isinstance(seen := now_of(far_end, OR_NONE, window=short), Breached):
            assert time.monotonic() < until, seen
            time.sleep(0.2)
        assert not isinstance(now_of(far_end, OR_NONE, window=9 * MINUTE), Breached)


def test_a_server_that_does_not_say_when_it_started_is_taken_at_its_word(server):
    class Silent:
        def told(self, path, **_):
            assert path == "/api/v1/status/runtimeinfo"
            return Blind(Cause.REJECTED, "404 page not found")

    trigger = replace(DOWN, kind=Value(OR_NONE))
    looks = server.read(trigger, END).looks

    assert Asleep(Silent(), SCRAPE).awake(trigger, looks, None, END) == looks
