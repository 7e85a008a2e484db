"""What a manifest says about itself, read from the very bytes that were verified."""

import json
from typing import Any

from watchdog.facts.pair import HeldManifest, Pair, is_named, release_of
from watchdog.sign.bad import BadSeal


def strict_json(data: bytes) -> Any:
    """Parse JSON that two readers can't read in two ways; ValueError otherwise.

    UTF-8, no key twice, no NaN: what the DMS reads first and we read last would be
    two manifests under one signature.
    """
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_number,
        )
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def agree(
    pair: Pair, held: HeldManifest, data: bytes, tenant_key: str, version_key: str
) -> None:
    """Hold what is written in the manifest against the release and the file's name.

    *tenant_key* and *version_key* are dotted paths into the JSON; an empty one is
    not looked for.

    Raises:
        BadSeal: it is another tenant's or another version's.
    """
    name = f"the manifest of {held.tenant} for {pair.version}"
    file = held.kept_at.rpartition("/")[2]
    versions = {pair.version, release_of(pair.version)}
    if not any(is_named(file, held.tenant, version) for version in versions):
        raise BadSeal(
            f"{name} is kept as {file!r}, which does not name the two",
            f"keep it as {held.tenant}.{pair.version}.manifest.json",
        )
    if not tenant_key and not version_key:
        return
    try:
        whole = strict_json(data)
    except ValueError as error:
        raise BadSeal(
            f"{name} cannot be read as JSON: {error}",
            "sign a manifest that can be read in one way only",
        ) from error
    for key, meant in ((tenant_key, {held.tenant}), (version_key, versions)):
        seen = _at(whole, key) if key else None
        if key and not (isinstance(seen, str) and seen in meant):
            shown = "nothing" if seen is None else repr(seen)[:80]
            raise BadSeal(
                f"{name} says {key} {shown}, meant {' or '.join(sorted(meant))}",
                "it is well signed but for something else: put the right file there",
            )


def _at(whole: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(whole, dict) or part not in whole:
            return None
        whole = whole[part]
    return whole


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:60]!r} is there twice")
    return whole


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number of JSON")
