"""Rewrites an expression to look no further back than it is told.

Prometheus looks five minutes back for the newest sample of a series. A series that is
marked stale is gone at once; when a whole job leaves the configuration nobody marks
it, and `up` stays 1 for all that time. (`lookback_delta` is a parameter of Prometheus
3 only.)
Source: Prometheus, "Querying basics", staleness; "Expression language", grammar.
"""

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<space>(?:\s|\#[^\n]*)+)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    | (?P<number>[0-9][0-9a-zA-Z_.]*|[.][0-9]+)
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<braces>\{(?:[^{}"'`]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)*\})
    | (?P<range>\[[^\[\]]*\])
    | (?P<sign>[=!<>]=|=~|!~|[-+*/%^<>@(),])""",
    re.VERBOSE,
)
_LISTS = frozenset(["by", "without", "on", "ignoring", "group_left", "group_right"])
_WORDS = _LISTS | {"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"}
# What they say depends on the selector itself, not on its samples alone.
_LITERAL = frozenset({"timestamp", "info"})
_ABSENT = re.compile(r"\babsent(?:_over_time)?\s*\(\s*$", re.IGNORECASE)
_ALERTS = re.compile(r"\bALERTS(_FOR_STATE)?\b")
_TIME = r"[0-9][0-9a-z.]*"
_MOVED = re.compile(
    rf"(?:\s*(?:offset\s+-?\s*{_TIME}|@\s*(?:-?\s*{_TIME}|(?:start|end)\s*\(\s*\))))+",
    re.IGNORECASE,
)


def fresh(expr: str, back: str) -> str:
    """Give *expr* with each of its instant selectors looked at *back* only: ``30s``.

    What it does not understand stays as it is: then Prometheus' own words tell.
    """
    tokens = _tokens(expr)
    if tokens is None:
        return expr
    written, done = [], 0
    for begin, end in _selectors(tokens):
        selector = expr[begin:end]
        moved = _MOVED.match(expr, end)
        rest = moved.group() if moved else ""
        written.append(expr[done:begin])
        # Both: what was marked stale is gone at once, what was not, after *back*.
        written.append(
            f"({selector}{rest} and last_over_time({selector}[{back}]{rest}))"
        )
        done = end + len(rest)
    return "".join([*written, expr[done:]])


def selectors(expr: str, *, ranged: bool = False) -> list[str]:
    """Give each instant selector of *expr* that is to be there, as it is written.

    *ranged*: those of a range too, without it. Not what may be missing:
    ``absent(...)`` asks for that, and the series of an alert are there only while it
    fires.
    """
    found: list[str] = []
    for begin, end in _selectors(_tokens(expr) or [], ranged=ranged):
        selector = expr[begin:end]
        may_go = _ABSENT.search(expr[:begin]) or _ALERTS.search(selector)
        if not may_go and selector not in found:
            found.append(selector)
    return found


def counted(expr: str) -> list[str]:
    """Give each selector of *expr*, of one instant or of a range, as it is written."""
    found = _selectors(_tokens(expr) or [], ranged=True)
    return list(dict.fromkeys(expr[begin:end] for begin, end in found))


def _tokens(expr: str) -> list[re.Match[str]] | None:
    """Take *expr* apart without its spaces; None where it has another grammar."""
    found, at = [], 0
    while at < len(expr):
        token = _TOKEN.match(expr, at)
        if token is None:
            return None
        at = token.end()
        if token.lastgroup != "space":
            found.append(token)
    return found


def _selectors(
    tokens: list[re.Match[str]], *, ranged: bool = False
) -> Iterator[tuple[int, int]]:
    """Find each instant selector: where it begins and ends; *ranged*, all of them."""
    # In a list of labels, or in what needs the selector itself, nothing is one.
    closed, opened = 0, []
    texts = [token.group() for token in tokens]
    kinds = [token.lastgroup for token in tokens]
    for place, (token, text, kind) in enumerate(zip(tokens, texts, kinds, strict=True)):
        before = texts[place - 1].lower() if place else ""
        if text == "(":
            opened.append(before in _LISTS | _LITERAL)
            closed += opened[-1]
        elif text == ")" and opened:
            closed -= opened.pop()
        after = texts[place + 1] if place + 1 < len(texts) else ""
        follows = kinds[place + 1] if place + 1 < len(texts) else ""
        last = token
        if kind == "name":
            if text.lower() in _WORDS or after == "(" or after.lower() in _LISTS:
                continue
            if before == "@" or closed:
                continue
            if follows == "braces":
                last = tokens[place + 1]
        elif kind != "braces" or closed or (place and kinds[place - 1] == "name"):
            continue
        behind = tokens.index(last) + 1
        of_a_range = behind < len(tokens) and kinds[behind] == "range"
        if of_a_range and not ranged and ":" not in texts[behind]:
            continue
        yield token.start(), last.end()
