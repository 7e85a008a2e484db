"""A metric drawn against its bound: SVG without a script or a style of its own."""

import html
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from watchdog.facts.past import Track
from watchdog.facts.trigger import Latency, Queue, Trigger, Value

_SECOND = timedelta(seconds=1)
_WIDTH, _HEIGHT = 960, 200

STYLE = (
    """\
:root{color-scheme:light dark;--ink:#1d2125;--dim:#5a6570;--paper:#fff;--rule:#d5dbe1;
--line:#1f5fa8;--bound:#9a3b00;--fire:#c2182b;--blind:#8a939c;--pend:#b07d00}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaed;--dim:#a3adb7;--paper:#15181b;
--rule:#363d44;--line:#7db4f0;--bound:#f2a66b;--fire:#ff7a86;--blind:#78828c;
--pend:#e3b74a}}
figure{margin:.6rem 0}
.plot{position:relative;border:1px solid var(--rule);border-width:1px 0}
.plot svg{display:block;width:100%;height:12rem}
.tag{position:absolute;top:0;left:.2rem;font-size:.8rem;line-height:1;
padding:.1rem .2rem;background:var(--paper);opacity:.9}
.tag.m{top:auto;bottom:.2rem;white-space:nowrap}.tag.up{bottom:1.5rem}
.tag.z{top:auto;bottom:.2rem}
.tag.b{color:var(--bound);left:auto;right:.2rem;transform:translateY(-50%)}
.axis{display:flex;justify-content:space-between;gap:1rem;font-size:.8rem;
color:var(--dim)}
svg .band{fill:var(--line);stroke:var(--line);stroke-width:1.5}
svg .bound{stroke:var(--bound);stroke-width:1.5;stroke-dasharray:7 5}
svg .fire{fill:var(--fire);fill-opacity:.3;stroke:var(--fire);stroke-width:1}
svg .pend{fill:var(--pend);fill-opacity:.75}
svg .blind{fill:url(#hatch)}#hatch path{stroke:var(--blind);stroke-width:2}
svg .mark{stroke:var(--ink);stroke-width:1.5}
svg .zero{stroke:var(--dim);stroke-width:1}
.legend{display:flex;flex-wrap:wrap;gap:.1rem .9rem;list-style:none;margin:0;padding:0;
font-size:.8rem;color:var(--dim)}.legend svg{width:1.5rem;
height:.8rem;margin-right:.3rem}
.off{position:absolute}
"""
    + "".join(f".tag.t{n}{{top:{n}%}}" for n in range(101))
    + "".join(f".tag.l{n}{{left:{n}%}}" for n in range(51))
    + "".join(f".tag.r{n}{{left:auto;right:{n}%}}" for n in range(51))
    + "\n"
)
HATCH = """\
<svg width="0" height="0" aria-hidden="true" class="off"><defs>
<pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse">
<path d="M-2 10 10 -2M-2 2 2 -2M6 10 10 6"/></pattern></defs></svg>"""


def key(name: str) -> str:
    """Give the legend's box of one kind."""
    box = f'<rect class="{name}" width="24" height="14"/>'
    return f'<svg viewBox="0 0 24 14" aria-hidden="true">{box}</svg>'


