"""A question to people: asked, looked after, and closed when it is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from watchdog.decide.approval import (
    deadline_of,
    nobody_to_ask,
    reminders,
    why_it_does_not_count,
)
from watchdog.decide.document import digest_of, document
from watchdog.facts.decision import Ask
from watchdog.facts.event import (
    Event,
    QuestionAsked,
    QuestionClosed,
    RollbackDelayed,
    RollbackRefused,
)
from watchdog.facts.pair import Running
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release
from watchdog.turn.roles import Enrolled, Remembers


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks who may decide, as they are listed now; the answers come by the journal."""

    memory: Remembers
    roster: Enrolled
    rules: Rules
    secret: Callable[[], str]

    def look_after(self, release: Release, at: datetime) -> None:
        """Take out the answers that count no more, and remind who has not answered."""
        question = self.memory.standing.question
        if question is None or question.closed:
            return
        void = why_it_does_not_count(question, release, self.roster.roster, at)
        found: list[Event] = list(void)
        found += reminders(question, release, self.rules.on_call, at)
        if found:
            self.memory.add(at, *found)

    def ask(self, seen: Running, release: Release, ask: Ask, at: datetime) -> str:
        """Put the question to those who may answer, once somebody can.

        Where nobody can, it is said, and refused once the time for an answer is over.
        """
        incident = self.memory.standing.incident
        onsets = [b.onset for b in incident.charged if b.onset] if incident else []
        onset = min(onsets, default=None)
        if nobody := nobody_to_ask(release, self.roster.roster, at):
            since = incident.delayed_since if incident else None
            if since and at >= deadline_of(onset, release, since):
                return self.refuse(ask.incident, nobody, at)
            if incident and incident.delayed != nobody:
                self.memory.add(at, RollbackDelayed(ask.incident, nobody))
            return nobody
        question = f"apr_{self.secret()}"
        expires = deadline_of(onset, release, at)
        text = document(
            self.rules.name,
            question,
            ask.incident,
            ask.words,
            (seen.pair, ask.to),
            at=at,
            expires=expires,
            needed=release.required_approvals,
        )
        words = (
            f"{', '.join(release.dri)}: roll {seen.pair.version} back to "
            f"{ask.to.version}? {ask.words}"
        )
        events: list[Event] = []
        if ask.again:
            events.append(QuestionClosed(ask.again, "superseded", ask.words))
        asked = QuestionAsked(
            question,
            ask.incident,
            text,
            digest_of(text),
            release.dri,
            expires,
            words,
            needed=release.required_approvals,
            instead_of=ask.again,
        )
        self.memory.add(at, *events, asked)
        return words

    def refuse(self, incident: str, words: str, at: datetime) -> str:
        """Say that what was called for is not done; an open question is closed."""
        question = self.memory.standing.question
        events: list[Event] = [RollbackRefused(incident, words)]
        if question and not question.closed:
            how = "denied" if question.denied_by else "closed"
            if at >= question.deadline and not question.denied_by:
                how = "expired"
            events.append(QuestionClosed(question.asked.question, how, words))
        self.memory.add(at, *events)
        return words
