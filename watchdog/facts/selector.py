"""What a plain selector names, by Prometheus' grammar, and how it is written.

A name or a label that is not made of letters, digits and ``_`` (of names also ``:``) is
quoted, since Prometheus 3: ``{"dms.scan.errors", "http.code"="500"}``. Without quotes
but with dots it is what people mean, and Prometheus does not read.
Source: Prometheus, "Querying basics", instant vector selectors; "UTF-8 names".
"""

import re
from dataclasses import dataclass

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
_DOTS = r"(?:[.][a-zA-Z0-9_]+)*"
_TEXT = r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`"""
_MATCHER = rf"(?:{_LABEL}{_DOTS}|{_TEXT})\s*(?:=~|!~|!=|=)\s*(?:{_TEXT})"
_MORE = rf"(?:\s*,\s*{_MATCHER})*\s*,?\s*"
PATTERN = re.compile(
    rf"(?:{_NAME}{_DOTS}\s*(?:\{{\s*(?:{_MATCHER}{_MORE})?\}})?"
    rf"|\{{\s*(?:{_TEXT}){_MORE}\}})",
    re.ASCII,
)
_OUTSIDE = re.compile(
    rf"(?P<name>{_NAME}{_DOTS})?\s*(?:\{{(?P<list>.*)\}})?", re.DOTALL
)
_INSIDE = re.compile(rf"\s*(?P<name>{_TEXT})\s*(?:,|$)", re.DOTALL)
_EACH = re.compile(
    rf"\s*(?P<label>{_LABEL}{_DOTS}|{_TEXT})\s*(?P<how>=~|!~|!=|=)\s*(?P<what>{_TEXT})"
)
_PLAIN_NAME = re.compile(_NAME, re.ASCII)
_PLAIN_LABEL = re.compile(_LABEL, re.ASCII)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; *what* is quoted, as it was written."""

    label: str
    how: str
    what: str

    def __str__(self) -> str:
        """Write it as Prometheus reads it."""
        return f"{label(self.label)}{self.how}{self.what}"

    @property
    def said(self) -> str:
        """What it says, without the quotes."""
        return _said(self.what)


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric's *name* and the conditions on its labels."""

    name: str
    matchers: tuple[Matcher, ...] = ()

    def __str__(self) -> str:
        """Write it as Prometheus reads it."""
        own = [str(one) for one in self.matchers]
        if _PLAIN_NAME.fullmatch(self.name):
            return f"{self.name}{{{','.join(own)}}}"
        return f"{{{','.join([_quoted(self.name), *own])}}}"

    @property
    def is_quoted(self) -> bool:
        """Tell whether it needs the names of Prometheus 3."""
        plain = all(_PLAIN_LABEL.fullmatch(one.label) for one in self.matchers)
        return not (plain and _PLAIN_NAME.fullmatch(self.name))


def read(text: str) -> Selector | None:
    """Read a plain selector; None where it is something else."""
    text = text.strip()
    found = _OUTSIDE.fullmatch(text)
    if found is None or not PATTERN.fullmatch(text):
        return None
    name, rest = found.group("name"), found.group("list") or ""
    if name is None:
        first = _INSIDE.match(rest)
        if first is None:
            return None
        name, rest = _said(first.group("name")), rest[first.end() :]
    matchers = tuple(
        Matcher(_said(one.group("label")), one.group("how"), one.group("what"))
        for one in _EACH.finditer(rest)
    )
    return Selector(name, matchers)


def label(name: str) -> str:
    """Write a label's name, quoted where it has to be."""
    return name if _PLAIN_LABEL.fullmatch(name) else _quoted(name)


def bucket(histogram: str, matcher: str) -> str:
    """Select the buckets of *histogram* that *matcher* leaves, as text."""
    found = read(histogram)
    if found is None:
        return histogram  # Prometheus' own words will tell
    name = f"{found.name.removesuffix('_bucket')}_bucket"
    own = str(Selector(name, found.matchers))
    comma = "" if own.endswith("{}") else ","
    return f"{own[:-1]}{comma}{matcher}}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _said(text: str) -> str:
    """Take the quotes off, if there are any."""
    if text[:1] == "`":
        return text[1:-1]
    if text[:1] in ("'", '"'):
        return _ESCAPED.sub(r"\1", text[1:-1])
    return text
