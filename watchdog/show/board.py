"""One page of everything: what runs, is it watched, could it go back, what is asked."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchdog.decide.gap import words_of as words_of_gap
from watchdog.decide.standing import Standing
from watchdog.facts.message import Backlog
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release
from watchdog.show import page, plot
from watchdog.show.backtest import rule_words
from watchdog.show.drawings import Behind, Drawings, Draws, Mark
from watchdog.show.following import PATH, Following
from watchdog.show.leading import leads_words, led_by
from watchdog.show.mood import mood
from watchdog.show.outcome import step_list
from watchdog.show.status import picture, words
from watchdog.turn.roles import Filed, Led, Remembers

_SCRIPT = Path(__file__).with_name("follow.js").read_text("utf-8")
# However many look, it is put together once a second.
_FRESH = timedelta(seconds=1)
_TEXT = re.compile(r">[^<]+")
_INSTANT = re.compile(r"\b(20[0-9]{2}-[01][0-9]-[0-3][0-9])T([0-9:]{8})Z")
_NUMBER = re.compile(r"[0-9]{1,12}")
_AGAIN = 10  # seconds, without a script
_CAN = {True: "Yes", False: "NO", None: "Not known"}


class Board:
    """Serves the page of everything; *draws* asks Prometheus, in nobody's way.

    *base* is where people reach the decisions listener, empty when nobody said.
    *following* is told when there are new drawings.
    """

    def __init__(
        self,
        *,
        memory: Remembers,
        releases: Filed,
        rules: Rules,
        now: Callable[[], datetime],
        untold: Callable[[], Iterable[Backlog] | None],
        draws: Draws,
        base: str,
        following: Following,
        led: Callable[[], Led] = Led,
    ) -> None:
        self._memory = memory
        self._releases = releases
        self._rules = rules
        self._now = now
        self._untold = untold
        self._led = led
        self._base = base.rstrip("/")
        self._texts = Drawings(now, _FRESH)
        self._following = following
        self.plots = Behind(draws, now, following.rang)

    def routes(self) -> list[Route]:
        """Build what a person opens first, and what it follows."""
        first = Route("/", self._page, methods=["GET"])
        return [first, *self._following.routes()]

    async def _page(self, request: Request) -> Response:
        part = "live" if request.query_params.get("part") == "live" else ""
        asked = request.query_params.get("as_of", "")
        seen = int(asked) if _NUMBER.fullmatch(asked) else 0
        # Who was told of a change gets nothing that was put together before it.
        name = f"{part} {min(seen, self._following.count)}"
        text = await run_in_threadpool(
            self._texts.of, name, lambda: self._text(follows=bool(part))
        )
        return page.answer(text, script=_SCRIPT)

    def _text(self, *, follows: bool) -> str:
        s, at, turn = self._memory.standing, self._now(), self._memory.last_turn()
        version = s.running.pair.version if s.running else ""
        release = self._releases.for_version(version)
        told = self._untold()
        told = told if told is None else tuple(told)
        whole = picture(
            *(s, release, self._rules, turn),
            poll=self._rules.poll,
            at=at,
            untold=told,
        ) | led_by(self._led(), s)
        first = words(whole).split("\n", 1)[0]
        word, why = mood(whole, s, release)
        gap = words_of_gap(s.gap)
        expected = gap[0].upper() + gap[1:]
        now = (
            f"<h1>{page.safe(word)}: {page.safe(first)}</h1>",
            f'<p class="state">{page.safe(why)}</p>',
            f'<p class="dim">As of {page.both_clocks(at)}.</p>',
        )
        lines = [
            plot.HATCH,
            page.live("now", *now),
            page.live("acting", *_acting(s)),
            page.live("asked", *self._asked(whole)),
            page.live("runs", *_runs(whole)),
            page.live("ready", *_ready(whole), page.dim(f"{expected}.")),
            page.live("gate", *_gate(whole)),
            "<h2>Triggers</h2>",
            *self._triggers(s, release, whole, follows=follows),
            page.live("last", *_last(whole)),
            page.live("held", *_held(whole)),
            page.live("told", *_channels(told)),
        ]
        title = f"{word}: {first}"
        how = {"script": _SCRIPT, "follow": PATH}
        return page.whole(title, _times("\n".join(lines)), again=_AGAIN, **how)

    def _asked(self, whole: dict[str, Any]) -> Iterator[str]:
        question = whole["question"]
        if question is None:
            return
        yield "<h2>A decision is needed</h2>"
        yield f"<p>{page.safe(question['words'])}</p>"
        way = f"/a/{question['id']}"
        if self._base.startswith(("https://", "http://")):
            href = page.safe(self._base + way)
            yield f'<p><a href="{href}">Look at it, and answer</a></p>'
        else:
            where = f"{way} on the decisions listener, or `watchdog approve`."
            yield f"<p>The way in: {page.safe(where)}</p>"

    def _triggers(
        self,
        s: Standing,
        release: Release | None,
        whole: dict[str, Any],
        *,
        follows: bool,
    ) -> Iterator[str]:
        if release is None or s.running is None:
            yield page.live("no-triggers", page.dim("Nothing is watched."))
            return
        if whole["not_asked"]:
            yield page.live("not-asked", f"<p>{page.safe(whole['not_asked'])}</p>")
        shown = not follows or self.plots.is_news()
        drawn = self.plots.of(s.running.pair.key, release.triggers, _marks(s))
        for number, trigger in enumerate(release.triggers):
            seen = whole["triggers"].get(trigger.name)
            kind, said = "not judged yet", ""
            if seen is not None:
                cause = f" ({seen['cause']})" if seen["cause"] else ""
                often = f"; {seen['unsteady']}" if seen["unsteady"] else ""
                kind = seen["verdict"].upper() + cause
                said = f"{seen['words']}{often}, since {seen['since']}"
            name = page.safe(trigger.name)
            rule = f"{rule_words(trigger)} leads to {trigger.action}"
            yield page.live(
                f"trigger-{number}",
                f"<h3>{name}: {page.safe(kind)}</h3>",
                *([f"<p>{page.safe(said)}</p>"] if said else ()),
                page.dim(rule),
            )
            if shown:
                yield page.live(f"plot-{number}", drawn[trigger.name])


def _times(body: str) -> str:
    """Write instants for people, and let a script add the reader's own clock."""

    def timed(text: re.Match[str]) -> str:
        return _INSTANT.sub(r'<time datetime="\g<0>">\1 \2 UTC</time>', text[0])

    return _TEXT.sub(timed, body)


