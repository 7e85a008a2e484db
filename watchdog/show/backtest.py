"""What the triggers would have done: for people, for programs, and as one page."""

import html
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from watchdog.decide.rehearse import rehearse
from watchdog.facts.past import Backtest, Stretch, Track
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Latency, Queue, Release, Trigger, Value
from watchdog.facts.verdict import Breached
from watchdog.notation import written

_SECOND = timedelta(seconds=1)
# More than this would hide what matters; --json has them all.
_MOST_LINES = 20


def picture(done: Backtest, rules: Rules) -> dict[str, Any]:
    """Put all of it into one plain value, times as ``…Z`` and lengths in seconds."""
    return {
        "release": done.release.version or "default",
        "since": _stamp(done.since),
        "until": _stamp(done.until),
        "started": _stamp(done.started) if done.started else None,
        "words": _first(done),
        "triggers": [_picture_of(track, done, rules) for track in done.tracks],
    }


def _picture_of(track: Track, done: Backtest, rules: Rules) -> dict[str, Any]:
    trigger = track.trigger
    fired = track.of("breached")
    return {
        "alert": trigger.name,
        "rule": rule_words(trigger),
        "action": str(trigger.action),
        "unit": "" if isinstance(trigger.kind, Value | Queue) else "share",
        "bound": _bound_of(trigger),
        "step_seconds": track.step.total_seconds(),
        "judged": track.judged,
        "measured": round(track.measured, 6),
        "words": _sentence(track, done),
        "worst": _worst(trigger, fired),
        "seconds": {
            kind: track.time(kind).total_seconds()
            for kind in ("clear", "pending", "breached", "blind")
        },
        "fired": [
            _stretch(one) | {"decided": _decided(one, track, done.release, rules)}
            for one in fired
        ],
        "pending": [_stretch(one) for one in track.of("pending")],
        "blind": [_stretch(one) for one in track.of("blind")],
        "queries": list(track.queries),
    }


def words(done: Backtest, rules: Rules) -> str:
    """Say it so that the first line answers, and the rest explains."""
    lines = [_first(done), _period(done)]
    for track in done.tracks:
        trigger = track.trigger
        lines += ["", f"{trigger.name}  {rule_words(trigger)}; {trigger.action}"]
        lines.append(f"  {_sentence(track, done)}")
        for one in _some(track.of("breached"), lines):
            value = _value(trigger, one.value)
            lines.append(
                f"    {_clock(one.since)}  {_length(one):>8}  {value:>8}  {one.words}"
            )
            lines.append(f"      {_decided(one, track, done.release, rules)}")
        if pending := track.of("pending"):
            spent = written(_round(track.time("pending")))
            lines.append(f"  pending  {_times(len(pending))}, {spent} in all")
        lines += [f"  blind    {text}" for text in _blindness(track)]
        lines.append(f"  {_measured(track)}")
    return "\n".join(lines)


def rule_words(trigger: Trigger) -> str:
    """Say the rule as a person would: ``above 5% for 5m``."""
    window = written(trigger.window)
    match trigger.kind:
        case Queue():
            return (
                f"growing for {window}, by {_number(trigger.min_growth)} at the least"
            )
        case Latency(over=over):
            bound = _value(trigger, _bound_of(trigger))
            how = "for" if trigger.sustained else "within"
            return f"above {bound} slower than {written(over)} {how} {window}"
        case _:
            word = "below" if trigger.below is not None else "above"
            how = "for" if trigger.sustained else "within"
            bound = _value(trigger, _bound_of(trigger))
            return f"{word} {bound} {how} {window}"


def _first(done: Backtest) -> str:
    name = done.release.version or "default"
    fired = [track for track in done.tracks if track.of("breached")]
    unseen = [track.trigger.name for track in done.tracks if not track.measured]
    if done.tracks and len(unseen) == len(done.tracks):
        return f"{name}: nothing was measured in this period, so nothing can be said"
    if fired:
        count = sum(len(track.of("breached")) for track in fired)
        names = ", ".join(track.trigger.name for track in fired)
        text = f"{name}: would have fired {_times(count)}: {names}"
    else:
        least = min((track.measured for track in done.tracks), default=0)
        text = f"{name}: would not have fired" + _reservation(least)
    return f"{text}; never measured: {', '.join(unseen)}" if unseen else text


def _period(done: Backtest) -> str:
    how = (
        f"as started at {_clock(done.started)}"
        if done.started
        else "as if the release had started long before"
    )
    length = written(_round(done.until - done.since))
    return f"{_clock(done.since)} to {_clock(done.until)} UTC ({length}), {how}"


def _sentence(track: Track, done: Backtest) -> str:
    fired = track.of("breached")
    if not track.stretches:
        return "not judged: the period holds no instant at which it would have been"
    if not track.measured:
        return "never measured: whether it would have fired is not known"
    if not fired:
        return "would not have fired" + _reservation(track.measured)
    spent = written(_round(track.time("breached")))
    worst = _value(track.trigger, _worst(track.trigger, fired))
    text = f"would have fired {_times(len(fired))}, {spent} in all, worst {worst}"
    last = track.stretches[-1]
    if last.kind == "breached" and last.until >= done.until:
        text += "; it still does at the end"
    return text


