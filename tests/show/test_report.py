"""The report of an incident: for who saw nothing else of it, and nothing but text."""

from dataclasses import replace

import pytest

from tests.decide.test_standing import PLAN, STEP, begun, ended, verdict
from tests.worlds import AT, a_pair, asked, breached, entries, proved_good, started
from watchdog.facts.event import (
    Answered,
    FarEndBack,
    FarEndLost,
    IncidentClosed,
    OrderGiven,
    QuestionClosed,
    RecoverySeen,
    RollbackRefused,
    RollbackStarted,
    RollbackStuck,
    StepDone,
    StepFailed,
    StepIntended,
    WentBack,
)
from watchdog.facts.problem import Problem
from watchdog.show.paper import Drawing, markdown, page
from watchdog.show.report import report
from watchdog.show.threads import Threads

HOSTILE = "<script>alert(1)</script> | `x` [a](b)\n# no"
APPROVED = (
    started("v1.2.0"),
    proved_good("v1.2.0"),
    started("v1.3.0"),
    verdict("blind"),
    FarEndLost("prometheus", "no answer"),
    FarEndBack("prometheus"),
    breached(),
    asked(),
    Answered("apr_1", "m", "approve", "asha", "stock is wrong", "{}", key="k1"),
    begun(automatic=False),
    StepIntended("op", STEP, 1),
    StepDone("op", STEP, "pinned"),
    started("v1.2.0", by="op"),
    ended(),
    QuestionClosed("apr_1", "carried-out", "done"),
    RecoverySeen("inc-1", "clear again"),
    IncidentClosed("inc-1", "over"),
)


def written(*events, which="", as_page=False, draws=None):
    whole, threads = entries(*events), Threads()
    for entry in whole:
        threads.hear(entry)
    first, last = threads.span(which)
    paper = report(
        whole[first - 1 : last], threads, which, name="dms-prod", draws=draws
    )
    return page(paper) if as_page else markdown(paper)


def part(text, heading):
    return text.partition(f"## {heading}\n\n")[2].partition("\n\n## ")[0]


def test_five_lines_answer_what_a_reader_asks_first():
    lines = part(written(*APPROVED), "In five lines").splitlines()

    assert [line.partition("**: ")[2] for line in lines] == [
        "v1.3.0: AwbRoutingFailures: 9 of 40 failed",
        "confirmed at 03:00:06, 4.0 s after v1.3.0 was first seen",
        "people took 1.0 s to answer; begun 3.0 s after the breach",
        "approved by asha",
        f"{a_pair('v1.2.0').words}; proved; recovered: clear again",
    ]


@pytest.mark.parametrize("which", ["", "inc-1", "apr_1", "op"])
def test_it_is_found_by_any_of_its_names(which):
    assert written(*APPROVED, which=which).startswith(
        "# dms-prod: rollback v1.3.0 → v1.2.0: proved (inc-1)"
    )


def test_what_is_not_there_is_refused_with_what_is():
    with pytest.raises(Problem, match="there is no inc-9 in the journal") as refused:
        written(*APPROVED, which="inc-9")
    assert refused.value.hint == "newest: inc-1"
    with pytest.raises(Problem, match="there is no incident in the journal"):
        written(started("v1.2.0"))


def test_the_timeline_counts_from_the_breach():
    rows = part(written(*APPROVED), "Timeline").splitlines()

    assert (
        "| 03-11 03:00:06 | +0.0 s | breach: AwbRoutingFailures: 9 of 40 failed |"
        in (rows)
    )
    assert any("-4.0 s" in row and "v1.3.0" in row and "runs" in row for row in rows)


def test_decisions_name_the_key_and_the_digest_that_was_signed():
    rows = part(written(*APPROVED), "Decisions")

    assert "asha | approved: stock is wrong | v1a k1 (key)" in rows
    assert "sha256:" in rows


def test_steps_have_their_time_and_what_was_seen():
    assert f"| 1.00 s | done: {STEP.words} | pinned |" in written(*APPROVED)


def test_the_six_fields_and_the_proof_are_there():
    text = written(*APPROVED)

    assert part(text, "Proof") == "proved: proof"
    names = ("started", "completed", "Previous", "target", "Root cause", "On-call")
    assert all(name in part(text, "The six fields") for name in names)


