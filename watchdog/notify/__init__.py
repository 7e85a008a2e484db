"""Tells people and pipelines; decides nothing, and delays nothing."""
