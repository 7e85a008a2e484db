"""Changes what runs; the only folder that does."""
