"""The commands with which people order by hand, through the control door."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Annotated, Any

import typer

from watchdog import __version__
from watchdog.approve.control import knock
from watchdog.approve.reply import Reply
from watchdog.commands.by_key import (
    HOME,
    Agent,
    As,
    KeyFile,
    Url,
    Yes,
    resumed,
    signs_of,
)
from watchdog.commands.shell import HERE, AsJson, Config, settings_at
from watchdog.config.settings import Settings
from watchdog.decide.standing import Standing
from watchdog.facts.event import Entry
from watchdog.facts.problem import Held, Problem
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory, recalled
from watchdog.show import releases as ledger
from watchdog.show import repair as repairs
from watchdog.show import retention as stays
from watchdog.show.story import Story
from watchdog.wiring.chosen import releases_of, rules_of
from watchdog.wiring.looks import what_is_there
from watchdog.wiring.schedule import RealClock
from watchdog.wiring.watch import Watch, wire

_SILENCE = 180  # s; longer than any step of a rollback may take by default

app = typer.Typer()
_releases = typer.Typer()
app.add_typer(
    _releases,
    name="releases",
    help="List every pair that ran here; or vouch for one.",
    invoke_without_command=True,
)
_retention = typer.Typer()
app.add_typer(
    _retention,
    name="retention",
    help="List what stays restorable; or release what may go.",
    invoke_without_command=True,
)
By = Annotated[str, typer.Option(help="Who says so: your name, for the record.")]
Wait = Annotated[
    bool, typer.Option(help="Tell how it goes until it ended; or only order it.")
]
Reason = Annotated[str, typer.Option(help="Why, in one sentence, for the record.")]


@_releases.callback()
def releases_command(
    context: typer.Context, config: Config = HERE, *, as_json: AsJson = False
) -> None:
    """List every pair that ran here, and what is known of it; the newest first."""
    context.obj = config
    if context.invoked_subcommand:
        return
    settings = settings_at(config)
    standing = _standing(settings)
    running = standing.running.pair.version if standing.running else ""
    release = releases_of(settings).for_version(running)
    listed = ledger.picture(standing, release)
    typer.echo(json.dumps(listed, indent=2) if as_json else ledger.words(listed))


@_releases.command()
def vouch(
    context: typer.Context,
    which: Annotated[
        str, typer.Argument(help="A version, or the start of a pair's id.")
    ],
    by: By,
    reason: Reason = "",
    *,
    even_though_quarantined: Annotated[
        bool, typer.Option("--even-though-quarantined", help="It breached; --reason.")
    ] = False,
) -> None:
    """Say that a pair is known to be good, so that it may be a target."""
    order: dict[str, Any] = {"which": which, "by": by, "reason": reason}
    order |= {"even_though_quarantined": even_though_quarantined}
    typer.echo(_ordered(settings_at(context.obj), "vouch", order)["words"])


@_retention.callback()
def retention_command(
    context: typer.Context, config: Config = HERE, *, as_json: AsJson = False
) -> None:
    """List what stays restorable, what each still has, and what may go.

    Ends with 1 when something of a retained pair is missing.
    """
    context.obj = config
    if context.invoked_subcommand:
        return
    settings = settings_at(config)
    with closing(Journal(settings.state, read_only=True)) as journal:
        memory = Memory(journal, lambda _: None)
        standing = memory.standing
        running = standing.running.pair.version if standing.running else ""
        releases = releases_of(settings)
        listed = stays.picture(
            standing,
            releases.for_version(running),
            rules_of(settings),
            lambda known: memory.missing(known.record),
            releases.for_version,
        )
    if as_json:
        typer.echo(json.dumps(listed, indent=2))
    else:
        typer.echo(stays.words(listed, red=lambda text: typer.style(text, fg="red")))
    raise typer.Exit(0 if stays.is_whole(listed) else 1)


@_retention.command("release")
def retention_release(
    context: typer.Context,
    which: Annotated[
        str, typer.Argument(help="A version, or the start of a pair's id.")
    ],
    by: By,
    reason: Reason,
) -> None:
    """Say that a pair need not stay restorable; nothing is deleted."""
    order = {"which": which, "by": by, "reason": reason}
    said = _ordered(settings_at(context.obj), "retention-release", order)
    typer.echo(said["words"])


@app.command()
def hold(by: By, reason: Reason, config: Config = HERE) -> None:
    """Let nothing be rolled back, and pause promotion, until `resume`."""
    words = _ordered(settings_at(config), "hold", {"by": by, "reason": reason})["words"]
    typer.echo(words)


@app.command()
def resume(
    release: Annotated[
        str, typer.Argument(help="A paused release; without it, the hold is lifted.")
    ] = "",
    *,
    by: By = "",
    reason: Reason = "",
    config: Config = HERE,
    who: As = "",
    key: KeyFile = None,
    agent: Agent = "",
    url: Url = HOME,
    yes: Yes = False,
) -> None:
    """Lift the hold; or, signed by a DRI, what pauses the promotion of a release."""
    if release:
        if not who:
            raise Problem(
                f"a word that {release} may go onward is signed by one of its DRIs",
                "add --as NAME and --key FILE",
            )
        signs = signs_of(key, agent)
        resumed(release, who, signs, url, reason=reason, yes=yes)
        return
    if not by:
        raise Problem("nobody says so", "add --by NAME; or name a paused release")
    order = {"by": by, "reason": reason}
    typer.echo(_ordered(settings_at(config), "resume", order)["words"])


@app.command()
def rollback(
    by: By,
    reason: Reason,
    config: Config = HERE,
    *,
    to: Annotated[
        str, typer.Option(help="A version or a pair's id; default: the target.")
    ] = "",
    wait: Wait = True,
    as_json: AsJson = False,
    even_though_result_of_a_rollback: Annotated[
        bool, typer.Option("--even-though-result-of-a-rollback")
    ] = False,
    even_though_not_rollback_safe: Annotated[
        bool, typer.Option("--even-though-not-rollback-safe")
    ] = False,
    even_though_one_way_between: Annotated[
        bool, typer.Option("--even-though-one-way-between")
    ] = False,
) -> None:
    """Roll back by hand, on the same path as any rollback.

    Ends with 0 when the target is proved, with 1 otherwise.
    """
    order: dict[str, Any] = {"by": by, "reason": reason, "to": to}
    order["even_though_result_of_a_rollback"] = even_though_result_of_a_rollback
    order["even_though_not_rollback_safe"] = even_though_not_rollback_safe
    order["even_though_one_way_between"] = even_though_one_way_between
    _carried_out(settings_at(config), "rollback", order, wait=wait, as_json=as_json)


@app.command()
def drill(
    by: By,
    config: Config = HERE,
    reason: Reason = "a drill",
    *,
    dry: Annotated[
        bool, typer.Option("--dry", help="Stop before the swap; touch nothing.")
    ] = False,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Walk the whole path with a breach that is made up; the stack IS rolled back.

    With --dry everything up to the swap, and cleared away again. Ends with 0 when
    it came to its end, with 1 otherwise.
    """
    order = {"by": by, "reason": reason, "dry": dry}
    _carried_out(settings_at(config), "drill", order, wait=wait, as_json=as_json)


