"""Measures: what is done to listings, told to the platform, and undone again."""
