"""A person's order weighed against where we stand: the pair to put up, or why not.

It is weighed twice, by the same words: at the door, and by the turn that follows it.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from watchdog.decide.one_way import one_way_between
from watchdog.decide.policy import choose_target, decide, differ, forbidden, newest_good
from watchdog.decide.standing import Incident, KnownPair, Standing
from watchdog.facts.decision import Ask, RollBack
from watchdog.facts.event import BreachConfirmed, OrderGiven
from watchdog.facts.problem import Problem
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Action, Release

# An order that could not be followed for so long is not what is wanted any more.
FRESH = timedelta(minutes=10)
DRILLS = ("drill", "dry-drill")
_BETWEEN = "one-way-between"


def target_of(
    s: Standing,
    order: OrderGiven,
    release: Release | None,
    rules: Rules,
    at: datetime,
) -> KnownPair:
    """Find the pair that *order* puts up; *release* is the file of what runs.

    Raises:
        Problem: why it is not done, and what to do.
    """
    _nothing_in_the_way(s, order, rules)
    if order.what == "repair":
        return _put_up(s, order)
    if order.what in DRILLS:
        target = _drilled(s, release, rules, at)
        if order.key not in ("", target.pair.key):
            raise Problem(f"the target is {target.pair.words} meanwhile", "order anew")
        return target
    return _by_hand(s, order, release)


def _nothing_in_the_way(s: Standing, order: OrderGiven, rules: Rules) -> None:
    dry, mends = order.what == "dry-drill", order.what == "repair"
    if s.claimed:
        raise Problem(s.claimed.words, s.claimed.hint)
    if s.rollback and s.rollback.stuck and not mends:
        raise Problem(
            f"a rollback is stuck: {s.rollback.stuck}",
            "`watchdog repair` shows what there is, and mends it",
        )
    if s.rollback and not s.rollback.stuck:
        target = s.rollback.started.to_pair.version
        raise Problem(f"a rollback to {target} is under way", "wait for its end")
    if s.order and s.order.given.order != order.order:
        raise Problem(f"another order is open: {s.order.given.words}", "wait for it")
    if s.hold and not dry and not mends:
        raise Problem(s.hold.words, "lift it with `watchdog resume`")
    if rules.observe_only and not dry:
        raise Problem(
            "mode is observe: nothing is done",
            "set `mode: act` and restart the watchdog",
        )
    if s.running_pair is None:
        raise Problem("what runs is not known", "see `watchdog status`")
    # Where it comes and goes, the turn that follows it sees whether it is whole then.
    often = s.flow("unclear").comes_and_goes
    if s.unclear and not mends and not often:
        raise Problem(
            f"what runs is not one whole pair: {s.unclear.words}",
            "`watchdog repair` shows what there is, and mends it",
        )


def _put_up(s: Standing, order: OrderGiven) -> KnownPair:
    """Take the pair that was chosen; whether there is anything to mend, the turn sees.

    A candidate will do: it may be the very pair that was being deployed.
    """
    target = s.pairs.get(order.key)
    if target is None:
        raise Problem("that pair never ran here", "`watchdog releases` lists them")
    # An end of what is stuck may be chosen, as by its own way.
    ends = (
        (s.rollback.started.from_pair, s.rollback.started.to_pair) if s.rollback else ()
    )
    if target.quarantined and target.pair.key not in {end.key for end in ends}:
        version = target.pair.version
        raise Problem(
            f"{version} is quarantined: {target.quarantined}",
            f"if you know better: `watchdog releases vouch {version} --by … "
            "--reason … --even-though-quarantined`",
        )
    return target


def _by_hand(s: Standing, order: OrderGiven, release: Release | None) -> KnownPair:
    for name, words in forbidden(s, release).items():
        if name not in order.despite:
            raise Problem(words, f"if you know better, add --even-though-{name}")
    running = s.running_pair
    target = s.pairs.get(order.key) if order.key else newest_good(s, release)
    if target is None or running is None:
        raise Problem("that pair never ran here", "`watchdog releases` lists them")
    if isinstance(target, str):
        raise Problem(target, "name one with --to; `watchdog releases` lists them")
    version = target.pair.version
    crossed = one_way_between(s, target)
    if crossed and _BETWEEN not in order.despite:
        raise Problem(crossed, f"if you know better, add --even-though-{_BETWEEN}")
    if not differ(target.pair, running.pair):
        raise Problem(f"{version} is what runs: {running.pair.words}")
    if target.quarantined:
        raise Problem(
            f"{version} is quarantined: {target.quarantined}",
            f"if you know better: `watchdog releases vouch {version} --by … "
            "--reason … --even-though-quarantined`",
        )
    if not target.good:
        raise Problem(
            f"{version} is a candidate: neither baked nor vouched for",
            f"if you know that it is good: `watchdog releases vouch {version} --by …`",
        )
    return target


def _drilled(
    s: Standing, release: Release | None, rules: Rules, at: datetime
) -> KnownPair:
    """Give a breach that is made up to the policy, and take what it decides on."""
    if s.incident:
        raise Problem(
            f"the incident {s.incident.id} is open", "a drill would get in its way"
        )
    running = s.running_pair
    target = choose_target(s, release)
    if running is None or isinstance(target, str):
        raise Problem(str(target), "see `watchdog status`: a real breach would be so")
    breach = BreachConfirmed(
        incident="drill",
        trigger="Drill",
        action=str(Action.ROLLBACK),
        key=running.pair.key,
        release=running.pair.version,
        words="a breach that is made up",
        value=1.0,
        bound=0.0,
    )
    pretended = replace(
        s,
        incident=Incident("drill", at, (breach,)),
        automatic={},
        by_itself=(),
        hold=None,
    )
    decision = decide(pretended, release, replace(rules, observe_only=False), at)
    if not isinstance(decision, RollBack | Ask):
        raise Problem(decision.words)
    return s.pairs[decision.to.key]
