"""Strikes, and what they lead to."""
