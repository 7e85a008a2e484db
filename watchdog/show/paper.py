"""A report as Markdown and as one HTML page; whatever was written is only text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from watchdog.decide.document import plain
from watchdog.show import plot

STYLE = f"""\
{plot.STYLE}*{{box-sizing:border-box}}
body{{margin:0 auto;max-width:60rem;padding:1rem;background:var(--paper);
color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}}
h1{{font-size:1.5rem;line-height:1.25}}h2{{font-size:1.15rem;margin:1.8rem 0 .3rem}}
.wide{{overflow-x:auto}}table{{border-collapse:collapse;width:100%}}
th,td{{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;
border-bottom:1px solid var(--rule);font-size:.9rem}}
th{{color:var(--dim);font-weight:600}}td:first-child{{white-space:nowrap}}
@media(max-width:40rem){{thead{{position:absolute;clip-path:inset(50%)}}
tr{{display:block;padding:.4rem 0;border-bottom:1px solid var(--rule)}}
td{{display:inline;padding:0 .4rem 0 0;border:0}}td:first-child{{color:var(--dim)}}}}
dt{{color:var(--dim);margin-top:.4rem}}
dd{{margin:0}}pre{{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem;
border:1px solid var(--rule);padding:.6rem}}
"""
_MARKS = re.compile(r"([\\`*_{}\[\]<>|#])")


@dataclass(frozen=True, slots=True)
class Heading:
    """Begins a part."""

    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """One paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and what they are, like the runbook's six fields."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under names of columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """What is to be pasted somewhere else, as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot, as SVG that is safe already; *words* stand for it in Markdown.

    *queries* are what Prometheus was asked for it.
    """

    figure: str
    words: str
    queries: tuple[str, ...] = ()


Part = Heading | Words | Pairs | Table | Code | Drawing


@dataclass(frozen=True, slots=True)
class Paper:
    """A report: its title and its parts."""

    title: str
    parts: tuple[Part, ...]


def markdown(paper: Paper) -> str:
    """Write *paper* for an incident's thread."""
    blocks = [f"# {_marked(paper.title)}"]
    for part in paper.parts:
        match part:
            case Heading(text):
                blocks.append(f"## {_marked(text)}")
            case Words(text):
                blocks.append(_marked(text))
            case Pairs(rows):
                lines = (f"- **{_marked(name)}**: {_marked(is_)}" for name, is_ in rows)
                blocks.append("\n".join(lines))
            case Table(columns, rows):
                blocks.append("\n".join(_rows(columns, rows)))
            case Code(text):
                blocks.append(_fenced(text))
            case Drawing(words=words):
                blocks.append(_marked(words))
    return "\n\n".join(blocks) + "\n"


def page(paper: Paper) -> str:
    """Write *paper* as one page that asks nobody for anything."""
    body = "\n".join(_html(part) for part in paper.parts)
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy"
 content="default-src 'none'; style-src 'unsafe-inline'">
<title>{_safe(paper.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{_safe(paper.title)}</h1>
{plot.HATCH}
{body}
</main>
</body>
</html>
"""


def _html(part: Part) -> str:
    match part:
        case Heading(text):
            return f"<h2>{_safe(text)}</h2>"
        case Words(text):
            return f"<p>{_safe(text)}</p>"
        case Pairs(rows):
            inside = "".join(
                f"<dt>{_safe(name)}</dt><dd>{_safe(is_)}</dd>" for name, is_ in rows
            )
            return f"<dl>{inside}</dl>"
        case Table(columns, rows):
            head = "".join(f'<th scope="col">{_safe(name)}</th>' for name in columns)
            lines = "".join(
                f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in row)}</tr>\n"
                for row in rows
            )
            return (
                f'<div class="wide" tabindex="0" role="region" aria-label="'
                f'{_safe(", ".join(columns))}"><table><thead><tr>{head}</tr></thead>'
                f"<tbody>{lines}</tbody></table></div>"
            )
        case Code(text):
            return f"<pre>{plot.safe(_lines(text))}</pre>"
        case Drawing(figure, words):
            return f"{figure}\n<p>{_safe(words)}</p>"


def _rows(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    yield f"| {' | '.join(map(_marked, columns))} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(map(_marked, row))} |"


def _marked(text: str) -> str:
    """Let nothing in *text* be Markdown, nor end its line."""
    return _MARKS.sub(r"\\\1", plain(text.replace("\n", " ")))


def _fenced(text: str) -> str:
    """Let *text* stand as it is, behind a fence that it cannot end."""
    runs = [len(run) for run in re.findall("`+", text)]
    fence = "`" * max(3, *(one + 1 for one in runs)) if runs else "```"
    return f"{fence}\n{_lines(text)}\n{fence}"


def _lines(text: str) -> str:
    return "\n".join(plain(line) for line in text.split("\n"))


def _safe(text: str) -> str:
    return plot.safe(plain(text.replace("\n", " ")))