@app.command()
def repair(
    config: Config = HERE,
    by: By = "",
    reason: Reason = "",
    *,
    to: Annotated[
        str, typer.Option(help="Put this recorded pair up whole: a version or an id.")
    ] = "",
    forward: Annotated[
        bool, typer.Option("--forward", help="Let what is stuck go on to its target.")
    ] = False,
    back: Annotated[
        bool, typer.Option("--back", help="Let what is stuck go back.")
    ] = False,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Show what is split or stuck, and mend it as you choose.

    Without a choice it only shows: 0 when nothing is to be mended, 1 otherwise. With
    one it ends with 0 when that pair is proved, with 1 otherwise.
    """
    settings = settings_at(config)
    chosen = [bool(to), forward, back]
    if not any(chosen):
        whole = repairs.picture(
            _standing(settings), *what_is_there(settings), rules_of(settings)
        )
        typer.echo(json.dumps(whole, indent=2) if as_json else repairs.words(whole))
        raise typer.Exit(1 if whole["stuck"] or whole["split"] or whole["env"] else 0)
    if sum(chosen) > 1:
        raise Problem("--to, --forward and --back are three ways", "choose one of them")
    way = "forward" if forward else "back" if back else ""
    order = {"by": by, "reason": reason, "to": to, "way": way}
    _carried_out(settings, "repair", order, wait=wait, as_json=as_json)


def _carried_out(
    settings: Settings, kind: str, order: dict[str, Any], *, wait: bool, as_json: bool
) -> None:
    """Order it and tell how it went, by the daemon or, without one, in this process.

    Raises:
        Problem: it was refused at the door; nothing was journaled.
    """
    with closing(Journal(settings.state, read_only=True)) as journal:
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
    raise typer.Exit(0 if story.is_fine else 1)


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
            raise Problem(
                f"no watchdog runs, and {unseen}",
                "what ran when it died says nothing of now: mend that, and order again",
            )
        taken = _taken(watch.orders.take(kind, order, began))
        story = _story(taken, order, began)
        while not story.ended:
            for entry in told:
                _echo(story.tell(entry), quiet=quiet)
            told.clear()
            if not story.ended:
                watch.schedule.turn()
                claimed = watch.memory.standing.claimed
                if claimed:
                    raise Problem(claimed.words, claimed.hint)
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


def _ordered(settings: Settings, kind: str, order: dict[str, Any]) -> dict[str, Any]:
    """Hand the order to the daemon, or journal it ourselves when there is none.

    Raises:
        Problem: it was refused.
    """
    reply = knock(settings.state, kind, order)
    return _taken(reply or _alone(settings, kind, order))


def _taken(reply: Reply) -> dict[str, Any]:
    if reply.status != 200:
        body = reply.body
        raise Problem(str(body.get("words", reply.status)), str(body.get("hint", "")))
    return dict(reply.body)


def _alone(settings: Settings, kind: str, order: dict[str, Any]) -> Reply:
    """Take the order in this process, which must be the only one on the journal."""
    watch = _wired(settings, lambda _: None)
    with closing(watch.journal):
        return watch.orders.take(kind, order, watch.clock.now())


def _wired(settings: Settings, say: Callable[[Entry], None]) -> Watch:
    # The reader first: it refuses a folder in which there never was a journal.
    _standing(settings)
    try:
        return wire(settings, __version__, say)
    except Held as held:
        raise Problem(
            f"{held.words}, and its control door does not answer",
            "it may be starting: try again; if it hangs, restart it",
        ) from held


def _standing(settings: Settings) -> Standing:
    with closing(Journal(settings.state, read_only=True)) as journal:
        return recalled(journal)
