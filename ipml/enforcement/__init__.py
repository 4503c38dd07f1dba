"""Enforcement: evidence, measures, statements, strikes and penalties after a decision; remedies for wrong decisions."""
