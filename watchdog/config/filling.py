"""Fills a model with all that can be read of a file; every fault of it at once."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from watchdog.config.notation import Place, Said, in_words, one_of, seen
from watchdog.facts.problem import Fault

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Filled(Generic[Model]):
    """A model with all that could be read of it; what could not has its default.

    *wrong* holds the places that have a fault, so that nobody judges them further.
    """

    value: Model
    faults: tuple[Fault, ...]
    wrong: frozenset[Place]

    def is_right(self, *at: str) -> bool:
        """Tell whether this place, those around and those inside have no fault."""
        return not any(
            place[: len(at)] == at or at[: len(place)] == place for place in self.wrong
        )


def fill(model: type[Model], raw: Mapping[str, Any], at: Place = ()) -> Filled[Model]:
    """Read *raw* into *model*, none of whose own fields is required.

    *at* is where *raw* stands in its file.
    """
    faults: list[Fault] = []
    wrong: set[Place] = set()
    left: dict[str, Any] = dict(raw)
    while True:
        try:
            value = model.model_validate(left)
        except ValidationError as error:
            before = left
            for detail in error.errors():
                # What was wrong and is left out now is not missing too.
                if detail["loc"] not in wrong:
                    faults.append(_fault(model, detail, at))
                wrong.add(detail["loc"])
                left = _without(left, detail["loc"])
            if left == before:
                raise  # a default of ours is wrong, not the file
            continue
        return Filled(value, tuple(faults), frozenset(wrong))


def _without(raw: dict[str, Any], at: Place) -> dict[str, Any]:
    """Leave out the value at *at*, or what holds it if there is no such value."""
    head, *rest = at
    inner = raw.get(str(head))
    if isinstance(inner, dict) and rest and rest[0] in inner:
        return {**raw, str(head): _without(inner, tuple(rest))}
    return {key: value for key, value in raw.items() if key != head}


def _fault(model: type[BaseModel], detail: ErrorDetails, at: Place) -> Fault:
    loc = detail["loc"]
    if detail["type"] != "extra_forbidden":  # there it is what somebody wrote
        loc = tuple(part for part in loc if part != "[key]")
    context = detail.get("ctx", {})
    said = context.get("error")
    value = seen(detail["input"])
    hint = ""
    match detail["type"]:
        case _ if isinstance(said, Said):
            text, hint = said.words, said.hint
        case "extra_forbidden":
            text, hint = "unknown key", one_of(str(loc[-1]), _keys_at(model, loc[:-1]))
        case "missing":
            text = "is missing"
        case "literal_error" | "enum":
            choices = re.findall(r"'([^']*)'", str(context["expected"]))
            text = f"{value} is not one of: {', '.join(choices)}"
        case "model_type" | "model_attributes_type" | "dict_type" | "mapping_type":
            text = f"{value} is not a mapping"
        case "tuple_type" | "list_type":
            text, hint = f"{value} is not a list", "write `[…]`"
        case _:
            text = f"{value}: {detail['msg'].lower()}"
    return Fault(in_words((*at, *loc)), text, hint)


def _keys_at(model: type[BaseModel], at: Place) -> Collection[str]:
    """Name the keys that are known at a place of *model*."""
    kind: Any = model
    for part in at:
        if isinstance(part, int):
            continue  # any place of a list holds the same
        kind = _model_in(kind)
        if kind is None or part not in _names(kind):
            return ()
        kind = _names(kind)[str(part)]
    kind = _model_in(kind)
    return _names(kind) if kind else ()


def _names(model: type[BaseModel]) -> dict[str, Any]:
    return {
        field.alias or name: field.annotation
        for name, field in model.model_fields.items()
    }


def _model_in(kind: Any) -> type[BaseModel] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) in (Union, UnionType, Annotated, tuple):
        return next(filter(None, map(_model_in, get_args(kind))), None)
    return None
