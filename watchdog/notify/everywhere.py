"""Any other service, through Apprise, where that optional package is installed.

Source: Apprise 2, ``Apprise.notify`` and its ``AppriseResult``.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from watchdog.facts.message import Message, Severity
from watchdog.facts.problem import Problem
from watchdog.notify.channel import NotTaken, report_of, shown

_PATIENCE = 60.0  # s
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
    pages: str = ""
    _trying: list[threading.Thread] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def check(self) -> None:
        """Say now what would fail later.

        Raises:
            Problem: Apprise is not installed, does not know such a URL, or would
                say of what nobody took that it was delivered.
        """
        service = self._service()
        if getattr(service, "optional", False):
            raise Problem(
                f"the URL of {self.name} says optional=yes: a message that nobody took "
                "would count as delivered",
                "take it out; a dead receiver delays nothing anyway",
            )

    def _service(self) -> Any:
        """Make the one who posts; they follow no redirect, whatever their URL says."""
        service = _apprise().Apprise.instantiate(self.url, suppress_exceptions=True)
        if service is None:
            raise Problem(
                f"Apprise does not know the URL of {self.name}",
                "its scheme says which service: see Apprise's own list",
            )
        if not hasattr(service, "redirects"):
            raise Problem(
                "this Apprise follows redirects, and a login page is no receiver",
                "install the extra anew: pip install 'dms-rollback-watchdog[apprise]'",
            )
        service.redirects = False
        return service

    def send(self, message: Message, _: datetime) -> None:
        """Hand *message* over; raises NotTaken."""
        speaker = _apprise().Apprise()
        speaker.add(self._service())
        lines = [message.words, *(f"{name}: {value}" for name, value in message.facts)]
        if message.next:
            lines.append(f"next: {message.next}")
        if message.question and self.base:
            lines.append(f"{self.base}/a/{message.question}")
        if report := report_of(message, self.pages):
            lines.append(f"its report: {report.words}")
        taken = self._notified(
            speaker,
            title=message.title,
            body="\n".join(lines),
            notify_type=_KINDS[message.severity],
            body_format="text",
        )
        if not taken:
            words = "; ".join(dict.fromkeys(self._said(taken)))
            raise NotTaken(words or f"{self.name} was not reached through Apprise")

    def _notified(self, speaker: Any, **what: str) -> Any:
        """Have it sent in a thread of its own: a service that drips is left to that.

        Apprise has no deadline on the whole of an answer, and one try at a time.
        """
        if self._trying and self._trying[0].is_alive():
            raise NotTaken(f"{self.name} still has not ended an earlier try")
        taken: list[Any] = []
        one = threading.Thread(
            target=lambda: taken.append(speaker.notify(**what)), daemon=True
        )
        self._trying[:] = [one]
        one.start()
        one.join(_PATIENCE)
        if one.is_alive():
            words = f"{self.name} did not answer through Apprise within {_PATIENCE:g} s"
            raise NotTaken(words)
        return taken[0] if taken else None

    def _said(self, taken: Any) -> Iterator[str]:
        """Give the service's own words, without any part of its URL but the host."""
        for result in getattr(taken, "results", ()):
            for entry in result.logs():
                if entry.level in ("WARNING", "ERROR", "CRITICAL"):
                    yield shown(entry.message, self.url)


def _apprise() -> Any:
    try:
        import apprise  # noqa: PLC0415 # optional, and large
    except ImportError:
        raise Problem(
            "Apprise is not installed",
            "install the extra: pip install 'dms-rollback-watchdog[apprise]'",
        ) from None
    return apprise
