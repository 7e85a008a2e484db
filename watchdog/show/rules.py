"""A release's triggers as plain Prometheus alerting rules, for dashboards.

They warn earlier and know less than the watchdog: a rule has a ratio, no counts.
Source: Prometheus, "Alerting rules", and ``rulefmt.Rule``, which is strict.
"""

import json
import math
import re
from datetime import timedelta
from typing import assert_never

from watchdog.config.notation import written
from watchdog.facts.selector import bucket
from watchdog.facts.trigger import (
    Latency,
    Queue,
    Ratio,
    RatioQuery,
    Release,
    Sick,
    Traffic,
    Trigger,
    Value,
)

_PLACEHOLDER = re.compile(r"\{\{\s*window\s*\}\}")
# What a template may hold and still be certain to parse.
_FIELD = re.compile(
    r"(\{\{\s*\$(?:value|labels\.[a-zA-Z_]\w*)"
    r"(?:\s*\|\s*humanize(?:1024|Duration|Percentage)?)?\s*\}\})",
    re.ASCII,
)
_NOT_KEYS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
# Prometheus' own default for groups is a minute: coarser than most triggers.
_INTERVAL = "15s"

_HEAD = """\
# Written by `watchdog export-rules {release}`; for dashboards. Do not edit.
# The watchdog does not read these alerts. It judges the same metrics from counts:
# with a coverage, a least number of events and a confidence, none of which a rule
# has. So a rule may fire where the watchdog still says "suspected" or "blind".
"""


def rules(release: Release) -> str:
    """Write one rule group that ``promtool check rules`` accepts.

    Every trigger becomes one alert of the same name. Its own labels and
    annotations are kept; ``action`` and ``release`` are added as labels.
    """
    version = release.version or "default"
    lines = [
        _HEAD.format(release=version).rstrip("\n"),
        "groups:",
        f"  - name: {_text(f'watchdog-{version}')}",
        f"    interval: {_INTERVAL}",
        "    rules:",
    ]
    if all(isinstance(trigger.kind, Sick) for trigger in release.triggers):
        lines[-1] += " []"
    for trigger in release.triggers:
        lines += _rule(trigger, version)
    return "\n".join(lines) + "\n"


def expression(trigger: Trigger) -> str:
    """Write what is true, in PromQL, while *trigger* is over its bound."""
    # Of what is scraped; a rate needs two scrapes, and one may be missing.
    short = written(max(timedelta(minutes=1), 4 * trigger.block))
    match trigger.kind:
        case Ratio(errors=errors, good=good) if good:
            over = short if trigger.sustained else written(trigger.window)
            bad = f"sum(rate({errors.strip()}[{over}]))"
            fine = f"sum(rate({good.strip()}[{over}]))"
            return f"{bad}\n  / ({bad} + {fine}) > {_bound(trigger)}"
        case Ratio(errors=errors, total=total):
            over = short if trigger.sustained else written(trigger.window)
            return (
                f"sum(rate({errors.strip()}[{over}]))\n"
                f"  / sum(rate({total.strip()}[{over}])) > {_bound(trigger)}"
            )
        case RatioQuery(errors_query=errors, total_query=total):
            over = short if trigger.sustained else written(trigger.window)
            parts = (_PLACEHOLDER.sub(over, query) for query in (errors, total))
            bad, every = (f"sum(\n{part}\n)" for part in parts)
            return f"{bad}\n  / {every} > {_bound(trigger)}"
        case Latency() as latency:
            over = short if trigger.sustained else written(trigger.window)
            fast = bucket(latency.histogram, _le(latency))
            every = bucket(latency.histogram, 'le="+Inf"')
            return (
                f"1 - sum(rate({fast}[{over}]))\n"
                f"  / sum(rate({every}[{over}])) > {_bound(trigger)}"
            )
        case Queue() as queue:
            return _queue(trigger, queue)
        case Value(expr=expr):
            # `or` binds less than a comparison; own lines, as it may end in a comment.
            plain = re.fullmatch(r"[\w:]+(\{[^{}#]*\})?", expr.strip(), re.ASCII)
            asked = expr.strip() if plain else f"(\n{expr}\n)"
            word = ">" if trigger.above is not None else "<"
            return f"{asked} {word} {_bound(trigger)}"
        case Traffic(events=events, of=of):
            now = f"sum(rate({events.strip()}[{short}]))"
            then = f"sum(rate({events.strip()}[{written(of)}]"
            back = f"offset {written(trigger.window)}))"
            return f"{now}\n  / {then} {back} < {_bound(trigger)}"
        case Sick():
            raise ValueError(f"{trigger.name} is asked of the engine alone")
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _queue(trigger: Trigger, queue: Queue) -> str:
    """Approximate steady growth: the floor rose, and the drain fell behind.

    ``deriv`` is not used: it goes on for minutes after the last sample, and one
    spike at the right place turns its sign.
    """
    block, window = written(trigger.block), written(trigger.window)
    depth = queue.depth.strip()
    now = f"sum(min_over_time({depth}[{block}]))"
    then = f"sum(min_over_time({depth}[{block}] offset {window}))"
    gone = f"sum(rate({queue.drained.strip()}[{window}]))"
    came = f"sum(rate({queue.enqueued.strip()}[{window}]))"
    rose = f"{now}\n  - {then} >= {_number(trigger.min_growth)}"
    return f"{rose}\nand {gone} < 0.95 * {came}"


