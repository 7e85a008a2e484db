"""Our value triggers against Prometheus' own alerting rules, at every evaluation.

``promtool test rules`` runs Prometheus' rule manager and engine over given series.
We read the very same samples back from a running Prometheus, and judge them.
"""

import os
import random
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from tests.judge.samples import down
from tests.real import prometheus as real
from tests.real import remote
from watchdog.facts.trigger import Release, Value
from watchdog.facts.verdict import Breached, Pending
from watchdog.judge.breach import judge
from watchdog.observe.history import Past
from watchdog.observe.prometheus import Prometheus
from watchdog.show.rules import rules

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not real.is_there(), reason="no `prometheus` here"),
]

SECOND = timedelta(seconds=1)
SCRAPE, POLL = 15 * SECOND, 5 * SECOND
BEGIN = datetime(2026, 3, 11, 3, 0, tzinfo=UTC)
LONG_AGO = datetime.fromtimestamp(0, UTC)
LENGTH = 40 * 60
BOUND = 5.0
TRIGGERS = int(os.environ.get("TRIGGERS") or 10)


def telegraph(chance, window):
    """Invent a series that stays on one side for about as long as the window."""
    values = []
    while len(values) <= LENGTH // 15:
        side = chance.choice([-1, 1])
        run = max(1, round(chance.gauss(1, 0.5) * window / 15))
        for _ in range(run):
            # Now and then the bound itself, which is not past it.
            far = chance.choice([0.25, 1, 40]) if chance.random() < 0.97 else 0
            values.append(BOUND + side * far)
    return values[: LENGTH // 15 + 1]


def invent(chance):
    """Give triggers, each about one to three series of its own."""
    for number in range(TRIGGERS):
        window = chance.choice([15, 30, 37, 60, 75, 120, 180, 300])
        kind = chance.choice(
            ['m{{case="{}"}}', 'm{{case="{}"}} * 1', 'm{{case="{}"}} ']
        )
        is_above = chance.random() < 0.5
        trigger = down(
            name=f"T{number}",
            kind=Value(kind.format(number).strip()),
            window=window * SECOND,
            block=SCRAPE,
            above=BOUND if is_above else None,
            below=None if is_above else BOUND,
        )
        pods = "abc"[: chance.choice([1, 1, 2, 3])]
        yield trigger, {pod: telegraph(chance, window) for pod in pods}


def states(track):
    """Tell for each evaluation what the judge says: firing, pending or neither."""
    found = {}
    for seconds in range(0, LENGTH + 1, 5):
        at = BEGIN + seconds * SECOND + SCRAPE
        one = next(one for one in track.stretches if one.since <= at < one.until)
        found[seconds] = {"breached": "firing", "pending": "pending"}.get(one.kind, "")
    return found


def alone(name, state):
    """Ask whether any series of an alert is in *state*, and none further."""
    asked = f'clamp_max(count(ALERTS{{alertname="{name}",alertstate="{state}"}}), 1)'
    firing = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    return asked if state == "firing" else f"{asked} unless {firing}"


def a_test(cases, said):
    """Write the unit test of the rules: what we say is what is expected."""
    return {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "5s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [
                    {
                        "series": f'm{{case="{trigger.name[1:]}",pod="{pod}"}}',
                        "values": " ".join(f"{value:g}" for value in values),
                    }
                    for trigger, series in cases
                    for pod, values in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": alone(name, state),
                        "eval_time": f"{seconds}s",
                        "exp_samples": [{"labels": "{}", "value": 1}]
                        if seen == state
                        else [],
                    }
                    for name, found in said.items()
                    for seconds, seen in found.items()
                    for state in ("firing", "pending")
                ],
            }
        ],
    }


def referee(folder, cases, said):
    """Let promtool compare; give its exit status and what it says."""
    release = Release("v1", "dms:v1", {}, tuple(one for one, _ in cases), ("asha",))
    text = rules(release).replace("interval: 15s", "interval: 5s")
    (folder / "rules.yml").write_text(text)
    (folder / "test.yml").write_text(yaml.safe_dump(a_test(cases, said)))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def write(url, cases):
    """Write the series of *cases*, all side by side, as they were scraped."""
    begin = BEGIN.timestamp()
    remote.write(
        url,
        [
            (
                "m",
                {"case": trigger.name[1:], "pod": pod},
                [(begin + 15 * n, value) for n, value in enumerate(values)],
            )
            for trigger, series in cases
            for pod, values in series.items()
        ],
    )


def track_of(past, trigger):
    until = BEGIN + LENGTH * SECOND + SCRAPE + POLL
    return past.track(trigger, BEGIN + SCRAPE, until, step=POLL, armed_from=LONG_AGO)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Give random cases, from a seed that is printed, in a running Prometheus."""
    seed = int(os.environ.get("SEED") or random.randrange(10**6))
    print(f"seed {seed}")
    cases = list(invent(random.Random(seed)))
    folder = tmp_path_factory.mktemp("prometheus")
    with remote.running(folder) as url:
        write(url, cases)
        yield url, cases, seed


def test_we_fire_at_the_very_evaluation_at_which_prometheus_fires(drawn, tmp_path):
    url, cases, seed = drawn
    with closing(Past(url, SCRAPE, POLL)) as past:
        said = {trigger.name: states(track_of(past, trigger)) for trigger, _ in cases}

    status, words = referee(tmp_path, cases, said)

    firings = sum(list(found.values()).count("firing") for found in said.values())
    print(f"{firings} firing evaluations of {TRIGGERS * (LENGTH // 5 + 1)}")
    assert firings > 12 * TRIGGERS, f"seed {seed} fires too seldom to prove anything"
    assert status == 0, f"seed {seed}: {words[:3000]}"


def test_the_referee_notices_a_firing_that_is_one_evaluation_late(drawn, tmp_path):
    url, cases, _ = drawn
    cases = cases[:4]
    with closing(Past(url, SCRAPE, POLL)) as past:
        said = {trigger.name: states(track_of(past, trigger)) for trigger, _ in cases}
    name, late = next(
        (name, seconds)
        for name, found in said.items()
        for seconds, seen in found.items()
        if seen == "firing"
    )
    said[name][late] = "pending"

    status, words = referee(tmp_path, cases, said)

    assert status == 1
    assert f'alertname=\\"{name}\\"' in words
    assert f"time: {as_promtool_says(late)}," in words


def as_promtool_says(seconds):
    """Write a duration as promtool does: ``45s``, ``9m``, ``1h2m30s``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = zip((hours, minutes, rest), "hms", strict=True)
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def test_the_daemon_itself_says_so_at_that_poll_and_not_before(drawn):
    url, cases, _ = drawn
    seen = 0
    with (
        closing(Past(url, SCRAPE, POLL)) as past,
        closing(Prometheus(url, 5 * SECOND, SCRAPE, POLL)) as live,
    ):
        for trigger, _ in cases:
            for one in track_of(past, trigger).of("breached"):
                now = judge(trigger, live.read(trigger, one.since), LONG_AGO)
                before = judge(trigger, live.read(trigger, one.since - POLL), LONG_AGO)
                assert isinstance(now, Breached)
                assert isinstance(before, Pending)
                seen += 1
    assert seen
