"""The release file's schema: as strict as a schema can be, and never stricter."""

import json
import re
from pathlib import Path

import pytest

from watchdog.config.release_form import (
    CareForm,
    FileForm,
    LatencyForm,
    QueueForm,
    RatioForm,
    RuleForm,
)
from watchdog.config.yaml_file import mapping_in
from watchdog.facts.problem import Refused
from watchdog.show.schema import DIALECT, schema

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parents[1] / "config"
SHIPPED = sorted((HERE.parents[1] / "config" / "releases").glob("*.yaml"))
BAD = sorted((HERE / "bad").glob("*.yaml"))

# Faults that only the reader can see: they are about two places at once, about what
# is outside the file, or about arithmetic.
BEYOND = {
    "a-dri-without-a-key",
    "any-of-nothing",
    "a-for-of-too-few-scrapes",
    "a-latency-that-selects-le",
    "a-rollback-that-nobody-approved",
    "a-value-shorter-than-a-scrape",
    "a-window-of-broken-blocks",
    "a-window-of-ten-years",
    "a-window-of-too-few-blocks",
    "an-image-of-another-release",
    "an-image-without-a-tag",
    "another-releases-file",
    "approved-by-a-stranger",
    "back-to-itself",
    "blocks-under-two-scrapes",
    "default-for-one-version",
    "default-with-one-versions-manifest",
    "images-of-another-release",
    "manifests-that-are-no-plain-names",
    "no-manifests",
    "latencies-in-the-wrong-unit",
    "manifests-of-look-alikes",
    "one-manifest-for-two-tenants",
    "one-name-for-two-triggers",
    "over-before-it-is-judged",
}
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
KNOWN = {
    "$schema", "$id", "$ref", "$defs", "title", "description", "examples", "type",
    "enum", "const", "properties", "patternProperties", "additionalProperties",
    "required", "items", "minItems", "uniqueItems", "minProperties", "pattern", "not",
    "anyOf",
    "oneOf", "allOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
}  # fmt: skip


def fits(value, rule, whole):
    """Validate as JSON Schema does, for the words that our schema uses."""
    if isinstance(rule, bool):
        return rule
    assert set(rule) <= KNOWN, set(rule) - KNOWN
    if "$ref" in rule and not fits(value, _at(whole, rule["$ref"]), whole):
        return False
    kind = TYPES.get(rule.get("type", ""))
    if kind and (not isinstance(value, kind) or (_is_bool(value) and kind is not bool)):
        return False
    several = {
        "anyOf": any,
        "allOf": all,
        "oneOf": lambda found: sum(found) == 1,
        "not": lambda found: not any(found),
    }
    for word, holds in several.items():
        some = rule.get(word, [])
        if word in rule and not holds(
            fits(value, one, whole) for one in (some if word != "not" else [some])
        ):
            return False
    if "enum" in rule and value not in rule["enum"]:
        return False
    if isinstance(value, str) and not re.search(rule.get("pattern", ""), value):
        return False
    if isinstance(value, dict):
        return _mapping_fits(value, rule, whole)
    if isinstance(value, list):
        return _list_fits(value, rule, whole)
    if isinstance(value, int | float) and not _is_bool(value):
        return (
            rule.get("minimum", value) <= value <= rule.get("maximum", value)
            and not value <= rule.get("exclusiveMinimum", value - 1)
            and not value >= rule.get("exclusiveMaximum", value + 1)
        )
    return True


def _mapping_fits(value, rule, whole):
    if set(rule.get("required", ())) - set(value):
        return False
    if len(value) < rule.get("minProperties", 0):
        return False
    for key, inner in value.items():
        rules = [rule["properties"][key]] if key in rule.get("properties", {}) else []
        shapes = rule.get("patternProperties", {})
        rules += [one for shape, one in shapes.items() if re.search(shape, key)]
        rules = rules or [rule.get("additionalProperties", True)]
        if not all(fits(inner, one, whole) for one in rules):
            return False
    return True


def _list_fits(value, rule, whole):
    if len(value) < rule.get("minItems", 0):
        return False
    if rule.get("uniqueItems") and len(set(map(str, value))) < len(value):
        return False
    return all(fits(one, rule.get("items", True), whole) for one in value)


def _at(whole, reference):
    for part in reference.removeprefix("#/").split("/"):
        whole = whole[part]
    return whole


def _is_bool(value):
    return isinstance(value, bool)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_release_file_fits_the_schema(file):
    assert fits(mapping_in(file), schema(), schema())


@pytest.mark.parametrize("file", BAD, ids=lambda path: path.stem)
def test_a_file_whose_fault_is_in_its_shape_does_not_fit(file):
    try:
        raw = mapping_in(file)
    except Refused:
        return  # no editor takes it for YAML of ours

    assert fits(raw, schema(), schema()) == (file.stem in BEYOND)


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (FileForm, ()),
        (CareForm, ("$defs", "CareForm")),
        (RatioForm, ("$defs", "RatioForm")),
        (LatencyForm, ("$defs", "LatencyForm")),
        (QueueForm, ("$defs", "QueueForm")),
        (RuleForm, ("$defs", "Trigger")),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_the_schema_has_the_reader_s_keys_each_with_its_meaning(model, part):
    rule = schema()
    for key in part:
        rule = rule[key]

    names = {field.alias or name for name, field in model.model_fields.items()}
    assert set(rule["properties"]) == names
    assert rule["additionalProperties"] is False
    for name, value in rule["properties"].items():
        assert value is False or value["description"], name


def test_the_schema_says_which_draft_it_is():
    assert schema()["$schema"] == DIALECT


@pytest.mark.parametrize("fine", ["5m", "1h30m", "250ms", "1y2w3d4h5m6s7ms"])
def test_a_duration_is_written_as_in_prometheus(fine):
    rule = schema()["properties"]["mttr"]

    assert fits(fine, rule, {})
    for wrong in ("", "5", "5 m", "30m1h", "-5m", 5):
        assert not fits(wrong, rule, {})


def test_a_share_is_a_percentage_or_a_part_of_one():
    rule = schema()["$defs"]["BaselineForm"]["properties"]["confidence"]

    assert all(fits(fine, rule, {}) for fine in ("99.9%", 0.999, "0.999"))
    assert not any(fits(wrong, rule, {}) for wrong in (99.9, 1, "-1%", "much", True))


def test_an_open_kind_closes_the_keys_of_the_others():
    rule = schema()["$defs"]["Trigger"]

    titles = [one["title"] for one in rule["oneOf"]]
    assert titles == ["ratio", "latency", "queue", "value", "traffic", "container"]


def test_the_file_of_the_schema_is_what_the_model_says():
    file = ROOT / "docs/reference/release.schema.json"

    assert json.loads(file.read_text()) == schema(), (
        f"watchdog schema --out {file.relative_to(ROOT)}"
    )


def test_the_schema_has_a_name_by_which_it_is_known():
    assert schema()["$id"] == "urn:dms-rollback-watchdog:release-file"
