"""A signed word that a paused release may go onward, weighed and journaled."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from watchdog.approve.listed import Listed
from watchdog.approve.reply import Reply, no
from watchdog.approve.strict import Strict, read
from watchdog.decide.gate import digest_of, lasting, resumed
from watchdog.decide.standing import Standing
from watchdog.facts.event import Event
from watchdog.facts.roster import Roster
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
        self._audience = audience
        self._listed = Listed(memory, roster)
        self._releases = releases

    def resume(
        self, version: str, headers: Mapping[str, list[str]], body: bytes, at: datetime
    ) -> Reply:
        """Weigh one delivery; the checks are those of an answer, in their order."""
        release = self._releases.for_version(version)
        about = release.version if release and not release.is_default else ""
        checked = self._listed.checked(
            headers,
            body,
            at,
            meant=(self._audience, version),
            parse=_resume,
            about=about,
        )
        if isinstance(checked, Reply):
            return checked
        signed, data = checked
        if release is None or signed.who not in release.eligible:
            words = f"{signed.who} is not a DRI of this release"
            refusal = no(403, "not_a_release_dri", words)
            return self._listed.refused(
                refusal, signed.who, signed.key, at, about=about
            )

        def weigh(standing: Standing) -> tuple[Event, ...] | Reply:
            pauses = lasting(standing, version, release)
            if not pauses:
                words = f"{version} is not paused by anything lasting"
                return no(409, "not_paused", words)
            if digest_of(pauses) != data.pauses_digest:
                words = "it is paused for something else by now"
                return no(409, "action_mismatch", words)
            events = resumed(standing, version, release, signed.who, data.reason)
            return tuple(events)

        untaken = self._listed.taken(signed, at, weigh, about=about)
        if untaken is not None:
            return untaken
        return Reply(202, {"release": version, "state": "resumed", "by": signed.who})


def _resume(body: bytes) -> tuple[_Data, tuple[str, str]]:
    data = read(Resume, body).data
    return data, (data.audience, data.release)
