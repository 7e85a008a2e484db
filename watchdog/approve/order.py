"""What a person orders by hand, checked and journaled; nothing executes.

Whoever calls is trusted: the door is a socket that only the watchdog's own user can
open. *by* says who it was, as they say themselves.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from watchdog.approve.answer import Reply
from watchdog.decide.ledger import find, may_vouch
from watchdog.facts.event import HoldLifted, HoldPlaced, PairProvedGood
from watchdog.facts.problem import Problem
from watchdog.roles import Remembers


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


class Orders:
    """Takes orders and journals them; the next turn goes by what is journaled."""

    def __init__(self, memory: Remembers) -> None:
        self._memory = memory
        self._kinds: dict[str, tuple[type[_Strict], Callable[[Any, datetime], str]]] = {
            "vouch": (_Vouch, self._vouch),
            "hold": (_Hold, self._hold),
            "resume": (_Resume, self._resume),
        }

    def take(self, kind: str, order: Mapping[str, Any], at: datetime) -> Reply:
        """Take one order: 200 with a sentence, or what speaks against it."""
        if kind not in self._kinds:
            return _no(404, f"there is no order {kind}")
        model, follow = self._kinds[kind]
        try:
            return Reply(200, {"words": follow(model.model_validate(order), at)})
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(str(part) for part in first["loc"])
            return _no(422, f"{path}: {first['msg']}")
        except Problem as problem:
            return _no(409, problem.words, problem.hint)

    def _vouch(self, order: _Vouch, at: datetime) -> str:
        known = find(self._memory.standing, order.which)
        may_vouch(
            known,
            missing=self._memory.missing(known.record),
            even_though_quarantined=order.even_though_quarantined,
        )
        version = known.pair.version
        if known.good:
            return f"{version} is known to be good already: {known.good}"
        if known.quarantined and not order.reason:
            raise Problem(
                f"{version} is quarantined: {known.quarantined}",
                "say with --reason why it is good all the same",
            )
        why = f": {order.reason}" if order.reason else ""
        words = f"{order.by} vouched for {version}{why}"
        self._memory.add(at, PairProvedGood(known.pair.key, words, vouched_by=order.by))
        return words

    def _hold(self, order: _Hold, at: datetime) -> str:
        standing = self._memory.standing
        if standing.hold:
            raise Problem(
                f"there is one already: {standing.hold.words}",
                "lift it first, with `watchdog resume`",
            )
        words = f"operator hold by {order.by} since {at:%Y-%m-%d %H:%M:%S} UTC"
        words = f"{words}: {order.reason}"
        self._memory.add(at, HoldPlaced(order.by, words))
        if standing.rollback:
            return f"{words}; the rollback under way goes on to its end"
        return words

    def _resume(self, order: _Resume, at: datetime) -> str:
        hold = self._memory.standing.hold
        if hold is None:
            raise Problem("there is no hold to lift")
        why = f" ({order.reason})" if order.reason else ""
        words = f"{order.by} lifted the {hold.words}{why}"
        self._memory.add(at, HoldLifted(order.by, words))
        return words


def _no(status: int, words: str, hint: str = "") -> Reply:
    return Reply(status, {"words": words, "hint": hint})
