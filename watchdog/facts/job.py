"""A service that is run to its end and not kept running: a job, as it was found."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

ONCE, AGAIN = "once", "again"


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the stack, and how its container ended.

    *state* is the engine's word (``exited``, ``running``, ``created``, …), empty
    where there is no container of it any more; *code* is what it ended with, and
    None unless it has ended.
    """

    service: str
    container: str = ""
    version: str = ""
    state: str = ""
    code: int | None = None

    @property
    def has_begun(self) -> bool:
        """Tell whether its container was ever started."""
        return self.state not in ("", "created")

    def wrong(self, version: str) -> str:
        """Say why it has not ended well, as a job of *version*; nothing when it has.

        What a rollback left as it was is another version's: that must be over, and
        what it came to is not this one's.
        """
        if not self.state:
            return ""
        if self.code is None:
            over = self.version != version and self.state == "created"
            how = "never ran" if self.state == "created" else f"is {self.state}"
            return "" if over else f"job {self.service} {how}, meant to have ended"
        if self.version == version and self.code:
            return f"job {self.service} ended with {self.code}, meant 0"
        return ""

    @property
    def words(self) -> str:
        """Say how it was found."""
        if not self.state:
            return f"job {self.service} has no container any more"
        how = self.state if self.code is None else f"ended with {self.code}"
        return f"job {self.service} of {self.version} {how}"


@dataclass(frozen=True, slots=True)
class Jobs:
    """What the release files say of jobs.

    *named* gives the services that any of them calls a job; *said* what the file of a
    version says of each: ``once``, or ``again`` where a rollback to it runs it again.
    """

    named: Callable[[], Collection[str]] = tuple
    said: Callable[[str], Mapping[str, str]] = lambda _: {}

    def again(self, version: str) -> tuple[str, ...]:
        """Name those that a rollback to *version* runs again."""
        said = self.said(version)
        return tuple(service for service, word in said.items() if word == AGAIN)
