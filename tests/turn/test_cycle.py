"""One turn after the other, over a world that changes between them."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.worlds import (
    ASHA,
    AWB,
    BELA,
    HOUR,
    HTTP_5XX,
    MINUTE,
    REPOSITORY,
    SECOND,
    World,
    a_pair,
    a_release,
    a_roster,
    a_trigger,
    entries,
    manifest_of,
)
from watchdog.decide.fold import stand
from watchdog.decide.plan import op_of
from watchdog.facts.event import (
    Answered,
    AnswerVoided,
    BlindTooLong,
    BreachConfirmed,
    FarEndBack,
    FarEndLost,
    IncidentClosed,
    OneWaySeen,
    PairProvedGood,
    PairQuarantined,
    PairStarted,
    PairUnclear,
    PromotionPaused,
    QuestionAsked,
    QuestionClosed,
    RecoveryMissed,
    RecoverySeen,
    ReleaseArmed,
    ReleaseUnfiled,
    Reminded,
    RollbackDelayed,
    RollbackEnded,
    RollbackRefused,
    RollbackStarted,
    TriggerUnproven,
    VerdictChanged,
    WouldHaveActed,
)
from watchdog.facts.problem import Fault, Problem
from watchdog.facts.reading import Before, Blind, Cause
from watchdog.facts.trial import Trial
from watchdog.facts.verdict import Clear, Pending
from watchdog.turn.cycle import words_by_kind

NO_PROMETHEUS = Blind(Cause.UNREACHABLE, "connection refused")


@pytest.fixture
def world(folders):
    """v1.2.0 was baked, v1.3.0 runs and is clear."""

    def world(**chosen):
        made = World(folders(), **chosen)
        made.bake("v1.2.0")
        made.compose_up("v1.3.0")
        made.turn()
        made.turn(MINUTE)
        return made

    return world


def verdicts(it):
    return [(e.trigger, e.kind, e.cause) for e in it.memory.all(VerdictChanged)]


def since(it, begun):
    return it.memory.all()[begun:]


# Watching.


def test_a_quiet_turn_journals_nothing(world):
    it = world()
    begun = len(it.memory.entries)

    words = {it.turn() for _ in range(10)}

    assert words == {"watching v1.3.0: AwbRoutingFailures clear, Http5xxRate clear"}
    assert since(it, begun) == []


def test_a_turn_tells_what_each_trigger_said(world):
    it = world()
    it.turn()

    assert it.memory.turn.verdicts == {
        AWB.name: "0, not above 1",
        HTTP_5XX.name: "0, not above 1",
    }


def test_a_pair_is_recorded_when_it_starts_and_when_it_is_good(world):
    it = world()
    first, second = it.memory.all(PairStarted)
    (good,) = it.memory.all(PairProvedGood)

    assert (first.pair, second.pair) == (a_pair("v1.2.0"), a_pair("v1.3.0"))
    assert it.memory.record(first.record) == it.memory.record(good.record)
    assert it.memory.record(second.record).pair == a_pair("v1.3.0")
    assert it.memory.standing.pairs[good.key].good == good.words


def test_what_was_changed_changes_once(world):
    it = world()
    begun = len(verdicts(it))
    stale = Blind(Cause.STALE, "old")

    for value in (0, stale, stale, Blind(Cause.TIMEOUT, "slow"), 0, 0):
        it.numbers.values[HTTP_5XX.name] = value
        it.turn()

    assert verdicts(it)[begun:] == [
        (HTTP_5XX.name, "blind", "stale"),
        (HTTP_5XX.name, "blind", "timeout"),
        (HTTP_5XX.name, "clear", ""),
    ]


def test_without_a_release_file_nothing_is_watched(world):
    it = world()
    it.releases.clear()
    asked = it.numbers.asked

    words = it.turn()

    assert words == ("v1.3.0 has no release file that can be read: nothing is watched")
    assert it.numbers.asked == asked


def test_when_the_watch_is_over_it_is_no_longer_armed(world):
    it = world()
    it.numbers.values[AWB.name] = 9

    assert it.turn(24 * HOUR) == "v1.3.0 was watched for its time; no longer armed"
    assert it.memory.all(BreachConfirmed) == []


def test_a_version_of_the_default_file_is_reported_once_and_only_asks(world):
    it = world()
    it.default = a_release("", approved_by="")
    it.compose_up("v1.4.0")
    for _ in range(3):
        it.turn(MINUTE)
    words = "v1.4.0 runs without a release file of its own"

    assert it.memory.all(ReleaseUnfiled) == [ReleaseUnfiled("v1.4.0", words)]
    assert it.memory.all(PromotionPaused) == [PromotionPaused("v1.4.0", words)]

    it.bake("v1.2.0")
    it.compose_up("v1.4.0")
    it.turn(MINUTE)
    it.numbers.values[AWB.name] = 9
    it.turn(MINUTE)
    assert len(it.memory.all(QuestionAsked)) == 1
    assert it.memory.all(RollbackStarted) == []


def test_a_faulty_release_file_is_told_and_the_last_good_one_stays(world):
    it = world()
    it.faulty = Problem("v1.3.0.yaml refused, 1 fault")
    for _ in range(3):
        assert it.turn().startswith("watching v1.3.0")
    it.faulty = None
    it.turn()

    lost = it.memory.all(FarEndLost, FarEndBack)
    assert lost == [
        FarEndLost("a release file", "v1.3.0.yaml refused, 1 fault"),
        FarEndBack("a release file"),
    ]


# Far ends.


def test_an_engine_that_is_away_is_told_once_and_nothing_is_judged(world):
    it = world()
    asked = it.numbers.asked
    it.docker.down = True
    words = {it.turn() for _ in range(3)}
    it.docker.down = False

    assert words == {"cannot see what runs: the engine did not answer"}
    assert it.numbers.asked == asked
    assert it.turn().startswith("watching v1.3.0")
    assert it.memory.all(FarEndLost, FarEndBack) == [
        FarEndLost("engine", "the engine did not answer"),
        FarEndBack("engine"),
    ]


def test_a_prometheus_that_is_away_makes_every_trigger_blind_once(world):
    it = world()
    begun = len(verdicts(it))
    it.numbers.down = NO_PROMETHEUS
    words = {it.turn() for _ in range(3)}
    it.numbers.down = None
    it.turn()

    assert words == {"watching v1.3.0: AwbRoutingFailures blind, Http5xxRate blind"}
    assert verdicts(it)[begun:] == [
        (AWB.name, "blind", "unreachable"),
        (HTTP_5XX.name, "blind", "unreachable"),
        (AWB.name, "clear", ""),
        (HTTP_5XX.name, "clear", ""),
    ]
    assert it.memory.all(FarEndLost, FarEndBack) == [
        FarEndLost("prometheus", "connection refused"),
        FarEndBack("prometheus"),
    ]
    assert it.memory.all(BreachConfirmed) == []


def test_one_odd_answer_blinds_one_trigger_and_the_others_are_judged(world):
    it = world()
    it.numbers.values[AWB.name] = "a thousand"
    words = {it.turn() for _ in range(3)}

    assert words == {"watching v1.3.0: AwbRoutingFailures blind, Http5xxRate clear"}
    odd = [e for e in it.memory.all(VerdictChanged) if e.cause == "nonsense"]
    assert [e.trigger for e in odd] == [AWB.name]
    assert "TypeError" in odd[0].words


def test_one_odd_answer_keeps_no_approved_question_from_being_weighed(world):
    it = ask(world)
    it.numbers.values[AWB.name] = "a thousand"
    answer(it, "approve")
    it.turn()

    (begun,) = it.memory.all(RollbackStarted)
    assert begun.approved_by == ASHA


def test_blindness_that_lasts_is_told_once_per_trigger(world):
    it = world()
    it.numbers.down = NO_PROMETHEUS

    for _ in range(90):
        it.turn()

    told = it.memory.all(BlindTooLong)
    assert [(e.trigger, e.cause) for e in told] == [
        (AWB.name, "unreachable"),
        (HTTP_5XX.name, "unreachable"),
    ]


def test_triggers_that_cannot_be_proved_live_are_told_once(world):
    it = world()
    it.trials.faults[AWB.name] = [Fault("value", "no series", "is it spelled so?")]
    it.compose_up("v1.3.1")

    for turn in range(100):
        # What is only measured anew each time is no news.
        it.trials.faults[AWB.name] = [
            Fault("value", f"no series for {turn}s", "is it spelled so?")
        ]
        it.turn()

    words = it.memory.all(TriggerUnproven)[0].words
    assert words.startswith("value: no series for ")
    assert it.memory.all(TriggerUnproven) == [
        TriggerUnproven("v1.3.1", AWB.name, words, "is it spelled so?")
    ]
    it.trials.faults.clear()
    it.turn()
    assert it.memory.all(ReleaseArmed)[-1].release == "v1.3.1"
    assert it.memory.standing.unproven == {}


def test_nothing_is_armed_by_a_trial_that_got_no_answer(world):
    it = world()
    it.compose_up("v1.3.1")
    late = Blind(Cause.TIMEOUT, "not asked: the turn's time was used up")
    tried, it.trials.try_out = (
        it.trials.try_out,
        lambda trigger, *_: Trial(trigger.name, 0, late),
    )
    for _ in range(3):
        it.turn(MINUTE)
    assert "v1.3.1" not in [e.release for e in it.memory.all(ReleaseArmed)]

    it.trials.try_out = tried
    it.turn()
    assert it.memory.all(ReleaseArmed)[-1].release == "v1.3.1"


# What runs.


def test_what_was_started_without_compose_is_said_in_place_of_what_runs(world):
    it = world()
    it.turn()
    it.docker.boxes = {}
    image = {"Image": "x:v1", "Labels": {}, "HostConfig": {}}
    it.docker.create("dms-dms-1", image, {})

    assert it.turn().startswith(
        "service dms of dms has no container of Compose's; dms-dms-1 was started"
    )
    it.turn()
    assert it.memory.standing.unclear.words.startswith("service dms of dms has no")


def test_a_glance_that_misses_a_container_forgets_nothing(world):
    it = world()
    it.numbers.values[HTTP_5XX.name] = 9
    it.turn()
    before = it.memory.standing
    boxes, it.docker.boxes = it.docker.boxes, {}
    assert it.turn() == "service dms of dms has no container"
    it.turn()
    it.docker.boxes = boxes
    for _ in range(3):
        it.turn()

    assert it.memory.all(PairUnclear) == [
        PairUnclear("service dms of dms has no container", split=False)
    ]
    assert len(it.memory.all(BreachConfirmed)) == 1
    assert len(it.memory.all(QuestionAsked)) == 1
    assert it.memory.standing.verdicts == before.verdicts
    assert it.memory.standing.running.since == before.running.since
    assert len(it.memory.all(PromotionPaused)) == 1


def test_services_on_different_images_are_a_split_pair(folders):
    it = World(folders(), services=("dms", "worker"))
    it.compose_up("v1.2.0")
    it.build("v1.3.0")
    box = list(it.docker.boxes.values())[1]
    box["Image"] = a_pair("v1.3.0").image
    box["Config"]["Image"] = "ghcr.io/flexli/dms:v1.3.0"
    for _ in range(3):
        it.turn()

    assert it.memory.all() == [
        PairUnclear(
            "split: the services of dms run images of several versions "
            "(dms ghcr.io/flexli/dms:v1.2.0, worker ghcr.io/flexli/dms:v1.3.0): half a "
            "deployment, or one release whose file has yet to name them under "
            "`images:`",
            split=True,
        )
    ]


def test_a_manifest_that_changes_under_a_running_container_is_a_split_pair(world):
    it = world(shared=True)
    shared = it.folder / "manifests/meesho.manifest.json"
    shared.write_text(manifest_of("meesho", "v1.2.0"))
    words = {it.turn() for _ in range(3)}

    mixed = a_pair("v1.3.0", manifest="v1.2.0")
    split = (
        "split: the manifests under the running v1.3.0 were changed; it started with "
        f"{a_pair('v1.3.0').words}, now it is {mixed.words}"
    )
    assert words == {split}
    assert it.memory.all(PairUnclear) == [PairUnclear(split, split=True)]

    shared.write_text(manifest_of("meesho", "v1.3.0"))
    assert it.turn().startswith("watching v1.3.0")
    assert it.memory.standing.unclear is None


def test_a_look_takes_in_what_was_deployed_while_nobody_watched(world):
    it = world()
    it.compose_up("v1.3.1")

    assert it.watch().look(it.clock.now()) == ""
    assert it.memory.standing.running.pair == a_pair("v1.3.1")
    begun = len(it.memory.entries)
    assert it.watch().look(it.clock.now()) == ""
    assert since(it, begun) == []


def test_a_look_says_that_what_runs_cannot_be_seen(world):
    it = world()
    it.docker.down = True

    assert it.watch().look(it.clock.now()).startswith("cannot see what runs: ")


def test_a_tenant_that_is_added_to_the_release_file_is_not_a_split_pair(folders):
    it = World(folders())
    it.releases["v1.2.0"] = a_release("v1.2.0", manifests={})
    it.compose_up("v1.2.0")
    it.turn()
    it.releases["v1.2.0"] = a_release("v1.2.0")

    assert it.turn(MINUTE).startswith("watching v1.2.0")

    assert it.memory.all(PairUnclear) == []
    assert it.memory.standing.running.pair == a_pair("v1.2.0")
    assert len({e.since for e in it.memory.all(PairStarted)}) == 1


# Breaches.


def test_a_breach_is_latched_once_and_quarantines_the_pair(world):
    it = world()
    it.numbers.values[HTTP_5XX.name] = 9
    for _ in range(5):
        it.turn()
    it.numbers.values.clear()
    it.turn()

    (breach,) = it.memory.all(BreachConfirmed)
    said = "9, above 1 for 0s without a gap"
    assert (breach.trigger, breach.release, breach.words) == (
        HTTP_5XX.name,
        "v1.3.0",
        said,
    )
    words = f"{HTTP_5XX.name}: {said}"
    assert it.memory.all(PromotionPaused) == [PromotionPaused("v1.3.0", words)]
    assert it.memory.all(PairQuarantined) == [
        PairQuarantined(a_pair("v1.3.0").key, words)
    ]
    assert len(it.memory.all(QuestionAsked)) == 1


def incidents_of(it, *seconds):
    """Let a breach be confirmed that many seconds apart, after each was closed."""
    it.numbers.values[HTTP_5XX.name] = 9
    for passed in seconds:
        if it.memory.standing.incident:
            name = it.memory.standing.incident.id
            it.memory.add(it.clock.now(), IncidentClosed(name, "over"))
        it.turn(passed * SECOND)
    return [breach.incident for breach in it.memory.all(BreachConfirmed)]


def test_two_watchdogs_never_give_one_name_to_what_they_confirm_in_one_second(
    world,
):
    names, ops = [], []
    for identity in ("a1b2c3d4e5f6", "0f1e2d3c4b5a"):
        names += incidents_of(world(identity=identity), 0)
        ops.append(op_of(names[-1], "the same container"))

    assert len(set(names)) == len(set(ops)) == 2


def test_incidents_of_one_second_have_two_names(world):
    names = incidents_of(world(), 0, 0.25)

    assert len(names) == len(set(names)) == 2


def test_a_pair_that_came_back_without_a_mark_is_still_the_rollbacks_own(world):
    """Compose and git leave no label of ours on what they start."""
    it = world()
    it.numbers.values[AWB.name] = 2.0
    it.turn()
    (ended,) = it.memory.all(RollbackEnded)
    for box in it.docker.boxes.values():
        box["Config"]["Labels"].pop("io.flexli.rollback.op", None)

    it.turn()

    assert it.memory.all(PairStarted)[-1].by == ended.op
    assert it.memory.all(IncidentClosed) == []
    it.compose_up("v1.2.0")
    it.turn()
    assert it.memory.all(PairStarted)[-1].by == ""


def test_a_question_freezes_what_would_be_done(world):
    it = world()
    it.numbers.values[HTTP_5XX.name] = 9
    it.turn()

    (asked,) = it.memory.all(QuestionAsked)
    document = json.loads(asked.document)
    assert (asked.question, asked.dri) == ("apr_secret1", (ASHA, BELA))
    assert asked.expires == it.clock.now() + HOUR
    assert asked.words == (
        f"{ASHA}, {BELA}: roll v1.3.0 back to v1.2.0? "
        f"{HTTP_5XX.name}: 9, above 1 for 0s without a gap"
    )
    assert document["from"]["key"] == a_pair("v1.3.0").key
    assert document["to"]["key"] == a_pair("v1.2.0").key
    assert (document["audience"], document["approval_id"], document["incident_id"]) == (
        "dms-test",
        asked.question,
        asked.incident,
    )


@pytest.mark.parametrize("where", ["daemon", "trigger"])
def test_observing_reports_and_does_nothing(world, where):
    it = world()
    if where == "daemon":
        it.rules = replace(it.rules, observe_only=True)
    else:
        quiet = (a_trigger(observe_only=True), HTTP_5XX)
        it.releases["v1.3.0"] = a_release(triggers=quiet)
    begun, verdicts_before = len(it.memory.entries), verdicts(it)
    it.numbers.values[AWB.name] = 9
    for _ in range(3):
        it.turn()

    (seen,) = it.memory.all(VerdictChanged)[len(verdicts_before) :]
    assert (seen.kind, seen.observe_only) == ("breached", True)
    (would,) = it.memory.all(WouldHaveActed)
    assert would.words.startswith(
        f"{AWB.name} would have rolled v1.3.0 back to v1.2.0: "
    )
    done = (BreachConfirmed, PromotionPaused, QuestionAsked, RollbackStarted)
    assert [e for e in since(it, begun) if isinstance(e, done)] == []
    assert it.docker.calls == []


def test_what_was_approved_is_not_done_in_observe_mode(world):
    it = world()
    it.numbers.values[HTTP_5XX.name] = 9
    it.turn()
    answer(it, "approve")
    it.rules = replace(it.rules, observe_only=True)

    words = it.turn()

    assert words == "mode is observe: nothing is asked, and nothing is done"
    assert it.docker.calls == []


# Answers.


def answer(it, decision, by=ASHA):
    question = it.memory.standing.question.asked.question
    it.memory.add(
        it.clock.now(), Answered(question, f"msg-{by}", decision, by, "because", "{}")
    )


def ask(world):
    it = world()
    it.numbers.values[HTTP_5XX.name] = 9
    it.turn()
    return it


def test_an_approval_rolls_back(world):
    it = ask(world)
    answer(it, "approve", BELA)

    it.turn()

    assert it.stands_on("v1.2.0") == []
    (begun,) = it.memory.all(RollbackStarted)
    assert (begun.approved_by, begun.automatic) == (BELA, False)
    (closed,) = it.memory.all(QuestionClosed)
    assert closed.how == "carried out"


def test_c_042_a_denial_before_it_begins_outweighs_an_approval(world):
    it = ask(world)
    answer(it, "approve", BELA)
    answer(it, "deny")

    words = [it.turn() for _ in range(3)]

    assert words == [f"{ASHA} denied the rollback: because"] * 3
    assert len(it.memory.all(RollbackRefused)) == 1
    (closed,) = it.memory.all(QuestionClosed)
    assert closed.how == "denied"
    assert it.docker.calls == []


def test_c_038_a_dri_who_left_before_the_rollback_has_approved_nothing(world):
    it = ask(world)
    answer(it, "approve", BELA)
    it.releases["v1.3.0"] = replace(it.releases["v1.3.0"], dri=(ASHA,))

    it.turn()

    (void,) = it.memory.all(AnswerVoided)
    assert void.words == (
        f"the approve of {BELA} counts no more: {BELA} is not a DRI of this release "
        "any more"
    )
    assert it.memory.all(RollbackStarted) == it.docker.calls == []


def test_c_038_a_key_that_was_revoked_before_the_rollback_has_approved_nothing(world):
    it = ask(world)
    answer(it, "approve", BELA)
    it.roster = a_roster(ASHA)

    it.turn()

    assert len(it.memory.all(AnswerVoided)) == 1
    assert it.memory.all(RollbackStarted) == it.docker.calls == []


def test_two_must_agree_where_the_release_file_says_so(folders):
    it = World(folders())
    it.bake("v1.2.0")
    it.releases["v1.3.0"] = a_release(required_approvals=2)
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(it.rules.settle)
    it.numbers.values[HTTP_5XX.name] = 9
    it.turn()
    (question,) = it.memory.all(QuestionAsked)
    assert json.loads(question.document)["required_approvals"] == 2
    answer(it, "approve", BELA)
    it.turn()
    assert it.memory.all(RollbackStarted) == []
    answer(it, "approve", ASHA)
    it.turn()

    (begun,) = it.memory.all(RollbackStarted)
    assert begun.approved_by == f"{BELA} and {ASHA}"
    (done,) = it.memory.all(RollbackEnded)
    assert done.waited == begun.waited == 5.0


NOBODY = (
    f"1 of {ASHA}, {BELA} must agree, and only 0 have a key that counts: nobody can be "
    "asked"
)


def test_c_049_without_anybody_who_could_answer_it_is_said_and_asked_later(world):
    it = world()
    listed, it.roster = it.roster, a_roster("carl@flexli.example")
    it.numbers.values[HTTP_5XX.name] = 9

    assert [it.turn() for _ in range(3)] == [NOBODY] * 3

    assert [late.words for late in it.memory.all(RollbackDelayed)] == [NOBODY]
    it.roster = listed
    it.turn()
    assert len(it.memory.all(QuestionAsked)) == 1
    assert it.memory.all(RollbackRefused) == []
    answer(it, "approve", BELA)
    it.turn()
    (begun,) = it.memory.all(RollbackStarted)
    assert begun.approved_by == BELA


def test_c_049_who_could_never_be_asked_is_refused_in_words(world):
    it = world()
    it.roster = a_roster("carl@flexli.example")
    it.numbers.values[HTTP_5XX.name] = 9

    for number in range(8):
        if number == 1:  # a further breach is weighed anew, and has its end as well
            standing = it.memory.standing.incident
            again = replace(standing.breaches[0], trigger="Another")
            it.memory.add(it.clock.now(), again)
        assert it.turn(10 * MINUTE) == NOBODY

    assert it.memory.all(QuestionAsked) == []
    assert [refused.words for refused in it.memory.all(RollbackRefused)] == [NOBODY]


def test_a_promised_fix_is_waited_for_and_then_asked_about_again(world):
    it = ask(world)
    (first,) = it.memory.all(QuestionAsked)
    eta = it.clock.now() + 20 * MINUTE
    it.memory.add(
        it.clock.now(),
        Answered(
            first.question, "msg-fix", "forward_fix", ASHA, "a fix", "{}", eta=eta
        ),
    )
    assert "fixes forward until" in it.turn()
    it.turn(20 * MINUTE)

    (_, second) = it.memory.all(QuestionAsked)
    assert second.instead_of == first.question
    assert "the fix that" in second.words
    (closed,) = it.memory.all(QuestionClosed)
    assert (closed.question, closed.how) == (first.question, "superseded")
    # The clock of the MTTR goes on.
    assert second.expires == first.expires


def test_who_does_not_answer_is_reminded_twice(world):
    it = ask(world)
    for _ in range(5):
        it.turn(10 * MINUTE)

    shares = [one.share for one in it.memory.all(Reminded)]
    assert shares == ["50%", "75%"]


def test_a_wrong_roster_is_told_and_the_last_good_one_stays(world):
    it = world()
    it.roster_faulty = Problem("approvers.yaml refused, 1 fault")

    it.turn()

    assert it.memory.standing.lost == {
        "the roster of approvers": "approvers.yaml refused, 1 fault"
    }


def test_silence_holds_and_is_said_once(world):
    it = ask(world)
    it.turn(HOUR - SECOND)
    assert it.memory.all(RollbackRefused) == []
    for _ in range(3):
        it.turn()

    (refused,) = it.memory.all(RollbackRefused)
    assert refused.words.endswith("silence is not a yes")
    assert it.docker.calls == []


def test_what_recovered_before_its_approval_is_not_rolled_back(world):
    it = ask(world)
    it.numbers.values.clear()
    answer(it, "approve")

    words = it.turn()

    assert words == f"{HTTP_5XX.name} recovered before the rollback; not rolling back"
    assert [e.how for e in it.memory.all(QuestionClosed)] == ["superseded"]
    assert len(it.memory.all(IncidentClosed)) == 1
    assert it.docker.calls == []


def test_a_deployment_during_a_question_supersedes_it(world):
    it = ask(world)
    it.numbers.values.clear()
    it.compose_up("v1.3.1")
    it.turn()
    it.turn(MINUTE)

    (closed,) = it.memory.all(QuestionClosed)
    assert (closed.how, closed.words) == ("superseded", "v1.3.1 was deployed meanwhile")
    assert it.memory.standing.incident is None
    assert it.memory.standing.running.pair.version == "v1.3.1"
    assert it.docker.calls == []


def test_d_052_an_approval_that_comes_with_a_deployment_is_not_carried_out(world):
    it = ask(world)
    answer(it, "approve")
    it.compose_up("v1.3.1")
    for _ in range(3):
        it.turn(MINUTE)

    assert it.memory.all(RollbackStarted) == []


def approved(world):
    """Let v1.2.0 be approved as the target, and not be begun yet."""
    it = ask(world)
    answer(it, "approve")
    it.docker.calls.clear()
    return it


def assert_nothing_was_touched(it):
    assert it.stands_on("v1.3.0") == []
    assert [do for do, _ in it.docker.calls if do != "tag"] == []
    assert "proved" not in [e.how for e in it.memory.all(RollbackEnded)]


def test_d_053_a_manifest_changed_under_what_runs_after_the_approval_is_a_split(world):
    it = approved(world)
    (it.folder / "manifests/meesho.v1.3.0.manifest.json").write_text("changed")

    words = it.turn()

    assert words.startswith("split: the manifests under the running v1.3.0 were")
    assert it.memory.all(RollbackStarted) == it.docker.calls == []


def test_d_054_a_target_whose_manifest_was_replaced_after_the_approval_is_refused(
    world,
):
    it = approved(world)
    kept = it.folder / "manifests/meesho.v1.2.0.manifest.json"
    kept.write_text(manifest_of("meesho", "v1.3.1"))

    for _ in range(3):
        it.turn()

    assert_nothing_was_touched(it)
    assert kept.read_text() == manifest_of("meesho", "v1.3.1")  # not ours to mend


def test_d_055_a_tag_that_was_moved_after_the_approval_moves_nobody(world):
    it = approved(world)
    tag = f"{REPOSITORY}:v1.2.0"
    it.docker.tags[tag] = a_pair("v1.3.1").image

    it.turn()

    # The image is the one that was recorded, whatever the tag said.
    assert it.stands_on("v1.2.0") == []
    assert it.docker.tags[tag] == a_pair("v1.2.0").image


def test_d_056_a_target_whose_key_was_revoked_after_the_approval_is_refused(world):
    it = approved(world)

    def revoked(*_):
        raise Problem("signed with a revoked key")

    it.sealed = revoked
    for _ in range(3):
        it.turn()

    assert_nothing_was_touched(it)
    said = [e.words for e in it.memory.all(RollbackRefused)]
    said += [e.proof for e in it.memory.all(RollbackEnded)]
    assert "a revoked key" in said[-1]


@pytest.mark.parametrize("is_in_the_registry", [True, False])
def test_d_057_an_image_removed_after_the_approval_is_pulled_or_it_is_refused(
    world, is_in_the_registry
):
    it = approved(world)
    del it.docker.tags[f"{REPOSITORY}:v1.2.0"]
    if not is_in_the_registry:
        it.docker.refuses["pull", ""] = "manifest unknown"

    for _ in range(3):
        it.turn()

    if is_in_the_registry:
        assert it.stands_on("v1.2.0") == []
    else:
        assert it.stands_on("v1.3.0") == []
        assert [e.how for e in it.memory.all(RollbackEnded)] in ([], ["unchanged"])


def test_an_immediate_breach_supersedes_an_open_question(world):
    it = ask(world)
    it.numbers.values[AWB.name] = 9

    it.turn()

    assert it.stands_on("v1.2.0") == []
    (closed,) = it.memory.all(QuestionClosed)
    assert (closed.how, closed.words) == (
        "superseded",
        f"{AWB.name}: 9, above 1 for 0s without a gap",
    )


# After the rollback.


def rolled_back(world):
    it = world()
    it.numbers.values[AWB.name] = 9
    it.turn()
    assert it.stands_on("v1.2.0") == []
    return it


def test_a_trigger_that_clears_closes_the_incident(world):
    it = rolled_back(world)
    assert it.turn() == "rolled back; waiting for the trigger to clear"
    it.numbers.values.clear()

    assert it.turn(MINUTE) == f"{AWB.name} clear again on v1.2.0"
    assert it.turn().startswith("watching v1.2.0")
    (seen,) = it.memory.all(RecoverySeen)
    (closed,) = it.memory.all(IncidentClosed)
    assert seen.incident == closed.incident
    assert it.memory.standing.incident is None


def test_a_trigger_that_does_not_clear_is_said_and_never_rolled_back_again(world):
    it = rolled_back(world)
    calls = len(it.docker.calls)
    for _ in range(80):
        it.turn(10 * SECOND)

    (missed,) = it.memory.all(RecoveryMissed)
    assert missed.words.startswith("the rollback did not help: it is not this release")
    assert len(it.memory.all(RollbackStarted)) == 1
    assert len(it.docker.calls) == calls
    assert it.memory.all(RollbackRefused)[-1].words == (
        "v1.2.0 is itself the result of a rollback: never rolling back a rollback"
    )


def test_a_new_release_after_a_rollback_closes_its_incident(world):
    it = rolled_back(world)
    it.turn()
    it.compose_up("v1.3.1")
    it.numbers.values.clear()

    it.turn()
    it.turn(MINUTE)

    (closed,) = it.memory.all(IncidentClosed)
    assert closed.words == "v1.3.1 was deployed meanwhile"
    assert it.memory.standing.running.pair.version == "v1.3.1"


def test_a_quarantined_pair_that_is_deployed_again_is_told_and_asks(world):
    it = rolled_back(world)
    it.numbers.values.clear()
    it.turn(MINUTE)
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)

    assert it.memory.all(PromotionPaused)[-1].words == (
        f"v1.3.0 is quarantined and was deployed again: "
        f"{AWB.name}: 9, above 1 for 0s without a gap"
    )
    it.numbers.values[AWB.name] = 9
    it.turn()
    assert len(it.memory.all(RollbackStarted)) == 1
    assert "was rolled back automatically once already" in (
        it.memory.all(QuestionAsked)[-1].words
    )


def test_a_second_breach_after_a_rollback_that_failed_is_held(world):
    it = world()
    it.docker.refuses["connect", ""] = "no such network"
    it.numbers.values[AWB.name] = 9
    it.turn()
    (ended,) = it.memory.all(RollbackEnded)
    it.numbers.values[HTTP_5XX.name] = 9

    words = {it.turn() for _ in range(3)}

    assert words == {ended.proof}
    assert len(it.memory.all(RollbackStarted)) == 1


def test_a_target_of_other_services_is_refused_before_anything_is_touched(folders):
    it = World(folders())
    it.bake("v1.2.0")
    it.services = ("dms", "worker")
    it.rules = replace(it.rules, services=it.services)
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)
    it.numbers.values[AWB.name] = 9

    words = it.turn()

    assert words == "v1.2.0 ran with the services dms, now it is dms, worker"
    assert it.docker.calls == []
    assert it.stands_on("v1.3.0") == []


def test_an_engine_that_is_away_while_planning_is_waited_for(world):
    it = world()
    it.numbers.values[AWB.name] = 9
    # It answers to what runs, and not when it is asked how that was made.
    looks = it.docker.container
    seen = []

    def container(id_):
        seen.append(id_)
        it.docker.down = len(seen) > 1
        return looks(id_)

    it.docker.container = container
    words = it.turn()
    it.docker.container = looks
    it.docker.down = False

    assert words == "cannot plan the rollback yet: the engine did not answer"
    assert it.memory.all(RollbackStarted) == []
    it.turn()
    assert it.stands_on("v1.2.0") == []


def test_what_came_from_elsewhere_pauses_but_says_nothing_against_the_pair(world):
    it = world()
    ago = it.clock.now() - timedelta(hours=1)
    it.numbers.before = Before(ago, ago + MINUTE, {"worst": 9}, {"worst": 9})
    it.numbers.values[AWB.name] = 9

    words = [it.turn() for _ in range(3)][-1]

    assert words.startswith("not this release")
    (breach,) = it.memory.all(BreachConfirmed)
    assert "before it started" in breach.elsewhere
    assert len(it.memory.all(PromotionPaused)) == 1
    assert it.memory.all(PairQuarantined) == []
    assert it.docker.calls == []


def test_a_one_way_release_that_ran_is_remembered_when_its_file_is_gone(world):
    it = world()
    it.bake("v1.2.0")
    it.releases["v1.2.1"] = a_release("v1.2.1", rollback_safe=False)
    it.compose_up("v1.2.1")
    it.turn()
    del it.releases["v1.2.1"]
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)
    it.numbers.values[AWB.name] = 9
    for _ in range(3):
        it.turn()

    (refused,) = it.memory.all(RollbackRefused)
    assert refused.words.startswith("v1.2.1 ran between v1.2.0 and v1.3.0")
    assert it.memory.all(RollbackStarted) == []


@pytest.mark.parametrize("before", [{"v1.2.1": a_release("v1.2.1")}, {}])
def test_a_one_way_release_is_not_gone_over_once_its_file_says_so_late(world, before):
    """It was replaced before its file came, or before somebody corrected it."""
    it = world()
    it.bake("v1.2.0")
    it.releases.pop("v1.2.1", None)
    it.releases |= before
    it.compose_up("v1.2.1")
    it.turn()
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)

    it.releases["v1.2.1"] = a_release("v1.2.1", rollback_safe=False)
    it.numbers.values[AWB.name] = 9
    for _ in range(3):
        it.turn()

    (seen,) = it.memory.all(OneWaySeen)
    assert (seen.release, seen.ran) == ("v1.2.1", True)
    (refused,) = it.memory.all(RollbackRefused)
    assert refused.words.startswith("v1.2.1 ran between v1.2.0 and v1.3.0")
    assert it.memory.all(RollbackStarted) == []


def test_a_careful_default_says_nothing_of_what_ran_before_its_file_went(world):
    it = world()
    it.bake("v1.2.0")
    it.releases["v1.2.1"] = a_release("v1.2.1")
    it.compose_up("v1.2.1")
    it.turn()
    it.compose_up("v1.3.0")
    it.turn()

    del it.releases["v1.2.1"]
    it.default = a_release("", rollback_safe=False)
    it.turn()

    assert it.memory.all(OneWaySeen) == []


def test_triggers_that_a_corrected_file_brings_are_tried_live_too(world):
    it = world()
    armed = len(it.memory.all(ReleaseArmed))
    it.turn()
    assert len(it.memory.all(ReleaseArmed)) == armed

    other = a_trigger("Other")
    it.releases["v1.3.0"] = a_release(triggers=(AWB, HTTP_5XX, other))
    it.trials.faults["Other"] = (Fault("errors", "it is a gauge", ""),)
    it.turn(10 * MINUTE)
    (unproven,) = it.memory.all(TriggerUnproven)
    assert unproven.trigger == "Other"

    it.trials.faults.clear()
    it.turn()
    assert len(it.memory.all(ReleaseArmed)) == armed + 1


def test_after_a_time_of_not_looking_a_person_is_asked(world):
    it = world()
    it.bake("v1.2.0")
    it.clock.pause(3600)
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)
    it.numbers.values[AWB.name] = 9
    for _ in range(3):
        it.turn()

    (question,) = it.memory.all(QuestionAsked)
    assert "nobody watched before v1.3.0 was seen" in question.words
    assert it.memory.all(RollbackStarted) == []


def test_an_engine_that_comes_and_goes_is_looked_at_whenever_it_answers(world):
    """That it is back is told late then; what was seen meanwhile was seen."""
    it = world()
    it.bake("v1.2.0")
    watch = it.watch()

    def turn(after=5 * SECOND):
        it.clock.at += after
        it.memory.mark(watch.turn(it.clock.now()))

    for down in (*[True, False] * 4, *[False] * 6):
        it.docker.down = down
        turn()
    assert "engine" in it.memory.standing.lost
    it.compose_up("v1.3.0")
    turn()
    turn(MINUTE)
    it.numbers.values[AWB.name] = 9
    for _ in range(3):
        turn()

    assert it.memory.all(QuestionAsked) == []
    assert len(it.memory.all(RollbackStarted)) == 1


def test_a_turn_keeps_no_words_of_another_kind_than_was_said():
    s = stand(entries(VerdictChanged(AWB.name, "pending", "suspected: 5 of 80")))

    assert words_by_kind(s, {AWB.name: Clear("0 of 40 failed")}) == {}
    pending = {AWB.name: Pending("suspected: 6 of 90")}
    assert words_by_kind(s, pending) == {AWB.name: "suspected: 6 of 90"}