def _marks(s: Standing) -> tuple[Mark, ...]:
    found: list[Mark] = []
    if s.running:
        since = s.pair_since or s.running.since
        found.append((since, f"{s.running.pair.version} starts"))
    if s.incident:
        found.append((s.incident.opened_at, "breach"))
    if s.rollback:
        found.append((s.rollback.started_at, "rollback begins"))
    elif s.put_up:
        found.append((s.put_up.until, "rolled back"))
    return tuple(found)


def _acting(s: Standing) -> Iterator[str]:
    if s.rollback is None:
        return
    yield "<h2>A rollback is under way</h2>"
    yield from step_list(s, s.rollback.started.plan.op)


def _runs(whole: dict[str, Any]) -> Iterator[str]:
    yield "<h2>What runs</h2>"
    running = whole["running"]
    if running is None:
        yield page.dim("Nothing has been seen running yet.")
    else:
        runs = f"{running['pair']}, since {running['since']}"
        yield f"<p>{page.safe(runs)}</p>"
        if running["down"]:
            yield f"<p><b>NOT UP</b>: {page.safe(running['down'])}</p>"
        by = "; put up by a rollback" if running["by_rollback"] else ""
        yield f"<p>{page.safe(running['standing'] + by)}</p>"
    last = whole["last_turn"]
    when = (
        f"the last turn ended {last['at']}: {last['words']}" if last else "no turn yet"
    )
    watched = "Watched" if whole["watching"] else "NOT WATCHED"
    mode = "" if whole["mode"] == "act" else "; it only observes, and does nothing"
    yield f"<p><b>{watched}</b>: {page.safe(when + mode)}</p>"
    leads = leads_words(whole)
    if leads:
        yield f"<p>{page.safe(leads)}.</p>"
    yield from page.listed(
        [
            *(f"{what} is away: {why}" for what, why in whole["unreachable"].items()),
            *(whole[name] for name in ("unclear", "hold", "order") if whole[name]),
            *(f"{name} is unproven: {why}" for name, why in whole["unproven"].items()),
        ]
    )


def _ready(whole: dict[str, Any]) -> Iterator[str]:
    could, target = whole["readiness"], whole["target"]
    yield "<h2>Could it be rolled back right now?</h2>"
    yield f"<p><b>{_CAN[could['ready']]}</b>: {page.safe(could['words'])}</p>"
    yield from page.listed(
        [
            f"{one['words']} ({one['hint']})" if one["hint"] else one["words"]
            for one in could["lacks"]
        ]
    )
    to = f"Target {target['version']}: " if target["version"] else ""
    yield page.dim(to + target["words"])


def _gate(whole: dict[str, Any]) -> Iterator[str]:
    gate = whole["promotion"]
    yield "<h2>May it go onward?</h2>"
    yield f"<p><b>{page.safe(gate['state'].upper())}</b></p>"
    yield from page.listed(gate["reasons"] or [gate["words"]])


def _last(whole: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Before</h2>"
    incident, last = whole["incident"], whole["last_rollback"]
    if incident:
        which = quote(incident["id"], safe="")
        yield f"<p>Open since {incident['opened']}: {page.safe(incident['words'])}</p>"
        yield f'<p><a href="report/{which}">Its report</a></p>'
    if last:
        yield f"<p>The last rollback: {page.safe(last['words'])}</p>"
        which = quote(last["incident"] or last["op"], safe="")
        yield f'<p><a href="report/{which}">Its report</a></p>'
    if whole["last_drill"]:
        yield f"<p>The last drill: {page.safe(whole['last_drill']['words'])}</p>"
    yield '<p><a href="history">All that happened here</a></p>'


def _held(whole: dict[str, Any]) -> Iterator[str]:
    yield "<h2>What is held for a way back</h2>"
    yield f"<p>{page.safe(whole['held']['words'])}</p>"
    items = []
    for one in reversed(whole["pairs"]):
        state = one["quarantined"] and f"quarantined: {one['quarantined']}"
        state = state or one["taken_down"] or one["known_good"] or "candidate"
        items.append(f"{one['version']}, first seen {one['first_seen']}: {state}")
    yield from page.listed(items)


def _channels(told: tuple[Backlog, ...] | None) -> Iterator[str]:
    yield "<h2>Who is told</h2>"
    if told is None:
        yield "<p><b>NOT KNOWN</b>: the outbox cannot be read.</p>"
        return
    if not told:
        yield page.dim("No channel is set up: nobody is told of anything.")
        return
    items = []
    for one in told:
        waits = f"{one.waiting} wait" if one.waiting else "nothing waits"
        since = f", the first since {plot.clock(one.since)} UTC" if one.since else ""
        dead = f"; {one.dead} given up" if one.dead else ""
        why = f": {one.error}" if one.error and (one.waiting or one.dead) else ""
        items.append(f"{one.channel}: {waits}{since}{dead}{why}")
    yield from page.listed(items)
