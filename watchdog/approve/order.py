"""What a person orders by hand, checked and journaled; nothing executes.

Whoever calls is trusted: the door is a socket that only the watchdog's own user can
open. *by* says who it was, as they say themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from watchdog.approve.reply import Reply
from watchdog.decide.ledger import find, may_vouch, named
from watchdog.decide.one_way import lying_between
from watchdog.decide.order import target_of
from watchdog.decide.repair import way_to
from watchdog.decide.retention import may_release
from watchdog.decide.revoked import why_revoked
from watchdog.decide.standing import Standing
from watchdog.facts.event import (
    Event,
    HoldLifted,
    HoldPlaced,
    OrderGiven,
    PairProvedGood,
    PairRecorded,
    RetentionReleased,
    WayChosen,
)
from watchdog.facts.pair import Record
from watchdog.facts.problem import Problem
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release
from watchdog.turn.roles import Filed, Remembers


def _readable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("meant text in one line, without control characters")
    return text.strip()


def _some(text: str) -> str:
    if not text:
        raise ValueError("meant some text")
    return text


_Text: TypeAlias = Annotated[str, Field(max_length=2000), AfterValidator(_readable)]
_Some: TypeAlias = Annotated[_Text, AfterValidator(_some)]


# Records a pair that never ran here by its release file, like the given record.
Unseen: TypeAlias = Callable[[Release, Record], tuple[Record, dict[str, bytes]]]
_Follow: TypeAlias = Callable[[Any, datetime], dict[str, str]]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    by: _Some


class _Vouch(_Strict):
    which: _Some
    reason: _Text = ""
    even_though_quarantined: bool = False


class _Hold(_Strict):
    reason: _Some


class _Resume(_Strict):
    reason: _Text = ""


class _Let(_Strict):
    which: _Some
    reason: _Some


class _Rollback(_Strict):
    to: _Text = ""
    reason: _Some
    even_though_result_of_a_rollback: bool = False
    even_though_not_rollback_safe: bool = False
    even_though_one_way_between: bool = False


class _Drill(_Strict):
    reason: _Some
    dry: bool = False


class _Repair(_Strict):
    reason: _Some
    to: _Text = ""
    way: Literal["", "forward", "back"] = ""


class Orders:
    """Takes orders and journals them; the next turn goes by what is journaled."""

    def __init__(
        self,
        memory: Remembers,
        *,
        releases: Filed,
        rules: Rules,
        secret: Callable[[], str],
        unseen: Unseen,
    ) -> None:
        self._memory = memory
        self._releases = releases
        self._rules = rules
        self._secret = secret
        self._unseen = unseen
        self._kinds: dict[str, tuple[type[_Strict], _Follow]] = {
            "vouch": (_Vouch, self._vouch),
            "hold": (_Hold, self._hold),
            "resume": (_Resume, self._resume),
            "rollback": (_Rollback, self._rollback),
            "drill": (_Drill, self._drill),
            "repair": (_Repair, self._repair),
            "retention-release": (_Let, self._release),
        }

    def take(self, kind: str, order: Mapping[str, Any], at: datetime) -> Reply:
        """Take one order: 200 with a sentence, or what speaks against it."""
        if kind not in self._kinds:
            return _no(404, f"there is no order {kind}")
        model, follow = self._kinds[kind]
        try:
            return Reply(200, follow(model.model_validate(order), at))
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(str(part) for part in first["loc"])
            return _no(422, f"{path}: {first['msg']}")
        except Problem as problem:
            return _no(409, problem.words, problem.hint)

    def _vouch(self, order: _Vouch, at: datetime) -> dict[str, str]:
        if not named(self._memory.standing, order.which):
            return self._vouch_unseen(order, at)
        seen = find(self._memory.standing, order.which)
        missing, version = self._memory.missing(seen.record), seen.pair.version
        why = f": {order.reason}" if order.reason else ""
        words = f"{order.by} vouched for {version}{why}"

        def weigh(standing: Standing) -> tuple[Event, ...] | str:
            known = standing.pairs[seen.pair.key]
            may_vouch(
                standing,
                known,
                missing=missing,
                even_though_quarantined=order.even_though_quarantined,
            )
            if known.good and not known.taken_down:
                return f"{version} is known to be good already: {known.good}"
            if known.quarantined and not order.reason:
                raise Problem(
                    f"{version} is quarantined: {known.quarantined}",
                    "say with --reason why it is good all the same",
                )
            return (PairProvedGood(known.pair.key, words, vouched_by=order.by),)

        found = self._memory.add_if(at, weigh)
        return {"words": found if isinstance(found, str) else words}

    def _vouch_unseen(self, order: _Vouch, at: datetime) -> dict[str, str]:
        """Record a pair that never ran here as it is found, and take their word."""
        standing, version = self._memory.standing, order.which
        release = self._releases.for_version(version)
        if release is None or release.is_default:
            raise Problem(
                f"no pair {version} ever ran here, and no release file says what it is",
                "`watchdog releases` lists what ran; one that never did needs a "
                "release file of its own",
            )
        running = standing.running
        if running is None or standing.unclear:
            raise Problem("what runs is not known", "see `watchdog status`")
        record, blobs = self._unseen(release, self._memory.record(running.record))
        pair = record.pair
        if pair.version != version:
            refs = " and ".join(one.ref for one in record.each_image)
            words = f"{version} is {refs} by its release file"
            raise Problem(words, f"vouch for {pair.version}, if that is meant")
        why = f": {order.reason}" if order.reason else ""
        words = (
            f"{order.by} vouched for {version}, which never ran here, as it is found "
            f"now: {pair.words}{why}"
        )
        name = self._memory.keep(record, blobs)
        # Whatever ran since it did, nobody saw it.
        one_way = lying_between(self._releases.one_way, version, running.pair.version)

        def weigh(standing: Standing) -> tuple[Event, ...]:
            if pair.key in standing.pairs:
                same = standing.pairs[pair.key].pair.words
                hint = "vouch for that one"
                raise Problem(f"{version} is one pair with {same}", hint)
            revoked = why_revoked(standing.revoked, pair)
            if revoked:
                raise Problem(f"{version} is {revoked}")
            good = PairProvedGood(pair.key, words, vouched_by=order.by)
            found = PairRecorded(pair, name, order.by, words, between=one_way)
            return found, good

        self._memory.add_if(at, weigh)
        return {"words": words}

    def _release(self, order: _Let, at: datetime) -> dict[str, str]:
        pair = find(self._memory.standing, order.which).pair
        version = pair.version
        words = f"{order.by} released {version}: {order.reason}"

        def weigh(standing: Standing) -> tuple[Event, ...]:
            running = standing.running.pair.version if standing.running else ""
            release, known = (
                self._releases.for_version(running),
                standing.pairs[pair.key],
            )
            may_release(standing, release, self._rules, known)
            return (RetentionReleased(pair.key, version, order.by, words),)

        self._memory.add_if(at, weigh)
        return {"words": f"{words}; it is held no more, and may be deleted"}

    def _hold(self, order: _Hold, at: datetime) -> dict[str, str]:
        words = f"operator hold by {order.by} since {at:%Y-%m-%d %H:%M:%S} UTC"
        words = f"{words}: {order.reason}"

        def weigh(standing: Standing) -> tuple[Event, ...]:
            if standing.hold:
                raise Problem(
                    f"there is one already: {standing.hold.words}",
                    "lift it first, with `watchdog resume`",
                )
            return (HoldPlaced(order.by, words),)

        self._memory.add_if(at, weigh)
        if self._memory.standing.rollback:
            words += "; the rollback under way goes on to its end"
        return {"words": words}

    def _resume(self, order: _Resume, at: datetime) -> dict[str, str]:
        why = f" ({order.reason})" if order.reason else ""

        def weigh(standing: Standing) -> tuple[HoldLifted]:
            hold = standing.hold
            if hold is None:
                raise Problem("there is no hold to lift")
            return (HoldLifted(order.by, f"{order.by} lifted the {hold.words}{why}"),)

        (lifted,) = self._memory.add_if(at, weigh)
        return {"words": lifted.words}

    def _rollback(self, order: _Rollback, at: datetime) -> dict[str, str]:
        despite = [
            name
            for name, chosen in (
                ("result-of-a-rollback", order.even_though_result_of_a_rollback),
                ("not-rollback-safe", order.even_though_not_rollback_safe),
                ("one-way-between", order.even_though_one_way_between),
            )
            if chosen
        ]
        given = OrderGiven(
            order=self._name(),
            what="rollback",
            by=order.by,
            reason=order.reason,
            key=find(self._memory.standing, order.to).pair.key if order.to else "",
            words="",
            despite=tuple(despite),
        )
        return self._give(given, at)

    def _drill(self, order: _Drill, at: datetime) -> dict[str, str]:
        what = "dry-drill" if order.dry else "drill"
        given = OrderGiven(self._name(), what, order.by, order.reason, key="", words="")
        return self._give(given, at)

    def _repair(self, order: _Repair, at: datetime) -> dict[str, str]:
        """Let a stuck rollback go on, or put one recorded pair up whole."""
        standing = self._memory.standing
        stuck = standing.rollback or None
        if stuck and stuck.stuck and stuck.theirs and order.way:
            # On its own ways it would meet what somebody deployed again.
            started = stuck.started
            pair = started.to_pair if order.way == "forward" else started.from_pair
            order = _Repair(by=order.by, reason=order.reason, to=pair.short)
        if order.way:
            return self._let_go_on(order, at)
        known = find(standing, order.to)
        if stuck and stuck.stuck and way_to(stuck, known.pair):
            return self._let_go_on(order, at)
        missing = self._memory.missing(known.record)
        if missing:
            raise Problem(f"{order.to} cannot be put up any more: {missing}")
        given = OrderGiven(
            self._name(), "repair", order.by, order.reason, known.pair.key, words=""
        )
        return self._give(given, at)

    def _let_go_on(self, order: _Repair, at: datetime) -> dict[str, str]:

        def weigh(standing: Standing) -> tuple[WayChosen]:
            rollback = standing.rollback
            hint = "`watchdog repair` shows what there is"
            if rollback is None or not rollback.stuck:
                raise Problem("no rollback is stuck", hint)
            if standing.claimed:
                raise Problem(standing.claimed.words, standing.claimed.hint)
            started = rollback.started
            way = order.way or way_to(rollback, find(standing, order.to).pair)
            if not way:
                raise Problem("what is stuck has changed", hint)
            if way == "back" and not started.plan.way_back:
                raise Problem(f"a {started.what} has no way back", "choose --forward")
            pair = started.to_pair if way == "forward" else started.from_pair
            words = f"{order.by} lets it go {way} to {pair.version}"
            words = f"{words}: {order.reason}"
            return (WayChosen(started.plan.op, way, order.by, words),)

        (chosen,) = self._memory.add_if(at, weigh)
        return {"op": chosen.op, "way": chosen.way, "words": chosen.words}

    def _name(self) -> str:
        return f"ord_{self._secret()}"

    def _give(self, given: OrderGiven, at: datetime) -> dict[str, str]:
        """Journal an order that the next turn follows, unless it would refuse it."""

        def weigh(standing: Standing) -> tuple[OrderGiven]:
            version = standing.running.pair.version if standing.running else ""
            release = self._releases.for_version(version)
            target = target_of(standing, given, release, self._rules, at).pair
            words = f"{given.by} ordered a {given.what} from {version}"
            words = f"{words} to {target.words}: {given.reason}"
            # The pair that was shown is the one meant, whatever comes between.
            return (replace(given, key=target.key, words=words),)

        (whole,) = self._memory.add_if(at, weigh)
        return {"order": whole.order, "words": whole.words}


def _no(status: int, words: str, hint: str = "") -> Reply:
    return Reply(status, {"words": words, "hint": hint})
