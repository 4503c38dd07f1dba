"""Listings drawn with known probability, and what they tell of all the others."""
