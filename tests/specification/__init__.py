"""Specification of the engine's findings in texts, one text at a time; tests compare the engine with it."""
