"""The words all stages share: frozen, without I/O, clock or log."""
