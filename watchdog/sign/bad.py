"""What is said when a seal does not hold."""

from watchdog.facts.problem import Problem

SIGN_AGAIN = "sign it again: ssh-keygen -Y sign -f KEY -n NAMESPACE FILE"


class BadSeal(Problem):
    """The bytes are not signed by anybody that we listen to."""
