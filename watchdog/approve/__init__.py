"""Speaks with people."""
