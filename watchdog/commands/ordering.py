"""Hands an order to the daemon and tells how it goes; without one, carries it out."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from watchdog import __version__
from watchdog.approve.control_socket import knock
from watchdog.approve.reply import Reply
from watchdog.commands.ends import End
from watchdog.config.settings import Settings
from watchdog.facts.event import Entry
from watchdog.facts.problem import Held, NotTaken, Problem, Unreachable
from watchdog.record.journal import Journal
from watchdog.record.memory import standing_in
from watchdog.show.story import Story
from watchdog.wiring.chosen import place_of
from watchdog.wiring.clock import RealClock

if TYPE_CHECKING:
    from watchdog.wiring.watch import Watch

_CONFLICT = 409  # understood, and not to be done as things stand
_SILENCE = 180  # s; longer than any step of a rollback may take by default


def carried_out(
    settings: Settings, kind: str, order: dict[str, Any], *, wait: bool, as_json: bool
) -> None:
    """Order it and tell how it went, by the daemon or, without one, in this process.

    Raises:
        Problem: it was refused at the door; nothing was journaled.
    """
    with closing(Journal(place_of(settings), read_only=True)) as journal:
        reply = knock(settings.state, kind, order)
        clock = RealClock()
        if reply is None:
            story = _carried_out_alone(settings, kind, order, quiet=as_json)
        else:
            story = _story(_taken(reply), order, clock.now())
            if not wait:
                body = dict(reply.body)
                typer.echo(json.dumps(body) if as_json else body["words"])
                return
            _follow(journal, story, journal.head, clock, quiet=as_json)
    if as_json:
        typer.echo(json.dumps({"ended": story.ended, "words": story.words}))
    raise typer.Exit(_end_of(story))


def _end_of(story: Story) -> End:
    if story.is_fine:
        return End.DONE
    return {"": End.TIMED_OUT, "refused": End.REFUSED}.get(
        story.ended, End.NEEDS_A_PERSON
    )


def _follow(
    journal: Journal, story: Story, after: int, clock: RealClock, *, quiet: bool
) -> None:
    """Read on in the journal that the daemon writes, until the end or long silence."""
    heard = clock.monotonic()
    while not story.ended:
        entries = journal.entries(after)
        for entry in entries:
            after, heard = entry.seq, clock.monotonic()
            _echo(story.tell(entry), quiet=quiet)
        if clock.monotonic() - heard > _SILENCE:
            story.words = (
                f"nothing happened for {_SILENCE} s; the order stands in the journal, "
                "see `watchdog status`"
            )
            typer.echo(story.words, err=True)
            return
        clock.pause(0.2)


def _carried_out_alone(
    settings: Settings, kind: str, order: dict[str, Any], *, quiet: bool
) -> Story:
    """Turn here until it ended; cut off, the next daemon goes on with it."""
    told: list[Entry] = []
    watch = _wired(settings, told.append)
    with closing(watch.journal):
        began = watch.clock.now()
        unseen = watch.look(began)
        if unseen:
            raise Unreachable(
                f"no watchdog runs, and {unseen}",
                "what ran when it died says nothing of now: mend that, and order again",
            )
        taken = _taken(watch.doors.orders.take(kind, order, began))
        story = _story(taken, order, began)
        while not story.ended:
            for entry in told:
                _echo(story.tell(entry), quiet=quiet)
            told.clear()
            if not story.ended:
                watch.schedule.turn()
                claimed = watch.memory.standing.claimed
                if claimed:
                    raise NotTaken(claimed.words, claimed.hint)
                if not told:
                    watch.clock.pause(settings.poll.total_seconds())
    return story


def _story(taken: dict[str, Any], order: dict[str, Any], began: datetime) -> Story:
    """Begin to tell an order, or an operation that goes on as it was chosen."""
    way = taken.get("way", order.get("way"))
    good = ("put-back",) if way == "back" else ("proved", "rehearsed")
    return Story(taken.get("order", ""), began, op=taken.get("op", ""), good=good)


def _echo(line: str, *, quiet: bool) -> None:
    if line and not quiet:
        typer.echo(line)


def ordered(settings: Settings, kind: str, order: dict[str, Any]) -> dict[str, Any]:
    """Hand the order to the daemon, or journal it ourselves when there is none.

    Raises:
        Problem: it was refused.
    """
    reply = knock(settings.state, kind, order)
    return _taken(reply or _alone(settings, kind, order))


def _taken(reply: Reply) -> dict[str, Any]:
    if reply.status != 200:
        body = reply.body
        kind = NotTaken if reply.status == _CONFLICT else Problem
        raise kind(str(body.get("words", reply.status)), str(body.get("hint", "")))
    return dict(reply.body)


def _alone(settings: Settings, kind: str, order: dict[str, Any]) -> Reply:
    """Take the order in this process, which must be the only one on the journal."""
    watch = _wired(settings, lambda _: None)
    with closing(watch.journal):
        return watch.doors.orders.take(kind, order, watch.clock.now())


def _wired(settings: Settings, say: Callable[[Entry], None]) -> "Watch":
    # Only who is alone needs all that a daemon is made of.
    from watchdog.wiring.watch import wire  # noqa: PLC0415

    # The reader first: it refuses a folder in which there never was a journal.
    standing_in(place_of(settings))
    try:
        return wire(settings, __version__, say)
    except Held as held:
        leader = _leader(settings)
        if leader:
            raise Problem(
                f"{leader} leads, and no order is taken here",
                "start the watchdog here, or give it on a node whose watchdog runs",
            ) from held
        raise Unreachable(
            f"{held.words}, and its control door does not answer",
            "it may be starting: try again; if it hangs, restart it",
        ) from held


def _leader(settings: Settings) -> str:
    with closing(Journal(place_of(settings), read_only=True)) as journal:
        return journal.leader