def test_what_was_not_known_is_said():
    rows = part(written(*APPROVED), "What was not known, and when")

    assert "AwbRoutingFailures was blind" in rows
    assert "prometheus was away: no answer" in rows
    assert "Everything that was asked was measured" in written(breached(), begun())


def test_one_by_hand_says_who_and_why():
    order = OrderGiven("ord-1", "rollback", "ravi", "stock", "k", "back to v1.2.0")
    start = RollbackStarted(
        *("", PLAN, a_pair("v1.3.0"), a_pair("v1.2.0"), "why", "ravi"),
        automatic=False,
        order="ord-1",
    )

    text = written(started("v1.3.0"), order, start, ended(incident=""), which="op")

    assert "- **Who decided**: ravi, by hand: stock" in text
    assert "- **Why then**: it was ordered by hand" in text


def test_one_that_is_open_is_reported_as_far_as_it_went():
    text = written(breached(), RollbackRefused("inc-1", "no target"))

    assert text.startswith("# dms-prod: v1.3.0 breached AwbRoutingFailures (inc-1)")
    assert "nobody yet: nothing was begun" in text
    assert "refused at 03:00:01: no target" in text


def test_one_that_is_stuck_says_what_a_person_must_do():
    text = written(
        breached(),
        begun(),
        StepFailed("op", STEP, "no room"),
        WentBack("op", "it failed"),
        RollbackStuck("op", "no room", "make some"),
    )

    assert "a rollback is STUCK" in text.splitlines()[0]
    assert part(text, "Stuck").strip() == "no room; make some"
    assert "FAILED" in text
    assert "turned round" in text


@pytest.mark.parametrize("as_page", [False, True])
def test_whatever_was_written_is_only_text(as_page):
    text = written(
        breached(),
        asked(),
        Answered("apr_1", "m", "deny", HOSTILE, HOSTILE, "{}"),
        RollbackRefused("inc-1", HOSTILE),
        as_page=as_page,
    )

    assert "<script" not in text.replace("\\<", "")
    assert "\n# no" not in text
    if not as_page:
        assert "\\| \\`x\\` \\[a\\](b)" in text


@pytest.mark.parametrize("as_page", [False, True])
def test_what_a_container_printed_and_a_version_is_called_are_only_text(as_page):
    tail = "panic\n# no\n" + HOSTILE + "\x1b[2J\u202e\u2066"
    odd = replace(a_pair("v1.3.0"), version=HOSTILE)
    start = RollbackStarted("inc-1", PLAN, odd, a_pair("v1.2.0"), HOSTILE, "a", True)
    text = written(
        replace(breached(), release=HOSTILE, trigger=HOSTILE, words=tail),
        start,
        StepIntended("op", STEP, 1),
        StepFailed("op", STEP, tail),
        WentBack("op", tail),
        RollbackStuck("op", tail, tail),
        as_page=as_page,
    )

    assert "<script" not in text.replace("\\<", "")
    assert not any(sign in text for sign in ("\x1b", "\u202e", "\u2066", "\n# no"))


def test_a_page_has_the_plots_and_asks_nobody():
    seen = []

    def draws(breach, since, until):
        seen.append((breach.trigger, since < AT < until))
        queries = ("sum(rate(x[5m]))", "````<b>\n# no")
        return Drawing("<figure>plot</figure>", "above 5%", queries)

    text = written(*APPROVED, as_page=True, draws=draws)

    assert seen == [("AwbRoutingFailures", True)]
    assert "<figure>plot</figure>" in text
    assert "default-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_evidence_has_its_queries_to_paste():
    def draws(*_):
        return Drawing("", "above 5%", ("sum(x)", "````<b>\n# \u202eno"))

    text = written(*APPROVED, draws=draws)

    assert "`````\nsum(x)\n\n````<b>\n# ?no\n`````" in text
    assert "<pre>sum(x)\n\n````&lt;b&gt;\n# ?no</pre>" in written(
        *APPROVED, draws=draws, as_page=True
    )


def test_why_there_is_no_plot_is_said():
    text = written(*APPROVED, as_page=True, draws=lambda *_: "Prometheus is away")

    assert "No plot: Prometheus is away" in text
