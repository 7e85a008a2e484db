"""Exported rules: what they say, and that Prometheus' own tool takes them."""

import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judge.samples import KINDS, awb, down, http_5xx, outbox
from watchdog.config.release_file import load_release
from watchdog.facts.trigger import Latency, Queue, Ratio, RatioQuery, Release, Value
from watchdog.show.rules import expression, rules

SCRAPE = timedelta(seconds=15)
SHIPPED = sorted((Path(__file__).parents[2] / "config" / "releases").glob("*.yaml"))
real = [
    pytest.mark.real,
    pytest.mark.skipif(not shutil.which("promtool"), reason="no `promtool` here"),
]


def a_release(*triggers):
    return Release("v1.3.0", "dms:v1.3.0", {}, triggers, ("asha",))


def rule_of(trigger):
    """Read back the one rule that is written for *trigger*."""
    whole = yaml.safe_load(rules(a_release(trigger)))
    return whole["groups"][0]["rules"][0]


def promtool(text, folder):
    file = folder / "rules.yml"
    file.write_text(text)
    done = subprocess.run(
        ["promtool", "check", "rules", file],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_ratio_is_a_ratio_of_rates_for_the_whole_time():
    rule = rule_of(http_5xx(kind=Ratio('r{code=~"5.."}', "r")))

    assert rule == {
        "alert": "Http5xxRate",
        "expr": 'sum(rate(r{code=~"5.."}[1m]))\n  / sum(rate(r[1m])) > 0.05',
        "for": "5m",
        "labels": {"action": "pause-and-alert", "release": "v1.3.0"},
        "annotations": {"summary": "Http5xxRate is over its bound on v1.3.0"},
    }


def test_a_latency_is_the_share_over_the_bucket():
    assert expression(http_5xx(kind=KINDS["latency"])) == (
        '1 - sum(rate(h_bucket{le="0.5"}[1m]))\n'
        '  / sum(rate(h_bucket{le="+Inf"}[1m])) > 0.05'
    )


@pytest.mark.parametrize(
    ("kind", "bucket"),
    [
        (Latency("h", timedelta(milliseconds=500), 0.95, "ms"), '=~"500([.]0)?"'),
        (Latency("h", Decimal(20), 0.95, ""), '=~"20([.]0)?"'),
        (
            Latency("h", Decimal(1048576), 0.95, "bytes"),
            '=~"1048576([.]0)?|1[.]048576e[+]0?6"',
        ),
    ],
    ids=lambda one: getattr(one, "unit", ""),
)
def test_a_rule_of_a_latency_is_in_the_unit_of_its_histogram(kind, bucket):
    assert f"h_bucket{{le{bucket}}}" in expression(http_5xx(kind=kind))


def test_errors_beside_good_events_are_held_against_both():
    assert expression(http_5xx(kind=Ratio("bad", "", "good"))) == (
        "sum(rate(bad[1m]))\n  / (sum(rate(bad[1m])) + sum(rate(good[1m]))) > 0.05"
    )


def test_an_immediate_trigger_has_its_window_in_the_range_and_no_for():
    rule = rule_of(awb())

    assert "[5m]" in rule["expr"]
    assert "for" not in rule


def test_a_queue_is_an_approximation_and_says_so():
    trigger = outbox(kind=Queue("d", "i", "o"))

    assert expression(trigger) == (
        "sum(min_over_time(d[3m]))\n"
        "  - sum(min_over_time(d[3m] offset 15m)) >= 20\n"
        "and sum(rate(o[15m])) < 0.95 * sum(rate(i[15m]))"
    )
    assert "# An approximation: the watchdog wants" in rules(a_release(trigger))
    assert "deriv" not in rules(a_release(trigger))


@pytest.mark.parametrize(
    ("expr", "written"),
    [
        ("up", "up < 1"),
        ('up{job="dms"}', 'up{job="dms"} < 1'),
        ("a or b", "(\na or b\n) < 1"),
        ("max(up) # any", "(\nmax(up) # any\n) < 1"),
    ],
)
def test_a_value_is_held_against_its_bound_as_a_whole(expr, written):
    assert expression(down(kind=Value(expr))) == written


def test_a_bound_keeps_all_of_its_digits():
    assert expression(http_5xx(above=0.012345678901234)).endswith(
        " > 0.012345678901234"
    )
    assert expression(down(below=100.0)).endswith(" < 100")


def test_labels_and_annotations_are_carried_along():
    trigger = down(
        labels={"severity": "page", "on": "call", "no-label": "x", "__own": "x"},
        annotations={"runbook_url": "https://r.example/{{ $labels.pod }}/{{ window }}"},
    )

    rule = rule_of(trigger)

    assert rule["labels"] == {
        "severity": "page",
        "on": "call",
        "action": "pause-and-alert",
        "release": "v1.3.0",
    }
    assert rule["annotations"]["runbook_url"] == (
        'https://r.example/{{ $labels.pod }}/{{ "{{" }} window }}'
    )


def test_a_trigger_that_only_reports_says_so():
    assert "# mode: observe" in rules(a_release(down(observe_only=True)))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: path.stem)
def test_every_trigger_of_a_shipped_file_becomes_a_rule(file):
    release = load_release(file, SCRAPE)

    whole = yaml.safe_load(rules(release))

    names = [rule["alert"] for rule in whole["groups"][0]["rules"]]
    assert names == [trigger.name for trigger in release.triggers]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.real
def test_promtool_takes_the_rules_of_a_shipped_file(file, tmp_path):
    status, said = promtool(rules(load_release(file, SCRAPE)), tmp_path)

    assert (status, "SUCCESS: 5 rules found" in said) == (0, True), said


text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.strip)
KIND = st.sampled_from(
    [
        http_5xx(),
        awb(),
        outbox(),
        down(kind=Value("max by (a) (x) or vector(1) # b")),
        down(kind=Value('x{a="\u2028"} or\n  y'), below=-0.5),
        http_5xx(kind=KINDS["latency"]),
        http_5xx(
            kind=RatioQuery("increase(x[{{ window }}]) # b", "increase(y[{{window}}])")
        ),
    ]
)


@pytest.mark.real
@settings(max_examples=5, deadline=None)
@given(
    triggers=st.lists(
        st.builds(
            lambda trigger, name, labels, texts: replace(
                trigger, name=name, labels=labels, annotations=texts
            ),
            KIND,
            st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True),
            st.dictionaries(text | st.sampled_from(["on", "a"]), text, max_size=3),
            st.dictionaries(text | st.sampled_from(["b", "c"]), text, max_size=3),
        ),
        min_size=20,
        max_size=40,
        unique_by=lambda trigger: trigger.name,
    )
)
def test_promtool_takes_whatever_texts_and_names_a_trigger_has(
    triggers, tmp_path_factory
):
    written = rules(a_release(*triggers))

    status, said = promtool(written, tmp_path_factory.mktemp("rules"))

    assert status == 0, f"{said}\n{written}"
