"""The machine's clocks; the only file that reads them, or waits."""

import time
from datetime import UTC, datetime


class RealClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Give the wall clock's UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