def _rule(trigger: Trigger, version: str) -> list[str]:
    if isinstance(trigger.kind, Sick):
        return [f"      # {trigger.name}: {trigger.kind.words}, by the engine's word."]
    lines = [f"      # {comment}" for comment in _comments(trigger)]
    lines.append(f"      - alert: {trigger.name}")
    expr = expression(trigger)
    if expr.replace("\n", "").isprintable():
        lines.append("        expr: |-")
        lines += [f"          {line}" for line in expr.split("\n")]
    else:
        lines.append(f"        expr: {_text(expr)}")
    if trigger.sustained and not isinstance(trigger.kind, Queue):
        lines.append(f"        for: {written(trigger.window)}")
    labels = {
        **{key: text for key, text in trigger.labels.items() if _is_label(key)},
        "action": str(trigger.action),
        "release": version,
    }
    lines.append("        labels:")
    lines += [
        f"          {_key(key)}: {_text(_template(text))}"
        for key, text in labels.items()
    ]
    annotations = {
        "summary": f"{trigger.name} is over its bound on {version}",
        **{key: text for key, text in trigger.annotations.items() if _is_label(key)},
    }
    lines.append("        annotations:")
    lines += [
        f"          {_key(key)}: {_text(_template(text))}"
        for key, text in annotations.items()
    ]
    return lines


def _comments(trigger: Trigger) -> list[str]:
    """Say beside a rule where it is not what the watchdog judges."""
    lines: list[str] = []
    match trigger.kind:
        case Ratio() | RatioQuery() | Latency():
            if not trigger.sustained:
                lines.append(
                    "The watchdog acts as soon as it is confirmed, by what each scrape"
                )
                lines.append(
                    f"counted and {trigger.min_events} bad events or more; the rule on"
                    " the ratio alone."
                )
        case Queue():
            steps = -(-trigger.window // trigger.block)
            lines.append(
                f"An approximation: the watchdog wants {steps} floors of"
                f" {written(trigger.block)}, each above the one before;"
            )
            lines.append(
                "the rule compares the first and the last. The window is in it: no for."
            )
        case Value():
            lines.append(
                "One alert for each series; the watchdog holds the worst of them."
            )
        case Traffic():
            lines.append(
                "The watchdog compares with the time before the release and with this"
            )
            lines.append("hour of other days; the rule with what came just before.")
        case Sick():
            lines.append("No rule: Prometheus does not know it.")
    if trigger.unless:
        lines.append("`unless` is not in the rule: it would hide the alert.")
    if trigger.observe_only:
        lines.append("mode: observe: the watchdog only reports it.")
    return lines


def _bound(trigger: Trigger) -> str:
    bound = trigger.above if trigger.above is not None else trigger.below
    if bound is None or not math.isfinite(bound):
        raise ValueError(f"{trigger.name} is held against no bound")
    return _number(bound)


def _number(value: float) -> str:
    """Write all digits: a rounded bound is another bound."""
    return repr(float(value)).removesuffix(".0")


def _le(kind: Latency) -> str:
    """Match the bound as the client libraries write it: ``0.5``, ``1`` and ``1.0``."""
    bound = f"{kind.bound.normalize():f}"
    if "." in bound:
        return f'le="{bound}"'
    if kind.bound >= 10**6:  # 1e+06, as Go writes it
        digits = "".join(map(str, kind.bound.normalize().as_tuple().digits))
        short = f"{digits[0]}[.]{digits[1:]}" if digits[1:] else digits
        return f'le=~"{bound}([.]0)?|{short}e[+]0?{kind.bound.adjusted()}"'
    return f'le=~"{bound}([.]0)?"'


def _is_label(name: str) -> bool:
    return re.fullmatch(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", name, re.ASCII) is not None


def _template(text: str) -> str:
    """Keep Prometheus' plain fields; any other braces are text, not a template."""
    pieces = _FIELD.split(text)
    return "".join(
        piece if place % 2 else piece.replace("{{", '{{ "{{" }}')
        for place, piece in enumerate(pieces)
    )


def _key(name: str) -> str:
    """Write a YAML key; some plain words are truth values."""
    return _text(name) if name.lower() in _NOT_KEYS else name


def _text(text: str) -> str:
    """Write a YAML string on one line, whatever is in it."""
    plain = json.dumps(text, ensure_ascii=False)
    return "".join(
        sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in plain
    )
