"""The rollback watchdog: puts the last known-good pair back, and proves it."""

__version__ = "26.11.0"