def figure(
    track: Track,
    since: datetime,
    until: datetime,
    sentence: str,
    *,
    mark: tuple[datetime, str] | None = None,
    marks: tuple[tuple[datetime, str], ...] = (),
) -> str:
    """Draw the metric against its bound; sizes are text, so a phone can read them.

    *mark*, and each of *marks*, is an instant worth a line of its own, and what to
    call it. Nothing has a style of its own: the page's policy takes one style sheet,
    by its hash.
    """
    trigger, bound = track.trigger, bound_of(track.trigger)
    levels = [edge for band in track.bands for edge in (band.low, band.high)]
    levels += [0.0] if bound is None else [0.0, bound]
    low, high = min(levels), max(levels)
    high += 0.08 * (high - low) or 1.0
    whole = max((until - since) / _SECOND, 1.0)

    def x(at: datetime) -> float:
        return round((at - since) / _SECOND / whole * _WIDTH, 2)

    def y(level: float) -> float:
        return round(_HEIGHT * (1 - (level - low) / (high - low)), 2)

    shapes: list[str] = []
    for name, kind in (("blind", "blind"), ("pend", "pending"), ("fire", "breached")):
        for one in track.of(kind):
            left = x(one.since)
            wide = max(round(x(one.until) - left, 2), 1.5)
            top, tall = (0, _HEIGHT) if name != "pend" else (_HEIGHT - 6, 6)
            shapes.append(
                f'<rect class="{name}" x="{left}" y="{top}" width="{wide}"'
                f' height="{tall}"/>'
            )
    # A band at least a line thick: one path for each run without a gap.
    shapes += [
        f'<path class="band" vector-effect="non-scaling-stroke" d="{path}"/>'
        for path in _paths(track, x, y)
    ]
    tags = [f'<span class="tag">{safe(value_words(trigger, high))}</span>']
    if bound is not None:
        shapes.append(
            f'<line class="bound" vector-effect="non-scaling-stroke" x1="0"'
            f' x2="{_WIDTH}" y1="{y(bound)}" y2="{y(bound)}"/>'
        )
        tags.append(
            f'<span class="tag b t{round(100 * y(bound) / _HEIGHT)}">bound '
            f"{safe(value_words(trigger, bound))}</span>"
        )
    zero = y(0.0)
    shapes.append(
        f'<line class="zero" vector-effect="non-scaling-stroke" x1="0"'
        f' x2="{_WIDTH}" y1="{zero}" y2="{zero}"/>'
    )
    if low == 0.0:
        tags.append('<span class="tag z">0</span>')
    named = (*([mark] if mark else ()), *marks)
    shown = [one for one in named if since <= one[0] <= until]
    for number_, one in enumerate(shown):
        at = x(one[0])
        shapes.append(
            f'<line class="mark" vector-effect="non-scaling-stroke" x1="{at}"'
            f' x2="{at}" y1="0" y2="{_HEIGHT}"/>'
        )
        side = "l" if at < _WIDTH / 2 else "r"
        place = round(100 * at / _WIDTH)
        place = place if side == "l" else 100 - place
        up = " up" if number_ % 2 else ""
        tags.append(f'<span class="tag m{up} {side}{place}">{safe(one[1])}</span>')
    title = f"{trigger.name}: {sentence}"
    return f"""<figure><div class="plot">
<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img"
 aria-label="{safe(title)}">
<title>{safe(title)}</title>
{"".join(shapes)}
</svg>{"".join(tags)}</div>
<div class="axis"><span>{clock(since)}</span><span>{clock(until)}
UTC</span></div></figure>"""


def legend(track: Track) -> str:
    """Say what the shapes of a figure mean; only those that are there."""
    line = '<line class="{}" x1="0" x2="24" y1="7" y2="7"/>'
    keys = [(line.format("band"), "the metric")]
    if bound_of(track.trigger) is not None:
        keys.append((line.format("bound"), "its bound"))
    for kind, name, words in (
        ("breached", "fire", "breached"),
        ("pending", "pend", "suspected"),
        ("blind", "blind", "not measured"),
    ):
        if track.of(kind):
            keys.append((f'<rect class="{name}" width="24" height="14"/>', words))
    items = "\n".join(
        f'<li><svg viewBox="0 0 24 14" aria-hidden="true">{shape}</svg>{words}</li>'
        for shape, words in keys
    )
    return f'<ul class="legend">{items}</ul>'


def value_at(track: Track, at: datetime) -> float | None:
    """Give the highest that was measured at *at*, or None where nothing was."""
    before = [band for band in track.bands if band.since <= at]
    if not before or at - before[-1].since > 3 * max(track.step, _SECOND):
        return None
    return before[-1].high


def _paths(track: Track, x: Any, y: Any) -> Iterator[str]:
    bands = track.bands
    gaps = sorted(b.since - a.since for a, b in pairwise(bands))
    usual = gaps[len(gaps) // 2] if gaps else timedelta()
    run: list[tuple[float, float, float]] = []
    before: datetime | None = None
    for band in bands:
        if before is not None and band.since - before > 2 * usual:
            yield _path(run)
            run = []
        run.append((x(band.since), y(band.high), y(band.low)))
        before = band.since
    if run:
        yield _path(run)


def _path(run: list[tuple[float, float, float]]) -> str:
    there = " ".join(f"{x} {top}" for x, top, _ in run)
    back = " ".join(f"{x} {bottom}" for x, _, bottom in reversed(run))
    return f"M{there} L{back}Z"


def bound_of(trigger: Trigger) -> float | None:
    """Give what the metric is held against; a queue has no level of its own."""
    if isinstance(trigger.kind, Queue):
        return None
    if isinstance(trigger.kind, Latency) and trigger.above is None:
        return 1 - trigger.kind.quantile
    return trigger.above if trigger.above is not None else trigger.below


def value_words(trigger: Trigger, value: float | None) -> str:
    """Write a level as its trigger counts: a share in percent, or a number."""
    if value is None:
        return ""
    if isinstance(trigger.kind, Value | Queue):
        return number(value)
    return f"{100 * value:.4g}%"


def number(value: float) -> str:
    """Write a number to six digits."""
    return f"{value:.6g}"


def clock(at: datetime) -> str:
    """Write an instant for people, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


def safe(text: str) -> str:
    """Let *text* be nothing but text."""
    return html.escape(text, quote=True)
