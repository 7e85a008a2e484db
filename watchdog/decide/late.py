"""A manifest that was replaced under a running container is not what that runs."""

from watchdog.decide.standing import Standing
from watchdog.facts.pair import NotKnown, Running


def unless_late(s: Standing, seen: Running) -> Running | NotKnown:
    """Give *seen*, unless nobody knows which manifest it started with.

    A container that was seen before a file's change, with the same bytes as now, has
    started with them: a `touch` or a `chmod` says nothing. So has one that a rollback
    of ours put up: it looked at the file right before.
    """
    before, put_up = s.running, s.put_up
    known: tuple[str, ...] = ()
    if before is not None and before.pair.key == seen.pair.key:
        known = before.containers
    by = s.put_up_by(seen)
    if put_up is not None and by == put_up.op and put_up.key == seen.pair.key:
        return seen
    words = [words for id_, words in seen.late if id_ not in known]
    if not words:
        return seen
    return NotKnown(words[0], versions=(seen.pair.version,))
