"""Prove that both halves are the target's and that it serves."""

from dataclasses import dataclass

from watchdog.facts.pair import NotKnown, Pair, Running


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint of the stack said: a sentence, and whether it is right."""

    fine: bool
    words: str


@dataclass(frozen=True, slots=True)
class Proven:
    """All of it was read back and is as meant.

    *watched*: every container has a health check. One without runs for a moment
    even if it dies at once: what is seen of it must last.
    """

    words: str
    watched: bool = True


@dataclass(frozen=True, slots=True)
class NotYet:
    """Something is not as meant (yet); *hopeless* when waiting can't mend it."""

    words: str
    hopeless: bool = False
    unhurried: bool = False  # asking again at once would only burden the stack


def prove(
    meant: Pair,
    seen: Running | NotKnown,
    health: tuple[str, ...],
    answers: tuple[Answer, ...],
    smoke: tuple[Answer, ...] = (),
    *,
    as_it_was: bool = False,
) -> Proven | NotYet:
    """Compare what runs with what was meant; every part counts.

    *health* holds Docker's word for each container with a health check
    (``healthy``, ``starting``, ``unhealthy``); *answers* what the stack's own
    endpoints said, *smoke* what its smoke checks came to. A pair that is put back
    *as_it_was* need not pass those, nor have had its jobs end well: what ran before may
    be bad, and ran.
    """
    if isinstance(seen, NotKnown):
        return NotYet(seen.words)
    if seen.pair.image != meant.image:
        return NotYet(f"{seen.pair.code}, meant {meant.code}", hopeless=True)
    if seen.pair.manifests != meant.manifests:
        return NotYet(
            f"manifests are {_of(seen.pair)}, meant {_of(meant)}", hopeless=True
        )
    still = [state for state in seen.states if state != "running"]
    if still:
        # Docker starts it again, or nobody does.
        over = still[0] in ("exited", "dead")
        return NotYet(f"a container is {still[0]}, meant running", hopeless=over)
    if seen.unheard:
        return NotYet(seen.unheard[0])
    sick = [word for word in health if word != "healthy"]
    if sick:
        return NotYet(f"a container is {sick[0]}, meant healthy")
    for job in seen.jobs:
        unlike = job.wrong(meant.version)
        if unlike and not (as_it_was and job.code is not None):
            return NotYet(unlike, hopeless=job.code is not None)
    wrong = [answer.words for answer in answers if not answer.fine]
    if wrong:
        return NotYet(wrong[0])
    failed = [answer.words for answer in smoke if not answer.fine]
    if failed and not as_it_was:
        return NotYet(f"smoke check failed: {failed[0]}", unhurried=True)
    parts = [
        meant.code,
        f"manifests {_of(meant)}" if meant.manifests else "no manifests",
    ]
    if meant.is_built:
        parts += ["container healthy"] if health else ["container running"]
    parts += [answer.words for answer in (*answers, *smoke) if answer.fine]
    parts += [job.words for job in seen.jobs]
    parts += [f"smoke check failed, as it may have before: {words}" for words in failed]
    parts += seen.unseen
    return Proven("; ".join(parts), len(health) >= len(seen.containers))


def _of(pair: Pair) -> str:
    return ", ".join(f"{t} {sha[:12]}" for t, sha in pair.manifests) or "none"