def _reservation(measured: float) -> str:
    """Bind a "would not" to the time that was measured."""
    if measured >= 1:
        return ""
    return f" in the {_percent(measured)} of the time that was measured"


def _blindness(track: Track) -> Iterator[str]:
    by_cause: dict[str, list[Stretch]] = {}
    for one in track.of("blind"):
        by_cause.setdefault(one.cause, []).append(one)
    for cause, some in by_cause.items():
        spent = written(_round(sum((one.length for one in some), timedelta())))
        longest = max(some, key=lambda one: one.length)
        where = f"{_clock(longest.since)} to {_clock(longest.until)}"
        text = f"{cause}: {_times(len(some))}, {spent} in all; longest {where}"
        if longest is track.stretches[0] and cause == "no-series":
            text += " (is the retention shorter than the period?)"
        yield f"{text}: {longest.words}"


def _decided(one: Stretch, track: Track, release: Release, rules: Rules) -> str:
    breach = Breached(one.words, one.value or 0.0, one.bound or 0.0, one.elsewhere)
    return rehearse(release, track.trigger, breach, rules, one.since)


def _some(stretches: tuple[Stretch, ...], lines: list[str]) -> tuple[Stretch, ...]:
    if len(stretches) > _MOST_LINES:
        lines.append(f"    the first {_MOST_LINES} of {len(stretches)}; --json has all")
    return stretches[:_MOST_LINES]


def _stretch(one: Stretch) -> dict[str, Any]:
    return {
        "since": _stamp(one.since),
        "until": _stamp(one.until),
        "seconds": one.length.total_seconds(),
        "cause": one.cause,
        "words": one.words,
        "value": one.value,
        "bound": one.bound,
        "elsewhere": one.elsewhere,
    }


def _worst(trigger: Trigger, fired: tuple[Stretch, ...]) -> float | None:
    values = [one.value for one in fired if one.value is not None]
    if not values:
        return None
    return min(values) if trigger.below is not None else max(values)


def _bound_of(trigger: Trigger) -> float | None:
    if isinstance(trigger.kind, Queue):
        return None
    if isinstance(trigger.kind, Latency) and trigger.above is None:
        return 1 - trigger.kind.quantile
    return trigger.above if trigger.above is not None else trigger.below


def _measured(track: Track) -> str:
    share = _percent(track.measured)
    return f"measured {share} of the time, judged every {written(track.step)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _percent(share: float) -> str:
    """Never say 100% of what is less."""
    text = f"{100 * share:.2f}".rstrip("0").rstrip(".")
    return "over 99.99%" if text == "100" and share < 1 else f"{text}%"


def _number(value: float) -> str:
    return f"{value:.6g}"


