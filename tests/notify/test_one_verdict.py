"""Whatever happens, and in whatever order: one verdict, and only of an open gate."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.decide.test_protection import CLEAR, HEALTHY_THEN_NEXT, RULES, requested
from tests.decide.test_standing import begun, ended
from tests.notify.hub import APP, KEY, a_hub
from tests.thorough import TIMES
from tests.worlds import (
    AT,
    MINUTE,
    SECOND,
    Files,
    Fuse,
    Notebook,
    PowerCut,
    a_release,
    readiness,
    started,
)
from watchdog.config.release_file import Releases
from watchdog.decide.gate import gate
from watchdog.facts.event import HoldLifted, HoldPlaced
from watchdog.notify.deployments import Deployments
from watchdog.notify.github import App
from watchdog.turn.gating import Gating

READY = (*CLEAR, readiness("v1.3.0", "v1.2.0"))
RELEASE = a_release()
FILES = Files(Releases({"v1.3.0": RELEASE}))


class AtGitHub(RuleBasedStateMachine):
    """Jobs come, the gate moves, GitHub is ill, and the power goes."""

    def __init__(self):
        super().__init__()
        self.context = a_hub(lambda: self.at)
        self.hub = self.context.__enter__()
        self.at = AT
        self.memory = Notebook()
        self.memory.add(AT, *HEALTHY_THEN_NEXT, *READY)
        self.fresh = True
        self.jobs = 0
        self.starts = 0
        self.wrong = []
        self.restart()
        self.a_job_waits()

    def teardown(self):
        self.context.__exit__(None, None, None)

    def restart(self):
        self.memory.fuse = Fuse()
        self.gating = Gating(self.memory, FILES, RULES)
        self.posting = Deployments(
            App(self.hub.api, APP, KEY),
            self.memory,
            name="dms-test",
            weighed=lambda one, at: self.gating.weighed(one, self.at, at),
            fresh=lambda: self.fresh,
            now=lambda: self.at,
        )

    def is_open(self):
        s = self.memory.standing
        here = s.running.pair.version == "v1.3.0"
        said = gate(s, "v1.3.0", RELEASE, RULES, looked=self.at, at=self.at)
        return self.fresh and here and said.state == "open"

    @precondition(lambda self: self.jobs < 4)
    @rule()
    def a_job_waits(self):
        self.jobs += 1
        ask = requested(deployment=f"dpl_{self.jobs}", run=self.jobs)
        self.memory.add(self.at, ask)

    @rule()
    def a_person_holds(self):
        self.memory.add(self.at, HoldPlaced("asha", "hold"))

    @rule()
    def the_hold_is_lifted(self):
        self.memory.add(self.at, HoldLifted("asha", "done"))

    @rule(posts=st.booleans())
    def it_is_rolled_back(self, posts):
        self.memory.add(self.at, begun(), ended(), started("v1.2.0"))
        if posts:
            self.a_turn_and_then_a_post(closes=False)

    @rule()
    def it_is_deployed_again(self):
        self.starts += 1
        again = started("v1.3.0", containers=f"again {self.starts}")
        self.memory.add(self.at, again, *READY)

    @rule(fresh=st.booleans())
    def the_watch_is(self, fresh):
        self.fresh = fresh

    @rule(after=st.sampled_from([SECOND, MINUTE, 30 * MINUTE]))
    def time_goes_by(self, after):
        self.at += after

    @rule()
    def a_turn(self):
        self.gating.turn(self.at, self.at)

    @rule(closes=st.booleans())
    def a_turn_and_then_a_post(self, closes):
        self.at += MINUTE
        self.a_turn()
        if closes:
            self.a_person_holds()
        self.what_is_due_is_posted([], None)

    @rule()
    def github_takes_it_and_its_answer_is_lost(self):
        self.what_is_due_is_posted_to_an_ill_one(["taken-and-lost"], None)

    @rule(
        answers=st.lists(
            st.sampled_from(["taken-and-lost", "taken-and-lost", 503, 429, 401, 422]),
            max_size=3,
        ),
        cut=st.none() | st.integers(1, 8),
    )
    def what_is_due_is_posted_to_an_ill_one(self, answers, cut):
        self.at += MINUTE
        self.a_turn()
        self.what_is_due_is_posted(answers, cut)

    def what_is_due_is_posted(self, answers, cut):
        before, is_open = len(self.hub.verdicts()), self.is_open()
        self.hub.answers = [(status, {}) for status in answers]
        if cut:
            self.memory.fuse = Fuse(cut)
        try:
            self.posting.tell()
        except PowerCut:
            self.restart()
        self.memory.fuse = Fuse()
        self.hub.answers = []
        came = [state for *_, state in self.hub.verdicts()[before:]]
        if "approved" in came and not is_open:
            self.wrong.append((self.at, came))

    @invariant()
    def an_approval_only_ever_left_through_an_open_gate(self):
        assert self.wrong == []

    @invariant()
    def no_job_ever_gets_two_different_verdicts(self):
        told = {}
        for run, _, state in self.hub.verdicts():
            told.setdefault(run, set()).add(state)
        assert all(len(states) == 1 for states in told.values()), told

    @invariant()
    def github_is_never_asked_for_more_reports_than_it_takes(self):
        reports = [run for _, run, body in self.hub.reviews if "state" not in body]
        assert all(reports.count(run) <= 10 for run in reports)


AtGitHub.TestCase.settings = settings(
    max_examples=25 * TIMES, stateful_step_count=30, deadline=None
)
TestWhateverHappensAtGitHub = AtGitHub.TestCase
