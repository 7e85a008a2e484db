"""What many starts came to, laid over a past: in words, for programs, and drawn."""

import math
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from watchdog.config.notation import written
from watchdog.facts.past import Backtest, Fired, Injected, Starts
from watchdog.judge.starts import is_rolled_back
from watchdog.show.plot import clock, key, safe

_WIDTH, _HEIGHT = 960, 60
_SECOND = timedelta(seconds=1)
_MOST_LINES = 20


def words(done: Backtest) -> Iterator[str]:
    """Say it: first how many of the starts, then how soon what was laid on them."""
    if done.starts:
        yield ""
        yield _of_starts(done.starts)
        for one in done.starts.fired[:_MOST_LINES]:
            yield f"  {_line(one)}"
        if (many := len(done.starts.fired)) > _MOST_LINES:
            yield f"  the first {_MOST_LINES} of {many}; --json has all"
    for laid in done.injected:
        yield ""
        yield f"{laid.trigger.name}  {_of_injected(laid)}"


def picture(done: Backtest) -> dict[str, Any]:
    """Give the same for programs: nothing where nothing was laid over it."""
    found: dict[str, Any] = {}
    if starts := done.starts:
        found["starts"] = {
            "count": len(starts.began),
            "watched_seconds": starts.watched.total_seconds(),
            "words": _of_starts(starts),
            "began": [_stamp(one) for one in starts.began],
            "rolled_back": sum(map(is_rolled_back, starts.fired)),
            "fired": [
                {
                    "started": _stamp(one.started),
                    "at": _stamp(one.at),
                    "alert": one.trigger.name,
                    "rolled_back": is_rolled_back(one),
                    "elsewhere": one.verdict.elsewhere,
                    "words": one.verdict.words,
                }
                for one in starts.fired
            ],
        }
    if done.injected:
        found["injected"] = [
            {
                "alert": one.trigger.name,
                "share": one.share,
                "limit_seconds": one.limit.total_seconds(),
                "words": _of_injected(one),
                "median_seconds": _seconds(_at(one, 0.5)),
                "p95_seconds": _seconds(_at(one, 0.95)),
                "delays_seconds": [_seconds(delay) for delay in one.delays],
            }
            for one in done.injected
        ]
    return found


def sections(done: Backtest) -> str:
    """Draw both, each under its sentence."""
    parts = []
    if done.starts:
        parts.append(_starts_section(done, done.starts))
    parts += [_injected_section(one) for one in done.injected]
    return "\n".join(parts)


def _of_starts(starts: Starts) -> str:
    of = len(starts.began)
    rolled = [one for one in starts.fired if is_rolled_back(one)]
    others = [one for one in starts.fired if not is_rolled_back(one)]
    elsewhere = sum(bool(one.verdict.elsewhere) for one in others)
    text = (
        f"{len(rolled)} of {of} releases that started at random moments would have "
        f"been rolled back within {written(starts.watched)}"
    )
    if rolled:
        names = Counter(one.trigger.name for one in rolled)
        text += ": " + ", ".join(f"{name} {count}" for name, count in names.items())
    if len(others) > elsewhere:
        text += f"; {len(others) - elsewhere} would have paused promotion"
    if elsewhere:
        text += f"; {elsewhere} were over, and it was not their doing"
    return text


def _line(one: Fired) -> str:
    what = "rolled back" if is_rolled_back(one) else "paused"
    why = f"; {one.verdict.elsewhere}" if one.verdict.elsewhere else ""
    after = written(_round(one.at - one.started))
    return (
        f"started {clock(one.started)}, {what} after {after}: {one.trigger.name}: "
        f"{one.verdict.words}{why}"
    )


def _of_injected(one: Injected) -> str:
    found = [delay for delay in one.delays if delay is not None]
    of = len(one.delays)
    text = (
        f"{100 * one.share:.4g}% more failing from the start of each of {of} releases: "
    )
    if not found:
        return f"{text}found in none within {written(one.limit)}"
    text += f"found in {len(found)}"
    for name, share in (("half", 0.5), ("95 of 100", 0.95)):
        delay = _at(one, share)
        if delay is not None:
            text += f", {name} within {written(_round(delay))}"
    if len(found) < of:
        text += f"; {of - len(found)} not within {written(one.limit)}"
    return text


def _at(one: Injected, share: float) -> timedelta | None:
    """Give the delay within which that share of all was found; None: not so many."""
    found = sorted(delay for delay in one.delays if delay is not None)
    place = math.ceil(share * len(one.delays)) - 1
    return found[place] if 0 <= place < len(found) else None


def _starts_section(done: Backtest, starts: Starts) -> str:
    sentence = _of_starts(starts)
    fired = {one.started: one for one in starts.fired}
    whole = max((done.until - done.since) / _SECOND, 1.0)
    shapes = []
    for began in starts.began:
        left = round((began - done.since) / _SECOND / whole * _WIDTH, 2)
        one = fired.get(began)
        name, top = ("mark", _HEIGHT // 2)
        if one is not None:
            name, top = ("fire" if is_rolled_back(one) else "pend"), 0
        shapes.append(
            f'<rect class="{name}" x="{left}" y="{top}" width="1.5"'
            f' height="{_HEIGHT - top}"/>'
        )
    lines = "".join(
        f"<li>{safe(_line(one))}</li>" for one in starts.fired[:_MOST_LINES]
    )
    return f"""<section aria-labelledby="starts">
<h2 id="starts">Starts</h2>
<p>{safe(sentence)}</p>
<p class="key dim">{key("fire")} rolled back &nbsp; {key("pend")} paused, or not its
doing &nbsp; {key("mark")} left alone</p>
{_figure(sentence, "".join(shapes), clock(done.since), clock(done.until) + " UTC")}
<ul>{lines}</ul>
</section>"""


def _injected_section(one: Injected) -> str:
    sentence = _of_injected(one)
    found = sorted(delay for delay in one.delays if delay is not None)
    of, whole = max(1, len(one.delays)), max(one.limit / _SECOND, 1.0)
    steps = [f"M0 {_HEIGHT}"]
    for number, delay in enumerate(found, 1):
        x = round(delay / _SECOND / whole * _WIDTH, 2)
        steps.append(f"H{x}V{round(_HEIGHT * (1 - number / of), 2)}")
    path = f'<path class="found" d="{"".join(steps)}H{_WIDTH}"/>'
    name = f"injected-{one.trigger.name}"
    return f"""<section aria-labelledby="{safe(name)}">
<h2 id="{safe(name)}">{safe(one.trigger.name)}, {100 * one.share:.4g}% more failing</h2>
<p>{safe(sentence)}</p>
{_figure(sentence, path, "0s", written(one.limit) + " after the start")}
<p class="dim">how many of all were found, by the time since the start</p>
</section>"""


def _figure(title: str, shapes: str, left: str, right: str) -> str:
    return f"""<figure><div class="plot low">
<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img"
 aria-label="{safe(title)}">
<title>{safe(title)}</title>
{shapes}
</svg></div>
<div class="axis"><span>{safe(left)}</span><span>{safe(right)}</span></div></figure>"""


def _seconds(delay: timedelta | None) -> float | None:
    return None if delay is None else delay.total_seconds()


def _round(time: timedelta) -> timedelta:
    return round(time / _SECOND) * _SECOND


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
