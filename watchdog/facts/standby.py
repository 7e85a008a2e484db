"""A container that is kept healthy beside, in case it is gone back to."""

from dataclasses import dataclass

# They carry none of Compose's labels and none of the service's own: to Compose, and to
# who routes or counts by labels, there is none.
PROJECT = "io.flexli.rollback.standby"
MADE = "io.flexli.rollback.standby.made"
SERVICE = "io.flexli.rollback.standby.service"
IMAGE = "io.flexli.rollback.standby.image"
HEALTHY = "healthy"


@dataclass(frozen=True, slots=True)
class Beside:
    """One that is there. *made* names how it was made, *state* is the engine's word.

    *health* is its health check's. *right* unless its image is another than was meant.
    *reaches* once it has left the network where it reaches nobody: it stood in, and is
    no standby any more. *code* is what it exited with.
    """

    id: str
    service: str
    made: str
    state: str
    health: str = ""
    right: bool = True
    reaches: bool = False
    code: int = 0

    @property
    def is_healthy(self) -> bool:
        """Tell whether it could take over now."""
        runs = self.state == "running" and not self.reaches
        return self.right and runs and self.health == HEALTHY

    @property
    def is_over(self) -> bool:
        """Tell whether it will not get healthy any more by itself."""
        ended = self.state not in ("created", "running")
        return ended or self.health == "unhealthy" or not self.right

    @property
    def end(self) -> str:
        """Say what became of it."""
        if not self.right:
            return f"{self.service} came up with another image"
        if self.state in ("exited", "dead"):
            return f"{self.service} ended with {self.code}"
        return f"{self.service} is {self.health or self.state}"
