"""The release file's JSON Schema, so that an editor completes and checks it.

Made from the model that reads the file; ``watchdog check`` knows more than a schema
can say. Source: JSON Schema, draft 2020-12.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from watchdog.config.release_form import FileForm, RuleForm
from watchdog.config.trigger_rule import BOUNDS, TIMES
from watchdog.facts.reference import REFERENCE
from watchdog.facts.selector import PATTERN
from watchdog.facts.trigger import Sickness

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DURATION = (
    r"^(?=.)([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
)
_NUMBER = r"^\s*[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\s*%?\s*$"
_TEXT = {"type": "string", "pattern": r"\S"}


def _pattern(shape: str) -> str:
    """Take a pattern of Python's that is one of ECMAScript's but for the names."""
    unnamed = re.sub(r"[(][?]P<\w+>", "(", shape)
    return f"^(?:{unnamed})$"


_PLAIN = rf"^\s*{_pattern(PATTERN.pattern)[1:-1]}\s*$"
# Each reader of a value, by its name, as far as a schema can say what it takes.
_READERS: Mapping[str, dict[str, Any]] = {
    "duration": {
        "type": "string",
        "pattern": _DURATION,
        "examples": ["5m", "1h30m", "250ms"],
    },
    "number": {
        "anyOf": [{"type": "number"}, {"type": "string", "pattern": _NUMBER}],
        "examples": ["5%", 0.05],
    },
    "share": {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string", "pattern": _NUMBER.replace("[-+]?(", r"\+?(", 1)},
        ],
        "examples": ["99.9%", 0.999],
    },
    "whole": {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\+?[0-9]{1,18}$"},
        ]
    },
    "prose": _TEXT,
    "one_line": {"type": "string", "pattern": r"^\S(.*\S)?$"},
    "yes_or_no": {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]},
    "_selector": {
        "type": "string",
        "pattern": _PLAIN,
        "examples": ['http_requests_total{job="dms"}'],
    },
    "_histogram": {
        "type": "string",
        "pattern": _PLAIN,
        "not": {"pattern": r"^\s*[a-zA-Z0-9_:]*_(bucket|sum|count)\b"},
        "examples": ["http_request_duration_seconds"],
    },
    "_over": {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?([eE]\+?[0-9]{1,2})?$"},
            {"type": "string", "pattern": _DURATION},
        ],
        "examples": ["500ms", 1024],
    },
    "_sicknesses": {
        "anyOf": [
            {"enum": [*map(str, Sickness)]},
            {
                "type": "array",
                "items": {"enum": [*map(str, Sickness)]},
                "minItems": 1,
                "uniqueItems": True,
            },
        ]
    },
    "_query": {"type": "string", "pattern": r"\{\{\s*window\s*\}\}"},
}

_WORDS: Mapping[str, str] = {
    "release": "The version that this file is about, and the file's own name.",
    "image": "name:tag of the release; a digest may be added.",
    "images": "Service to name:tag, in place of image, where the release is several.",
    "manifests": "Tenant to file name, in the stack's manifests folder; {}: there are "
    "none.",
    "rollback_to": "The version to go back to; default: the newest known-good pair.",
    "rollback_safe": "false for a one-way change: never roll back by itself.",
    "deployment": "Sets the deadline of a question: cloud 1h, on-prem 1d.",
    "mttr": "The deadline of a question, in place of that of the deployment.",
    "dri": "Who decides about this release; names as in the roster.",
    "secondary": "Who may answer too, and is reminded at 75% of the time.",
    "required_approvals": "How many different people must agree: 1 or 2.",
    "on_no_answer": "What silence means: hold and page, or roll-back.",
    "approved_by": "Who agreed, before it shipped, to the immediate rollbacks.",
    "watch_for": "How long after its start the release is watched.",
    "retention": "When it need not stay restorable: ask, or after N newer releases.",
    "jobs": "Service to once or again: may a rollback to this release run it again?",
    "defaults": "How sure a breach must be, for every trigger that does not say.",
    "triggers": "What is watched, and what a confirmed breach leads to.",
    "alert": "The trigger's name.",
    "ratio": "Bad events out of all events.",
    "latency": "Requests slower than a bucket's bound.",
    "queue": "A queue whose floor rises while its drain is failing.",
    "value": "Any PromQL expression, each of its series held against a bound.",
    "traffic": "A plain selector of a counter: how many events come.",
    "of": "How long before the release is compared; 1h.",
    "container": "What the engine says of the release's containers; no Prometheus.",
    "errors": "A plain selector of a counter of bad events.",
    "total": "A plain selector of a counter of all events.",
    "good": "A plain selector of a counter of good events, in place of total.",
    "errors_query": "Bad events as an expression with {{ window }}.",
    "total_query": "All events as an expression with {{ window }}.",
    "histogram": "The histogram's name without _bucket, with its labels.",
    "over": "More than this is bad: a time, or a number; must be a bucket's bound.",
    "unit": "What the histogram counts in, if its name does not end in it.",
    "quantile": "0.95: more than 5% slower than `over` is too many.",
    "depth": "A plain selector of a gauge: how many are waiting.",
    "enqueued": "A plain selector of a counter: how many came.",
    "drained": "A plain selector of a counter: how many went.",
    "above": "Breached past this; a share for a ratio: 5% or 0.05.",
    "below": "Breached under this.",
    "for": "The whole of this time must be past the bound.",
    "window": "Acts as soon as this much time confirms it.",
    "growing_for": "The queue's floor must rise all through this time.",
    "block": "A queue's floors are of this; two scrapes at least.",
    "action": "What a confirmed breach leads to.",
    "mode": "observe: say what would have been done, and do nothing.",
    "by": "A label to count apart for evidence, such as tenant.",
    "any": "true: one value of `by` that is over by itself is a breach too.",
    "unless": "An expression of an outside cause, which turns a rollback into a page.",
    "labels": "Labels to carry along.",
    "annotations": "Texts to carry along.",
    "min_samples": "With fewer events than this nothing is clear; 20.",
    "min_events": "Fewer bad events than this are no breach; 4.",
    "min_growth": "The queue must have grown by this much; 20.",
    "coverage": "How much of the window must be measured to be clear; 80%.",
    "baseline": "What was before the release; a breach must be clearly worse.",
    "worse_by": "How many times worse than before.",
    "confidence": "How sure it must be that it is worse; 99%.",
    "missing": "With nothing before to compare: pause, or ignore the comparison.",
}


class _Written(GenerateJsonSchema):
    """Knows how values are written in the file, where the model holds what is read."""

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        reader = schema["function"]["function"]
        name = getattr(reader, "__name__", "")
        if name == "shaped":
            shape = _kept_in(reader)["pattern"]
            return {"type": "string", "pattern": _pattern(shape)}
        if name in _READERS:
            return dict(_READERS[name])
        return super().function_before_schema(schema)

    def function_after_schema(
        self, schema: core_schema.AfterValidatorFunctionSchema
    ) -> JsonSchemaValue:
        """Give a number its ends, where it is written as one."""
        made: JsonSchemaValue = self.generate_inner(schema["schema"])
        check = schema["function"]["function"]
        if getattr(check, "__name__", "") != "between":
            return made
        kept = _kept_in(check)
        low = "minimum" if kept["low_too"] else "exclusiveMinimum"
        high = "maximum" if kept["high_too"] else "exclusiveMaximum"
        first, *rest = made["anyOf"]
        plain = {"type": first["type"], low: kept["low"], high: kept["high"]}
        return {**made, "anyOf": [plain, *rest]}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Leave null out: whoever writes a key without a value forgot it."""
        made: JsonSchemaValue = self.generate_inner(schema["schema"])
        return made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave defaults out: they are in the words, as the file would write them."""
        made: JsonSchemaValue = self.generate_inner(schema["schema"])
        return made

    def generate(self, schema: CoreSchema, mode: Any = "validation") -> JsonSchemaValue:
        made: JsonSchemaValue = _without_titles(super().generate(schema, mode))
        return made


def _kept_in(function: Any) -> Mapping[str, Any]:
    return inspect.getclosurevars(function).nonlocals


def schema() -> dict[str, Any]:
    """Give the JSON Schema of ``config/releases/*.yaml``, ``default.yaml`` too."""
    whole = FileForm.model_json_schema(by_alias=True, schema_generator=_Written)
    rule = RuleForm.model_json_schema(by_alias=True, schema_generator=_Written)
    definitions = {**whole.pop("$defs", {}), **rule.pop("$defs", {})}
    for key, value in rule["properties"].items():
        if not value:  # what the model takes whatever it is, nobody judges yet
            rule["properties"][key] = False
    rule["required"] = ["alert"]
    rule["oneOf"] = [_kind(kind, rule["properties"]) for kind in TIMES]
    if "RatioForm" in definitions:
        definitions["RatioForm"]["oneOf"] = [
            {
                "required": ["errors", "total"],
                "properties": {
                    "errors_query": False,
                    "total_query": False,
                    "good": False,
                },
            },
            {
                "required": ["errors", "good"],
                "properties": {
                    "errors_query": False,
                    "total_query": False,
                    "total": False,
                },
            },
            {
                "required": ["errors_query", "total_query"],
                "properties": {"errors": False, "total": False, "good": False},
            },
        ]
    definitions["Trigger"] = rule
    whole["properties"]["triggers"] = {
        "type": "array",
        "minItems": 1,
        "items": {"$ref": "#/$defs/Trigger"},
    }
    reference = _pattern(REFERENCE.pattern)
    whole["properties"]["image"]["pattern"] = reference
    for image in whole["properties"]["images"]["patternProperties"].values():
        image["pattern"] = reference
    whole["properties"]["images"] |= {"minProperties": 1}
    whole["properties"]["dri"] |= {"minItems": 1, "uniqueItems": True}
    whole["required"] = ["dri", "triggers"]
    # One for a version, which names it and its image or images, or one for all others.
    whole["oneOf"] = [
        {"required": ["release", "image"], "properties": {"images": False}},
        {"required": ["release", "images"], "properties": {"image": False}},
        {
            "properties": dict.fromkeys(
                ("release", "image", "images", "approved_by"), False
            )
        },
    ]
    for part in (whole, *definitions.values()):
        _describe(part)
    return {
        "$schema": DIALECT,
        "$id": "urn:dms-rollback-watchdog:release-file",
        "title": "Release file of the rollback watchdog",
        **whole,
        "$defs": definitions,
    }


def _kind(kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Say which keys stand beside one kind, and which can not."""
    times, bounds = TIMES[kind], BOUNDS[kind]
    every_kind = {key for key in TIMES if key in properties}
    every_time = {time for some in TIMES.values() for time in some}
    foreign = (every_kind - {kind}) | (every_time - {*times})
    foreign |= {"above", "below"} - {*bounds}
    foreign |= set() if kind == "queue" else {"min_growth"}
    foreign |= set() if kind == "traffic" else {"of"}
    made: dict[str, Any] = {
        "title": kind,
        "required": [kind] if kind == "traffic" else [kind, "action"],
        "properties": dict.fromkeys(sorted(foreign), False),
    }
    choices = [some for some in (times, bounds) if some]
    made["allOf"] = [
        {"oneOf": [{"required": [key]} for key in some]} for some in choices
    ]
    if kind == "ratio":
        # A share of all: 5 is meant as 5%.
        share = {"anyOf": [{"type": "string"}, {"minimum": 0, "exclusiveMaximum": 1}]}
        made["properties"]["above"] = share
    return made


def _describe(part: dict[str, Any]) -> None:
    for key, value in part.get("properties", {}).items():
        if isinstance(value, dict) and key in _WORDS:
            part["properties"][key] = {"description": _WORDS[key], **value}


def _without_titles(value: Any) -> Any:
    """Drop the titles that are made of the names of our classes."""
    if isinstance(value, dict):
        return {
            key: _without_titles(inner)
            for key, inner in value.items()
            if key != "title" or isinstance(inner, dict)
        }
    if isinstance(value, list):
        return [_without_titles(inner) for inner in value]
    return value
