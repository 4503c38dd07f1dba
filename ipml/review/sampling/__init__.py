"""Listings drawn with known odds, and what they tell of all the others."""
