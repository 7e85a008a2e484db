"""The commands with which people order by hand, through the control door."""

import json
from typing import Annotated, Any

import typer

from watchdog.commands.ends import End
from watchdog.commands.ordering import carried_out, ordered
from watchdog.commands.shell import (
    HERE,
    HOME,
    Agent,
    As,
    AsJson,
    By,
    Config,
    KeyFile,
    Reason,
    Url,
    Yes,
    say,
    say_refused,
    settings_at,
)
from watchdog.facts.problem import Problem
from watchdog.record.memory import standing_in
from watchdog.show import repair as repairs
from watchdog.wiring.chosen import files_as_found, place_of, rules_of

app = typer.Typer()
Wait = Annotated[
    bool, typer.Option(help="Tell how it goes until it ended; or only order it.")
]


@app.command()
def hold(
    by: By, reason: Reason, config: Config = HERE, *, as_json: AsJson = False
) -> None:
    """Let nothing be rolled back, and pause promotion, until `resume`."""
    words = ordered(settings_at(config), "hold", {"by": by, "reason": reason})["words"]
    say(words, as_json=as_json)


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
    as_json: AsJson = False,
) -> None:
    """Lift the hold; or, signed by a DRI, what pauses the promotion of a release."""
    if release:
        if not who:
            raise Problem(
                f"a word that {release} may go onward is signed by one of its DRIs",
                "add --as NAME and --key FILE",
            )
        from watchdog.commands.by_key import resumed, signs_of  # noqa: PLC0415

        signs = signs_of(key, agent)
        resumed(release, who, signs, url, reason=reason, yes=yes, as_json=as_json)
        return
    if not by:
        raise Problem("nobody says so", "add --by NAME; or name a paused release")
    order = {"by": by, "reason": reason}
    words = ordered(settings_at(config), "resume", order)["words"]
    say(words, as_json=as_json)


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
        bool,
        typer.Option(
            "--even-though-result-of-a-rollback",
            help="Roll back what a rollback has put there.",
        ),
    ] = False,
    even_though_not_rollback_safe: Annotated[
        bool,
        typer.Option(
            "--even-though-not-rollback-safe",
            help="Though the file of what runs says rollback_safe: false.",
        ),
    ] = False,
    even_though_one_way_between: Annotated[
        bool,
        typer.Option(
            "--even-though-one-way-between",
            help="Though a release in between could not be gone back over.",
        ),
    ] = False,
) -> None:
    """Roll back by hand, on the same path as any rollback.

    Ends with 0 when the target is proved, with 9 when it was refused.
    """
    order: dict[str, Any] = {"by": by, "reason": reason, "to": to}
    order["even_though_result_of_a_rollback"] = even_though_result_of_a_rollback
    order["even_though_not_rollback_safe"] = even_though_not_rollback_safe
    order["even_though_one_way_between"] = even_though_one_way_between
    carried_out(settings_at(config), "rollback", order, wait=wait, as_json=as_json)


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
    it came to its end.
    """
    order = {"by": by, "reason": reason, "dry": dry}
    carried_out(settings_at(config), "drill", order, wait=wait, as_json=as_json)


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
    one it ends with 0 when that pair is proved.
    """
    settings = settings_at(config)
    chosen = [bool(to), forward, back]
    if not any(chosen):
        # The only one that asks the engine from here.
        from watchdog.wiring.looks import what_is_there  # noqa: PLC0415

        files = files_as_found(settings)
        parts, astray, unread = what_is_there(settings, files)
        whole = repairs.picture(
            standing_in(place_of(settings)), parts, astray, rules_of(settings), unread
        )
        typer.echo(json.dumps(whole, indent=2) if as_json else repairs.words(whole))
        say_refused(files)
        wrong = ("stuck", "split", "env", "down", "unread")
        raise typer.Exit(End.NO if any(whole[key] for key in wrong) else End.DONE)
    if sum(chosen) > 1:
        raise Problem("--to, --forward and --back are three ways", "choose one of them")
    way = "forward" if forward else "back" if back else ""
    order = {"by": by, "reason": reason, "to": to, "way": way}
    carried_out(settings, "repair", order, wait=wait, as_json=as_json)
