"""Lets people look; changes nothing."""
