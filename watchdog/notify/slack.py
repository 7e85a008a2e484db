"""Slack, by an incoming webhook: one message a change, in Block Kit.

Source: Slack's Block Kit reference; text of others is escaped as it asks for.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from watchdog.facts.message import Message, Severity
from watchdog.notify.channel import post, refusal_in, report_of

_LONGEST_HEADER, _LONGEST_TEXT, _LONGEST_FACT, _MOST_FACTS = 150, 2900, 300, 10
_SIGN = {Severity.CRITICAL: "🔴", Severity.WARNING: "🟠", Severity.INFO: "⚪"}
# Slack reads a user, a channel or a link out of these, and nothing out of them escaped.
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Not taken for formatting, nor for a name: a zero-width joiner before each.
_MARKS = "*_~`@#"


@dataclass(frozen=True, slots=True)
class Slack:
    """Posts every message to one incoming webhook, whose URL is a secret.

    *base* is where people reach the decisions listener, *pages* where the private
    one. *buttons*: an app with interactivity is
    behind the webhook, so that an answer can be given there.
    """

    name: str
    url: str = field(repr=False)
    base: str = ""
    buttons: bool = False
    pages: str = ""

    def send(self, message: Message, _: datetime) -> None:
        """Post *message*; raises NotTaken."""
        body = json.dumps(self.body(message)).encode()
        post(self.url, body, {}, refusal_of_slack)

    def body(self, message: Message) -> dict[str, Any]:
        """Lay *message* out; the first line answers."""
        title = f"{_SIGN[message.severity]} {_plain(message.title)}"
        blocks: list[dict[str, Any]] = [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": _cut(title, _LONGEST_HEADER)},
            },
            {"type": "section", "text": _text(message.words, _LONGEST_TEXT)},
        ]
        if message.facts:
            fields = [
                _text(f"{name}: {value}", _LONGEST_FACT)
                for name, value in message.facts[:_MOST_FACTS]
            ]
            blocks.append({"type": "section", "fields": fields})
        if message.next:
            after = _text(f"next: {message.next}", _LONGEST_TEXT)
            blocks.append({"type": "context", "elements": [after]})
        if message.to:
            who = _text(f"for {', '.join(message.to)}", _LONGEST_TEXT)
            blocks.append({"type": "context", "elements": [who]})
        if message.question and self.base:
            # Ours and the settings': nothing of others is in this link.
            link = f"<{self.base}/a/{message.question}|look and decide>"
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": link}})
        if report := report_of(message, self.pages):
            words = f"<{report.url}|its report>" if report.url else ""
            text = {"type": "mrkdwn", "text": words}
            if not words:
                text = _text(f"its report: {report.words}", _LONGEST_TEXT)
            blocks.append({"type": "section", "text": text})
        if message.document and self.buttons:
            blocks.append(_buttons(message))
        return {
            "text": _cut(title, _LONGEST_HEADER),
            "blocks": blocks,
            "unfurl_links": False,
            "unfurl_media": False,
        }


def refusal_of_slack(body: bytes) -> str:
    """Give why Slack, or what speaks like it, did not take it, though it says 200.

    What was taken is answered with `ok` alone, or with nothing.
    """
    text = body.decode(errors="replace").strip()
    if text.startswith("{"):
        return refusal_in(body)
    return "" if text.lower() in ("", "ok") else text


def _buttons(message: Message) -> dict[str, Any]:
    """Offer both answers; the value binds the question and what was shown."""
    value = f"{message.question}:{message.digest.removeprefix('sha256:')[:16]}"
    return {
        "type": "actions",
        "block_id": message.question,
        "elements": [
            {
                "type": "button",
                "action_id": decision,
                "text": {"type": "plain_text", "text": text},
                "style": style,
                "value": value,
                "confirm": {
                    "title": {"type": "plain_text", "text": f"{text}?"},
                    "text": _text(message.words, _LONGEST_FACT),
                    "confirm": {"type": "plain_text", "text": text},
                    "deny": {"type": "plain_text", "text": "Not now"},
                },
            }
            for decision, text, style in (
                ("approve", "Roll back", "danger"),
                ("deny", "Do not", "primary"),
            )
        ],
    }


def _text(words: str, most: int) -> dict[str, str]:
    return {"type": "mrkdwn", "text": escaped(_cut(words, most))}


def escaped(text: str) -> str:
    """Make text of others only text: no link, no mention, no formatting."""
    safe = "".join(_ESCAPED.get(char, char) for char in _plain(text))
    return "".join(f"\u200d{char}" if char in _MARKS else char for char in safe)


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
