"""Who may answer for a release, and who agreed to what before it shipped."""

from collections.abc import Collection, Iterator

from watchdog.config.filling import Filled
from watchdog.config.notation import in_words, one_of, seen
from watchdog.config.release_form import FileForm
from watchdog.facts.problem import Fault
from watchdog.facts.trigger import Action


def faults_of_people(
    filled: Filled[FileForm], approvers: Collection[str] | None, *, is_default: bool
) -> Iterator[Fault]:
    """Say who of those named could not answer, or has not agreed."""
    file = filled.value
    actions = {
        action
        for rule in file.triggers or ()
        if isinstance(rule, dict) and isinstance(action := rule.get("action"), str)
    }
    dri = file.dri or ()
    if not dri and filled.is_right("dri"):
        yield Fault("dri", "is missing", "name who decides about this release")
    eligible = [
        *(("dri", place, name) for place, name in enumerate(dri)),
        *(("secondary", place, name) for place, name in enumerate(file.secondary)),
    ]
    names = [name for _, _, name in eligible]
    for nth, (key, place, name) in enumerate(eligible):
        at = in_words((key, place))
        if name in names[:nth]:
            yield Fault(at, f"{seen(name)} is listed twice")
        elif approvers is not None and name not in approvers:
            yield Fault(
                at,
                f"nobody with the name {seen(name)} in approvers; who could answer?",
                one_of(name, approvers)
                or "list their key in the roster; who left stays there, revoked",
            )
    if not 1 <= file.required_approvals <= 2:
        yield Fault(
            "required_approvals", f"{file.required_approvals} is not 1 or 2", "write 1"
        )
    elif dri and len(set(names)) < file.required_approvals:
        yield Fault(
            "required_approvals",
            f"{file.required_approvals} people must agree, and only {len(set(names))} "
            "may answer",
            "list another one under `secondary`",
        )
    if file.on_no_answer != "hold" and is_default:
        yield Fault(
            "on_no_answer",
            "says roll-back in the file for all versions, which nobody approved",
            "leave it out",
        )
    elif file.on_no_answer != "hold" and file.approved_by is None:
        yield Fault(
            "approved_by",
            "is missing, and silence rolls back",
            "name who of dri agreed to that",
        )
    if not (dri and filled.is_right("approved_by") and filled.is_right("dri")):
        return
    if file.approved_by is not None and file.approved_by not in dri:
        yield Fault(
            "approved_by",
            f"{seen(file.approved_by)} is not in dri",
            f"one of: {', '.join(dri)}",
        )
    if file.approved_by is None and Action.ROLLBACK in actions and not is_default:
        yield Fault(
            "approved_by",
            "is missing, and a trigger rolls back at once",
            "name who of dri agreed to that",
        )
