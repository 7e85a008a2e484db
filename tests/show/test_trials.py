"""Triggers tried live: a person sees what to do, the pipeline gets the same."""

import json
from dataclasses import replace

from watchdog.facts.problem import Fault
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trial import Trial
from watchdog.facts.verdict import Breached, Clear
from watchdog.show.trials import as_json, words

GOOD = Trial(
    "Http5xxRate", 2, Clear("0 of 600 (0%) were bad; bound 5%"), ("sum(\n a)",)
)
TYPO = Trial(
    "AwbRoutingFailures",
    0,
    Blind(Cause.NO_SERIES, "no series in the whole window of 5m"),
    ("sum(totl)",),
    faults=(Fault("ratio.total", "`totl` has no series", "is the name right?"),),
)
OVER = Trial("ScanLatencyP95", 1, Breached("9 of 40 (22.5%) were bad", 0.225, 0.05))
QUIET = Trial("DmsDown", 1, Blind(Cause.STALE, "the newest block was not measured"))


def test_each_trigger_has_a_line_and_the_last_line_adds_up():
    assert words([("v1.3.0", GOOD)]).splitlines() == [
        (
            "v1.3.0  Http5xxRate              ok     2 series, now clear: "
            "0 of 600 (0%) were bad; bound 5%"
        ),
        "1 triggers tried live: all can be relied on",
    ]


def test_where_no_trigger_was_tried_nothing_can_be_relied_on():
    assert words([]) == "no trigger was tried live: no release file names one"


def test_a_fault_is_shown_with_its_cure_and_with_what_was_asked():
    said = words([("v1.3.0", GOOD), ("v1.3.0", TYPO)]).splitlines()

    assert said[1].startswith("v1.3.0  AwbRoutingFailures       FAULT  0 series")
    assert said[2:] == [
        "  fault   ratio.total: `totl` has no series; is the name right?",
        "  query   sum(totl)",
        "2 triggers tried live: 1 cannot be relied on",
    ]


def test_the_queries_are_there_for_the_asking_each_on_one_line():
    assert "  query   sum( a)" in words([("v1.3.0", GOOD)], queries=True).splitlines()


def test_over_the_bound_before_it_ships_asks_whether_the_bound_is_right():
    assert "is the bound right?" in words([("v1.3.0", OVER)])


def test_blind_now_says_what_to_do_about_it():
    assert "blind now (stale); is the target up?" in words([("v1.3.0", QUIET)])


def test_programs_get_the_same():
    (good, typo) = json.loads(as_json([("v1.3.0", GOOD), ("v1.3.0", TYPO)]))

    assert (good["proven"], good["verdict"], good["series"]) == (True, "clear", 2)
    assert typo["faults"] == [
        {
            "path": "ratio.total",
            "words": "`totl` has no series",
            "hint": "is the name right?",
        }
    ]


def test_a_long_query_is_shown_to_who_asks_for_it_only():
    asked = f"sum({'x' * 500})"
    bad = replace(GOOD, faults=(Fault("value", "no series", "look"),), queries=(asked,))

    assert "  query   505 characters: --queries shows them" in words([("v1", bad)])
    assert asked in words([("v1", bad)], queries=True)
