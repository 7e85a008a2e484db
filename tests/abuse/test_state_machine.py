"""Proposals, answers, replays, drift, revocations and time, in any order at all."""

import shutil
import tempfile
from itertools import count
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.thorough import TIMES
from tests.worlds import (
    ASHA,
    BELA,
    HTTP_5XX,
    MINUTE,
    SECOND,
    Enrolled,
    World,
    a_roster,
)
from watchdog.approve.answer import Door, Given
from watchdog.facts.event import (
    Answered,
    AnswerVoided,
    QuestionAsked,
    QuestionClosed,
    RollbackStarted,
)

CARL = "carl@flexli.example"
PEOPLE = st.sampled_from([ASHA, BELA, CARL])
MEMORY = Path("/dev/shm")


class Approvals(RuleBasedStateMachine):
    """A watchdog that is started anew at every turn, and people who do anything."""

    @initialize(needed=st.integers(1, 2))
    def begin(self, needed):
        self.root = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.it = World(self.root / "world")
        self.it.bake("v1.2.0")
        for version, release in self.it.releases.items():
            self.it.releases[version] = type(release)(
                **{
                    name: getattr(release, name)
                    for name in release.__dataclass_fields__
                }
                | {"required_approvals": needed}
            )
        self.it.roster = a_roster(ASHA, BELA, CARL)
        self.it.compose_up("v1.3.0")
        self.it.turn()
        self.it.turn(self.it.rules.settle)
        self.numbers = count()
        self.sent = []
        self.accepted_after_end = self.begun = 0
        self.it_breaches()

    def teardown(self):
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    # what the world and people do

    @rule()
    def it_breaches(self):
        self.it.numbers.values[HTTP_5XX.name] = 9
        self.it.turn()

    @rule()
    def it_recovers(self):
        self.it.numbers.values.clear()
        self.it.turn()

    @rule(minutes=st.sampled_from([0, 1, 20, 35, 70]))
    def time_passes(self, minutes):
        self.it.turn(minutes * MINUTE + SECOND)

    @rule(version=st.sampled_from(["v1.3.0", "v1.3.1"]))
    def somebody_deploys(self, version):
        self.it.compose_up(version)
        self.it.turn()

    @rule(gone=st.sampled_from([ASHA, BELA, "who answered last"]))
    def somebody_leaves(self, gone):
        if self.sent and gone not in (ASHA, BELA):
            gone = self.sent[-1][1].who
        left = [name for name in (ASHA, BELA, CARL) if name != gone]
        self.it.roster = a_roster(*left)

    @rule()
    def everybody_is_back(self):
        self.it.roster = a_roster(ASHA, BELA, CARL)

    @rule(
        by=PEOPLE,
        decision=st.sampled_from(["approve"] * 5 + ["deny", "forward_fix"]),
        wrong=st.sampled_from([""] * 6 + ["digest", "incident", "old question"]),
    )
    def somebody_answers(self, by, decision, wrong):
        asked = self.it.memory.all(QuestionAsked)
        if not asked:
            return
        question = asked[0] if wrong == "old question" else asked[-1]
        at = self.it.clock.now()
        given = Given(
            message=f"msg-{next(self.numbers)}",
            who=by,
            key="",
            scheme="v1a",
            assurance="key",
            decision=decision,
            reason="because",
            body=f"{by} {decision}",
            incident="inc-x" if wrong == "incident" else question.incident,
            digest="sha256:0" if wrong == "digest" else question.digest,
            eta=at + 5 * MINUTE if decision == "forward_fix" else None,
        )
        reply = self.give(question.question, given)
        self.sent.append((question.question, given))
        if wrong in ("digest", "incident"):
            assert reply.status >= 400

    @rule(which=st.integers(0, 30))
    def somebody_replays(self, which):
        if not self.sent:
            return
        question, given = self.sent[which % len(self.sent)]
        before = len(self.it.memory.all(Answered))
        known = {a.message for a in self.it.memory.all(Answered)}

        reply = self.give(question, given)

        if given.message in known:
            assert reply.status == 200
            assert len(self.it.memory.all(Answered)) == before

    @rule()
    def a_turn(self):
        self.it.turn()

    def give(self, question, given):
        door = Door(
            self.it.memory,
            audience=self.it.rules.name,
            roster=lambda: Enrolled(self.it.roster).roster,
            releases=self.it.filed(),
        )
        known = {a.message for a in self.it.memory.all(Answered)}
        closed = {c.question for c in self.it.memory.all(QuestionClosed)}
        reply = door.take(question, given, self.it.clock.now())
        if question in closed and reply.status == 202 and given.message not in known:
            self.accepted_after_end += 1
        return reply

    # what holds whatever they do

    @invariant()
    def a_question_is_carried_out_at_most_once(self):
        if not hasattr(self, "it"):
            return
        done = [
            c.question
            for c in self.it.memory.all(QuestionClosed)
            if c.how == "carried out"
        ]
        assert len(done) == len(set(done))
        assert len(done) == len(self.it.memory.all(RollbackStarted))

    @invariant()
    def nothing_is_rolled_back_without_answers_that_counted(self):
        if not hasattr(self, "it"):
            return
        entries = self.it.memory.entries
        for place, entry in enumerate(entries):
            if not isinstance(entry.event, RollbackStarted):
                continue
            before = [e.event for e in entries[:place]]
            asked = [e for e in before if isinstance(e, QuestionAsked)][-1]
            void = {e.message for e in before if isinstance(e, AnswerVoided)}
            counted = [
                e
                for e in before
                if isinstance(e, Answered)
                and e.question == asked.question
                and e.message not in void
            ]
            yes = {e.by for e in counted if e.decision == "approve"}
            assert len(yes) >= asked.needed
            assert not [e for e in counted if e.decision == "deny"]
            assert yes <= set(asked.dri)

    @invariant()
    def who_had_left_by_then_approved_nothing(self):
        if not hasattr(self, "it"):
            return
        begun = self.it.memory.all(RollbackStarted)
        if len(begun) > self.begun:
            self.begun = len(begun)
            people = set(begun[-1].approved_by.split(" and "))
            assert people <= set(self.it.roster.names)

    @invariant()
    def what_is_over_takes_no_answer(self):
        assert getattr(self, "accepted_after_end", 0) == 0

    @invariant()
    def no_pair_ever_started_mixed(self):
        if hasattr(self, "it"):
            assert all(len(set(one)) == 1 for one in self.it.pairs_started())


Approvals.TestCase.settings = settings(
    max_examples=80 * TIMES, stateful_step_count=20, deadline=None
)
TestApprovals = Approvals.TestCase
