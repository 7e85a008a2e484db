"""The rollback watchdog: puts the last known-good pair back, and proves it."""
