"""What is split or stuck, and the exact commands that mend it."""

from collections.abc import Callable, Sequence
from typing import Any

from watchdog.decide.repair import candidates, down, serving, split
from watchdog.decide.repair import unread as unread_of
from watchdog.decide.standing import Standing
from watchdog.facts.lack import Lack
from watchdog.facts.pair import Part
from watchdog.facts.problem import Problem
from watchdog.facts.rules import Rules

_WHO = "--by NAME --reason WHY"


def picture(
    s: Standing,
    parts: Sequence[Part],
    astray: Callable[[str], tuple[Lack, ...]],
    rules: Rules,
    unread: str = "",
) -> dict[str, Any]:
    """Put what there is, what the journal says and what may be done into one value.

    *astray* a version that runs says how the env file is not as it should be; *unread*
    why what runs could not be looked at. What could not be read is said, and all the
    rest is shown.
    """
    stuck = s.rollback.stuck if s.rollback else ""
    dark = [unread] if unread else []
    dark += [f"{part.name}: {part.unread}" for part in parts if part.unread]
    broken = "" if unread else split(s, parts, rules.services)
    if not broken and (tenants := unread_of(parts, rules.services)):
        dark.append(tenants)
    found, _ = serving(parts, rules.services)
    versions = sorted({part.version for part in found})
    env = ""
    if s.rollback is None and versions:
        try:
            env = "; ".join(lack.sentence for lack in astray(", ".join(versions)))
        except Problem as problem:
            dark.append(problem.words)
    return {
        "name": rules.name,
        "stuck": stuck,
        "split": broken,
        "env": env,
        "down": "" if s.rollback else down(parts, rules.services),
        "unread": dark,
        "parts": [
            {
                "service": part.service,
                "name": part.name,
                "state": part.state,
                "image": part.image_ref,
                "image_id": part.image,
                "manifests": {m.path: m.sha256 for m in part.manifests},
                "aside": part.aside,
                "said": part.said,
            }
            for part in parts
        ],
        "journal": _journal(s),
        "ways": _ways(s, broken),
    }


def words(whole: dict[str, Any]) -> str:
    """Say *whole*: the answer first, then what there is, then what may be done."""
    name = whole["name"]
    first = f"{name}: what runs is one whole pair; nothing to mend"
    if whole["stuck"]:
        first = f"{name}: STUCK: {whole['stuck']}"
    elif whole["split"]:
        first = f"{name}: not one whole pair: {whole['split']}"
    elif whole["unread"]:
        first = f"{name}: not known: not all that there is could be read"
    elif whole["down"]:
        first = f"{name}: one whole pair, and not all of it runs"
    lines = [first, *(f"unread    {line}" for line in whole["unread"])]
    if whole["down"]:
        hint = "`docker compose up -d`, or `docker stack deploy`, starts it"
        lines.append(f"down      {whole['down']}; {hint}")
    if whole["env"]:
        lines.append(f"env       {whole['env']}")
    for part in whole["parts"]:
        aside = ", put aside by a rollback" if part["aside"] else ""
        lines.append(
            f"{part['service']:<9} {part['name']} is {part['state']}{aside}: "
            f"{part['image']} ({part['image_id'].rpartition(':')[2][:12]})"
        )
        lines += [
            f"          {path} is {sha[:12]}" if sha else f"          {path}"
            for path, sha in part["manifests"].items()
        ]
        if part["said"]:
            lines.append(f"          {part['said']}")
    lines += [f"journal   {line}" for line in whole["journal"]]
    if whole["ways"]:
        lines.append("choose one whole pair; nothing is done before that:")
        lines += [f"  {way['command']}    # {way['words']}" for way in whole["ways"]]
    return "\n".join(lines)


def _journal(s: Standing) -> list[str]:
    rollback = s.rollback
    if rollback is None:
        known = s.running
        return [f"the last whole pair was {known.pair.words}"] if known else []
    started = rollback.started
    way = f"{started.from_pair.words} to {started.to_pair.words}"
    lines = [
        f"operation {started.plan.op}, a {started.what} from {way}: {started.cause}",
        f"done: {'; '.join(rollback.done) or 'nothing'}",
    ]
    if rollback.back:
        lines.append(f"it turned around: {rollback.back}")
    if rollback.hint:
        lines.append(f"hint: {rollback.hint}")
    return lines


def _ways(s: Standing, broken: str) -> list[dict[str, str]]:
    command = "watchdog repair"
    if s.rollback is not None:
        if not s.rollback.stuck:
            return []
        started = s.rollback.started
        ways = [("--forward", started.to_pair)]
        if started.plan.way_back:
            ways.append(("--back", started.from_pair))
        ends = {pair.key for _, pair in ways}
        others = [known.pair for known in candidates(s) if known.pair.key not in ends]
        ways += [(f"--to {pair.short}", pair) for pair in others]
        return [
            {"command": f"{command} {flag} {_WHO}", "words": pair.words}
            for flag, pair in ways
        ]
    if not broken:
        return []
    return [
        {
            "command": f"{command} --to {known.pair.short} {_WHO}",
            "words": f"{known.pair.words}, {known.good or 'a candidate'}",
        }
        for known in candidates(s)
    ]
