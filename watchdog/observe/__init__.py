"""Asks the world; not seeing is a reading, never an exception."""
