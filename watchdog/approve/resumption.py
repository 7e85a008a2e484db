"""A signed word that a paused release may go onward, weighed and journaled."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from watchdog.approve.answer import Reply, first_checks, first_use, no, noted
from watchdog.approve.strict import Strict, read
from watchdog.decide.gate import digest_of, lasting, resumed
from watchdog.decide.standing import Standing
from watchdog.facts.event import Event
from watchdog.facts.problem import Claimed
from watchdog.facts.roster import Roster
from watchdog.sign.delivery import Signed
from watchdog.turn.roles import Filed, Remembers


class _Data(Strict):
    release: str
    audience: str
    pauses_digest: str
    decision: Literal["resume"]
    approver: str
    reason: str = Field(min_length=1, max_length=2000)


class Resume(Strict):
    """The body of a resumption, as a person's tool signs it."""

    type: Literal["promotion.decision"]
    timestamp: str
    data: _Data


class Resumption:
    """Takes a DRI's word that lifts exactly the pauses that they saw."""

    def __init__(
        self,
        memory: Remembers,
        *,
        audience: str,
        roster: Callable[[], Roster],
        releases: Filed,
    ) -> None:
        self._memory = memory
        self._audience = audience
        self._roster = roster
        self._releases = releases

    def resume(
        self, version: str, headers: Mapping[str, list[str]], body: bytes, at: datetime
    ) -> Reply:
        """Weigh one delivery; the checks are those of an answer, in their order."""
        meant = (self._audience, version)
        checked = first_checks(
            headers,
            body,
            at,
            roster=self._roster(),
            meant=meant,
            parse=_resume,
            refused=lambda signed, reply: self._refused(reply, version, signed, at),
        )
        if isinstance(checked, Reply):
            return checked
        signed, data = checked
        release = self._releases.for_version(version)
        if release is None or signed.who not in release.eligible:
            words = f"{signed.who} is not a DRI of this release"
            refusal = no(403, "not_a_release_dri", words)
            return self._refused(refusal, version, signed, at)

        def weigh(standing: Standing) -> tuple[Event, ...] | Reply:
            pauses = lasting(standing, version, release)
            if not pauses:
                words = f"{version} is not paused by anything lasting"
                return no(409, "not_paused", words)
            if digest_of(pauses) != data.pauses_digest:
                words = "it is paused for something else by now"
                return no(409, "action_mismatch", words)
            first = first_use(standing, self._roster(), signed.who, signed.key)
            events = resumed(standing, version, release, signed.who, data.reason)
            return *first, *events

        try:
            found = self._memory.add_if(at, weigh, claim=f"answer/{signed.message}")
        except Claimed:
            return no(409, "idempotency_key_reuse", "this webhook-id was used before")
        if isinstance(found, Reply):
            return self._refused(found, version, signed, at)
        return Reply(202, {"release": version, "state": "resumed", "by": signed.who})

    def _refused(
        self, reply: Reply, version: str, signed: Signed, at: datetime
    ) -> Reply:
        release = self._releases.for_version(version)
        about = version if release and not release.is_default else ""
        return noted(
            self._memory,
            self._roster(),
            reply,
            at,
            about=about,
            who=signed.who,
            key=signed.key,
        )


def _resume(body: bytes) -> tuple[_Data, tuple[str, str]]:
    data = read(Resume, body).data
    return data, (data.audience, data.release)
