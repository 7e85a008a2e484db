"""Figures of the product: what is promised, measured."""
