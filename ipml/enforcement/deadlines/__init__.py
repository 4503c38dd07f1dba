"""Deadlines: legal terms by jurisdiction, and their effect when they expire."""
