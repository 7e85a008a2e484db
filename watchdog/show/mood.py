"""One word for everything, so that good is told from bad without a colour."""

from typing import Any

from watchdog.decide.gate import OPEN
from watchdog.decide.standing import Standing
from watchdog.facts.trigger import Release


def mood(
    whole: dict[str, Any], s: Standing, release: Release | None
) -> tuple[str, str]:
    """Give the word and its sentence; good only what was measured, and all of it.

    *whole* is the picture of the status of *s*; the first that holds is said.
    """
    gate = whole["promotion"]
    why_paused = f"promotion: {'; '.join(gate['reasons'])}"
    could = whole["readiness"]
    kinds = [seen["verdict"] for seen in whole["triggers"].values()]
    version = whole["running"]["version"] if whole["running"] else ""
    for word, why in (
        _now(whole, s),
        _bad(whole, kinds),
        _unknown(whole, kinds),
        _unmeasured(whole, release),
        ("SUSPECTED", "pending" in kinds and "a trigger is over, and not confirmed"),
        ("ON HOLD", whole["hold"]),
        ("NO WAY BACK", could["ready"] is False and f"{could['words']}: see why below"),
        ("NOT KNOWN", could["ready"] is None and could["words"]),
        ("ONLY OBSERVED", whole["mode"] != "act" and "nothing would be done"),
        (
            "PAUSED",
            gate["state"] != OPEN and why_paused,
        ),
    ):
        if why:
            return word, f"{why}."
    return "GOOD", f"every trigger of {version} is clear, and it could be rolled back."


def _now(whole: dict[str, Any], s: Standing) -> tuple[str, Any]:
    if whole["claimed"]:
        return "NOT OURS", "another watchdog has this stack: nothing is done here"
    if s.rollback is not None and s.rollback.stuck:
        return "STUCK", f"{s.rollback.stuck}; what to do: {s.rollback.hint}"
    if not whole["watching"]:
        return "NOT WATCHED", "nobody looks: is `watchdog run` up?"
    if s.rollback is not None:
        return "ACTING", whole["acting"] or whole["rollback"]["words"]
    return "", ""


def _bad(whole: dict[str, Any], kinds: list[str]) -> tuple[str, Any]:
    running, incident = whole["running"], whole["incident"]
    if running and running["down"]:
        return "BAD", running["down"]
    if whole["question"]:
        return "BAD", "a decision is needed: see below"
    if incident and incident["rolled_back"]:
        return "RECOVERING", incident["words"]
    if incident:
        return "BAD", incident["words"]
    return "BAD", "breached" in kinds and "a trigger is breached"


def _unknown(whole: dict[str, Any], kinds: list[str]) -> tuple[str, Any]:
    if whole["unclear"]:
        return "NOT KNOWN", whole["unclear"]
    if whole["running"] is None:
        return "NOT KNOWN", "nothing has been seen running yet"
    if whole["unreachable"]:
        away = "; ".join(f"{what} is away" for what in whole["unreachable"])
        return "NOT KNOWN", away
    if whole["not_asked"]:
        return "NOT WATCHED", whole["not_asked"]
    if "blind" in kinds:
        return "NOT KNOWN", "a trigger is blind: nothing is known of what it asks"
    return "NOT KNOWN", not kinds and "nothing was judged yet"


def _unmeasured(whole: dict[str, Any], release: Release | None) -> tuple[str, Any]:
    if release is None or not release.triggers:
        return "NOT WATCHED", "no release file says what to watch"
    names = [t.name for t in release.triggers if t.name not in whole["triggers"]]
    if names:
        return "NOT KNOWN", f"not judged yet: {', '.join(names)}"
    unproven = ", ".join(whole["unproven"])
    return "NOT KNOWN", unproven and f"tried live, and not to be relied on: {unproven}"
