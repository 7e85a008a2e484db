"""Verdicts and history in, decision and plan out."""