def _value(trigger: Trigger, value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(trigger.kind, Value | Queue):
        return _number(value)
    return f"{100 * value:.4g}%"


def _length(one: Stretch) -> str:
    return written(_round(one.length))


def _round(time: timedelta) -> timedelta:
    return max(round(time / _SECOND), 0) * _SECOND


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


# The page: text first; the plots are drawn here and need no script.

_WIDTH, _HEIGHT = 960, 200

_STYLE = """\
:root{color-scheme:light dark;--ink:#1d2125;--dim:#5a6570;--paper:#fff;--rule:#d5dbe1;
--line:#1f5fa8;--bound:#9a3b00;--fire:#c2182b;--blind:#8a939c;--pend:#b07d00}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaed;--dim:#a3adb7;--paper:#15181b;
--rule:#363d44;--line:#7db4f0;--bound:#f2a66b;--fire:#ff7a86;--blind:#78828c;
--pend:#e3b74a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1rem;background:var(--paper);
color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.35rem;line-height:1.3}h2{font-size:1.1rem;margin:2.2rem 0 .2rem}
p{margin:.3rem 0}.dim{color:var(--dim)}.fired{color:var(--fire);font-weight:600}
figure{margin:.6rem 0}
.plot{position:relative;border:1px solid var(--rule);border-width:1px 0}
.plot svg{display:block;width:100%;height:12rem}
.tag{position:absolute;left:.2rem;font-size:.8rem;line-height:1;padding:.1rem .2rem;
background:var(--paper);opacity:.9}
.tag.b{color:var(--bound);left:auto;right:.2rem;transform:translateY(-50%)}
.axis{display:flex;justify-content:space-between;gap:1rem;font-size:.8rem;
color:var(--dim)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;width:100%}
caption{text-align:left;color:var(--dim)}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;
border-top:1px solid var(--rule)}td.n{white-space:nowrap}
@media(max-width:40rem){tr{display:flex;flex-wrap:wrap;
border-top:1px solid var(--rule)}th,td{border:0}th:last-child{display:none}
td:last-child{flex-basis:100%}}
code,pre{font:.8rem/1.45 ui-monospace,monospace;white-space:pre-wrap}
svg .band{fill:var(--line);stroke:var(--line);stroke-width:1.5}
svg .bound{stroke:var(--bound);stroke-width:1.5;stroke-dasharray:7 5}
svg .fire{fill:var(--fire);fill-opacity:.3;stroke:var(--fire);stroke-width:1}
svg .pend{fill:var(--pend);fill-opacity:.75}
svg .blind{fill:url(#hatch)}#hatch path{stroke:var(--blind);stroke-width:2}
.key svg{width:1.4rem;height:.9rem;vertical-align:-.1rem;border:1px solid var(--rule)}
"""


def page(done: Backtest, rules: Rules) -> str:
    """Give one HTML file that needs nothing else, and no script."""
    title = f"Backtest of {done.release.version or 'default'}"
    sections = "\n".join(_section(track, done, rules) for track in done.tracks)
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'">
<title>{_safe(title)}</title>
<style>
{_STYLE}</style>
</head>
<body>
<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs>
<pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse">
<path d="M-2 10 10 -2M-2 2 2 -2M6 10 10 6"/></pattern></defs></svg>
<main>
<h1>{_safe(_first(done))}</h1>
<p class="dim">{_safe(_period(done))}. The same judge as the daemon's. Each firing is
decided as if it were the first, with a known-good pair to go back to.</p>
<p class="key dim">{_key("fire")} would have fired &nbsp; {_key("pend")} pending &nbsp;
{_key("blind")} blind: not measured</p>
{sections}
</main>
</body>
</html>
"""


def _key(name: str) -> str:
    box = f'<rect class="{name}" width="24" height="14"/>'
    return f'<svg viewBox="0 0 24 14" aria-hidden="true">{box}</svg>'


def _section(track: Track, done: Backtest, rules: Rules) -> str:
    trigger = track.trigger
    fired = track.of("breached")
    sentence = _sentence(track, done)
    style = ' class="fired"' if fired else ""
    parts = [
        f'<section aria-labelledby="{_safe(trigger.name)}">',
        f'<h2 id="{_safe(trigger.name)}">{_safe(trigger.name)}</h2>',
        f'<p class="dim">{_safe(rule_words(trigger))}; {trigger.action}</p>',
        f"<p{style}>{_safe(sentence)}</p>",
        _figure(track, done),
        f'<p class="dim">{_measured(track)}</p>',
    ]
    if fired:
        parts.append(_table(track, done, rules))
    if blind := list(_blindness(track)):
        parts += [f"<p>blind: {_safe(text)}</p>" for text in blind]
    for query in track.queries:
        parts.append(
            "<details><summary>query</summary>"
            f"<pre><code>{_safe(query)}</code></pre></details>"
        )
    return "\n".join([*parts, "</section>"])


def _table(track: Track, done: Backtest, rules: Rules) -> str:
    lines: list[str] = []
    rows = "\n".join(
        f'<tr><td class="n">{_clock(one.since)}</td><td class="n">{_length(one)}</td>'
        f'<td class="n">{_value(track.trigger, one.value)}</td>'
        f"<td>{_safe(one.words)}<br>"
        f"{_safe(_decided(one, track, done.release, rules))}</td></tr>"
        for one in _some(track.of("breached"), lines)
    )
    caption = _safe(lines[0].strip()) if lines else "firings, times in UTC"
    return f"""<div class="wide"><table><caption>{caption}</caption>
<thead><tr><th scope="col">from</th><th scope="col">for</th>
<th scope="col">worst</th><th scope="col">why, and what then</th></tr></thead>
<tbody>
{rows}
</tbody></table></div>"""


def _figure(track: Track, done: Backtest) -> str:
    """Draw the metric against its bound; sizes are text, so a phone can read them."""
    trigger, bound = track.trigger, _bound_of(track.trigger)
    levels = [edge for band in track.bands for edge in (band.low, band.high)]
    levels += [0.0] if bound is None else [0.0, bound]
    low, high = min(levels), max(levels)
    high += 0.08 * (high - low) or 1.0
    whole = max((done.until - done.since) / _SECOND, 1.0)

    def x(at: datetime) -> float:
        return round((at - done.since) / _SECOND / whole * _WIDTH, 2)

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
    tags = [f'<span class="tag" style="top:0">{_value(trigger, high)}</span>']
    if bound is not None:
        shapes.append(
            f'<line class="bound" vector-effect="non-scaling-stroke" x1="0"'
            f' x2="{_WIDTH}" y1="{y(bound)}" y2="{y(bound)}"/>'
        )
        tags.append(
            f'<span class="tag b" style="top:{100 * y(bound) / _HEIGHT:.1f}%">bound '
            f"{_value(trigger, bound)}</span>"
        )
    title = f"{trigger.name}: {_sentence(track, done)}"
    return f"""<figure><div class="plot">
<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img"
 aria-label="{_safe(title)}">
<title>{_safe(title)}</title>
{"".join(shapes)}
</svg>{"".join(tags)}</div>
<div class="axis"><span>{_clock(done.since)}</span><span>{_clock(done.until)}
UTC</span></div></figure>"""


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


def _safe(text: str) -> str:
    return html.escape(text, quote=True)
