"""What the triggers would have done: for people, for programs, and as one page."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from watchdog.config.notation import written
from watchdog.decide.rehearse import rehearse
from watchdog.facts.past import Backtest, Stretch, Track
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import (
    Latency,
    Queue,
    Release,
    Sick,
    Traffic,
    Trigger,
    Value,
)
from watchdog.facts.verdict import Breached
from watchdog.show import laid
from watchdog.show.plot import (
    HATCH,
    STYLE,
    bound_of,
    clock,
    figure,
    key,
    number,
    safe,
    value_words,
)

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
        **laid.picture(done),
    }


def _picture_of(track: Track, done: Backtest, rules: Rules) -> dict[str, Any]:
    trigger = track.trigger
    fired = track.firings
    return {
        "alert": trigger.name,
        "rule": rule_words(trigger),
        "action": str(trigger.action),
        "unit": "" if isinstance(trigger.kind, Value | Queue) else "share",
        "bound": bound_of(trigger),
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
        for one in _some(track.firings, lines):
            value = value_words(trigger, one.value)
            lines.append(
                f"    {clock(one.since)}  {_length(one):>8}  {value:>8}  {one.words}"
            )
            lines.append(f"      {_decided(one, track, done.release, rules)}")
        if pending := track.of("pending"):
            spent = written(_round(track.time("pending")))
            lines.append(f"  pending  {_times(len(pending))}, {spent} in all")
        lines += [f"  blind    {text}" for text in _blindness(track)]
        lines.append(f"  {_measured(track)}")
    lines += laid.words(done)
    return "\n".join(lines)


def rule_words(trigger: Trigger) -> str:
    """Say the rule as a person would: ``above 5% for 5m``."""
    window = written(trigger.window)
    match trigger.kind:
        case Queue():
            return f"growing for {window}, by {number(trigger.min_growth)} at the least"
        case Latency() as latency:
            bound = value_words(trigger, bound_of(trigger))
            how = "for" if trigger.sustained else "within"
            return f"above {bound} {latency.words} {how} {window}"
        case Traffic() as traffic:
            bound = value_words(trigger, bound_of(trigger))
            return f"below {bound} of {written(traffic.of)} before, for {window}"
        case Sick() as sick:
            return f"{sick.words} for {window}, by the engine's word"
        case _:
            word = "below" if trigger.below is not None else "above"
            how = "for" if trigger.sustained else "within"
            bound = value_words(trigger, bound_of(trigger))
            return f"{word} {bound} {how} {window}"


def _first(done: Backtest) -> str:
    name = done.release.version or "default"
    fired = [track for track in done.tracks if track.firings]
    unseen = [track.trigger.name for track in done.tracks if not track.measured]
    played = {track.trigger.name for track in done.tracks}
    left = [one.name for one in done.release.triggers if one.name not in played]
    name += f" without {', '.join(left)}, which cannot be replayed" if left else ""
    if len(unseen) == len(done.tracks):
        return f"{name}: nothing was measured in this period, so nothing can be said"
    if fired:
        count = sum(len(track.firings) for track in fired)
        names = ", ".join(track.trigger.name for track in fired)
        text = f"{name}: would have fired {_times(count)}: {names}"
    else:
        least = min((track.measured for track in done.tracks), default=0)
        text = f"{name}: would not have fired" + _reservation(least)
    return f"{text}; never measured: {', '.join(unseen)}" if unseen else text


def _period(done: Backtest) -> str:
    how = (
        f"as started at {clock(done.started)}"
        if done.started
        else "as if the release had started long before"
    )
    length = written(_round(done.until - done.since))
    return f"{clock(done.since)} to {clock(done.until)} UTC ({length}), {how}"


def _sentence(track: Track, done: Backtest) -> str:
    fired = track.firings
    if not track.stretches:
        return "not judged: the period holds no instant at which it would have been"
    if not track.measured:
        return "never measured: whether it would have fired is not known"
    if not fired:
        return "would not have fired" + _reservation(track.measured)
    spent = written(_round(track.time("breached")))
    worst = value_words(track.trigger, _worst(track.trigger, fired))
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
        where = f"{clock(longest.since)} to {clock(longest.until)}"
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


def _measured(track: Track) -> str:
    share = _percent(track.measured)
    return f"measured {share} of the time, judged every {written(track.step)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _percent(share: float) -> str:
    """Never say 100% of what is less."""
    text = f"{100 * share:.2f}".rstrip("0").rstrip(".")
    return "over 99.99%" if text == "100" and share < 1 else f"{text}%"


def _length(one: Stretch) -> str:
    return written(_round(one.length))


def _round(time: timedelta) -> timedelta:
    return max(round(time / _SECOND), 0) * _SECOND


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


# The page: text first; the plots are drawn here and need no script.

_STYLE = """\
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1rem;background:var(--paper);
color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.35rem;line-height:1.3}h2{font-size:1.1rem;margin:2.2rem 0 .2rem}
p{margin:.3rem 0}.dim{color:var(--dim)}.fired{color:var(--fire);font-weight:600}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;width:100%}
caption{text-align:left;color:var(--dim)}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;
border-top:1px solid var(--rule)}td.n{white-space:nowrap}
@media(max-width:40rem){tr{display:flex;flex-wrap:wrap;
border-top:1px solid var(--rule)}th,td{border:0}th:last-child{display:none}
td:last-child{flex-basis:100%}}
code,pre{font:.8rem/1.45 ui-monospace,monospace;white-space:pre-wrap}
.plot.low svg{height:4rem}svg rect.mark{fill:var(--dim);stroke:none}
svg .found{fill:none;stroke:var(--line);stroke-width:2}
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
<title>{safe(title)}</title>
<style>
{STYLE}{_STYLE}</style>
</head>
<body>
{HATCH}
<main>
<h1>{safe(_first(done))}</h1>
<p class="dim">{safe(_period(done))}. The same judge as the daemon's. Each firing is
decided as if it were the first, with a known-good pair to go back to.</p>
<p class="key dim">{key("fire")} would have fired &nbsp; {key("pend")} pending &nbsp;
{key("blind")} blind: not measured</p>
{laid.sections(done)}
{sections}
</main>
</body>
</html>
"""


def _section(track: Track, done: Backtest, rules: Rules) -> str:
    trigger = track.trigger
    fired = track.firings
    sentence = _sentence(track, done)
    style = ' class="fired"' if fired else ""
    parts = [
        f'<section aria-labelledby="{safe(trigger.name)}">',
        f'<h2 id="{safe(trigger.name)}">{safe(trigger.name)}</h2>',
        f'<p class="dim">{safe(rule_words(trigger))}; {trigger.action}</p>',
        f"<p{style}>{safe(sentence)}</p>",
        figure(track, done.since, done.until, _sentence(track, done)),
        f'<p class="dim">{_measured(track)}</p>',
    ]
    if fired:
        parts.append(_table(track, done, rules))
    if blind := list(_blindness(track)):
        parts += [f"<p>blind: {safe(text)}</p>" for text in blind]
    for query in track.queries:
        parts.append(
            "<details><summary>query</summary>"
            f"<pre><code>{safe(query)}</code></pre></details>"
        )
    return "\n".join([*parts, "</section>"])


def _table(track: Track, done: Backtest, rules: Rules) -> str:
    lines: list[str] = []
    rows = "\n".join(
        f'<tr><td class="n">{clock(one.since)}</td><td class="n">{_length(one)}</td>'
        f'<td class="n">{value_words(track.trigger, one.value)}</td>'
        f"<td>{safe(one.words)}<br>"
        f"{safe(_decided(one, track, done.release, rules))}</td></tr>"
        for one in _some(track.firings, lines)
    )
    caption = safe(lines[0].strip()) if lines else "firings, times in UTC"
    return f"""<div class="wide"><table><caption>{caption}</caption>
<thead><tr><th scope="col">from</th><th scope="col">for</th>
<th scope="col">worst</th><th scope="col">why, and what then</th></tr></thead>
<tbody>
{rows}
</tbody></table></div>"""
