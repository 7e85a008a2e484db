"""Any other service, through Apprise, where that optional package is installed.

Source: Apprise 1 and 2, ``Apprise.notify``.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from watchdog.facts.message import Message, Severity
from watchdog.facts.problem import Problem
from watchdog.notify.channel import NotTaken

_KINDS = {
    Severity.CRITICAL: "failure",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}


@dataclass(frozen=True, slots=True)
class Everywhere:
    """Hands every message to Apprise for one of its URLs, which is a secret."""

    name: str
    url: str = field(repr=False)
    base: str = ""

    def check(self) -> None:
        """Say now what would fail later.

        Raises:
            Problem: Apprise is not installed, or does not know such a URL.
        """
        if not _apprise().Apprise().add(self.url):
            raise Problem(
                f"Apprise does not know the URL of {self.name}",
                "its scheme says which service: see Apprise's own list",
            )

    def send(self, message: Message, _: datetime) -> None:
        """Hand *message* over; raises NotTaken."""
        speaker = _apprise().Apprise()
        speaker.add(self.url)
        lines = [message.words, *(f"{name}: {value}" for name, value in message.facts)]
        if message.question and self.base:
            lines.append(f"{self.base}/a/{message.question}")
        taken = speaker.notify(
            title=message.title,
            body="\n".join(lines),
            notify_type=_KINDS[message.severity],
            body_format="text",
        )
        if not taken:
            # It says no more than that.
            raise NotTaken(f"{self.name} was not reached through Apprise")


def _apprise() -> Any:
    try:
        import apprise  # noqa: PLC0415 # optional, and large
    except ImportError:
        raise Problem(
            "Apprise is not installed",
            "install the extra: pip install 'dms-rollback-watchdog[apprise]'",
        ) from None
    return apprise
