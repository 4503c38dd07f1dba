"""Arrivals: listings that the marketplace submits, and how they become cases."""
