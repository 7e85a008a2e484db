"""What a listed person signed: the checks that come first, and its one journaling."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Protocol, TypeVar

from watchdog.approve.reply import Reply, no
from watchdog.approve.strict import Malformed
from watchdog.decide.standing import Standing
from watchdog.facts.event import AnswerRefused, Event, KeyFirstUsed
from watchdog.facts.problem import Claimed
from watchdog.facts.roster import Roster
from watchdog.sign.delivery import Signed, Unauthorized, who_signed
from watchdog.turn.roles import Remembers

# Refusals that say something of who signed, or of what they were shown.
_TELLING = (403, 410)


class Says(Protocol):
    """What was signed: it names whoever is to have signed it."""

    approver: str


class Sender(Protocol):
    """Who sent it, with which key, under which name of its own."""

    @property
    def message(self) -> str:
        """Give the name under which it is taken once."""
        ...

    @property
    def who(self) -> str:
        """Give the person's name in the roster."""
        ...

    @property
    def key(self) -> str:
        """Give the key's name."""
        ...


Said = TypeVar("Said", bound=Says)


class Listed:
    """Checks what people of the roster sign, and takes each of it once."""

    def __init__(self, memory: Remembers, roster: Callable[[], Roster]) -> None:
        self._memory = memory
        self._roster = roster

    def signed(
        self, headers: Mapping[str, list[str]], body: bytes, at: datetime
    ) -> Signed:
        """Tell who signed it; raises ``Unauthorized``."""
        return who_signed(headers, body, self._roster().keys_at(at), at)

    def checked(
        self,
        headers: Mapping[str, list[str]],
        body: bytes,
        at: datetime,
        *,
        meant: tuple[str, str],
        parse: Callable[[bytes], tuple[Said, tuple[str, str]]],
        about: str,
    ) -> tuple[Signed, Said] | Reply:
        """Make the checks that come first of whatever is signed, in their order.

        Nothing is parsed before its signature is verified. *parse* gives what was
        said and whom it is for: the audience, and what it is about, which must be
        *meant*. *about* is as in ``refused``.
        """
        try:
            signed = self.signed(headers, body, at)
        except Unauthorized:
            return no(401, "unauthorized", "no valid signature of a listed approver")
        try:
            said, to = parse(body)
        except Malformed as wrong:
            return unread(wrong)
        refusal = None
        if to != meant:
            words = "what was signed is for elsewhere"
            refusal = no(403, "wrong_audience_or_path", words)
        elif said.approver != signed.who:
            words = f"this key is {signed.who}'s"
            refusal = no(403, "approver_key_mismatch", words)
        if refusal is not None:
            return self.refused(refusal, signed.who, signed.key, at, about=about)
        return signed, said

    def taken(
        self,
        sent: Sender,
        at: datetime,
        weigh: Callable[[Standing], tuple[Event, ...] | Reply],
        *,
        about: str,
    ) -> Reply | None:
        """Weigh and journal it in one; give the reply when it was not taken."""

        def weighed(standing: Standing) -> tuple[Event, ...] | Reply:
            found = weigh(standing)
            if isinstance(found, Reply):
                return found
            return (*self._first_use(standing, sent.who, sent.key), *found)

        try:
            found = self._memory.add_if(at, weighed, claim=f"answer/{sent.message}")
        except Claimed:
            return no(409, "idempotency_key_reuse", "this webhook-id was used before")
        if isinstance(found, Reply):
            return self.refused(found, sent.who, sent.key, at, about=about)
        return None

    def refused(
        self, reply: Reply, who: str, key: str, at: datetime, *, about: str
    ) -> Reply:
        """Journal that *who* was refused, and give the refusal on.

        Once for each person, key, reason, and question or release that is known
        (*about*, else empty): no one who is listed can fill the journal with it.
        """
        code = str(reply.body.get("code", ""))
        if reply.status not in _TELLING and code != "action_mismatch":
            return reply
        what = about or "nothing that is known here"
        words = f"{who}, about {what}: {reply.body['title']}"
        event = AnswerRefused(about, who, key, code, words)
        with suppress(Claimed):
            self._memory.add_if(
                at,
                lambda standing: (*self._first_use(standing, who, key), event),
                claim=f"refused/{about}/{who}/{key}/{code}",
            )
        return reply

    def _first_use(self, standing: Standing, who: str, key: str) -> tuple[Event, ...]:
        """Say that *key* is used for the first time, or is another one by now."""
        fingerprint = self._roster().fingerprint(who, key)
        if standing.keys_used.get(key) in ("", fingerprint):
            return ()
        is_other = key in standing.keys_used
        other = "another key than before has this name: " if is_other else ""
        shown = f" ({fingerprint})" if fingerprint else ""
        words = f"{other}first use of key {key}{shown} of {who}"
        return (KeyFirstUsed(who, key, fingerprint, words),)


def unread(wrong: Malformed) -> Reply:
    """Refuse what is not of its form: 422 for a wrong key, 400 for no JSON of ours."""
    return no(422 if wrong.code == "schema" else 400, wrong.code, wrong.words)
