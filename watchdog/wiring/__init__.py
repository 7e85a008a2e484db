"""What is made once, at the start, and handed around."""
