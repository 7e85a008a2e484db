"""What became of a click in Slack, said where it was clicked.

Source: Slack's ``response_url``: five posts within 30 minutes, to one message.
"""

import contextlib
import json
import queue
import threading
from typing import Any

from watchdog.decide.question import Question
from watchdog.decide.tidings import message_of
from watchdog.facts.event import Entry
from watchdog.notify.channel import NotTaken, post
from watchdog.notify.slack import Slack, escaped

_PAUSES = (1.0, 5.0)  # s, before each further try
_MOST = 64


class Replies:
    """Posts to where Slack said, from a thread of its own.

    Nothing depends on it: what is lost with a crash leaves old buttons in Slack,
    and a click on those is answered by what the journal holds. The address is as good
    as a password for half an hour, and so it is kept in memory only.
    """

    def __init__(self, name: str, base: str) -> None:
        """*name* is the watchdog's, *base* where people reach its pages."""
        self._name = name
        self._base = base
        self._stopped = threading.Event()
        self._waiting: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(
            maxsize=_MOST
        )
        self._thread = threading.Thread(target=self._run, name="replies", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further post."""
        self._stopped.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)

    def told(self, url: str, question: Question | None, refusal: str) -> None:
        """Say what became of a click; returns at once, and may forget it.

        A refusal is said to who clicked, and the message stays as it is for others
        unless nothing is open any more.
        """
        bodies: list[dict[str, Any]] = []
        if question and (not refusal or _is_over(question)):
            bodies.append(self._replaced(question))
        if refusal:
            text = f"not taken: {escaped(refusal)}"
            bodies.append(
                {"response_type": "ephemeral", "replace_original": False, "text": text}
            )
        for body in bodies:
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait((url, body))

    def _replaced(self, question: Question) -> dict[str, Any]:
        """Lay the question out again, with the answers in place of the buttons.

        The buttons stay where another person must agree.
        """
        message = message_of(Entry(0, question.asked_at, question.asked), self._name)
        if message is None:
            raise AssertionError("a question is always told")
        room = Slack("", "", self._base, buttons=not _is_over(question))
        body = room.body(message)
        so_far = {"type": "mrkdwn", "text": escaped(_so_far(question))}
        body["blocks"].insert(2, {"type": "context", "elements": [so_far]})
        return body | {"replace_original": True}

    def _run(self) -> None:
        while (found := self._waiting.get()) is not None and not self._stopped.is_set():
            self._post(*found)

    def _post(self, url: str, body: dict[str, Any]) -> None:
        for pause in (*_PAUSES, None):
            try:
                post(url, json.dumps(body).encode(), {})
            except NotTaken as no:
                if no.final or pause is None or self._stopped.wait(pause):
                    return
                continue
            return


def _is_over(question: Question) -> bool:
    decided = question.is_approved or question.denied_by is not None
    return bool(question.closed) or decided


def _so_far(question: Question) -> str:
    said = [f"{answer.by}: {answer.decision}" for answer in question.counted]
    if question.closed:
        said.append(f"the question is {question.closed}")
    elif question.is_approved:
        said.append("approved, and weighed by the next turn")
    elif question.denied_by is None:
        said.append(f"{len(question.approvals)} of {question.asked.needed} agreed")
    return "; ".join(said)
